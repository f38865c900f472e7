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

/// What a worker hands back.
pub(crate) struct HandedBack {
    /// The port's queues, all of them.
    pub(crate) queues: Queues,
    /// How long the worker stood still for it, in cycles of the time stamp counter.
    pub(crate) cycles: u64,
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
