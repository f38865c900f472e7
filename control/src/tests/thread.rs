//! The control thread on real rings. No test waits for a time: each waits for what must come.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use api::{EventKind, MAX_EVENTS, MbufView, Reply, Request};
use forwarding::{FrameReceiver, FrameSender, SendRefused, frame_ring};
use types::Time;

use super::bench::{A, B, Plan, WAN, answers, join, nth_group, port, words};
use crate::record::hex;
use crate::thread::Control;
use crate::waker::{NAP, Rest};
use crate::{
    Agent, Clock, Configuration, ControlError, ControlHandle, ControlParts, Recorder, Waker, read_record,
    replay_record, spawn, waker,
};

/// A test that waits longer has failed.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// The far ends of a control thread's rings.
pub(super) struct Ends {
    pub(super) punt: Vec<FrameSender>,
    pub(super) injected: FrameReceiver,
    waker: Waker,
    reported: HashSet<String>,
}

impl Ends {
    /// As a worker does after a burst that punted.
    pub(super) fn punt(&mut self, port_index: usize, frame: &[u8]) -> Result<(), SendRefused> {
        let ring = &mut self.punt[port_index];
        ring.send(port(port_index), frame)?;
        self.waker.wake();
        Ok(())
    }

    /// The next frame that the worker is to send.
    fn next(&mut self) -> (usize, String) {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(frame) = self.injected.recv(|port, frame| (port.get(), words(frame))) {
                return frame;
            }
            assert!(Instant::now() < deadline, "no frame came");
            std::thread::yield_now();
        }
    }

    /// The next report upstream of a group that was not reported before: when a report is repeated is
    /// left to chance (r58).
    fn next_report(&mut self) -> String {
        loop {
            let (port_index, words) = self.next();
            if port_index == WAN && self.reported.insert(words.clone()) {
                return words;
            }
        }
    }
}

pub(super) fn parts(agent: impl FnOnce(Time) -> Agent, inject: usize) -> (ControlParts, Ends) {
    let (punt, punted) = (0..3).map(|_| frame_ring(8)).unzip();
    let (inject, injected) = frame_ring(inject);
    let (waker, sleeper) = waker().unwrap();
    let clock = Clock::start();
    let agent = agent(clock.now());
    let parts = ControlParts { agent, punted, inject, waker: waker.clone(), sleeper, clock, core: None };
    (parts, Ends { punt, injected, waker, reported: HashSet::new() })
}

fn started(inject: usize) -> (ControlHandle, JoinHandle<Agent>, Ends) {
    let (parts, ends) = parts(|now| Plan::new().without_neighbours().agent(now), inject);
    let (handle, thread) = spawn(parts).unwrap();
    (handle, thread, ends)
}

#[test]
fn a_punted_join_wakes_the_thread_and_is_reported_upstream() {
    let (handle, thread, mut ends) = started(256);
    assert_eq!([ends.next(), ends.next()], [(A, "query".to_owned()), (B, "query".to_owned())]);
    // One after the other, so that the thread sleeps in between.
    for n in 0..50 {
        let port_index = if n % 2 == 0 { A } else { B };
        ends.punt(port_index, &join(port_index, nth_group(n))).unwrap();
        assert_eq!(ends.next_report(), format!("report {}", nth_group(n)));
    }
    handle.shutdown().unwrap();
    thread.join().unwrap();
}

#[test]
fn requests_of_many_threads_are_each_answered_with_their_own() {
    let (handle, thread, _ends) = started(64);
    std::thread::scope(|scope| {
        for request in Request::SHOWS {
            let handle = handle.clone();
            scope.spawn(move || {
                for _ in 0..200 {
                    let reply = handle.request(request.clone(), LONG).unwrap();
                    assert!(answers(&reply, request), "{request:?}: {reply:?}");
                }
            });
        }
    });
    handle.shutdown().unwrap();
    thread.join().unwrap();
}

/// A control thread in the midst of a `show-status`, until released.
struct HeldUp {
    handle: ControlHandle,
    thread: JoinHandle<Agent>,
    asked: JoinHandle<Result<Reply, ControlError>>,
    release: mpsc::Sender<()>,
    _ends: Ends,
}

impl HeldUp {
    fn new() -> Self {
        let (entered, is_in) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let look = move || {
            let _ = entered.send(());
            let _ = released.recv();
            MbufView::default()
        };
        let (parts, _ends) = parts(|now| Plan::new().without_neighbours().agent_with(now, look), 64);
        let (handle, thread) = spawn(parts).unwrap();
        let asker = handle.clone();
        let asked = std::thread::spawn(move || asker.request(Request::ShowStatus, LONG));
        is_in.recv().unwrap();
        Self { handle, thread, asked, release, _ends }
    }

