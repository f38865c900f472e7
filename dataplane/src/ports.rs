//! DPDK ports: attached, started, and put out of service again.
//!
//! What af_packet's transmit ring holds when the carrier goes, the kernel would send when it returns:
//! stale frames. So such a port is closed at the loss, its ring with it, and opened anew at the return. What is given to
//! af_xdp meanwhile the kernel drops, so that such a port stays open.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use dpdk::{Burst, Eal, Mempool, Port, PortConfig, Queues};
use links::LinkInfo;
use settings::{AF_PACKET_FRAMES, Device, Driver, InterfaceName, PortSettings, Settings};
use types::MacAddr;

use crate::assembly::PortFacts;
use crate::drivers::{AF_PACKET, AF_XDP, KernelDriver, choose};
use crate::failure::Failure;
use crate::interfaces::{Looked, only_live};
use crate::macs::DeviceMac;
use crate::pages::PagePools;
use crate::queues::{queues_to_receive, queues_to_send};

/// Frames that are poured out at a time.
const POUR: usize = 32;
/// What af_xdp needs that only its start shows: the kernel tells its driver of a refusal, and nobody before.
const AF_XDP_CURE: &str = "; it takes CAP_BPF or CAP_SYS_ADMIN, memory that may be locked (CAP_IPC_LOCK, or a limit as by \
                           `ulimit -l unlimited`), and an interface whose queues nobody else has; or set \
                           `driver = \"af_packet\"`";

/// Which try it is to open a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Try {
    /// The first, of which all is told.
    First,
    /// One of a port that waits. What it takes has been told.
    Again,
}

/// What it takes to bring a device into service.
#[derive(Clone)]
pub(crate) struct Devices {
    /// DPDK's environment.
    pub(crate) eal: Eal,
    /// Where received frames are stored, but those of ports on af_xdp.
    pub(crate) pool: Mempool,
    /// Source of everything sent, on ports that have none of their own.
    pub(crate) router_mac: MacAddr,
    /// How many workers there are: each sends by a queue of its own.
    pub(crate) workers: u16,
    /// Frames of a pool of its own that other ports may keep: see [`settings::kept_to_send`].
    pub(crate) kept: u32,
    /// What ports on af_xdp have instead.
    pub(crate) pages: PagePools,
    /// Interfaces that the distribution's af_xdp has had, by the kernel's index: it opens none twice.
    had: Arc<Mutex<HashSet<u32>>>,
}

/// A device that runs, its queues not yet with a worker.
pub(crate) struct Started {
    /// Its port; the queues must be back before it is closed.
    pub(crate) port: Port,
    /// All of them.
    pub(crate) queues: Queues,
    /// What it turned out to be.
    pub(crate) facts: PortFacts,
}

impl Started {
    /// Stops the device and takes it off its bus.
    pub(crate) fn discard(self, settings: &PortSettings) {
        detach(settings, self.port, self.queues);
    }
}

/// A port with its kernel interface, if it has one, or why it waits.
pub(crate) type OpenedPort = (Option<LinkInfo>, Result<Port, Failure>);

/// The ports of the settings, opened but for those that wait; their devices stand in EAL's line, but for kernel
/// interfaces.
///
/// # Errors
/// DPDK has no such port, and it is the administrator's.
pub(crate) fn open_all(
    eal: &Eal,
    settings: &Settings,
    looked: Vec<Looked>,
    workers: u16,
) -> Result<Vec<OpenedPort>, Failure> {
    let opened = |(port, looked): (&PortSettings, Looked)| match looked {
        Ok(link) => {
            let opened = match (&port.device, &link) {
                (Device::Kernel(interface), Some(link)) => {
                    open_interface(eal, port, interface, link, workers, Try::First)
                }
                (Device::Kernel(_) | Device::Pci(_) | Device::Vdev(_), _) => open(eal, port),
            };
            match opened {
                Ok(opened) => Ok((link, Ok(opened))),
                Err(failure) => Ok((link, Err(only_live(port, failure)?))),
            }
        }
        Err(failure) => Ok((None, Err(failure))),
    };
    settings.ports.iter().zip(looked).map(opened).collect()
}

