//! `bench`: how fast Manifold forwards, beside programs that do the same work on the same devices.
//!
//! There is no NIC in it: frames come from a capture file that net_pcap plays without end, and go to net_null
//! ports, which free them at once. So every figure is a ratio to a peer on the same devices in the same run, with
//! the time of a copy beside it. Both sides are whole processes as their users run them, one at a time, on the same
//! core, with the same burst, buffers and memory.
//!
//! A figure is data ([`figures`]). [`rounds`] orders its trials, [`manifold`] and [`testpmd`] run one each, with
//! [`reports`] beside the data where that is the question; [`scale`] is of the control side alone. [`report`] and
//! [`table`] tell what came out.

mod console;
mod error;
mod figures;
mod hugepages;
mod jitter;
mod machine;
mod manifold;
mod report;
mod reports;
mod rounds;
mod scale;
mod side;
mod source;
mod stats;
mod table;
mod testpmd;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use lab::stop;
use settings::MemoryMode;
use tempfile::TempDir;

use crate::error::BenchError;
use crate::figures::{Figure, Peer, Selection};
use crate::hugepages::Hugepages;
use crate::jitter::Jitter;
use crate::machine::{Cores, Machine};
use crate::manifold::Manifold;
use crate::report::{FigureReport, Report};
use crate::reports::{Hosts, Listener};
use crate::rounds::{Outcome, Turn, Verdict};
use crate::scale::Scale;
use crate::side::Work;
use crate::testpmd::Testpmd;

/// Frames run before they are counted: caches are warm after thousands of them.
const WARM_UP: Duration = Duration::from_millis(200);
/// Frames that are counted one by one: each sink gets each of them.
const COUNTED_FRAMES: usize = 200_000;
/// How long the forwarding core is watched with nothing on it.
const JITTER_TIME: Duration = Duration::from_secs(1);
/// MiB of hugepages beyond what the settings come to: DPDK's own tables grow by the page.
const SPARE_MB: u64 = 32;
/// Exit status when a figure is below its floor.
const MISSED: u8 = 3;

/// Measures Manifold beside testpmd. Exit status 0 when all floors held or the machine was too noisy to tell, 3 when
/// a figure is below its floor, 1 when nothing could be measured.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Which figures: `b2`, `b2/16`, `all`; the usual ones if none is named.
    #[arg(long, value_name = "FIGURES", value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds of each figure; each has one trial of ours between two of the peer's.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Length of a trial in milliseconds.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    window_ms: u64,
    /// Folder for report.json.
    #[arg(long, value_name = "DIR", default_value = "bench/out")]
    out: PathBuf,
    /// The binary to measure; the one beside this program if not given.
    #[arg(long, value_name = "FILE")]
    manifold: Option<PathBuf>,
    /// The peer.
    #[arg(long, value_name = "FILE", default_value = "dpdk-testpmd")]
    testpmd: PathBuf,
}

