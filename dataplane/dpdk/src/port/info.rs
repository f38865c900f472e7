//! What a port is and how it does.

use core::ffi::CStr;
use core::fmt;

use types::MacAddr;

use super::spread::Spread;
use crate::error::{DpdkError, PortError, check};
use crate::ownership::{check_driver, check_release};
use crate::raw::{REFCNT_IS_ATOMIC, RELEASE};

/// The most ports that this DPDK was built for.
pub const MAX_ETH_PORTS: usize = dpdk_sys::SHIM_MAX_ETHPORTS as usize;

/// DPDK's number of a port. Given by DPDK at probing, and given again once the device is gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(u16);

impl PortId {
    /// The id, or `None` when DPDK has no such number.
    #[inline]
    pub const fn new(id: u16) -> Option<Self> {
        if (id as usize) < MAX_ETH_PORTS { Some(Self(id)) } else { None }
    }

    /// The number.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DPDK port {}", self.0)
    }
}

/// What a port is: fixed while it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortInfo {
    /// The device's name: "0000:3b:00.0", "net_pcap0".
    pub name: String,
    /// The driver's name: "net_ice", "net_af_packet".
    pub driver: String,
    /// The address that the port had when it was opened.
    pub mac: MacAddr,
    /// The NUMA node, where there is one.
    pub node: Option<u32>,
    /// The kernel's index of the interface that the driver uses, if it uses one.
    pub interface: Option<u32>,
    /// Receive queues there are.
    pub max_rx_queues: u16,
    /// Transmit queues there are.
    pub max_tx_queues: u16,
    /// The smallest MTU in bytes.
    pub min_mtu: u16,
    /// The largest MTU in bytes.
    pub max_mtu: u16,
    /// Addresses that the port can have at once.
    pub max_mac_addrs: u32,
    /// Whether the NIC checks IPv4 header checksums.
    pub checks_ip: bool,
    /// What UDP is spread over several receive queues by.
    pub spread: Spread,
}

impl PortInfo {
    /// Asks the driver.
    pub(crate) fn of(id: PortId) -> Result<Self, PortError> {
        Ok(Self::read(id, &super::dev_info(id)?)?)
    }

    /// Whether its frames stay with one thread, where that matters.
    pub(crate) fn may_be_used(&self) -> Result<(), PortError> {
        check_release(REFCNT_IS_ATOMIC, RELEASE)?;
        Ok(check_driver(REFCNT_IS_ATOMIC, &self.name, &self.driver)?)
    }

    fn read(id: PortId, raw: &dpdk_sys::rte_eth_dev_info) -> Result<Self, DpdkError> {
        let mut mac = dpdk_sys::rte_ether_addr::default();
        // SAFETY: the port is valid (its info was read), `mac` is written.
        check("rte_eth_macaddr_get", unsafe { dpdk_sys::rte_eth_macaddr_get(id.get(), &mut mac) })?;
        // SAFETY: takes any port number.
        let node = unsafe { dpdk_sys::rte_eth_dev_socket_id(id.get()) };
        let driver = if raw.driver_name.is_null() {
            String::new()
        } else {
            // SAFETY: the driver's name is a terminated string that lives as long as the driver is loaded.
            unsafe { CStr::from_ptr(raw.driver_name) }.to_string_lossy().into_owned()
        };
        Ok(Self {
            name: name(id)?,
            mac: MacAddr(mac.addr_bytes),
            node: u32::try_from(node).ok(),
            interface: (raw.if_index != 0).then_some(raw.if_index),
            max_rx_queues: raw.max_rx_queues,
            max_tx_queues: raw.max_tx_queues,
            min_mtu: raw.min_mtu,
            max_mtu: raw.max_mtu,
            max_mac_addrs: raw.max_mac_addrs,
            checks_ip: raw.rx_offload_capa & dpdk_sys::SHIM_RX_OFFLOAD_IPV4_CKSUM != 0,
            spread: Spread::best(&driver, raw.flow_type_rss_offloads).0,
            driver,
        })
    }
}

fn name(id: PortId) -> Result<String, DpdkError> {
    let mut name = [0u8; dpdk_sys::SHIM_ETH_NAME_MAX_LEN as usize];
    // SAFETY: `name` has the room that DPDK asks for.
    let ret = unsafe { dpdk_sys::rte_eth_dev_get_name_by_port(id.get(), name.as_mut_ptr().cast()) };
    check("rte_eth_dev_get_name_by_port", ret)?;
    Ok(CStr::from_bytes_until_nul(&name).map_or_else(|_| String::new(), |n| n.to_string_lossy().into_owned()))
}

/// A port's link, as its driver says. Drivers of kernel interfaces and vdevs always say "up".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkStatus {
    /// Whether frames can pass.
    pub up: bool,
    /// Speed in Mbit/s, where known.
    pub speed_mbps: Option<u32>,
    /// Both directions at once.
    pub full_duplex: bool,
    /// Whether speed and duplex were negotiated.
    pub autoneg: bool,
}

impl LinkStatus {
    pub(super) fn read(id: PortId) -> Result<Self, DpdkError> {
        let mut link = dpdk_sys::shim_link::default();
        // SAFETY: takes any port number; `link` is written on success.
        check("rte_eth_link_get_nowait", unsafe { dpdk_sys::shim_link_get(id.get(), &mut link) })?;
        Ok(Self {
            up: link.up != 0,
            speed_mbps: (link.speed_mbps != 0 && link.speed_mbps != u32::MAX).then_some(link.speed_mbps),
            full_duplex: link.full_duplex != 0,
            autoneg: link.autoneg != 0,
        })
    }
}

/// A port's counters, most of them as its driver keeps them, since it was opened or since [`Port::reset_stats`](crate::Port).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortStats {
    /// Frames received and handed out.
    pub rx_frames: u64,
    /// Bytes in them.
    pub rx_bytes: u64,
    /// Frames dropped by the device, or by the kernel before it, because no one fetched them in time.
    pub rx_missed: u64,
    /// Frames received damaged.
    pub rx_errors: u64,
    /// Times that the pool had no mbuf for a frame.
    pub rx_no_mbuf: u64,
    /// Frames that were lost because they arrived in a buffer that someone else holds and there was none to copy
    /// them to. Only drivers that hand sent buffers back as received ones (`net_ring`) can count here.
    pub rx_not_copied: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Bytes in them.
    pub tx_bytes: u64,
    /// Frames taken for sending that could not be sent; `net_af_xdp` and `net_tap` have those here that they did not take.
    pub tx_errors: u64,
}

impl PortStats {
    pub(super) fn read(id: PortId) -> Result<Self, DpdkError> {
        let mut raw = dpdk_sys::rte_eth_stats::default();
        // SAFETY: takes any port number; `raw` is written.
        check("rte_eth_stats_get", unsafe { dpdk_sys::rte_eth_stats_get(id.get(), &mut raw) })?;
        Ok(Self {
            rx_frames: raw.ipackets,
            rx_bytes: raw.ibytes,
            rx_missed: raw.imissed,
            rx_errors: raw.ierrors,
            rx_no_mbuf: raw.rx_nombuf,
            rx_not_copied: 0,
            tx_frames: raw.opackets,
            tx_bytes: raw.obytes,
            tx_errors: raw.oerrors,
        })
    }
}
