//! The control thread: one turn after another, asleep between them.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use api::{ErrorKind, EventKind, EventView, EventsReply, Reply, Request};
use crossbeam::channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, TryRecvError, bounded};
use forwarding::{FrameReceiver, FrameSender};
use rustix::thread::{CpuSet, sched_setaffinity};
use types::{PortIndex, Time};

use crate::agent::{Agent, Outlet};
use crate::book::EventBook;
use crate::clock::Clock;
use crate::configuration::Configuration;
use crate::lines;
use crate::server::Answer;
use crate::show;
use crate::waker::{NAP, Rest, Sleeper, Waker};

/// Punted frames taken from one port before the next port has its turn.
const FRAMES_A_TURN: usize = 64;
/// Requests and link changes taken in one turn.
const INPUTS_A_TURN: usize = 16;
/// Inputs that may wait; whoever brings more waits itself.
const INPUTS_QUEUED: usize = 256;
/// How long the frames of a clean end may take to leave.
const SHUTDOWN_PATIENCE: Duration = igmp::Proxy::LEAVES_WITHIN.saturating_add(Duration::from_secs(1));
/// What happened is told, and the log written, once no work has come for as long as a nap, or this much later.
pub(crate) const TELL_DELAY: Duration = Duration::from_millis(10);
/// Events told between two turns: a join waits for no more of them.
const TOLD_AT_ONCE: usize = 32;
/// Pause while the worker catches up with what it has to send.
const OUTLET_PAUSE: Duration = Duration::from_micros(100);

enum Input {
    Request(Request, Sender<Reply>),
    Configure(Box<Configuration>, Sender<()>),
    Ring(FrameReceiver),
    Link(PortIndex, bool),
    Shutdown,
}

/// For the main thread and the socket: what reaches the control thread besides frames.
#[derive(Clone)]
pub struct ControlHandle {
    inputs: Sender<Input>,
    ended: Arc<AtomicBool>,
    waker: Waker,
    book: EventBook,
    clock: Clock,
}

/// Why the control thread did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It is gone.
    #[error("the control thread has ended")]
    Ended,
    /// It has more to do than time.
    #[error("the control thread did not answer in time")]
    Late,
}

impl ControlHandle {
    /// Hands over a request and waits for its reply, at most `patience`.
    ///
    /// # Errors
    /// The control thread has ended, or did not answer in time.
    pub fn request(&self, request: Request, patience: Duration) -> Result<Reply, ControlError> {
        self.ask(|reply| Input::Request(request, reply), patience)
    }

    /// Makes `configuration` the one in force, and waits until it is: every mask and every entry of the
    /// group table is as it says, and what had to go out of ports that are gone is with the worker. That takes
    /// up to [`igmp::Proxy::LEAVES_WITHIN`] where the provider's port goes.
    ///
    /// # Errors
    /// The control thread has ended, or did not get to it within `patience`: then it still will, unless
    /// it ends.
    pub fn configure(&self, configuration: Configuration, patience: Duration) -> Result<(), ControlError> {
        self.ask(|done| Input::Configure(Box::new(configuration), done), patience)
    }

    /// From now on frames come by this ring, too, until its sender is dropped and it is empty. Waits as
    /// [`link`](Self::link) does.
    ///
    /// # Errors
    /// The control thread has ended.
    pub fn add_ring(&self, ring: FrameReceiver) -> Result<(), ControlError> {
        self.give(Input::Ring(ring))
    }

    /// The carrier of `port` is there or gone. Waits while too much is asked of the control thread
    /// already, so that no change is lost.
    ///
    /// # Errors
    /// The control thread has ended.
    pub fn link(&self, port: PortIndex, up: bool) -> Result<(), ControlError> {
        self.give(Input::Link(port, up))
    }

    /// Something happened that whoever asks for events is to know.
    pub fn note(&self, kind: EventKind, port: Option<&str>, text: String) {
        self.book.note(self.clock.now(), kind, port, None, text);
    }