    /// Lets it go on; the request it was at is answered.
    fn release(self) -> (ControlHandle, JoinHandle<Agent>) {
        drop(self.release);
        assert!(matches!(self.asked.join().unwrap(), Ok(Reply::Status(_))));
        (self.handle, self.thread)
    }
}

#[test]
fn while_the_thread_is_busy_requests_run_late_and_links_are_kept() {
    let held = HeldUp::new();
    assert_eq!(held.handle.request(Request::ShowPorts, Duration::from_millis(1)), Err(ControlError::Late));
    for (port_index, up) in [(A, false), (B, false), (B, true)] {
        held.handle.link(port(port_index), up).unwrap();
    }
    let (handle, thread) = held.release();
    let Ok(Reply::Ports(shown)) = handle.request(Request::ShowPorts, LONG) else { panic!("no answer") };
    let up: Vec<_> = shown.ports.iter().map(|port| port.link == api::LinkState::Up).collect();
    assert_eq!(up, [true, false, true]);
    handle.shutdown().unwrap();
    thread.join().unwrap();
}

#[test]
fn a_full_queue_of_inputs_makes_a_request_late_not_stuck() {
    let held = HeldUp::new();
    for _ in 0..1000 {
        // Each leaves its request in the queue, until no more go in.
        assert_eq!(
            held.handle.request(Request::ShowPorts, Duration::from_micros(1)),
            Err(ControlError::Late)
        );
    }
    let (handle, thread) = held.release();
    assert!(handle.request(Request::ShowPorts, LONG).is_ok());
    handle.shutdown().unwrap();
    thread.join().unwrap();
}

#[test]
fn shutdown_hands_every_leave_to_a_slow_worker() {
    let (handle, thread, mut ends) = started(1);
    for n in 0..40 {
        while ends.punt(A, &join(A, nth_group(n))).is_err() {
            ends.injected.recv(|_, _| ());
        }
    }
    // All 40 joined: until then the table is not complete.
    let groups = |handle: &ControlHandle| match handle.request(Request::ShowGroups, LONG) {
        Ok(Reply::Groups(reply)) => reply.groups.len(),
        other => panic!("{other:?}"),
    };
    let deadline = Instant::now() + LONG;
    while groups(&handle) < 40 {
        ends.injected.recv(|_, _| ());
        assert!(Instant::now() < deadline, "not all joined");
    }
    handle.shutdown().unwrap();
    let mut leaves = Vec::new();
    while leaves.len() < 40 {
        leaves.extend(Some(ends.next().1).filter(|words| words.starts_with("leave")));
    }
    assert_eq!(leaves, (0..40).map(|n| format!("leave {}", nth_group(n))).collect::<Vec<_>>());
    let agent = thread.join().unwrap();
    assert!(agent.table.is_empty() && !agent.has_output());
    assert!(ends.injected.is_empty(), "each leave once");
}

#[test]
fn after_its_end_the_thread_is_told_of_as_ended() {
    let (handle, thread, _ends) = started(64);
    handle.shutdown().unwrap();
    thread.join().unwrap();
    assert_eq!(handle.request(Request::ShowStatus, LONG), Err(ControlError::Ended));
    assert_eq!(handle.link(port(A), false), Err(ControlError::Ended));
    assert_eq!(handle.shutdown(), Err(ControlError::Ended));
}

#[test]
fn requests_behind_a_shutdown_fail_at_once() {
    let held = HeldUp::new();
    held.handle.shutdown().unwrap();
    assert_eq!(held.handle.request(Request::ShowPorts, Duration::from_millis(1)), Err(ControlError::Late));
    let (handle, thread) = held.release();
    thread.join().unwrap();
    assert_eq!(handle.request(Request::ShowPorts, LONG), Err(ControlError::Ended));
}

#[test]
fn a_request_that_waits_when_the_thread_ends_is_told_so() {
    let (parts, _ends) = parts(|now| Plan::new().without_neighbours().agent(now), 64);
    let (handle, control) = Control::new(parts);
    let asked = std::thread::spawn(move || handle.request(Request::ShowStatus, LONG));
    while control.inputs.is_empty() {
        std::thread::yield_now();
    }
    drop(control);
    assert_eq!(asked.join().unwrap(), Err(ControlError::Ended));
}

#[test]
fn without_a_handle_left_the_thread_ends_by_itself() {
    let (parts, ends) = parts(|now| Plan::new().without_neighbours().agent(now), 64);
    let (handle, mut control) = Control::new(parts);
    assert!(control.turn().is_continue());
    drop(handle);
    assert!(control.turn().is_break());
    drop(ends);
}

