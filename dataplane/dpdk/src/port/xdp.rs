//! What the kernel drops at a net_af_xdp port, and its driver does not count: frames that find the receive ring full. It
//! counts those that found no buffer to be put into.

use core::cell::Cell;
use core::ffi::c_int;

/// More sockets than a process has: one for each queue of each port.
const MOST: usize = 1024;

/// A port's AF_XDP sockets, which are the driver's until the port is closed. They have counted since they were made.
#[derive(Debug, Default)]
pub(super) struct XdpSockets {
    sockets: Vec<XdpSocket>,
    /// Dropped before they were counted from zero.
    before: Cell<u64>,
}

#[derive(Debug)]
struct XdpSocket {
    fd: c_int,
    /// Frames dropped since it was made, as it told last.
    told: Cell<u64>,
}

/// All AF_XDP sockets of the process at a time; `None` where they cannot be told.
#[derive(Debug)]
pub(super) struct XdpSocketList(Option<Vec<c_int>>);

impl XdpSocketList {
    /// As things are.
    pub(super) fn now() -> Self {
        let mut sockets = vec![0; MOST];
        // SAFETY: `sockets` has the room that is told.
        let found = unsafe { dpdk_sys::shim_xdp_sockets(sockets.as_mut_ptr(), MOST as u32) };
        let found = usize::try_from(found).ok().filter(|found| *found <= MOST);
        Self(found.map(|found| {
            sockets.truncate(found);
            sockets
        }))
    }
}

impl XdpSockets {
    /// Those of `now` that were not there `before`; none where one of the two is not known, as others' might be among them.
    pub(super) fn made(before: XdpSocketList, now: XdpSocketList) -> Self {
        let (before, now) = before.0.zip(now.0).unwrap_or_default();
        let made = now.into_iter().filter(|fd| !before.contains(fd));
        Self {
            sockets: made.map(|fd| XdpSocket { fd, told: Cell::default() }).collect(),
            before: Cell::default(),
        }
    }

    /// Frames dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.all_dropped(ring_full).saturating_sub(self.before.get())
    }

    /// Counts from zero again.
    pub(super) fn reset(&self) {
        self.before.set(self.all_dropped(ring_full));
    }

    /// Where `read` fails, it is what the socket told last: from zero all would be counted again.
    fn all_dropped(&self, read: impl Fn(c_int) -> Option<u64>) -> u64 {
        let dropped = |socket: &XdpSocket| {
            socket.told.set(read(socket.fd).unwrap_or(socket.told.get()));
            socket.told.get()
        };
        self.sockets.iter().map(dropped).sum()
    }
}

/// Frames that a socket dropped since it was made; `None` where the kernel does not say.
fn ring_full(socket: c_int) -> Option<u64> {
    let mut frames = 0;
    // SAFETY: takes any number as a socket; `frames` is written on success.
    let ret = unsafe { dpdk_sys::shim_xdp_socket_ring_full(socket, &mut frames) };
    (ret == 0).then_some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(sockets: &[c_int]) -> XdpSocketList {
        XdpSocketList(Some(sockets.to_vec()))
    }

    fn made(before: XdpSocketList, now: XdpSocketList) -> Vec<c_int> {
        XdpSockets::made(before, now).sockets.iter().map(|socket| socket.fd).collect()
    }

    #[test]
    fn a_port_has_the_sockets_that_were_made_with_it_and_none_where_that_cannot_be_told() {
        assert_eq!(made(list(&[3, 9]), list(&[3, 5, 7, 9])), [5, 7]);
        assert_eq!(made(XdpSocketList(None), list(&[3, 5])), []);
        assert_eq!(made(list(&[3]), XdpSocketList(None)), []);
    }

    #[test]
    fn what_a_socket_does_not_tell_is_as_it_was_and_never_counted_again() {
        let sockets = XdpSockets::made(list(&[]), list(&[5, 6]));
        let dropped = |of_5, of_6| sockets.all_dropped(|fd| if fd == 5 { of_5 } else { of_6 });
        assert_eq!(dropped(Some(10), Some(20)), 30);
        assert_eq!(dropped(None, Some(21)), 31);
        assert_eq!(dropped(None, None), 31);
        assert_eq!(dropped(Some(12), Some(21)), 33);
    }

    #[test]
    fn what_is_no_socket_tells_nothing() {
        assert_eq!(ring_full(-1), None);
        assert!(XdpSocketList::now().0.is_some());
    }
}
