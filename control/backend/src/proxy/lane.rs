//! A way of asking that has its own number of connections.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Client, ClientError};
use tokio::sync::Semaphore;

use crate::proxy::{Failure, Health};

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Waits of one question, each bounded by the lane's timeout: to connect, to ask, and, to explain, to ask again; one
/// more for what lies between them.
const WAITS: u32 = 4;

/// So many connections at a time, and how long each wait on them is.
pub(crate) struct Lane {
    socket: PathBuf,
    places: Arc<Semaphore>,
    timeout: Duration,
    health: Arc<Health>,
}

impl Lane {
    pub(crate) fn new(socket: &Path, places: usize, timeout: Duration, health: &Arc<Health>) -> Self {
        Self {
            socket: socket.to_owned(),
            places: Arc::new(Semaphore::new(places)),
            timeout,
            health: Arc::clone(health),
        }
    }

    /// The answer to `question`. Who drops the future before a place is free asks nothing; later the question goes on
    /// in its place, and what comes of it is noted.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Client) -> Result<T, ClientError> + Send + 'static,
    ) -> impl Future<Output = Result<T, Failure>> + Send + 'static {
        let (socket, places) = (self.socket.clone(), Arc::clone(&self.places));
        let (timeout, health) = (self.timeout, Arc::clone(&self.health));
        async move {
            let place = tokio::time::timeout(PATIENCE, places.acquire_owned()).await;
            let Ok(Ok(place)) = place else { return Err(Failure::Busy) };
            // The client blocks, with a bound on every wait.
            let noted = Arc::clone(&health);
            let asked = tokio::task::spawn_blocking(move || {
                let _place = place;
                let client = Client::connect_within(&socket, timeout);
                let answer = client.and_then(|mut client| question(&mut client)).map_err(Failure::of);
                noted.note(answer.as_ref().err(), Instant::now());
                answer
            });
            match tokio::time::timeout(timeout * WAITS, asked).await {
                Ok(Ok(answer)) => answer,
                // The runtime ends, and with it whoever asked.
                Ok(Err(_)) => Err(Failure::Busy),
                Err(_) => {
                    let late = Failure::of(ClientError::TimedOut(timeout * WAITS));
                    health.note(Some(&late), Instant::now());
                    Err(late)
                }
            }
        }
    }
}
