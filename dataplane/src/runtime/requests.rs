//! Requests of the socket: those that look go to the control thread, but for those about workers, which are answered
//! here; those that change things go to the main thread, which owns the ports.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use api::{Edit, ErrorKind, ErrorReply, Reply, Request};
use control::Answer;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::workers::Board;

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
pub(crate) struct Front<A> {
    /// Answers what changes nothing: the control thread.
    looks: A,
    /// Answers of the workers.
    workers: Board,
    changes: Sender<Asked>,
    waker: UnixStream,
}

/// Both ends; `waker` wakes the main thread.
pub(super) fn requests<A: Answer>(looks: A, workers: Board, waker: UnixStream) -> (Front<A>, Changes) {
    let (changes, asked) = bounded(CHANGES_QUEUED);
    (Front { looks, workers, changes, waker }, Changes(asked))
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

impl<A: Answer> Answer for Front<A> {
    fn answer(&self, request: Request, patience: Duration) -> Reply {
        match request {
            Request::ShowGroups
            | Request::ShowPorts
            | Request::ShowCounters
            | Request::ShowStatus
            | Request::ShowConnections
            | Request::ShowLatency
            | Request::ShowEvents { .. }
            | Request::Explain { .. } => self.looks.answer(request, patience),
            Request::ShowWorkers => Reply::Workers(self.workers.show(Instant::now())),
            Request::Reload => self.ask(Change::Reload, patience),
            Request::ShowSettings | Request::Preview { .. } => {
                error(ErrorKind::Unavailable, "this is not answered yet", "ask a later version")
            }
            Request::Change { edits, revision: None } => self.ask(Change::Edit(edits), patience),
            Request::Change { revision: Some(_), .. } => {
                error(ErrorKind::Unavailable, "settings have no revisions yet", "leave `revision` out")
            }
            Request::Enable => self.set("enabled", "true".to_owned(), patience),
            Request::Disable => self.set("enabled", "false".to_owned(), patience),
            // Quoted as TOML and Rust both do: names have letters, digits, `-`, `_` and `.` only, and what has
            // others is no port.
            Request::SetUpstream { port } => self.set("upstream", format!("{port:?}"), patience),
        }
    }
}

impl<A> Front<A> {
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
                return error(ErrorKind::Busy, "too many changes wait already", "try again");
            }
            Err(TrySendError::Disconnected(_)) => return ending(),
        }
        // A full pipe wakes as well.
        let _ = (&self.waker).write(&[0]);
        match answer.recv_deadline(deadline) {
            Ok(reply) => reply,
            Err(RecvTimeoutError::Timeout) => error(
                ErrorKind::Late,
                "the change was not finished in time",
                "look at `manifoldctl show status` and the log before trying again",
            ),
            Err(RecvTimeoutError::Disconnected) => ending(),
        }
    }
}

/// An error reply.
pub(crate) fn error(kind: ErrorKind, message: impl Into<String>, cure: impl Into<String>) -> Reply {
    Reply::Error(ErrorReply::new(kind, message, cure))
}

fn ending() -> Reply {
    error(ErrorKind::Unavailable, "manifold is ending", "start it again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    /// Long enough for any machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Says what it was asked.
    struct Echo;

    impl Answer for Echo {
        fn answer(&self, request: Request, _patience: Duration) -> Reply {
            error(ErrorKind::Busy, request.name(), "")
        }
    }

    fn front() -> (Front<Echo>, Changes, UnixStream) {
        let (wake, waker) = UnixStream::pair().unwrap();
        let (front, changes) = requests(Echo, Board::new(Vec::new(), 1), waker);
        (front, changes, wake)
    }

    fn message(reply: Reply) -> String {
        match reply {
            Reply::Error(error) => error.message,
            other => panic!("{other:?}"),
        }
    }

    /// What the main thread is told to do for `request`.
    fn told(request: Request) -> String {
        let (front, changes, mut wake) = front();
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| message(front.answer(request, PATIENCE)));
            // Woken: then the change is there.
            wake.read_exact(&mut [0]).unwrap();
            changes.serve(|change| error(ErrorKind::Busy, format!("{change:?}"), ""));
            asked.join().unwrap()
        })
    }

    #[test]
    fn what_looks_goes_to_control_and_what_changes_to_the_main_thread() {
        let (front, ..) = front();
        assert_eq!(message(front.answer(Request::ShowStatus, PATIENCE)), "show-status");
        let answered = front.answer(Request::ShowWorkers, Duration::ZERO);
        assert_eq!(answered, Reply::Workers(api::WorkersReply::default()));
        assert_eq!(told(Request::Reload), "Reload");
        let edit = |key: &str, value: &str| {
            let value = Some(value.to_owned());
            format!("{:?}", Change::Edit(vec![Edit { port: None, key: key.to_owned(), value }]))
        };
        assert_eq!(told(Request::Enable), edit("enabled", "true"));
        assert_eq!(told(Request::Disable), edit("enabled", "false"));
        assert_eq!(told(Request::SetUpstream { port: "wan".to_owned() }), edit("upstream", "\"wan\""));
    }

    #[test]
    fn a_change_whose_time_is_over_is_not_begun() {
        let (front, changes, _wake) = front();
        assert!(message(front.answer(Request::Reload, Duration::ZERO)).contains("not finished in time"));
        changes.serve(|change| panic!("{change:?}"));
    }

    #[test]
    fn changes_that_nobody_gets_to_are_bounded_and_told_of_the_end() {
        let (front, changes, _wake) = front();
        for _ in 0..CHANGES_QUEUED {
            front.answer(Request::Reload, Duration::ZERO);
        }
        assert!(message(front.answer(Request::Reload, PATIENCE)).contains("too many changes"));
        drop(changes);
        assert!(message(front.answer(Request::Reload, PATIENCE)).contains("is ending"));
    }
}
