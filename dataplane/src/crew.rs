//! All workers together, as the main thread sees them: it deals a port's queues out, and gets them back.
//!
//! Worker w sends by transmit queue w of every port. Receive queues of a port that data comes in by are spread; those
//! of another port are all one worker's, the next port's the next worker's: so its reports and leaves stay in order on
//! their way to the control thread. A port stops when the last of its queues is back, and no sooner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dpdk::{Eal, Queues, Worker, WorkerError};
use forwarding::{Ingress, WorkerMeterReader};
use types::PortIndex;

use crate::assembly::Lane;
use crate::desk::{Done, HandedBack, Order, Take, WorkerDesk};
use crate::worker::{LAST_FRAMES, WorkerSeed};

/// Which workers receive what comes in by a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    /// All of them, a queue each: data comes in, and lots of it.
    Spread,
    /// One of them.
    One,
}

/// One worker on its way to its thread.
pub(crate) struct Hand {
    /// The core it runs on.
    pub(crate) core: u16,
    /// What it is made of.
    pub(crate) seed: WorkerSeed,
    /// How orders reach it.
    pub(crate) desk: WorkerDesk,
    /// What it does with its time.
    pub(crate) meter: WorkerMeterReader,
}

/// What is to be known of a running worker's time.
#[derive(Clone)]
pub(crate) struct Watched {
    /// The core it runs on.
    pub(crate) core: u16,
    /// When it started.
    pub(crate) started: Instant,
    /// What it does with its time.
    pub(crate) meter: WorkerMeterReader,
}

struct Member {
    desk: WorkerDesk,
    thread: Worker<()>,
    watched: Watched,
}

/// The running workers.
pub(crate) struct Crew {
    members: Vec<Member>,
    stop: Arc<AtomicBool>,
}

/// The worker of `workers` that receives by queue `queue` of `port`.
fn receiver(port: PortIndex, queue: u16, intake: Intake, workers: usize) -> usize {
    match intake {
        Intake::Spread => usize::from(queue) % workers,
        Intake::One => port.get() % workers,
    }
}

/// Each worker's part of a port's queues.
pub(crate) fn deal(port: PortIndex, queues: Queues, intake: Intake, workers: usize) -> Vec<Queues> {
    let mut parts: Vec<_> = (0..workers).map(|_| Queues { rx: Vec::new(), tx: Vec::new() }).collect();
    for queue in queues.rx {
        parts[receiver(port, queue.queue(), intake, workers)].rx.push(queue);
    }
    for queue in queues.tx {
        parts[usize::from(queue.queue()) % workers].tx.push(queue);
    }
    parts
}

impl Crew {
    /// Starts the workers, at least one; `stop` ends them.
    ///
    /// # Errors
    /// A worker does not start: none runs.
    pub(crate) fn start(eal: &Eal, hands: Vec<Hand>, stop: Arc<AtomicBool>) -> Result<Self, WorkerError> {
        let mut crew = Self { members: Vec::with_capacity(hands.len()), stop };
        for (number, Hand { core, seed, desk, meter }) in hands.into_iter().enumerate() {
            let run = move |_: &_| seed.run();
            match eal.spawn_worker(&format!("worker-{number}"), Some(usize::from(core)), run) {
                Ok(thread) => {
                    let watched = Watched { core, started: Instant::now(), meter };
                    crew.members.push(Member { desk, thread, watched });
                }
                Err(error) => {
                    crew.end();
                    return Err(error);
                }
            }
        }
        Ok(crew)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// For whoever wants to know what they do.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        self.members.iter().map(|member| member.watched.clone()).collect()
    }