#[test]
fn while_the_worker_is_behind_frames_stay_in_their_bounded_rings() {
    let (parts, mut ends) = parts(|now| Plan::new().without_neighbours().agent(now), 2);
    let (_handle, mut control) = Control::new(parts);
    // The first report and the first query fill the ring; the second query waits.
    ends.punt(A, &join(A, nth_group(0))).unwrap();
    assert!(control.turn().is_continue());
    assert!(control.agent.has_output());
    for n in 1..=8 {
        ends.punt(A, &join(A, nth_group(n))).unwrap();
    }
    for _ in 0..5 {
        assert!(control.turn().is_continue());
    }
    assert_eq!(ends.punt(A, &join(A, nth_group(9))), Err(SendRefused::Full));
    assert_eq!(control.agent.table.len(), 1);
    // The worker catches up, and so do we.
    let mut reports = Vec::new();
    while reports.len() < 9 {
        assert!(control.turn().is_continue());
        while let Some(words) = ends.injected.recv(|_, frame| words(frame)) {
            if words != "query" && ends.reported.insert(words.clone()) {
                reports.push(words);
            }
        }
    }
    assert_eq!(reports, (0..=8).map(|n| format!("report {}", nth_group(n))).collect::<Vec<_>>());
}

#[test]
fn one_ports_flood_leaves_the_others_their_turn() {
    let (mut parts, mut ends) =
        parts(|now| Plan { max_groups: 4096, ..Plan::new().without_neighbours() }.agent(now), 4096);
    let (flood, punted) = frame_ring(1024);
    (ends.punt[A], parts.punted[A]) = (flood, punted);
    let (_handle, mut control) = Control::new(parts);
    for n in 0..1000 {
        ends.punt(A, &join(A, nth_group(n))).unwrap();
    }
    ends.punt(B, &join(B, nth_group(2000))).unwrap();
    assert!(control.turn().is_continue());
    assert!(control.agent.table.members(nth_group(2000)).contains(port(B)));
    assert!(control.agent.table.len() < 1000, "the flood takes more turns");
}

/// Asks for `change` of the configuration from another thread, until it is given to the control thread.
fn configuring(
    handle: &ControlHandle,
    control: &Control,
    change: impl FnOnce(&mut Configuration),
) -> JoinHandle<Result<(), ControlError>> {
    let mut next = control.agent.configuration.clone();
    change(&mut next);
    let handle = handle.clone();
    let asked = std::thread::spawn(move || handle.configure(next, LONG));
    while control.inputs.is_empty() {
        std::thread::yield_now();
    }
    asked
}

#[test]
fn a_configuration_is_done_when_it_is_in_the_table_and_the_masks() {
    let (parts, mut ends) = parts(|now| Plan::new().without_neighbours().agent(now), 64);
    let (handle, mut control) = Control::new(parts);
    ends.punt(A, &join(A, nth_group(0))).unwrap();
    assert!(control.turn().is_continue());
    let asked = configuring(&handle, &control, |next| drop(next.ports.remove(A)));
    assert!(control.turn().is_continue());
    assert_eq!(asked.join().unwrap(), Ok(()));
    assert!(control.agent.table.is_empty());
    let events = handle.events(0, MAX_EVENTS).events;
    let left = events.iter().find(|event| event.kind == EventKind::Left);
    assert_eq!(left.map(|event| event.group), Some(Some(nth_group(0))), "told before it is done: {events:?}");
}

#[test]
fn while_the_worker_is_behind_a_configuration_is_not_done() {
    let (parts, mut ends) = parts(|now| Plan::new().without_neighbours().agent(now), 1);
    let (handle, mut control) = Control::new(parts);
    assert!(control.turn().is_continue());
    assert!(control.agent.has_output(), "one query fills the ring");
    let asked = configuring(&handle, &control, |next| drop(next.ports.remove(A)));
    assert!(control.turn().is_continue());
    assert!(control.agent.has_output());
    assert_eq!(control.configured.len(), 1, "it waits");
    while control.agent.has_output() {
        ends.injected.recv(|_, _| ());
        assert!(control.turn().is_continue());
    }
    assert!(control.configured.is_empty());
    assert_eq!(asked.join().unwrap(), Ok(()));
}

#[test]
fn a_configuration_after_the_end_is_told_so() {
    let (handle, thread, _ends) = started(64);
    handle.shutdown().unwrap();
    thread.join().unwrap();
    assert_eq!(handle.configure(Configuration::default(), LONG), Err(ControlError::Ended));
    assert_eq!(handle.add_ring(frame_ring(1).1), Err(ControlError::Ended));
}

