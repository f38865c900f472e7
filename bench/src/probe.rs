//! A source and a host in one: asks for a group by a client's cable, and sees how long it takes until the first frame that it
//! sends by the source's cable comes back to it. One thread, one clock, in the scheduler's idle class. The frames' gap
//! is part of what is measured, and is told.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use igmp::wire::{Outgoing, emit};
use lab::PacketSocket;
use lab::helper::write_line;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};
use types::GroupAddr;

use crate::chance::Chance;
use crate::error::BenchError;
use crate::machine::pin;
use crate::source;
use crate::traffic::Ready;

const FORWARDER: &str = "the forwarder";
/// From one data frame to the next, if the core manages.
const GAP: Duration = Duration::from_micros(5);
/// Gaps that are kept.
const GAPS: usize = 1 << 20;
/// What took longer never came.
const LONGEST: Duration = Duration::from_secs(20);
/// How long the stream of a member flows before the member leaves.
const WATCHED: Duration = Duration::from_micros(500);
/// A stream of which so many frames in a row did not come has ended: time alone would also pass while we do not run.
const ENDED: u32 = 2_000;
/// Groups that are joined first and not counted: what everybody does for the first time.
const WARM_UP: u32 = 5;

/// What to ask for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The namespace that it begins in is the host's, this one the source's.
    pub(crate) source_netns: String,
    /// The source.
    pub(crate) source: Ipv4Addr,
    /// The host.
    pub(crate) host: Ipv4Addr,
    /// The groups: so many from this one on, each once.
    pub(crate) first: Ipv4Addr,
    pub(crate) joins: u32,
    /// The first so many are left again.
    pub(crate) leaves: u32,
    /// The core of all this.
    pub(crate) core: u16,
}

/// What was seen, delays in nanoseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// From the report to the first frame.
    pub(crate) joins: Vec<u64>,
    /// From the Leave to the last frame; 0 where none came.
    pub(crate) leaves: Vec<u64>,
    /// Frames that came after the Leave.
    pub(crate) after: Vec<u64>,
    /// The source's gaps: the median, and the one that 99 of 100 do not exceed.
    pub(crate) gaps: [u64; 2],
}

/// The helper's side.
pub(crate) fn run(task: &Task) -> Result<(), BenchError> {
    pin(task.core)?;
    let open = |from| PacketSocket::open(from).map_err(BenchError::io("open a packet socket"));
    let host = open(task.host)?;
    let path = format!("/run/netns/{}", task.source_netns);
    let netns = File::open(&path).map_err(BenchError::io(&path))?;
    // The host's socket stays where it was opened.
    move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(BenchError::io("enter the source's namespace"))?;
    let source = open(task.source)?;
    let failed = || BenchError::io("answer");
    write_line(&Ready {}).map_err(failed())?;
    std::io::stdin().read_line(&mut String::new()).map_err(failed())?;
    let seen = Probe::new(task, source, host).run()?;
    write_line(&seen).map_err(failed())
}

struct Probe<'a> {
    task: &'a Task,
    source: PacketSocket,
    host: PacketSocket,
    group: Ipv4Addr,
    data: Vec<u8>,
    sent: Instant,
    gaps: Vec<u64>,
    chance: Chance,
    buffer: [u8; 2048],
}

impl<'a> Probe<'a> {
    fn new(task: &'a Task, source: PacketSocket, host: PacketSocket) -> Self {
        let (group, data, gaps) = (task.first, Vec::new(), Vec::with_capacity(GAPS));
        Self {
            task,
            source,
            host,
            group,
            data,
            sent: Instant::now(),
            gaps,
            chance: Chance::new(1),
            buffer: [0; 2048],
        }
    }

    fn run(&mut self) -> Result<Seen, BenchError> {
        let mut seen = Seen::default();
        for number in 0..WARM_UP + self.task.joins {
            let join = self.join(number)?;
            let Some(counted) = number.checked_sub(WARM_UP) else { continue };
            seen.joins.push(nanoseconds(join));
            if counted < self.task.leaves {
                let (leave, after) = self.leave()?;
                seen.leaves.push(nanoseconds(leave));
                seen.after.push(after);
            }
        }
        self.gaps.sort_unstable();
        let gap = |percent: usize| self.gaps.get(self.gaps.len() * percent / 100).copied().unwrap_or(0);
        seen.gaps = [gap(50), gap(99)];
        Ok(seen)
    }

