//! The client against servers that answer, err, hang, drip, flood and die.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use api::{Client, ClientError, CountersReply, ErrorKind, ErrorReply, GroupsReply, Reply, Request};
use tempfile::TempDir;

/// Long enough for any machine to answer in, where an answer comes.
const LONG: Duration = Duration::from_secs(60);
/// Where none comes, and the test waits for the end of it.
const SHORT: Duration = Duration::from_millis(100);

/// A socket whose first connection gets `serve` after its first line.
fn server(serve: impl FnOnce(UnixStream, String) + Send + 'static) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        serve(stream, line);
    });
    (dir, path)
}

/// The same, answering with these bytes and closing.
fn answering(bytes: &'static [u8]) -> (TempDir, PathBuf) {
    server(move |mut stream, _| stream.write_all(bytes).unwrap())
}

fn connect(path: &Path) -> Client {
    Client::connect_within(path, LONG).unwrap()
}

fn refusal(path: &Path) -> String {
    Client::connect_within(path, LONG).unwrap_err().to_string()
}

#[test]
fn requests_and_replies_in_turn_on_one_connection() {
    let (_dir, path) = server(|stream, first| {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut line = first;
        while !line.is_empty() {
            let reply = match Request::parse(line.as_bytes()) {
                Ok(Request::ShowGroups) => Reply::Groups(GroupsReply::default()),
                Ok(Request::ShowCounters) => Reply::Counters(CountersReply::default()),
                Ok(other) => Reply::Error(ErrorReply::new(ErrorKind::Busy, other.name(), "wait")),
                Err(error) => Reply::Error(error),
            };
            (&stream).write_all(reply.to_line().as_bytes()).unwrap();
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
    });
    let mut client = connect(&path);
    assert_eq!(client.groups().unwrap(), GroupsReply::default());
    assert_eq!(client.ports().unwrap_err().to_string(), "show-ports; wait");
    assert_eq!(
        client.counters().unwrap(),
        CountersReply::default(),
        "an error does not end the conversation"
    );
}

#[test]
fn nobody_there_names_the_cure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    assert_eq!(
        refusal(&path),
        format!(
            "no socket at {}; is Manifold running? Start it with `systemctl start manifold`, or name its socket with \
             --socket",
            path.display()
        )
    );
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(
        refusal(&path),
        format!(
            "nobody listens at {}, which a process that died has left; start Manifold anew with `systemctl restart \
             manifold`",
            path.display()
        )
    );
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(refusal(&file), format!("{} is not a socket; name Manifold's with --socket", file.display()));
    let long = dir.path().join("x".repeat(120));
    assert!(matches!(Client::connect(&long), Err(ClientError::PathTooLong(_))));
    assert!(matches!(Client::connect(&file.join("s")), Err(ClientError::NoSocket(_))));
}

#[test]
fn no_permission_names_the_cure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may connect to anything, and gets to see no more than the words here.
    let error = match Client::connect_within(&path, LONG) {
        Ok(_) => {
            assert!(rustix::process::geteuid().is_root());
            ClientError::Permission(path.clone())
        }
        Err(error) => error,
    };
    assert_eq!(
        error.to_string(),
        format!(
            "this user may not connect to {}; run as root, or join the group that `group` in [socket] of Manifold's \
             settings names",
            path.display()
        )
    );
}

#[test]
fn a_server_that_hangs_is_not_waited_for() {
    let (_dir, path) = server(|stream, _| {
        // Until the client has gone.
        let _ = BufReader::new(stream).read_line(&mut String::new());
    });
    let mut client = Client::connect_within(&path, SHORT).unwrap();
    assert_eq!(
        client.status().unwrap_err().to_string(),
        "no answer within 0.1 s; the proxy hangs or is stopped: look at `systemctl status manifold`"
    );
}

#[test]
fn an_answer_in_drops_does_not_stretch_the_wait() {
    let (_dir, path) = server(|mut stream, _| {
        while stream.write_all(b" ").is_ok() {
            thread::yield_now();
        }
    });
    let mut client = Client::connect_within(&path, SHORT).unwrap();
    // A fast machine may reach the bound of a line before the time is over.
    assert!(matches!(client.status(), Err(ClientError::TimedOut(_) | ClientError::BadReply(_))));
}

#[test]
fn a_full_queue_of_connections_is_not_waited_for() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&listener, 0).unwrap();
    let mut held = Vec::new();
    let error = loop {
        match Client::connect_within(&path, SHORT) {
            Ok(client) => held.push(client),
            Err(error) => break error,
        }
        assert!(held.len() < 100);
    };
    assert!(matches!(error, ClientError::TimedOut(_)), "{error}");
}

#[test]
fn a_refusal_that_came_before_the_request_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    for said in [&b"{\"error\":{\"kind\":\"denied\",\"message\":\"not you\",\"cure\":\"ask\"}}\n"[..], b""] {
        let mut client = Client::connect(&path).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(said).unwrap();
        drop(stream);
        match client.call(&Request::ShowStatus) {
            Err(ClientError::Refused(error)) => {
                assert_eq!((error.message.as_str(), said.is_empty()), ("not you", false))
            }
            Err(ClientError::Closed) => assert!(said.is_empty()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_no_reply_is_told_apart() {
    let closed =
        "Manifold closed the connection before it answered; it is stopping, or serves too many: try again";
    for (bytes, message) in [
        (&b""[..], closed),
        (b"{\"groups\":", closed),
        (
            b"{\"weather\":{}}\n",
            "what came is no reply (unknown variant `weather`, expected one of `groups`, `ports`, `counters`, \
             `workers`, `status`, `settings`, `connections`, `events`, `latency`, `explain`, `preview`, `changed`, `error` at line 1 column 10); are Manifold and this program of one version?",
        ),
        (
            b"{\"ports\":{\"ports\":[]}}\n",
            "what came is no reply (it has ports, which was not asked for); are Manifold and this program of one \
             version?",
        ),
    ] {
        let (_dir, path) = answering(bytes);
        assert_eq!(connect(&path).groups().unwrap_err().to_string(), message);
    }
}

#[test]
fn a_reply_may_gain_fields() {
    let (_dir, path) = answering(b"{\"groups\":{\"groups\":[],\"weather\":\"fair\"}}\r\n");
    assert_eq!(connect(&path).groups().unwrap(), GroupsReply::default());
}
