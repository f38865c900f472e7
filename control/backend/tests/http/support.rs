//! A backend in this process, a proxy that is a script, and a client that sends bytes as they are.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use api::{Reply, Request};
use backend::App;
use backend::access::{Role, Store};
use backend::serve::Server;
use backend::settings::Settings;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub(crate) const PASSWORD: &str = "correct horse";
/// For whatever should come soon.
const SOON: Duration = Duration::from_secs(30);

type Script = Box<dyn FnMut(&Request) -> Option<Reply> + Send>;

/// A socket that answers as the script says; without an answer it says nothing more.
pub(crate) struct FakeProxy {
    script: Arc<Mutex<Script>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl FakeProxy {
    pub(crate) fn start(
        path: &PathBuf,
        script: impl FnMut(&Request) -> Option<Reply> + Send + 'static,
    ) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let connections = Arc::new(AtomicUsize::new(0));
        let (answers, open) = (Arc::clone(&script), Arc::clone(&connections));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, open) = (Arc::clone(&answers), Arc::clone(&open));
                thread::spawn(move || {
                    open.fetch_add(1, Ordering::SeqCst);
                    serve(&stream, &answers);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { script, connections }
    }

    pub(crate) fn answer(&self, script: impl FnMut(&Request) -> Option<Reply> + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }
}

fn serve(stream: &UnixStream, script: &Mutex<Script>) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let reply = match Request::parse(line.as_bytes()) {
            Ok(request) => (script.lock().unwrap())(&request),
            Err(error) => Some(Reply::Error(error)),
        };
        let Some(reply) = reply else {
            // Holds the connection open until the other end goes.
            let _ = (&mut &*stream).read(&mut [0]);
            return;
        };
        if (&mut &*stream).write_all(reply.to_line().as_bytes()).is_err() {
            return;
        }
    }
}

/// A running backend with an admin `ann` and a viewer `vic`.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    pub(crate) server: Arc<Server>,
    stop: watch::Sender<bool>,
    runtime: Option<Runtime>,
}

impl Backend {
    /// With these settings, but for the places of things.
    pub(crate) fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let backend = Self::without_users(change);
        for (name, role) in [("ann", Role::Admin), ("vic", Role::Viewer)] {
            backend.store.update(|file| file.set_user(name, role, PASSWORD)).unwrap();
        }
        backend
    }

    pub(crate) fn without_users(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            socket: folder.path().join("proxy.sock"),
            state_dir: folder.path().join("state"),
            unit: None,
            ..Settings::default()
        };
        change(&mut settings);
        let store = Store::new(&settings.state_dir);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let app = App::new(settings);
        let server = Arc::new(runtime.block_on(Server::bind(&app)).unwrap());
        let address = server.address().unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = Arc::clone(&server);
        runtime.spawn(async move { serving.run(stopped).await });
        Self { address, folder, store, server, stop, runtime: Some(runtime) }
    }

    /// Why it does not begin.
    pub(crate) fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), ..Settings::default() };
        change(&mut settings);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let begun = runtime.block_on(Server::bind(&App::new(settings)));
        begun.err().expect("it should have refused").to_string()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("proxy.sock")
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        stream
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let host = self.address.to_string();
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text += &format!("Host: {host}\r\n");
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        text += &format!("Connection: close\r\n\r\n{body}");
        let mut stream = self.connect();
        stream.write_all(text.as_bytes()).expect("it reads");
        Answer::read(&mut BufReader::new(stream))
    }

    pub(crate) fn get(&self, path: &str, caller: &Caller) -> Answer {
        let headers: Vec<_> = caller.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.send("GET", path, &headers, "")
    }

    pub(crate) fn post(&self, path: &str, caller: &Caller, body: &str) -> Answer {
        let headers: Vec<_> = caller.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.send("POST", path, &headers, body)
    }

    pub(crate) fn try_log_in(&self, user: &str, password: &str) -> Answer {
        let body = serde_json::json!({"user": user, "password": password}).to_string();
        self.send("POST", "/api/v1/session", &[], &body)
    }

    /// Logs in, with the cookie and the CSRF token as a page sends them.
    pub(crate) fn log_in(&self, user: &str) -> Caller {
        let answer = self.try_log_in(user, PASSWORD);
        assert_eq!(answer.status, 200, "{answer:?}");
        let cookie = answer.headers["set-cookie"].split(';').next().unwrap().to_owned();
        let csrf = answer.json()["csrf"].as_str().unwrap().to_owned();
        Caller { headers: vec![("Cookie", cookie), ("X-CSRF-Token", csrf)] }
    }

    /// A token of this role.
    pub(crate) fn token(&self, role: Role) -> Caller {
        let name = format!("{role}-{}", backend::access::Secret::random().text().split_at(8).0);
        let token = self.store.update(|file| file.create_token(&name, role, 0, None)).unwrap();
        Caller { headers: vec![("Authorization", format!("Bearer {token}"))] }
    }

    /// An event stream, at its first event.
    pub(crate) fn stream(&self, caller: &Caller) -> Events {
        let mut stream = self.connect();
        let headers: String =
            caller.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.address);
        stream.write_all(head.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let (status, headers) = read_head(&mut reader).expect("a head");
        assert_eq!((status, headers["content-type"].as_str()), (200, "text/event-stream"));
        Events { reader, rest: String::new() }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn read(reader: &mut impl BufRead) -> Self {
        let (status, headers) = read_head(reader).expect("an answer");
        let mut body = Vec::new();
        match headers.get("content-length") {
            Some(length) => {
                body.resize(length.parse().unwrap(), 0);
                reader.read_exact(&mut body).unwrap();
            }
            None => {
                reader.read_to_end(&mut body).unwrap();
            }
        }
        Self { status, headers, body: String::from_utf8(body).unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The last word of a problem's type.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert!(!problem["cure"].as_str().unwrap().is_empty(), "{self:?}");
        problem["type"].as_str().unwrap().strip_prefix("urn:manifold:problem:").unwrap().to_owned()
    }
}

/// Status and headers; `None` when the connection ends first.
pub(crate) fn read_head(reader: &mut impl BufRead) -> Option<(u16, HashMap<String, String>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { return Some((status, headers)) };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
}

/// An event stream.
pub(crate) struct Events {
    reader: BufReader<TcpStream>,
    /// Of chunks, what is no whole event yet.
    rest: String,
}

impl Events {
    /// The next event's name and data; `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> Option<(String, Value)> {
        while !self.rest.contains("\n\n") {
            let mut size = String::new();
            self.reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok().filter(|size| *size > 0)?;
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk).ok()?;
            self.rest += std::str::from_utf8(&chunk[..size]).unwrap();
        }
        let (event, rest) = self.rest.split_once("\n\n").unwrap();
        let (name, data) = event.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap().to_owned();
        let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        self.rest = rest.to_owned();
        Some((name, data))
    }

    /// The next event of this name for which `is` holds.
    pub(crate) fn wait(&mut self, wanted: &str, is: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + SOON;
        loop {
            assert!(Instant::now() < end, "waited in vain for {wanted}");
            let (name, data) = self.next().expect("the stream goes on");
            if name == wanted && is(&data) {
                return data;
            }
        }
    }
}

/// Waits until `done` gives something.
pub(crate) fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
