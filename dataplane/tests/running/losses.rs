//! Frames that a port's driver loses: told, and kept when the port is opened anew.

use std::fs;
use std::time::{Duration, Instant};

use api::{Client, EventKind, MAX_EVENTS};

use crate::harness::{Running, port};

/// The header of a capture of Ethernet frames.
const CAPTURE: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1];
/// Heads of frames longer than any capture has: one a poll, each an error to its driver, for much longer than a test takes.
const DAMAGED: usize = 1 << 20;
/// A head's length.
const HEAD: usize = 16;
/// For giving up only.
const LONG: Duration = Duration::from_secs(60);

fn client(running: &Running) -> Client {
    Client::connect(&running.socket()).unwrap()
}

fn damaged(running: &Running, name: &str) -> Option<u64> {
    let counters = client(running).counters().unwrap();
    Some(counters.ports.iter().find(|counters| counters.port == name)?.losses["rx-errors"])
}

/// Waits until more frames are counted as damaged than were before.
fn more_damaged(running: &Running, name: &str, before: u64) -> u64 {
    let deadline = Instant::now() + LONG;
    loop {
        let seen = damaged(running, name).expect("the port");
        if seen > before {
            return seen;
        }
        assert!(Instant::now() < deadline, "no more than {before} are counted: {}", running.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_a_driver_loses_is_shown_told_once_and_kept_over_another_opening() {
    let running = Running::start();
    let capture = [CAPTURE.map(u32::to_le_bytes).concat(), vec![0xff; DAMAGED * HEAD]].concat();
    fs::write(running.socket().with_file_name("damaged.pcap"), capture).unwrap();
    running.reload(&port("hall-b", &running.device(2, "damaged.pcap"))).unwrap();
    let first = more_damaged(&running, "hall-b", 0);
    // It goes on: seen at a second look, it is not told again.
    let seen = more_damaged(&running, "hall-b", first);
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
