//! Frames that a port's driver loses: told, and kept when the port is opened anew.

use std::fs;
use std::time::{Duration, Instant};

use api::{Client, EventKind, MAX_EVENTS};

use crate::harness::{Running, port};

/// A capture that ends within the head of its first frame: to its driver the try to read that is an error.
const CUT_CAPTURE: [u8; 30] = [
    0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0,
    0,
];
/// For giving up only.
const LONG: Duration = Duration::from_secs(60);

fn client(running: &Running) -> Client {
    Client::connect(&running.socket()).unwrap()
}

fn damaged(running: &Running, name: &str) -> Option<u64> {
    let counters = client(running).counters().unwrap();
    Some(counters.ports.iter().find(|counters| counters.port == name)?.losses["rx-errors"])
}

#[test]
fn what_a_driver_loses_is_shown_told_once_and_kept_over_another_opening() {
    let running = Running::start();
    fs::write(running.socket().with_file_name("cut.pcap"), CUT_CAPTURE).unwrap();
    running.reload(&port("hall-b", &running.device(2, "cut.pcap"))).unwrap();
    let deadline = Instant::now() + LONG;
    let seen = loop {
        match damaged(&running, "hall-b").expect("the port") {
            0 => assert!(Instant::now() < deadline, "nothing is counted: {}", running.log()),
            seen => break seen,
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let shown = client(&running).ports().unwrap().ports;
    assert!(shown[2].losses >= seen && shown[0].losses == 0, "{shown:?}");
    let events = client(&running).events(0, MAX_EVENTS).unwrap().events;
    let told: Vec<_> = events.iter().filter(|event| event.kind == EventKind::Loss).collect();
    let [told] = &told[..] else { panic!("not once: {events:?}") };
    assert_eq!(told.port.as_deref(), Some("hall-b"));
    assert!(
        told.text.contains(" rx-errors (received damaged") && told.text.contains("look at the cable"),
        "{told:?}"
    );
    assert!(running.wait_for_log("frames are lost: ").contains("port=\"hall-b\""));

    // Another device, whose driver counts from zero.
    running.reload(&port("hall-b", &running.device(3, "in.pcap"))).unwrap();
    let kept = damaged(&running, "hall-b").expect("the port");
    assert!(kept >= seen, "{kept} of {seen}");
    // Another port begins at zero.
    running.reload("").unwrap();
    running.reload(&port("hall-c", &running.device(2, "in.pcap"))).unwrap();
    assert_eq!(damaged(&running, "hall-c"), Some(0));
}
