//! What the two sides have in common: a process that forwards, its log, and how much of its core it got.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use lab::{Netns, Process, stop};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::BenchError;
use crate::figures::{Party, Source};
use crate::machine::{self, Cores};
use crate::reports::{Hosts, Reports};
use crate::source;
use crate::stamp::Stamp;
use crate::started;
use crate::telemetry::Telemetry;
use crate::viewers::{self, Viewers};

/// How long a side may take to start or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Lines of a log that an error shows.
const LOG_LINES: usize = 12;
const SETPRIV: &str = "setpriv";

/// How much of the source one run receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// Frames without end, as fast as they are taken.
    Endless,
    /// So many as [`Work::counted`] says, once.
    Counted,
}

/// Which of the two sides: both may be there at once, each with its name and its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// What is measured.
    Ours,
    /// Who it is compared with.
    Peer,
}

impl Seat {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Peer];

    /// In names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
        }
    }
}

/// The work of one trial.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// Which of the two.
    pub(crate) seat: Seat,
    /// Who does it, with which frames and groups.
    pub(crate) party: Party,
    /// Where frames come from.
    pub(crate) source: Source,
    /// What net_pcap plays over and over.
    pub(crate) looped: PathBuf,
    /// What it plays once.
    pub(crate) finite: PathBuf,
    /// Frames of a run of [`Amount::Counted`].
    pub(crate) counted: u64,
    /// Sinks, each with members of every group unless the party's viewers say otherwise.
    pub(crate) fan_out: usize,
    /// Where to run.
    pub(crate) cores: Cores,
    /// Frames run this long before they are counted.
    pub(crate) warm_up: Duration,
    /// Frames are counted this long.
    pub(crate) window: Duration,
    /// A folder for this side's files.
    pub(crate) scratch: PathBuf,
    /// Hosts on a port of their own, which ask beside the data.
    pub(crate) hosts: Option<Rc<Hosts>>,
    /// What stamps headers, where the source is [`Source::Stamped`].
    pub(crate) stamp: Option<Rc<Stamp>>,
}

impl Work {
    /// The source's device.
    pub(crate) fn source_device(&self, amount: Amount) -> String {
        match (self.source, amount) {
            (Source::Stamped | Source::Memory | Source::Wire, _) => {
                format!("net_null0,size={}", self.party.wire_len - source::FCS)
            }
            (Source::Pcap, Amount::Endless) => {
                format!("net_pcap0,rx_pcap={},infinite_rx=1", self.looped.display())
            }
            (Source::Pcap, Amount::Counted) => format!("net_pcap0,rx_pcap={}", self.finite.display()),
        }
    }

    /// The device of the sink of that number, from 1 on: frees each frame at once, and receives nothing.
    pub(crate) fn sink(number: usize) -> String {
        format!("net_null{number},no-rx=1")
    }

    /// The sinks of each group.
    pub(crate) fn sets(&self) -> Vec<u64> {
        self.party.viewers.sets(self.party.groups, self.fan_out)
    }

    /// What each sink has to get of the first `frames` frames.
    pub(crate) fn copies(&self, frames: u64) -> Vec<u64> {
        match self.party.viewers {
            Viewers::Everywhere => vec![frames; self.fan_out],
            Viewers::Alike(_) | Viewers::Mixed(_) => viewers::copies(&self.sets(), self.fan_out, frames),
        }
    }

    /// A command that ends with this process, with what the source needs, in the hosts' namespace if there are some.
    pub(crate) fn command(&self, program: &Path, amount: Amount) -> Command {
        let stamp = self.stamp.as_deref().filter(|_| self.source == Source::Stamped);
        let frames = if amount == Amount::Counted { self.counted } else { 0 };
        let first = if stamp.is_some() { Path::new("env") } else { program };
        let mut command = match &self.hosts {
            Some(hosts) => hosts.command(first),
            None => bound_to_us(first),
        };
        if let Some(stamp) = stamp {
            command.args(stamp.environment(self, frames)).arg(program);
        }
        command
    }
}

