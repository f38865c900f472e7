//! The asking end of the socket: blocking, with a bound on every wait.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use types::GroupAddr;

use crate::change::ChangedReply;
use crate::connections::ConnectionsReply;
use crate::error::{ErrorKind, ErrorReply};
use crate::events::EventsReply;
use crate::explain::ExplainReply;
use crate::latency::LatencyReply;
use crate::line::{LineBuffer, MAX_REPLY_LINE};
use crate::reply::{CountersReply, GroupsReply, PortsReply, Reply, StatusReply};
use crate::request::{Edit, Request};
use crate::settings::{PreviewReply, SettingsReply};
use crate::workers::WorkersReply;

/// Where the proxy listens if its settings say nothing else.
pub const DEFAULT_SOCKET: &str = "/run/manifold/manifold.sock";

/// How long connecting, and each request, may take.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a change may take: ports may have to be opened and closed for it.
pub const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long frames of a group are looked at before [`Client::explain`] asks again.
pub const WATCH_TIME: Duration = Duration::from_millis(1500);

/// Why there is no reply. Prints as what is wrong and what would cure it.
#[derive(Debug)]
pub enum ClientError {
    /// There is no socket at the path.
    NoSocket(PathBuf),
    /// The path is something else than a socket.
    NotASocket(PathBuf),
    /// The path does not fit into a socket's address.
    PathTooLong(PathBuf),
    /// There is a socket, but nobody listens: its process died.
    Stale(PathBuf),
    /// This user may not connect.
    Permission(PathBuf),
    /// No answer in time.
    TimedOut(Duration),
    /// The proxy closed the connection before it answered.
    Closed,
    /// What came is no reply.
    BadReply(String),
    /// The proxy's own words.
    Refused(ErrorReply),
    /// Anything else that the system says.
    Io(io::Error),
}

impl ClientError {
    /// The same as a reply, for programs: the proxy's own, or one in its form.
    pub fn to_reply(&self) -> ErrorReply {
        let (message, cure) = match self {
            Self::NoSocket(path) => (
                format!("no socket at {}", path.display()),
                "is Manifold running? Start it with `systemctl start manifold`, or name its socket with --socket",
            ),
            Self::NotASocket(path) => {
                (format!("{} is not a socket", path.display()), "name Manifold's with --socket")
            }
            Self::PathTooLong(path) => (
                format!("{} is too long for a socket", path.display()),
                "give it a path of at most 107 bytes",
            ),
            Self::Stale(path) => (
                format!("nobody listens at {}, which a process that died has left", path.display()),
                "start Manifold anew with `systemctl restart manifold`",
            ),
            Self::Permission(path) => (
                format!("this user may not connect to {}", path.display()),
                "run as root, or join the group that `group` in [socket] of Manifold's settings names",
            ),
            Self::TimedOut(timeout) => (
                format!("no answer within {} s", timeout.as_secs_f64()),
                "the proxy hangs or is stopped: look at `systemctl status manifold`",
            ),
            Self::Closed => (
                "Manifold closed the connection before it answered".to_owned(),
                "it is stopping, or serves too many: try again",
            ),
            Self::BadReply(why) => {
                (format!("what came is no reply ({why})"), "are Manifold and this program of one version?")
            }
            Self::Refused(error) => return error.clone(),
            Self::Io(error) => (error.to_string(), "try again, and look at `systemctl status manifold`"),
        };
        ErrorReply::new(self.kind(), message, cure)
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSocket(_) | Self::Stale(_) | Self::Closed | Self::Io(_) => ErrorKind::Unavailable,
            Self::NotASocket(_) | Self::PathTooLong(_) => ErrorKind::BadRequest,
            Self::Permission(_) => ErrorKind::Denied,
            Self::TimedOut(_) => ErrorKind::Late,
            Self::BadReply(_) => ErrorKind::Failed,
            Self::Refused(error) => error.kind,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorReply { message, cure, details, .. } = self.to_reply();
        write!(f, "{message}; {cure}")?;
        details.iter().try_for_each(|detail| write!(f, "\n{detail}"))
    }
}

impl std::error::Error for ClientError {}

/// A connection to the proxy. One request at a time.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    lines: LineBuffer,
    timeout: Duration,
}

