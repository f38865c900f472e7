//! `bench`: how fast Manifold forwards, beside programs that do the same work on the same devices.
//!
//! There is no NIC in it: frames come from a capture file that net_pcap plays without end, or from net_null with a header
//! stamped on each, and go to null ports, which free them at once. So a figure is a ratio to a peer on the same devices in
//! the same run, with the time of a copy beside it. Both sides are whole processes as their users run them, with the same
//! burst, buffers and memory (but DPDK's ipv4_multicast, which has pools of its own), and take turns on the same core.
//!
//! Not all are of that kind: b8, b10 and b11, but for their rows on veth, are Manifold's forwarder within this process; b9 is
//! Manifold beside itself, `stalls` beside a loop; b7, b15 and `heap` have no peer.
//!
//! A figure is data ([`figures`]); [`catalogue`] has the names of all kinds of figures. [`session`] runs them:
//! [`rounds`] orders the trials, which [`slices`] cuts up; [`manifold`], [`testpmd`] and [`multicast`] are who
//! forwards, with [`reports`] beside the data where that is the question, [`churn`] beside the table's writer, and [`stamp`] where a capture file would be the limit. [`capacity`] and [`scale`]
//! have no peer. In [`blocked`] and [`latency`] frames come on a clock, over [`memif`]; so they do in [`heap`]. On kernel
//! interfaces ([`wires`]) [`veth`] holds Manifold beside the kernel's own forwarding, and [`outer`] its joins
//! and leaves. What several of them need is a [`part::Part`]. All end as [`report::FigureReport`]s in [`rows`], which [`report`], [`table`] and
//! [`page`] with its [`curves`] tell.

mod aim;
mod alone;
mod blocked;
mod burst;
mod capacity;
mod catalogue;
mod chance;
mod churn;
mod claim;
mod console;
mod curves;
mod delay;
mod error;
mod figures;
mod heap;
mod hugepages;
mod jitter;
mod latency;
mod live;
mod machine;
mod manifold;
mod memif;
mod multicast;
mod native;
mod noise;
mod outer;
mod package;
mod page;
mod part;
mod percentiles;
mod plot;
mod probe;
mod programs;
mod progress;
mod report;
mod reports;
mod rounds;
mod router;
mod rows;
mod scale;
mod session;
mod side;
mod slices;
mod source;
mod stalls;
mod stamp;
mod started;
mod stats;
mod table;
mod telemetry;
mod testpmd;
mod thread;
mod throttle;
mod traffic;
mod veth;
mod viewers;
mod wake;
mod wires;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use lab::{LabError, stop};

use crate::catalogue::Selection;
use crate::error::BenchError;
use crate::jitter::Jitter;
use crate::report::{FigureReport, Report};
use crate::rows::Rows;
use crate::session::{Plan, Session};

/// How long the forwarding core is watched with nothing on it.
const JITTER_TIME: Duration = Duration::from_secs(1);
/// Exit status when a figure missed its aim.
const MISSED: u8 = 3;

