//! Connections: how many, from whom, for how long, with TLS or without.

mod patience;
mod places;
mod tls;

pub use tls::TlsError;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::Layer;

use crate::app::App;
use crate::gate::Connection;
use crate::settings::Limits;
use patience::Patient;
use places::Places;

/// Bytes of a request's head.
const HEAD: usize = 16 << 10;
/// Bytes of an answer that the kernel keeps for a client; it takes twice as much with what it needs itself.
const SEND_BUFFER: u32 = 128 << 10;
/// Connections that wait to be accepted.
const QUEUE: u32 = 1024;
/// Headers of a request.
const MOST_HEADERS: usize = 64;
/// Before the next try when there is no descriptor for a client.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For what is under way to come to its end when the service stops.
const GOODBYE: Duration = Duration::from_secs(3);

/// Serves `app` until told otherwise.
pub struct Server {
    listener: TcpListener,
    router: Router,
    limits: Limits,
    tls: Option<TlsKeeper>,
    places: Arc<Places>,
    app: Arc<App>,
}

/// The certificate in force, and where it comes from.
struct TlsKeeper {
    settings: crate::settings::TlsSettings,
    config: Mutex<Arc<ServerConfig>>,
}

/// The service cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen at {address}: {source}; {cure}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
        /// What would cure it.
        cure: &'static str,
    },
    /// The certificate or the key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Server {
    /// Listens, and starts the poller of event streams. Nobody is served yet.
    ///
    /// # Errors
    /// The address cannot be had, or the certificate cannot be used.
    pub async fn bind(app: &Arc<App>) -> Result<Self, ServeError> {
        let settings = &app.settings;
        let tls = match settings.tls.clone() {
            Some(settings) => {
                let config = Mutex::new(tls::load(&settings)?);
                Some(TlsKeeper { settings, config })
            }
            None => None,
        };
        let address = settings.listen;
        let listener = listen(address).map_err(|source| {
            let cure = match source.kind() {
                io::ErrorKind::AddrInUse => "another program listens there: stop it, or set another `listen`",
                io::ErrorKind::AddrNotAvailable => "no interface has this address: set another `listen`",
                io::ErrorKind::PermissionDenied => "ports below 1024 are root's: set a `listen` above",
                _ => "set another `listen`",
            };
            ServeError::Listen { address, source, cure }
        })?;
        crate::live::start(app);
        Ok(Self {
            listener,
            router: crate::rest::router(app),
            limits: settings.limits,
            tls,
            places: Places::new(settings.limits.connections, settings.limits.connections_per_address),
            app: Arc::clone(app),
        })
    }

    /// Where it listens: the port that the system chose where the settings say 0.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Reads certificate and key again; what is in force stays when they cannot be used.
    pub fn reload_tls(&self) {
        let Some(keeper) = &self.tls else { return };
        match tls::load(&keeper.settings) {
            Ok(config) => {
                *keeper.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!("certificate and key were read again");
            }
            Err(error) => tracing::error!("the certificate in force stays: {error}"),
        }
    }

    /// Serves until `stop` changes; then lets what is under way come to its end, some seconds at the most.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let (alive, mut all_gone) = tokio::sync::mpsc::channel::<()>(1);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.changed() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer, stop.clone(), alive.clone()),
                // Out of descriptors, most likely; they come back when a client leaves.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        drop(alive);
        let _ = tokio::time::timeout(GOODBYE, all_gone.recv()).await;
    }

    fn take(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        stop: watch::Receiver<bool>,
        alive: tokio::sync::mpsc::Sender<()>,
    ) {
        // Behind a proxy that is trusted to tell them apart there are many.
        let is_one = !self.app.settings.trusted_proxies.iter().any(|proxy| proxy.contains(peer.ip()));
        let Some(place) = self.places.take(peer.ip(), is_one) else {
            self.app.counts.connection_refused();
            return;
        };
        let Ok(local) = stream.local_addr() else { return };
        // Events are small and should not wait for more.
        let _ = stream.set_nodelay(true);
        let tls = self.tls.as_ref().map(|keeper| {
            TlsAcceptor::from(Arc::clone(&keeper.config.lock().unwrap_or_else(PoisonError::into_inner)))
        });
        let connection = Connection { client: peer.ip(), local, tls: tls.is_some() };
        let (router, limits) = (self.router.clone(), self.limits);
        tokio::spawn(async move {
            let _held = (place, alive);
            let stream = Patient::new(stream, limits.stall_time);
            match tls {
                None => converse(stream, router, connection, limits, stop).await,
                Some(acceptor) => {
                    let shaken = tokio::time::timeout(limits.head_time, acceptor.accept(stream)).await;
                    if let Ok(Ok(stream)) = shaken {
                        converse(stream, router, connection, limits, stop).await;
                    }
                }
            }
        });
    }
}

/// As [`TcpListener::bind`], with little room in the kernel for what each client has yet to take: it counts as ours.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Accepted sockets have it from the listening one.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

/// Requests and answers on one connection, to its end. What goes wrong is its client's loss only.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    connection: Connection,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(Extension(connection).layer(router));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_time);
    http.max_buf_size(HEAD).max_headers(MOST_HEADERS);
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = served.as_mut() => {}
        _ = stop.changed() => {
            served.as_mut().graceful_shutdown();
            // A stream has no end of its own.
            let _ = tokio::time::timeout(GOODBYE, served).await;
        }
    }
}
