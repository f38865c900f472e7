//! The control side: one thread owns all protocol state and the group table's writing end.
//!
//! [`Agent`] is that state without a thread or a clock: frames, link changes, requests and time go in;
//! table changes, masks and frames to send come out. `manifold replay` calls it in line;
//! [`spawn`] runs it on the control thread, fed by the punt rings, the socket and the main thread.
//! What an agent was told a [`Recorder`] writes down, and [`replay_record`] runs again. No DPDK and no mbuf
//! here: frames are bytes.

mod agent;
mod book;
mod clock;
mod configuration;
mod events;
mod explain;
mod former;
mod latency;
mod lines;
mod log;
mod losses;
mod masks;
mod neighbours;
mod peers;
mod policies;
mod record;
mod server;
mod show;
mod socket_file;
#[cfg(test)]
mod tests;
mod thread;
mod waker;

pub use agent::{Agent, AgentParts, Outlet, ProcessInfo};
pub use clock::Clock;
pub use configuration::{Configuration, PortInfo, PortRole};
pub use log::{Log, start_log};
pub use losses::{LossBook, PortLosses};
pub use record::{Record, RecordEnd, RecordError, Recorder, Replayed, read_record, replay_record};
pub use server::{Answer, Server};
pub use socket_file::ServerError;
pub use thread::{ControlError, ControlHandle, ControlParts, spawn};
pub use waker::{Sleeper, Waker, waker};
