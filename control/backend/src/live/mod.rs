//! What goes on, as it goes on: one poller asks the proxy while anybody looks, and tells all who look.
//!
//! A stream begins with the whole (`groups` with `full`), and goes on with what differs. Messages are written once and
//! shared; a client that falls 64 of them behind is cut off, and begins anew when it comes again.

mod difference;
mod events;
mod poller;
mod rates;
mod stream;

pub use difference::{GroupFigures, GroupsMessage};
pub use events::EventsMessage;
pub use rates::{PortLive, PortsMessage};
pub(crate) use stream::*;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::StatusReply;
use axum::body::Bytes;
use tokio::sync::{Notify, broadcast};

use crate::app::App;
use difference::Groups;
use events::Events;
use rates::Ports;

/// Messages that a client may be behind: some ten seconds.
const BACKLOG: usize = 64;

/// The poller's state, and those who listen.
pub(crate) struct Live {
    heard: Mutex<Heard>,
    sender: broadcast::Sender<Bytes>,
    open: Arc<AtomicUsize>,
    most: usize,
    /// Somebody began to look.
    looked: Notify,
    /// One turn at a time.
    turn: tokio::sync::Mutex<()>,
}

/// What was heard last.
#[derive(Default)]
struct Heard {
    status: Option<StatusReply>,
    ports: Ports,
    groups: Groups,
    events: Events,
    /// The last `status` message.
    told: Bytes,
    at: Option<std::time::Instant>,
}

/// A place among the streams, given back however the stream ends.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Live {
    /// With places for `most` streams.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            heard: Mutex::default(),
            sender: broadcast::Sender::new(BACKLOG),
            open: Arc::default(),
            most,
            looked: Notify::new(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Streams open.
    pub(crate) fn streams(&self) -> u64 {
        self.open.load(Ordering::Acquire) as u64
    }

    /// The last that the proxy said of itself to a stream.
    pub(crate) fn last_status(&self) -> Option<StatusReply> {
        self.heard().status.clone()
    }

    /// A place for one more stream, if there is one.
    fn place(&self) -> Option<Place> {
        let taken = self
            .open
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| (open < self.most).then_some(open + 1));
        taken.ok().map(|_| Place(Arc::clone(&self.open)))
    }

    /// All that comes from now on, and what it goes on from.
    fn subscribe(&self) -> (Vec<Bytes>, broadcast::Receiver<Bytes>) {
        // Under the lock: no message falls between the two.
        let heard = self.heard();
        let mut first = vec![heard.told.clone()];
        first.extend(heard.ports.message().map(|message| stream::event("ports", &message)));
        first.extend(heard.groups.whole().map(|message| stream::event("groups", &message)));
        first.push(stream::event("events", &heard.events.latest()));
        (first, self.sender.subscribe())
    }
}

/// Runs the poller until the runtime ends.
pub(crate) fn start(app: &Arc<App>) {
    tokio::spawn(poller::run(Arc::clone(app)));
}
