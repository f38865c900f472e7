//! The language of Manifold's socket: one JSON object a line, a request up and a reply down, in turn.
//!
//! ```text
//! > {"request":"show-status"}
//! < {"status":{"version":"0.1.0","instance":"main", ...}}
//! > {"request":"show-everything"}
//! < {"error":{"kind":"bad-request","message":"...","cure":"..."}}
//! ```
//!
//! What a request may name is a group, a port and keys of the settings' live layer: never a path, a table of the
//! administrator's file, or a device's string other than as the value of a key that the settings check.
//!
//! Requests are strict: an unknown field is an error, so that a misspelt one cannot be passed over. Replies may gain
//! fields, and whoever reads them passes over those it does not know; no field changes its meaning or its name. Field
//! names are in snake case with the unit last (`age_s`); words among the values are in kebab case, as are the names
//! of counters.
//!
//! The proxy's socket thread has the one end ([`Request::parse`], [`Reply::to_line`], [`LineBuffer`]), `manifoldctl`
//! and the backend the other ([`Client`]). No DPDK here, and nothing of the proxy's state.

mod change;
mod client;
mod connections;
mod error;
mod events;
mod explain;
mod finding;
mod latency;
mod line;
mod reply;
mod request;
mod settings;
mod text;
mod workers;

pub use change::ChangedReply;
pub use client::{CHANGE_TIMEOUT, Client, ClientError, DEFAULT_SOCKET, DEFAULT_TIMEOUT, WATCH_TIME};
pub use connections::{ConnectionSource, ConnectionView, ConnectionsReply, Obstacle, ObstacleKind};
pub use error::{ErrorKind, ErrorReply, ProblemView};
pub use events::{EventKind, EventView, EventsReply, MAX_EVENTS};
pub use explain::{Check, ExplainReply, Topic};
pub use finding::Finding;
pub use latency::{Bucket, Histogram, LatencyReply};
pub use line::{LineBuffer, LineTooLong, MAX_REPLY_LINE, MAX_REQUEST_LINE};
pub use reply::{
    CountersReply, GroupView, GroupsReply, HeldBack, LinkState, MbufView, MemberState, MemberView, Outage,
    PortCounters, PortRole, PortView, PortsReply, QuerierRole, QuerierView, QueryView, RecordView, Reply,
    StatusReply, UpstreamView, seconds,
};
pub use request::{Edit, MAX_EDITS, Request};
pub use settings::{
    ChangeView, KeyKind, KeyView, ListOf, Origin, PortSettingsView, PreviewReply, SettingsReply,
};
pub use workers::{BurstFill, LONG_PASS, WorkerSpan, WorkerView, WorkersReply};