impl Client {
    /// Connects, with [`DEFAULT_TIMEOUT`].
    ///
    /// # Errors
    /// Nobody listens at the path, or this user may not connect.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        Self::connect_within(path, DEFAULT_TIMEOUT)
    }

    /// Connects; neither that nor any request takes longer than `timeout`.
    ///
    /// # Errors
    /// Nobody listens at the path, or this user may not connect.
    pub fn connect_within(path: &Path, timeout: Duration) -> Result<Self, ClientError> {
        let address = SocketAddrUnix::new(path).map_err(|_| ClientError::PathTooLong(path.to_owned()))?;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(|error| ClientError::Io(error.into()))?;
        // A listener whose queue is full would hold connect() for good; the send timeout bounds that too.
        set_socket_timeout(&socket, Timeout::Send, Some(timeout)).map_err(|e| ClientError::Io(e.into()))?;
        match connect(&socket, &address) {
            Ok(()) => {}
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(ClientError::NoSocket(path.to_owned())),
            Err(Errno::CONNREFUSED) if !is_socket(path) => {
                return Err(ClientError::NotASocket(path.to_owned()));
            }
            Err(Errno::CONNREFUSED) => return Err(ClientError::Stale(path.to_owned())),
            Err(Errno::ACCESS | Errno::PERM) => return Err(ClientError::Permission(path.to_owned())),
            Err(Errno::AGAIN) => return Err(ClientError::TimedOut(timeout)),
            Err(error) => return Err(ClientError::Io(error.into())),
        }
        Ok(Self { stream: socket.into(), lines: LineBuffer::new(MAX_REPLY_LINE), timeout })
    }

    /// Asks, and waits for the reply. After an error but [`ClientError::Refused`] the connection is of no more use.
    ///
    /// # Errors
    /// No reply came in time, or one that says why there is none.
    pub fn call(&mut self, request: &Request) -> Result<Reply, ClientError> {
        let deadline = Instant::now() + self.timeout;
        match self.stream.write_all(request.to_line().as_bytes()) {
            // Whoever hung up may have said why before.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {}
            written => written.map_err(|error| self.error(error))?,
        }
        let mut chunk = vec![0; 64 << 10];
        loop {
            match self.lines.next_line() {
                Ok(Some(line)) => {
                    return match Reply::parse(line).map_err(ClientError::BadReply)? {
                        Reply::Error(error) => Err(ClientError::Refused(error)),
                        reply => Ok(reply),
                    };
                }
                Ok(None) => {}
                Err(error) => return Err(ClientError::BadReply(error.to_string())),
            }
            // Each read gets what is left, so that an answer in drops does not stretch the wait.
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ClientError::TimedOut(self.timeout));
            }
            self.stream.set_read_timeout(Some(left)).map_err(ClientError::Io)?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ClientError::Closed),
                Ok(n) => self.lines.push(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(error)),
            }
        }
    }

    /// [`Request::ShowGroups`].
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn groups(&mut self) -> Result<GroupsReply, ClientError> {
        match self.call(&Request::ShowGroups)? {
            Reply::Groups(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    /// [`Request::ShowPorts`].
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn ports(&mut self) -> Result<PortsReply, ClientError> {
        match self.call(&Request::ShowPorts)? {
            Reply::Ports(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    /// [`Request::ShowCounters`].
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn counters(&mut self) -> Result<CountersReply, ClientError> {
        match self.call(&Request::ShowCounters)? {
            Reply::Counters(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    /// [`Request::ShowWorkers`].
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn workers(&mut self) -> Result<WorkersReply, ClientError> {
        match self.call(&Request::ShowWorkers)? {
            Reply::Workers(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    /// [`Request::ShowStatus`].
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn status(&mut self) -> Result<StatusReply, ClientError> {
        match self.call(&Request::ShowStatus)? {
            Reply::Status(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    /// [`Request::ShowSettings`].
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn settings(&mut self) -> Result<SettingsReply, ClientError> {
        match self.call(&Request::ShowSettings)? {
            Reply::Settings(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    /// [`Request::ShowConnections`].
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn connections(&mut self) -> Result<ConnectionsReply, ClientError> {
        match self.call(&Request::ShowConnections)? {
            Reply::Connections(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    /// [`Request::ShowLatency`].
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn latency(&mut self) -> Result<LatencyReply, ClientError> {
        match self.call(&Request::ShowLatency)? {
            Reply::Latency(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    /// [`Request::ShowEvents`]: at most `limit` of those after the one with the id `after`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn events(&mut self, after: u64, limit: u32) -> Result<EventsReply, ClientError> {
        match self.call(&Request::ShowEvents { after, limit })? {
            Reply::Events(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    /// [`Request::Preview`].
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn preview(&mut self, edits: Vec<Edit>) -> Result<PreviewReply, ClientError> {
        match self.call(&Request::Preview { edits })? {
            Reply::Preview(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    /// [`Request::Explain`]. Where frames of the group have to be looked at first, waits [`WATCH_TIME`] and asks again.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn explain(&mut self, group: GroupAddr, port: Option<&str>) -> Result<ExplainReply, ClientError> {
        let request = Request::Explain { group, port: port.map(str::to_owned) };
        let mut ask = || match self.call(&request)? {
            Reply::Explain(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        };
        let first = ask()?;
        if !first.watching {
            return Ok(first);
        }
        thread::sleep(WATCH_TIME);
        ask()
    }

    /// Any request for which [`Request::is_change`] holds.
    ///
    /// # Errors
    /// As [`Self::call`]; [`ClientError::Refused`] says what keeps it from being done, and then nothing was.
    pub fn change(&mut self, request: &Request) -> Result<ChangedReply, ClientError> {
        match self.call(request)? {
            Reply::Changed(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    fn error(&self, error: io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::TimedOut(self.timeout),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => ClientError::Closed,
            _ => ClientError::Io(error),
        }
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

fn unexpected(reply: &Reply) -> ClientError {
    let kind = match reply {
        Reply::Groups(_) => "groups",
        Reply::Ports(_) => "ports",
        Reply::Counters(_) => "counters",
        Reply::Workers(_) => "workers",
        Reply::Status(_) => "status",
        Reply::Settings(_) => "settings",
        Reply::Connections(_) => "connections",
        Reply::Events(_) => "events",
        Reply::Latency(_) => "latency",
        Reply::Explain(_) => "explain",
        Reply::Preview(_) => "preview",
        Reply::Changed(_) => "changed",
        Reply::Error(_) => "an error",
    };
    ClientError::BadReply(format!("it has {kind}, which was not asked for"))
}
