//! What the kernel drops at a net_af_xdp port, and its driver does not count: frames that find the receive ring full. It
//! counts those that found no buffer to be put into.

use core::cell::Cell;
use core::ffi::c_int;

/// More sockets than a process has: one for each queue of each port.
const MOST: usize = 1024;

/// A port's AF_XDP sockets, which are the driver's until the port is closed. They have counted since they were made.
#[derive(Debug, Default)]
pub(super) struct XdpSockets {
    sockets: Vec<c_int>,
    /// Dropped before they were counted from zero.
    before: Cell<u64>,
}

impl XdpSockets {
    /// All that the process has.
    pub(super) fn all() -> Self {
        let mut sockets = vec![0; MOST];
        // SAFETY: `sockets` has the room that is told.
        let found = unsafe { dpdk_sys::shim_xdp_sockets(sockets.as_mut_ptr(), MOST as u32) };
        sockets.truncate(found as usize);
        Self { sockets, before: Cell::default() }
    }

    /// Those that were not there before.
    pub(super) fn since(mut self, before: &Self) -> Self {
        self.sockets.retain(|socket| !before.sockets.contains(socket));
        self
    }

    /// Frames dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.all_dropped().saturating_sub(self.before.get())
    }

    /// Counts from zero again.
    pub(super) fn reset(&self) {
        self.before.set(self.all_dropped());
    }

    fn all_dropped(&self) -> u64 {
        // SAFETY: takes any number.
        self.sockets.iter().map(|socket| unsafe { dpdk_sys::shim_xdp_socket_ring_full(*socket) }).sum()
    }
}
