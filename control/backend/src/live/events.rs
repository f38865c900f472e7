//! What happened, as it is told to streams. Pure.

use std::collections::VecDeque;

use api::{EventView, EventsReply};
use serde::Serialize;

/// Events that a new stream begins with.
const KEPT: usize = 200;

/// The event `events`.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct EventsMessage {
    /// In the order in which they happened.
    pub events: Vec<EventView>,
    /// How many before the first of them are not known any more.
    pub lost: u64,
}

/// The latest events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    next: u64,
    heard_once: bool,
    kept: VecDeque<EventView>,
}

impl Events {
    /// What to ask the proxy from.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Takes what was heard, and gives what is new.
    pub(crate) fn hear(&mut self, reply: EventsReply) -> Option<EventsMessage> {
        self.next = reply.next;
        // What was lost before anybody asked is the past, and nothing to tell.
        let lost = if self.heard_once { reply.lost } else { 0 };
        self.heard_once = true;
        if reply.events.is_empty() && lost == 0 {
            return None;
        }
        self.kept.extend(reply.events.iter().cloned());
        self.kept.drain(..self.kept.len().saturating_sub(KEPT));
        Some(EventsMessage { events: reply.events, lost })
    }

    /// The latest, for a stream that begins.
    pub(crate) fn latest(&self) -> EventsMessage {
        EventsMessage { events: self.kept.iter().cloned().collect(), lost: 0 }
    }
}

#[cfg(test)]
mod tests {
    use api::EventKind;

    use super::*;

    fn reply(ids: std::ops::Range<u64>, lost: u64) -> EventsReply {
        let next = ids.end.saturating_sub(1);
        let events = ids.map(|id| EventView {
            id,
            at_unix_ms: id,
            kind: EventKind::Joined,
            port: None,
            group: None,
            text: "joined".to_owned(),
        });
        EventsReply { events: events.collect(), next, lost }
    }

    #[test]
    fn new_ones_are_told_once_and_the_latest_to_who_begins() {
        let mut events = Events::default();
        assert_eq!(events.hear(reply(5..8, 4)).unwrap().lost, 0);
        assert_eq!((events.next(), events.latest().events.len()), (7, 3));
        assert_eq!(events.hear(EventsReply { next: 7, ..EventsReply::default() }), None);
        let message = events.hear(reply(400..700, 392)).unwrap();
        assert_eq!((message.events.len(), message.lost), (300, 392));
        let latest = events.latest().events;
        assert_eq!((latest.len(), latest[0].id, events.next()), (200, 500, 699));
    }
}
