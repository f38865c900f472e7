//! The socket, with clients of every sort.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use api::{Client, ClientError, ErrorReply, MAX_REQUEST_LINE, Reply, Request};
use forwarding::frame_ring;
use tempfile::TempDir;

use super::bench::{Plan, answers};
use crate::server::Limits;
use crate::{Agent, Answer, Clock, ControlHandle, ControlParts, Server, spawn, waker};

/// Long enough for any machine to answer in.
const LONG: Duration = Duration::from_secs(60);
/// Where nothing comes, and the test waits for the end of it.
const SHORT: Duration = Duration::from_millis(100);

/// A server with a control thread behind it, both gone with it.
struct Rig {
    server: Option<Server>,
    control: ControlHandle,
    thread: Option<JoinHandle<Agent>>,
    path: PathBuf,
    _dir: TempDir,
}

impl Rig {
    fn new() -> Self {
        Self::within(Limits { request: LONG, answer: LONG, control: LONG, ..Limits::default() })
    }

    fn within(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/manifold.sock");
        let (control, thread) = control();
        let server = Server::start_within(&path, None, Arc::new(control.clone()), limits).unwrap();
        Self { server: Some(server), control, thread: Some(thread), path, _dir: dir }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        stream
    }

    fn client(&self) -> Client {
        Client::connect_within(&self.path, LONG).unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(self.server.take());
        let _ = self.control.shutdown();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn control() -> (ControlHandle, JoinHandle<Agent>) {
    let (waker, sleeper) = waker().unwrap();
    let (inject, _) = frame_ring(64);
    let clock = Clock::start();
    let agent = Plan::new().agent(clock.now());
    spawn(ControlParts { agent, punted: Vec::new(), inject, waker, sleeper, clock, core: None }).unwrap()
}

/// Why a server does not start at the path.
fn refusal(path: &Path, group: Option<&str>) -> String {
    let (control, thread) = control();
    let refused = Server::start(path, group, Arc::new(control.clone())).map(drop);
    control.shutdown().unwrap();
    thread.join().unwrap();
    refused.unwrap_err().to_string()
}

/// The rest of what the server says before it closes.
fn replies(stream: &UnixStream) -> Vec<Reply> {
    let lines = BufReader::new(stream).lines();
    lines.map_while(Result::ok).map(|line| Reply::parse(line.as_bytes()).unwrap()).collect()
}

fn message(reply: &Reply) -> &str {
    match reply {
        Reply::Error(error) => &error.message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_socket_is_for_owner_and_group_only_in_a_folder_made_for_it() {
    let rig = Rig::new();
    let mode = std::fs::symlink_metadata(&rig.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    assert_eq!(rig.client().status().unwrap().ports, 3);
}

#[test]
fn the_socket_is_given_to_the_group_of_the_settings() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    // Root may give it to anybody, others to their own group only.
    let own = std::fs::metadata(dir.path()).unwrap().gid();
    let wanted = if rustix::process::geteuid().is_root() { own + 4321 } else { own };
    let (control, thread) = control();
    let server = Server::start(&path, Some(&wanted.to_string()), Arc::new(control.clone())).unwrap();
    assert_eq!(std::fs::symlink_metadata(&path).unwrap().gid(), wanted);
    drop(server);
    control.shutdown().unwrap();
    thread.join().unwrap();
}

#[test]
fn an_unknown_group_is_named_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let text = refusal(&path, Some("nobody-has-this-group"));
    assert!(text.contains("there is no group `nobody-has-this-group`; name a group of /etc/group"), "{text}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_a_dead_process_left_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "the listener is gone, its file is not");
    let (control, thread) = control();
    let server = Server::start(&path, None, Arc::new(control.clone())).unwrap();
    assert!(Client::connect_within(&path, LONG).unwrap().status().is_ok());
    drop(server);
    control.shutdown().unwrap();
    thread.join().unwrap();
}

#[test]
fn another_process_keeps_its_socket() {
    let rig = Rig::new();
    let text = refusal(&rig.path, None);
    assert!(text.contains("another process listens there; stop it"), "{text}");
    assert!(rig.client().status().is_ok(), "and goes on serving");
}

#[test]
fn a_file_or_a_link_in_the_sockets_place_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    std::fs::write(&file, "precious").unwrap();
    symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let text = refusal(path, None);
        assert!(text.contains("something else than a socket is there; move it away"), "{text}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn places_that_cannot_be_are_refused_with_the_cure() {
    let dir = tempfile::tempdir().unwrap();
    let long = dir.path().join("x".repeat(108));
    let text = refusal(&long, None);
    assert!(text.contains("at most 107 bytes long"), "{text}");
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let text = refusal(&file.join("s"), None);
    assert!(text.contains("make its folder"), "{text}");
}

#[test]
fn a_dropped_server_takes_its_socket_away_and_listens_no_more() {
    let mut rig = Rig::new();
    let before = rig.connect();
    rig.server = None;
    assert!(!rig.path.exists());
    assert!(matches!(Client::connect_within(&rig.path, LONG), Err(ClientError::NoSocket(_))));
    // A connection that there was, and that had its thread or not, gets an answer or an end, no silence.
    let _ = (&before).write_all(Request::ShowStatus.to_line().as_bytes());
    let _ = before.shutdown(Shutdown::Write);
    assert!(replies(&before).len() <= 1);
}

#[test]
fn a_dropped_server_leaves_its_successors_socket() {
    let mut rig = Rig::new();
    std::fs::remove_file(&rig.path).unwrap();
    let successor = UnixListener::bind(&rig.path).unwrap();
    rig.server = None;
    assert!(UnixStream::connect(&rig.path).is_ok());
    drop(successor);
}

/// Answers with how long it may take to.
struct Patience;

impl Answer for Patience {
    fn answer(&self, request: Request, patience: Duration) -> Reply {
        Reply::Error(ErrorReply::new(api::ErrorKind::Busy, request.name(), patience.as_secs().to_string()))
    }
}

#[test]
fn a_change_may_take_longer_than_a_look_and_less_than_clients_wait() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let _server = Server::start(&path, None, Arc::new(Patience)).unwrap();
    let mut client = Client::connect_within(&path, LONG).unwrap();
    let mut told = |request: Request| match client.call(&request).unwrap_err() {
        ClientError::Refused(error) => (error.message, error.cure.parse::<u64>().unwrap()),
        other => panic!("{other}"),
    };
    assert_eq!(told(Request::ShowStatus), ("show-status".to_owned(), 5));
    let (name, patience) = told(Request::SetUpstream { port: "wan2".to_owned() });
    assert_eq!(name, "set-upstream");
    assert!(patience > 5 && Duration::from_secs(patience) < api::CHANGE_TIMEOUT);
}

#[test]
fn many_requests_in_one_write_are_answered_in_order() {
    let rig = Rig::new();
    let stream = rig.connect();
    let asked: Vec<_> = Request::SHOWS.iter().cycle().take(100).collect();
    let lines: String = asked.iter().map(|request| request.to_line()).collect();
    let writer = stream.try_clone().unwrap();
    let write = std::thread::spawn(move || {
        (&writer).write_all(lines.as_bytes()).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let replies = replies(&stream);
    write.join().unwrap();
    assert_eq!(replies.len(), asked.len());
    for (request, reply) in asked.into_iter().zip(replies) {
        assert!(answers(&reply, request), "{request:?}: {reply:?}");
    }
}

#[test]
fn garbage_is_answered_and_the_connection_goes_on() {
    let rig = Rig::new();
    let mut stream = rig.connect();
    let garbage: [&[u8]; 5] =
        [b"\n", b"\0\xff\n", b"GET / HTTP/1.1\r\n", b"{}\n", b"{\"request\":\"reboot\"}\n"];
    for line in garbage {
        stream.write_all(line).unwrap();
    }
    stream.write_all(Request::ShowStatus.to_line().as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let replies = replies(&stream);
    assert_eq!(replies.len(), garbage.len() + 1);
    assert!(replies[..garbage.len()].iter().all(|r| message(r).starts_with("not a request")), "{replies:?}");
    assert!(matches!(replies.last(), Some(Reply::Status(_))));
}

#[test]
fn a_line_beyond_the_bound_is_answered_and_ends_the_connection() {
    let rig = Rig::new();
    let mut stream = rig.connect();
    stream.write_all(Request::ShowStatus.to_line().as_bytes()).unwrap();
    // The server may close before it has all of it.
    let _ = stream.write_all(&vec![b'x'; MAX_REQUEST_LINE + 1]);
    let replies = replies(&stream);
    let [Reply::Status(_), refusal] = &replies[..] else { panic!("{replies:?}") };
    assert!(message(refusal).contains("longer than 65536 bytes"), "{refusal:?}");
}

#[test]
fn half_a_line_is_told_so_at_its_end() {
    let rig = Rig::new();
    let mut stream = rig.connect();
    stream.write_all(b"{\"request\":\"show-status\"}").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let replies = replies(&stream);
    assert_eq!(replies.len(), 1);
    assert_eq!(message(&replies[0]), "the last line has no end");
}

#[test]
fn a_request_in_drops_is_answered_if_it_comes_in_time() {
    let rig = Rig::new();
    let mut stream = rig.connect();
    for byte in Request::ShowStatus.to_line().as_bytes() {
        stream.write_all(&[*byte]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(replies(&stream)[..], [Reply::Status(_)]));
}

#[test]
fn a_client_that_only_drips_loses_its_connection() {
    let rig = Rig::within(Limits { request: SHORT, ..Limits::default() });
    let mut stream = rig.connect();
    stream.set_read_timeout(Some(SHORT / 10)).unwrap();
    // Each byte comes well within the patience for a request; all of them together do not.
    let ended = (0..MAX_REQUEST_LINE).any(|_| {
        stream.write_all(b"x").is_err()
            || match stream.read(&mut [0]) {
                Ok(read) => read == 0,
                Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            }
    });
    assert!(ended);
    assert!(rig.client().status().is_ok());
}

#[test]
fn a_client_that_never_reads_costs_the_others_nothing_and_is_cut_off() {
    let rig = Rig::within(Limits { answer: SHORT, ..Limits::default() });
    let mut deaf = rig.connect();
    let lines = Request::ShowCounters.to_line().repeat(100);
    // Its answers fill the way back, then its requests the way there; then the server has had enough.
    while deaf.write_all(lines.as_bytes()).is_ok() {
        assert!(rig.client().status().is_ok());
    }
}

#[test]
fn connections_beyond_the_limit_are_told_so_and_places_come_back() {
    let rig = Rig::within(Limits { connections: 2, ..Limits::default() });
    let mut open: Vec<_> = (0..2).map(|_| rig.client()).collect();
    for client in &mut open {
        client.status().unwrap();
    }
    let refused = replies(&rig.connect());
    assert_eq!(refused.len(), 1);
    assert_eq!(message(&refused[0]), "too many connections");
    open.pop();
    // The place comes back when the server's thread has seen the end.
    while rig.client().status().is_err() {
        std::thread::yield_now();
    }
    assert!(open[0].status().is_ok());
}

#[test]
fn after_the_control_threads_end_requests_are_answered_with_that() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    client.status().unwrap();
    rig.control.shutdown().unwrap();
    rig.thread.take().unwrap().join().unwrap();
    let Err(ClientError::Refused(error)) = client.status() else { panic!("no refusal") };
    assert_eq!(error.message, "the control thread has ended");
}
