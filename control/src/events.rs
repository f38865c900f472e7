//! What happens, told to the log and kept for the socket: all of it as long as people can read it.

use api::EventKind;
use forwarding::Policer;
use igmp::Event;
use types::Time;

use crate::agent::Agent;

/// Joins and leaves a second that are told one by one, and at once after a pause. A flood of them is told
/// by its number: it would fill the disk, and cost more than the protocol.
const LINES: (u32, u32) = (200, 2_000);

/// What members get where another router is querier, with and without `forward-when-not-querier` (r74).
const SERVED_ALL_THE_SAME: &str = "they get their groups from us, too, as `forward-when-not-querier` says";
const NOT_SERVED: &str = "it has to serve them, as we do not";

/// How much of what hosts can cause at any rate is told.
pub(crate) struct EventPace {
    policer: Policer,
    withheld: u64,
}

impl Default for EventPace {
    fn default() -> Self {
        Self { policer: Policer::new(LINES.0, LINES.1), withheld: 0 }
    }
}

impl EventPace {
    /// Whether one more is told at `now`: with how many before it that were not.
    fn admit(&mut self, now: Time) -> Option<u64> {
        if self.policer.admit(now) {
            Some(std::mem::take(&mut self.withheld))
        } else {
            self.withheld += 1;
            None
        }
    }
}

impl Agent {
    /// Tells the log, and whoever asks for events. What is worth a warning is limited where it comes from.
    /// The event was action number `action`. Whether it is told, and not counted among those that came too fast.
    pub(crate) fn tell(&mut self, now: Time, action: u64, event: &Event) -> bool {
        match event {
            Event::GroupLimit { port, .. }
            | Event::AccessDenied { port, .. }
            | Event::OtherVersion { port, .. } => {
                tracing::warn!(port = self.name_then(*port, action), "{event}")
            }
            Event::NotQuerier { port, .. } => {
                let forwards = self.port(*port).is_some_and(|info| info.forward_when_not_querier);
                let port = self.name_then(*port, action);
                match forwards {
                    true => tracing::info!(port, "{event}: {SERVED_ALL_THE_SAME}"),
                    false => tracing::warn!(port, "{event}: {NOT_SERVED}"),
                }
            }
            Event::Joined { port, .. }
            | Event::JoinedStatic { port, .. }
            | Event::Left { port, .. }
            | Event::QuerierChanged { port, .. } => {
                if !self.has_pace(now) {
                    return false;
                }
                tracing::info!(port = self.name_then(*port, action), "{event}");
            }
            Event::UpstreamJoined { .. } | Event::UpstreamLeft { .. } => {
                if !self.has_pace(now) {
                    return false;
                }
                tracing::info!("{event}");
            }
        }
        self.note(now, action, event);
        true
    }

    /// Keeps the event for whoever asks.
    fn note(&self, now: Time, action: u64, event: &Event) {
        let (kind, group) = match *event {
            Event::Joined { group, .. } | Event::JoinedStatic { group, .. } => {
                (EventKind::Joined, Some(group))
            }
            Event::Left { group, .. } => (EventKind::Left, Some(group)),
            Event::UpstreamJoined { group } => (EventKind::UpstreamJoined, Some(group)),
            Event::UpstreamLeft { group } => (EventKind::UpstreamLeft, Some(group)),
            Event::GroupLimit { group, .. } | Event::AccessDenied { group, .. } => {
                (EventKind::Refused, Some(group))
            }
            Event::QuerierChanged { .. } | Event::NotQuerier { .. } | Event::OtherVersion { .. } => {
                (EventKind::Querier, None)
            }
        };
        let text = match *event {
            Event::NotQuerier { port, .. } => {
                let forwards = self.port(port).is_some_and(|info| info.forward_when_not_querier);
                format!("{event}: {}", if forwards { SERVED_ALL_THE_SAME } else { NOT_SERVED })
            }
            Event::Joined { .. }
            | Event::JoinedStatic { .. }
            | Event::Left { .. }
            | Event::UpstreamJoined { .. }
            | Event::UpstreamLeft { .. }
            | Event::GroupLimit { .. }
            | Event::AccessDenied { .. }
            | Event::QuerierChanged { .. }
            | Event::OtherVersion { .. } => event.to_string(),
        };
        self.book.note(now, kind, event.port().map(|port| self.name_then(port, action)), group, text);
    }

    fn has_pace(&mut self, now: Time) -> bool {
        match self.event_pace.admit(now) {
            Some(0) => true,
            Some(withheld) => {
                tracing::warn!(withheld, "joins and leaves came faster than they are told");
                let text = format!("{withheld} joins and leaves came faster than they are told");
                self.book.note(now, EventKind::Withheld, None, None, text);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn f31_a_flood_of_joins_is_told_by_its_number() {
        let mut pace = EventPace::default();
        let start = Time::from_nanos(5_000_000_000);
        let told = (0..10_000).filter(|_| pace.admit(start).is_some()).count();
        assert_eq!(told, LINES.1 as usize);
        let later = start + Duration::from_secs(1);
        assert_eq!(pace.admit(later), Some(8_000));
        assert_eq!(pace.admit(later), Some(0));
        let told = (0..10_000).filter(|_| pace.admit(later).is_some()).count();
        assert_eq!(told, LINES.0 as usize - 2);
    }
}
