//! Ours: the release binary, by its socket.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, io};

use api::{Client, ClientError, CountersReply, PortCounters, WorkerView};
use lab::stop;
use rustix::process::Signal;
use settings::Settings;

use crate::error::BenchError;
use crate::figures::Source;
use crate::machine::Cores;
use crate::reports::{self, Reports};
use crate::side::{Amount, PATIENCE, Seat, Side, Work};
use crate::source::GROUP;

/// What it is called in messages.
pub(crate) const NAME: &str = "manifold";
/// What was changed while it ran, beside the settings.
const LIVE: &str = "live.toml";
/// Reasons for which copies are dropped on their way out.
const ON_THE_WAY_OUT: [&str; 4] = ["mtu", "tx-full", "no-buffer", "out-of-service"];
/// Groups that the table has room for by default.
const TABLE: u32 = 65_536;
/// Counters that did not move for so long will not.
const SETTLED: Duration = Duration::from_millis(100);

/// How to run Manifold.
#[derive(Debug, Clone)]
pub(crate) struct Manifold {
    /// The program.
    pub(crate) program: PathBuf,
}

/// The counters of one moment.
pub(crate) struct Sample {
    /// Frames of the source that the worker received.
    received: u64,
    /// Those of them that were forwarded.
    pub(crate) forwarded: u64,
    /// Copies that each sink's driver took: what the control thread sends is not counted.
    pub(crate) copies: Vec<u64>,
    /// The same with what the control thread sent.
    sent: Vec<u64>,
    /// Frames that came in and were not forwarded, and copies that no sink took.
    pub(crate) dropped: u64,
}

impl Manifold {
    /// Settings for the work: all defaults, but for the cores, and for what a bench needs.
    pub(crate) fn settings(work: &Work, amount: Amount) -> String {
        let (source, groups) = (work.source_device(amount), work.party.groups);
        let mut text = header(work.seat, work.cores, &work.scratch);
        if groups > TABLE {
            // Writing to a String cannot fail.
            let _ = write!(text, "[table]\nmax-groups = {groups}\n\n");
        }
        let _ =
            write!(text, "[[port]]\nname = \"source\"\ndevice = \"{source}\"\naddress = \"10.0.0.1/24\"\n");
        // Otherwise the source's own reports make the members.
        let members = match work.source {
            Source::Pcap => format!("static-groups = [\"{GROUP}\"]\n"),
            Source::Stamped | Source::Memory | Source::Wire => {
                format!("max-groups = {}\n", groups.max(TABLE))
            }
        };
        let mac = if work.party.own_macs { "mac = \"port\"\n" } else { "" };
        for number in 1..=work.fan_out {
            let _ = write!(
                text,
                "\n[[port]]\nname = \"sink-{number}\"\ndevice = \"{}\"\naddress = \"10.1.{number}.1/24\"\n\
                 {members}{mac}",
                Work::sink(number)
            );
        }
        if work.hosts.is_some() {
            let _ = write!(
                text,
                "\n[[port]]\nname = \"{name}\"\ndevice = \"{name}\"\naddress = \"{}\"\n",
                reports::ADDRESS,
                name = reports::PORT,
            );
        }
        text
    }

    /// The settings as Manifold reads them.
    ///
    /// # Errors
    /// They do not pass, which is an error of this program.
    pub(crate) fn read_settings(work: &Work) -> Result<Settings, BenchError> {
        settings::parse(&Self::settings(work, Amount::Endless), "the bench's settings")
            .map_err(|e| BenchError::machine(e, "report it"))
    }

    /// Starts it, to be looked at while it forwards.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn run(&self, work: &Work) -> Result<Running, BenchError> {
        Running::start(&self.program, work, Amount::Endless)
    }

    /// Lets a counted number of frames through, and checks that each sink got each of them.
    ///
    /// # Errors
    /// One is missing, or came twice.
    pub(crate) fn check_delivery(&self, work: &Work) -> Result<(), BenchError> {
        let (frames, due) = (work.counted, work.copies(work.counted));
        let mut running = Running::start(&self.program, work, Amount::Counted)?;
        let mut last = running.sample(work)?;
        // The worker has come to the file's end when all frames are accounted for, and all copies unless one is known to lack.
        let done = stop::poll(PATIENCE, || {
            let sent = last.dropped > 0 || last.copies.iter().zip(&due).all(|(copies, due)| copies >= due);
            let done = last.forwarded + last.dropped >= frames && sent;
            if !done && let Ok(sample) = running.sample(work) {
                last = sample;
            }
            Ok(done.then_some(()))
        })?;
        // What came twice would come now; and counters of frames in flight are flushed by the end of the pass.
        stop::pause(Duration::from_millis(20))?;
        let end = running.sample(work)?;
        let whole = done.is_some() && end.dropped == 0 && end.forwarded == frames;
        if whole && end.copies == due {
            running.check_counted(work, &end)?;
            return running.end();
        }
        Err(BenchError::delivery(
            NAME,
            format!(
                "{frames} frames were sent, {} forwarded, {} dropped; the sinks got {:?} of {due:?}",
                end.forwarded, end.dropped, end.copies
            ),
        ))
    }
}

