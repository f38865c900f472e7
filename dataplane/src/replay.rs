//! `manifold replay`: captures in, captures out, on a virtual clock.
//!
//! The same classify, table, replicate and control code as live, one frame at a time in the order of
//! their capture times over all ports, control called in line. No DPDK, no privilege, no real time: two
//! runs over the same files are equal byte for byte.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::{MbufView, Reply, Request};
use control::{Agent, Outlet, ProcessInfo};
use forwarding::{Egress, EgressMacs, Forwarder, FrameReceiver, OwnedBurst, OwnedFrame, WorkerCounters};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, TsResolution};
use settings::{PortSettings, Settings};
use types::{DropReason, MacAddr, PortIndex, PortSet, Time};

use crate::assembly::{Assembly, PlacedPort, PortFacts, assemble};
use crate::macs::DeviceMac;
use input::{InputError, read_capture};

mod input;
mod record;

pub(crate) use record::{RerunError, replay_record};

/// Source of what a replay sends when the settings name no `router-mac`; live it is the provider port's.
const REPLAY_ROUTER_MAC: MacAddr = MacAddr([0x02, 0x6d, 0x66, 0, 0, 0x01]);
/// Of a port with a MAC of its own, its place in the last byte: captures do not tell what the device's is.
const REPLAY_PORT_MAC: MacAddr = MacAddr([0x02, 0x6d, 0x66, 0, 1, 0]);
/// The same randomness in every replay.
const REPLAY_SEED: u64 = 0x4d61_6e69_666f_6c64;
/// Longest IP packet of a port whose settings name no `mtu`.
const MTU: u16 = 1500;
/// Longest frame a written capture claims to hold.
const SNAPLEN: u32 = 65_535;

/// What to replay.
#[derive(Debug)]
pub struct ReplayRequest {
    /// Port names with the capture of what it received; a port named twice gets both.
    pub inputs: Vec<(String, PathBuf)>,
    /// Folder for one capture per port.
    pub out: PathBuf,
    /// How long the virtual clock runs, from the first frame on; to the last frame without.
    pub until: Option<Duration>,
}

