//! When the control thread tells what happened.

use std::time::{Duration, Instant};

use api::{EventKind, MAX_EVENTS};
use forwarding::frame_ring;

use super::bench::{A, Plan, join, nth_group};
use super::thread::{LONG, parts};
use crate::spawn;
use crate::thread::{Control, TELL_DELAY, until_told};
use crate::waker::{NAP, Rest};

#[test]
fn what_happened_is_told_once_no_work_has_come_for_a_nap_or_after_a_while() {
    let (little, none) = (Duration::from_micros(7), Duration::ZERO);
    for (quiet, waited, until) in [
        (none, none, NAP),
        (NAP - little, TELL_DELAY / 2, little),
        (NAP, NAP, none),
        (2 * NAP, TELL_DELAY, none),
        (none, TELL_DELAY - little, little),
        (none, TELL_DELAY, none),
        (none, 2 * TELL_DELAY, none),
    ] {
        assert_eq!(until_told(quiet, waited), until, "{quiet:?} {waited:?}");
    }
}

#[test]
fn what_happened_is_told_in_pieces_between_which_the_rings_have_their_turn() {
    let (mut parts, mut ends) = parts(|now| Plan::new().without_neighbours().agent(now), 4096);
    let (flood, punted) = frame_ring(64);
    (ends.punt[A], parts.punted[A]) = (flood, punted);
    let (handle, mut control) = Control::new(parts);
    let told = || handle.events(0, MAX_EVENTS).events.len();
    for n in 0..50 {
        ends.punt(A, &join(A, nth_group(n))).unwrap();
    }
    assert!(control.turn().is_continue());
    assert_eq!(control.tell(Rest::Nap(NAP)), Rest::Nap(NAP));
    assert_eq!((told(), control.agent.has_untold()), (0, true), "more may come at once");
    std::thread::sleep(NAP);
    let mut pieces = vec![0];
    while control.agent.has_untold() {
        assert!(control.turn().is_continue());
        let rest = control.tell(Rest::Sleep(None));
        pieces.push(told());
        assert_eq!(rest, if control.agent.has_untold() { Rest::None } else { Rest::Sleep(None) });
    }
    assert_eq!(pieces, [0, 32, 64, 96, 100], "joins here and upstream");
}

#[test]
fn what_happened_is_told_in_the_midst_of_an_endless_stream() {
    for busy in [false, true] {
        let (mut parts, mut ends) = parts(|now| Plan::new().without_neighbours().agent(now), 4096);
        let (flood, punted) = frame_ring(1024);
        (ends.punt[A], parts.punted[A]) = (flood, punted);
        parts.sleeper = parts.sleeper.polling(busy);
        let (handle, thread) = spawn(parts).unwrap();
        let joins: Vec<_> = (0..50).map(|n| join(A, nth_group(n))).collect();
        let told = || handle.events(0, MAX_EVENTS).events.iter().any(|event| event.kind == EventKind::Joined);
        let deadline = Instant::now() + LONG;
        while !told() {
            assert!(Instant::now() < deadline, "nothing is told");
            // The ring is never empty for long.
            for frame in joins.iter().cycle().take(4096) {
                let _ = ends.punt(A, frame);
            }
            while ends.injected.recv(|_, _| ()).is_some() {}
        }
        handle.shutdown().unwrap();
        thread.join().unwrap();
    }
}
