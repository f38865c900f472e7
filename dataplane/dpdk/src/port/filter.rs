//! Which frames a port lets in: by its addresses, and by lists of multicast addresses.

use types::MacAddr;

use super::Port;
use super::info::PortId;
use crate::error::{DpdkError, check};

/// How a port came to accept frames to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacFilter {
    /// It has that address by itself.
    Own,
    /// It has it besides its own.
    Added,
    /// It has it in place of its own.
    Replaced,
    /// It takes every frame.
    Promiscuous,
    /// The driver offers none of these; drivers without filters pass every frame by themselves.
    Unfiltered,
}

/// How a port came to accept multicast frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MulticastFilter {
    /// Those to the addresses asked for.
    List,
    /// All multicast frames.
    AllMulticast,
    /// All frames.
    Promiscuous,
    /// The driver offers none of these; drivers without filters pass every frame by themselves.
    Unfiltered,
}

/// Filters that were switched on here, to be undone: some outlive the process, in a kernel interface's flags.
#[derive(Debug, Default)]
pub(super) struct FilterState {
    added: Option<MacAddr>,
    promiscuous_for_mac: bool,
    promiscuous_for_multicast: bool,
    all_multicast: bool,
}

fn raw_mac(mac: MacAddr) -> dpdk_sys::rte_ether_addr {
    dpdk_sys::rte_ether_addr { addr_bytes: mac.0 }
}

fn current_mac(id: PortId) -> Result<MacAddr, DpdkError> {
    let mut mac = dpdk_sys::rte_ether_addr::default();
    // SAFETY: takes any port number; `mac` is written on success.
    check("rte_eth_macaddr_get", unsafe { dpdk_sys::rte_eth_macaddr_get(id.get(), &mut mac) })?;
    Ok(MacAddr(mac.addr_bytes))
}

fn set_promiscuous(id: PortId, on: bool) -> bool {
    let id = id.get();
    // SAFETY: both take any port number.
    let ret = unsafe {
        if on { dpdk_sys::rte_eth_promiscuous_enable(id) } else { dpdk_sys::rte_eth_promiscuous_disable(id) }
    };
    ret == 0
}

fn set_all_multicast(id: PortId, on: bool) -> bool {
    let id = id.get();
    // SAFETY: both take any port number.
    let ret = unsafe {
        if on {
            dpdk_sys::rte_eth_allmulticast_enable(id)
        } else {
            dpdk_sys::rte_eth_allmulticast_disable(id)
        }
    };
    ret == 0
}

impl FilterState {
    /// Takes back what is on; the port is stopped or about to be closed.
    pub(super) fn undo(&mut self, id: PortId) {
        if self.promiscuous_for_mac || self.promiscuous_for_multicast {
            set_promiscuous(id, false);
        }
        if self.all_multicast {
            set_all_multicast(id, false);
        }
        *self = Self::default();
    }

    /// Makes the port promiscuous as the two wishes say.
    fn apply_promiscuous(&self, id: PortId) -> bool {
        set_promiscuous(id, self.promiscuous_for_mac || self.promiscuous_for_multicast)
    }
}

impl Port {
    /// The port's own address, as of now.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn mac(&self) -> Result<MacAddr, DpdkError> {
        current_mac(self.id())
    }

    /// Makes the port accept frames to `mac`: as a further address, else as its own, else by taking every frame.
    /// An address added by an earlier call is removed.
    ///
    /// On af_packet the address would become the kernel interface's, so that port goes promiscuous at once.
    ///
    /// # Errors
    /// When `mac` is not a station's (zero, or a group's), or the device is gone.
    pub fn set_router_mac(&mut self, mac: MacAddr) -> Result<MacFilter, DpdkError> {
        if mac.is_multicast() || mac == MacAddr::ZERO {
            return Err(DpdkError::invalid("rte_eth_dev_mac_addr_add"));
        }
        let id = self.id();
        let own = current_mac(id)?;
        let kernel_mac = self.info().driver == "net_af_packet";
        let state = &mut *self.filters();
        if state.added.is_some_and(|old| old != mac)
            && let Some(old) = state.added.take()
        {
            // SAFETY: takes any port number and copies the address.
            unsafe { dpdk_sys::rte_eth_dev_mac_addr_remove(id.get(), &mut raw_mac(old)) };
        }
        // SAFETY: these take any port number and copy the address.
        let add = || unsafe { dpdk_sys::rte_eth_dev_mac_addr_add(id.get(), &mut raw_mac(mac), 0) } == 0;
        // SAFETY: as above.
        let replace =
            || unsafe { dpdk_sys::rte_eth_dev_default_mac_addr_set(id.get(), &mut raw_mac(mac)) } == 0;
        let outcome = if own == mac {
            MacFilter::Own
        } else if !kernel_mac && add() {
            state.added = Some(mac);
            MacFilter::Added
        } else if !kernel_mac && replace() {
            MacFilter::Replaced
        } else {
            state.promiscuous_for_mac = true;
            if state.apply_promiscuous(id) {
                return Ok(MacFilter::Promiscuous);
            }
            MacFilter::Unfiltered
        };
        if state.promiscuous_for_mac {
            state.promiscuous_for_mac = false;
            state.apply_promiscuous(id);
        }
        Ok(outcome)
    }

    /// Makes the port accept multicast frames to `groups` at least: by the list, else all multicast, else all frames.
    /// The list replaces that of an earlier call. The port must have been started.
    pub fn set_multicast_filter(&mut self, groups: &[MacAddr]) -> MulticastFilter {
        let id = self.id();
        let mut list: Vec<_> = groups.iter().copied().map(raw_mac).collect();
        let len = u32::try_from(list.len()).unwrap_or(u32::MAX);
        // SAFETY: takes any port number; `list` has `len` addresses, which the driver copies.
        let listed = unsafe { dpdk_sys::rte_eth_dev_set_mc_addr_list(id.get(), list.as_mut_ptr(), len) } == 0;
        self.open_for_multicast(listed)
    }

    /// Makes the port accept all multicast frames, else all frames. The port must have been started.
    pub fn accept_all_multicast(&mut self) -> MulticastFilter {
        self.open_for_multicast(false)
    }

    /// What a list in the port does not do, all multicast or promiscuous mode does.
    fn open_for_multicast(&mut self, listed: bool) -> MulticastFilter {
        let id = self.id();
        let state = &mut *self.filters();
        let all = !listed && set_all_multicast(id, true);
        if state.all_multicast && !all {
            set_all_multicast(id, false);
        }
        state.all_multicast = all;
        let had = state.promiscuous_for_multicast;
        state.promiscuous_for_multicast = !listed && !all;
        if state.promiscuous_for_multicast {
            state.promiscuous_for_multicast = state.apply_promiscuous(id);
        } else if had {
            state.apply_promiscuous(id);
        }
        if listed {
            MulticastFilter::List
        } else if all {
            MulticastFilter::AllMulticast
        } else if state.promiscuous_for_multicast {
            MulticastFilter::Promiscuous
        } else {
            MulticastFilter::Unfiltered
        }
    }
}
