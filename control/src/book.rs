//! What happened, the latest of it, for whoever asks over the socket.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::EventKind;
use types::{GroupAddr, Time};

/// Events that are kept: above what a burst of joins may tell at once.
const KEPT: usize = 4_096;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// From 1 on, one after the other.
    pub(crate) number: u64,
    pub(crate) at: Time,
    pub(crate) kind: EventKind,
    pub(crate) port: Option<String>,
    pub(crate) group: Option<GroupAddr>,
    pub(crate) text: String,
}

/// The latest events. The control thread and the main thread write, the socket's threads read; each holds the lock for
/// some pointers at most.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventBook(Arc<Mutex<VecDeque<Arc<Note>>>>);

impl EventBook {
    /// Something happened.
    pub(crate) fn note(
        &self,
        at: Time,
        kind: EventKind,
        port: Option<&str>,
        group: Option<GroupAddr>,
        text: String,
    ) {
        let port = port.map(str::to_owned);
        let mut kept = self.lock();
        let number = kept.back().map_or(1, |last| last.number + 1);
        kept.push_back(Arc::new(Note { number, at, kind, port, group, text }));
        let oldest = (kept.len() > KEPT).then(|| kept.pop_front());
        drop(kept);
        // Freed where nobody waits for it.
        drop(oldest);
    }

    /// The oldest events after number `after`, at most `limit`; and how many after it are not kept. A number that none
    /// has yet is of another process: then all are given.
    pub(crate) fn after(&self, after: u64, limit: usize) -> (Vec<Arc<Note>>, u64) {
        let kept = self.lock();
        let (Some(first), Some(last)) = (kept.front(), kept.back()) else { return (Vec::new(), 0) };
        let after = if after > last.number { 0 } else { after };
        let lost = (first.number - 1).saturating_sub(after);
        let skipped = usize::try_from((after + 1).saturating_sub(first.number)).unwrap_or(usize::MAX);
        (kept.iter().skip(skipped).take(limit).cloned().collect(), lost)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Note>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(events: usize) -> EventBook {
        let book = EventBook::default();
        for n in 1..=events {
            book.note(Time::ZERO, EventKind::Link, Some("a"), None, n.to_string());
        }
        book
    }

    fn numbers((notes, lost): (Vec<Arc<Note>>, u64)) -> (Vec<u64>, u64) {
        assert!(notes.iter().all(|note| note.text == note.number.to_string()));
        (notes.iter().map(|note| note.number).collect(), lost)
    }

    #[test]
    fn events_are_given_in_pieces_none_twice_and_none_left_out() {
        assert_eq!(numbers(book(0).after(0, 9)), (vec![], 0));
        let book = book(5);
        assert_eq!(numbers(book.after(0, 2)), (vec![1, 2], 0));
        assert_eq!(numbers(book.after(2, 2)), (vec![3, 4], 0));
        assert_eq!(numbers(book.after(4, 2)), (vec![5], 0));
        assert_eq!(numbers(book.after(5, 2)), (vec![], 0));
    }

    #[test]
    fn whoever_knows_more_than_there_is_knew_another_process() {
        assert_eq!(numbers(book(3).after(7, 9)), (vec![1, 2, 3], 0));
    }

    #[test]
    fn f43_the_oldest_make_room_and_are_told_by_their_number() {
        let book = book(KEPT + 10);
        let (given, lost) = numbers(book.after(3, usize::MAX));
        assert_eq!((given.len(), given[0], lost), (KEPT, 11, 7));
        let (given, lost) = numbers(book.after(12, 1));
        assert_eq!((given, lost), (vec![13], 0));
    }
}
