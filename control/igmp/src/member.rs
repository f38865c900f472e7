//! The state machine of one group on one client port (RFC 2236, section 7).
//!
//! `Absent` (No Members Present), `Present` (Members Present), `V1Present` (Version 1 Members Present) and
//! `Checking` (Checking Membership). One machine for both roles: as non-querier the port hands in no Leave and
//! no BLOCK (r27) and lowers timers with the querier's group-specific queries (r28), and a check that began
//! before goes on as a querier's (r26).

use types::Time;

use crate::RouterTimers;

/// What is known of a group's members on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    /// Nobody listens; never stored.
    Absent,
    /// Somebody does, until `expires` unless reported again. A BLOCK brings no query before `quiet_until`.
    Present { expires: Time, quiet_until: Time },
    /// Likewise, and a version 1 host, which cannot leave, reported less than one interval ago.
    V1Present { expires: Time, v1_until: Time },
    /// A Leave came: gone at `expires` unless reported; `left` queries still to send, the next at `next`.
    Checking { expires: Time, next: Time, left: u8 },
    /// The settings say that somebody does: never ages, no Leave removes it (r55). Hosts that reported count until
    /// `expires`, a version 1 host until `v1_until`, once it is static no more.
    Static { expires: Time, v1_until: Time },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberEvent {
    /// A version 1 report.
    ReportV1,
    /// A version 2 report, or a version 3 record that joins.
    Report,
    /// A version 2 leave, or a version 3 record that leaves.
    Leave,
    /// A leave where none but the host that sent it listened (r49).
    FastLeave,
    /// The querier, another router, gives the members until then to answer (r28).
    Lower(Time),
    /// The interval is longer now: whoever listens has until then.
    Raise(Time),
    /// A version 3 BLOCK_OLD_SOURCES record.
    Block,
    /// The settings name the group as static.
    Hold,
    /// The settings name it no more. The hosts that reported stay; where none did, they are asked as after a Leave,
    /// if the port asks such questions.
    Unhold {
        /// Whether it does: as querier of version 2.
        asks: bool,
    },
    /// The settings allow no check any more: whoever listens has one interval to say so.
    Release,
    /// Answers cannot be heard any more: a check that is not over ends, and whoever listens
    /// has until then, or as long as it would have lasted.
    Interrupt(Time),
    /// The time that [`Member::deadline`] named has come, or passed.
    Timer,
}

/// What a step does besides changing the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberEffect {
    /// Nothing.
    None,
    /// The first member: forward.
    Joined,
    /// A group-specific query goes out.
    Query,
    /// The last member is gone: stop forwarding.
    Gone,
}

/// The next state and the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemberStep {
    pub(crate) next: Member,
    pub(crate) effect: MemberEffect,
}

impl Member {
    /// When it wants its next [`MemberEvent::Timer`].
    pub(crate) fn deadline(self) -> Option<Time> {
        match self {
            Self::Absent | Self::Static { .. } => None,
            Self::Present { expires, .. } | Self::V1Present { expires, .. } => Some(expires),
            Self::Checking { expires, left: 0, .. } => Some(expires),
            Self::Checking { expires, next, .. } => Some(next.min(expires)),
        }
    }

    /// What the hosts alone make of it: what a static group would be otherwise.
    pub(crate) fn of_hosts(self, now: Time) -> Self {
        match self {
            Self::Static { expires, .. } if expires <= now => Self::Absent,
            Self::Static { expires, v1_until } => Self::V1Present { expires, v1_until }.at(now),
            Self::Absent | Self::Present { .. } | Self::V1Present { .. } | Self::Checking { .. } => self,
        }
    }

    /// When it goes unless reported; `None` when it never goes by itself, or is not there.
    pub(crate) fn expires(self) -> Option<Time> {
        match self {
            Self::Absent | Self::Static { .. } => None,
            Self::Present { expires, .. }
            | Self::V1Present { expires, .. }
            | Self::Checking { expires, .. } => Some(expires),
        }
    }