    /// What happened after the event of the id `after`, the oldest first, at most `limit`. Costs the control thread
    /// nothing.
    pub fn events(&self, after: u64, limit: u32) -> EventsReply {
        // An id is larger than any of an earlier process.
        let base = self.clock.started_unix_us();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let known = after.saturating_sub(base);
        let (notes, lost) = self.book.after(known, limit);
        let events: Vec<_> = notes
            .iter()
            .map(|note| EventView {
                id: base + note.number,
                at_unix_ms: self.clock.unix_ms(note.at),
                kind: note.kind,
                port: note.port.clone(),
                group: note.group,
                text: note.text.clone(),
            })
            .collect();
        let next = events.last().map_or(if known == 0 { base } else { after }, |event| event.id);
        EventsReply { events, next, lost }
    }

    /// Leaves every group upstream and ends the thread. Waits as [`link`](Self::link) does.
    ///
    /// # Errors
    /// The control thread has ended already.
    pub fn shutdown(&self) -> Result<(), ControlError> {
        self.give(Input::Shutdown)
    }

    /// Gives an input that is answered, and waits for the answer.
    fn ask<T>(&self, input: impl FnOnce(Sender<T>) -> Input, patience: Duration) -> Result<T, ControlError> {
        let deadline = Instant::now() + patience;
        let (reply, answer) = bounded(1);
        self.inputs.send_deadline(input(reply), deadline).map_err(|e| match e {
            SendTimeoutError::Timeout(_) => ControlError::Late,
            SendTimeoutError::Disconnected(_) => ControlError::Ended,
        })?;
        self.given()?;
        answer.recv_deadline(deadline).map_err(|e| match e {
            RecvTimeoutError::Timeout => ControlError::Late,
            RecvTimeoutError::Disconnected => ControlError::Ended,
        })
    }

    fn give(&self, input: Input) -> Result<(), ControlError> {
        self.inputs.send(input).map_err(|_| ControlError::Ended)?;
        self.given()
    }

    /// After something was put into the queue.
    fn given(&self) -> Result<(), ControlError> {
        // Pairs with the fence in `Inputs::drop`: either we see the end, or what we gave is dropped there.
        fence(Ordering::SeqCst);
        if self.ended.load(Ordering::Relaxed) {
            return Err(ControlError::Ended);
        }
        self.waker.wake();
        Ok(())
    }
}

impl Answer for ControlHandle {
    /// Answers what reads; what changes settings is for whoever has them.
    fn answer(&self, request: Request, patience: Duration) -> Reply {
        if let Request::ShowEvents { after, limit } = request {
            return Reply::Events(self.events(after, limit));
        }
        self.request(request, patience).unwrap_or_else(|error| {
            let (kind, cure) = match error {
                ControlError::Ended => (ErrorKind::Unavailable, "start manifold again"),
                ControlError::Late => {
                    (ErrorKind::Late, "try again; if it goes on, start manifold again and report it")
                }
            };
            show::error(kind, error.to_string(), cure)
        })
    }
}

/// What the control thread is made of.
pub struct ControlParts {
    /// The state it owns.
    pub agent: Agent,
    /// Frames from the workers, one ring for each worker and port.
    pub punted: Vec<FrameReceiver>,
    /// Frames to a worker.
    pub inject: FrameSender,
    /// Wakes it.
    pub waker: Waker,
    /// Lets it sleep.
    pub sleeper: Sleeper,
    /// Its time.
    pub clock: Clock,
    /// The core that it runs on; those of whoever starts it where `None`.
    pub core: Option<u16>,
}

/// Starts the control thread. After a shutdown it ends and hands the agent back.
///
/// # Errors
/// The system has no thread for it.
pub fn spawn(parts: ControlParts) -> std::io::Result<(ControlHandle, JoinHandle<Agent>)> {
    let core = parts.core;
    let (handle, control) = Control::new(parts);
    let run = move || {
        if let Some(core) = core {
            stay_on(core);
        }
        control.run()
    };
    let thread = std::thread::Builder::new().name("control".to_owned()).spawn(run)?;
    Ok((handle, thread))
}

