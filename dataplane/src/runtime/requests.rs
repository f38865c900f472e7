//! Requests of the socket: those that look go to the control thread, those that change things to the main
//! thread, which owns the ports.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use api::{Edit, ErrorReply, Reply, Request};
use control::{Answer, ControlHandle};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

/// Changes that may wait.
const CHANGES_QUEUED: usize = 16;

/// A change that somebody asks for.
#[derive(Debug)]
pub(crate) enum Change {
    /// Read the files again, and do what differs.
    Reload,
    /// Change the live layer: all of it or nothing.
    Edit(Vec<Edit>),
}

/// A change with whoever waits for what became of it.
struct Asked {
    change: Change,
    deadline: Instant,
    reply: Sender<Reply>,
}

/// The main thread's end.
pub(crate) struct Changes(Receiver<Asked>);

/// The socket's end.
pub(crate) struct Front {
    control: ControlHandle,
    changes: Sender<Asked>,
    waker: UnixStream,
}

/// Both ends; `waker` wakes the main thread.
pub(crate) fn requests(control: ControlHandle, waker: UnixStream) -> (Front, Changes) {
    let (changes, asked) = bounded(CHANGES_QUEUED);
    (Front { control, changes, waker }, Changes(asked))
}

impl Changes {
    /// Carries out what waits. Nobody waits for the answer to a change whose time is over, and it is not begun.
    pub(crate) fn serve(&self, mut carry_out: impl FnMut(Change) -> Reply) {
        while let Ok(Asked { change, deadline, reply }) = self.0.try_recv() {
            if Instant::now() < deadline {
                // Whoever asked may have gone; done is done.
                let _ = reply.try_send(carry_out(change));
            }
        }
    }
}

impl Answer for Front {
    fn answer(&self, request: Request, patience: Duration) -> Reply {
        match request {
            Request::ShowGroups
            | Request::ShowPorts
            | Request::ShowCounters
            | Request::ShowStatus
            | Request::Explain { .. } => self.control.answer(request, patience),
            Request::Reload => self.ask(Change::Reload, patience),
            Request::Change { edits } => self.ask(Change::Edit(edits), patience),
            Request::Enable => self.set("enabled", "true".to_owned(), patience),
            Request::Disable => self.set("enabled", "false".to_owned(), patience),
            // Quoted as TOML and Rust both do: names have letters, digits, `-`, `_` and `.` only, and what has
            // others is no port.
            Request::SetUpstream { port } => self.set("upstream", format!("{port:?}"), patience),
        }
    }
}

impl Front {
    /// Sets a key of `[proxy]`.
    fn set(&self, key: &str, value: String, patience: Duration) -> Reply {
        let edit = Edit { port: None, key: key.to_owned(), value: Some(value) };
        self.ask(Change::Edit(vec![edit]), patience)
    }

    fn ask(&self, change: Change, patience: Duration) -> Reply {
        let (reply, answer) = bounded(1);
        let deadline = Instant::now() + patience;
        match self.changes.try_send(Asked { change, deadline, reply }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return error("too many changes wait already", "try again");
            }
            Err(TrySendError::Disconnected(_)) => return ending(),
        }
        // A full pipe wakes as well.
        let _ = (&self.waker).write(&[0]);
        match answer.recv_deadline(deadline) {
            Ok(reply) => reply,
            Err(RecvTimeoutError::Timeout) => error(
                "the change was not finished in time",
                "look at `manifoldctl show status` and the log before trying again",
            ),
            Err(RecvTimeoutError::Disconnected) => ending(),
        }
    }
}

/// An error reply.
pub(crate) fn error(message: impl Into<String>, cure: impl Into<String>) -> Reply {
    Reply::Error(ErrorReply::new(message, cure))
}

fn ending() -> Reply {
    error("manifold is ending", "start it again")
}