    /// Asks for the group of that number, whose frames have been sent for a while; how long until the first came.
    fn join(&mut self, number: u32) -> Result<Duration, BenchError> {
        self.group = Ipv4Addr::from(u32::from(self.task.first) + number);
        self.data = source::frame(self.group, 0, source::SHORTEST);
        // With chance in it: nobody is in step with a timer.
        let wait = Duration::from_micros(500 + u64::from(self.chance.next() % 1000));
        if self.watch(wait)?.frames > 0 {
            return Err(BenchError::delivery(FORWARDER, format!("frames of {} came unasked", self.group)));
        }
        let asked = self.say(Outgoing::ReportV2)?;
        while asked.elapsed() < LONGEST {
            if let Some(first) = self.turn()?.first {
                return Ok(first - asked);
            }
        }
        Err(BenchError::delivery(
            FORWARDER,
            format!("a join of {} had no effect within {LONGEST:?}", self.group),
        ))
    }

    /// Leaves the present group; how long until the last frame, and how many came.
    fn leave(&mut self) -> Result<(Duration, u64), BenchError> {
        let began = Instant::now();
        // Who does not run for a while sees nothing.
        while self.watch(WATCHED)?.frames == 0 {
            if began.elapsed() > LONGEST {
                return Err(BenchError::delivery(
                    FORWARDER,
                    format!("the stream of {} ended by itself", self.group),
                ));
            }
        }
        let left = self.say(Outgoing::Leave)?;
        let (mut last, mut after, mut silent) = (left, 0, 0);
        while left.elapsed() < LONGEST {
            let turn = self.turn()?;
            after += turn.frames;
            last = turn.last.unwrap_or(last);
            silent = if turn.frames > 0 { 0 } else { silent + u32::from(turn.sent) };
            if silent > ENDED {
                return Ok((last - left, after));
            }
        }
        Err(BenchError::delivery(
            FORWARDER,
            format!("a leave of {} had no effect within {LONGEST:?}", self.group),
        ))
    }

    /// Sends a message about the present group; when.
    fn say(&mut self, message: impl Fn(GroupAddr) -> Outgoing) -> Result<Instant, BenchError> {
        let group = GroupAddr::from_bits(self.group.into())
            .ok_or_else(|| BenchError::machine("no multicast address", "report it"))?;
        let frame = emit(message(group), source::HOST_MAC, self.task.host, 0);
        let now = Instant::now();
        match self.host.send(frame.as_slice()).map_err(BenchError::io("send a report"))? {
            true => Ok(now),
            false => Err(BenchError::machine("a port has no room for a report", "report it")),
        }
    }

    /// What comes within `length`, while frames are sent.
    fn watch(&mut self, length: Duration) -> Result<Turn, BenchError> {
        let (began, mut all) = (Instant::now(), Turn::default());
        while began.elapsed() < length {
            let turn = self.turn()?;
            all.frames += turn.frames;
        }
        Ok(all)
    }

    /// Sends a frame if one is due, and takes what has come.
    fn turn(&mut self) -> Result<Turn, BenchError> {
        let now = Instant::now();
        let gap = now - self.sent;
        let sent = gap >= GAP;
        if sent {
            self.sent = now;
            if self.gaps.len() < GAPS {
                self.gaps.push(nanoseconds(gap));
            }
            // A frame that nobody had room for is one less, as elsewhere on a wire.
            self.source.send(&self.data).map_err(BenchError::io("send data"))?;
        }
        let mut turn = Turn { sent, ..Turn::default() };
        while let Some(length) = self.host.receive(&mut self.buffer).map_err(BenchError::io("receive"))? {
            if is_data(&self.buffer[..length], self.group) {
                let now = Instant::now();
                turn =
                    Turn { frames: turn.frames + 1, first: turn.first.or(Some(now)), last: Some(now), sent };
            }
        }
        Ok(turn)
    }
}

/// What was sent, and the frames of the present group that came.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    frames: u64,
    first: Option<Instant>,
    last: Option<Instant>,
    sent: bool,
}

fn nanoseconds(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether a frame is UDP to `group`.
fn is_data(frame: &[u8], group: Ipv4Addr) -> bool {
    frame.get(12..14) == Some(&[8, 0])
        && frame.get(23) == Some(&17)
        && frame.get(30..34) == Some(&group.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_the_group_is_told_from_the_rest() {
        let group = Ipv4Addr::new(239, 32, 0, 1);
        let frame = source::frame(group, 0, source::SHORTEST);
        assert!(is_data(&frame, group));
        assert!(!is_data(&frame, Ipv4Addr::new(239, 32, 0, 2)));
        let report =
            emit(Outgoing::ReportV2(GroupAddr::from_bits(group.into()).unwrap()), source::HOST_MAC, group, 0);
        assert!(!is_data(report.as_slice(), group), "a report goes to its group, too");
        assert!(!is_data(&frame[..33], group));
    }
}
