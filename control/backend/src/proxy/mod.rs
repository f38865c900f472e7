//! The asking end towards the proxy: bounded, and what is asked for often is asked once.
//!
//! Whatever clients of the backend do, the proxy sees at most nine connections at a time, four that look, four that
//! explain and one that changes, and each show at most four times a second.

mod health;
mod shared;
mod unit;

pub(crate) use health::unix_ms;
pub use health::{Health, ProxyHealth};
pub use unit::{UnitState, UnitWatch};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{
    CHANGE_TIMEOUT, ChangedReply, Client, ClientError, ConnectionsReply, CountersReply, DEFAULT_TIMEOUT,
    Edit, ErrorKind, ErrorReply, EventsReply, ExplainReply, GroupsReply, LatencyReply, PortsReply,
    PreviewReply, Request, SettingsReply, StatusReply, WorkersReply,
};
use tokio::sync::Semaphore;
use types::GroupAddr;

use shared::Shared;

/// Connections that look, at a time.
const SHOWS: usize = 4;
/// Connections that explain, at a time: each takes as long as frames are watched.
const EXPLAINS: usize = 4;
/// Connections that change, at a time.
const CHANGES: usize = 1;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// A way of asking that has its own number of connections.
struct Lane {
    places: Semaphore,
    timeout: Duration,
}

impl Lane {
    const fn new(places: usize, timeout: Duration) -> Self {
        Self { places: Semaphore::const_new(places), timeout }
    }
}

/// The proxy behind its socket.
pub struct Proxy {
    socket: PathBuf,
    shows: Lane,
    explains: Lane,
    changes: Lane,
    health: Health,
    status: Shared<StatusReply>,
    ports: Shared<PortsReply>,
    groups: Shared<GroupsReply>,
    counters: Shared<CountersReply>,
    workers: Shared<WorkersReply>,
    settings: Shared<SettingsReply>,
    connections: Shared<ConnectionsReply>,
    latency: Shared<LatencyReply>,
}

impl Proxy {
    /// Behind the socket at `path`. Nothing is asked yet.
    pub fn new(path: &Path) -> Self {
        Self {
            socket: path.to_owned(),
            shows: Lane::new(SHOWS, DEFAULT_TIMEOUT),
            explains: Lane::new(EXPLAINS, DEFAULT_TIMEOUT),
            changes: Lane::new(CHANGES, CHANGE_TIMEOUT),
            health: Health::default(),
            status: Shared::default(),
            ports: Shared::default(),
            groups: Shared::default(),
            counters: Shared::default(),
            workers: Shared::default(),
            settings: Shared::default(),
            connections: Shared::default(),
            latency: Shared::default(),
        }
    }

    /// How it stands with the socket.
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// The process as a whole.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn status(&self) -> Result<Arc<StatusReply>, Failure> {
        self.status.get(self.ask(&self.shows, Client::status)).await
    }

    /// Every port.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn ports(&self) -> Result<Arc<PortsReply>, Failure> {
        self.ports.get(self.ask(&self.shows, Client::ports)).await
    }

    /// Every group.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn groups(&self) -> Result<Arc<GroupsReply>, Failure> {
        self.groups.get(self.ask(&self.shows, Client::groups)).await
    }

    /// Every counter.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn counters(&self) -> Result<Arc<CountersReply>, Failure> {
        self.counters.get(self.ask(&self.shows, Client::counters)).await
    }

    /// Every worker.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn workers(&self) -> Result<Arc<WorkersReply>, Failure> {
        self.workers.get(self.ask(&self.shows, Client::workers)).await
    }

    /// Why a group is dark, or where it goes. Takes as long as frames have to be watched.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn explain(&self, group: GroupAddr, port: Option<String>) -> Result<ExplainReply, Failure> {
        self.ask(&self.explains, move |client| client.explain(group, port.as_deref())).await
    }

    /// The settings in force.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn settings(&self) -> Result<Arc<SettingsReply>, Failure> {
        self.settings.get(self.ask(&self.shows, Client::settings)).await
    }

    /// Every connection that is, could be or could not be a port.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn connections(&self) -> Result<Arc<ConnectionsReply>, Failure> {
        self.connections.get(self.ask(&self.shows, Client::connections)).await
    }

    /// How long joins took.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn latency(&self) -> Result<Arc<LatencyReply>, Failure> {
        self.latency.get(self.ask(&self.shows, Client::latency)).await
    }

    /// At most `limit` of the events after the one with the id `after`.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn events(&self, after: u64, limit: u32) -> Result<EventsReply, Failure> {
        self.ask(&self.shows, move |client| client.events(after, limit)).await
    }

    /// What a change would do.
    ///
    /// # Errors
    /// There is no reply.
    pub async fn preview(&self, edits: Vec<Edit>) -> Result<PreviewReply, Failure> {
        self.ask(&self.shows, move |client| client.preview(edits)).await
    }

    /// A request for which [`Request::is_change`] holds. Never asked twice.
    ///
    /// # Errors
    /// There is no reply. After [`Failure::Refused`] and [`Failure::Busy`] nothing was done, but for [`ErrorKind::Late`].
    pub async fn change(&self, request: Request) -> Result<ChangedReply, Failure> {
        let done = self.ask(&self.changes, move |client| client.change(&request)).await;
        self.forget();
        done
    }

    /// What was heard before a change is not told after it.
    fn forget(&self) {
        self.status.forget();
        self.ports.forget();
        self.groups.forget();
        self.counters.forget();
        self.settings.forget();
        self.connections.forget();
    }

    async fn ask<T: Send + 'static>(
        &self,
        lane: &Lane,
        question: impl FnOnce(&mut Client) -> Result<T, ClientError> + Send + 'static,
    ) -> Result<T, Failure> {
        let place = tokio::time::timeout(PATIENCE, lane.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(Failure::Busy) };
        let (socket, timeout) = (self.socket.clone(), lane.timeout);
        // The client blocks, with a bound on every wait.
        let asked = tokio::task::spawn_blocking(move || {
            let mut client = Client::connect_within(&socket, timeout)?;
            question(&mut client)
        });
        let answer = match asked.await {
            Ok(answer) => answer.map_err(Failure::of),
            // The runtime ends, and with it whoever asked.
            Err(_) => Err(Failure::Busy),
        };
        self.health.note(answer.as_ref().err(), Instant::now());
        answer
    }
}
