//! Ports on virtual devices come, change and fail to come while `manifold run` goes on. It takes no privilege.

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
struct Running {
    folder: TempDir,
    process: Child,
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("in.pcap"), EMPTY_CAPTURE).unwrap();
        let settings = folder.path().join("manifold.toml");
        fs::write(&settings, text(&folder, "")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_manifold"));
        command.arg("run").arg("-c").arg(&settings).env("RUNTIME_DIRECTORY", folder.path());
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = command.stderr(log).spawn().unwrap();
        let mut running = Self { folder, process };
        let deadline = Instant::now() + START;
        while Client::connect(&running.socket()).is_err() {
            assert!(running.process.try_wait().unwrap().is_none(), "it ended: {}", running.log());
            assert!(Instant::now() < deadline, "it does not answer: {}", running.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits until the log, which a thread of its own writes, has these words.
    fn wait_for_log(&self, words: &str) -> String {
        let deadline = Instant::now() + START;
        while !self.log().contains(words) {
            assert!(Instant::now() < deadline, "no `{words}` in: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.log()
    }

    /// Has it read the settings with `more` behind them.
    fn reload(&self, more: &str) -> Result<ChangedReply, ClientError> {
        fs::write(self.folder.path().join("manifold.toml"), text(&self.folder, more)).unwrap();
        Client::connect(&self.socket()).unwrap().change(&Request::Reload)
    }

    /// Name and device of every port.
    fn ports(&self) -> Vec<(String, String)> {
        let ports = Client::connect(&self.socket()).unwrap().ports().unwrap().ports;
        ports.into_iter().map(|port| (port.name, port.device)).collect()
    }

    fn device(&self, number: usize, input: &str) -> String {
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

fn port(name: &str, device: &str) -> String {
    format!("[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\nquerier-address = \"10.0.0.1\"\n")
}

fn text(folder: &TempDir, more: &str) -> String {
    let at = folder.path().display();
    let instance = format!("reload-{}", std::process::id());
    format!(
        "[proxy]\ninstance = \"{instance}\"\nupstream = \"wan\"\n[eal]\nhugepages = \"no\"\nmax-ports = 4\n\
         [worker]\npoll = \"adaptive\"\n[paths]\nrun-dir = \"{at}\"\nlive = false\n[socket]\npath = \"{at}/socket\"\n\
         {}{}{more}",
        port("wan", &device(folder, 0, "in.pcap")),
        port("hall-a", &device(folder, 1, "in.pcap")),
    )
}

#[test]
fn virtual_ports_come_and_change_and_one_that_cannot_leaves_all_as_it_was() {
    let running = Running::start();
    let two = running.ports();
    assert_eq!(two.len(), 2);

    let with = |device: &str| port("hall-b", device);
    let second = running.device(2, "in.pcap");
    let added = running.reload(&with(&second)).unwrap();
    assert!(added.applied.iter().any(|line| line.contains("hall-b")), "{added:?}");
    let three = running.ports();
    assert_eq!(three[2], ("hall-b".to_owned(), second));

    // One that does not open, in place of one that runs: that one runs on.
    let broken = running.device(3, "missing.pcap");
    let Err(ClientError::Refused(said)) = running.reload(&with(&broken)) else { panic!("not refused") };
    assert!(said.details.iter().any(|line| line.contains("missing.pcap")), "{said:?}");
    assert_eq!(running.ports(), three);
    running.wait_for_log("port=\"hall-b\" up=true");

    // A PCI device where DPDK was started without: the cure is named.
    let Err(ClientError::Refused(said)) = running.reload(&port("hall-c", "0000:3b:00.0")) else {
        panic!("not refused")
    };
    assert!(said.details.iter().any(|line| line.contains("without PCI")), "{said:?}");

    let third = running.device(3, "in.pcap");
    running.reload(&with(&third)).unwrap();
    assert_eq!(running.ports()[2], ("hall-b".to_owned(), third));
    let removed = running.reload("").unwrap();
    assert!(removed.removal_us.is_some(), "{removed:?}");
    assert_eq!(running.ports(), two);
}

#[test]
fn the_logs_level_follows() {
    let running = Running::start();
    let changed = running.reload("[log]\nlevel = \"error\"\n").unwrap();
    assert!(changed.applied.iter().any(|line| line.contains("level is \"error\"")), "{changed:?}");
    let second = port("hall-b", &running.device(2, "in.pcap"));
    running.reload(&format!("{second}[log]\nlevel = \"error\"\n")).unwrap();
    running.reload("[log]\nlevel = \"info\"\n").unwrap();
    let log = running.wait_for_log("port \"hall-b\" goes");
    assert!(!log.contains("port \"hall-b\" comes"), "{log}");
}

#[test]
fn a_doubt_that_comes_with_a_change_is_told_in_the_reply_and_once() {
    let running = Running::start();
    let doubtful = "require-on-link-source = true\n";
    let changed = running.reload(doubtful).unwrap();
    let [doubt] = &changed.warnings[..] else { panic!("{changed:?}") };
    assert!(doubt.contains("manifold.toml:") && doubt.contains("set `address`"), "{doubt}");
    assert!(running.wait_for_log("set `address`").contains(doubt));
    assert_eq!(running.reload(doubtful).unwrap(), ChangedReply::default());
}
