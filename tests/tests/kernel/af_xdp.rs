//! What is said of ports holds by af_xdp as by af_packet: where the settings name it, and, on a DPDK of our own, where
//! they leave it open. What that of the distribution cannot do is tried on ours alone.

use crate::checksums::every_viewer_gets_all;
use crate::running::Running;
use crate::stage::{Cabling, GROUP, Recipe, SOON, Stage};
use api::{Client, Request};
use types::Time;

const RATE: u32 = 1_000;
/// Times that a port is opened anew.
#[cfg(feature = "own-dpdk")]
const TIMES: usize = 20;

fn by_af_xdp(stage: &Stage) -> Recipe {
    Recipe { driver: "af_xdp".to_owned(), ..stage.recipe() }
}

/// The drivers that serve the ports, as they show.
fn drivers(running: &Running) -> Vec<String> {
    let ports = Client::connect(running.socket()).unwrap().ports().unwrap().ports;
    ports.into_iter().map(|port| port.driver).collect()
}

/// Waits until the group has members on these ports.
fn members(running: &Running, ports: &[&str]) {
    let there = || Ok((running.members(GROUP) == ports).then_some(()));
    lab::stop::poll(SOON, there).unwrap().unwrap_or_else(|| panic!("{:?}", running.members(GROUP)));
}

/// Whether an interface has an XDP program.
fn has_program(stage: &Stage, interface: &str) -> bool {
    stage.middle.ip(&format!("-d link show {interface}")).unwrap().contains("prog/xdp")
}

#[test]
fn one_buffer_goes_out_of_three_ports_right_to_the_byte_and_the_kernel_gets_its_interfaces_back() {
    let stage = Stage::new(&["hall-a", "hall-b", "hall-c"], Cabling::Direct);
    let sender_host = &stage.provider.host;
    sender_host.netns().run("ethtool", &["-K", sender_host.interface(), "tx", "on"]).unwrap();
    let before = stage.kernel_state();
    let running = stage.start(&by_af_xdp(&stage));
    assert_eq!(drivers(&running), ["net_af_xdp"; 4]);
    let sent = every_viewer_gets_all(&stage, &running);
    let completed = running.counters("wan").frames["udp-completed"];
    // One whose finished checksum is the same by chance is none.
    assert!(completed <= sent && completed + 2 >= sent, "{completed} of {sent}");
    stage.expect_counters_of_the_wire(&running);
    running.finish(&stage);
    assert_eq!(stage.kernel_state(), before);
    stage.close();
}

#[test]
fn after_a_kill_the_next_run_takes_the_interfaces_program_and_all() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let recipe = by_af_xdp(&stage);
    stage.start(&recipe).kill();
    assert!(has_program(&stage, "hall-a"), "the kernel keeps it");
    let running = stage.start(&recipe);
    every_viewer_gets_all(&stage, &running);
    running.finish(&stage);
    assert!(!["wan", "hall-a", "hall-b"].iter().any(|name| has_program(&stage, name)));
    stage.close();
}

#[test]
fn a_port_comes_and_goes_while_a_stream_runs_and_the_others_lose_nothing() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let mut recipe = Recipe { max_ports: Some(4), ..by_af_xdp(&stage) };
    let coming = recipe.ports.pop().unwrap();
    let running = stage.start(&recipe);
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    members(&running, &["hall-a"]);
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);
    let reload = |recipe: &Recipe| {
        stage.rewrite(recipe, |text| text);
        running.change(&Request::Reload)
    };
    recipe.ports.push(coming);
    assert_eq!(reload(&recipe).restart, [""; 0]);
    hall_b.wait_for_stream(Time::ZERO);
    recipe.ports.pop();
    reload(&recipe);
    assert!(!has_program(&stage, "hall-b"));
    let (sent, end) = stage.end_source(sender, &[hall_a]);
    let all = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!((all.datagrams as u64, all.ended_by), (sent, None), "hall-a got each, in order");
    running.finish(&stage);
    stage.close();
}

#[test]
fn what_af_xdp_cannot_serve_is_refused_before_a_port_is_closed() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let running = stage.start(&Recipe { driver: "af_packet".to_owned(), ..stage.recipe() });
    stage.middle.ip("link set dev hall-b mtu 9000").unwrap();
    stage.rewrite(&by_af_xdp(&stage), |text| text);
    let refused = Client::connect(running.socket()).unwrap().change(&Request::Reload).unwrap_err();
    let refused = format!("{refused:?}");
    assert!(refused.contains("its MTU is 9000") && refused.contains("link set dev hall-b mtu"), "{refused}");
    assert_eq!(drivers(&running), ["net_af_packet"; 3]);
    let log = running.log();
    assert!(!log.contains("port=\"hall-a\" up=false"), "{log}");
    every_viewer_gets_all(&stage, &running);
    running.finish(&stage);
    stage.close();
}

/// Each time the port takes a pool of its own from memory that cannot grow: one that stayed would leave none.
#[cfg(feature = "own-dpdk")]
#[test]
fn a_port_is_opened_twenty_times_and_no_buffer_stays_behind() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let mut recipe = by_af_xdp(&stage);
    let running = stage.start(&recipe);
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    members(&running, &["hall-a", "hall-b"]);
    let sender = stage.start_source(RATE);
    hall_b.wait_for_stream(hall_a.wait_for_stream(Time::ZERO).at);
    for time in 0..TIMES {
        recipe.port("hall-b").more = if time % 2 == 0 { "rx-descriptors = 512" } else { "" };
        stage.rewrite(&recipe, |text| text);
        let opened = lab::now();
        running.change(&Request::Reload);
        hall_b.wait_for_stream(opened);
        assert_eq!(drivers(&running), ["net_af_xdp"; 3], "time {time}");
    }
    let (sent, end) = stage.end_source(sender, &[hall_a]);
    let all = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!((all.datagrams as u64, all.ended_by), (sent, None), "hall-a got each, in order");
    running.finish(&stage);
    stage.close();
}
