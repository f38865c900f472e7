//! The poll loop of one worker.
//!
//! A pass: receive from each port, some bursts where they are full, forward each burst and hand it to the drivers; then do
//! the same with what the control thread wants sent. No lock, no heap, no log; the one system call is the wake-up of a
//! sleeping control thread after a burst that punted, and, when idle and told so, a short sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use control::{Clock, Waker};
use dpdk::{Burst, FanBatch, Mempool, Queues, RxQueue};
use forwarding::{BURST, EgressMacs, Forwarder, FrameReceiver, PortsEgress, WorkerCounters, WorkerMeter};
use types::PortIndex;

use crate::desk::{Done, HandedBack, Order, Parked, Take, WorkerOrders};
use crate::pace::Pace;
use crate::sizes::{HOUSEKEEPING, INJECTED_A_PASS};

/// Frames that one port, or one run, collects before they are handed to the driver.
const TX_BATCH: usize = 64;
/// Idle passes after which an adaptive worker begins to sleep.
const IDLE_PASSES: u32 = 4_000;
/// The sleep grows with idleness up to this: what comes in meanwhile waits in the driver's ring. With 512
/// frames there, and a kernel that wakes a thread half a millisecond late, that is some 700,000 frames a
/// second; busier than that, a worker is never idle.
const LONGEST_SLEEP: Duration = Duration::from_micros(250);
const SHORTEST_SLEEP: Duration = Duration::from_micros(20);
/// What a NIC may take to send the control thread's last frames, the Leaves: a thousand of them at 100 Mbit/s. One that is
/// stopped sends nothing that its ring still holds.
pub(crate) const LAST_FRAMES: Duration = Duration::from_millis(10);

/// What a worker is made of, on its way to the worker's thread: mbufs do not leave their thread, so the
/// arrays that hold them are made there.
pub(crate) struct WorkerSeed {
    /// Ports that come and go.
    pub(crate) orders: WorkerOrders,
    /// Classifies and replicates.
    pub(crate) forwarder: Forwarder,
    /// Counts what is sent.
    pub(crate) counters: WorkerCounters,
    /// What data goes out from.
    pub(crate) macs: Arc<EgressMacs>,
    /// Its queues of every port.
    pub(crate) queues: Vec<(PortIndex, Queues)>,
    /// What the control thread wants sent: one worker sends it all, so that the frames of a port stay in order.
    pub(crate) inject: Option<FrameReceiver>,
    /// What it does with its time.
    pub(crate) meter: WorkerMeter,
    /// Where copies and frames to inject get their mbufs.
    pub(crate) pool: Mempool,
    /// Wakes the control thread.
    pub(crate) waker: Waker,
    /// Tells the time for the punt policers.
    pub(crate) clock: Clock,
    /// Sleeps when idle.
    pub(crate) adaptive: bool,
    /// Ends the loop.
    pub(crate) stop: Arc<AtomicBool>,
}

impl WorkerSeed {
    /// Polls until told to stop, and sends what the control thread still had for it. Its queues end with
    /// it, and so its ports stop.
    pub(crate) fn run(self) {
        self.worker().run();
    }

    /// The worker, on the thread that it is to run on.
    pub(crate) fn worker(self) -> Worker {
        let Self {
            orders,
            forwarder,
            counters,
            macs,
            queues,
            inject,
            meter,
            pool,
            waker,
            clock,
            adaptive,
            stop,
        } = self;
        let (egress, receive) = (PortsEgress::new(counters, pool, macs), Vec::new());
        let pace = Pace::new(meter.long());
        let mut worker =
            Worker { orders, forwarder, egress, receive, inject, meter, pace, waker, clock, adaptive, stop };
        for (port, queues) in queues {
            worker.put_in(port, queues);
        }
        worker
    }
}

/// What was done in a pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// Bursts received.
    bursts: u32,
    /// How long it took.
    cycles: u64,
}

/// A worker on its thread.
pub(crate) struct Worker {
    orders: WorkerOrders,
    forwarder: Forwarder,
    egress: PortsEgress<FanBatch<TX_BATCH>>,
    receive: Vec<(PortIndex, RxQueue)>,
    inject: Option<FrameReceiver>,
    meter: WorkerMeter,
    pace: Pace,
    waker: Waker,
    clock: Clock,
    adaptive: bool,
    stop: Arc<AtomicBool>,
}

impl Worker {
    fn run(mut self) {
        let mut burst = Burst::<BURST>::new();
        let mut turns = 0u32;
        let mut idle = 0u32;
        loop {
            let worked = self.pass(&mut burst);
            turns += worked.map_or(1, |work| work.bursts.max(1));
            idle = if worked.is_some() { 0 } else { idle.saturating_add(1) };
            if let Some(Work { cycles, .. }) = worked {
                self.pace.took(cycles);
            }
            let sleeps = self.adaptive && idle > IDLE_PASSES;
            if sleeps {
                self.sleep(idle - IDLE_PASSES);
            }
            if sleeps || turns >= HOUSEKEEPING {
                turns = 0;
                self.housekeep();
                if self.stop.load(Ordering::Acquire) {
                    break;
                }
            }
        }
        self.inject_all();
        std::thread::sleep(LAST_FRAMES);
    }

