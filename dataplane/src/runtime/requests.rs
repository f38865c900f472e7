//! Requests of the socket: those that look go to the control thread, but for those about workers and connections, which
//! are answered here; those about settings go to the main thread, which has them and owns the ports.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{ConnectionsReply, Edit, ErrorKind, ErrorReply, Reply, Request};
use control::Answer;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::connections::connections;
use super::workers::Board;

/// Tasks that may wait.
const TASKS_QUEUED: usize = 16;

/// What somebody asks of the main thread.
#[derive(Debug)]
pub(crate) enum Task {
    /// Tell the settings in force.
    ShowSettings,
    /// Tell what these edits would do.
    Preview(Vec<Edit>),
    /// Read the files again, and do what differs.
    Reload,
    /// Change the live layer: all of it or nothing.
    Edit {
        /// In this order.
        edits: Vec<Edit>,
        /// What it was made for, if that matters.
        revision: Option<u64>,
    },
}

/// A task with whoever waits for what becomes of it.
struct Asked {
    task: Task,
    deadline: Instant,
    reply: Sender<Reply>,
}

/// The main thread's end.
pub(crate) struct Tasks(Receiver<Asked>);

/// The socket's end.
pub(crate) struct Front<A> {
    /// Answers what changes nothing: the control thread.
    looks: A,
    /// Answers of the workers.
    workers: Arc<Board>,
    /// Whether a PCI device could be opened.
    can_pci: bool,
    tasks: Sender<Asked>,
    waker: UnixStream,
}

/// Both ends; `waker` wakes the main thread.
pub(super) fn requests<A: Answer>(
    looks: A,
    workers: Arc<Board>,
    can_pci: bool,
    waker: UnixStream,
) -> (Front<A>, Tasks) {
    let (tasks, asked) = bounded(TASKS_QUEUED);
    (Front { looks, workers, can_pci, tasks, waker }, Tasks(asked))
}

impl Tasks {
    /// Carries out what waits. Nobody waits for the answer to a task whose time is over, and it is not begun.
    pub(crate) fn serve(&self, mut carry_out: impl FnMut(Task) -> Reply) {
        while let Ok(Asked { task, deadline, reply }) = self.0.try_recv() {
            if Instant::now() < deadline {
                // Whoever asked may have gone; done is done.
                let _ = reply.try_send(carry_out(task));
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
            | Request::ShowLatency
            | Request::ShowEvents { .. }
            | Request::Explain { .. } => self.looks.answer(request, patience),
            Request::ShowWorkers => Reply::Workers(self.workers.show(Instant::now())),
            Request::ShowConnections => self.connections(patience),
            Request::ShowSettings => self.ask(Task::ShowSettings, patience),
            Request::Preview { edits } => self.ask(Task::Preview(edits), patience),
            Request::Reload => self.ask(Task::Reload, patience),
            Request::Change { edits, revision } => self.ask(Task::Edit { edits, revision }, patience),
            Request::Enable => self.set("enabled", "true".to_owned(), patience),
            Request::Disable => self.set("enabled", "false".to_owned(), patience),
            // Quoted as TOML and Rust both do: names have letters, digits, `-`, `_` and `.` only, and what has
            // others is no port.
            Request::SetUpstream { port } => self.set("upstream", format!("{port:?}"), patience),
        }
    }
}

impl<A: Answer> Front<A> {
    /// Looks at the machine here; the ports are the control thread's to tell.
    fn connections(&self, patience: Duration) -> Reply {
        let ports = match self.looks.answer(Request::ShowPorts, patience) {
            Reply::Ports(ports) => ports.ports,
            refused => return refused,
        };
        match connections(&ports, self.can_pci) {
            Ok(connections) => Reply::Connections(ConnectionsReply { connections }),
            Err(failed) => error(ErrorKind::Failed, failed.to_string(), "try again"),
        }
    }
}

impl<A> Front<A> {
    /// Sets a key of `[proxy]`.
    fn set(&self, key: &str, value: String, patience: Duration) -> Reply {
        let edit = Edit { port: None, key: key.to_owned(), value: Some(value) };
        self.ask(Task::Edit { edits: vec![edit], revision: None }, patience)
    }

    fn ask(&self, task: Task, patience: Duration) -> Reply {
        let (reply, answer) = bounded(1);
        let deadline = Instant::now() + patience;
        let is_change = matches!(task, Task::Reload | Task::Edit { .. });
        match self.tasks.try_send(Asked { task, deadline, reply }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return error(
                    ErrorKind::Busy,
                    "too many changes and questions about settings wait already",
                    "try again",
                );
            }
            Err(TrySendError::Disconnected(_)) => return ending(),
        }
        // A full pipe wakes as well.
        let _ = (&self.waker).write(&[0]);
        match answer.recv_deadline(deadline) {
            Ok(reply) => reply,
            Err(RecvTimeoutError::Timeout) if !is_change => {
                error(ErrorKind::Late, "a change is being made, and takes its time", "try again")
            }
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

    fn front() -> (Front<Echo>, Tasks, UnixStream) {
        let (wake, waker) = UnixStream::pair().unwrap();
        let (front, tasks) = requests(Echo, Arc::new(Board::new(Vec::new(), 1)), false, waker);
        (front, tasks, wake)
    }

    fn message(reply: Reply) -> String {
        match reply {
            Reply::Error(error) => error.message,
            other => panic!("{other:?}"),
        }
    }

    /// What the main thread is told to do for `request`.
    fn told(request: Request) -> String {
        let (front, tasks, mut wake) = front();
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| message(front.answer(request, PATIENCE)));
            // Woken: then the change is there.
            wake.read_exact(&mut [0]).unwrap();
            tasks.serve(|task| error(ErrorKind::Busy, format!("{task:?}"), ""));
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
            let edits = vec![Edit { port: None, key: key.to_owned(), value }];
            format!("{:?}", Task::Edit { edits, revision: None })
        };
        assert_eq!(told(Request::ShowSettings), "ShowSettings");
        assert_eq!(told(Request::Preview { edits: vec![] }), "Preview([])");
        let change = Request::Change { edits: vec![], revision: Some(7) };
        assert_eq!(told(change), "Edit { edits: [], revision: Some(7) }");
        assert_eq!(told(Request::Enable), edit("enabled", "true"));
        assert_eq!(told(Request::Disable), edit("enabled", "false"));
        assert_eq!(told(Request::SetUpstream { port: "wan".to_owned() }), edit("upstream", "\"wan\""));
    }

    #[test]
    fn a_change_whose_time_is_over_is_not_begun() {
        let (front, tasks, _wake) = front();
        assert!(message(front.answer(Request::Reload, Duration::ZERO)).contains("not finished in time"));
        tasks.serve(|task| panic!("{task:?}"));
    }

    #[test]
    fn changes_that_nobody_gets_to_are_bounded_and_told_of_the_end() {
        let (front, tasks, _wake) = front();
        for _ in 0..TASKS_QUEUED {
            front.answer(Request::Reload, Duration::ZERO);
        }
        assert!(message(front.answer(Request::Reload, PATIENCE)).contains("too many changes and questions"));
        drop(tasks);
        assert!(message(front.answer(Request::Reload, PATIENCE)).contains("is ending"));
    }
}
