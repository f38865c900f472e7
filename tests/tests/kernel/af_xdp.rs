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

/// What a killed instance leaves on an interface is a stranger's program to one that has its files elsewhere.
#[test]
fn an_interface_with_a_program_of_somebody_elses_is_refused_until_the_cure_is_done() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    stage.start(&by_af_xdp(&stage)).kill();
    let here = Recipe { run_dir: stage.lab.scratch().join("elsewhere"), ..by_af_xdp(&stage) };
    // The killed one's drop behind the interfaces, which its next start would take away.
    stage.middle.run("nft", &["delete", "table", "netdev", "manifold-kernel"]).unwrap();
    let before = stage.kernel_state();
    let refusal = stage.refused(&here);
    assert_eq!(refusal.code, Some(1), "{}", refusal.text);
    for words in
        ["port \"wan\": af_xdp cannot serve wan", "an XDP program of somebody else's", "`driver = \"auto\"`"]
    {
        assert!(refusal.text.contains(words), "no `{words}` in: {}", refusal.text);
    }
    let cure = "ip link set dev wan xdp off";
    assert!(refusal.text.contains(&format!("`{cure}`")), "{}", refusal.text);
    assert_eq!(stage.kernel_state(), before);
    assert!(has_program(&stage, "wan"), "it is not ours to take off");

    for name in ["wan", "hall-a", "hall-b"] {
        stage.middle.run("sh", &["-ec", &cure.replace("wan", name)]).unwrap();
    }
    let running = stage.start(&here);
    every_viewer_gets_all(&stage, &running);
    running.finish(&stage);
    stage.close();
}

/// To take its program off would cut its streams.
#[test]
fn a_running_instance_with_its_files_elsewhere_is_named_where_its_program_is_in_the_way() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let running = stage.start(&by_af_xdp(&stage));
    let used = stage.kernel_state();
    for instance in ["other", "kernel"] {
        let run_dir = stage.lab.scratch().join("elsewhere");
        let here = Recipe { instance: instance.to_owned(), run_dir, ..by_af_xdp(&stage) };
        let refusal = stage.refused_as("again", &here);
        assert_eq!(refusal.code, Some(1), "{}", refusal.text);
        let named = "port \"wan\": interface `wan` is a port of the instance `kernel`, which has another run";
        assert!(refusal.text.contains(named), "{}", refusal.text);
        assert!(!refusal.text.contains("xdp off"), "{}", refusal.text);
        assert_eq!(stage.kernel_state(), used);
    }
    every_viewer_gets_all(&stage, &running);
    running.finish(&stage);
    stage.close();
}

#[test]
fn a_port_whose_ring_could_keep_the_buffers_of_one_on_af_xdp_waits_for_a_restart() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let mut recipe = Recipe { max_ports: Some(4), ..by_af_xdp(&stage) };
    let running = stage.start(&recipe);
    let mut memif = recipe.ports[1].clone();
    let socket = stage.lab.scratch().join("memif");
    let device = format!("net_memif0,role=server,socket-abstract=no,socket={}", socket.display());
    (memif.name, memif.device) = ("sink".to_owned(), device);
    memif.address = "10.50.0.1/24".parse().unwrap();
    recipe.ports.push(memif);
    stage.rewrite(&recipe, |text| text);
    let refused = running.refuses(&Request::Reload);
    assert!(
        refused.contains("could keep 1024 buffers of a port on af_xdp, and it has 0 for them"),
        "{refused}"
    );
    assert!(refused.contains("restart with it"), "{refused}");
    assert!(!socket.exists(), "nothing was opened");
    every_viewer_gets_all(&stage, &running);
    running.end(&stage);
    // With memory for it from the start.
    stage.start(&recipe).end(&stage);
    stage.close();
}

/// The distribution's af_xdp.
#[cfg(not(feature = "own-dpdk"))]
#[test]
fn what_would_open_a_port_twice_waits_for_a_restart_or_is_refused_before_a_port_is_closed() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let mut recipe = Recipe { max_ports: Some(4), ..by_af_xdp(&stage) };
    let running = stage.start(&recipe);
    recipe.port("hall-b").more = "rx-descriptors = 512\nignore-v1 = true";
    stage.rewrite(&recipe, |text| text);
    let changed = running.change(&Request::Reload);
    assert_eq!(changed.restart.len(), 1, "{changed:?}");
    let waits = &changed.restart[0];
    assert!(
        waits.starts_with("port \"hall-b\": rx-descriptors is 512") && waits.ends_with("waits for a restart")
    );
    assert!(changed.applied.iter().any(|line| line.contains("ignore-v1")), "{changed:?}");

    // Under another name it would be the same interface.
    let hall_b = recipe.ports.pop().unwrap();
    recipe.ports.push(crate::stage::PortRecipe { name: "other".to_owned(), ..hall_b });
    stage.rewrite(&recipe, |text| text);
    let refused = running.refuses(&Request::Reload);
    assert!(refused.contains("has had hall-b already, and opens no interface twice; restart"), "{refused}");
    assert_eq!(drivers(&running), ["net_af_xdp"; 3]);
    every_viewer_gets_all(&stage, &running);
    assert!(!running.log().contains("port=\"hall-b\" up=false"), "{}", running.log());
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
