//! What goes on, as it goes on: one poller asks the proxy while anybody looks, and tells all who look.
//!
//! A stream begins with the whole (`groups` with `full`), and goes on with what differs. Messages are written once and
//! shared; a client that falls 64 of them behind is cut off, or fewer where that is too many bytes, and begins anew when it
//! comes again.

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
use serde::Serialize;
use tokio::sync::{Notify, broadcast};

use crate::app::App;
use difference::Groups;
use events::Events;
use rates::Ports;

/// Messages that a client may be behind: some ten seconds.
const BACKLOG: usize = 64;
/// Messages that a client may be behind whatever they hold: some turns.
const NEAR: usize = 16;
/// Bytes that messages may hold: what slow clients of a large proxy have yet to take. Beyond that no stream begins, and those
/// that are behind end.
const MOST_HELD: usize = 128 << 20;

/// The poller's state, and those who listen.
pub(crate) struct Live {
    heard: Mutex<Heard>,
    sender: broadcast::Sender<Bytes>,
    open: Arc<AtomicUsize>,
    /// Bytes of the messages that are there.
    held: Arc<AtomicUsize>,
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
    /// What a stream begins with until the next turn.
    first: Option<Vec<Bytes>>,
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
            held: Arc::default(),
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

    /// Bytes of the messages that are there: each is written once, however many clients have yet to take it.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// A message, counted for as long as anybody has it.
    fn message(&self, name: &str, data: &impl Serialize) -> Bytes {
        let text = stream::event(name, data);
        self.held.fetch_add(text.len(), Ordering::AcqRel);
        Bytes::from_owner(Message { text, held: Arc::clone(&self.held) })
    }

    /// The last that the proxy said of itself to a stream.
    pub(crate) fn last_status(&self) -> Option<StatusReply> {
        self.heard().status.clone()
    }

    /// A place for one more stream, if there is one, and room for what it would hold.
    fn place(&self) -> Option<Place> {
        if self.held() > MOST_HELD {
            return None;
        }
        let taken = self
            .open
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| (open < self.most).then_some(open + 1));
        taken.ok().map(|_| Place(Arc::clone(&self.open)))
    }

    /// Sends to all who listen. Where what the slow ones have yet to take is too much, the slowest are cut off first: by empty
    /// messages, of which nobody is told, until they are as far behind as is allowed.
    fn send(&self, messages: impl IntoIterator<Item = Bytes>) {
        // Without listeners they go nowhere, which is right.
        let send = |message| drop(self.sender.send(message));
        messages.into_iter().for_each(send);
        let empty = (NEAR..BACKLOG).map(|_| Bytes::new());
        empty.take_while(|_| self.held() > MOST_HELD).for_each(send);
    }

    /// All that comes from now on, and what it goes on from.
    fn subscribe(&self) -> (Vec<Bytes>, broadcast::Receiver<Bytes>) {
        // Under the lock: no message falls between the two.
        let mut heard = self.heard();
        let first = heard.first.take().unwrap_or_else(|| {
            let mut first = vec![heard.told.clone()];
            first.extend(heard.ports.message().map(|message| self.message("ports", &message)));
            first.extend(heard.groups.whole().map(|message| self.message("groups", &message)));
            first.push(self.message("events", &heard.events.latest()));
            first
        });
        heard.first = Some(first.clone());
        (first, self.sender.subscribe())
    }
}

/// A message's text.
struct Message {
    text: String,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.held.fetch_sub(self.text.len(), Ordering::AcqRel);
    }
}

/// Runs the poller until the runtime ends.
pub(crate) fn start(app: &Arc<App>) {
    tokio::spawn(poller::run(Arc::clone(app)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_that_begin_together_share_every_byte_and_give_it_back() {
        let live = Live::new(64);
        let (one, mut rest) = live.subscribe();
        let (two, _) = live.subscribe();
        assert!(!one.is_empty() && one.len() == two.len());
        assert!(one.iter().zip(&two).all(|(a, b)| a.as_ptr() == b.as_ptr()));
        let held = live.held();
        assert_eq!(held, one.iter().map(Bytes::len).sum::<usize>());
        live.sender.send(live.message("status", &1)).unwrap();
        assert!(live.held() > held);
        drop(rest.try_recv().unwrap());
        assert_eq!(live.held(), held, "whoever was to take it has");
        live.heard().first = None;
        drop((one, two));
        assert_eq!(live.held(), 0);
    }

    #[test]
    fn those_who_are_behind_are_cut_off_where_that_is_too_much_and_nobody_else() {
        let live = Live::new(64);
        let [mut slow, mut near] = [live.sender.subscribe(), live.sender.subscribe()];
        let much = || live.message("groups", &"x".repeat(MOST_HELD / 24));
        let heard = |listener: &mut broadcast::Receiver<Bytes>| {
            std::iter::from_fn(|| listener.try_recv().ok()).filter(|message| !message.is_empty()).count()
        };
        for turn in 1..=5 {
            live.send([live.message("status", &1), live.message("ports", &1), much(), much()]);
            assert!(live.held() <= MOST_HELD);
            assert!(turn == 5 || heard(&mut near) == 4);
        }
        // Four turns more than `slow` takes: one that takes nothing of the last is still there.
        assert!(live.held() > MOST_HELD / 3, "nobody is behind by too much yet");
        live.send([much(), much()]);
        live.send((0..4).map(|_| much()));
        live.send((0..8).map(|_| much()));
        assert!(live.held() <= MOST_HELD);
        assert!(matches!(slow.try_recv(), Err(broadcast::error::TryRecvError::Lagged(_))));
        assert_eq!(heard(&mut near), 4 + 14);
    }

    #[test]
    fn a_stream_more_has_to_wait_where_those_there_hold_too_much() {
        let live = Live::new(64);
        let much = live.message("groups", &"x".repeat(MOST_HELD));
        assert!(live.place().is_none());
        drop(much);
        assert!(live.place().is_some());
    }
}
