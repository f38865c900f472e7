//! Frames byte for byte onto a wire and from it, past the kernel's own IP.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size_force;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType};
use rustix::net::{recv, recvfrom, sendto, socket_with};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::num::{NonZeroU16, NonZeroU32};

/// Every EtherType, in network byte order.
const ETH_P_ALL: u16 = 3_u16.to_be();
/// Never forwarded, and nobody's.
const PROBE_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 254);
const PROBE: &[u8] = b"which interface leads to multicast?";
/// Bytes of frames on their way.
const SEND_BUFFER: usize = 8 << 20;
/// How long the probe may take to be seen.
const PROBE_LIMIT: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A packet socket of the namespace that its thread was in when it was opened. It gets every frame of the namespace but those
/// that it sends itself.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    interface: SocketAddrAny,
}

impl PacketSocket {
    /// Opens one that sends by the interface by which multicast from `from` leaves. Sends one frame of its own, to
    /// 224.0.0.254.
    ///
    /// # Errors
    /// Without the privilege, or when multicast leaves by no interface.
    pub fn open(from: Ipv4Addr) -> io::Result<Self> {
        let every =
            Protocol::from_raw(NonZeroU32::from(NonZeroU16::new(ETH_P_ALL).unwrap_or(NonZeroU16::MIN)));
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, Some(every))?;
        // A frame counts until somebody has taken it from its veth: the default would have the sender wait for that.
        set_socket_send_buffer_size_force(&socket, SEND_BUFFER)?;
        let interface = learn_interface(&socket, from)?;
        Ok(Self { socket, interface })
    }

    /// Sends a frame from its destination MAC on, without padding or frame check sequence. Whether the far end took it: a
    /// veth refuses what its far end has no room for.
    ///
    /// # Errors
    /// When the kernel refuses it: it is shorter than an Ethernet header, or longer than the MTU allows.
    pub fn send(&self, frame: &[u8]) -> io::Result<bool> {
        match sendto(&self.socket, frame, SendFlags::empty(), &self.interface) {
            Ok(bytes) if bytes == frame.len() => Ok(true),
            Ok(bytes) => Err(io::Error::other(format!("of {} bytes {bytes} were sent", frame.len()))),
            Err(Errno::NOBUFS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts the next frame that came into `buffer`, cut to what fits, and returns its length there; `None` at once when none
    /// waits.
    ///
    /// # Errors
    /// As the system's.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match recv(&self.socket, buffer, RecvFlags::DONTWAIT) {
            Ok((length, _)) => Ok(Some(length)),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
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
