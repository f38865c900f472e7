//! The unix socket: one JSON object a line in, one a line out.
//!
//! Threads of its own, so that a slow or silent client costs the control thread nothing. Everything is
//! bounded: connections, the length of a line, the time to send one and to take the answer.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::{LineBuffer, MAX_REQUEST_LINE, Reply, Request};

use crate::show;
use crate::thread::ControlHandle;

const CONNECTIONS: usize = 32;
/// An idle connection is closed after this.
const IDLE: Duration = Duration::from_secs(60);
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
const CONTROL_PATIENCE: Duration = Duration::from_secs(5);
/// Owner and group; everybody else has no business here.
const MODE: u32 = 0o660;

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {}: {source}; {cure}", path.display())]
pub struct ServerError {
    path: PathBuf,
    source: io::Error,
    cure: &'static str,
}

/// Listens until dropped; then the socket's file is gone.
pub struct Server {
    path: PathBuf,
}

impl Server {
    /// Listens at `path` for root and the users of `group`, replacing what a crashed instance left there: the instance lock is held, so
    /// nobody else serves it. Makes the folder when it is missing.
    ///
    /// # Errors
    /// The folder or the socket cannot be made, or there is no such group.
    pub fn start(path: &Path, group: Option<&str>, control: ControlHandle) -> Result<Self, ServerError> {
        let failed = |cure| move |source| ServerError { path: path.to_owned(), source, cure };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(failed("make its folder, or set [socket] path to a place that can be written"))?;
        }
        // Bound under another name and moved, so that it never stands open to everybody.
        let staged = path.with_extension(format!("{}.new", std::process::id()));
        let _ = std::fs::remove_file(&staged);
        let listener = UnixListener::bind(&staged)
            .map_err(failed("set [socket] path to a place that can be written, at most 90 bytes long"))?;
        if let Some(group) = group {
            let id = group_id(group).map_err(failed("name a group of /etc/group in [socket] group"))?;
            std::os::unix::fs::chown(&staged, None, Some(id))
                .map_err(failed("run as root, or leave [socket] group out"))?;
        }
        std::fs::set_permissions(&staged, std::fs::Permissions::from_mode(MODE))
            .and_then(|()| std::fs::rename(&staged, path))
            .map_err(failed("check the permissions of its folder"))?;
        std::thread::Builder::new()
            .name("socket".to_owned())
            .spawn(move || accept(&listener, &control))
            .map_err(failed("raise the limit of threads"))?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The id of a group of users, by /etc/group or as a number.
fn group_id(name: &str) -> io::Result<u32> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let groups = std::fs::read_to_string("/etc/group")?;
    let id = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    });
    id.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no group `{name}`")))
}

fn accept(listener: &UnixListener, control: &ControlHandle) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, most likely; they come back when a client leaves.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        if open.load(Ordering::Relaxed) >= CONNECTIONS {
            let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
            let _ = answer(&stream, &show::error("too many connections", "close one and try again"));
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&open));
        let control = control.clone();
        let served = std::thread::Builder::new().name("socket-client".to_owned()).spawn(move || {
            let _place = place;
            // What goes wrong here is the client's loss only.
            let _ = serve(&stream, &control);
        });
        if let Err(error) = served {
            tracing::warn!(%error, "a client of the socket could not be served");
        }
    }
}

/// One of the places for connections, given back however the client's thread ends.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(mut stream: &UnixStream, control: &ControlHandle) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(WRITE_PATIENCE))?;
    let mut lines = LineBuffer::new(MAX_REQUEST_LINE);
    let mut bytes = [0; 1024];
    loop {
        let read = stream.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        lines.push(&bytes[..read]);
        loop {
            match lines.next_line() {
                Ok(Some(line)) => answer(stream, &reply_to(line, control))?,
                Ok(None) => break,
                Err(too_long) => {
                    return answer(stream, &show::error(too_long.to_string(), "send one request a line"));
                }
            }
        }
    }
}

fn reply_to(line: &[u8], control: &ControlHandle) -> Reply {
    match Request::parse(line) {
        Ok(request) => control
            .request(request, CONTROL_PATIENCE)
            .unwrap_or_else(|e| show::error(e.to_string(), "start manifold again")),
        Err(error) => Reply::Error(error),
    }
}

fn answer(mut stream: &UnixStream, reply: &Reply) -> io::Result<()> {
    stream.write_all(reply.to_line().as_bytes())
}
