//! The provider's port moves to another provider, and the proxy is switched off and on.

use crate::running::Running;
use crate::stage::{Cabling, GROUP, PORT, Recipe, SOON, Side, Stage, number};
use api::Request;
use lab::compare::compare;
use lab::{Frame, Sender};
use std::sync::Arc;
use std::time::Duration;
use types::Time;

const RATE: u32 = 1_000;
/// How long each provider's stream is watched.
const WATCHED: Duration = Duration::from_millis(500);

/// What came into `hall` from `provider`'s source.
fn from(hall: &Side, provider: &Side, since: Time) -> Vec<Arc<Frame>> {
    let source = provider.host.address().addr();
    hall.wire.select(|f| {
        f.at >= since && f.is_data_to(GROUP.addr()) && f.ip.as_ref().is_some_and(|ip| ip.source == source)
    })
}

/// Moves the provider's port, and checks what `hall` got: the old provider's stream without a gap up to the switch,
/// the new one's without a gap from there on, and nothing of one among the other.
fn switch(
    stage: &Stage,
    (old, new): (&Side, &Side),
    hall: &Side,
    switch: impl FnOnce() -> api::ChangedReply,
) {
    let began = lab::now();
    let changed = switch();
    let milliseconds = changed.switch_ms.expect("the provider's port was switched");
    let first = || Ok(from(hall, new, began).first().map(|frame| frame.at));
    let first = lab::stop::poll(SOON, first).unwrap().expect("the new provider's stream");
    lab::stop::pause(WATCHED).unwrap();
    let last = from(hall, old, Time::ZERO).last().expect("the old provider's stream").at;
    let gap = first.saturating_since(last);
    println!(
        "from {} to {}: {milliseconds:.3} ms in the control thread, {:.3} ms from frame to frame",
        old.name,
        new.name,
        gap.as_secs_f64() * 1e3
    );
    assert!(last < first, "streams of both providers at a time");
    let ours = |side: &Side, kind| {
        let what = format!("{kind:#x} at {}", side.name);
        let is = |f: &Frame| f.source == stage.router_mac && f.is_igmp(kind, GROUP.addr());
        side.wire.wait_for(&what, began, SOON, is).unwrap();
    };
    ours(old, 0x17);
    ours(new, 0x16);
    let arrived = from(hall, new, began);
    let last = arrived.last().map(|frame| number(frame));
    // The source's own capture may be told of a datagram after the hall's is.
    let reached = |f: &Frame| f.is_data_to(GROUP.addr()) && Some(number(f)) == last;
    new.wire.wait_for("the hall's last datagram at its source", Time::ZERO, SOON, reached).unwrap();
    let sent = new.wire.select(|f| f.is_data_to(GROUP.addr()) && f.source != stage.router_mac);
    compare(&sent, &arrived, stage.router_mac).unwrap();
}

#[test]
fn the_providers_port_moves_to_another_provider_and_back_at_the_price_of_the_switch() {
    let stage = Stage::new(&["hall-a", "wan2"], Cabling::Direct);
    let [hall_a, second] = &stage.halls[..] else { panic!() };
    let live = stage.lab.scratch().join("live.toml");
    let recipe = Recipe { live: Some(live), ..stage.recipe() };
    let running = stage.start(&recipe);
    let _viewer = hall_a.join(&stage.lab, GROUP);
    let sender = stage.start_source(RATE);
    let other = Sender::start(&stage.lab, &second.host, (GROUP, PORT), 16, RATE).unwrap();
    hall_a.wait_for_stream(Time::ZERO);
    lab::stop::pause(WATCHED).unwrap();

    let to = |port: &str| Request::SetUpstream { port: port.to_owned() };
    switch(&stage, (&stage.provider, second), hall_a, || running.change(&to("wan2")));
    switch(&stage, (second, &stage.provider), hall_a, || running.change(&to("wan")));
    let said = running.refuses(&to("wan3"));
    assert!(said.contains("wan3"), "{said}");

    // The old provider's port goes altogether: with its Leave, and at the same price.
    let unset = api::Edit { port: None, key: "upstream".to_owned(), value: None };
    running.change(&Request::change(vec![unset]));
    let mut less = recipe.clone();
    less.ports.swap_remove(0);
    stage.rewrite(&less, |text| text);
    switch(&stage, (&stage.provider, second), hall_a, || running.change(&Request::Reload));
    other.stop().unwrap();
    sender.stop().unwrap();
    running.end(&stage);
    stage.close();
}

/// Reports of the stream's group, or the end of them, that Manifold sent to the provider.
fn wait_for_igmp(stage: &Stage, side: &Side, kind: u8, group: [u8; 4], since: Time) {
    let is = |f: &Frame| f.source == stage.router_mac && f.is_igmp(kind, group.into());
    side.wire.wait_for(&format!("{kind:#x} at {}", side.name), since, SOON, is).unwrap();
}

fn off_and_on(stage: &Stage, running: &Running, hall: &Side) {
    let group = GROUP.addr().octets();
    let off = lab::now();
    running.change(&Request::Disable);
    let silent = lab::now();
    wait_for_igmp(stage, &stage.provider, 0x17, group, off);
    lab::stop::pause(WATCHED).unwrap();
    assert_eq!(hall.stream(silent, lab::now()).len(), 0, "nothing is forwarded");

    let on = lab::now();
    running.change(&Request::Enable);
    let first = hall.wait_for_stream(on).at;
    println!("on again: the stream after {:.1} ms", first.saturating_since(on).as_secs_f64() * 1e3);
    let reports = hall.wire.between(on, first, |f| f.is_igmp(0x16, GROUP.addr())).unwrap();
    assert_eq!(reports.len(), 0, "members are remembered, not asked first");
    wait_for_igmp(stage, &stage.provider, 0x16, group, on);
    wait_for_igmp(stage, hall, 0x11, [0; 4], on);
}

#[test]
fn r96_switched_off_nothing_is_forwarded_and_switched_on_members_get_their_stream_at_once() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let hall_a = &stage.halls[0];
    let live = stage.lab.scratch().join("live.toml");
    let running = stage.start(&Recipe { live: Some(live), ..stage.recipe() });
    let _viewer = hall_a.join(&stage.lab, GROUP);
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);
    for _ in 0..2 {
        off_and_on(&stage, &running, hall_a);
    }
    sender.stop().unwrap();
    running.finish(&stage);
    stage.close();
}
