//! Programs inside namespaces that send frames and wait for them: this program, run again.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lab::helper::write_line;
use lab::{Helper, Netns, PacketSocket};
use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::machine::pin;
use crate::side::bound_to_us_in;
use crate::{probe, source};

/// The first argument of a program that is to send; the second is the task.
const ARGUMENT: &str = "__bench-traffic";

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// Send as fast as it goes.
    Flood(Flood),
    /// Join and leave groups, and see how long it takes.
    Probe(probe::Task),
}

/// One frame, over and over, from the first line of standard input to its end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Flood {
    /// The sender, whose interface multicast leaves by.
    pub(crate) from: Ipv4Addr,
    /// The group.
    pub(crate) group: Ipv4Addr,
    /// Bytes of the frame on the wire, with its check sequence.
    pub(crate) wire_len: usize,
    /// The core that sends.
    pub(crate) core: u16,
}

/// That the task is understood and may begin.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {}

/// What a flood came to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Offered {
    /// Frames that were offered to the wire; its far end had no room for some of them.
    pub(crate) frames: u64,
}

/// When this program was started for a task: does it and returns how it went.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    if args.next()? != ARGUMENT {
        return None;
    }
    let task = args.next().unwrap_or_default();
    let done = match serde_json::from_str(&task) {
        Ok(Task::Flood(task)) => flood(&task),
        Ok(Task::Probe(task)) => probe::run(&task),
        Err(why) => Err(BenchError::machine(format!("task `{task}`: {why}"), "report it")),
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{ARGUMENT}: {why}");
            ExitCode::FAILURE
        }
    })
}

/// Starts a task in `netns`; returns once it is ready.
///
/// # Errors
/// It does not start.
pub(crate) fn start(netns: &Netns, task: &Task, what: &str) -> Result<Helper, BenchError> {
    let exe = std::env::current_exe().map_err(BenchError::io("find this program"))?;
    let text = serde_json::to_string(task)
        .map_err(|e| BenchError::machine(format!("a task cannot be written: {e}"), "report it"))?;
    let mut command = match task {
        Task::Flood(_) => bound_to_us_in(netns, &exe),
        // Who polls does not keep from its core who decides.
        Task::Probe(_) => {
            let mut command = bound_to_us_in(netns, "chrt".as_ref());
            command.args(["--idle", "0"]).arg(&exe);
            command
        }
    };
    let mut helper = Helper::spawn(command.args([ARGUMENT, &text]), what)?;
    let Ready {} = helper.answer()?;
    Ok(helper)
}

/// The helper's side.
fn flood(task: &Flood) -> Result<(), BenchError> {
    pin(task.core)?;
    let failed = || BenchError::io("send");
    let socket = PacketSocket::open(task.from).map_err(failed())?;
    let frame = source::frame(task.group, 0, task.wire_len);
    write_line(&Ready {}).map_err(failed())?;
    let stdin = std::io::stdin();
    stdin.read_line(&mut String::new()).map_err(failed())?;
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    std::thread::spawn(move || {
        // Whatever ends the input ends the flood.
        let _ = std::io::copy(&mut stdin.lock(), &mut std::io::sink());
        flag.store(true, Ordering::Relaxed);
    });
    let mut frames = 0;
    while !stopped.load(Ordering::Relaxed) {
        socket.send(&frame).map_err(failed())?;
        frames += 1;
    }
    write_line(&Offered { frames }).map_err(failed())
}
