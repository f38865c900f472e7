//! `manifold-backend run`.

use std::io::IsTerminal;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::App;
use crate::serve::Server;
use crate::settings::Settings;

/// Threads that serve: the work is to wait.
const THREADS: usize = 2;
/// Threads that may block: as many as ask the proxy and hash passwords at a time, and some to spare.
const BLOCKING_THREADS: usize = 16;

pub(crate) fn run(settings: Settings) -> Result<(), String> {
    let filter = EnvFilter::try_from_env("MANIFOLD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(|error| format!("no threads: {error}; raise the limit of threads"))?;
    let served = runtime.block_on(serve(settings));
    // A request that still waits for the proxy does not hold the end up.
    runtime.shutdown_background();
    served
}

async fn serve(settings: Settings) -> Result<(), String> {
    let app = App::new(settings);
    let server = Server::bind(&app).await.map_err(|error| error.to_string())?;
    let address = server.address().map_err(|error| error.to_string())?;
    let scheme = if app.settings.tls.is_some() { "https" } else { "http" };
    tracing::info!("serving at {scheme}://{address}, version {}", env!("CARGO_PKG_VERSION"));
    if app.has_no_users() {
        tracing::warn!("nobody can log in: run `manifold-backend user set NAME --role admin`");
    }
    let failed = |error: std::io::Error| format!("no signals: {error}; report it");
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let (stop, stopped) = watch::channel(false);
    let mut serving = std::pin::pin!(server.run(stopped));
    loop {
        tokio::select! {
            () = serving.as_mut() => return Ok(()),
            _ = hangup.recv() => server.reload_tls(),
            _ = term.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("stopping");
    stop.send_replace(true);
    serving.await;
    Ok(())
}