    /// The state at `now`: a version 1 host timer that ran out counts no more (r47).
    pub(crate) fn at(self, now: Time) -> Self {
        match self {
            Self::V1Present { expires, v1_until } if v1_until <= now => {
                Self::Present { expires, quiet_until: Time::ZERO }
            }
            Self::Absent
            | Self::Present { .. }
            | Self::V1Present { .. }
            | Self::Checking { .. }
            | Self::Static { .. } => self,
        }
    }

    pub(crate) fn handle(self, event: MemberEvent, now: Time, timers: &RouterTimers) -> MemberStep {
        use MemberEffect as Effect;
        use MemberEvent as Event;
        let to = |next, effect| MemberStep { next, effect };
        let expires = now + timers.group_membership_interval();
        let present = Self::Present { expires, quiet_until: Time::ZERO };
        let v1_present = Self::V1Present { expires, v1_until: expires };
        let held = |expires, v1_until| Self::Static { expires, v1_until };
        let state = self.at(now);
        match (state, event) {
            (Self::Absent, Event::ReportV1) => to(v1_present, Effect::Joined),
            (Self::Absent, Event::Report) => to(present, Effect::Joined),
            (Self::Absent, Event::Hold) => to(held(Time::ZERO, Time::ZERO), Effect::Joined),
            (
                Self::Absent,
                Event::Leave
                | Event::FastLeave
                | Event::Lower(_)
                | Event::Raise(_)
                | Event::Block
                | Event::Unhold { .. }
                | Event::Release
                | Event::Interrupt(_)
                | Event::Timer,
            ) => to(state, Effect::None),

            (Self::Present { .. }, Event::ReportV1) => to(v1_present, Effect::None),
            (Self::Present { quiet_until, .. }, Event::Report) => {
                to(Self::Present { expires, quiet_until }, Effect::None)
            }
            (Self::Present { .. }, Event::Leave) => to(checking(now, timers), Effect::Query),
            (Self::Present { .. } | Self::Checking { .. }, Event::FastLeave) => {
                to(Self::Absent, Effect::Gone)
            }
            (Self::Present { expires, quiet_until }, Event::Lower(until)) => {
                to(Self::Present { expires: expires.min(until), quiet_until }, Effect::None)
            }
            (Self::Present { expires, quiet_until }, Event::Raise(until)) => {
                to(Self::Present { expires: expires.max(until), quiet_until }, Effect::None)
            }
            (Self::Present { expires, quiet_until }, Event::Block) => {
                block(expires, quiet_until, now, timers)
            }
            (Self::Present { expires, .. }, Event::Hold) => to(held(expires, Time::ZERO), Effect::None),
            (Self::Present { .. }, Event::Unhold { .. } | Event::Release | Event::Interrupt(_)) => {
                to(state, Effect::None)
            }
            (Self::Present { expires, .. }, Event::Timer) => expire(state, expires, now),

            (Self::V1Present { .. }, Event::ReportV1) => to(v1_present, Effect::None),
            (Self::V1Present { v1_until, .. }, Event::Report) => {
                to(Self::V1Present { expires, v1_until }, Effect::None)
            }
            (Self::V1Present { expires, v1_until }, Event::Hold) => to(held(expires, v1_until), Effect::None),
            (Self::V1Present { expires, v1_until }, Event::Lower(until)) => {
                to(Self::V1Present { expires: expires.min(until), v1_until }, Effect::None)
            }
            (Self::V1Present { expires, v1_until }, Event::Raise(until)) => {
                let (expires, v1_until) = raise(expires, v1_until, until);
                to(Self::V1Present { expires, v1_until }, Effect::None)
            }
            (
                Self::V1Present { .. },
                Event::Leave
                | Event::FastLeave
                | Event::Block
                | Event::Unhold { .. }
                | Event::Release
                | Event::Interrupt(_),
            ) => to(state, Effect::None),
            (Self::V1Present { expires, .. }, Event::Timer) => expire(state, expires, now),

            (Self::Checking { .. }, Event::ReportV1) => to(v1_present, Effect::None),
            (Self::Checking { .. }, Event::Report) => to(present, Effect::None),
            // Who is left has not said so: asked about anew when it is static no more.
            (Self::Checking { .. }, Event::Hold) => to(held(Time::ZERO, Time::ZERO), Effect::None),
            (Self::Checking { .. }, Event::Release) => to(present, Effect::None),
            (Self::Checking { expires, .. }, Event::Interrupt(_)) if expires <= now => {
                to(state, Effect::None)
            }
            (Self::Checking { expires, .. }, Event::Interrupt(until)) => {
                to(Self::Present { expires: expires.max(until), quiet_until: Time::ZERO }, Effect::None)
            }
            (
                Self::Checking { .. },
                Event::Leave | Event::Lower(_) | Event::Raise(_) | Event::Block | Event::Unhold { .. },
            ) => to(state, Effect::None),
            (Self::Checking { expires, next, left }, Event::Timer) => check(expires, next, left, now, timers),

            (Self::Static { .. }, Event::ReportV1) => to(held(expires, expires), Effect::None),
            (Self::Static { v1_until, .. }, Event::Report) => to(held(expires, v1_until), Effect::None),
            (Self::Static { expires, v1_until }, Event::Lower(until)) => {
                to(held(expires.min(until), v1_until), Effect::None)
            }
            (Self::Static { expires, v1_until }, Event::Raise(until)) if now < expires => {
                let (expires, v1_until) = raise(expires, v1_until, until);
                to(held(expires, v1_until), Effect::None)
            }
            (Self::Static { expires, .. }, Event::Unhold { .. }) if now < expires => {
                to(state.of_hosts(now), Effect::None)
            }
            (Self::Static { .. }, Event::Unhold { asks: true }) => to(checking(now, timers), Effect::Query),
            (Self::Static { .. }, Event::Unhold { asks: false }) => to(Self::Absent, Effect::Gone),
            (
                Self::Static { .. },
                Event::Leave
                | Event::FastLeave
                | Event::Raise(_)
                | Event::Block
                | Event::Hold
                | Event::Release
                | Event::Interrupt(_)
                | Event::Timer,
            ) => to(state, Effect::None),
        }
    }
}

