//! Programs inside namespaces: the source, the receivers, whoever sends odd frames. They are this same binary run again, so that no
//! thread of ours has to change its namespace; one JSON object tells the task, standard input ends it.
//!
//! A helper ends when its standard input does: when its handle is dropped, or its owner dies.

mod receiver;
mod sender;
mod wire;

pub use receiver::{Receiver, ReceiverSummary};
pub use sender::{Sender, SenderSummary};
pub use wire::{Flood, Flooded, FrameSender};

use crate::{Lab, LabError, Netns, Process, stop};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::process::{ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver as Queue, RecvTimeoutError, channel};
use std::time::Duration;
use types::GroupAddr;

/// The first argument of a program that is to be a helper; the second is the task.
const ARGUMENT: &str = "__lab-helper";
/// How long a helper may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// What a helper is to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Task {
    Send(sender::Task),
    Receive(receiver::Task),
    Frames(wire::Task),
}

/// When this program was started as a helper: does its task and returns how it went. A binary that uses a lab
/// calls it first in `main`.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    if args.next()? != ARGUMENT {
        return None;
    }
    let task = args.next().unwrap_or_default();
    let done = match serde_json::from_str(&task) {
        Ok(Task::Send(task)) => sender::run(&task),
        Ok(Task::Receive(task)) => receiver::run(&task),
        Ok(Task::Frames(task)) => wire::run(&task),
        Err(why) => Err(std::io::Error::other(format!("task `{task}`: {why}"))),
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{ARGUMENT}: {why}");
            ExitCode::FAILURE
        }
    })
}

/// Where a stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Target {
    group: Ipv4Addr,
    port: u16,
}

impl Target {
    fn new(group: GroupAddr, port: u16) -> Self {
        Self { group: group.addr(), port }
    }
}

/// A running helper: lines go in, JSON lines come out. Dropping it ends it.
#[derive(Debug)]
pub struct Helper {
    process: Process,
    stdin: Option<ChildStdin>,
    lines: Queue<String>,
}

impl Helper {
    fn start(lab: &Lab, ns: &Netns, task: &Task, what: &str) -> Result<Self, LabError> {
        let unexpected = |text: String| LabError::Unexpected { what: what.to_owned(), text };
        let text = serde_json::to_string(task).map_err(|why| unexpected(why.to_string()))?;
        let mut command = ns.command(lab.helper());
        command.args([ARGUMENT, &text]);
        Self::spawn(&mut command, what)
    }

    /// Starts `command`, called `what` in messages, as a helper with a task of its own: it reads lines, answers each with
    /// [`write_line`], and ends when its standard input does.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(command: &mut Command, what: &str) -> Result<Self, LabError> {
        let unexpected = |text: String| LabError::Unexpected { what: what.to_owned(), text };
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(command, what)?;
        let stdin = process.child().stdin.take();
        let stdout = process.child().stdout.take().ok_or_else(|| unexpected("no output".to_owned()))?;
        let (sink, lines) = channel();
        std::thread::spawn(move || {
            // Ends with the pipe, or when nobody listens any more.
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sink.send(line))
        });
        Ok(Self { process, stdin, lines })
    }

    /// Sends a line.
    ///
    /// # Errors
    /// When it has ended.
    pub fn tell(&mut self, line: &str) -> Result<(), LabError> {
        let what = format!("tell {}", self.process.name());
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        writeln!(stdin, "{line}").map_err(LabError::io(what))
    }

    /// Ends the helper's input, and so the helper once it has answered.
    pub fn finish(&mut self) {
        self.stdin = None;
    }

    /// The next line it writes.
    ///
    /// # Errors
    /// When it has ended, does not answer, or answers something else.
    pub fn answer<T: DeserializeOwned>(&mut self) -> Result<T, LabError> {
        self.answer_within(ANSWER_LIMIT)
    }

    /// As [`Helper::answer`], from one that has work for at most `limit`.
    ///
    /// # Errors
    /// As [`Helper::answer`].
    pub fn answer_within<T: DeserializeOwned>(&mut self, limit: Duration) -> Result<T, LabError> {
        let line = stop::poll(limit, || match self.lines.recv_timeout(Duration::from_millis(20)) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(LabError::Ended {
                what: self.process.name().to_owned(),
                how: "it wrote why above".to_owned(),
            }),
        })?;
        let what = self.process.name();
        let line =
            line.ok_or_else(|| LabError::Timeout { what: format!("answer of {what}"), waited: limit })?;
        serde_json::from_str(&line).map_err(|_| LabError::Unexpected { what: what.to_owned(), text: line })
    }
}

/// Writes one JSON line to standard output: a helper's answer.
///
/// # Errors
/// When nobody reads it.
pub fn write_line(value: &impl Serialize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}