/// How much longer it takes until what happened is told, after `quiet` without work, of `waited` since it happened.
pub(crate) fn until_told(quiet: Duration, waited: Duration) -> Duration {
    NAP.saturating_sub(quiet).min(TELL_DELAY.saturating_sub(waited))
}

/// What happened waits to be told, or lines of the log to be written.
#[derive(Debug, Clone, Copy)]
struct Untold {
    since: Time,
    /// Since when no work has come.
    quiet_since: Time,
}

fn stay_on(core: u16) {
    let mut only = CpuSet::new();
    only.set(usize::from(core));
    if let Err(error) = sched_setaffinity(None, &only) {
        tracing::warn!(core, %error, "the control thread could not be given its core");
    }
}

/// Sends by handing bytes to a worker.
struct Injector(FrameSender);

impl Outlet for Injector {
    fn has_room(&self) -> bool {
        self.0.has_room()
    }

    fn send(&mut self, _now: Time, port: PortIndex, frame: &[u8]) {
        // Cannot be refused: has_room was asked, and nobody else puts frames in.
        let _ = self.0.send(port, frame);
    }
}

/// The control thread's end of the queue. The queue keeps what nobody takes: when this end is dropped, so
/// is what waits in it, and whoever waits for an answer learns that there will be none.
pub(crate) struct Inputs {
    queue: Receiver<Input>,
    ended: Arc<AtomicBool>,
}

impl Inputs {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

impl Drop for Inputs {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        while self.queue.try_recv().is_ok() {}
    }
}

/// The control thread's own: what a turn works on.
pub(crate) struct Control {
    pub(crate) agent: Agent,
    punted: Vec<FrameReceiver>,
    outlet: Injector,
    pub(crate) inputs: Inputs,
    sleeper: Sleeper,
    clock: Clock,
    /// The last turn took a frame or an input.
    worked: bool,
    /// It took as many frames of one port as a turn may.
    cut: bool,
    untold: Option<Untold>,
    /// Who waits until what was configured is in force.
    pub(crate) configured: Vec<Sender<()>>,
}

impl Control {
    pub(crate) fn new(parts: ControlParts) -> (ControlHandle, Self) {
        let ControlParts { agent, punted, inject, waker, sleeper, clock, core: _ } = parts;
        let (sender, queue) = bounded(INPUTS_QUEUED);
        let ended = Arc::new(AtomicBool::new(false));
        let inputs = Inputs { queue, ended: Arc::clone(&ended) };
        let outlet = Injector(inject);
        let book = agent.book.clone();
        let (worked, cut, untold, configured) = (false, false, None, Vec::new());
        let control = Self { agent, punted, outlet, inputs, sleeper, clock, worked, cut, untold, configured };
        (ControlHandle { inputs: sender, ended, waker, book, clock }, control)
    }

    /// How many rings are read.
    #[cfg(test)]
    pub(crate) fn rings(&self) -> usize {
        self.punted.len()
    }

    fn run(mut self) -> Agent {
        lines::put_off();
        while let ControlFlow::Continue(deadline) = self.turn() {
            let rest = self.rest(deadline);
            let rest = self.tell(rest);
            self.sleeper.rest(rest, || self.has_work());
        }
        self.leave();
        lines::write_now();
        self.agent
    }

    /// Tells some of what happened, if it is time for that, and says what rest remains. Words take longer than a join,
    /// and the log's writer takes turns with whoever else has this core.
    pub(crate) fn tell(&mut self, rest: Rest) -> Rest {
        if !self.agent.has_untold() && !lines::has_put_off() {
            // Nothing happened, or it was told before an input.
            self.untold = None;
            return rest;
        }
        let now = self.clock.now();
        let untold = self.untold.get_or_insert(Untold { since: now, quiet_since: now });
        if self.worked {
            untold.quiet_since = now;
        }
        let until = until_told(now.saturating_since(untold.quiet_since), now.saturating_since(untold.since));
        if !until.is_zero() {
            return rest.at_most(until);
        }
        self.agent.tell_some(TOLD_AT_ONCE);
        lines::write_now();
        if self.agent.has_untold() {
            return Rest::None;
        }
        self.untold = None;
        rest
    }