    /// What need not be done in every pass.
    pub(crate) fn housekeep(&mut self) {
        self.forwarder.table().quiesce();
        self.meter.settle();
        // One at a time: a change of many ports holds frames up no longer than one of a few.
        // Looked at first: to find none by taking one costs a fence.
        if !self.orders.orders.is_empty()
            && let Ok(order) = self.orders.orders.try_recv()
        {
            self.obey(order);
            self.meter.pause();
        }
    }

    /// Sends all that the control thread has ready.
    fn inject_all(&mut self) {
        while self.inject() {
            self.egress.flush();
        }
    }

    /// Carries out what the main thread asks. Rare, so it may touch the heap.
    #[cold]
    fn obey(&mut self, order: Order) {
        match order {
            // Whoever asked waits for what is done: there is room.
            Order::TakeOut(port, take) => {
                let (handed, parked) = self.take_out(port, take);
                let _ = self.orders.done.try_send(Done::TookOut(handed));
                self.stand_still(parked);
            }
            Order::PutIn(port, queues) => {
                self.put_in(port, queues);
                let _ = self.orders.done.try_send(Done::PutIn);
            }
            Order::Inject => {
                self.inject_all();
                let _ = self.orders.done.try_send(Done::Answered);
            }
            Order::Answer => {
                let _ = self.orders.done.try_send(Done::Answered);
            }
            Order::Admit(lane) => lane.add_to(&mut self.forwarder),
            Order::SetIngress(port, ingress) => self.forwarder.set_ingress(port, ingress),
            Order::SetMtu(port, mtu) => self.forwarder.set_mtu(port, mtu),
        }
    }

    fn take_out(&mut self, port: PortIndex, take: Take) -> (HandedBack, Parked) {
        let began = dpdk::cycles();
        let taken = self.receive.extract_if(.., |(at, _)| *at == port);
        let mut queues = Queues { rx: taken.map(|(_, queue)| queue).collect(), tx: Vec::new() };
        self.meter.set_rx_queues(self.receive.len());
        if take == Take::Port {
            // What control has for it is counted as its own still.
            self.inject_all();
            self.forwarder.remove_port(port);
        }
        if take != Take::Receive {
            queues.tx.extend(self.egress.remove_port(port));
        }
        let closes = take != Take::Receive;
        HandedBack::new(queues, began, closes && !dpdk::REFCNT_IS_ATOMIC)
    }

    /// Touches no mbuf until the port that was handed back is closed, where that matters; nor is anybody held up
    /// meanwhile who waits for readers of the table.
    fn stand_still(&mut self, parked: Parked) {
        if parked.is_parked() {
            self.forwarder.table().sleep();
            parked.wait();
            self.forwarder.table().wake();
        }
    }

    fn put_in(&mut self, port: PortIndex, queues: Queues) {
        self.receive.extend(queues.rx.into_iter().map(|queue| (port, queue)));
        self.meter.set_rx_queues(self.receive.len());
        for queue in queues.tx {
            self.egress.add_port(port, queue);
        }
    }

    /// One pass; nothing if there was nothing to do.
    #[inline]
    pub(crate) fn pass(&mut self, burst: &mut Burst<BURST>) -> Option<Work> {
        let mut began = None;
        let mut bursts = 0;
        for (port, queue) in &mut self.receive {
            for _ in 0..self.pace.bursts() {
                let received = queue.rx_burst(burst);
                if received == 0 {
                    break;
                }
                bursts += 1;
                began = began.or_else(|| Some(self.meter.began(dpdk::cycles)));
                self.meter.received(received);
                let report = self.forwarder.forward(|| self.clock.now(), *port, burst, &mut self.egress);
                // At once: a lone frame waits neither for the other queues' turns nor for the control thread's.
                self.egress.flush();
                if report.punted > 0 {
                    self.waker.wake();
                }
                if received < BURST {
                    break;
                }
            }
        }
        if self.inject() {
            began = began.or_else(|| Some(self.meter.began(dpdk::cycles)));
            self.egress.flush();
        }
        let Some(began) = began else {
            self.meter.idled();
            return None;
        };
        Some(Work { bursts, cycles: self.meter.worked(began, dpdk::cycles()) })
    }

    /// Takes frames from the control thread. Whether there were any.
    #[inline]
    fn inject(&mut self) -> bool {
        let Some(inject) = &mut self.inject else { return false };
        let mut any = false;
        for _ in 0..INJECTED_A_PASS {
            let taken = inject.recv(|port, frame| self.egress.inject(port, frame));
            if taken.is_none() {
                break;
            }
            any = true;
        }
        any
    }

    /// Asleep it holds nothing of the table, and so holds nobody up.
    #[cold]
    fn sleep(&mut self, idle: u32) {
        self.forwarder.table().sleep();
        std::thread::sleep((SHORTEST_SLEEP * idle).min(LONGEST_SLEEP));
        self.forwarder.table().wake();
    }
}
