//! Ports that DPDK does not start: what was added while Manifold ran waits for it, and all else goes on.

use crate::running::Running;
use crate::stage::{Cabling, GROUP, Recipe, SOON, Stage};
use api::{Client, Outage, Request};
use std::fs;
use types::Time;

const RATE: u32 = 500;

/// Settings with af_xdp of which the last port stands in the live layer alone.
fn with_a_live_port(stage: &Stage) -> Recipe {
    let live = stage.lab.scratch().join("live.toml");
    let mut recipe = Recipe { live: Some(live.clone()), driver: "af_xdp".to_owned(), ..stage.recipe() };
    let port = recipe.ports.pop().unwrap();
    let (name, device, address) = (port.name, port.device, port.address);
    let text = format!("[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\naddress = \"{address}\"\n");
    fs::write(live, text).unwrap();
    recipe
}

/// The settings with a log that has every try.
fn with_debug(text: String) -> String {
    format!("[log]\nlevel = \"debug\"\n\n{text}")
}

/// What keeps a port out of service, as it shows.
fn outage(running: &Running, port: &str) -> Option<Outage> {
    let ports = Client::connect(running.socket()).unwrap().ports().unwrap().ports;
    ports.into_iter().find(|view| view.name == port).unwrap().outage
}

/// hall-b waits for a reason with these words, and hall-a is served.
fn expect_waiting(stage: &Stage, running: &Running, words: &[&str]) {
    running.wait_for_log(&["WARN", "live.toml:", "port \"hall-b\"", "the port waits for that"]);
    let Some(Outage::Refused(why)) = outage(running, "hall-b") else {
        panic!("{:?}", outage(running, "hall-b"))
    };
    for word in words {
        assert!(why.contains(word), "no `{word}` in: {why}");
    }
    stage.halls[0].wait_for_stream(Time::ZERO);
}

/// It is tried again as often as somebody asks for it, and the log tells no more than it did.
fn expect_quiet_tries(running: &Running) {
    let lines = |words: &[&str]| {
        let log = running.log();
        log.lines().filter(|line| words.iter().any(|word| line.contains(word))).count()
    };
    let told = || lines(&["WARN", "ERROR", "no memory for", "does not start"]);
    let tries = || lines(&["the port still waits"]);
    let before = told();
    for _ in 0..3 {
        let (tried, _) = (tries(), running.change(&Request::Reload));
        lab::stop::poll(SOON, || Ok((tries() > tried).then_some(()))).unwrap().expect("a try");
    }
    assert_eq!(told(), before, "{}", running.log());
}

/// hall-b is in service, and shows no reason why not.
fn expect_served(stage: &Stage, running: &Running, since: Time) {
    stage.halls[1].wait_for_stream(since);
    let served = || Ok(outage(running, "hall-b").is_none().then_some(()));
    lab::stop::poll(SOON, served).unwrap().unwrap_or_else(|| panic!("{:?}", outage(running, "hall-b")));
}

#[test]
fn a_live_port_without_memory_waits_until_it_is_to_be_served_in_another_way() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let recipe = with_a_live_port(&stage);
    // Enough for two such ports.
    let little = |text: String| with_debug(text.replacen("[eal]\n", "[eal]\nmemory-mb = 100\n", 1));
    let running = stage.start_changed(&recipe, little);
    let _viewers = [&stage.halls[0], &stage.halls[1]].map(|hall| hall.join(&stage.lab, GROUP));
    let sender = stage.start_source(RATE);
    expect_waiting(
        &stage,
        &running,
        &["no memory for the 6143 buffers", "`memory-mb`", "remove-port hall-b"],
    );
    // The af_xdp of the distribution opens no interface twice, and is not asked to.
    if cfg!(feature = "own-dpdk") {
        expect_quiet_tries(&running);
    }

    let changed = lab::now();
    stage.rewrite(&Recipe { driver: "af_packet".to_owned(), ..recipe }, |text| text);
    running.change(&Request::Reload);
    expect_served(&stage, &running, changed);
    sender.stop().unwrap();
    running.kill();
    stage.close();
}

/// What the kernel refuses to the driver shows when it starts alone; what the driver says of it is told, and it is tried
/// again. That of the distribution gets one try.
#[cfg(feature = "own-dpdk")]
#[test]
fn a_live_port_that_the_driver_does_not_start_waits_with_its_words_until_that_is_cured() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let far = &stage.halls[1].host;
    let set_mtu = |mtu: u32| far.netns().ip(&format!("link set {} mtu {mtu}", far.interface())).unwrap();
    // The kernel runs no program where the far end may send more than a page.
    set_mtu(9000);
    let running = stage.start_changed(&with_a_live_port(&stage), with_debug);
    let _viewers = [&stage.halls[0], &stage.halls[1]].map(|hall| hall.join(&stage.lab, GROUP));
    let sender = stage.start_source(RATE);
    expect_waiting(
        &stage,
        &running,
        &["does not start", "xsk socket", "`driver = \"af_packet\"`", "remove-port"],
    );
    expect_quiet_tries(&running);

    let cured = lab::now();
    set_mtu(1500);
    expect_served(&stage, &running, cured);
    sender.stop().unwrap();
    running.kill();
    stage.close();
}
