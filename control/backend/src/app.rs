//! What all handlers share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::StatusCode;
use tokio::sync::Semaphore;

use crate::access::{AccessFile, Attempts, Sessions, Store};
use crate::live::Live;
use crate::problem::{Kind, Problem};
use crate::proxy::{Proxy, UnitWatch};
use crate::settings::Settings;

/// Passwords that are hashed at a time: each takes 20 MiB and a core.
const HASHING: usize = 2;

/// The state of a running backend.
pub struct App {
    /// What it runs with.
    pub settings: Settings,
    /// The proxy.
    pub proxy: Proxy,
    pub(crate) unit: UnitWatch,
    pub(crate) live: Live,
    pub(crate) counts: Counts,
    pub(crate) hashing: Arc<Semaphore>,
    pub(crate) started: Instant,
    store: Store,
    sessions: Mutex<Sessions>,
    attempts: Mutex<Attempts>,
}

impl App {
    /// With nothing asked and nobody logged in.
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            proxy: Proxy::new(&settings.socket),
            unit: UnitWatch::new(settings.unit.clone()),
            live: Live::new(settings.limits.streams),
            counts: Counts::default(),
            hashing: Arc::new(Semaphore::new(HASHING)),
            started: Instant::now(),
            store: Store::new(&settings.state_dir),
            sessions: Mutex::new(Sessions::new(settings.session)),
            attempts: Mutex::default(),
            settings,
        })
    }

    /// Users and tokens as they are now.
    pub(crate) fn access(&self) -> Result<Arc<AccessFile>, Problem> {
        self.store.current().map_err(|error| {
            tracing::error!("nobody gets in: {error}");
            // Paths are nothing to tell a stranger.
            Problem::new(Kind::State, "nobody can be let in", "see the log of manifold-backend")
        })
    }

    /// Whether nobody could log in.
    pub(crate) fn has_no_users(&self) -> bool {
        self.access().is_ok_and(|file| file.users.is_empty())
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the backend counts of itself.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Answers, by the first digit of their status, from 1.
    answers: [AtomicU64; 5],
    /// Logins refused: wrong, or too many.
    logins_refused: AtomicU64,
    /// Connections refused, as there were too many.
    connections_refused: AtomicU64,
    /// Event streams ended because their client took nothing.
    streams_dropped: AtomicU64,
}

impl Counts {
    pub(crate) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.answers[class].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn login_refused(&self) {
        self.logins_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stream_dropped(&self) {
        self.streams_dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Class of status and how many answers, in ascending order.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        classes.into_iter().zip(&self.answers).map(|(class, count)| (class, count.load(Ordering::Relaxed)))
    }

    /// Logins, connections and streams, in this order.
    pub(crate) fn refused(&self) -> [u64; 3] {
        [&self.logins_refused, &self.connections_refused, &self.streams_dropped]
            .map(|count| count.load(Ordering::Relaxed))
    }
}
