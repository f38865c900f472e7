//! Child processes that never outlive their handle.

use crate::{LabError, stop};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    what: String,
}

impl Process {
    /// Starts `command`, called `what` in messages. It gets a process group of its own: a terminal's Ctrl-C
    /// ends us alone, and we end our children in order.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(command: &mut Command, what: &str) -> Result<Self, LabError> {
        let child = command.process_group(0).spawn().map_err(LabError::io(format!("start {what}")))?;
        Ok(Self { child, what: what.to_owned() })
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.what
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its exit status if it has ended.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, LabError> {
        self.child.try_wait().map_err(LabError::io(format!("wait for {}", self.what)))
    }

    /// Sends `signal` unless it has ended.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&mut self, signal: Signal) -> Result<(), LabError> {
        // Until it is waited for, its id cannot belong to another process.
        if self.ended()?.is_none() {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, signal).map_err(|e| LabError::io(format!("signal {}", self.what))(e.into()))?;
        }
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`LabError::Timeout`] when it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, LabError> {
        stop::poll(limit, || self.ended())?
            .ok_or_else(|| LabError::Timeout { what: format!("end of {}", self.what), waited: limit })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only when it has already ended; a destructor has nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
