//! The host side of one group on the provider's port (RFC 2236, section 6).
//!
//! `NonMember`, `Idle` (Idle Member) and `Delaying` (Delaying Member). Whether a report is of version 1
//! or 2 is decided when it is sent, by the port; this machine only says when.

use core::time::Duration;
use types::Time;

use crate::HostTimers;
use crate::rng::Rng;

/// What we have told the provider about a group, and will tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// No client wants the group; never stored.
    NonMember,
    /// Joined, nothing to send. `last_reporter`: the last report heard on the link was ours.
    Idle { last_reporter: bool },
    /// Joined, a report goes out at `due`, and after it `repeats` more.
    Delaying { due: Time, repeats: u8, last_reporter: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostEvent {
    /// The first client wants the group, and the provider's link is up.
    Join,
    /// Likewise, but there is no link to report on.
    JoinOffline,
    /// No client wants it any more.
    Leave,
    /// A query asks for the group; answer within this time.
    Query(Duration),
    /// Another host reported the group; with `suppress` ours is held back (RFC 2236, section 6).
    ForeignReport {
        /// Whether the settings want that.
        suppress: bool,
    },
    /// Report the group anew, at this time at the latest: the link is back, or is another.
    Announce(Time),
    /// The provider's link is gone.
    Offline,
    /// The time that [`Host::deadline`] named has come, or passed.
    Timer,
}

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostEffect {
    /// Nothing.
    None,
    /// A report.
    Report,
    /// A leave, if the port's policy and the provider's version allow one.
    Leave {
        /// The last report heard on the link was ours.
        last_reporter: bool,
    },
}

/// The next state and what to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostStep {
    pub(crate) next: Host,
    pub(crate) effect: HostEffect,
}

impl Host {
    /// When it wants its next [`HostEvent::Timer`].
    pub(crate) fn deadline(self) -> Option<Time> {
        match self {
            Self::NonMember | Self::Idle { .. } => None,
            Self::Delaying { due, .. } => Some(due),
        }
    }

    pub(crate) fn handle(self, event: HostEvent, now: Time, timers: &HostTimers, rng: &mut Rng) -> HostStep {
        use HostEffect as Effect;
        use HostEvent as Event;
        let to = |next, effect| HostStep { next, effect };
        let offline = Self::Idle { last_reporter: false };
        match (self, event) {
            (Self::NonMember, Event::Join) => {
                to(reported(timers.unsolicited_report_repeats(), now, timers, rng), Effect::Report)
            }
            (Self::NonMember, Event::JoinOffline) => to(offline, Effect::None),
            (
                Self::NonMember,
                Event::Leave
                | Event::Query(_)
                | Event::ForeignReport { .. }
                | Event::Announce(_)
                | Event::Offline
                | Event::Timer,
            ) => to(self, Effect::None),

            (Self::Idle { .. } | Self::Delaying { .. }, Event::Join | Event::JoinOffline) => {
                to(self, Effect::None)
            }
            (Self::Idle { last_reporter } | Self::Delaying { last_reporter, .. }, Event::Leave) => {
                to(Self::NonMember, Effect::Leave { last_reporter })
            }
            (
                Self::Idle { .. } | Self::Delaying { .. },
                Event::ForeignReport { suppress: true } | Event::Offline,
            )
            | (Self::Idle { .. }, Event::ForeignReport { suppress: false }) => to(offline, Effect::None),
            (Self::Delaying { due, repeats, .. }, Event::ForeignReport { suppress: false }) => {
                to(Self::Delaying { due, repeats, last_reporter: false }, Effect::None)
            }
            (Self::Idle { last_reporter }, Event::Announce(due)) => {
                to(announced(due, last_reporter, timers), Effect::None)
            }
            (Self::Delaying { due: pending, last_reporter, .. }, Event::Announce(due)) => {
                to(announced(due.min(pending), last_reporter, timers), Effect::None)
            }

            (Self::Idle { last_reporter }, Event::Query(within)) => {
                to(Self::Delaying { due: now + rng.delay(within), repeats: 0, last_reporter }, Effect::None)
            }
            (Self::Delaying { due, repeats, last_reporter }, Event::Query(within)) => {
                let due = if within < due - now { now + rng.delay(within) } else { due };
                to(Self::Delaying { due, repeats, last_reporter }, Effect::None)
            }

            (Self::Idle { .. }, Event::Timer) => to(self, Effect::None),
            (Self::Delaying { due, .. }, Event::Timer) if now < due => to(self, Effect::None),
            (Self::Delaying { repeats, .. }, Event::Timer) => {
                to(reported(repeats, now, timers, rng), Effect::Report)
            }
        }
    }
}

/// Before the first of the reports that make a group known anew.
fn announced(due: Time, last_reporter: bool, timers: &HostTimers) -> Host {
    Host::Delaying { due, repeats: timers.unsolicited_report_repeats(), last_reporter }
}

/// After a report of ours, with `repeats` more to come.
fn reported(repeats: u8, now: Time, timers: &HostTimers, rng: &mut Rng) -> Host {
    match repeats.checked_sub(1) {
        None => Host::Idle { last_reporter: true },
        Some(repeats) => Host::Delaying {
            due: now + rng.delay(timers.unsolicited_report_interval()),
            repeats,
            last_reporter: true,
        },
    }
}