/// The ends of a membership and of its version 1 host's, with reports that count until then: both, where the
/// version 1 host's was the last.
fn raise(expires: Time, v1_until: Time, until: Time) -> (Time, Time) {
    let v1_until = if v1_until == expires { v1_until.max(until) } else { v1_until };
    (expires.max(until), v1_until)
}

/// After the first of the last member queries, which goes out with the Leave (r38, r39).
fn checking(now: Time, timers: &RouterTimers) -> Member {
    Member::Checking {
        expires: now + timers.last_member_query_time(),
        next: now + timers.last_member_query_interval(),
        left: timers.last_member_query_count() - 1,
    }
}

/// Sends the next of the last member queries, or ends the check. Small delays do not add up (r41), and the hosts
/// have their interval to answer the last query even when it went out late.
fn check(expires: Time, next: Time, left: u8, now: Time, timers: &RouterTimers) -> MemberStep {
    let state = Member::Checking { expires, next, left };
    if left == 0 {
        return expire(state, expires, now);
    }
    if now < next {
        return MemberStep { next: state, effect: MemberEffect::None };
    }
    let interval = timers.last_member_query_interval();
    let left = left - 1;
    let next = if now < next + interval { next + interval } else { now + interval };
    let last_query = match left {
        0 => now,
        more => next + interval * u32::from(more - 1),
    };
    MemberStep {
        next: Member::Checking { expires: expires.max(last_query + interval), next, left },
        effect: MemberEffect::Query,
    }
}

/// A BLOCK asks who else listens, at most once per Last Member Query Interval, and changes no timer (r50).
fn block(expires: Time, quiet_until: Time, now: Time, timers: &RouterTimers) -> MemberStep {
    if now < quiet_until {
        return MemberStep { next: Member::Present { expires, quiet_until }, effect: MemberEffect::None };
    }
    let quiet_until = now + timers.last_member_query_interval();
    MemberStep { next: Member::Present { expires, quiet_until }, effect: MemberEffect::Query }
}

fn expire(state: Member, expires: Time, now: Time) -> MemberStep {
    if now < expires {
        MemberStep { next: state, effect: MemberEffect::None }
    } else {
        MemberStep { next: Member::Absent, effect: MemberEffect::Gone }
    }
}
