//! A port whose far end reads nothing any more, its ring full: the others notice nothing (f37).

use crate::running::Running;
use crate::stage::{Cabling, GROUP, PortRecipe, Recipe, SOON, Stage};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use types::Time;

const RATE: u32 = 2_000;
/// Three times what the ring between the two holds.
const WATCH: Duration = Duration::from_millis(1_500);

fn signal(running: &Running, signal: Signal) {
    kill_process(Pid::from_raw(running.id().cast_signed()).unwrap(), signal).unwrap();
}

#[test]
fn f37_a_sink_that_stops_reading_costs_the_others_no_frame() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let [hall_a] = &stage.halls[..] else { panic!() };
    let socket = stage.lab.scratch().join("memif");
    let port = |name: &str, device: String, net: u8, more| PortRecipe {
        name: name.to_owned(),
        device,
        address: types::Ipv4Net::new([10, net, 0, 1].into(), 24).unwrap(),
        more,
    };
    let memif = |role: &str| {
        format!("net_memif0,role={role},bsize=2048,rsize=9,socket-abstract=no,socket={}", socket.display())
    };
    let mut recipe = stage.recipe();
    recipe.ports.push(port("sink", memif("server"), 50, "static-groups = [\"239.2.2.2\"]"));
    let running = stage.start(&recipe);
    let far = Recipe {
        instance: "far".to_owned(),
        run_dir: stage.lab.scratch().join("far"),
        ports: vec![
            port("wan", memif("client"), 50, ""),
            port("hall", "net_null0,no-rx=1".to_owned(), 51, "static-groups = [\"239.2.2.2\"]"),
        ],
        ..stage.recipe()
    };
    let far = stage.start(&far);
    let _viewer = hall_a.join(&stage.lab, GROUP);
    let member = || Ok(running.members(GROUP).iter().any(|port| port == "hall-a").then_some(()));
    lab::stop::poll(SOON, member).unwrap().expect("a member");
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);
    let reaches = || Ok((far.counters("hall").frames["tx-frames"] > 10).then_some(()));
    lab::stop::poll(SOON, reaches).unwrap().expect("the stream at the far end");

    signal(&far, Signal::STOP);
    lab::stop::pause(WATCH).unwrap();
    let refused = || Ok((running.drops("sink", "tx-full") > 100).then_some(()));
    let is_full = lab::stop::poll(SOON, refused).unwrap();
    signal(&far, Signal::CONT);
    is_full.expect("the ring is full");
    // It reads again, and is served again.
    let before = far.counters("hall").frames["tx-frames"];
    let goes_on = || Ok((far.counters("hall").frames["tx-frames"] > before + 1_000).then_some(()));
    lab::stop::poll(SOON, goes_on).unwrap().expect("the stream at the far end again");

    let (sent, end) = stage.end_source(sender, &[hall_a]);
    let all = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!(all.datagrams as u64, sent, "hall-a got each, in order");
    assert_eq!(running.drops("hall-a", "tx-full"), 0);
    far.end(&stage);
    running.finish(&stage);
    stage.close();
}