    /// One turn: frames, inputs, timers. Goes on with when the next is due at the latest, or breaks off
    /// when it is time to end.
    pub(crate) fn turn(&mut self) -> ControlFlow<(), Option<Time>> {
        let now = self.clock.now();
        (self.worked, self.cut) = (false, false);
        self.take_frames(now);
        for _ in 0..INPUTS_A_TURN {
            let input = self.inputs.queue.try_recv();
            self.worked |= input.is_ok();
            if input.is_ok() {
                // What is asked or changed comes after what happened before.
                self.agent.tell_events();
            }
            match input {
                Ok(Input::Request(request, reply)) => {
                    // Whoever asked may have given up; that is no concern of ours.
                    let _ = reply.try_send(self.agent.handle_request(now, request));
                }
                Ok(Input::Configure(configuration, done)) => {
                    self.agent.configure(now, *configuration);
                    self.configured.push(done);
                }
                Ok(Input::Ring(ring)) => self.punted.push(ring),
                Ok(Input::Link(port, up)) => self.agent.handle_link(now, port, up),
                Ok(Input::Shutdown) | Err(TryRecvError::Disconnected) => return ControlFlow::Break(()),
                Err(TryRecvError::Empty) => break,
            }
        }
        let deadline = self.agent.carry_out(self.clock.now(), &mut self.outlet);
        self.agent.settle_joins(|| self.clock.now());
        if self.agent.is_settled() && !self.configured.is_empty() {
            // Whoever waits finds what the change caused among the events, and what he tells of it behind that.
            self.agent.tell_events();
            for done in self.configured.drain(..) {
                let _ = done.try_send(());
            }
        }
        ControlFlow::Continue(deadline)
    }

    /// None while the worker is behind with what it has to send: what frames cause would pile up here,
    /// where nothing bounds it. In their rings they are bounded, and counted when those are full.
    fn take_frames(&mut self, now: Time) {
        if self.agent.has_output() {
            return;
        }
        let Self { punted, agent, worked, cut, .. } = self;
        punted.retain_mut(|ring| {
            // Asked first: what came before the end is taken.
            let has_ended = ring.has_ended();
            for _ in 0..FRAMES_A_TURN {
                if ring.recv_timed(|at, port, frame| agent.handle_punted(now, at, port, frame)).is_none() {
                    return !has_ended;
                }
                *worked = true;
            }
            *cut = true;
            true
        });
    }

    /// What to do until the next turn.
    pub(crate) fn rest(&self, deadline: Option<Time>) -> Rest {
        if self.agent.has_output() {
            return Rest::Sleep(Some(OUTLET_PAUSE));
        }
        let until_due = deadline.map(|at| at.saturating_since(self.clock.now()));
        Rest::after(self.worked, self.cut, until_due)
    }

    /// Whether something waits that a turn would take.
    fn has_work(&self) -> bool {
        !self.inputs.is_empty() || !self.agent.has_output() && self.punted.iter().any(|ring| !ring.is_empty())
    }

    fn leave(&mut self) {
        let give_up = self.clock.now() + SHUTDOWN_PATIENCE;
        self.agent.shutdown(self.clock.now());
        loop {
            self.agent.poll(self.clock.now(), &mut self.outlet);
            // The Leaves of many groups take turns.
            if self.agent.is_quiet() {
                return;
            }
            lines::write_now();
            if self.clock.now() >= give_up {
                return tracing::warn!("the worker took too long; some leaves were not sent upstream");
            }
            std::thread::sleep(OUTLET_PAUSE);
        }
    }
}
