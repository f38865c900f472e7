//! Ports whose far ends take little, or nothing any more: the others notice nothing (f37).

use crate::running::Running;
use crate::stage::{Cabling, FAST, GROUP, PortRecipe, Recipe, SOON, Stage};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use types::{Ipv4Net, Time};

/// Longer than the queue of any interface or ring here takes to fill.
const WATCH: Duration = Duration::from_millis(1_500);
/// A channel that a port has without anybody's asking: the stream's.
const STATIC: &str = "static-groups = [\"239.2.2.2\"]";

fn signal(running: &Running, signal: Signal) {
    kill_process(Pid::from_raw(running.id().cast_signed()).unwrap(), signal).unwrap();
}

fn port(name: &str, device: String, net: u8, more: &'static str) -> PortRecipe {
    let address = Ipv4Net::new([10, net, 0, 1].into(), 24).unwrap();
    PortRecipe { name: name.to_owned(), device, address, more }
}

/// Another Manifold, at the far end of the port "sink", where it takes the stream and passes it on to nowhere.
fn start_far_end(stage: &Stage, device: String) -> Running {
    stage.start(&Recipe {
        instance: "far".to_owned(),
        run_dir: stage.lab.scratch().join("far"),
        ports: vec![port("wan", device, 50, ""), port("hall", "net_null0,no-rx=1".to_owned(), 51, STATIC)],
        ..stage.recipe()
    })
}

/// Has the far end stop reading for a while in the midst of a stream, and go on: hall-a gets each datagram all the
/// same ([`Stage::expect_undisturbed`]). Meanwhile `refused`, what the sink did not take, must grow, or nothing was tried.
fn expect_others_undisturbed(
    stage: Stage,
    running: Running,
    far: Running,
    refused: impl Fn(&Running) -> u64,
) {
    let [hall_a] = &stage.halls[..] else { panic!() };
    let _viewer = hall_a.join(&stage.lab, GROUP);
    let member = || Ok(running.members(GROUP).iter().any(|port| port == "hall-a").then_some(()));
    lab::stop::poll(SOON, member).unwrap().expect("a member");
    let sender = stage.start_source(FAST);
    hall_a.wait_for_stream(Time::ZERO);
    let passed_on = || far.counters("hall").frames["tx-frames"];
    let reaches = || Ok((passed_on() > 10).then_some(()));
    lab::stop::poll(SOON, reaches).unwrap().expect("the stream at the far end");

    stage.expect_undisturbed(&running, hall_a, || {
        let before = refused(&running);
        signal(&far, Signal::STOP);
        lab::stop::pause(WATCH).unwrap();
        let blocked = || Ok((refused(&running) > before + 100).then_some(()));
        let blocked = lab::stop::poll(SOON, blocked).unwrap();
        signal(&far, Signal::CONT);
        blocked.expect("the far end takes nothing any more");
        // It reads again, and is served again.
        let before = passed_on();
        let goes_on = || Ok((passed_on() > before + 1_000).then_some(()));
        lab::stop::poll(SOON, goes_on).unwrap().expect("the stream at the far end again");
    });

    sender.stop().unwrap();
    assert_eq!(running.drops("hall-a", "tx-full"), 0);
    // It was scaffolding, whose driver may have found fault with this kernel. An interface may go with it.
    far.kill();
    running.end(&stage);
}

#[test]
fn f37_a_sink_that_stops_reading_costs_the_others_no_frame() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let socket = stage.lab.scratch().join("memif");
    let memif = |role: &str| {
        format!("net_memif0,role={role},bsize=2048,rsize=9,socket-abstract=no,socket={}", socket.display())
    };
    let mut recipe = stage.recipe();
    recipe.ports.push(port("sink", memif("server"), 50, STATIC));
    let running = stage.start(&recipe);
    let far = start_far_end(&stage, memif("client"));
    // The ring between the two is full.
    expect_others_undisturbed(stage, running, far, |running| running.drops("sink", "tx-full"));
}

#[test]
fn f37_a_kernel_interface_that_takes_nothing_more_costs_the_others_no_frame() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    // A tap: what is sent out of it waits for whoever made it.
    let far = start_far_end(&stage, "net_tap0,iface=sink".to_owned());
    let mut recipe = stage.recipe();
    recipe.ports.push(port("sink", "sink".to_owned(), 50, STATIC));
    let running = stage.start(&recipe);
    let middle = stage.middle.clone();
    let dropped = move |_: &Running| {
        let told = middle.run("cat", &["/sys/class/net/sink/statistics/tx_dropped"]).unwrap();
        told.trim().parse().unwrap()
    };
    expect_others_undisturbed(stage, running, far, dropped);
}

#[test]
fn a_ports_queueing_discipline_is_gone_past() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let running = stage.start(&stage.recipe());
    // It would let some tens of datagrams through.
    let tbf = "qdisc add dev hall-b root tbf rate 8kbit burst 20k limit 30k";
    stage.middle.run("tc", &tbf.split(' ').collect::<Vec<_>>()).unwrap();
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    let members = || Ok((running.members(GROUP).len() == 2).then_some(()));
    lab::stop::poll(SOON, members).unwrap().expect("two members");

    let sender = stage.start_source(2_000);
    lab::stop::pause(WATCH).unwrap();
    let (sent, end) = stage.end_source(sender, &[hall_a, hall_b]);
    assert!(sent > 1_000, "{sent} datagrams");
    for hall in [hall_a, hall_b] {
        let arrived = stage.delivered(hall, Time::ZERO, end).unwrap();
        assert_eq!(arrived.datagrams as u64, sent, "{} got each, in order", hall.name);
    }
    stage.expect_counters_of_the_wire(&running);
    running.finish(&stage);
    stage.close();
}
