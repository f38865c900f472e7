//! Between the main thread and a running worker: ports that come and go, and what is known of them.
//!
//! A worker carries orders out between two passes, so a port that goes costs the others no frame: only the moment
//! that it takes, which is measured.

use crossbeam::channel::{Receiver, Sender, bounded};
use dpdk::Queues;
use forwarding::Ingress;
use types::PortIndex;

use crate::assembly::Lane;

/// What the main thread asks of a running worker.
pub(crate) enum Order {
    /// Hand the port's queues back.
    TakeOut {
        /// The port.
        port: PortIndex,
        /// And forget the port.
        for_good: bool,
    },
    /// Serve these queues of a port.
    PutIn(PortIndex, Queues),
    /// Know a port.
    Admit(Lane),
    /// From now on this is known of frames that come in by the port.
    SetIngress(PortIndex, Ingress),
    /// The longest IP packet that the port carries, in bytes.
    SetMtu(PortIndex, u16),
}

/// What a worker has done, of orders whose end is waited for.
pub(crate) enum Done {
    /// It took a port out.
    TookOut(HandedBack),
    /// It serves a port.
    PutIn,
}

/// What a worker hands back. Dropped, the port stops.
///
/// To stop or close a port gives the mbufs in its rings back, and the worker may hold further references to them in
/// the rings of other ports. Where references are not counted atomically, nobody else may give one back meanwhile, so
/// the worker stands still until this is gone.
pub(crate) struct HandedBack {
    queues: Queues,
    began: u64,
    ended: u64,
    // After the queues: dropped in this order, the port is stopped when the worker goes on.
    resume: Option<Sender<()>>,
}

/// The worker's side of what it handed back.
#[must_use = "the worker stands still in `wait`"]
pub(crate) struct Parked(Option<Receiver<()>>);

impl HandedBack {
    /// What a worker hands back that stood still since `began`, in cycles of the time stamp counter; and what it has
    /// to wait for before it goes on.
    pub(crate) fn new(queues: Queues, began: u64, refcnt_is_atomic: bool) -> (Self, Parked) {
        let (resume, resumed) = if refcnt_is_atomic {
            (None, None)
        } else {
            let (resume, resumed) = bounded(0);
            (Some(resume), Some(resumed))
        };
        (Self { queues, began, ended: dpdk::cycles(), resume }, Parked(resumed))
    }

    /// Has `close` stop the port. How long the worker stood still, in cycles of the time stamp counter.
    pub(crate) fn close(self, close: impl FnOnce(Queues)) -> u64 {
        let Self { queues, began, ended, resume } = self;
        close(queues);
        let ended = if resume.is_some() { dpdk::cycles() } else { ended };
        drop(resume);
        ended.saturating_sub(began)
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

/// The main thread's end: one order at a time.
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
    /// Takes a port out of service, its carrier gone: its queues, or `None` when the worker has ended. Waits
    /// however long the worker is held up: an answer given up on would be taken for the next one's.
    pub(crate) fn take_out(&self, port: PortIndex) -> Option<HandedBack> {
        self.take(port, false)
    }

    /// As [`take_out`](Self::take_out), and the worker forgets the port.
    pub(crate) fn dismiss(&self, port: PortIndex) -> Option<HandedBack> {
        self.take(port, true)
    }

    fn take(&self, port: PortIndex, for_good: bool) -> Option<HandedBack> {
        self.orders.send(Order::TakeOut { port, for_good }).ok()?;
        match self.done.recv().ok()? {
            Done::TookOut(handed) => Some(handed),
            Done::PutIn => None,
        }
    }

    /// Makes a port known, before its queues.
    pub(crate) fn admit(&self, lane: Lane) {
        self.order(Order::Admit(lane));
    }

    /// Puts a port into service, and waits until it is: only then may anything be sent to it.
    pub(crate) fn put_in(&self, port: PortIndex, queues: Queues) {
        self.order(Order::PutIn(port, queues));
        let _ = self.done.recv();
    }

    /// Replaces what is known of frames that come in by `port`.
    pub(crate) fn set_ingress(&self, port: PortIndex, ingress: Ingress) {
        self.order(Order::SetIngress(port, ingress));
    }

    /// Replaces the MTU of `port`, in bytes.
    pub(crate) fn set_mtu(&self, port: PortIndex, mtu: u16) {
        self.order(Order::SetMtu(port, mtu));
    }

    fn order(&self, order: Order) {
        // A worker that ended has dropped its end; queues in it go, and so their port stops.
        let _ = self.orders.send(order);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const NONE: Queues = Queues { rx: Vec::new(), tx: Vec::new() };

    #[test]
    fn counted_without_atomics_the_worker_stands_still_until_the_port_is_closed() {
        let (handed, parked) = HandedBack::new(NONE, dpdk::cycles(), false);
        assert!(parked.is_parked());
        let closed = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&closed);
        let worker = std::thread::spawn(move || {
            parked.wait();
            seen.load(Ordering::Relaxed)
        });
        let cycles = handed.close(|_| {
            for _ in 0..100 {
                std::thread::yield_now();
            }
            closed.store(true, Ordering::Relaxed);
        });
        assert!(worker.join().unwrap(), "went on before the port was closed");
        assert!(cycles > 0);
    }

    #[test]
    fn what_nobody_closes_holds_no_worker_up() {
        let (handed, parked) = HandedBack::new(NONE, dpdk::cycles(), false);
        drop(handed);
        parked.wait();
    }

    #[test]
    fn counted_atomically_the_worker_goes_on_at_once() {
        let (handed, parked) = HandedBack::new(NONE, dpdk::cycles(), true);
        assert!(!parked.is_parked());
        parked.wait();
        handed.close(drop);
    }
}