/// Measures Manifold beside its peers. Exit status 0 when all aims were reached or the machine was too noisy to tell, 3
/// when one was missed, 1 when a figure could not be measured, or none, 2 for a wrong command line; 128 and a signal's
/// number when that ended the run, with a report of what was measured until then.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Which figures: `b2`, `b2/16`, `all`; all if this is not given. b13/150000 is measured only where it, or b13, is named.
    #[arg(long, value_name = "FIGURES", value_delimiter = ',')]
    only: Vec<String>,
    /// A few figures and rounds, in less than two minutes.
    #[arg(long)]
    quick: bool,
    /// Rounds of each figure with a peer: the peer, ours, ours, the peer. 5, or 2 in a quick run; b3/own, b4, b13, b14 and
    /// all of b5m but b5m/16 have 3 at most, b12 two, `stalls` twice as many.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Length of a trial in milliseconds.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    window_ms: u64,
    /// Folder for report.json and report.html.
    #[arg(long, value_name = "DIR", default_value = "bench/out")]
    out: PathBuf,
    /// The binary to measure; the one beside this program if not given.
    #[arg(long, value_name = "FILE")]
    manifold: Option<PathBuf>,
    /// The distribution's testpmd.
    #[arg(long, value_name = "FILE", default_value = "dpdk-testpmd")]
    testpmd: PathBuf,
    /// Measures nothing: only looks whether a run could begin with these arguments, before what it takes is built.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let helper = lab::helper::run_if_asked().or_else(traffic::run_if_asked);
    if let Some(status) = helper.or_else(memif::probe::run_if_asked) {
        return status;
    }
    let cli = Cli::parse();
    let selection = match Selection::new(&cli.only, cli.quick) {
        Ok(selection) => selection,
        Err(error) => Cli::command().error(ErrorKind::InvalidValue, error).exit(),
    };
    let ready = session::expect_root().and_then(|()| report::expect_room(&cli.out));
    let ended = match ready {
        Ok(()) if cli.check => Ok(ExitCode::SUCCESS),
        ready => ready.and_then(|()| measure(&cli, &selection)),
    };
    match ended {
        Ok(status) => status,
        Err(BenchError::Lab(LabError::Interrupted)) => {
            eprintln!("bench: interrupted before the first figure was measured; there is no report of it");
            ended_by_signal()
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and reports. The exit status.
fn measure(cli: &Cli, selection: &Selection) -> Result<ExitCode, BenchError> {
    let plan = Plan {
        rounds: cli.rounds.unwrap_or(if cli.quick { 2 } else { 5 }).into(),
        quick: cli.quick,
        window: Duration::from_millis(cli.window_ms),
        manifold: cli.manifold.clone(),
        testpmd: cli.testpmd.clone(),
    };
    let session = Session::prepare(plan, selection)?;
    println!("{}", session.headline());
    for (names, why) in session.lacking(selection) {
        eprintln!("not measured: {}: {why}", names.join(", "));
    }
    let before = Jitter::measure(session.cores.forward, JITTER_TIME);
    print_jitter("before", before);
    let began = Instant::now();
    let mut rows = Rows::default();
    let interrupted = match session.measure(selection, &mut rows) {
        Ok(()) => false,
        Err(BenchError::Lab(LabError::Interrupted)) if !rows.is_empty() => true,
        Err(error) => return Err(error),
    };
    let seconds = began.elapsed().as_secs_f64().round();
    let after = if interrupted { None } else { Jitter::measure(session.cores.forward, JITTER_TIME) };
    print_jitter("after", after);
    if interrupted {
        println!("interrupted after {seconds:.0} s: what follows was measured until then");
    }
    let figures = rows.all();
    println!("\n{}", table::render(&figures));
    let status = status(&figures);
    let report = Report {
        machine: &session.machine,
        dpdk: session.dpdk.as_deref(),
        own_dpdk: session.programs.own_dpdk.as_deref().ok(),
        packages: machine::packages(),
        commit: session.commit.as_deref(),
        date: session.date.as_deref(),
        seconds,
        interrupted,
        rounds: session.plan.rounds,
        window_s: session.plan.window.as_secs_f64(),
        jitter: [before, after],
        figures,
    };
    report.write(&cli.out)?;
    page::write(&report, &cli.out)?;
    println!("One worker on one core; {} shows it.", cli.out.join("report.html").display());
    Ok(if interrupted { ended_by_signal() } else { status })
}

/// As a shell tells of a program that a signal ended.
fn ended_by_signal() -> ExitCode {
    ExitCode::from(stop::signal().map_or(1, |signal| 128 + signal))
}

/// What could not be measured weighs most.
fn status(figures: &[FigureReport]) -> ExitCode {
    if figures.iter().any(|figure| figure.verdict.is_unmeasured()) {
        ExitCode::FAILURE
    } else if figures.iter().any(|figure| figure.verdict.is_missed()) {
        ExitCode::from(MISSED)
    } else {
        ExitCode::SUCCESS
    }
}

fn print_jitter(when: &str, jitter: Option<Jitter>) {
    match jitter {
        Some(jitter) => println!("idle core {when}: {jitter}"),
        None => println!("idle core {when}: not measured"),
    }
}
