//! Ethernet ports: opened, started into queues, stopped by handing the queues back, closed.

mod filter;
mod info;
mod packet;
mod queue;
mod spread;
mod xdp;

use core::cell::Cell;
use core::ffi::c_int;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use filter::{MacFilter, MulticastFilter};
pub use info::{LinkStatus, MAX_ETH_PORTS, PortId, PortInfo, PortStats};
pub use queue::{RxQueue, TxQueue};
pub use spread::Spread;

use crate::eal::Eal;
use crate::error::{DpdkError, PortError, check};
use crate::mempool::Mempool;
use filter::FilterState;
use packet::PacketSockets;
use xdp::{XdpSocketList, XdpSockets};

/// How to start a port.
#[derive(Debug, Clone)]
pub struct PortConfig {
    /// Receive queues. With several, the NIC spreads streams as [`PortInfo::spread`] says, by address alone if it can, as
    /// ports would tear fragments apart, and by destination alone where it can.
    pub rx_queues: u16,
    /// Transmit queues: one a worker.
    pub tx_queues: u16,
    /// Descriptors of a receive queue, adjusted to what the driver takes.
    pub rx_descriptors: u16,
    /// Descriptors of a transmit queue, adjusted to what the driver takes.
    pub tx_descriptors: u16,
    /// Where received frames are stored.
    pub pool: Mempool,
    /// MTU in bytes; the driver's default (1,500 or its most) if `None`.
    pub mtu: Option<u16>,
}

impl PortConfig {
    /// One queue each way with 1,024 descriptors.
    pub fn new(pool: Mempool) -> Self {
        Self { rx_queues: 1, tx_queues: 1, rx_descriptors: 1024, tx_descriptors: 1024, pool, mtu: None }
    }
}

/// All queues of a started port.
#[derive(Debug)]
pub struct Queues {
    /// Receive queues, by number.
    pub rx: Vec<RxQueue>,
    /// Transmit queues, by number.
    pub tx: Vec<TxQueue>,
}

/// A port in one's hands; for one thread at a time.
///
/// It runs from [`Port::start`] until the last of its queues is gone, and is closed when the `Port` is gone too.
/// Closed, its device has to be detached and attached to be used again.
#[derive(Debug)]
pub struct Port {
    inner: Arc<Opened>,
    info: PortInfo,
    sockets: PacketSockets,
    xdp_sockets: XdpSockets,
    _not_sync: PhantomData<Cell<()>>,
}

/// A port until it is closed.
#[derive(Debug)]
struct Opened {
    id: PortId,
    closed: bool,
    running: AtomicBool,
    /// What the last stop returned.
    stopped_with: AtomicI32,
    /// Frames lost as they arrived in a buffer that others hold, and there was none to copy them to.
    not_copied: AtomicU64,
    filters: Mutex<FilterState>,
    /// Pools that the port's queues were ever set up with: the driver may hold mbufs until it is closed.
    pools: Mutex<Vec<Mempool>>,
    eal: Eal,
}

/// A port while it runs; each queue holds it.
#[derive(Debug)]
pub(crate) struct Running(Arc<Opened>);

impl Running {
    fn count_not_copied(&self) {
        self.0.not_copied.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: no queue of the port is left, so no thread is in one of its bursts or will be.
        let ret = unsafe { dpdk_sys::rte_eth_dev_stop(self.0.id.get()) };
        self.0.stopped_with.store(ret, Ordering::Relaxed);
        self.0.running.store(false, Ordering::Release);
    }
}

impl Opened {
    fn close(&mut self) -> c_int {
        self.closed = true;
        self.filters.get_mut().unwrap_or_else(PoisonError::into_inner).undo(self.id);
        // SAFETY: the port is stopped (every `Running` holds this), and this is its last holder.
        let ret = unsafe { dpdk_sys::rte_eth_dev_close(self.id.get()) };
        self.eal.give_port(self.id);
        ret
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if !self.closed {
            self.close();
        }
    }
}

