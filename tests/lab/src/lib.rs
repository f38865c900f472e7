//! The laboratory of the whole-system tests and of the demo: network namespaces joined by veth pairs,
//! access bridges, real Linux hosts as IGMP clients, a paced source, and captures of what was on the wire.
//!
//! A [`Lab`] owns everything it made and removes it when dropped; the next one also removes what a crashed
//! run left behind. All names carry the process id and start time of their run, so that several labs live
//! side by side. Everything that waits here ends with [`LabError::Interrupted`] once [`stop::on_signals`] was
//! called and a signal came.
//!
//! Sender and receiver are this same program, run again inside a namespace: a binary that uses a lab calls
//! [`helper::run_if_asked`] first in `main`; a libtest binary names another one with [`Lab::with_helper`].
//!
//! Needs root, and `ip`, `ethtool` and `tcpdump`. No unsafe code; nothing here runs inside Manifold.

mod access;
mod capture;
pub mod compare;
mod error;
mod expect;
mod frame;
pub mod helper;
mod host;
mod manifold;
mod namespace;
mod packet;
mod process;
mod querier;
mod run;
pub mod stop;
pub mod stream;

pub use access::AccessNet;
pub use capture::{Capture, CaptureTotals};
pub use error::LabError;
pub use expect::ExpectedIgmp;
pub use frame::{Body, Frame, Igmp, Ip, Udp, UdpChecksum};
pub use helper::{Flood, Flooded, FrameSender, Helper, Receiver, ReceiverSummary, Sender, SenderSummary};
pub use host::Host;
pub use manifold::{Manifold, manifold_binary};
pub use namespace::Netns;
pub use packet::PacketSocket;
pub use process::Process;
pub use querier::BridgeQuerier;
pub use run::{Lab, become_root};

use std::time::SystemTime;
use types::Time;

/// The time of day as captures stamp their frames: nanoseconds since 1970.
pub fn now() -> Time {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::ZERO + since_1970
}
