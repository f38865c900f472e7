//! The asking end towards the proxy: bounded, and what is asked for often is asked once.
//!
//! Whatever clients of the backend do, the proxy sees at most nine connections at a time, four that look, four that
//! explain and one that changes, and each show at most four times a second. A question once asked goes on, holds its
//! place and is heard to its end, even when the client that it was asked for hangs up.

mod health;
mod lane;
mod shared;
mod unit;

pub(crate) use health::unix_ms;
pub use health::{Health, ProxyHealth};
pub use unit::{UnitState, UnitWatch};

use std::path::Path;
use std::sync::Arc;

use api::{
    CHANGE_TIMEOUT, ChangedReply, Client, ClientError, ConnectionsReply, CountersReply, DEFAULT_TIMEOUT,
    Edit, ErrorKind, ErrorReply, EventsReply, ExplainReply, GroupsReply, LatencyReply, PortsReply,
    PreviewReply, Request, SettingsReply, StatusReply, WorkersReply,
};
use types::GroupAddr;

use lane::Lane;
use shared::Shared;

/// Connections that look, at a time.
const SHOWS: usize = 4;
/// Connections that explain, at a time: each takes as long as frames are watched.
const EXPLAINS: usize = 4;
/// Connections that change, at a time.
const CHANGES: usize = 1;

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The proxy does not answer: why, as far as the socket tells.
    Down(ErrorReply),
    /// The proxy says no.
    Refused(ErrorReply),
    /// Too many ask at a time.
    Busy,
}

impl Failure {
    fn of(error: ClientError) -> Self {
        let reply = error.to_reply();
        match error {
            // It lives, but tells us nothing.
            ClientError::Refused(reply) if reply.kind == ErrorKind::Denied => Self::Down(reply),
            ClientError::Refused(reply) => Self::Refused(reply),
            ClientError::NoSocket(_) | ClientError::NotASocket(_) => Self::Down(ErrorReply {
                cure: "start it with `systemctl start manifold`, or name its socket in backend.toml"
                    .to_owned(),
                ..reply
            }),
            ClientError::PathTooLong(_)
            | ClientError::Stale(_)
            | ClientError::Permission(_)
            | ClientError::TimedOut(_)
            | ClientError::Closed
            | ClientError::BadReply(_)
            | ClientError::Io(_) => Self::Down(reply),
        }
    }

    /// What is wrong, with the cure.
    pub fn reply(&self) -> ErrorReply {
        match self {
            Self::Down(reply) | Self::Refused(reply) => reply.clone(),
            Self::Busy => {
                ErrorReply::new(ErrorKind::Busy, "too many requests at a time", "try again in some seconds")
            }
        }
    }
}

/// The proxy behind its socket.
pub struct Proxy {
    shows: Lane,
    explains: Lane,
    changes: Lane,
    health: Arc<Health>,
    kept: Arc<Kept>,
}

/// What was heard last of each that is asked for often.
#[derive(Default)]
struct Kept {
    status: Shared<StatusReply>,
    ports: Shared<PortsReply>,
    groups: Shared<GroupsReply>,
    counters: Shared<CountersReply>,
    workers: Shared<WorkersReply>,
    settings: Shared<SettingsReply>,
    connections: Shared<ConnectionsReply>,
    latency: Shared<LatencyReply>,
}

impl Kept {
    /// What was heard before a change is not told after it.
    fn forget(&self) {
        self.status.forget();
        self.ports.forget();
        self.groups.forget();
        self.counters.forget();
        self.settings.forget();
        self.connections.forget();
    }
}

/// Forgets when a change has come to its end, whatever that is.
struct Forget(Arc<Kept>);

impl Drop for Forget {
    fn drop(&mut self) {
        self.0.forget();
    }
}

impl Proxy {
    /// Behind the socket at `path`. Nothing is asked yet.
    pub fn new(path: &Path) -> Self {
        let health = Arc::new(Health::default());
        let lane = |places, timeout| Lane::new(path, places, timeout, &health);
        Self {
            shows: lane(SHOWS, DEFAULT_TIMEOUT),
            explains: lane(EXPLAINS, DEFAULT_TIMEOUT),
            changes: lane(CHANGES, CHANGE_TIMEOUT),
            kept: Arc::default(),
            health,
        }
    }

    /// How it stands with the socket.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The process as a whole.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn status(&self) -> Result<Arc<StatusReply>, Failure> {
        self.kept.status.get(self.shows.ask(Client::status)).await
    }

    /// Every port.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn ports(&self) -> Result<Arc<PortsReply>, Failure> {
        self.kept.ports.get(self.shows.ask(Client::ports)).await
    }

    /// Every group.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn groups(&self) -> Result<Arc<GroupsReply>, Failure> {
        self.kept.groups.get(self.shows.ask(Client::groups)).await
    }

    /// Every counter.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn counters(&self) -> Result<Arc<CountersReply>, Failure> {
        self.kept.counters.get(self.shows.ask(Client::counters)).await
    }

    /// Every worker.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn workers(&self) -> Result<Arc<WorkersReply>, Failure> {
        self.kept.workers.get(self.shows.ask(Client::workers)).await
    }

    /// Why a group is dark, or where it goes. Takes as long as frames have to be watched.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn explain(&self, group: GroupAddr, port: Option<String>) -> Result<ExplainReply, Failure> {
        self.explains.ask(move |client| client.explain(group, port.as_deref())).await
    }

    /// The settings in force.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn settings(&self) -> Result<Arc<SettingsReply>, Failure> {
        self.kept.settings.get(self.shows.ask(Client::settings)).await
    }

    /// Every connection that is, could be or could not be a port.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn connections(&self) -> Result<Arc<ConnectionsReply>, Failure> {
        self.kept.connections.get(self.shows.ask(Client::connections)).await
    }

    /// How long joins took.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn latency(&self) -> Result<Arc<LatencyReply>, Failure> {
        self.kept.latency.get(self.shows.ask(Client::latency)).await
    }

    /// At most `limit` of the events after the one with the id `after`.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn events(&self, after: u64, limit: u32) -> Result<EventsReply, Failure> {
        self.shows.ask(move |client| client.events(after, limit)).await
    }

    /// What a change would do.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn preview(&self, edits: Vec<Edit>) -> Result<PreviewReply, Failure> {
        self.shows.ask(move |client| client.preview(edits)).await
    }

    /// A request for which [`Request::is_change`] holds. Never asked twice.
    ///
    /// # Errors
    /// There is no reply. After [`Failure::Refused`] and [`Failure::Busy`] nothing was done, but for [`ErrorKind::Late`].
    pub async fn change(&self, request: Request) -> Result<ChangedReply, Failure> {
        let forget = Forget(Arc::clone(&self.kept));
        let done = self.changes.ask(move |client| {
            let _forget = forget;
            client.change(&request)
        });
        done.await
    }
}