/// What Manifold is called in that seat.
fn instance(seat: Seat) -> String {
    format!("bench-{}-{}", std::process::id(), seat.name())
}

/// What all settings of a bench begin with.
pub(crate) fn header(seat: Seat, cores: Cores, scratch: &Path) -> String {
    format!(
        "[proxy]\ninstance = \"{}\"\nupstream = \"source\"\n\n\
         [eal]\nhugepages = \"require\"\n\n\
         [worker]\ncores = [{}]\ncontrol-core = {}\npoll = \"busy\"\n\n\
         [paths]\nrun-dir = \"{}\"\nlive = \"{}\"\n\n",
        instance(seat),
        cores.forward,
        cores.main,
        scratch.join("run").display(),
        scratch.join(LIVE).display(),
    )
}

/// Starts Manifold by `command` with `settings`, which begin with [`header`] of that seat, and connects to it.
///
/// # Errors
/// It does not start, or does not answer.
pub(crate) fn launch(
    mut command: Command,
    seat: Seat,
    settings: &str,
    scratch: &Path,
) -> Result<(Side, Client), BenchError> {
    let (config, live) = (scratch.join("manifold.toml"), scratch.join(LIVE));
    match fs::remove_file(&live) {
        // The last one was switched off.
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(BenchError::io(live.display())(error)),
    }
    fs::write(&config, settings).map_err(BenchError::io(config.display()))?;
    command.arg("run").arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
    let prefix = format!("manifold-{}", instance(seat));
    let side = Side::start(&mut command, NAME, scratch.join("manifold.log"))?.with_prefix(&prefix);
    answering(side, &scratch.join("run/manifold.sock"), settings)
}

/// A Manifold that was started with `settings`, once it answers on `socket`.
///
/// # Errors
/// It ends, or does not answer in time.
pub(crate) fn answering(mut side: Side, socket: &Path, settings: &str) -> Result<(Side, Client), BenchError> {
    let process = side.process();
    let connected = stop::poll(PATIENCE, || match Client::connect(socket) {
        Ok(client) => Ok(Some(Some(client))),
        Err(_) => Ok(process.ended()?.map(|_| None)),
    })?;
    match connected {
        Some(Some(client)) => {
            side.note_settings(settings);
            Ok((side, client))
        }
        Some(None) => Err(side.error("ended early")),
        None => Err(side.error(format!("no socket within {} s", PATIENCE.as_secs()))),
    }
}

/// A Manifold that answers.
pub(crate) struct Running {
    side: Side,
    client: Client,
}

impl Running {
    /// Starts it and sees to it that all members are there.
    fn start(program: &Path, work: &Work, amount: Amount) -> Result<Self, BenchError> {
        if let Some(stamp) = &work.stamp {
            stamp.hold(work)?;
        }
        let mut running = Self::answering(program, work, amount)?;
        if let Some(stamp) = work.stamp.as_deref().filter(|_| work.source == Source::Stamped) {
            running.wait_for_members(work)?;
            stamp.go()?;
        }
        Ok(running)
    }

    /// Each sink has a member of each group that it is to have.
    fn wait_for_members(&mut self, work: &Work) -> Result<(), BenchError> {
        let groups = work.copies(work.party.groups.into());
        let mut lacking = 0;
        let done = stop::poll(PATIENCE, || {
            let counters = self.client.counters().ok();
            let joined = |number| {
                let name = format!("sink-{number}");
                let port = counters.as_ref()?.ports.iter().find(|port| port.port == name)?;
                port.verdicts.get("joined").copied()
            };
            let lacks = |(number, groups): (usize, &u64)| groups.saturating_sub(joined(number).unwrap_or(0));
            lacking = (1..).zip(&groups).map(lacks).max().unwrap_or(0);
            Ok((lacking == 0).then_some(()))
        })?;
        match done {
            Some(()) => Ok(()),
            None => Err(self
                .side
                .error(format!("after {} s a sink lacks {lacking} of its groups", PATIENCE.as_secs()))),
        }
    }

