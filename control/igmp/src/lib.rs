//! IGMP for a proxy: router towards clients (RFC 2236), host towards the provider (RFC 4605).
//!
//! Pure: frames, link changes and times go in, [`Action`]s come out. No clock, no I/O, no log, no chance
//! but the seed's.

mod action;
mod counters;
mod intervals;
mod member;
mod proxy;
mod querier;
mod rng;
mod settings;
mod timers;
mod upstream;
mod verdict;
pub mod wire;

pub use action::{Action, Event, Left};
pub use counters::{IgmpCounters, ReceivedType, SentType};
pub use intervals::{HostTimers, IntervalError, RouterTimers};
pub use proxy::{GroupView, MemberState, PortRole, PortView, Proxy, QuerySeen, UpstreamGroupView};
pub use settings::{ClientPortSettings, LeavePolicy, ProxySettings, UpstreamPortSettings};
pub use verdict::{Verdict, VerdictClass};
pub use wire::{Frame, Version};