impl Port {
    /// Takes a port in hand. It is not started.
    ///
    /// # Errors
    /// [`PortError::NoSuchPort`], [`PortError::InUse`], or what the driver says; [`PortError::Ownership`] where its
    /// driver may not be used with this DPDK.
    pub fn open(eal: &Eal, id: PortId) -> Result<Self, PortError> {
        // SAFETY: takes any port number.
        if unsafe { dpdk_sys::rte_eth_dev_is_valid_port(id.get()) } == 0 {
            return Err(PortError::NoSuchPort(id.get()));
        }
        if !eal.take_port(id) {
            return Err(PortError::InUse(id.get()));
        }
        let info = PortInfo::of(id).and_then(|info| info.may_be_used().map(|()| info));
        let info = match info {
            Ok(info) => info,
            Err(e) => {
                eal.give_port(id);
                return Err(e);
            }
        };
        let sockets = PacketSockets::of(&info);
        let inner = Opened {
            id,
            eal: eal.clone(),
            closed: false,
            running: AtomicBool::new(false),
            stopped_with: AtomicI32::new(0),
            not_copied: AtomicU64::new(0),
            filters: Mutex::default(),
            pools: Mutex::default(),
        };
        let xdp_sockets = XdpSockets::default();
        Ok(Self { inner: Arc::new(inner), info, sockets, xdp_sockets, _not_sync: PhantomData })
    }

    /// DPDK's number of it.
    pub fn id(&self) -> PortId {
        self.inner.id
    }

    /// What it is.
    pub fn info(&self) -> &PortInfo {
        &self.info
    }

    /// Whether queues of it exist.
    pub fn is_running(&self) -> bool {
        self.inner.running.load(Ordering::Acquire)
    }

    /// Sets the port up and starts it.
    ///
    /// Header checksums are checked by the NIC where it can; no other offload is asked for.
    ///
    /// # Errors
    /// [`PortError::Running`] while queues of an earlier start exist, [`PortError::TooFewQueues`], or
    /// [`PortError::Start`] with what DPDK and the driver say; then the port is stopped.
    pub fn start(&mut self, config: &PortConfig) -> Result<Queues, PortError> {
        if self.inner.running.swap(true, Ordering::Acquire) {
            return Err(PortError::Running(self.id().get()));
        }
        // Its sockets are made with its queues, and no other port is started meanwhile.
        let before = (self.info.driver == "net_af_xdp").then(XdpSocketList::now);
        let (set_up, log) = self.inner.eal.recorded(|| self.set_up(config));
        if let Err(error) = set_up {
            self.inner.running.store(false, Ordering::Release);
            return Err(match error {
                PortError::Dpdk(reason) => PortError::Start { reason, log },
                other => other,
            });
        }
        if let Some(before) = before {
            self.xdp_sockets = XdpSockets::made(before, XdpSocketList::now());
        }
        let running = Arc::new(Running(Arc::clone(&self.inner)));
        let id = self.id();
        Ok(Queues {
            rx: (0..config.rx_queues)
                .map(|q| RxQueue::new(id, q, config.pool.clone(), Arc::clone(&running)))
                .collect(),
            tx: (0..config.tx_queues).map(|q| TxQueue::new(id, q, Arc::clone(&running))).collect(),
        })
    }