    /// Whether one has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.members.iter().any(|member| member.thread.is_finished())
    }

    /// Ends them all. Their queues go with them, and so all ports stop. Whether every one ended well.
    pub(crate) fn end(self) -> bool {
        self.stop.store(true, Ordering::Release);
        // All of them, whatever became of the first.
        self.members.into_iter().map(|member| member.thread.join().is_ok()).fold(true, |all, one| all & one)
    }

    /// Has every worker let go of a port, all at the same time. `None` when a worker has ended.
    pub(crate) fn take_out(&self, port: PortIndex, take: Take) -> Option<HandedBack> {
        for member in &self.members {
            member.desk.order(Order::TakeOut(port, take));
        }
        // Every answer is waited for, also where one is missing: none may be taken for the next one's.
        let handed: Vec<_> = self.members.iter().map(|member| member.desk.done()).collect();
        let handed = handed.into_iter().map(|done| match done? {
            Done::TookOut(handed) => Some(handed),
            Done::PutIn | Done::Answered => None,
        });
        handed.reduce(|all, one| Some(all?.and(one?))).flatten()
    }

    /// Puts a port's queues into service, and waits until they are: only then may anything be sent to it.
    pub(crate) fn put_in(&self, port: PortIndex, queues: Queues, intake: Intake) {
        let parts = deal(port, queues, intake, self.len());
        for (member, part) in self.members.iter().zip(parts) {
            member.desk.order(Order::PutIn(port, part));
        }
        for member in &self.members {
            let _ = member.desk.done();
        }
    }

    /// Deals a port's receive queues out anew, as data comes in by it now, or does no more. What it sends goes on.
    pub(crate) fn deal_anew(&self, port: PortIndex, intake: Intake) {
        // One worker has them all, whatever comes in.
        if self.len() > 1
            && let Some(handed) = self.take_out(port, Take::Receive)
        {
            handed.close(|queues| self.put_in(port, queues, intake));
        }
    }

    /// Makes a port known, before its queues: a lane for each worker, in their order.
    pub(crate) fn admit(&self, lanes: Vec<Lane>) {
        for (member, lane) in self.members.iter().zip(lanes) {
            member.desk.order(Order::Admit(lane));
        }
    }

    /// Replaces what is known of frames that come in by `port`.
    pub(crate) fn set_ingress(&self, port: PortIndex, ingress: &Ingress) {
        for member in &self.members {
            member.desk.order(Order::SetIngress(port, ingress.clone()));
        }
    }

    /// Waits until every worker has carried out all that it was told.
    pub(crate) fn await_orders(&self) {
        for member in &self.members {
            member.desk.order(Order::Answer);
        }
        for member in &self.members {
            let _ = member.desk.done();
        }
    }

    /// Waits until what the control thread had for the workers has left by the wires, as far as can be told: NICs say
    /// nothing. The workers go on.
    pub(crate) fn await_sent(&self) {
        for member in &self.members {
            member.desk.order(Order::Inject);
        }
        for member in &self.members {
            let _ = member.desk.done();
        }
        std::thread::sleep(LAST_FRAMES);
    }

    /// Replaces the MTU of `port`, in bytes.
    pub(crate) fn set_mtu(&self, port: PortIndex, mtu: u16) {
        for member in &self.members {
            member.desk.order(Order::SetMtu(port, mtu));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receivers(place: usize, queues: u16, intake: Intake, workers: usize) -> Vec<usize> {
        let port = PortIndex::new(place).unwrap();
        (0..queues).map(|queue| receiver(port, queue, intake, workers)).collect()
    }

    #[test]
    fn queues_that_data_comes_in_by_are_spread_and_those_of_another_port_stay_together() {
        assert_eq!(receivers(0, 4, Intake::Spread, 2), [0, 1, 0, 1]);
        assert_eq!(receivers(5, 3, Intake::Spread, 3), [0, 1, 2]);
        // Fewer queues than workers: the others send only.
        assert_eq!(receivers(0, 1, Intake::Spread, 3), [0]);
        assert_eq!(receivers(4, 2, Intake::One, 3), [1, 1]);
        assert_eq!(receivers(5, 2, Intake::One, 3), [2, 2]);
        assert_eq!(receivers(7, 2, Intake::One, 1), [0, 0]);
    }
}
