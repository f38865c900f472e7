//! The paced source.

use super::{Helper, Target, write_line};
use crate::{Host, Lab, LabError, stream};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use types::GroupAddr;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    from: Ipv4Addr,
    to: Target,
    ttl: u32,
    per_second: u32,
}

/// What a source sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderSummary {
    /// Datagrams, numbered from 0.
    pub sent: u64,
}

/// A running source of the lab's stream.
#[derive(Debug)]
pub struct Sender {
    helper: Helper,
}

impl Sender {
    /// Starts sending [`stream::datagram`]s from `host` to `group`, evenly, `per_second` of them (more than 0),
    /// each with the given TTL.
    ///
    /// # Errors
    /// When the helper does not start.
    pub fn start(
        lab: &Lab,
        host: &Host,
        (group, port): (GroupAddr, u16),
        ttl: u8,
        per_second: u32,
    ) -> Result<Self, LabError> {
        let to = Target::new(group, port);
        let task = Task { from: host.address().addr(), to, ttl: ttl.into(), per_second: per_second.max(1) };
        let helper = Helper::start(
            lab,
            host.netns(),
            &super::Task::Send(task),
            &format!("source on {}", host.name()),
        )?;
        Ok(Self { helper })
    }

    /// Ends the stream and tells what was sent.
    ///
    /// # Errors
    /// When the helper has failed.
    pub fn stop(mut self) -> Result<SenderSummary, LabError> {
        self.helper.finish();
        self.helper.answer()
    }
}

/// The helper's side: sends until standard input ends.
pub(super) fn run(task: &Task) -> io::Result<()> {
    let socket = UdpSocket::bind((task.from, 0))?;
    socket.set_multicast_ttl_v4(task.ttl)?;
    socket.set_multicast_loop_v4(false)?;
    socket.connect((task.to.group, task.to.port))?;
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    std::thread::spawn(move || {
        // Whatever ends the input ends the stream.
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        flag.store(true, Ordering::Relaxed);
    });
    let gap = Duration::from_secs(1) / task.per_second;
    let mut due = Instant::now();
    let mut sent = 0;
    while !stopped.load(Ordering::Relaxed) {
        socket.send(&stream::datagram(sent))?;
        sent += 1;
        due += gap;
        // Late after a pause of the machine: the missed ones follow at once, so that the rate holds.
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    write_line(&SenderSummary { sent })
}
