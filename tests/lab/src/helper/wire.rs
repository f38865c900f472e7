//! Frames byte for byte onto a wire, as no kernel would send them: tagged, in PPPoE, from anybody's MAC.

use super::{Helper, write_line};
use crate::{Host, Lab, LabError, PacketSocket};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io::{self, BufRead};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Before the frames of a flood, and between them.
const FLOOD: &str = "flood";
/// A flood goes out in bursts, so many a second: finer would be the scheduler's work, coarser not a rate.
const BURSTS: u32 = 1_000;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    from: Ipv4Addr,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    bytes: usize,
}

/// A flood that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flooded {
    /// Bytes that were sent.
    pub bytes: usize,
    /// From the first frame to the end of the last burst's time: longer than planned if the sender was held up.
    pub took: Duration,
}

/// Puts frames on a host's wire. Sends one frame of its own at the start, to 224.0.0.254.
#[derive(Debug)]
pub struct FrameSender {
    helper: Helper,
}

impl FrameSender {
    /// Starts it on `host`.
    ///
    /// # Errors
    /// When the helper does not start, or may not open a packet socket.
    pub fn start(lab: &Lab, host: &Host) -> Result<Self, LabError> {
        let task = super::Task::Frames(Task { from: host.address().addr() });
        let mut helper = Helper::start(lab, host.netns(), &task, &format!("frames from {}", host.name()))?;
        let Sent { .. } = helper.answer()?;
        Ok(Self { helper })
    }

    /// Sends a frame from its destination MAC on, without padding or frame check sequence; returns once it is sent.
    ///
    /// # Errors
    /// When the kernel refuses it: it is shorter than an Ethernet header, or longer than the MTU allows.
    pub fn send(&mut self, frame: &[u8]) -> Result<(), LabError> {
        self.helper.tell(&to_hex(frame))?;
        let Sent { bytes } = self.helper.answer()?;
        if bytes == frame.len() {
            return Ok(());
        }
        Err(LabError::Unexpected { what: "a packet socket".to_owned(), text: format!("{bytes} bytes sent") })
    }

    /// Begins to send these frames over and over, `per_second` of them, until there were `count`.
    ///
    /// # Errors
    /// When the helper has failed.
    pub fn flood(mut self, frames: &[Vec<u8>], count: usize, per_second: u32) -> Result<Flood, LabError> {
        let frames: Vec<_> = frames.iter().map(|frame| to_hex(frame)).collect();
        self.helper.tell(&format!("{FLOOD} {count} {per_second} {}", frames.join(" ")))?;
        Ok(Flood { sender: self })
    }
}

/// Many frames on their way.
#[derive(Debug)]
pub struct Flood {
    sender: FrameSender,
}

impl Flood {
    /// Waits for its end; gives the sender back, and what came of it.
    ///
    /// # Errors
    /// When the kernel refused a frame, or the end is not near.
    pub fn finish(mut self) -> Result<(FrameSender, Flooded), LabError> {
        let flooded = self.sender.helper.answer()?;
        Ok((self.sender, flooded))
    }
}

fn to_hex(frame: &[u8]) -> String {
    let mut line = String::with_capacity(2 * frame.len());
    for byte in frame {
        // Writing to a String cannot fail.
        let _ = write!(line, "{byte:02x}");
    }
    line
}

/// The helper's side: sends until standard input ends.
pub(super) fn run(task: &Task) -> io::Result<()> {
    let socket = PacketSocket::open(task.from)?;
    write_line(&Sent { bytes: 0 })?;
    let send = |frame: &[u8]| match socket.send(frame)? {
        true => Ok(frame.len()),
        false => Err(io::Error::other("the far end has no room for a frame")),
    };
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.strip_prefix(FLOOD) {
            None => write_line(&Sent { bytes: send(&from_hex(&line)?)? })?,
            Some(order) => write_line(&flood(order, send)?)?,
        }
    }
    Ok(())
}

/// Sends as `order` says: how many, how many a second, the frames.
fn flood(order: &str, send: impl Fn(&[u8]) -> io::Result<usize>) -> io::Result<Flooded> {
    let broken = || io::Error::other("an order for a flood");
    let mut words = order.split_whitespace();
    let count: usize = words.next().and_then(|word| word.parse().ok()).ok_or_else(broken)?;
    let per_second: u32 = words.next().and_then(|word| word.parse().ok()).ok_or_else(broken)?;
    let frames: Vec<_> = words.map(from_hex).collect::<io::Result<_>>()?;
    let mut left = frames.iter().cycle().take(count);
    let began = Instant::now();
    let (mut due, mut bytes) = (began, 0);
    loop {
        let mut burst = left.by_ref().take((per_second / BURSTS).max(1) as usize).peekable();
        if burst.peek().is_none() {
            return Ok(Flooded { bytes, took: began.elapsed() });
        }
        for frame in burst {
            bytes += send(frame)?;
        }
        due += Duration::from_secs(1) / BURSTS;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

fn from_hex(line: &str) -> io::Result<Vec<u8>> {
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok().filter(|_| pair.len() == 2)
    };
    let bytes: Option<_> = line.as_bytes().chunks(2).map(byte).collect();
    bytes.ok_or_else(|| io::Error::other(format!("told `{line}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_tells_how_long_it_took() {
        let sent = std::cell::Cell::new(0);
        let send = |frame: &[u8]| {
            sent.set(sent.get() + 1);
            Ok(frame.len())
        };
        let flooded = flood("20 2000 00ff 1a", send).unwrap();
        assert_eq!((sent.get(), flooded.bytes), (20, 30));
        // Ten bursts of two.
        assert!(flooded.took >= Duration::from_millis(10), "{flooded:?}");
        let slow = flood("2 2000 00", |frame| {
            std::thread::sleep(Duration::from_millis(20));
            Ok(frame.len())
        });
        assert!(slow.unwrap().took >= Duration::from_millis(40), "what holds the sender up is in it");
    }

    #[test]
    fn hexadecimal_is_read_whole_or_not_at_all() {
        assert_eq!(from_hex("00ff1A").unwrap(), [0, 255, 26]);
        for broken in ["0", "0g", "00f", "é0"] {
            assert!(from_hex(broken).is_err(), "{broken}");
        }
    }
}