/// What one trial came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trial {
    /// Copies that the sinks took, a second.
    pub(crate) copies_per_s: f64,
    /// Share of its time that the forwarding thread waited for its core, where the kernel tells.
    pub(crate) waited: Option<f64>,
    /// What became of the hosts' reports, where some were sent.
    pub(crate) reports: Option<Reports>,
    /// How long what came beside the data took, by how long it should have, where something came.
    pub(crate) held_up: Option<f64>,
    /// Share of the frames that a source on a clock of its own offered which came through.
    pub(crate) kept: Option<f64>,
}

/// Starts `program` so that it ends with this process, even if this process is killed. It keeps its process id.
pub(crate) fn bound_to_us(program: &Path) -> Command {
    bound_by(Command::new(SETPRIV), program)
}

/// The same in a network namespace.
pub(crate) fn bound_to_us_in(netns: &Netns, program: &Path) -> Command {
    bound_by(netns.command(SETPRIV), program)
}

fn bound_by(mut setpriv: Command, program: &Path) -> Command {
    setpriv.args(["--pdeathsig", "KILL", "--"]).arg(program);
    setpriv
}

/// Where a program on DPDK that was given that file prefix keeps its runtime files.
pub(crate) fn runtime_folder(prefix: &str) -> PathBuf {
    Path::new("/var/run/dpdk").join(prefix)
}

/// The same, removed on drop: testpmd and DPDK's examples leave theirs behind however they end, and others when they are
/// killed.
#[derive(Debug)]
struct RuntimeFolder(PathBuf);

impl Drop for RuntimeFolder {
    fn drop(&mut self) {
        // Nothing is there when the program removed it, or never came so far.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running side. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Side {
    process: Process,
    name: &'static str,
    log: PathBuf,
    // Goes after the process.
    folder: Option<RuntimeFolder>,
}

impl Side {
    /// Starts `command` with its standard error in `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command, name: &'static str, log: PathBuf) -> Result<Self, BenchError> {
        started::note(name, command, &log);
        let file = File::create(&log).map_err(BenchError::io(log.display()))?;
        // It has threads for both cores.
        let process = machine::unbound(|| Process::spawn(command.stderr(Stdio::from(file)), name))?;
        Ok(Self { process, name, log, folder: None })
    }

    /// The same, known to be a program on DPDK with that file prefix: what it leaves behind is removed.
    pub(crate) fn with_prefix(self, prefix: &str) -> Self {
        Self { folder: Some(RuntimeFolder(runtime_folder(prefix))), ..self }
    }

    /// The process.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Notes for the report which settings it runs with; it is Manifold, and has started EAL.
    pub(crate) fn note_settings(&self, settings: &str) {
        started::note_settings(&self.log, settings, &self.log());
    }

    /// The whole log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// An error of this side, with the end of its log.
    pub(crate) fn error(&self, what: impl Into<String>) -> BenchError {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let log = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        BenchError::Side { side: self.name.to_owned(), what: what.into(), log }
    }

    /// # Errors
    /// It has ended.
    pub(crate) fn expect_running(&mut self) -> Result<(), BenchError> {
        match self.process.ended()? {
            None => Ok(()),
            Some(status) => Err(self.error(format!("ended early ({status})"))),
        }
    }

    /// Halts it, threads and all, until [`Side::resume`]. Should this process be killed meanwhile, it is, too: no other signal
    /// reaches who is halted.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn halt(&mut self) -> Result<(), BenchError> {
        Ok(self.process.signal(Signal::STOP)?)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn resume(&mut self) -> Result<(), BenchError> {
        Ok(self.process.signal(Signal::CONT)?)
    }

