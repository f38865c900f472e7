//! What Manifold was told is recorded, and replayed it sends the same again.

use crate::stage::{Cabling, GROUP, Recipe, SECOND_GROUP, SOON, Side, Stage};
use api::Request;
use lab::Frame;
use std::process::{Command, Output};

fn replay(record: &std::path::Path) -> Output {
    let binary = lab::manifold_binary().unwrap();
    Command::new(binary).arg("replay").arg("--record").arg(record).output().unwrap()
}

/// The bytes of all that `side` had of Manifold but data, in the order sent.
fn on_wire(stage: &Stage, side: &Side) -> Vec<Vec<u8>> {
    let ours = |f: &Frame| f.source == stage.router_mac && (f.igmp().is_some() || f.ether_type == 0x0806);
    side.wire.select(ours).iter().map(|frame| frame.head.clone()).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn what_is_recorded_is_replayed_to_the_byte() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Bridged);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let record = stage.lab.scratch().join("record");
    let mut recipe = Recipe { record: Some(record.clone()), ..stage.recipe() };
    let running = stage.start(&recipe);
    let is_query = |frame: &Frame| frame.source == stage.router_mac && frame.is_igmp(0x11, [0; 4].into());
    {
        let _viewers = [hall_a.join(&stage.lab, GROUP), hall_b.join(&stage.lab, SECOND_GROUP)];
        let both =
            || Ok((running.members(GROUP).len() + running.members(SECOND_GROUP).len() == 2).then_some(()));
        lab::stop::poll(SOON, both).unwrap().expect("two members");
        // A link that comes and goes, and other settings.
        hall_b.plug(false);
        running.wait_for_log(&["carrier", "hall-b", "up=false"]);
        let up = lab::now();
        hall_b.plug(true);
        hall_b.wire.wait_for("a query", up, SOON, is_query).unwrap();
        let renumbered = lab::now();
        recipe.port("hall-a").address = "10.1.0.7/24".parse().unwrap();
        stage.rewrite(&recipe, |text| text);
        running.change(&Request::Reload);
        hall_a.wire.wait_for("a query", renumbered, SOON, is_query).unwrap();
    }
    let left =
        || Ok((running.members(GROUP).is_empty() && running.members(SECOND_GROUP).is_empty()).then_some(()));
    lab::stop::poll(SOON, left).unwrap().expect("no member");
    running.end(&stage);

    let replayed = replay(&record);
    let (told, ended) =
        (String::from_utf8(replayed.stdout).unwrap(), String::from_utf8(replayed.stderr).unwrap());
    assert!(replayed.status.success() && ended.contains("entries replayed\n"), "{ended}");
    for side in [&stage.provider, hall_a, hall_b] {
        let sent: Vec<Vec<u8>> = told
            .lines()
            .filter(|line| {
                line.split(' ').nth(1) == Some("send") && line.split(' ').nth(2) == Some(side.name)
            })
            .map(|line| bytes(line.rsplit(' ').next().unwrap()))
            .collect();
        assert!(sent.len() > 2, "{}:\n{told}", side.name);
        assert_eq!(sent, on_wire(&stage, side), "{}:\n{told}", side.name);
    }
    assert!(told.lines().any(|line| line.ends_with(&format!("set {GROUP} hall-a"))), "{told}");

    let none = replay(&stage.lab.scratch().join("kernel.toml"));
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("[record]"), "{none:?}");
    stage.close();
}
