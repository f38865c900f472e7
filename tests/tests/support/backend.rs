//! A running `manifold-backend`, and requests to it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::program;

/// How long it may take to serve.
const START_LIMIT: Duration = Duration::from_secs(30);
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// A `manifold-backend` in a folder of its own. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Backend {
    folder: PathBuf,
    address: SocketAddr,
    token: String,
    child: Option<Child>,
}

impl Backend {
    /// Starts it beside the proxy behind `socket`, with an admin's token.
    pub(crate) fn start(folder: &Path, socket: &Path) -> Self {
        let settings = format!(
            "listen = \"127.0.0.1:0\"\nunit = false\nsocket = {:?}\nstate-dir = {:?}\n\n\
             [limits]\nconnections-per-address = 128\n",
            socket.display(),
            folder.join("state").display()
        );
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("backend.toml"), settings).expect("the settings");
        let output =
            command(folder).args(["token", "create", "test", "--role", "admin"]).output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        let token = String::from_utf8(output.stdout).expect("a token").trim().to_owned();
        let mut backend = Self {
            folder: folder.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            token,
            child: None,
        };
        backend.restart();
        backend
    }

    /// Kills it as nothing can be held against, and starts it anew.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let log = self.folder.join("log");
        let file = File::create(&log).expect("a log");
        let child = command(&self.folder).arg("run").stdout(Stdio::null()).stderr(file).spawn();
        self.child = Some(child.expect("it starts"));
        let end = Instant::now() + START_LIMIT;
        self.address = loop {
            let text = fs::read_to_string(&log).expect("its log");
            let told = text.split("http://").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok());
            match told {
                Some(address) => break address,
                None => assert!(Instant::now() < end, "it does not serve: {text}"),
            }
            thread::sleep(PAUSE);
        };
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Where it serves.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin's token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The head of a GET, with the token; its connection stays open.
    pub(crate) fn open(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n",
            self.address, self.token
        );
        // It may have been killed since.
        let _ = stream.write_all(head.as_bytes());
        stream
    }

    /// The body of the answer to a GET, which must be 200.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = self.open(path);
        stream.write_all(b"Connection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.kill();
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(program::binary("manifold-backend", "MANIFOLD_BACKEND_BIN"));
    command.arg("-c").arg(folder.join("backend.toml")).env_remove("MANIFOLD_LOG").stdin(Stdio::null());
    command
}
