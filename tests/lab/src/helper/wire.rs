//! Frames byte for byte onto a wire, as no kernel would send them: tagged, in PPPoE, from anybody's MAC.

use super::{Helper, write_line};
use crate::{Host, Lab, LabError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType};
use rustix::net::{recvfrom, sendto, socket_with};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io::{self, BufRead};
use std::net::{Ipv4Addr, UdpSocket};
use std::num::{NonZeroU16, NonZeroU32};

/// Every EtherType, in network byte order.
const ETH_P_ALL: u16 = 3_u16.to_be();
/// Never forwarded, and nobody's.
const PROBE_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 254);
const PROBE: &[u8] = b"which interface leads to multicast?";
/// How long the probe may take to be seen.
const PROBE_LIMIT: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    from: Ipv4Addr,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    bytes: usize,
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
        let mut line = String::with_capacity(2 * frame.len());
        for byte in frame {
            // Writing to a String cannot fail.
            let _ = write!(line, "{byte:02x}");
        }
        self.helper.tell(&line)?;
        let Sent { bytes } = self.helper.answer()?;
        if bytes == frame.len() {
            return Ok(());
        }
        Err(LabError::Unexpected { what: "a packet socket".to_owned(), text: format!("{bytes} bytes sent") })
    }
}

/// The helper's side: sends until standard input ends.
pub(super) fn run(task: &Task) -> io::Result<()> {
    let every = Protocol::from_raw(NonZeroU32::from(NonZeroU16::new(ETH_P_ALL).unwrap_or(NonZeroU16::MIN)));
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, Some(every))?;
    let interface = learn_interface(&socket, task.from)?;
    write_line(&Sent { bytes: 0 })?;
    for line in io::stdin().lock().lines() {
        let frame = from_hex(&line?)?;
        let bytes = sendto(&socket, &frame, SendFlags::empty(), &interface)?;
        write_line(&Sent { bytes })?;
    }
    Ok(())
}

/// The packet address of the interface that multicast leaves by. It cannot be written down in safe code; but the
/// kernel gives it with each frame, also with one of ours.
fn learn_interface(socket: &OwnedFd, from: Ipv4Addr) -> io::Result<SocketAddrAny> {
    let probe = UdpSocket::bind((from, 0))?;
    probe.set_multicast_loop_v4(false)?;
    probe.send_to(PROBE, (PROBE_GROUP, 9))?;
    let mut buffer = [0; 2048];
    while poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&PROBE_LIMIT))? > 0 {
        let (length, _, address) = recvfrom(socket, &mut buffer[..], RecvFlags::empty())?;
        if let Some(address) = address.filter(|_| buffer[..length].ends_with(PROBE)) {
            return Ok(address);
        }
    }
    Err(io::Error::other("multicast leaves by no interface"))
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
    fn hexadecimal_is_read_whole_or_not_at_all() {
        assert_eq!(from_hex("00ff1A").unwrap(), [0, 255, 26]);
        for broken in ["0", "0g", "00f", "é0"] {
            assert!(from_hex(broken).is_err(), "{broken}");
        }
    }
}