#[test]
fn a_new_ports_ring_is_read_until_its_sender_is_gone_and_it_is_empty() {
    let (parts, mut ends) = parts(|now| Plan::new().without_neighbours().agent(now), 64);
    let (handle, mut control) = Control::new(parts);
    let (mut sender, receiver) = frame_ring(128);
    handle.add_ring(receiver).unwrap();
    assert!(control.turn().is_continue());
    assert_eq!(control.rings(), 4);
    for n in 0..100 {
        sender.send(port(A), &join(A, nth_group(n % 50))).unwrap();
    }
    drop(sender);
    assert!(control.turn().is_continue());
    assert_eq!(control.rings(), 4, "some of it still waits");
    while control.rings() == 4 {
        while ends.injected.recv(|_, _| ()).is_some() {}
        assert!(control.turn().is_continue());
    }
    assert_eq!((control.rings(), control.agent.table.len()), (3, 50));
}

#[test]
fn f34_a_flood_that_never_ends_delays_no_join_elsewhere_by_a_turn() {
    let (mut parts, mut ends) =
        parts(|now| Plan { max_groups: 4096, ..Plan::new().without_neighbours() }.agent(now), 4096);
    let (flood, punted) = frame_ring(1024);
    (ends.punt[A], parts.punted[A]) = (flood, punted);
    let (_handle, mut control) = Control::new(parts);
    for n in 0..100 {
        // As much as the ring takes, each turn anew: more than can be done.
        while ends.punt(A, &join(A, nth_group(n))).is_ok() {}
        ends.punt(B, &join(B, nth_group(1000 + n))).unwrap();
        assert!(control.turn().is_continue());
        while ends.injected.recv(|_, _| ()).is_some() {}
        assert!(control.agent.table.members(nth_group(1000 + n)).contains(port(B)), "join {n}");
    }
}

#[test]
fn a_thread_that_took_something_naps_before_it_lets_itself_be_woken() {
    let (parts, mut ends) = parts(|now| Plan::new().without_neighbours().agent(now), 4096);
    let (mut flood, punted) = frame_ring(1024);
    let (handle, mut control) = Control::new(parts);
    let mut turn = || {
        let ControlFlow::Continue(deadline) = control.turn() else { panic!("nobody ended it") };
        control.rest(deadline)
    };
    assert!(matches!(turn(), Rest::Sleep(Some(_))), "nothing came");
    ends.punt(A, &join(A, nth_group(0))).unwrap();
    assert!(matches!(turn(), Rest::Nap(pause) if pause <= NAP), "a frame");
    assert!(matches!(turn(), Rest::Sleep(_)), "and no other");
    handle.link(port(B), false).unwrap();
    assert!(matches!(turn(), Rest::Nap(_)), "an input");
    handle.add_ring(punted).unwrap();
    while flood.send(port(A), &join(A, nth_group(1))).is_ok() {}
    assert!(matches!(turn(), Rest::Nap(_)), "the new ring is read from the next turn on");
    for _ in 0..1024 / 64 {
        assert_eq!(turn(), Rest::None, "more waits than one turn takes");
    }
    assert!(matches!(turn(), Rest::Sleep(_)));
}

#[test]
fn what_a_thread_did_in_real_time_runs_again_from_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let recorder = Recorder::start(&path).unwrap();
    // A ring of two: the worker is behind most of the time.
    let (parts, mut ends) = parts(|now| Plan::new().agent(now).recorded(recorder), 2);
    let (handle, thread) = spawn(parts).unwrap();
    let mut sent = Vec::new();
    let mut take = |ends: &mut Ends| {
        while let Some(frame) = ends.injected.recv(|_, frame| hex::of(frame)) {
            sent.push(frame);
        }
    };
    for n in 0..300 {
        let port_index = if n % 3 == 0 { B } else { A };
        while ends.punt(port_index, &join(port_index, nth_group(n % 40))).is_err() {
            take(&mut ends);
        }
        if n == 100 {
            handle.link(port(B), false).unwrap();
        }
    }
    handle.shutdown().unwrap();
    while !thread.is_finished() {
        take(&mut ends);
    }
    drop(thread.join().unwrap());
    take(&mut ends);
    let mut again = Vec::new();
    let replayed = replay_record(read_record(&path).unwrap(), |_, line| {
        again.extend(line.strip_prefix("send ").and_then(|send| Some(send.rsplit_once(' ')?.1.to_owned())));
    });
    assert_eq!(replayed.unwrap().lost, 0);
    assert_eq!(again, sent);
    assert!(sent.len() > 80, "{} frames", sent.len());
}