/// The one source MAC for all ports: the settings', else the provider port's, else that of the first one that is there and
/// has one.
///
/// # Errors
/// None has.
pub(crate) fn router_mac(settings: &Settings, ports: &[OpenedPort]) -> Result<MacAddr, Failure> {
    let mac = |opened: &OpenedPort| {
        let mac = opened.1.as_ref().ok()?.info().mac;
        (mac != MacAddr::ZERO).then_some(mac)
    };
    let upstream = || ports.get(settings.proxy.upstream?.get()).and_then(mac);
    let own = settings.proxy.router_mac.or_else(upstream).or_else(|| ports.iter().find_map(mac));
    own.ok_or_else(|| {
        Failure::machine(
            "no port's device is there and has a MAC; set `router-mac` in [proxy], and ports wait for missing devices",
        )
    })
}

/// Opens a port that DPDK has made.
fn open(eal: &Eal, port: &PortSettings) -> Result<Port, Failure> {
    let missing = || {
        let said = eal.startup_log().iter().map(|line| format!("\n  {line}")).collect::<String>();
        let what = format!("DPDK made no port of {}; {}; it said:{said}", port.device, cure(&port.device));
        Failure::of_port(port, what)
    };
    let name = match &port.device {
        Device::Vdev(vdev) => vdev.name().to_owned(),
        Device::Pci(_) | Device::Kernel(_) => port.device.to_string(),
    };
    let id = eal.port_by_name(&name).ok_or_else(missing)?;
    Port::open(eal, id).map_err(|e| Failure::of_port(port, e))
}

/// Has DPDK make a port, and opens it.
fn attach(eal: &Eal, port: &PortSettings, devargs: &str) -> Result<Port, Failure> {
    let failure = |e| Failure::of_port(port, format!("{e}; {}", cure(&port.device)));
    let id = eal.attach(devargs).map_err(failure)?.first().copied();
    let id = id.ok_or_else(|| Failure::of_port(port, format!("DPDK made no port of {}", port.device)))?;
    Port::open(eal, id).map_err(|e| Failure::of_port(port, e))
}

/// Opens a port on a kernel interface, by the driver that it is to have.
fn open_interface(
    eal: &Eal,
    port: &PortSettings,
    interface: &InterfaceName,
    link: &LinkInfo,
    workers: u16,
    which: Try,
) -> Result<Port, Failure> {
    let choice = choose(port, link, workers)?;
    match which {
        Try::First => tracing::info!(port = port.name, "{interface} is served {choice}"),
        Try::Again => tracing::debug!(port = port.name, "{interface} would be served {choice}"),
    }
    match attach(eal, port, &choice.driver.devargs(port, interface, workers)) {
        Err(failure) if choice.falls_back => {
            open_by_af_packet(eal, port, interface, workers, &failure, which)
        }
        opened => opened,
    }
}

/// Opens a port that cannot be had by af_xdp.
fn open_by_af_packet(
    eal: &Eal,
    port: &PortSettings,
    interface: &InterfaceName,
    workers: u16,
    failure: &Failure,
    which: Try,
) -> Result<Port, Failure> {
    match which {
        Try::First => tracing::warn!("{failure}; {interface} is served by af_packet instead"),
        Try::Again => tracing::debug!("{failure}; {interface} would be served by af_packet instead"),
    }
    attach(eal, port, &KernelDriver::AfPacket.devargs(port, interface, workers))
}

fn cure(device: &Device) -> &'static str {
    match device {
        Device::Pci(_) => "look with `dpdk-devbind.py --status`, and bind it to vfio-pci",
        Device::Kernel(_) => "run as root, or with CAP_NET_RAW and CAP_NET_ADMIN",
        Device::Vdev(_) => "look at its arguments: a file, an interface, a driver that is not installed",
    }
}

impl Devices {
    /// `kept` as the field of that name.
    pub(crate) fn new(eal: Eal, pool: Mempool, router_mac: MacAddr, workers: u16, kept: u32) -> Self {
        Self { eal, pool, router_mac, workers, kept, pages: PagePools::default(), had: Arc::default() }
    }

    /// The same, with pools that so many frames may be kept of.
    pub(crate) fn keeping(&self, kept: u32) -> Self {
        Self { kept, ..self.clone() }
    }

