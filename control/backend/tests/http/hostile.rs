//! f43: clients that mean no good cost others nothing.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use backend::access::Role;

use crate::replies;
use crate::support::{Answer, Backend, FakeProxy, read_head, wait_for};

fn served(backend: &Backend) {
    assert_eq!(backend.get("/api/v1/groups", &backend.token(Role::Viewer)).status, 200);
}

/// Whether the other end has closed the connection, within `patience`.
fn is_closed(stream: &TcpStream, patience: Duration) -> bool {
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut bytes = Vec::new();
    match (&mut &*stream).read_to_end(&mut bytes) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn short() -> (Backend, FakeProxy) {
    let backend = Backend::start(|settings| {
        settings.limits.head_time = Duration::from_secs(1);
        settings.limits.body_time = Duration::from_secs(1);
        settings.limits.stall_time = Duration::from_secs(1);
        settings.limits.connections = 40;
        settings.limits.connections_per_address = 36;
        settings.limits.streams = 8;
    });
    let proxy = FakeProxy::start(&backend.socket(), |request| Some(replies::all(request, 1)));
    (backend, proxy)
}

#[test]
fn f43_half_open_connections_are_closed_and_make_room() {
    let (backend, _proxy) = short();
    let crowd: Vec<_> = (0..100).map(|_| backend.connect()).collect();
    for (i, mut stream) in crowd.iter().enumerate() {
        // Some say nothing, some half a head.
        if i % 2 == 0 {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: loc");
        }
    }
    wait_for("a place", || {
        let mut stream = backend.connect();
        let head = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", backend.address);
        stream.write_all(head.as_bytes()).ok()?;
        (read_head(&mut BufReader::new(stream))?.0 == 200).then_some(())
    });
    for stream in &crowd {
        assert!(is_closed(stream, Duration::from_secs(20)));
    }
    served(&backend);
}

#[test]
fn f43_a_head_in_drops_is_cut_off() {
    let (backend, _proxy) = short();
    let mut stream = backend.connect();
    let begun = Instant::now();
    let mut cut = false;
    for byte in b"GET / HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat_n(&b'x', 200)) {
        if stream.write_all(&[*byte]).is_err() {
            cut = true;
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(cut || is_closed(&stream, Duration::from_secs(5)));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn f43_huge_heads_and_bodies_are_refused() {
    let (backend, _proxy) = short();
    let send = |text: &[u8]| {
        let mut stream = backend.connect();
        // The rest is thrown away with the connection.
        let _ = stream.write_all(text);
        let mut reader = BufReader::new(stream);
        read_head(&mut reader).map(|(status, _)| status)
    };
    let host = backend.address;
    let long = format!("GET / HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!(matches!(send(long.as_bytes()), Some(431) | None));
    let many = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{}\r\n", "X: y\r\n".repeat(1000));
    assert!(matches!(send(many.as_bytes()), Some(431) | None));
    let admin = backend.token(Role::Admin);
    let answer =
        backend.post("/api/v1/changes", &admin, &format!("{{\"edits\":[{}]}}", " ".repeat(59 << 10)));
    assert_eq!(answer.status, 200, "just below the limit");
    let answer = backend.post("/api/v1/changes", &admin, &" ".repeat((60 << 10) + 1));
    assert_eq!((answer.status, answer.problem().as_str()), (413, "body-too-large"));
    let (_, token) = &admin.headers[0];
    // A body of any length, announced or in chunks without end.
    let head = format!(
        "POST /api/v1/changes HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nContent-Type: application/json\r\n"
    );
    assert_eq!(send(format!("{head}Content-Length: 99999999999\r\n\r\n").as_bytes()), Some(413));
    let mut stream = backend.connect();
    stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    while stream.write_all(chunk.as_bytes()).is_ok() {}
    served(&backend);
}

#[test]
fn f43_a_body_that_does_not_come_is_not_waited_for() {
    let (backend, _proxy) = short();
    let admin = backend.token(Role::Admin);
    let mut stream = backend.connect();
    let head = format!(
        "POST /api/v1/changes HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        backend.address, admin.headers[0].1
    );
    stream.write_all(head.as_bytes()).unwrap();
    let answer = Answer::read(&mut BufReader::new(stream));
    assert_eq!((answer.status, answer.problem().as_str()), (408, "body-too-slow"));
}

#[test]
fn f43_a_thousand_streams_are_so_many_and_no_more() {
    let (backend, proxy) = short();
    let viewer = backend.token(Role::Viewer);
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..1000 {
        let mut stream = backend.connect();
        let head = format!(
            "GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\r\n",
            backend.address, viewer.headers[0].1
        );
        if stream.write_all(head.as_bytes()).is_err() {
            refused += 1;
            continue;
        }
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut reader = BufReader::new(stream);
        match read_head(&mut reader) {
            Some((200, _)) => open.push(reader),
            Some((503, _)) | None => refused += 1,
            Some((status, _)) => panic!("{status}"),
        }
    }
    assert_eq!((open.len(), refused), (8, 992));
    assert!(proxy.connections.load(std::sync::atomic::Ordering::SeqCst) <= 4);
    served(&backend);
    drop(open);
    wait_for("a place for a stream", || {
        let status = backend.get("/api/v1/status", &backend.log_in("vic")).json();
        (status["backend"]["streams"] == 0).then_some(())
    });
}

#[test]
fn f43_who_reads_nothing_is_cut_off() {
    let backend = Backend::start(|settings| settings.limits.stall_time = Duration::from_secs(1));
    // Much to tell, so that the kernel's buffers fill.
    let _proxy = FakeProxy::start(&backend.socket(), |request| match request {
        api::Request::ShowGroups => {
            let groups: Vec<_> =
                (0..16_000).map(|n| replies::group(&format!("239.{}.{}.1", n / 250, n % 250), 1)).collect();
            Some(serde_json::from_value(serde_json::json!({"groups": {"groups": groups}})).unwrap())
        }
        request => Some(replies::all(request, 1)),
    });
    let viewer = backend.token(Role::Viewer);
    let stream = begin_stream(&backend, &viewer.headers[0].1);
    let streams = || backend.get("/api/v1/status", &viewer).json()["backend"]["streams"].as_u64().unwrap();
    wait_for("the stream", || (streams() == 1).then_some(()));
    wait_for("its end", || (streams() == 0).then_some(()));
    drop(stream);
}

/// A stream's request, and no more than that.
fn begin_stream(backend: &Backend, token: &str) -> TcpStream {
    let mut stream = backend.connect();
    let host = backend.address;
    let head = format!("GET /api/v1/stream HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[test]
fn f43_many_slow_streams_of_many_moving_groups_hold_each_message_once() {
    const STREAMS: usize = 64;
    const MOVES: usize = 8;
    let backend = Backend::start(|settings| {
        (settings.limits.connections_per_address, settings.limits.streams) = (2 * STREAMS, 2 * STREAMS);
        settings.limits.stall_time = Duration::from_secs(600);
    });
    let groups = (0..4096).map(|n| replies::group(&format!("239.{}.{}.1", n / 250, n % 250), 1));
    let groups = serde_json::json!({"groups": {"groups": groups.collect::<Vec<_>>()}});
    let mut reply: api::Reply = serde_json::from_value(groups).unwrap();
    let [turns, moves] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let (counted, left) = (Arc::clone(&turns), Arc::clone(&moves));
    let _proxy = FakeProxy::start(&backend.socket(), move |request| {
        if *request != api::Request::ShowGroups {
            return Some(replies::all(request, 1));
        }
        counted.fetch_add(1, Ordering::SeqCst);
        let api::Reply::Groups(groups) = &mut reply else { panic!() };
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            groups.groups.iter_mut().for_each(|group| group.frames += 1000);
        }
        Some(reply.clone())
    });
    let viewer = backend.token(Role::Viewer);
    let whole = backend.stream(&viewer).wait("groups", |_| true).to_string().len();
    let (_, token) = &viewer.headers[0];
    let _slow: Vec<_> = (0..STREAMS).map(|_| begin_stream(&backend, token)).collect();
    let figure = |name: &str| {
        let text = backend.get("/metrics", &viewer).body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}")).parse::<usize>().unwrap()
    };
    wait_for("the streams", || (figure("manifold_backend_streams") >= STREAMS).then_some(()));
    // Until here, nothing but what streams begin with: once for each turn. Then groups move, so often and no more, however
    // slow this machine is.
    let begun = turns.load(Ordering::SeqCst) + 1;
    moves.store(MOVES, Ordering::SeqCst);
    wait_for("the moves", || (moves.load(Ordering::SeqCst) == 0).then_some(()));
    let held = figure("manifold_backend_stream_bytes");
    let most = 2 * whole * (begun + MOVES);
    assert!(held > whole && held < most, "{held} of {most}, {whole} a stream");
    assert!(most < STREAMS * MOVES * whole, "no bound: each stream for itself would hold less");
}

#[test]
fn f43_a_flood_of_logins_leaves_the_others_served() {
    let (backend, _proxy) = short();
    let viewer = backend.token(Role::Viewer);
    thread::scope(|scope| {
        for n in 0..8 {
            let backend = &backend;
            scope.spawn(move || {
                for i in 0..20 {
                    let answer = backend.try_log_in(&format!("u{n}-{i}"), "wrong horse");
                    assert!(matches!(answer.status, 401 | 429 | 503), "{answer:?}");
                }
            });
        }
        for _ in 0..20 {
            assert_eq!(backend.get("/api/v1/groups", &viewer).status, 200);
        }
    });
}

#[test]
fn f43_clients_that_hang_up_at_once_ask_the_proxy_no_more_than_others() {
    let backend = Backend::start(|_| {});
    let asked = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    let count = Arc::clone(&asked);
    // It hears, and does not answer: whatever was asked stays asked for seconds.
    let proxy = FakeProxy::start(&backend.socket(), move |request| {
        *count.lock().unwrap().entry(request.name().to_owned()).or_default() += 1;
        None
    });
    let (_, token) = backend.token(Role::Admin).headers.remove(0);
    let requests = ["GET groups", "GET events", "GET explain/239.1.1.1", "POST preview", "POST changes"];
    let mut most = 0;
    for _ in 0..20 {
        for request in requests {
            let (method, path) = request.split_once(' ').unwrap();
            let body = if method == "POST" { "{\"edits\":[]}" } else { "" };
            let head = format!(
                "{method} /api/v1/{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                backend.address,
                body.len()
            );
            backend.connect().write_all(head.as_bytes()).unwrap();
        }
        most = most.max(proxy.connections.load(Ordering::SeqCst));
        thread::sleep(Duration::from_millis(20));
    }
    wait_for("what was asked", || (asked.lock().unwrap().len() >= 3).then_some(()));
    let asked = asked.lock().unwrap();
    let of = |name: &str| asked.get(name).copied().unwrap_or_default();
    assert!(most <= 4 + 4 + 1, "{most} connections at a time");
    assert!(of("show-groups") <= 1 && of("change") <= 1 && of("explain") <= 4, "{asked:?}");
    assert!(of("show-groups") + of("show-events") + of("preview") <= 4, "{asked:?}");
}