/// Why a replay could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// `--in` names a port that the settings do not have.
    #[error("--in {name}=...: there is no such port; the ports are {known}")]
    UnknownPort {
        /// What was named.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The settings' timers do not pass the protocol's checks.
    #[error(transparent)]
    Timers(#[from] igmp::IntervalError),
    /// Nothing to replay.
    #[error("the captures hold no frame; give --in PORT=FILE with what the port received")]
    Empty,
    /// A capture cannot be read.
    #[error("{}: {source}", path.display())]
    Input {
        /// The capture.
        path: PathBuf,
        /// What is wrong with it.
        source: InputError,
    },
    /// What a port sent would replace what a port received.
    #[error("--out would overwrite the capture {}; name another folder", .0.display())]
    Overwrites(PathBuf),
    /// A capture cannot be written.
    #[error("{}: {reason}; name a folder with --out that can be written", path.display())]
    Output {
        /// The capture.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

/// Counters after a replay, by port in the order of the settings.
#[derive(Debug)]
pub(crate) struct ReplayReport {
    /// Virtual time that passed.
    pub elapsed: Duration,
    /// What each port received, forwarded, sent and dropped, and what became of its IGMP.
    pub ports: Vec<ReplayPort>,
}

/// Counters of one port after a replay.
#[derive(Debug)]
pub(crate) struct ReplayPort {
    /// Its name.
    pub name: String,
    /// Frames it received.
    pub rx: u64,
    /// Of those, frames that went out of at least one port.
    pub forwarded: u64,
    /// Of those, frames for the control thread.
    pub punted: u64,
    /// Frames it sent.
    pub tx: u64,
    /// Drops, by reason, those that happened.
    pub drops: BTreeMap<&'static str, u64>,
    /// What became of the IGMP, by verdict, those that were given.
    pub verdicts: BTreeMap<String, u64>,
}

/// Runs `request` over the proxy that `settings` describe. Every port has carrier from the start.
///
/// # Errors
/// A capture cannot be read or written, or belongs to no port.
pub(crate) fn replay(settings: &Settings, request: &ReplayRequest) -> Result<ReplayReport, ReplayError> {
    let frames = read_inputs(settings, request)?;
    let start = frames.first().ok_or(ReplayError::Empty)?.at;
    let end = request.until.map_or(frames[frames.len() - 1].at, |until| start + until);

    let router_mac = settings.proxy.router_mac.unwrap_or(REPLAY_ROUTER_MAC);
    let facts: Vec<PortFacts> = settings.indexed_ports().map(|(index, port)| facts(index, port)).collect();
    let ports: Vec<PlacedPort<'_>> = settings
        .indexed_ports()
        .zip(&facts)
        .map(|((index, settings), facts)| PlacedPort { index, settings, facts })
        .collect();
    let process = ProcessInfo {
        instance: settings.proxy.instance.clone(),
        hugepages: false,
        mbufs: Box::new(MbufView::default),
        revision: Box::new(|| 0),
    };
    let assembly = assemble(settings, &ports, router_mac, 1, REPLAY_SEED, process)?;
    for port in &settings.ports {
        let output = output(&request.out, port);
        if let Some((_, input)) = request.inputs.iter().find(|(_, input)| is_same_file(&output, input)) {
            return Err(ReplayError::Overwrites(input.clone()));
        }
    }
    let mut run = Run::new(start, assembly, Wire::create(settings, &request.out, start)?);
    for frame in frames {
        if frame.at > end {
            break;
        }
        run.advance(frame.at);
        run.receive(frame);
    }
    run.advance(end);
    run.finish(settings, end.saturating_since(start))
}

/// A port has carrier from the start, and carries what its settings say.
fn facts(index: PortIndex, port: &PortSettings) -> PortFacts {
    let [head @ .., _] = REPLAY_PORT_MAC.octets();
    let [a, b, c, d, e] = head;
    PortFacts {
        driver: "replay".to_owned(),
        mtu: port.mtu.unwrap_or(MTU),
        mac: DeviceMac { own: Some(MacAddr([a, b, c, d, e, index.get() as u8])), fixed: false },
        kernel_mac: None,
        link_up: true,
        outage: None,
    }
}

/// Where what `port` sent goes.
fn output(folder: &Path, port: &PortSettings) -> PathBuf {
    folder.join(format!("{}.pcap", port.name))
}

/// Whether both names lead to one file, through whatever links.
fn is_same_file(a: &Path, b: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
    identity(a).is_some_and(|file| identity(b) == Some(file))
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:.3} s of virtual time", self.elapsed.as_secs_f64())?;
        for port in &self.ports {
            let ReplayPort { name, rx, forwarded, punted, tx, drops, verdicts } = port;
            write!(f, "{name}: {rx} received ({forwarded} forwarded, {punted} to control), {tx} sent")?;
            for (reason, count) in drops {
                write!(f, ", {count} dropped as {reason}")?;
            }
            writeln!(f)?;
            for (i, (verdict, count)) in verdicts.iter().enumerate() {
                write!(f, "{}{count} {verdict}", if i == 0 { "  IGMP: " } else { ", " })?;
            }
            if !verdicts.is_empty() {
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

struct Captured {
    at: Time,
    port: PortIndex,
    bytes: Vec<u8>,
}

/// All frames of all captures by time; at the same time by the order of the settings' ports.
fn read_inputs(settings: &Settings, request: &ReplayRequest) -> Result<Vec<Captured>, ReplayError> {
    let mut frames = Vec::new();
    for (name, path) in &request.inputs {
        let port = settings.ports.iter().position(|p| p.name == *name).and_then(PortIndex::new).ok_or_else(
            || {
                let known: Vec<_> = settings.ports.iter().map(|p| p.name.as_str()).collect();
                ReplayError::UnknownPort { name: name.clone(), known: known.join(", ") }
            },
        )?;
        read_capture(path, |at, bytes| frames.push(Captured { at, port, bytes }))
            .map_err(|source| ReplayError::Input { path: path.clone(), source })?;
    }
    frames.sort_by_key(|f| (f.at, f.port));
    Ok(frames)
}

/// The ports' sending side: a capture each.
struct Wire {
    now: Time,
    writers: Vec<(PathBuf, PcapWriter<BufWriter<File>>)>,
    failed: Option<ReplayError>,
}

impl Wire {
    fn create(settings: &Settings, folder: &Path, now: Time) -> Result<Self, ReplayError> {
        let failed = |path: &Path, reason: String| ReplayError::Output { path: path.to_owned(), reason };
        std::fs::create_dir_all(folder).map_err(|e| failed(folder, e.to_string()))?;
        let mut writers = Vec::new();
        for port in &settings.ports {
            let path = output(folder, port);
            let header = PcapHeader {
                datalink: DataLink::ETHERNET,
                ts_resolution: TsResolution::NanoSecond,
                snaplen: SNAPLEN,
                ..PcapHeader::default()
            };
            let file = File::create(&path).map_err(|e| failed(&path, e.to_string()))?;
            let writer = PcapWriter::with_header(BufWriter::new(file), header)
                .map_err(|e| failed(&path, e.to_string()))?;
            writers.push((path, writer));
        }
        Ok(Self { now, writers, failed: None })
    }

    fn write(&mut self, port: PortIndex, frame: &[u8]) {
        let Some((path, writer)) = self.writers.get_mut(port.get()) else { return };
        let packet = PcapPacket::new(Duration::from_nanos(self.now.as_nanos()), frame.len() as u32, frame);
        if let Err(e) = writer.write_packet(&packet) {
            self.failed.get_or_insert(ReplayError::Output { path: path.clone(), reason: e.to_string() });
        }
    }
}

/// [`Wire`] with the counters that a worker's transmit side keeps.
struct CountedWire<'a> {
    wire: &'a mut Wire,
    counters: &'a WorkerCounters,
    macs: &'a EgressMacs,
}

impl Egress<OwnedFrame> for CountedWire<'_> {
    fn replicate(&mut self, frames: impl ExactSizeIterator<Item = OwnedFrame>, _bytes: u64, ports: PortSet) {
        let own = self.macs.own();
        for (mut frame, port) in
            frames.flat_map(|frame| ports.into_iter().map(move |port| (frame.clone(), port)))
        {
            if own.contains(port)
                && let Some(source) = frame.0.get_mut(6..12)
            {
                source.copy_from_slice(&self.macs.mac(port).octets());
            }
            self.wire.write(port, &frame.0);
            let counters = self.counters.port(port);
            counters.tx_frames.add(1);
            counters.tx_bytes.add(frame.0.len() as u64);
        }
    }
}

impl Outlet for CountedWire<'_> {
    fn has_room(&self) -> bool {
        true
    }

    fn send(&mut self, _now: Time, port: PortIndex, frame: &[u8]) {
        self.wire.write(port, frame);
        let counters = self.counters.port(port);
        counters.injected.add(1);
        counters.tx_frames.add(1);
        counters.tx_bytes.add(frame.len() as u64);
    }
}

struct Run {
    agent: Agent,
    forwarder: Forwarder,
    counters: WorkerCounters,
    macs: Arc<EgressMacs>,
    counters_reader: forwarding::WorkerCountersReader,
    punted: Vec<FrameReceiver>,
    wire: Wire,
}

impl Run {
    fn new(start: Time, assembly: Assembly, wire: Wire) -> Self {
        let mut workers = assembly.workers;
        let worker = workers.swap_remove(0);
        let counters_reader = assembly.agent.counters[0].clone();
        let mut run = Self {
            agent: Agent::new(start, assembly.agent),
            forwarder: worker.forwarder,
            counters: worker.counters,
            macs: assembly.macs,
            counters_reader,
            punted: assembly.punted,
            wire,
        };
        run.poll(start);
        run
    }

    /// Fires the timers up to and including `to`, each at its own time.
    fn advance(&mut self, to: Time) {
        while let Some(at) = self.agent.next_deadline().filter(|at| *at <= to) {
            self.poll(at.max(self.wire.now));
        }
        self.wire.now = to.max(self.wire.now);
    }

    fn poll(&mut self, now: Time) {
        self.wire.now = now;
        self.agent
            .poll(now, &mut CountedWire { wire: &mut self.wire, counters: &self.counters, macs: &self.macs });
        self.forwarder.table().quiesce();
    }

    fn receive(&mut self, frame: Captured) {
        let now = self.wire.now;
        let mut burst = OwnedBurst::default();
        burst.0.push(OwnedFrame(frame.bytes));
        let mut egress = CountedWire { wire: &mut self.wire, counters: &self.counters, macs: &self.macs };
        self.forwarder.forward(|| now, frame.port, &mut burst, &mut egress);
        for ring in &mut self.punted {
            while ring.recv(|port, bytes| self.agent.handle_frame(now, port, bytes)).is_some() {}
        }
        self.poll(now);
    }

    fn finish(mut self, settings: &Settings, elapsed: Duration) -> Result<ReplayReport, ReplayError> {
        if let Some(error) = self.wire.failed.take() {
            return Err(error);
        }
        for (path, writer) in self.wire.writers {
            writer.into_writer().flush().map_err(|e| ReplayError::Output { path, reason: e.to_string() })?;
        }
        let mut verdicts = verdicts(&mut self.agent, self.wire.now);
        let ports = settings.indexed_ports().map(|(index, port)| {
            let counters = self.counters_reader.snapshot(index);
            ReplayPort {
                name: port.name.clone(),
                rx: counters.rx_frames,
                forwarded: counters.forwarded,
                punted: counters.punted,
                tx: counters.tx_frames,
                drops: counters
                    .drops()
                    .filter(|(_, n)| *n > 0)
                    .map(|(r, n)| (DropReason::name(r), n))
                    .collect(),
                verdicts: verdicts.remove(&port.name).unwrap_or_default(),
            }
        });
        Ok(ReplayReport { elapsed, ports: ports.collect() })
    }
}

/// The verdicts that were given, by port.
fn verdicts(agent: &mut Agent, now: Time) -> BTreeMap<String, BTreeMap<String, u64>> {
    let Reply::Counters(reply) = agent.handle_request(now, Request::ShowCounters) else {
        return BTreeMap::new();
    };
    let given = |mut all: BTreeMap<String, u64>| {
        all.retain(|_, count| *count > 0);
        all
    };
    reply.ports.into_iter().map(|port| (port.port, given(port.verdicts))).collect()
}