fn main() -> ExitCode {
    if let Some(status) = lab::helper::run_if_asked() {
        return status;
    }
    let cli = Cli::parse();
    match measure(&cli) {
        Ok(missed) => ExitCode::from(if missed { MISSED } else { 0 }),
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and reports. Whether a figure is below its floor.
fn measure(cli: &Cli) -> Result<bool, BenchError> {
    let figures = figures::select(&cli.only).map_err(|e| BenchError::machine(e, "see --help"))?;
    let bench = Bench::prepare(cli, &figures)?;
    println!("{}", bench.headline());
    let before = Jitter::measure(bench.cores.forward, JITTER_TIME);
    print_jitter("before", before);
    let outcomes = bench.compared(&figures.compared)?;
    let after = Jitter::measure(bench.cores.forward, JITTER_TIME);
    print_jitter("after", after);
    let scale = if figures.scale { bench.scale()? } else { Vec::new() };
    if !outcomes.is_empty() {
        println!("\n{}", table::render(&outcomes, &bench.machine));
    }
    if !scale.is_empty() {
        println!("\n{}", table::render_scale(&scale));
    }
    let report = Report {
        machine: &bench.machine,
        dpdk: bench.dpdk.as_deref(),
        commit: bench.commit.as_deref(),
        rounds: cli.rounds.into(),
        window_s: bench.window.as_secs_f64(),
        jitter: [before, after],
        figures: outcomes
            .iter()
            .map(FigureReport::from)
            .chain(scale.iter().map(FigureReport::from))
            .collect(),
    };
    report.write(&cli.out)?;
    println!("One worker on one core; {} has the numbers.", cli.out.join("report.json").display());
    let missed = outcomes.iter().any(|outcome| outcome.verdict() == Verdict::Missed);
    Ok(missed || scale.iter().any(|figure| !figure.reached()))
}

/// Everything that a figure needs.
struct Bench {
    cores: Cores,
    machine: Machine,
    dpdk: Option<String>,
    commit: Option<String>,
    manifold: Manifold,
    testpmd: Testpmd,
    rounds: usize,
    window: Duration,
    /// Where a figure needs them.
    hosts: Option<Rc<Hosts>>,
    scratch: TempDir,
}

impl Bench {
    /// Looks at what is there; makes a folder for temporary files, and the namespaces that a figure needs.
    fn prepare(cli: &Cli, figures: &Selection) -> Result<Self, BenchError> {
        if !rustix::process::geteuid().is_root() {
            return Err(BenchError::machine("hugepages and packet devices need root", "run it as root"));
        }
        stop::on_signals()?;
        let cores = Cores::pick()?;
        for tool in ["setpriv", "stdbuf"] {
            machine::find_program(Path::new(tool), "install Debian's packages util-linux and coreutils")?;
        }
        let testpmd = machine::find_program(
            &cli.testpmd,
            "install Debian's package dpdk-dev, or name it with --testpmd",
        )?;
        let dpdk = machine::dpdk_version();
        let needs_hosts = figures.compared.iter().any(|figure| figure.peer.reports_per_second().is_some());
        Ok(Self {
            cores,
            machine: Machine::look(cores),
            commit: machine::commit(Path::new(env!("CARGO_MANIFEST_DIR"))),
            manifold: Manifold { program: manifold_binary(cli.manifold.as_deref())? },
            testpmd: Testpmd { program: testpmd, bonding_keyword: machine::bonding_keyword(dpdk.as_deref()) },
            dpdk,
            rounds: cli.rounds.into(),
            window: Duration::from_millis(cli.window_ms),
            hosts: if needs_hosts { Some(Rc::new(Hosts::new()?)) } else { None },
            scratch: tempfile::Builder::new()
                .prefix("manifold-bench-")
                .tempdir()
                .map_err(BenchError::io("make a temporary folder"))?,
        })
    }

    fn headline(&self) -> String {
        let Machine { cpu, cores, kernel, tsc_mhz, forwarding_core, load } = &self.machine;
        let unknown = || "unknown".to_owned();
        let tsc = tsc_mhz.map_or_else(unknown, |mhz| format!("{mhz:.0} MHz"));
        let load = load.map_or_else(unknown, |load| format!("{load:.2}"));
        format!(
            "{cpu}, {cores} cores, TSC {tsc}, Linux {kernel}, load {load}\nDPDK {}, commit {}, forwarding on core \
             {forwarding_core}, {} rounds of 3 trials of {:.1} s",
            self.dpdk.as_deref().unwrap_or("unknown"),
            self.commit.as_deref().unwrap_or("unknown"),
            self.rounds,
            self.window.as_secs_f64(),
        )
    }

    fn work(&self, figure: Figure) -> Work {
        let file = |name: &str| self.scratch.path().join(format!("{name}-{}.pcap", figure.wire_len));
        Work {
            looped: file("looped"),
            finite: (file("finite"), COUNTED_FRAMES as u64),
            fan_out: figure.fan_out,
            cores: self.cores,
            warm_up: WARM_UP,
            window: self.window,
            scratch: self.scratch.path().to_owned(),
            hosts: figure.peer.reports_per_second().and_then(|_| self.hosts.clone()),
        }
    }

    /// MiB of hugepages for the largest of the figures.
    fn memory_mb(&self, figures: &[Figure]) -> Result<u64, BenchError> {
        let mut most = 0;
        for figure in figures {
            let settings = Manifold::read_settings(&self.work(*figure))?;
            most = most.max(settings::memory_mb(&settings, 1, MemoryMode::Hugepages));
        }
        Ok(u64::from(most) + SPARE_MB)
    }

    /// Measures the figures that have a peer.
    fn compared(&self, figures: &[Figure]) -> Result<Vec<Outcome>, BenchError> {
        if figures.is_empty() {
            return Ok(Vec::new());
        }
        // Before the first process starts, so that it is given back after the last one ended.
        let _hugepages = Hugepages::reserve(self.memory_mb(figures)?)?;
        figures.iter().map(|figure| self.figure(*figure)).collect()
    }

    /// Measures the control side's scale.
    fn scale(&self) -> Result<Vec<Scale>, BenchError> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let cargo = machine::find_program(Path::new(&cargo), "name it in CARGO")?;
        scale::run(&cargo, Path::new(env!("CARGO_MANIFEST_DIR")), |what| {
            eprintln!("{}: {what}", figures::SCALE);
        })
    }

    /// Counts a number of frames, then measures.
    fn figure(&self, figure: Figure) -> Result<Outcome, BenchError> {
        let work = self.work(figure);
        source::write(&work.looped, source::LOOPED_FRAMES, figure.wire_len)?;
        source::write(&work.finite.0, COUNTED_FRAMES, figure.wire_len)?;
        let settings = Manifold::read_settings(&work)?;
        let progress = Progress::new(figure);
        progress.say(format_args!("counting {COUNTED_FRAMES} frames"));
        self.manifold.check_delivery(&work)?;
        let trial = |turn| match (figure.peer, turn) {
            (Peer::Testpmd(_), Turn::Ours) => self.manifold.trial(&work, None),
            (Peer::Testpmd(mode), Turn::Peer) => self.testpmd.trial(mode, &work, &settings),
            (Peer::WithoutIgmp { per_second }, Turn::Ours) => {
                self.manifold.trial(&work, Some((Listener::Ours, per_second)))
            }
            (Peer::WithoutIgmp { per_second }, Turn::Peer) => {
                self.manifold.trial(&work, Some((Listener::Nobody, per_second)))
            }
        };
        let outcome = rounds::run(figure, self.rounds, trial, |done, ours, peer| {
            let (ours, peer) = (ours / 1e6, peer / 1e6);
            progress
                .say(format_args!("round {done}/{}, ours {ours:.1}, peer {peer:.1} M copies/s", self.rounds));
        });
        progress.end();
        outcome
    }
}

/// A line that tells how far a figure is: rewritten in a terminal, a line for each step elsewhere.
struct Progress {
    figure: Figure,
    terminal: bool,
}

impl Progress {
    fn new(figure: Figure) -> Self {
        Self { figure, terminal: std::io::stderr().is_terminal() }
    }

    fn say(&self, what: std::fmt::Arguments<'_>) {
        if self.terminal {
            eprint!("\r\x1b[K{}: {what}", self.figure);
        } else {
            eprintln!("{}: {what}", self.figure);
        }
    }

    fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

fn print_jitter(when: &str, jitter: Option<Jitter>) {
    match jitter {
        Some(jitter) => println!("idle core {when}: {jitter}"),
        None => println!("idle core {when}: not measured"),
    }
}

/// The binary that was named, or the one built beside this program.
fn manifold_binary(named: Option<&Path>) -> Result<PathBuf, BenchError> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("manifold"));
    let path = named.map(Path::to_owned).or_else(beside).unwrap_or_else(|| "manifold".into());
    machine::find_program(&path, "build it (cargo build --release -p dataplane), or name it with --manifold")
}
