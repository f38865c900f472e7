//! What the kernel knows of a net_af_packet port, and its driver does not tell.

use core::cell::Cell;
use core::ffi::c_int;

use super::info::PortInfo;
use crate::raw::RELEASE;

/// Bytes that a packet socket may have on their way: more than a ring of 512 of the largest frames holds, twice over.
const ROOM: c_int = 64 << 20;
/// The most sockets of one port: one for each queue (RTE_PMD_AF_PACKET_MAX_RINGS).
const MOST: usize = 16;
/// The driver itself tells what the kernel dropped from this release on. To read the kernel's count sets it to zero, so one
/// alone may.
const TOLD_SINCE: (u32, u32) = (25, 3);

/// A port's packet sockets, none where another driver has it. They are the driver's, which closes them when the port stops.
#[derive(Debug, Default)]
pub(super) struct PacketSockets {
    sockets: Vec<c_int>,
    without_room: usize,
    dropped: Cell<u64>,
}

impl PacketSockets {
    /// Those of a port that was just opened, with room for what is on its way.
    ///
    /// A queue far behind the interface that keeps frames keeps their room, too: once a ring is full of such frames the
    /// driver would wait for one, and with it every other port.
    pub(super) fn of(info: &PortInfo) -> Self {
        let Some(interface) = info.interface.filter(|_| info.driver == "net_af_packet") else {
            return Self::default();
        };
        let mut sockets = [0; MOST];
        // SAFETY: `sockets` has the room that is told.
        let found = unsafe { dpdk_sys::shim_packet_sockets(interface, sockets.as_mut_ptr(), MOST as u32) };
        let sockets = sockets[..MOST.min(usize::try_from(found).unwrap_or(0))].to_vec();
        // SAFETY: takes any number.
        let has_room = |socket: &&c_int| unsafe { dpdk_sys::shim_packet_socket_room(**socket, ROOM) } == 0;
        let without_room = sockets.len() - sockets.iter().filter(has_room).count();
        Self { sockets, without_room, dropped: Cell::default() }
    }

    /// How many did not get the room.
    pub(super) fn without_room(&self) -> usize {
        self.without_room
    }

    /// Counts what the kernel dropped as their ring was full. Only while the port runs: they end with that.
    pub(super) fn look(&self) {
        if RELEASE < TOLD_SINCE {
            // SAFETY: takes any number.
            let new = |socket: &c_int| u64::from(unsafe { dpdk_sys::shim_packet_socket_drops(*socket) });
            self.dropped.set(self.dropped.get() + self.sockets.iter().map(new).sum::<u64>());
        }
    }

    /// Frames that were dropped by the last look; none where the driver tells of them.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// Counts from zero again.
    pub(super) fn reset(&self) {
        self.dropped.set(0);
    }
}
