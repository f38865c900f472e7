//! Two workers: the same as with one, to the frame.

use crate::packets::{IPV4, data, frame};
use crate::running::Running;
use crate::stage::{Cabling, GROUP, Recipe, SECOND_GROUP, SETTLED, SOON, Side, Stage};
use api::{Client, Request, WorkerView};
use lab::Frame;
use std::net::Ipv4Addr;
use std::time::Duration;
use types::{GroupAddr, Time};

const RATE: u32 = 1_000;
const BETWEEN: Duration = Duration::from_millis(300);
/// Sources of a crowd, far more than the kernel could put into one queue by chance.
const CROWD: u8 = 64;
/// Frames of each.
const EACH: usize = 8;

fn start(stage: &Stage, recipe: &Recipe) -> Running {
    let running =
        stage.start_changed(recipe, |text| text.replacen("[worker]\n", "[worker]\ncores = [0, 1]\n", 1));
    assert_eq!(workers(&running).len(), 2);
    running
}

fn workers(running: &Running) -> Vec<WorkerView> {
    Client::connect(running.socket()).unwrap().workers().unwrap().workers
}

fn wait_for_members(running: &Running, group: GroupAddr, wanted: &[&str]) {
    let there = || Ok((running.members(group) == wanted).then_some(()));
    lab::stop::poll(SOON, there).unwrap().unwrap_or_else(|| panic!("{:?}", running.members(group)));
}

/// Frames to the group from many sources come in at `from`: how many.
fn crowd(stage: &Stage, from: &Side, group: GroupAddr) -> usize {
    let [_, net, ..] = from.address.addr().octets();
    let mac = from.host.mac().unwrap();
    let mut sender = stage.frames_from(from);
    for _ in 0..EACH {
        for source in 100..100 + CROWD {
            sender.send(&frame(mac, group, &IPV4, &data(Ipv4Addr::new(10, net, 0, source), group))).unwrap();
        }
        // A port's ring holds 512.
        lab::stop::pause(Duration::from_millis(20)).unwrap();
    }
    usize::from(CROWD) * EACH
}

/// `side` gets so many frames to the group from Manifold, and no more.
fn expect_frames(stage: &Stage, side: &Side, group: GroupAddr, since: Time, wanted: usize) {
    let ours = |f: &Frame| f.source == stage.router_mac && f.is_data_to(group.addr()) && f.at >= since;
    let got = || side.wire.select(ours).len();
    let _ = lab::stop::poll(SETTLED, || Ok((got() >= wanted).then_some(()))).unwrap();
    lab::stop::pause(BETWEEN).unwrap();
    assert_eq!(got(), wanted, "in {}", side.name);
}

/// Frames that each worker received since `before`.
fn received(running: &Running, before: &[WorkerView]) -> Vec<u64> {
    let now = workers(running);
    now.iter().zip(before).map(|(now, before)| now.total.frames - before.total.frames).collect()
}

#[test]
fn two_workers_deliver_to_the_frame_while_ports_come_and_go() {
    let stage = Stage::new(&["hall-a", "hall-b", "hall-c"], Cabling::Direct);
    let [hall_a, hall_b, hall_c] = &stage.halls[..] else { panic!() };
    let mut recipe = Recipe { max_ports: Some(4), ..stage.recipe() };
    let coming = recipe.ports.pop().unwrap();
    let running = start(&stage, &recipe);
    // Ports of two clients are two workers': a join comes in through either.
    let _viewer_a = hall_a.join(&stage.lab, GROUP);
    let viewer_b = hall_b.join(&stage.lab, GROUP);
    let _second = hall_b.join(&stage.lab, SECOND_GROUP);
    wait_for_members(&running, GROUP, &["hall-a", "hall-b"]);
    wait_for_members(&running, SECOND_GROUP, &["hall-b"]);
    let sender = stage.start_source(RATE);
    hall_b.wait_for_stream(hall_a.wait_for_stream(Time::ZERO).at);

    // What the provider sends comes in through both.
    let (began, before) = (lab::now(), workers(&running));
    let sent = crowd(&stage, &stage.provider, SECOND_GROUP);
    expect_frames(&stage, hall_b, SECOND_GROUP, began, sent);
    let by_worker = received(&running, &before);
    assert!(by_worker.iter().all(|frames| *frames > 0), "{by_worker:?}");

    // A port comes, has members, and goes: both workers let go of it.
    let reload = |recipe: &Recipe| {
        stage.rewrite(recipe, |text| text.replacen("[worker]\n", "[worker]\ncores = [0, 1]\n", 1));
        let changed = running.change(&Request::Reload);
        lab::stop::pause(BETWEEN).unwrap();
        changed
    };
    recipe.ports.push(coming);
    assert_eq!(reload(&recipe).restart, [""; 0]);
    let viewer_c = hall_c.join(&stage.lab, GROUP);
    hall_c.wait_for_stream(began);
    recipe.ports.pop();
    let pause = reload(&recipe).removal_us.expect("the workers let go of it");
    println!("two workers stood still for {pause:.1} us at most to let go of a port");
    let gone = lab::now();
    lab::stop::pause(BETWEEN).unwrap();
    assert_eq!(hall_c.stream(gone, lab::now()).len(), 0, "nothing for a port that is gone");
    drop(viewer_c);

    // Who leaves gets nothing more.
    drop(viewer_b);
    wait_for_members(&running, GROUP, &["hall-a"]);
    let left = lab::now();
    lab::stop::pause(BETWEEN).unwrap();
    // What was on its way as the member went.
    let moment = left + Duration::from_millis(20);
    assert_eq!(hall_b.stream(moment, lab::now()).len(), 0, "nothing after the last member left");

    let (sent, end) = stage.end_source(sender, &[hall_a]);
    let all = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!((all.datagrams as u64, all.ended_by), (sent, None), "hall-a got each, in order");
    // Counters of both add up to what was on the wires.
    let wires = [&stage.provider, hall_a, hall_b].map(|side| {
        let theirs = |f: &Frame| f.source != stage.router_mac;
        side.wire.select(theirs).len() as u64
    });
    let total = |views: Vec<WorkerView>| views.iter().map(|view| view.total.frames).sum::<u64>();
    let counted = || ["wan", "hall-a", "hall-b"].map(|port| running.counters(port).frames["rx-frames"]);
    let _ = lab::stop::poll(SETTLED, || Ok((counted() == wires).then_some(()))).unwrap();
    assert_eq!(counted(), wires);
    assert!(total(workers(&running)) >= wires.iter().sum());
    running.finish(&stage);
    stage.close();
}