    /// Configures the device and its queues, and starts it.
    fn set_up(&self, config: &PortConfig) -> Result<(), PortError> {
        let id = self.id().get();
        let raw = dev_info(self.id())?;
        self.check_queues("receive", config.rx_queues, raw.max_rx_queues)?;
        self.check_queues("transmit", config.tx_queues, raw.max_tx_queues)?;
        let conf = device_config(config, &self.info.driver, &raw);
        // SAFETY: `conf` lives through the call, which copies it; the port is stopped.
        let ret = unsafe { dpdk_sys::rte_eth_dev_configure(id, config.rx_queues, config.tx_queues, &conf) };
        check("rte_eth_dev_configure", ret)?;

        let (mut rx_descriptors, mut tx_descriptors) = (config.rx_descriptors, config.tx_descriptors);
        // SAFETY: both numbers are read and written in the call.
        let ret = unsafe {
            dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(id, &mut rx_descriptors, &mut tx_descriptors)
        };
        check("rte_eth_dev_adjust_nb_rx_tx_desc", ret)?;

        let node = self.info.node.unwrap_or(0);
        let mut pools = self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.push(config.pool.clone());
        let rx_conf = dpdk_sys::rte_eth_rxconf { offloads: 0, ..raw.default_rxconf };
        for queue in 0..config.rx_queues {
            let pool = config.pool.as_ptr();
            // SAFETY: the pool outlives the port (`pools`); the configuration is copied.
            let ret =
                unsafe { dpdk_sys::rte_eth_rx_queue_setup(id, queue, rx_descriptors, node, &rx_conf, pool) };
            check("rte_eth_rx_queue_setup", ret)?;
        }
        let tx_conf = dpdk_sys::rte_eth_txconf { offloads: 0, ..raw.default_txconf };
        for queue in 0..config.tx_queues {
            // SAFETY: the configuration is copied.
            let ret = unsafe { dpdk_sys::rte_eth_tx_queue_setup(id, queue, tx_descriptors, node, &tx_conf) };
            check("rte_eth_tx_queue_setup", ret)?;
        }
        // SAFETY: configured, and all queues are set up.
        check("rte_eth_dev_start", unsafe { dpdk_sys::rte_eth_dev_start(id) })?;
        Ok(())
    }

    fn check_queues(&self, direction: &'static str, wanted: u16, offered: u16) -> Result<(), PortError> {
        if wanted <= offered {
            return Ok(());
        }
        let PortInfo { name, driver, .. } = self.info.clone();
        Err(PortError::TooFewQueues { name, driver, direction, wanted, offered })
    }

    /// Takes the queues back and stops the port, which can be started again.
    ///
    /// # Errors
    /// [`PortError::Running`] when `queues` are not all of them, or what the driver says.
    pub fn stop(&mut self, queues: Queues) -> Result<(), PortError> {
        drop(queues);
        if self.is_running() {
            return Err(PortError::Running(self.id().get()));
        }
        check("rte_eth_dev_stop", self.inner.stopped_with.load(Ordering::Relaxed))?;
        Ok(())
    }

    /// Takes the queues back, stops the port and closes it: its mbufs are back in their pools, filters that outlive
    /// the process are undone.
    ///
    /// # Errors
    /// [`PortError::Running`] when `queues` are not all of them: the port closes when the others go. Or what the
    /// driver says; closed it is all the same.
    pub fn close(mut self, queues: Queues) -> Result<(), PortError> {
        let stopped = self.stop(queues);
        let id = self.id().get();
        let Ok(mut inner) = Arc::try_unwrap(self.inner) else {
            return Err(PortError::Running(id));
        };
        let closed = check("rte_eth_dev_close", inner.close());
        stopped?;
        closed?;
        Ok(())
    }

    /// As [`Port::close`], and takes the device off its bus, so that it can be attached again.
    ///
    /// # Errors
    /// As [`Port::close`]; [`PortError::SharedDevice`] when the device has further ports: this one is closed then.
    pub fn detach(self, queues: Queues) -> Result<(), PortError> {
        let (id, eal) = (self.id(), self.inner.eal.clone());
        // SAFETY: takes any port number.
        let device = |id: PortId| unsafe { dpdk_sys::shim_port_device(id.get()) };
        let own = device(id);
        let shared = eal.ports().into_iter().any(|other| other != id && device(other) == own);
        self.close(queues)?;
        if own.is_null() || shared {
            return Err(PortError::SharedDevice(id.get()));
        }
        Ok(eal.remove(own)?)
    }

