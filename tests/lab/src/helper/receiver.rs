//! A viewer: joins a group as any program does, and checks what its socket gets.

use super::{Helper, Target, write_line};
use crate::{Host, Lab, LabError, stream};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::GroupAddr;

/// Enough for seconds of a stream while the machine is busy elsewhere, in bytes.
const RECEIVE_BUFFER: usize = 8 << 20;
/// What a receiver is told: how it goes, or to leave its group and say how it went.
const REPORT: &str = "report";
const LEAVE: &str = "leave";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    on: Ipv4Addr,
    from: Target,
}

/// What a receiver's socket got so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverSummary {
    /// Datagrams whose every byte was right.
    pub received: u64,
    /// The first one's number.
    pub first: Option<u64>,
    /// The highest number.
    pub last: Option<u64>,
    /// Numbers left out when a higher one came.
    pub lost: u64,
    /// Datagrams with a number not above the highest so far: repeated or late.
    pub out_of_order: u64,
    /// Datagrams with a wrong byte.
    pub damaged: u64,
}

impl ReceiverSummary {
    /// Each datagram from the first to the last, once, in order, right in every byte; and at least one.
    pub fn is_perfect(&self) -> bool {
        self.received > 0 && self.lost == 0 && self.out_of_order == 0 && self.damaged == 0
    }

    fn add(&mut self, payload: &[u8]) {
        let Some(number) = stream::verify(payload) else {
            self.damaged += 1;
            return;
        };
        self.received += 1;
        match self.last {
            Some(last) if number <= last => self.out_of_order += 1,
            Some(last) => {
                self.lost += number - last - 1;
                self.last = Some(number);
            }
            None => {
                self.first = Some(number);
                self.last = Some(number);
            }
        }
    }
}

/// A running receiver. Dropping it ends the program, whereupon its kernel leaves the group.
#[derive(Debug)]
pub struct Receiver {
    helper: Helper,
}

impl Receiver {
    /// Joins `group` on `host` and receives what comes to `port`; returns once the kernel has joined.
    ///
    /// # Errors
    /// When the helper does not start, or cannot join.
    pub fn join(lab: &Lab, host: &Host, (group, port): (GroupAddr, u16)) -> Result<Self, LabError> {
        let task = Task { on: host.address().addr(), from: Target::new(group, port) };
        let what = format!("receiver on {}", host.name());
        let mut helper = Helper::start(lab, host.netns(), &super::Task::Receive(task), &what)?;
        let ReceiverSummary { .. } = helper.answer()?;
        Ok(Self { helper })
    }

    /// What it got so far.
    ///
    /// # Errors
    /// When the helper has failed.
    pub fn summary(&mut self) -> Result<ReceiverSummary, LabError> {
        self.helper.tell(REPORT)?;
        self.helper.answer()
    }

    /// Leaves the group, as a program does that ends, and tells what it got.
    ///
    /// # Errors
    /// When the helper has failed.
    pub fn leave(mut self) -> Result<ReceiverSummary, LabError> {
        self.helper.tell(LEAVE)?;
        self.helper.answer()
    }
}

/// The helper's side: receives until standard input ends.
pub(super) fn run(task: &Task) -> io::Result<()> {
    // Bound to the group: nothing else that comes to the port is ours.
    let socket = UdpSocket::bind((task.from.group, task.from.port))?;
    set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
    socket.join_multicast_v4(&task.from.group, &task.on)?;
    let summary = Arc::new(Mutex::new(ReceiverSummary::default()));
    write_line(&ReceiverSummary::default())?;
    let (sink, receiving) = (Arc::clone(&summary), socket.try_clone()?);
    std::thread::spawn(move || {
        let mut buffer = [0; 2 * stream::DATAGRAM_LEN];
        // An error here means that the socket is gone, and the process with it.
        while let Ok(length) = receiving.recv(&mut buffer) {
            lock(&sink).add(&buffer[..length]);
        }
    });
    for line in io::stdin().lock().lines() {
        match line?.as_str() {
            REPORT => {}
            LEAVE => socket.leave_multicast_v4(&task.from.group, &task.on)?,
            other => return Err(io::Error::other(format!("told `{other}`"))),
        }
        write_line(&*lock(&summary))?;
    }
    Ok(())
}

fn lock(summary: &Mutex<ReceiverSummary>) -> MutexGuard<'_, ReceiverSummary> {
    summary.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(numbers: &[u64]) -> ReceiverSummary {
        let mut summary = ReceiverSummary::default();
        numbers.iter().for_each(|&n| summary.add(&stream::datagram(n)));
        summary
    }

    #[test]
    fn an_unbroken_run_is_perfect() {
        let summary = summary_of(&[5, 6, 7]);
        assert_eq!((summary.first, summary.last, summary.received), (Some(5), Some(7), 3));
        assert!(summary.is_perfect());
        assert!(!summary_of(&[]).is_perfect());
    }

    #[test]
    fn loss_repeats_disorder_and_damage_are_counted() {
        assert_eq!(summary_of(&[5, 8]).lost, 2);
        assert_eq!(summary_of(&[5, 5]).out_of_order, 1);
        assert_eq!(summary_of(&[5, 7, 6]).out_of_order, 1);
        let mut summary = summary_of(&[5]);
        summary.add(b"x");
        assert_eq!(summary.damaged, 1);
        assert!(!summary.is_perfect());
    }
}
