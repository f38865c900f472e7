//! One port's way to the control thread, and which of its frames go there.

use types::{DropReason, PortIndex, Time};

use crate::classify::{ETHERNET_LEN, ETHERTYPE_IPV4, ETHERTYPE_QINQ, ETHERTYPE_VLAN, PROTOCOL_IGMP};
use crate::policer::Policer;
use crate::policy::MAX_WATCHED;
use crate::ring::{FrameSender, RING_FRAME_MAX, SendRefused};

/// ARP and echo requests for us, a second and at once after a pause: an operator's ping, and no more.
const NEIGHBOURS: (u32, u32) = (1_000, 64);
/// Samples of one watched group, a second and at once after a pause.
const SAMPLES: (u32, u32) = (32, 8);

/// What a frame that a worker handed to the control thread is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PuntKind {
    /// IGMP, for the protocol.
    Igmp,
    /// An ARP request or ICMP echo request for the port's address, to be answered.
    Neighbour,
    /// A copy of a watched group's data, as it came in. The frame itself went its own way.
    Sample,
}

/// Tells punted frames apart by their bytes. Says nothing of frames that no worker punts.
pub fn punt_kind(frame: &[u8]) -> PuntKind {
    if data_group(frame).is_some() {
        PuntKind::Sample
    } else if ipv4_fields(frame).is_some_and(|(protocol, _)| protocol == PROTOCOL_IGMP) {
        PuntKind::Igmp
    } else {
        PuntKind::Neighbour
    }
}

/// The group that a frame of data is for, however broken or tagged the frame is otherwise; host byte order.
pub(crate) fn data_group(frame: &[u8]) -> Option<u32> {
    let (protocol, destination) = ipv4_fields(frame)?;
    (destination >> 28 == 0xe && protocol != PROTOCOL_IGMP).then_some(destination)
}

/// Protocol and destination of what claims to be IPv4, behind one tag at most.
fn ipv4_fields(frame: &[u8]) -> Option<(u8, u32)> {
    let ethertype = |at: usize| Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?));
    let header = match ethertype(ETHERNET_LEN - 2)? {
        ETHERTYPE_VLAN | ETHERTYPE_QINQ => ETHERNET_LEN + 4,
        _ => ETHERNET_LEN,
    };
    if ethertype(header - 2)? != ETHERTYPE_IPV4 {
        return None;
    }
    let ip: &[u8; 20] = frame.get(header..)?.first_chunk()?;
    Some((ip[9], u32::from_be_bytes([ip[16], ip[17], ip[18], ip[19]])))
}

/// The ring to the control thread with a limit for each kind of frame in it.
///
/// What is no IGMP never fills more than half of the ring: a control thread held up for a second finds the
/// reports there, whoever pings.
pub(crate) struct PuntPath {
    ring: FrameSender,
    igmp: Policer,
    neighbours: Policer,
    /// One for each watched group: a loud one leaves the others theirs.
    samples: [Policer; MAX_WATCHED],
}

impl PuntPath {
    /// `igmp` limits IGMP; the other limits are fixed.
    pub(crate) fn new(ring: FrameSender, igmp: Policer) -> Self {
        let limit = |(per_second, burst)| Policer::new(per_second, burst);
        let samples = core::array::from_fn(|_| limit(SAMPLES));
        Self { ring, igmp, neighbours: limit(NEIGHBOURS), samples }
    }

    /// Hands over IGMP.
    ///
    /// # Errors
    /// Why the frame is to be dropped.
    pub(crate) fn igmp(&mut self, now: Time, port: PortIndex, frame: &[u8]) -> Result<(), DropReason> {
        if self.igmp.admit(now) { self.send(now, port, frame) } else { Err(DropReason::PuntPoliced) }
    }

    /// Hands over a request for us.
    ///
    /// # Errors
    /// Why the frame is to be dropped.
    pub(crate) fn neighbour(&mut self, now: Time, port: PortIndex, frame: &[u8]) -> Result<(), DropReason> {
        if !self.neighbours.admit(now) {
            Err(DropReason::NeighbourPoliced)
        } else if !self.ring.is_half_free() {
            Err(DropReason::PuntFull)
        } else {
            self.send(now, port, frame)
        }
    }

    /// Copies a frame for whoever watches its group, which is watched as number `watch`, cut to what the ring
    /// carries. Whether it got there.
    pub(crate) fn sample(&mut self, now: Time, port: PortIndex, watch: usize, frame: &[u8]) -> bool {
        let frame = &frame[..frame.len().min(RING_FRAME_MAX)];
        self.samples[watch].admit(now) && self.ring.is_half_free() && self.send(now, port, frame).is_ok()
    }

    fn send(&mut self, now: Time, port: PortIndex, frame: &[u8]) -> Result<(), DropReason> {
        self.ring.send_timed(now, port, frame).map_err(|refused| match refused {
            SendRefused::Full => DropReason::PuntFull,
            SendRefused::TooLong => DropReason::Chained,
        })
    }
}