#[test]
fn another_providers_port_is_received_by_both_workers() {
    let stage = Stage::new(&["hall-a", "wan2"], Cabling::Direct);
    let [hall_a, second] = &stage.halls[..] else { panic!() };
    let recipe = Recipe { live: Some(stage.lab.scratch().join("live.toml")), ..stage.recipe() };
    let running = start(&stage, &recipe);
    let _viewer = hall_a.join(&stage.lab, GROUP);
    wait_for_members(&running, GROUP, &["hall-a"]);
    for (name, provider) in [("wan", &stage.provider), ("wan2", second), ("wan", &stage.provider)] {
        // The first is what it is.
        running.change(&Request::SetUpstream { port: name.to_owned() });
        let (began, before) = (lab::now(), workers(&running));
        let sent = crowd(&stage, provider, GROUP);
        expect_frames(&stage, hall_a, GROUP, began, sent);
        let by_worker = received(&running, &before);
        assert!(by_worker.iter().all(|frames| *frames > 10), "{name}: {by_worker:?}");
    }
    running.finish(&stage);
    stage.close();
}

/// Has the far end of a port's cable count what comes in by each queue, which is the one it was sent by.
fn count_queues(stage: &Stage, side: &Side) {
    let far = side.host.netns();
    far.run("ethtool", &["-K", side.host.interface(), "gro", "on"]).unwrap();
    stage.middle.run("ethtool", &["-K", side.name, "tso", "off"]).unwrap();
}

/// What [`count_queues`] had counted there.
fn by_queue(side: &Side) -> [u64; 2] {
    let told = side.host.netns().run("ethtool", &["-S", side.host.interface()]).unwrap();
    [0, 1].map(|queue| {
        let name = format!("rx_queue_{queue}_xdp_packets: ");
        let count = told.lines().find_map(|line| line.trim().strip_prefix(&name)?.parse().ok());
        count.unwrap_or_else(|| panic!("no {name} in {told}"))
    })
}

/// Veths with two queues each way at both ends, and frames by both to the frame. `auto` is af_xdp on a DPDK of our own
/// that counts atomically.
#[test]
fn an_interfaces_queues_are_two_workers_by_either_driver() {
    let best = if cfg!(feature = "atomic-dpdk") { "net_af_xdp" } else { "net_af_packet" };
    for (driver, taken) in [("af_packet", "net_af_packet"), ("auto", best)] {
        let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
        for side in [&stage.provider, &stage.halls[0], &stage.halls[1]] {
            let host = side.host.netns();
            host.run("ethtool", &["-L", side.host.interface(), "rx", "2", "tx", "2"]).unwrap();
            stage.middle.run("ethtool", &["-L", side.name, "rx", "2", "tx", "2"]).unwrap();
            count_queues(&stage, side);
        }
        let recipe = Recipe { driver: driver.to_owned(), ..stage.recipe() };
        let running = start(&stage, &recipe);
        for side in ["wan", "hall-a", "hall-b"] {
            let port = format!("port=\"{side}\"");
            println!("{}", running.wait_for_log(&["started", &port, taken, "rx=2", "tx=2"]));
        }
        let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
        let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
        wait_for_members(&running, GROUP, &["hall-a", "hall-b"]);
        let sent_by_queue = [hall_a, hall_b].map(by_queue);
        let (began, before) = (lab::now(), workers(&running));
        let sent = crowd(&stage, &stage.provider, GROUP);
        for hall in [hall_a, hall_b] {
            expect_frames(&stage, hall, GROUP, began, sent);
        }
        let by_worker = received(&running, &before);
        println!("{driver}: received by worker {by_worker:?}");
        assert!(by_worker.iter().all(|frames| *frames > 10), "{driver}: {by_worker:?}");
        for (hall, before) in [hall_a, hall_b].into_iter().zip(sent_by_queue) {
            let [first, second] = by_queue(hall);
            let sent = [first - before[0], second - before[1]];
            println!("{driver}: sent to {} by queue {sent:?}", hall.name);
            assert!(sent.iter().all(|frames| *frames > 10), "{driver}, {}: {sent:?}", hall.name);
        }
        stage.expect_counters_of_the_wire(&running);
        running.finish(&stage);
        stage.close();
    }
}