    /// Whether a port may be opened on `link`, as far as the driver that it would have is concerned.
    ///
    /// # Errors
    /// The distribution's af_xdp had the interface already, and would fail, and keep the port's memory.
    pub(crate) fn may_open(&self, settings: &PortSettings, link: Option<&LinkInfo>) -> Result<(), Failure> {
        let had = self.had.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(link) = link.filter(|link| had.contains(&link.index)) else { return Ok(()) };
        match choose(settings, link, self.workers)?.driver {
            KernelDriver::AfPacket => Ok(()),
            KernelDriver::AfXdp { .. } => Err(Failure::of_port(
                settings,
                format!(
                    "the af_xdp of this DPDK has had {} already, and opens no interface twice; restart, or set `driver = \"af_packet\"`",
                    link.name
                ),
            )),
        }
    }

    /// Puts the device of `settings` into service while others run. `link` is its interface, if it has one.
    ///
    /// # Errors
    /// DPDK does not take the device, or it does not start: nothing of it is left.
    pub(crate) fn bring(
        &self,
        settings: &PortSettings,
        link: Option<&LinkInfo>,
        which: Try,
    ) -> Result<Started, Failure> {
        self.may_open(settings, link)?;
        let port = match (&settings.device, link) {
            (Device::Kernel(interface), Some(link)) => {
                open_interface(&self.eal, settings, interface, link, self.workers, which)?
            }
            (Device::Kernel(_) | Device::Pci(_) | Device::Vdev(_), _) => {
                attach(&self.eal, settings, &settings.device.to_string())?
            }
        };
        self.start(settings, link, port, which)
    }

    /// Starts an opened port; where it may be another driver's as well and fails, that one's in its place.
    ///
    /// # Errors
    /// It does not start, or cannot send from the router MAC: it is closed.
    pub(crate) fn start(
        &self,
        settings: &PortSettings,
        link: Option<&LinkInfo>,
        port: Port,
        which: Try,
    ) -> Result<Started, Failure> {
        let by_af_xdp = port.info().driver == AF_XDP;
        if let Some(link) = link.filter(|_| by_af_xdp && !dpdk::AF_XDP_IS_MENDED) {
            self.had.lock().unwrap_or_else(PoisonError::into_inner).insert(link.index);
        }
        match (self.start_as_it_is(settings, link, port), &settings.device) {
            (Err(failure), Device::Kernel(interface)) if by_af_xdp && settings.driver == Driver::Auto => {
                let port = open_by_af_packet(&self.eal, settings, interface, self.workers, &failure, which)?;
                self.start_as_it_is(settings, link, port)
            }
            (started, _) => started,
        }
    }

    fn start_as_it_is(
        &self,
        settings: &PortSettings,
        link: Option<&LinkInfo>,
        mut port: Port,
    ) -> Result<Started, Failure> {
        let mac = DeviceMac::of(port.info().mac, link);
        let started = mac
            .of_port(settings, self.router_mac)
            .map_err(|what| Failure::of_port(settings, what))
            .and_then(|own| self.run(settings, &mut port, own.unwrap_or(self.router_mac)))
            .and_then(|queues| Ok((facts(settings, link, &port)?, queues)));
        match started {
            Ok((facts, queues)) => Ok(Started { port, queues, facts }),
            Err(failure) => {
                detach(settings, port, Queues { rx: Vec::new(), tx: Vec::new() });
                Err(failure)
            }
        }
    }