    /// Its devices' counters, once it tells them. It has a prefix.
    ///
    /// # Errors
    /// It ends, or does not tell in time.
    pub(crate) fn telemetry(&mut self) -> Result<Telemetry, BenchError> {
        let Some(RuntimeFolder(folder)) = &self.folder else {
            return Err(self.error("its prefix is not known"));
        };
        let socket = folder.join("dpdk_telemetry.v2");
        let process = &mut self.process;
        let connected = stop::poll(PATIENCE, || match Telemetry::connect(&socket) {
            Some(telemetry) => Ok(Some(Some(telemetry))),
            None => Ok(process.ended()?.map(|_| None)),
        })?;
        match connected {
            Some(Some(telemetry)) => Ok(telemetry),
            Some(None) => Err(self.error("ended early")),
            None => Err(self.error("no telemetry; is this another DPDK?")),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It does not end, or not well.
    pub(crate) fn expect_end(&mut self) -> Result<(), BenchError> {
        let status = self.process.wait(PATIENCE)?;
        if status.success() { Ok(()) } else { Err(self.error(format!("ended with {status}"))) }
    }

    /// Has all its threads but those that are bound to the forwarding core leave that one alone, as on a machine where it is
    /// isolated: beside a busy main core the kernel would move them there.
    ///
    /// # Errors
    /// The system does not tell or take a thread's cores.
    pub(crate) fn isolate(&mut self, cores: Cores) -> Result<(), BenchError> {
        let folder = format!("/proc/{}/task", self.process.id());
        let alone = |core: u16| {
            let mut set = CpuSet::new();
            set.set(usize::from(core));
            set
        };
        let (forward, main) = (alone(cores.forward), alone(cores.main));
        for task in fs::read_dir(&folder).map_err(BenchError::io(&folder))?.flatten() {
            let thread = task.file_name().to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
            match sched_getaffinity(thread) {
                Ok(set) if set == forward => {}
                Ok(_) => {
                    sched_setaffinity(thread, &main).map_err(BenchError::io("choose a thread's core"))?
                }
                // It has ended meanwhile.
                Err(Errno::SRCH) => {}
                Err(error) => return Err(BenchError::io("look at a thread's cores")(error)),
            }
        }
        Ok(())
    }

    /// What its threads got of their cores so far.
    pub(crate) fn cpu_time(&self) -> CpuTime {
        CpuTime::read(self.process.id())
    }
}

/// Nanoseconds that each thread ran, and waited while it could have run.
#[derive(Debug, Clone, Default)]
pub(crate) struct CpuTime(HashMap<u64, (u64, u64)>);

impl CpuTime {
    fn read(process: u32) -> Self {
        let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return Self::default() };
        let of = |path: PathBuf| {
            let thread = path.file_name()?.to_str()?.parse().ok()?;
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            let mut numbers = text.split_whitespace().map(str::parse);
            Some((thread, (numbers.next()?.ok()?, numbers.next()?.ok()?)))
        };
        Self(tasks.flatten().filter_map(|task| of(task.path())).collect())
    }

    /// Of the time from `earlier` on, the share that the busiest thread, which is the one that forwards, waited.
    pub(crate) fn waited_since(&self, earlier: &Self) -> Option<f64> {
        let spent = |(thread, (ran, waited)): (&u64, &(u64, u64))| {
            let (ran_before, waited_before) = earlier.0.get(thread)?;
            Some((ran.saturating_sub(*ran_before), waited.saturating_sub(*waited_before)))
        };
        let (ran, waited) = self.0.iter().filter_map(spent).max()?;
        (ran > 0).then(|| waited as f64 / (ran + waited) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_the_busiest_threads() {
        let before = CpuTime(HashMap::from([(1, (100, 100)), (2, (1000, 50))]));
        let after = CpuTime(HashMap::from([(1, (110, 900)), (2, (1900, 150)), (3, (9999, 0))]));
        assert_eq!(after.waited_since(&before), Some(0.1));
        assert_eq!(before.waited_since(&before), None, "nothing ran");
    }

    #[test]
    fn own_threads_are_found() {
        let time = CpuTime::read(std::process::id());
        assert!(time.0.values().any(|(ran, _)| *ran > 0), "{time:?}");
    }
}
