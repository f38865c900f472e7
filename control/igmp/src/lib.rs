//! IGMP for a proxy: router towards clients (RFC 2236), host towards the provider (RFC 4605).
//!
//! Pure: frames, link changes and times go in, [`Action`]s come out. No clock, no I/O, no log, no unsafe
//! code, and no chance but the seed's, so that the same calls give the same actions. The control thread
//! owns the one [`Proxy`] and is the only caller.
//!
//! | module | what |
//! |---|---|
//! | [`wire`] | frames to messages and back; what a frame alone can be refused for |
//! | `proxy` | puts the machines together; `admission` refuses what the port's settings refuse |
//! | `querier` | a client port's General Queries |
//! | `member` | one group on one client port |
//! | `upstream` | one group on the provider's port; the proxy's `sweep` steps all of them, its `leaving` paces Leaves |
//! | `pace` | reports a second, and settings that make them too many |
//! | `timers` | all deadlines, earliest first |
//! | `table`, `slab` | a million entries by key, at a few bytes more than their own |
//! | `intervals` | the RFC's intervals and counts, checked |
//!
//! Invariants: a `(port, group)` has an entry exactly while its bit is set; a group is joined at the
//! provider exactly while some port has an entry for it; each entry has a timer exactly while its machine
//! names a deadline; no frame is handed out for a port without link; every frame handed in is counted
//! under one [`Verdict`].
//!
//! # Rules, their sources and their tests
//!
//! The tests are in `tests/rules`, each named after its rule; the last column is the file.
//!
//! | rules | what | source | tests |
//! |---|---|---|---|
//! | r1-r3, r101 | TTL, Router Alert, TOS, form of what we send | RFC 2236 s2, RFC 2113 | `bench`, `validity` |
//! | r4-r6, r15 | checksum, length, padding, fragments | RFC 2236 s2.3, s2.5 | `validity`, `faults` |
//! | r7-r9 | other types, Max Resp Time, group | RFC 2236 s2, s10; RFC 5771 s4 | `validity`, `faults` |
//! | r10-r13 | sources, destinations, own addresses | RFC 2236 s9, s10; RFC 4541 s2.1.1 | `validity`, `faults` |
//! | r14, r87 | IGMP is never forwarded | RFC 4605 s4.1; RFC 4541 s2.1.1 | `validity`, `joins` |
//! | r16-r19 | General Queries | RFC 2236 s3, s8.6, s8.7 | `queries`, `querier` |
//! | r31, r32 | version and code of a query | RFC 9776 s4.1, s7.1 | `validity`, `host` |
//! | r34, r94 | querier anew after link and address changes | RFC 2236 s7 | `queries` |
//! | r35-r37 | members come and age | RFC 2236 s3, s8.4 | `joins` |
//! | r38-r44 | Leave, last member queries | RFC 2236 s3, s7, s8.8, s8.9 | `leaves` |
//! | r45-r48 | version 1 hosts | RFC 2236 s5, s7 | `leaves`, `joins` |
//! | r50 | version 3 records | RFC 9776 s4.2, s7.3.2 | `v3` |
//! | r53, r55 | limit of groups, static groups | RFC 4605 s4.1 | `joins`, `statics` |
//! | r56-r61 | one membership for all ports | RFC 4605 s4.1, RFC 2236 s3 | `host` |
//! | r62-r64 | answers and their delays | RFC 2236 s3, s6 | `host` |
//! | r65 | another host's report | RFC 2236 s6 | `host` |
//! | r66-r68 | versions of the provider's routers | RFC 2236 s4, s8.11; RFC 9776 s7.2 | `host` |
//! | r69 | groups that stay on their link | RFC 4605 s4.2 | `joins`, `statics` |
//! | r70, r71, r91 | links, addresses and sources at the provider | RFC 4605 s4.1 | `lifecycle`, `host` |
//! | r89, r90 | group and destination of a query | RFC 2236 s9 | `validity` |
//! | r93, r96, r97 | link down, switch off, queries of others | RFC 2236 s3, s7 | `lifecycle`, `queries` |
//!
//! One rule reads wider than its line: a version 3 query may be longer than its sources (r31), because
//! RFC 9776, section 4.1 (Additional Data), has such bytes summed and ignored.

mod action;
mod counters;
mod discovery;
mod hosts;
mod intervals;
mod member;
mod pace;
mod proxy;
mod querier;
mod rng;
mod settings;
mod slab;
mod table;
mod timers;
mod upstream;
mod verdict;
pub mod wire;

pub use action::{Action, Event, Left};
pub use counters::{IgmpCounters, ReceivedType, SentType};
pub use intervals::{HostTimers, IntervalError, RouterTimers};
pub use pace::PaceDoubt;
pub use proxy::{GroupView, MemberState, PortRole, PortView, Proxy, QuerySeen, UpstreamGroupView};
pub use settings::{
    ClientPortSettings, FastLeave, LeavePolicy, ProxySettings, QuerierVersion, UpstreamPortSettings,
};
pub use verdict::{Verdict, VerdictClass};
pub use wire::{Frame, Version};
