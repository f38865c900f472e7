//! Interfaces that are not there when Manifold starts: a port that was added while it ran waits for its own, one of
//! the administrator's is an error.

use crate::running::Running;
use crate::stage::{Cabling, GROUP, Recipe, SOON, Stage};
use api::{Edit, Request};
use types::Time;

const RATE: u32 = 500;

fn edit(key: &str, value: Option<String>) -> Edit {
    Edit { port: Some("hall-b".to_owned()), key: key.to_owned(), value }
}

fn port_names(running: &Running) -> Vec<String> {
    let ports = api::Client::connect(running.socket()).unwrap().ports().unwrap().ports;
    ports.into_iter().map(|port| port.name).collect()
}

#[test]
fn a_port_of_the_live_layer_alone_waits_for_its_interface_and_all_else_starts() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Bridged);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let whole = Recipe { live: Some(stage.lab.scratch().join("live.toml")), ..stage.recipe() };
    let mut recipe = whole.clone();
    let added = recipe.ports.pop().unwrap();
    let running = stage.start(&recipe);
    let edits = vec![
        edit("device", Some(format!("{:?}", added.device))),
        edit("address", Some(format!("\"{}\"", added.address))),
    ];
    running.change(&Request::change(edits));
    running.end(&stage);

    stage.middle.ip("link del hall-b").unwrap();
    let running = stage.start(&recipe);
    running.wait_for_log(&[
        "WARN",
        "live.toml:",
        "port \"hall-b\"",
        "waits",
        "`manifoldctl remove-port hall-b`",
    ]);
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);

    hall_b.lay_cable(&stage);
    running.wait_for_log(&["INFO", "hall-b", "is back"]);
    hall_b.wait_for_stream(Time::ZERO);
    sender.stop().unwrap();
    running.end(&stage);

    // The cure that it names; then there is nothing to wait for.
    stage.middle.ip("link del hall-b").unwrap();
    let running = stage.start(&recipe);
    assert_eq!(port_names(&running), ["wan", "hall-a", "hall-b"]);
    running.change(&Request::change(vec![edit("device", None)]));
    let gone = || Ok((port_names(&running) == ["wan", "hall-a"]).then_some(()));
    lab::stop::poll(SOON, gone).unwrap().expect("hall-b is no port");
    running.end(&stage);

    let refusal = stage.refused(&whole);
    assert_eq!(refusal.code, Some(1), "{}", refusal.text);
    for words in ["kernel.toml:", ": port \"hall-b\": ", "no interface `hall-b`"] {
        assert!(refusal.text.contains(words), "no `{words}` in: {}", refusal.text);
    }
    assert!(!refusal.text.contains("remove-port"), "{}", refusal.text);
    stage.close();
}