    fn run(&self, settings: &PortSettings, port: &mut Port, mac: MacAddr) -> Result<Queues, Failure> {
        let tx_queues = queues_to_send(settings, port.info(), self.workers)?;
        let rx_queues = queues_to_receive(port.info(), self.workers);
        let by_af_xdp = port.info().driver == AF_XDP;
        let pool = if by_af_xdp { self.page_pool(settings, rx_queues)? } else { self.pool.clone() };
        // The kernel's rings of af_xdp are as large as a power of two.
        let descriptors =
            |asked: u16| if by_af_xdp { asked.checked_next_power_of_two().unwrap_or(1 << 15) } else { asked };
        let config = PortConfig {
            rx_queues,
            // Its queues come in pairs.
            tx_queues: if by_af_xdp { rx_queues } else { tx_queues },
            rx_descriptors: descriptors(settings.rx_descriptors),
            tx_descriptors: descriptors(settings.tx_descriptors),
            // A kernel interface's MTU is its owner's affair.
            mtu: if settings.device.kernel_interface().is_none() { settings.mtu } else { None },
            ..PortConfig::new(pool)
        };
        let cure = if by_af_xdp { AF_XDP_CURE } else { "" };
        let mut queues = port.start(&config).map_err(|e| Failure::of_port(settings, format!("{e}{cure}")))?;
        queues.tx.truncate(tx_queues.into());
        if port.info().driver == AF_PACKET {
            pour_out(&mut queues, &settings.device);
            warn_of_room(settings, port.sockets_without_room());
        }
        let unicast = port.set_router_mac(mac).map_err(|e| Failure::of_port(settings, e))?;
        let multicast = port.accept_all_multicast();
        let (name, driver) = (&settings.name, &port.info().driver);
        let (rx, tx) = (queues.rx.len(), queues.tx.len());
        tracing::info!(port = name, driver, %mac, ?unicast, ?multicast, rx, tx, "started");
        Ok(queues)
    }
}

/// Says so where packet sockets may have less on their way than a ring holds.
fn warn_of_room(settings: &PortSettings, sockets: usize) {
    if sockets > 0 {
        tracing::warn!(
            port = settings.name,
            "{sockets} packet sockets may not have as much on their way as a ring holds: a far end that keeps frames may \
             hold the worker up, and all ports with it; run with CAP_NET_ADMIN of the machine (a user namespace's does not \
             do), or have its owner `sysctl net.core.wmem_max=33554432`"
        );
    }
}

/// Frees what an af_packet port's ring holds so far: its socket takes the frames of every interface there is
/// from when it is made until it is bound. Binding waits for those that are being received, so that afterwards all that
/// is foreign lies in the ring, before anything that follows.
fn pour_out(queues: &mut Queues, device: &Device) {
    let given = if let Device::Vdev(vdev) = device { vdev.argument("framecnt") } else { None };
    let ring = given.and_then(|frames| frames.parse().ok()).unwrap_or(AF_PACKET_FRAMES);
    let mut burst = Burst::<POUR>::new();
    for queue in &mut queues.rx {
        // No more than the ring holds: own frames keep coming.
        for _ in 0..ring.div_ceil(POUR as u32) {
            let got = queue.rx_burst(&mut burst);
            burst.clear();
            if got == 0 {
                break;
            }
        }
    }
}

fn facts(settings: &PortSettings, link: Option<&LinkInfo>, port: &Port) -> Result<PortFacts, Failure> {
    let mtu = match (link, settings.mtu) {
        (Some(link), _) => kernel_mtu(settings, link.mtu),
        (None, Some(mtu)) => mtu,
        (None, None) => port.mtu().map_err(|e| Failure::of_port(settings, e))?,
    };
    let link_up = match link {
        Some(link) => link.up,
        None => port.link().is_ok_and(|link| link.up),
    };
    Ok(PortFacts {
        driver: port.info().driver.clone(),
        mtu,
        mac: DeviceMac::of(port.info().mac, link),
        kernel_mac: link.and_then(|link| link.mac),
        link_up,
        outage: None,
    })
}

/// MTU of a kernel interface that receive buffers are made for where the settings say nothing.
pub(crate) const ETHERNET_MTU: u16 = 1500;

/// What a kernel interface carries: no more than its own MTU, nor than the buffers were made for.
pub(crate) fn kernel_mtu(settings: &PortSettings, link: u32) -> u16 {
    let buffers = settings.mtu.unwrap_or(ETHERNET_MTU);
    let link = u16::try_from(link).unwrap_or(u16::MAX);
    if link != buffers {
        let (port, device) = (&settings.name, &settings.device);
        tracing::warn!(
            port,
            "{device} has an MTU of {link}, the port's buffers are made for {buffers}; set `mtu = {link}` on the port"
        );
    }
    link.min(buffers)
}

/// Stops a port whose queues are back, and takes its device off its bus.
pub(crate) fn detach(settings: &PortSettings, port: Port, queues: Queues) {
    if let Err(error) = port.detach(queues) {
        tracing::warn!(%error, port = settings.name, "not closed cleanly");
    }
}