    fn answering(program: &Path, work: &Work, amount: Amount) -> Result<Self, BenchError> {
        let command = work.command(program, amount);
        let (side, client) = launch(command, work.seat, &Manifold::settings(work, amount), &work.scratch)?;
        Ok(Self { side, client })
    }

    fn sample(&mut self, work: &Work) -> Result<Sample, BenchError> {
        let counters = self.client.counters().map_err(|e: ClientError| self.side.error(e.to_string()))?;
        Sample::read(&counters, work.fan_out)
            .ok_or_else(|| self.side.error("its counters are not those that were expected"))
    }

    /// What became of all reports so far, as it counts.
    fn reports(&mut self) -> Result<Reports, BenchError> {
        let counters = self.client.counters().map_err(|e: ClientError| self.side.error(e.to_string()))?;
        let now = counters.ports.iter().find(|port| port.port == reports::PORT);
        now.and_then(Reports::read)
            .ok_or_else(|| self.side.error("its counters are not those that were expected"))
    }

    /// What became of `sent` reports that came after those `known`, once nothing more comes of them.
    fn settled_reports(&mut self, sent: u64, known: Reports) -> Result<Reports, BenchError> {
        let mut last = Reports::default();
        loop {
            stop::pause(SETTLED)?;
            let now = self.reports()?.of_sent(sent, known);
            if now == last || now.unaccounted() == 0 {
                return Ok(now);
            }
            last = now;
        }
    }

    /// Its worker, since it started and since this was last called.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) fn worker(&mut self) -> Result<WorkerView, BenchError> {
        let reply = self.client.workers().map_err(|e: ClientError| self.side.error(e.to_string()))?;
        reply.workers.into_iter().next().ok_or_else(|| self.side.error("it has no worker"))
    }

    /// Its process: to be halted, and to be looked at.
    pub(crate) fn side(&mut self) -> &mut Side {
        &mut self.side
    }

    /// Ends it.
    ///
    /// # Errors
    /// It does not end, or not well.
    pub(crate) fn end(mut self) -> Result<(), BenchError> {
        self.side.process().signal(Signal::TERM)?;
        self.side.expect_end()
    }
}

impl Sample {
    #[cfg(test)]
    pub(crate) fn new(forwarded: u64, copies: Vec<u64>, dropped: u64) -> Self {
        Self { received: forwarded, forwarded, sent: copies.clone(), copies, dropped }
    }

    /// Copies that each sink took since `earlier`.
    pub(crate) fn copies_since(&self, earlier: &Self) -> Vec<u64> {
        self.copies.iter().zip(&earlier.copies).map(|(now, then)| now.wrapping_sub(*then)).collect()
    }

    /// From `counters` of a Manifold whose ports are "source" and "sink-1" to "sink-`fan_out`"; `None` when they are not.
    pub(crate) fn read(counters: &CountersReply, fan_out: usize) -> Option<Self> {
        let port = |name: &str| counters.ports.iter().find(|port| port.port == name);
        let source = port("source")?;
        let sinks: Vec<_> = (1..=fan_out).map(|n| port(&format!("sink-{n}"))).collect::<Option<_>>()?;
        let copies = |sink: &&api::PortCounters| {
            // Below zero where a driver did not take what the control thread sent: differences are right all the same.
            Some(sink.frames.get("tx-frames")?.wrapping_sub(*sink.frames.get("injected")?))
        };
        // What clients' ports receive is IGMP, and has a figure of its own.
        let counts =
            |port: &PortCounters, reason: &str| port.port == "source" || ON_THE_WAY_OUT.contains(&reason);
        let dropped = |port: &PortCounters| -> u64 {
            port.drops.iter().filter(|(reason, _)| counts(port, reason)).map(|(_, frames)| frames).sum()
        };
        let sent = |sink: &&api::PortCounters| sink.frames.get("tx-frames").copied();
        Some(Self {
            received: *source.frames.get("rx-frames")?,
            forwarded: *source.frames.get("forwarded")?,
            copies: sinks.iter().map(copies).collect::<Option<_>>()?,
            sent: sinks.iter().map(sent).collect::<Option<_>>()?,
            dropped: counters.ports.iter().map(dropped).sum(),
        })
    }
}

mod delivery;
pub(crate) mod mixed;

#[cfg(test)]
mod tests;
