//! A dark channel is explained from what is on the wire: each fault made for real, found, and cured.

use crate::running::Running;
use crate::stage::{Cabling, GROUP, PORT, Recipe, SOON, Side, Stage};
use api::{Edit, ExplainReply, Request, Topic};
use lab::{Lab, Sender};
use types::Time;

/// Datagrams a second: some times what is looked at.
const RATE: u32 = 100;

/// Asks until the answer is the wanted one: what came before a fault, or before its cure, is known for a while.
#[track_caller]
fn expect(running: &Running, port: Option<&str>, is_dark: bool, verdict: &str, cure: &str) -> ExplainReply {
    let is_it = |reply: &ExplainReply| {
        reply.dark == Some(is_dark)
            && reply.verdict.contains(verdict)
            && reply.cure.as_deref().unwrap_or_default().contains(cure)
    };
    let wanted = lab::stop::poll(SOON, || Ok(Some(running.explain(GROUP, port)).filter(is_it))).unwrap();
    wanted.unwrap_or_else(|| panic!("not \"{verdict}\": {:#?}", running.explain(GROUP, port)))
}

fn send_from(lab: &Lab, side: &Side, ttl: u8) -> Sender {
    Sender::start(lab, &side.host, (GROUP, PORT), ttl, RATE).unwrap()
}

fn set(running: &Running, port: &str, key: &str, value: Option<&str>) {
    let edit = Edit { port: Some(port.to_owned()), key: key.to_owned(), value: value.map(str::to_owned) };
    running.change(&Request::change(vec![edit]));
}

fn has(reply: &ExplainReply, topic: Topic, text: &str) -> bool {
    reply.checks.iter().any(|check| check.topic == topic && check.text.contains(text))
}

#[test]
fn a_dark_channel_is_explained_from_the_wire() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let running =
        stage.start(&Recipe { live: Some(stage.lab.scratch().join("live.toml")), ..stage.recipe() });
    let source = send_from(&stage.lab, &stage.provider, 16);
    stage.provider.wait_for_stream(Time::ZERO);
    expect(&running, None, true, "nobody asked for it", "have a host ask for it");

    let viewer = hall_a.join(&stage.lab, GROUP);
    hall_a.wait_for_stream(Time::ZERO);
    let lit = expect(&running, None, false, "forwarded to hall-a", "");
    assert!(has(&lit, Topic::Arriving, "from 10.0.0.4 "), "{lit:#?}");
    assert!(has(&lit, Topic::Arriving, "TTL 16, 1344 bytes"), "{lit:#?}");
    assert!(has(&lit, Topic::Asked, "10.1.0.4 did by IGMPv2"), "{lit:#?}");
    expect(&running, Some("hall-b"), true, "dark, on hall-b: nobody asked for it", "hall-b");

    // What a sender on veth does unless it is told not to.
    let offload = |state| stage.provider.host.netns().run("ethtool", &["-K", "eth0", "tx", state]).unwrap();
    offload("on");
    let completed = || {
        let reply = expect(&running, None, false, "forwarded to hall-a", "");
        Ok(has(&reply, Topic::Dropped, "an unfinished UDP checksum").then_some(()))
    };
    lab::stop::poll(SOON, completed).unwrap().expect("it is told that checksums are completed");
    offload("off");

    set(&running, "wan", "sources-allowed", Some("[\"10.0.0.99/32\"]"));
    expect(&running, None, true, "(source-not-allowed)", "name 10.0.0.4 in `sources-allowed` of wan");
    set(&running, "wan", "sources-allowed", None);
    expect(&running, None, false, "forwarded to hall-a", "");

    set(&running, "hall-a", "access", Some("[\"deny 239.2.2.0/24\"]"));
    expect(
        &running,
        Some("hall-a"),
        true,
        "the access list denies it: `deny 239.2.2.0/24`",
        "`access` of hall-a",
    );
    set(&running, "hall-a", "access", None);
    viewer.leave().unwrap();
    let viewer = hall_a.join(&stage.lab, GROUP);
    expect(&running, None, false, "forwarded to hall-a", "");

    source.stop().unwrap();
    expect(&running, None, true, "no frame of it came in by any port", "re-report-interval");
    let source = send_from(&stage.lab, &stage.provider, 1);
    expect(&running, None, true, "TTL 0 or 1: expires here (ttl)", "a TTL of 2 or more");
    source.stop().unwrap();
    let source = send_from(&stage.lab, hall_b, 16);
    expect(&running, None, true, "on a client port that may not send", "`sources = true` of hall-b");
    set(&running, "hall-b", "sources", Some("true"));
    expect(&running, None, false, "forwarded to hall-a", "");
    source.stop().unwrap();
    viewer.leave().unwrap();
    running.finish(&stage);
    stage.close();
}
