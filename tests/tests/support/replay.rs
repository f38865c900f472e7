//! A replay as a list of steps: who sends what, by which port, when; and what came of it.

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, TsResolution};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;
use types::MacAddr;

use super::golden;
use super::program;
use super::sent::{START, Sent};
use super::summary::{self, PortSummary};

mod right;

/// The MAC that the settings give Manifold.
pub(crate) const ROUTER_MAC: &str = "02:00:00:00:00:fe";

/// The provider's port and two for clients: name and address of each.
pub(crate) const PORTS: [(&str, &str); 3] =
    [("wan", "10.0.0.1/24"), ("hall-a", "10.1.0.1/24"), ("hall-b", "10.2.0.1/24")];

/// One frame that comes in.
#[derive(Debug, Clone)]
struct Step {
    at: Duration,
    port: &'static str,
    frame: Vec<u8>,
}

/// What is going to be replayed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replay {
    proxy: String,
    ports: BTreeMap<&'static str, String>,
    steps: Vec<Step>,
    until: Duration,
}

impl Replay {
    /// Nothing yet; RFC 2236's timers, the provider's port `wan`, the clients' `hall-a` and `hall-b`.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A line in `[proxy]`.
    pub(crate) fn proxy(mut self, line: &str) -> Self {
        self.proxy += &format!("{line}\n");
        self
    }

    /// A line in the port's `[[port]]`.
    pub(crate) fn port(mut self, port: &'static str, line: &str) -> Self {
        *self.ports.entry(port).or_default() += &format!("{line}\n");
        self
    }

    /// At `seconds` since the start `frame` comes in by `port`. The first step makes the start: it is at 0.
    pub(crate) fn at(mut self, seconds: f64, port: &'static str, frame: Vec<u8>) -> Self {
        // Whole microseconds, so that the text of the steps says exactly when.
        let at = Duration::from_micros((seconds * 1e6).round() as u64);
        self.steps.push(Step { at, port, frame });
        self.until = self.until.max(at);
        self
    }

    /// How long the clock runs, if longer than to the last step.
    pub(crate) fn until(mut self, seconds: f64) -> Self {
        self.until = self.until.max(Duration::from_secs_f64(seconds));
        self
    }

    /// Runs `manifold replay`, and checks what holds of every replay.
    ///
    /// # Panics
    /// When it fails, or breaks a rule that always holds.
    pub(crate) fn run(&self) -> Replayed {
        let folder = TempDir::new().expect("a folder of our own");
        self.run_in(folder.path(), program::manifold(folder.path()))
    }

    /// The same as a user without any privilege.
    pub(crate) fn run_as_nobody(&self) -> Replayed {
        let folder = TempDir::new().expect("a folder of our own");
        self.run_in(folder.path(), program::manifold_as_nobody(folder.path()))
    }

    fn run_in(&self, folder: &Path, mut manifold: Command) -> Replayed {
        let output = self.write(folder, &mut manifold).output().expect("manifold starts");
        let Output { status, stdout, stderr } = &output;
        let (told, failed) = (String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
        assert!(status.success(), "manifold replay: {status}\n{told}{failed}");
        let sent: Vec<_> = PORTS.map(|(name, _)| read_port(&folder.join("out"), name)).into();
        let replayed = Replayed { summary: summary::parse(&told), told: told.into_owned(), sent };
        right::check(self, &replayed);
        replayed
    }

    /// Writes settings and captures, and completes the command line.
    fn write<'a>(&self, folder: &Path, manifold: &'a mut Command) -> &'a mut Command {
        assert_eq!(self.steps.first().map(|step| step.at), Some(Duration::ZERO), "the first step is at 0");
        let settings = folder.join("manifold.toml");
        fs::write(&settings, self.settings()).expect("the settings");
        manifold.arg("replay").arg("-c").arg(&settings).arg("--out").arg(folder.join("out"));
        manifold.arg("--until").arg(self.until.as_secs_f64().to_string());
        for (port, _) in PORTS {
            let capture = folder.join(format!("{port}.pcap"));
            let frames = self.steps.iter().filter(|step| step.port == port);
            write_capture(&capture, frames.map(|step| (START + step.at, &step.frame[..])));
            manifold.arg("--in").arg(format!("{port}={}", capture.display()));
        }
        manifold
    }

    /// What the port asks from, where the settings name another address than its own.
    fn querier_address(&self, port: &str) -> Option<Ipv4Addr> {
        let lines = self.ports.get(port)?.lines();
        let value = lines.filter_map(|line| line.strip_prefix("querier-address = ")).next_back()?;
        Some(value.trim_matches('"').parse().expect("an address"))
    }

    /// What the port sends from: the router's MAC, or the one that a replay gives a port of its own.
    fn mac(&self, port: &str) -> MacAddr {
        let place = PORTS.iter().position(|(name, _)| *name == port).expect("a port") as u8;
        let own = self.ports.get(port).is_some_and(|lines| lines.contains("mac = \"port\""));
        if own { MacAddr([0x02, 0x6d, 0x66, 0, 1, place]) } else { ROUTER_MAC.parse().expect("a MAC") }
    }

    fn settings(&self) -> String {
        let mut text = format!(
            "[proxy]\nupstream = \"wan\"\nrouter-mac = \"{ROUTER_MAC}\"\n{}[paths]\nlive = false\n",
            self.proxy
        );
        for (i, (name, address)) in PORTS.iter().enumerate() {
            let more = self.ports.get(name).map(String::as_str).unwrap_or_default();
            text += &format!(
                "[[port]]\nname = \"{name}\"\ndevice = \"net_null{i}\"\naddress = \"{address}\"\n{more}"
            );
        }
        text
    }
}

/// What came of a replay.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// The counters, by port.
    pub(crate) summary: BTreeMap<String, PortSummary>,
    /// The summary's text.
    pub(crate) told: String,
    /// What each port sent, in the order of the settings.
    pub(crate) sent: Vec<Sent>,
}

impl Replayed {
    /// What `port` sent.
    pub(crate) fn port(&self, port: &str) -> &Sent {
        self.sent.iter().find(|sent| sent.name == port).expect("a port of the settings")
    }

    /// What was counted on `port`.
    pub(crate) fn count(&self, port: &str) -> &PortSummary {
        &self.summary[port]
    }

    /// Compares what was sent with the captures kept in `tests/golden/<name>`.
    pub(crate) fn golden(self, name: &str) -> Self {
        golden::compare(name, &self.sent);
        self
    }
}

fn read_port(folder: &Path, name: &str) -> Sent {
    Sent::read(name, fs::read(folder.join(format!("{name}.pcap"))).expect("a capture for each port"))
}

/// Writes a capture of Ethernet frames with times since 1970, in nanoseconds.
pub(crate) fn write_capture<'a>(path: &Path, frames: impl Iterator<Item = (Duration, &'a [u8])>) {
    let header = PcapHeader {
        datalink: DataLink::ETHERNET,
        ts_resolution: TsResolution::NanoSecond,
        ..PcapHeader::default()
    };
    let file = File::create(path).expect("a capture to write");
    let mut writer = PcapWriter::with_header(file, header).expect("its header");
    for (at, frame) in frames {
        writer.write_packet(&PcapPacket::new(at, frame.len() as u32, frame)).expect("a frame");
    }
}
