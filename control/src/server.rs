//! The unix socket: one JSON object a line in, one a line out.
//!
//! Threads of its own, so that a slow or silent client costs the control thread nothing. Everything is
//! bounded: connections, the length of a line, the time to send one and to take the answer.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use api::{CHANGE_TIMEOUT, ErrorKind, ErrorReply, LineBuffer, MAX_REQUEST_LINE, Reply, Request};

use crate::peers::Peers;
use crate::show;
use crate::socket_file::{ServerError, SocketFile};

/// Bytes handed to the kernel at once: it grants its patience to each write anew.
const WRITE_CHUNK: usize = 64 << 10;
/// To say why a connection is closed at once: a few bytes, for which there is room.
const REFUSAL_PATIENCE: Duration = Duration::from_millis(100);
/// Before the next try when there is no descriptor for a client.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a client may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// From one whole request, or the connection's begin, to the next.
    pub(crate) request: Duration,
    /// To take an answer.
    pub(crate) answer: Duration,
    /// For whoever answers to give one.
    pub(crate) control: Duration,
    /// For a change to be made: less than clients wait, so that they hear how it went.
    pub(crate) change: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            request: Duration::from_secs(60),
            answer: Duration::from_secs(5),
            control: Duration::from_secs(5),
            change: CHANGE_TIMEOUT - Duration::from_secs(5),
        }
    }
}

/// Whoever answers the socket's requests. Called by several threads at a time.
pub trait Answer: Send + Sync {
    /// The reply to `request`, after `patience` at the latest.
    fn answer(&self, request: Request, patience: Duration) -> Reply;
}

/// Listens until dropped; then the socket's file is gone. A connection that there is goes on until its
/// client closes it or says nothing for a minute.
#[derive(Debug)]
pub struct Server {
    listener: Arc<UnixListener>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _file: Arc<SocketFile>,
}

impl Server {
    /// Listens at `path` for root and the users of `group`, replacing what a crashed instance left there.
    /// Makes the folder when it is missing.
    ///
    /// # Errors
    /// The folder or the socket cannot be made, another process listens there, something else than a
    /// socket is there, or there is no such group.
    pub fn start(path: &Path, group: Option<&str>, answers: Arc<dyn Answer>) -> Result<Self, ServerError> {
        Self::start_within(path, group, answers, Limits::default())
    }

    pub(crate) fn start_within(
        path: &Path,
        group: Option<&str>,
        answers: Arc<dyn Answer>,
        limits: Limits,
    ) -> Result<Self, ServerError> {
        let (listener, file) = SocketFile::listen(path, group)?;
        let listener = Arc::new(listener);
        let ends = Arc::new(AtomicBool::new(false));
        let file = Arc::new(file);
        let peers = Peers::new(Arc::clone(&file));
        let accept =
            Accept { listener: Arc::clone(&listener), ends: Arc::clone(&ends), answers, limits, peers };
        let thread = Builder::new()
            .name("socket".to_owned())
            .spawn(move || accept.run())
            .map_err(|e| ServerError::new(path, e, "raise the limit of threads"))?;
        Ok(Self { listener, ends, thread: Some(thread), _file: file })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes the thread out of accept().
        let _ = rustix::net::shutdown(&*self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Accept {
    listener: Arc<UnixListener>,
    ends: Arc<AtomicBool>,
    answers: Arc<dyn Answer>,
    limits: Limits,
    peers: Peers,
}

impl Accept {
    fn run(&self) {
        let open = Arc::new(AtomicUsize::new(0));
        for stream in self.listener.incoming() {
            if self.ends.load(Ordering::Relaxed) {
                return;
            }
            match stream {
                Ok(stream) => self.take(stream, &open),
                // Out of descriptors, most likely; they come back when a client leaves.
                Err(_) => std::thread::sleep(ACCEPT_PAUSE),
            }
        }
    }

    fn take(&self, stream: UnixStream, open: &Arc<AtomicUsize>) {
        if !self.peers.admit(&stream).unwrap_or(false) {
            let cure = "run as root, or join the group that `group` in [socket] of the settings names";
            let refusal = show::error(ErrorKind::Denied, "this user may not ask", cure);
            let _ = answer(&stream, &refusal, REFUSAL_PATIENCE);
            return;
        }
        if open.load(Ordering::Relaxed) >= self.limits.connections {
            let refusal = show::error(ErrorKind::Busy, "too many connections", "close one and try again");
            let _ = answer(&stream, &refusal, REFUSAL_PATIENCE);
            return;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(open));
        let (answers, limits) = (Arc::clone(&self.answers), self.limits);
        let served = Builder::new().name("socket-client".to_owned()).spawn(move || {
            let _place = place;
            // What goes wrong here is the client's loss only.
            let _ = serve(&stream, &*answers, limits);
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

fn serve(stream: &UnixStream, answers: &dyn Answer, limits: Limits) -> io::Result<()> {
    let mut lines = LineBuffer::new(MAX_REQUEST_LINE);
    loop {
        let reply = match read_next(stream, &mut lines, limits.request)? {
            Next::Line(Ok(request)) => {
                let patience = if request.is_change() { limits.change } else { limits.control };
                answers.answer(request, patience)
            }
            Next::Line(Err(error)) => Reply::Error(error),
            Next::Broken(reply) => return answer(stream, &reply, limits.answer),
            Next::End => return Ok(()),
        };
        answer(stream, &reply, limits.answer)?;
    }
}

/// What comes next from a client.
enum Next {
    /// A line, as a request or as the reason why it is none.
    Line(Result<Request, ErrorReply>),
    /// No line, and nothing that could come after.
    Broken(Reply),
    /// The end.
    End,
}

/// Waits for a whole line, `patience` at the most, in however many pieces it comes.
fn read_next(mut stream: &UnixStream, lines: &mut LineBuffer, patience: Duration) -> io::Result<Next> {
    let deadline = Instant::now() + patience;
    let mut bytes = [0; 1024];
    loop {
        match lines.next_line() {
            Ok(Some(line)) => return Ok(Next::Line(Request::parse(line))),
            Ok(None) => {}
            Err(too_long) => {
                return Ok(Next::Broken(show::error(
                    ErrorKind::BadRequest,
                    too_long.to_string(),
                    "send one request a line; what is more than fits is set in the settings file, and a reload",
                )));
            }
        }
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut bytes) {
            Ok(0) if lines.is_mid_line() => {
                let (message, cure) = ("the last line has no end", "end each request with a newline");
                return Ok(Next::Broken(show::error(ErrorKind::BadRequest, message, cure)));
            }
            Ok(0) => return Ok(Next::End),
            Ok(read) => lines.push(&bytes[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn answer(mut stream: &UnixStream, reply: &Reply, patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    let line = reply.to_line();
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        match stream.write(&rest[..rest.len().min(WRITE_CHUNK)]) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The time until `deadline`, an error when there is none left.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
