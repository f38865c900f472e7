//! The bench's hand on the far end.

use std::io::{BufRead, BufReader, PipeWriter, Write, pipe};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use lab::stop;
use serde::de::DeserializeOwned;

use super::probe::{ARGUMENT, READY, Task};
use super::{Answer, Links, Order};
use crate::error::BenchError;
use crate::side::{PATIENCE, Side, bound_to_us};

const NAME: &str = "the far end";
/// Between two looks for an answer.
const LOOK: Duration = Duration::from_millis(10);

/// A running far end. It ends when this is dropped.
pub(crate) struct FarEnd {
    side: Side,
    stdin: PipeWriter,
    lines: Receiver<String>,
}

impl FarEnd {
    /// Starts it on `core`. The process that forwards has its ends of the links already.
    ///
    /// # Errors
    /// It does not start, or a link does not come up.
    pub(crate) fn start(links: &Links, core: u16, scratch: &Path) -> Result<Self, BenchError> {
        // One to each socket: there may be several.
        let name = links.socket.file_name().unwrap_or_default().display();
        let (prefix, log) =
            (format!("bench-{}-far-{name}", std::process::id()), scratch.join(format!("far-{name}.log")));
        let task = Task { socket: links.socket.clone(), sinks: links.sinks, core, prefix: prefix.clone() };
        let task = serde_json::to_string(&task).map_err(|e| BenchError::machine(e, "report it"))?;
        let program = std::env::current_exe().map_err(BenchError::io("find this program"))?;
        let (stdin, ours) = pipe().map_err(BenchError::io("pipe"))?;
        let (said, stdout) = pipe().map_err(BenchError::io("pipe"))?;
        let mut command = bound_to_us(&program);
        command.args([ARGUMENT, &task]).stdin(Stdio::from(stdin)).stdout(Stdio::from(stdout));
        let side = Side::start(&mut command, NAME, log)?.with_prefix(&prefix);
        // The command holds the far ends of the pipes: with them the output would never end.
        drop(command);
        let (sink, lines) = channel();
        std::thread::spawn(move || {
            // Ends with the pipe, or when nobody listens any more.
            BufReader::new(said).lines().map_while(Result::ok).try_for_each(|line| sink.send(line))
        });
        let mut end = Self { side, stdin: ours, lines };
        match end.answer::<String>(PATIENCE)? {
            ready if ready == READY => Ok(end),
            other => Err(end.side.error(format!("says `{other}`"))),
        }
    }

    /// Has it do what `order` says, and waits for what came of it.
    ///
    /// # Errors
    /// It ends, or says something else.
    pub(crate) fn obey(&mut self, order: &Order) -> Result<Answer, BenchError> {
        let line = serde_json::to_string(order).map_err(|e| BenchError::machine(e, "report it"))?;
        writeln!(self.stdin, "{line}").map_err(BenchError::io("the far end's input"))?;
        self.answer(Duration::from_millis(order.warm_up_ms + order.length_ms) + PATIENCE)
    }

    fn answer<T: DeserializeOwned>(&mut self, limit: Duration) -> Result<T, BenchError> {
        let lines = &self.lines;
        let line = stop::poll(limit, || match lines.recv_timeout(LOOK) {
            Ok(line) => Ok(Some(Some(line))),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Ok(Some(None)),
        })?;
        let line = match line {
            Some(Some(line)) => line,
            Some(None) => return Err(self.side.error("ended early")),
            None => return Err(self.side.error(format!("no answer within {} s", limit.as_secs()))),
        };
        serde_json::from_str(&line).map_err(|_| self.side.error(format!("says `{line}`")))
    }

    /// Ends it.
    ///
    /// # Errors
    /// It does not end, or not well.
    pub(crate) fn end(self) -> Result<(), BenchError> {
        let Self { mut side, stdin, .. } = self;
        drop(stdin);
        side.expect_end()
    }
}
