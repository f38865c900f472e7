//! `manifold` processes in folders of their own: one that should refuse to start, one that runs.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

use super::program;

/// DPDK's start without hugepages takes a second or two; a busy CI machine is slower.
const START_LIMIT: Duration = Duration::from_secs(60);
/// For whatever a running process should do soon.
pub(crate) const SOON: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// A folder with settings, where everything that a process makes goes.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
    /// The instance's name: no two tests have one.
    pub(crate) instance: String,
}

impl Place {
    /// A place for an instance of its own.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder of our own");
        let name = folder.path().file_name().expect("a name").to_string_lossy();
        let instance = format!("t{}", name.trim_start_matches(".tmp"));
        Self { folder, instance }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the lock is.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.folder().join("run")
    }

    /// Where the socket is, unless the settings say otherwise.
    pub(crate) fn socket(&self) -> PathBuf {
        self.run_dir().join("manifold.sock")
    }

    /// The settings' text for these ports: name, device and further lines. The first is the provider's.
    pub(crate) fn settings(&self, ports: &[(&str, &str, &str)]) -> String {
        let mut text = format!(
            "[proxy]\ninstance = \"{}\"\nupstream = \"{}\"\n[eal]\nhugepages = \"no\"\n[paths]\nlive = false\nrun-dir = \"{}\"\n",
            self.instance,
            ports.first().map_or("", |(name, _, _)| name),
            self.run_dir().display()
        );
        for (i, (name, device, more)) in ports.iter().enumerate() {
            let end = if more.is_empty() { "" } else { "\n" };
            text += &format!(
                "[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\naddress = \"10.{i}.0.1/24\"\n{more}{end}"
            );
        }
        text
    }

    /// Settings of one provider's and two clients' ports that carry nothing.
    pub(crate) fn null_settings(&self) -> String {
        self.settings(&[("wan", "net_null0", ""), ("hall-a", "net_null1", ""), ("hall-b", "net_null2", "")])
    }

    /// Keeps the settings.
    pub(crate) fn write(&self, settings: &str) -> PathBuf {
        let path = self.folder().join("manifold.toml");
        fs::write(&path, settings).expect("the settings");
        path
    }

    /// `manifold run` with these settings, from within the folder, so that messages name the file shortly.
    pub(crate) fn run(&self, settings: &str) -> Command {
        let mut command = program::manifold(self.folder());
        self.complete(&mut command, settings);
        command
    }

    /// Adds to `command` what `manifold run` needs.
    pub(crate) fn complete(&self, command: &mut Command, settings: &str) {
        self.write(settings);
        command.current_dir(self.folder()).args(["run", "-c", "manifold.toml"]).stdin(Stdio::null());
    }
}

/// What a process that refused said.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// Its one message.
    pub(crate) message: String,
    /// All it wrote.
    pub(crate) all: String,
}

/// Runs `command` to its end, which must be a refusal with one message.
///
/// # Panics
/// When it does not end by itself, succeeds, or says nothing or several things.
pub(crate) fn refused(command: &mut Command) -> Refusal {
    let output =
        finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("manifold starts"));
    let all = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it should have refused: {all}");
    let starts: Vec<_> = all.match_indices("manifold: ").filter(|(i, _)| begins_line(&all, *i)).collect();
    assert!(!starts.is_empty(), "no message: {all}");
    // getopt, inside DPDK, says what it does not know in our name before we do.
    let last = starts.last().map_or(0, |(i, text)| i + text.len());
    let message = all[last..].trim_end().to_owned();
    assert!(!message.contains("panicked"), "{all}");
    Refusal { code: output.status.code(), message, all }
}

fn begins_line(text: &str, at: usize) -> bool {
    at == 0 || text.as_bytes()[at - 1] == b'\n'
}

/// Waits for the end of a process that should end by itself, and kills it if it does not.
fn finish(mut child: Child) -> Output {
    let end = Instant::now() + START_LIMIT;
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > end {
            let _ = child.kill();
            let output = child.wait_with_output().expect("its output");
            panic!("it did not end: {}", String::from_utf8_lossy(&output.stderr));
        }
        thread::sleep(PAUSE);
    }
    child.wait_with_output().expect("its output")
}

/// A running `manifold`. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Option<Child>,
    log: PathBuf,
    socket: PathBuf,
}

impl Running {
    /// Starts it, and returns when its socket answers.
    ///
    /// # Panics
    /// When it ends, or does not answer in time.
    pub(crate) fn start(place: &Place, settings: &str) -> Self {
        Self::start_command(place, &mut place.run(settings))
    }

    /// Starts `command`, a complete `manifold run` in `place`; else the same.
    ///
    /// # Panics
    /// As [`Running::start`].
    pub(crate) fn start_command(place: &Place, command: &mut Command) -> Self {
        let log = place.folder().join("log");
        let file = File::create(&log).expect("a log");
        command.stdout(file.try_clone().expect("a log")).stderr(file);
        let child = command.spawn().expect("manifold starts");
        let mut running = Self { child: Some(child), log, socket: place.socket() };
        running.wait_ready();
        running
    }

    fn wait_ready(&mut self) {
        let socket = self.socket.clone();
        let end = Instant::now() + START_LIMIT;
        while UnixStream::connect(&socket).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("a child"));
            assert!(ended.is_none() && Instant::now() < end, "it does not run ({ended:?}): {}", self.log());
            thread::sleep(PAUSE);
        }
    }

    /// All it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("its log")
    }

    /// One request and its reply, without the word around it.
    pub(crate) fn ask(&self, request: &str) -> serde_json::Value {
        let stream = UnixStream::connect(&self.socket).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        (&stream).write_all(format!("{{\"request\":\"{request}\"}}\n").as_bytes()).expect("it reads");
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).expect("it answers");
        let reply: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let inside = reply.as_object().and_then(|object| object.values().next());
        inside.unwrap_or_else(|| panic!("no reply: {line}")).clone()
    }

    /// Ends it by SIGTERM, and returns its log. It must end well, with every buffer back, and leave no socket.
    ///
    /// # Panics
    /// When it does not.
    pub(crate) fn stop(mut self) -> String {
        let child = self.child.take().expect("a running process");
        kill_process(Pid::from_child(&child), Signal::TERM).expect("a signal");
        let status = finish(child).status;
        let log = self.log();
        assert!(status.success(), "{status}: {log}");
        assert!(!log.contains("did not come back"), "{log}");
        assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
        assert!(!self.socket.exists(), "its socket is still there: {log}");
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until `done` gives something.
///
/// # Panics
/// When it does not soon.
pub(crate) fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(PAUSE);
    }
}
