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
//! | `querier` | who asks on a client port, and when |
//! | `member` | one group on one client port |
//! | `hosts` | who the members are, where a Leave may end a membership at once |
//! | `discovery` | a client port's Multicast Router Advertisements |
//! | `upstream` | one group on the provider's port; the proxy's `sweep` steps all of them, its `leaving` paces Leaves |
//! | `timers` | all deadlines, earliest first |
//! | `table`, `slab`, `index`, `port_map` | a million entries by key, at a few bytes more than their own; and by port |
//! | `intervals` | the RFC's intervals and counts, checked |
//!
//! Invariants: a `(port, group)` has an entry exactly while its bit is set; a group is joined at the
//! provider exactly while some port has an entry for it; each entry has a timer exactly while its machine
//! names a deadline; no frame is handed out for a port without link; every frame handed in is counted
//! under one [`Verdict`].
//!
//! # Rules, their sources and their tests
//!
//! Each rule has a test named after it, in the file of the last column: of `tests/rules`, or named by its
//! path. A test holds this table to that.
//!
//! | rules | what | source | tests |
//! |---|---|---|---|
//! | r1-r3 | TTL, TOS and Router Alert, sent and received | RFC 2236 s2; RFC 2113 | `validity` |
//! | r4-r6, r15 | checksum, length, padding, fragments | RFC 2236 s2.3, s2.5 | `validity` |
//! | r7-r9 | other types, Max Resp Time, the group | RFC 2236 s2.1, s2.2, s10; RFC 5771 s4 | `validity` |
//! | r10-r13 | sources, destinations, own addresses, the port | RFC 2236 s9, s10; RFC 4541 s2.1.1 | `validity` |
//! | r14, r87 | IGMP is never forwarded, nor told to another client port | RFC 4605 s4.1; RFC 4541 s2.1.1 | `validity`, `joins` |
//! | r16-r18, r101 | our General Queries | RFC 2236 s3, s8.3, s8.6, s8.7 | `queries` |
//! | r19-r25 | the election | RFC 2236 s3, s8.5 | `election` |
//! | r26-r28 | a non-querier | RFC 2236 s3, s7 | `election` |
//! | r29 | a port that speaks version 1 | RFC 2236 s4 | `version1` |
//! | r30 | another version than ours | RFC 2236 s4 | `election` |
//! | r31, r32 | version and code of a query | RFC 9776 s4.1, s7.1 | `validity`, `host` |
//! | r33 | the S flag | RFC 9776 s4.1, s6.6.1 | `election` |
//! | r34, r94 | querier anew after link and address changes | RFC 2236 s7 | `queries` |
//! | r35-r37, r48, r53 | members come and age; the limit of groups | RFC 2236 s3, s8.4; RFC 4605 s4.1 | `joins` |
//! | r38-r47 | Leave, last member queries, version 1 hosts | RFC 2236 s3, s5, s7, s8.8, s8.9 | `leaves` |
//! | r49, r51, r52 | Leaves that are enough at once | RFC 2236 s6, s7; RFC 9776 s7.3.2 | `fast_leave` |
//! | r50, r103 | hosts of version 3 | RFC 9776 s4.2, s7.2, s7.3.2 | `v3` |
//! | r54, r100 | access lists, the source-specific range | RFC 4605 s4.1; RFC 4607 s4 | `policies` |
//! | r55 | static groups | RFC 4605 s4.1 | `statics` |
//! | r56-r68, r66b, r71, r91 | the host side: one membership for all ports, answers, versions | RFC 2236 s3, s4, s6, s8.11; RFC 4605 s4.1; RFC 9776 s7.2 | `host` |
//! | r69 | groups that stay on their link | RFC 4605 s4.2 | `joins`, `policies` |
//! | r70, r96 | the provider's link back or another; switched off and on | RFC 4605 s4.1; RFC 2236 s3 | `lifecycle` |
//! | r72 | a thousand answers spread | RFC 2236 s3 | `scale` |
//! | r73 | a provider that never asks | RFC 2236 s3 | `pace` |
//! | r74-r80, r84, r85, r99 | forwarding | RFC 4605 s3, s4.2; RFC 1812 s5.2, s5.3 | `dataplane/forwarding/src/tests/rules.rs` |
//! | r81-r83, r86, r88, r98 | frames that are no data to forward | RFC 1812 s5.2, s5.3; RFC 5771 s4 | `dataplane/forwarding/src/classify_tests.rs` |
//! | r89, r90 | group and destination of a query | RFC 2236 s9 | `validity` |
//! | r92, r95, r97 | members of a port where another asks; others' queries | RFC 4605 s3; RFC 2236 s7 | `election` |
//! | r93 | members while the link is down | RFC 2236 s8.4 | `links` |
//! | r102 | router discovery | RFC 4286 s3 to s5 | `discovery` |
//!
//! Where a rule reads otherwise than its line:
//!
//! - r5: a Multicast Router Solicitation has 4 bytes (RFC 4286, section 4), and is the only message below 8.
//! - r17: one more is sent at once where new settings refuse less than before, so that who was refused need not
//!   wait; the schedule goes on from it.
//! - r28: a port that speaks version 1 lowers nothing, because version 1 has no group-specific query and its
//!   hosts answer within 10 s only.
//! - r31: a version 3 query may be longer than its sources, because RFC 9776, section 4.1 (Additional Data),
//!   has such bytes summed and ignored.
//! - r49: `tracked` also waits until the port has been listened to for one Group Membership Interval. Hosts
//!   that joined before a start, a link flap or a change of the mode are unknown until they answer a query,
//!   and their streams would freeze with the first Leave of another.
//! - r55: a group that is static no more has the members that reported, as if it had never been static. Where none did,
//!   a querier of version 2 makes sure by the last member queries: a report may have been lost, and the group has been
//!   forwarded so far. A version 1 port and a non-querier have no such question (RFC 2236, sections 4 and 7), and to
//!   a router without static groups such a group would have no member (section 3): it goes at once.
//! - r93, r96: the last member queries end with the link or the switch, and the members age from their last report
//!   on, because who answered was not heard.

mod action;
mod counters;
mod discovery;
mod hosts;
mod index;
mod intervals;
mod member;
mod port_map;
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
pub use proxy::{GroupView, MemberState, PortRole, PortView, Proxy, QuerySeen, Reporter, UpstreamGroupView};
pub use settings::{
    ClientPortSettings, FastLeave, LeavePolicy, ProxySettings, QuerierVersion, UpstreamPortSettings,
};
pub use verdict::{Verdict, VerdictClass};
pub use wire::{Frame, Version};
