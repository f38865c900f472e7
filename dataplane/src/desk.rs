//! Between the main thread and a running worker: ports that come and go, and what is known of them.
//!
//! A worker carries orders out between two passes, so a port that goes costs the others no frame: only the moment
//! that it takes, which is measured.

use crossbeam::channel::{Receiver, Sender, bounded};
use dpdk::Queues;
use forwarding::Ingress;
use types::PortIndex;

use crate::assembly::Lane;

/// How much of a port a worker lets go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// Its receive queues: another worker gets them, or some.
    Receive,
    /// All of its queues.
    Queues,
    /// All of its queues, and what is known of the port.
    Port,
}

/// What the main thread asks of a running worker.
pub(crate) enum Order {
    /// Hand queues of the port back.
    TakeOut(PortIndex, Take),
    /// Serve these queues of a port.
    PutIn(PortIndex, Queues),
    /// Know a port.
    Admit(Lane),
    /// From now on this is known of frames that come in by the port.
    SetIngress(PortIndex, Ingress),
    /// The longest IP packet that the port carries, in bytes.
    SetMtu(PortIndex, u16),
    /// Send all that the control thread has ready, and say so.
    Inject,
    /// Say that all orders before this one are carried out.
    Answer,
}

/// What a worker has done, of orders whose end is waited for.
pub(crate) enum Done {
    /// It let go of a port.
    TookOut(HandedBack),
    /// It serves a port.
    PutIn,
    /// It knows what it was told, or has sent what there was.
    Answered,
}

/// What a worker hands back, or all workers together. Dropped, the port stops.
///
/// To stop or close a port gives the mbufs in its rings back, and a worker may hold further references to them in the
/// rings of other ports. Where references are not counted atomically, nobody else may give one back meanwhile, so the
/// worker stands still until this is gone.
pub(crate) struct HandedBack {
    queues: Queues,
    /// When the first worker stood still.
    began: u64,
    /// How long the one did that stood still longest, up to now.
    stood: u64,
    // After the queues: dropped in this order, the port is stopped when the workers go on.
    resume: Vec<Sender<()>>,
}

/// The worker's side of what it handed back.
#[must_use = "the worker stands still in `wait`"]
pub(crate) struct Parked(Option<Receiver<()>>);

impl HandedBack {
    /// What a worker hands back that stood still since `began`, in cycles of the time stamp counter; and what it has
    /// to wait for before it goes on, if it `waits`.
    pub(crate) fn new(queues: Queues, began: u64, waits: bool) -> (Self, Parked) {
        let (resume, resumed) = if waits {
            let (resume, resumed) = bounded(0);
            (vec![resume], Some(resumed))
        } else {
            (Vec::new(), None)
        };
        let stood = dpdk::cycles().saturating_sub(began);
        (Self { queues, began, stood, resume }, Parked(resumed))
    }

    /// With what another worker handed back of the same port.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.queues.rx.extend(other.queues.rx);
        self.queues.tx.extend(other.queues.tx);
        self.resume.extend(other.resume);
        Self { began: self.began.min(other.began), stood: self.stood.max(other.stood), ..self }
    }

    /// Has `close` do with the queues what is to be done while those workers wait that do. How long the one stood
    /// still that did longest, in cycles of the time stamp counter.
    pub(crate) fn close(self, close: impl FnOnce(Queues)) -> u64 {
        let Self { queues, began, stood, resume } = self;
        close(queues);
        let stood = if resume.is_empty() { stood } else { dpdk::cycles().saturating_sub(began) };
        drop(resume);
        stood
    }
}

impl Parked {
    /// Whether there is anything to wait for.
    pub(crate) fn is_parked(&self) -> bool {
        self.0.is_some()
    }

    /// Until the port is closed.
    pub(crate) fn wait(self) {
        if let Some(resumed) = self.0 {
            // Nothing is ever sent: the other end goes.
            let _ = resumed.recv();
        }
    }
}

/// The main thread's end: one order at a time whose end is waited for.
pub(crate) struct WorkerDesk {
    orders: Sender<Order>,
    done: Receiver<Done>,
}

/// The worker's end.
pub(crate) struct WorkerOrders {
    /// What to do.
    pub(crate) orders: Receiver<Order>,
    /// What is done.
    pub(crate) done: Sender<Done>,
}

/// Both ends.
pub(crate) fn worker_desk() -> (WorkerDesk, WorkerOrders) {
    let ((orders, received), (done, returned)) = (bounded(4), bounded(4));
    (WorkerDesk { orders, done: returned }, WorkerOrders { orders: received, done })
}

impl WorkerDesk {
    /// Gives an order. A worker that ended has dropped its end; queues in the order go, and so their port stops.
    pub(crate) fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// What the worker has done of the last order whose end is waited for; `None` when it has ended. Waits however
    /// long the worker is held up: an answer given up on would be taken for the next one's.
    pub(crate) fn done(&self) -> Option<Done> {
        self.done.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const NONE: Queues = Queues { rx: Vec::new(), tx: Vec::new() };

    #[test]
    fn workers_that_wait_stand_still_until_the_port_is_closed() {
        let began = dpdk::cycles();
        let (first, parked) = HandedBack::new(NONE, began, true);
        let (second, also) = HandedBack::new(NONE, began, true);
        assert!(parked.is_parked());
        let closed = Arc::new(AtomicUsize::new(0));
        let wait = |parked: Parked| {
            let seen = Arc::clone(&closed);
            std::thread::spawn(move || {
                parked.wait();
                seen.load(Ordering::Relaxed)
            })
        };
        let workers = [wait(parked), wait(also)];
        let cycles = first.and(second).close(|_| {
            for _ in 0..100 {
                std::thread::yield_now();
            }
            closed.store(1, Ordering::Relaxed);
        });
        for worker in workers {
            assert_eq!(worker.join().unwrap(), 1, "went on before the port was closed");
        }
        assert!(cycles > 0);
    }

    #[test]
    fn what_nobody_closes_holds_no_worker_up() {
        let (handed, parked) = HandedBack::new(NONE, dpdk::cycles(), true);
        drop(handed);
        parked.wait();
    }

    #[test]
    fn who_does_not_wait_goes_on_at_once() {
        let (handed, parked) = HandedBack::new(NONE, dpdk::cycles(), false);
        assert!(!parked.is_parked());
        parked.wait();
        handed.close(drop);
    }
}
