//! Netlink sockets: requests, dumps and notifications, as payload bytes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netlink_packet_core::NetlinkBuffer;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
pub(crate) const RTM_GETLINK: u16 = 18;
pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_GETADDR: u16 = 22;
pub(crate) const RTM_NEWROUTE: u16 = 24;
pub(crate) const RTM_GETROUTE: u16 = 26;

/// Notifications of links that come, go and change.
pub(crate) const RTMGRP_LINK: u32 = 1;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Stand around requests that take effect together.
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;

/// Marks an attribute that is made of others.
pub(crate) const NLA_F_NESTED: u16 = 1 << 15;

const HEADER_LEN: usize = 16;

/// The kernel fills at most 32 KiB a datagram.
const BUFFER_LEN: usize = 64 * 1024;

/// Dumps that a change interrupted are begun anew, this often at most.
const DUMP_TRIES: usize = 8;

/// What one receive gave.
pub(crate) enum Received {
    /// This many bytes of messages.
    Bytes(usize),
    /// The kernel threw notifications away, or one was longer than the buffer.
    Overrun,
    /// Nothing there now.
    Empty,
}

/// A netlink socket of the calling thread's network namespace.
#[derive(Debug)]
pub(crate) struct Netlink {
    fd: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket that hears the notifications of `groups`; none are needed for requests.
    pub(crate) fn open(groups: u32) -> io::Result<Self> {
        Self::open_to(None, groups)
    }

    /// Opens a socket for requests to families that the kernel has numbered.
    pub(crate) fn open_generic() -> io::Result<Self> {
        Self::open_to(Some(net::netlink::GENERIC), 0)
    }

    /// Opens a socket for requests to the packet filter.
    pub(crate) fn open_filter() -> io::Result<Self> {
        Self::open_to(Some(net::netlink::NETFILTER), 0)
    }

    fn open_to(protocol: Option<net::Protocol>, groups: u32) -> io::Result<Self> {
        let fd = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        net::bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self { fd, buffer: vec![0; BUFFER_LEN], sequence: 0 })
    }

    /// One that every receive fails at.
    #[cfg(test)]
    pub(crate) fn broken() -> Self {
        Self { fd: std::fs::File::open("/dev/null").unwrap().into(), buffer: vec![0; 1], sequence: 0 }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Asks for every object of a sort, and gives what `parse` makes of each answer of type `answer`.
    pub(crate) fn dump<T>(
        &mut self,
        request: u16,
        body: &[u8],
        answer: u16,
        mut parse: impl FnMut(&[u8]) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        for _ in 0..DUMP_TRIES {
            self.send(request, NLM_F_DUMP, body)?;
            let mut found = Vec::new();
            let interrupted = self.receive_answers(|kind, payload| {
                if kind == answer {
                    found.extend(parse(payload));
                }
            })?;
            if !interrupted {
                return Ok(found);
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "the list kept changing while it was read"))
    }

    /// Asks for a change and waits for the kernel's verdict.
    pub(crate) fn change(&mut self, request: u16, body: &[u8]) -> io::Result<()> {
        self.send(request, NLM_F_ACK, body)?;
        self.receive_answers(|_, _| {}).map(drop)
    }

    /// Asks the packet filter's `subsystem` to make what is not there yet, and waits for the verdict.
    pub(crate) fn create_in_batch(&mut self, subsystem: u16, request: u16, body: &[u8]) -> io::Result<()> {
        self.sequence += 1;
        let [high, low] = subsystem.to_be_bytes();
        // Of no family, version 0, for that subsystem.
        let mark = [0, 0, high, low];
        let mut batch = self.message(NFNL_MSG_BATCH_BEGIN, 0, &mark);
        batch.extend(self.message(request, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body));
        batch.extend(self.message(NFNL_MSG_BATCH_END, 0, &mark));
        net::sendto(&self.fd, &batch, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        self.receive_answers(|_, _| {}).map(drop)
    }

    /// Nothing more is asked; what is the socket's own stays as long as this does.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Asks for one thing, and hands on the payload of each answer.
    pub(crate) fn ask(&mut self, request: u16, body: &[u8], mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.send(request, NLM_F_ACK, body)?;
        self.receive_answers(|_, payload| each(payload)).map(drop)
    }

    fn send(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.sequence += 1;
        let message = self.message(kind, flags, body);
        net::sendto(&self.fd, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        Ok(())
    }

    /// A request under the present number, filled up to a multiple of four.
    fn message(&self, kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let len = HEADER_LEN + body.len();
        let mut message = Vec::with_capacity(len.next_multiple_of(4));
        message.extend_from_slice(&(len as u32).to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
        message.extend_from_slice(&self.sequence.to_ne_bytes());
        message.extend_from_slice(&0_u32.to_ne_bytes());
        message.extend_from_slice(body);
        message.resize(len.next_multiple_of(4), 0);
        message
    }

    /// Hands on the answers to the last request up to its end; true when a change interrupted the dump.
    fn receive_answers(&mut self, mut each: impl FnMut(u16, &[u8])) -> io::Result<bool> {
        let mut interrupted = false;
        let sequence = self.sequence;
        loop {
            let len = match self.receive(RecvFlags::empty())? {
                Received::Bytes(len) => len,
                Received::Overrun | Received::Empty => return Err(io::ErrorKind::InvalidData.into()),
            };
            for message in messages(&self.buffer[..len]).filter(|m| m.sequence_number() == sequence) {
                interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
                match message.message_type() {
                    NLMSG_DONE | NLMSG_ERROR => return verdict(message.payload()).map(|()| interrupted),
                    kind => each(kind, message.payload()),
                }
            }
        }
    }

    /// Takes one datagram of the kernel's; what other processes send is skipped.
    pub(crate) fn receive(&mut self, flags: RecvFlags) -> io::Result<Received> {
        loop {
            let received = net::recvfrom(&self.fd, &mut self.buffer[..], flags | RecvFlags::TRUNC);
            let (len, full_len, from) = match received {
                Ok(received) => received,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return Ok(Received::Empty),
                Err(rustix::io::Errno::NOBUFS) => return Ok(Received::Overrun),
                Err(error) => return Err(error.into()),
            };
            let sender = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            if sender.is_none_or(|sender| sender.pid() != 0) {
                continue;
            }
            return Ok(if full_len > len { Received::Overrun } else { Received::Bytes(len) });
        }
    }

    /// The notifications in the first `len` bytes received.
    pub(crate) fn received(&self, len: usize) -> impl Iterator<Item = (u16, &[u8])> {
        messages(&self.buffer[..len]).map(|m| (m.message_type(), m.payload()))
    }
}

/// An attribute as bytes, filled up to a multiple of four.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = 4 + value.len();
    let mut bytes = Vec::with_capacity(len.next_multiple_of(4));
    bytes.extend_from_slice(&(len as u16).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(len.next_multiple_of(4), 0);
    bytes
}

/// The messages in a datagram, up to the first malformed one.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(bytes).ok()?;
        let len = message.length() as usize;
        let next = len.next_multiple_of(4).min(bytes.len());
        let this = &bytes[..len];
        bytes = &bytes[next..];
        Some(NetlinkBuffer::new(this))
    })
}

/// NLMSG_ERROR and NLMSG_DONE begin with a negative errno, or 0.
fn verdict(payload: &[u8]) -> io::Result<()> {
    let code = payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.saturating_neg())) }
}
