//! Programs inside namespaces that send frames and wait for them: this program, run again.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::Thread;

use lab::helper::write_line;
use lab::{Helper, Netns, PacketSocket};
use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::machine::pin;
use crate::side::bound_to_us_in;
use crate::{probe, source};

/// The first argument of a program that is to send; the second is the task.
const ARGUMENT: &str = "__bench-traffic";

/// The lines that begin a flood, and end it.
pub(crate) const GO: &str = "go";
pub(crate) const STOP: &str = "stop";

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// Send as fast as it goes.
    Flood(Flood),
    /// Join and leave groups, and see how long it takes.
    Probe(probe::Task),
}

/// One frame, over and over, between the lines [`GO`] and [`STOP`] of standard input, as often as they come.
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
    let orders = Arc::new(Orders::default());
    let (told, me) = (Arc::clone(&orders), std::thread::current());
    std::thread::spawn(move || {
        let lines = std::io::stdin().lines().map_while(Result::ok);
        lines.for_each(|line| told.take(&line, &me));
        // Whatever ends the input ends the flood.
        told.end(&me);
    });
    let mut floods = 0;
    while orders.wait_for(floods) {
        let mut frames = 0;
        while orders.is_on(floods) {
            socket.send(&frame).map_err(failed())?;
            frames += 1;
        }
        write_line(&Offered { frames }).map_err(failed())?;
        floods += 1;
    }
    Ok(())
}

/// Between who reads orders and who sends: one that ends before it was seen to begin is a flood, too.
#[derive(Debug, Default)]
struct Orders {
    /// Floods that were begun.
    begun: AtomicU32,
    /// Floods that are over.
    over: AtomicU32,
    ended: AtomicBool,
}

impl Orders {
    fn take(&self, line: &str, sender: &Thread) {
        match line.trim() {
            GO => self.begun.fetch_add(1, Ordering::AcqRel),
            STOP => self.over.fetch_add(1, Ordering::AcqRel),
            _ => 0,
        };
        sender.unpark();
    }

    fn end(&self, sender: &Thread) {
        self.ended.store(true, Ordering::Release);
        sender.unpark();
    }

    /// Waits for the flood after so many. Whether there is one.
    fn wait_for(&self, floods: u32) -> bool {
        while self.begun.load(Ordering::Acquire) <= floods {
            if self.ended.load(Ordering::Acquire) {
                return false;
            }
            std::thread::park();
        }
        true
    }

    /// Whether the flood after so many goes on.
    fn is_on(&self, floods: u32) -> bool {
        self.over.load(Ordering::Relaxed) <= floods && !self.ended.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_that_was_not_seen_is_one_all_the_same() {
        let (orders, me) = (Orders::default(), std::thread::current());
        orders.take(GO, &me);
        assert!(orders.wait_for(0) && orders.is_on(0));
        orders.take("stop\n", &me);
        assert!(!orders.is_on(0));
        orders.take(GO, &me);
        orders.take(STOP, &me);
        assert!(orders.wait_for(1) && !orders.is_on(1));
        orders.take(GO, &me);
        assert!(orders.wait_for(2) && orders.is_on(2));
        orders.end(&me);
        assert!(!orders.is_on(2) && !orders.wait_for(3));
    }
}