    /// The link's state now, without waiting.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn link(&self) -> Result<LinkStatus, DpdkError> {
        LinkStatus::read(self.id())
    }

    /// Sockets of a net_af_packet port that were refused the room for what is on its way: behind a far end that keeps
    /// frames its driver may wait, and the worker with it.
    pub fn sockets_without_room(&self) -> usize {
        self.sockets.without_room()
    }

    /// The driver's counters, and what else is lost of what comes in.
    ///
    /// # Errors
    /// When the driver has none, or the device is gone.
    pub fn stats(&self) -> Result<PortStats, DpdkError> {
        let stats = PortStats::read(self.id())?;
        if self.is_running() {
            self.sockets.look();
        }
        Ok(PortStats {
            rx_missed: stats.rx_missed + self.sockets.dropped() + self.xdp_sockets.dropped(),
            rx_not_copied: self.inner.not_copied.load(Ordering::Relaxed),
            ..stats
        })
    }

    /// Sets the counters of [`stats`](Self::stats) to zero.
    ///
    /// # Errors
    /// When the driver cannot, or the device is gone.
    pub fn reset_stats(&mut self) -> Result<(), DpdkError> {
        if self.is_running() {
            self.sockets.look();
        }
        self.sockets.reset();
        self.xdp_sockets.reset();
        self.inner.not_copied.store(0, Ordering::Relaxed);
        // SAFETY: takes any port number.
        check("rte_eth_stats_reset", unsafe { dpdk_sys::rte_eth_stats_reset(self.id().get()) }).map(|_| ())
    }

    /// The MTU in bytes: the most that may follow the Ethernet header.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn mtu(&self) -> Result<u16, DpdkError> {
        let mut mtu = 0;
        // SAFETY: takes any port number; `mtu` is written on success.
        check("rte_eth_dev_get_mtu", unsafe { dpdk_sys::rte_eth_dev_get_mtu(self.id().get(), &mut mtu) })?;
        Ok(mtu)
    }

    /// Sets the MTU in bytes. A driver of a kernel interface sets the interface's.
    ///
    /// # Errors
    /// When the driver cannot (some only while stopped), or the value is out of its range.
    pub fn set_mtu(&mut self, mtu: u16) -> Result<(), DpdkError> {
        // SAFETY: takes any port number.
        check("rte_eth_dev_set_mtu", unsafe { dpdk_sys::rte_eth_dev_set_mtu(self.id().get(), mtu) })
            .map(|_| ())
    }

    fn filters(&self) -> MutexGuard<'_, FilterState> {
        self.inner.filters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn dev_info(id: PortId) -> Result<dpdk_sys::rte_eth_dev_info, DpdkError> {
    let mut raw = dpdk_sys::rte_eth_dev_info::default();
    // SAFETY: takes any port number; `raw` is written.
    check("rte_eth_dev_info_get", unsafe { dpdk_sys::rte_eth_dev_info_get(id.get(), &mut raw) })?;
    Ok(raw)
}

/// Everything off but the header checksum, and RSS with several queues.
fn device_config(
    config: &PortConfig,
    driver: &str,
    raw: &dpdk_sys::rte_eth_dev_info,
) -> dpdk_sys::rte_eth_conf {
    let (spread, hashed) = Spread::best(driver, raw.flow_type_rss_offloads);
    let mut conf = dpdk_sys::rte_eth_conf::default();
    conf.rxmode.offloads = raw.rx_offload_capa & dpdk_sys::SHIM_RX_OFFLOAD_IPV4_CKSUM;
    conf.rxmode.mtu = config.mtu.map_or(0, u32::from);
    conf.rxmode.mq_mode = dpdk_sys::SHIM_MQ_RX_NONE;
    if config.rx_queues > 1 && spread != Spread::Nothing {
        conf.rxmode.mq_mode = dpdk_sys::SHIM_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = hashed;
    }
    conf
}
