//! Frames that nobody fetches in time: each is counted, and it is told why; but for those that come before a port is served.

use crate::late_device::LateDevice;
use crate::stage::{Cabling, GROUP, Recipe, SOON, Stage};
use api::{Client, EventKind, Finding, MAX_EVENTS, Request};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;
use types::Time;

const RATE: u32 = 4_000;
/// In it more datagrams come than any ring holds.
const STANDSTILL: Duration = Duration::from_millis(1_500);
/// What is not the stream: Queries, Reports, ARP.
const OTHERS: u64 = 50;

fn what_came_while_the_worker_stood_is_counted(driver: &str) {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let [hall_a] = &stage.halls[..] else { panic!() };
    let running = stage.start(&Recipe { driver: driver.to_owned(), ..stage.recipe() });
    let _viewer = hall_a.join(&stage.lab, GROUP);
    let member = || Ok((running.members(GROUP).len() == 1).then_some(()));
    lab::stop::poll(SOON, member).unwrap().expect("a member");
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);
    let missed = || running.counters("wan").losses["rx-missed"];

    let signal = |signal| kill_process(Pid::from_raw(running.id().cast_signed()).unwrap(), signal).unwrap();
    let before = missed();
    signal(Signal::STOP);
    lab::stop::pause(STANDSTILL).unwrap();
    signal(Signal::CONT);
    let found = lab::stop::poll(SOON, || Ok((missed() > before + 500).then_some(()))).unwrap();
    found.unwrap_or_else(|| panic!("nothing is counted as lost: {:?}", running.counters("wan")));
    let checks = running.explain(GROUP, None).checks;
    let losing = checks.iter().find(|check| check.finding == Finding::Losing);
    let losing = losing.unwrap_or_else(|| panic!("not named: {checks:#?}"));
    assert_eq!(losing.port.as_deref(), Some("wan"));
    assert!(losing.text.contains("rx-missed"), "{losing:?}");
    let events = Client::connect(running.socket()).unwrap().events(0, MAX_EVENTS).unwrap().events;
    assert!(events.iter().any(|event| event.kind == EventKind::Loss), "{events:?}");

    let (sent, _) = stage.end_source(sender, &[hall_a]);
    let counted = || {
        let counters = running.counters("wan");
        let (received, missed) = (counters.frames["rx-frames"], counters.losses["rx-missed"]);
        assert!(received < sent, "nothing was lost");
        Ok((received + missed >= sent).then_some(received + missed))
    };
    let counted = lab::stop::poll(SOON, counted).unwrap();
    let counted = counted.unwrap_or_else(|| panic!("of {sent} some are lost count of"));
    assert!(counted <= sent + OTHERS, "{counted} of {sent}");
    running.finish(&stage);
    // What came is the sender's to tell and Manifold's, not the capture's.
    stage.close_but("wan");
}

#[test]
fn what_came_while_the_worker_stood_is_counted_by_af_packet() {
    what_came_while_the_worker_stood_is_counted("af_packet");
}

#[test]
fn what_came_while_the_worker_stood_is_counted_by_af_xdp() {
    what_came_while_the_worker_stood_is_counted("af_xdp");
}

fn what_came_before_a_port_was_served_is_no_loss(driver: &str) {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let mut recipe = Recipe { driver: driver.to_owned(), max_ports: Some(4), ..stage.recipe() };
    let coming = recipe.ports.remove(0);
    let running = stage.start(&recipe);
    let sender = stage.start_source(RATE);
    // Its interface receives once it is open, and no worker serves it until the port behind it is open, too.
    let late = LateDevice::new(&stage);
    recipe.ports.extend([coming, late.port()]);
    stage.rewrite(&recipe, |text| text);
    std::thread::scope(|scope| {
        scope.spawn(|| running.change(&Request::Reload));
        let waiting = late.wait();
        lab::stop::pause(STANDSTILL).unwrap();
        waiting.let_go();
    });
    let received = || running.counters("wan").frames["rx-frames"];
    // More than any ring holds, so that frames of now are among them.
    lab::stop::poll(SOON, || Ok((received() > 4_096).then_some(())))
        .unwrap()
        .expect("the stream is received");

    let (sent, _) = stage.end_source(sender, &[&stage.provider]);
    running.expect_balance();
    assert!(received() + 500 < sent, "every ring held all that came");
    // It tells of all that was lost until its end.
    let log = running.finish(&stage);
    assert!(!log.contains("frames are lost") && !log.contains("rx-missed"), "{log}");
    stage.close();
}

#[test]
fn what_came_before_a_port_was_served_is_no_loss_by_af_packet() {
    what_came_before_a_port_was_served_is_no_loss("af_packet");
}

#[test]
fn what_came_before_a_port_was_served_is_no_loss_by_af_xdp() {
    what_came_before_a_port_was_served_is_no_loss("af_xdp");
}
