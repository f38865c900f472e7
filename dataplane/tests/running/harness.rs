//! A Manifold on captures, which takes no privilege.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use api::{ChangedReply, Client, ClientError, Request};
use tempfile::TempDir;

/// Longer than any start on a machine that is busy elsewhere.
const START: Duration = Duration::from_secs(60);
/// The header of a capture of Ethernet frames, and nothing in it.
const EMPTY_CAPTURE: [u8; 24] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];

/// A Manifold with a provider's and a client's port; killed when dropped.
pub(crate) struct Running {
    folder: TempDir,
    process: Child,
    live: String,
}

impl Running {
    /// One with nothing that could be changed over the socket.
    pub(crate) fn start() -> Self {
        Self::start_with("false")
    }

    /// One whose settings have this for `live`, as TOML.
    pub(crate) fn start_with(live: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("in.pcap"), EMPTY_CAPTURE).unwrap();
        let settings = folder.path().join("manifold.toml");
        let live = live.replace("FOLDER", &folder.path().display().to_string());
        fs::write(&settings, text(&folder, &live, "")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_manifold"));
        command.arg("run").arg("-c").arg(&settings).env("RUNTIME_DIRECTORY", folder.path());
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = command.stderr(log).spawn().unwrap();
        let mut running = Self { folder, process, live };
        let deadline = Instant::now() + START;
        while Client::connect(&running.socket()).is_err() {
            assert!(running.process.try_wait().unwrap().is_none(), "it ended: {}", running.log());
            assert!(Instant::now() < deadline, "it does not answer: {}", running.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    /// Where it answers.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// All that it wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits until the log, which a thread of its own writes, has these words.
    pub(crate) fn wait_for_log(&self, words: &str) -> String {
        let deadline = Instant::now() + START;
        while !self.log().contains(words) {
            assert!(Instant::now() < deadline, "no `{words}` in: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.log()
    }

    /// Has it read the settings with `more` behind them.
    pub(crate) fn reload(&self, more: &str) -> Result<ChangedReply, ClientError> {
        fs::write(self.folder.path().join("manifold.toml"), text(&self.folder, &self.live, more)).unwrap();
        Client::connect(&self.socket()).unwrap().change(&Request::Reload)
    }

    /// Name and device of every port.
    pub(crate) fn ports(&self) -> Vec<(String, String)> {
        let ports = Client::connect(&self.socket()).unwrap().ports().unwrap().ports;
        ports.into_iter().map(|port| (port.name, port.device)).collect()
    }

    /// A device that reads this capture.
    pub(crate) fn device(&self, number: usize, input: &str) -> String {
        device(&self.folder, number, input)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn device(folder: &TempDir, number: usize, input: &str) -> String {
    let at = folder.path().display();
    format!("net_pcap{number},rx_pcap={at}/{input},tx_pcap={at}/{number}.pcap")
}

/// A port as the settings' file has it.
pub(crate) fn port(name: &str, device: &str) -> String {
    format!("[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\nquerier-address = \"10.0.0.1\"\n")
}

fn text(folder: &TempDir, live: &str, more: &str) -> String {
    let at = folder.path().display();
    let instance = format!("reload-{}", std::process::id());
    format!(
        "[proxy]\ninstance = \"{instance}\"\nupstream = \"wan\"\n[eal]\nhugepages = \"no\"\nmax-ports = 4\n\
         [worker]\npoll = \"adaptive\"\n[paths]\nrun-dir = \"{at}\"\nlive = {live}\n[socket]\npath = \"{at}/socket\"\n\
         {}{}{more}",
        port("wan", &device(folder, 0, "in.pcap")),
        port("hall-a", &device(folder, 1, "in.pcap")),
    )
}
