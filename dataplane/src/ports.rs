//! DPDK ports of the settings: opened, started, and, for kernel interfaces, taken out of service while
//! they have no carrier.
//!
//! What af_packet's transmit ring holds when the carrier goes, the kernel would send when it returns:
//! stale frames. So such a port is closed at the loss, its ring with it, and opened anew at the return.

use dpdk::{Eal, Mempool, Port, PortConfig, Queues};
use settings::{Device, PortSettings, Settings};
use types::{MacAddr, PortIndex};

use crate::assembly::PortFacts;
use crate::failure::Failure;
use crate::machine::KernelPorts;

/// A port of the settings.
pub(crate) struct ServedPort {
    /// Its place in every table.
    pub(crate) index: PortIndex,
    /// Its settings.
    settings: PortSettings,
    /// Whether the kernel tells of its carrier; then it is closed without one.
    is_kernel: bool,
    /// `None` while it is out of service.
    port: Option<Port>,
}

/// Queues by port, for the worker.
pub(crate) type PortQueues = Vec<(PortIndex, Queues)>;

/// Every port of the settings, and the one source MAC for all of them: the settings', else the provider
/// port's, else the first port's.
///
/// # Errors
/// DPDK has no such port.
pub(crate) fn open_ports(eal: &Eal, settings: &Settings) -> Result<(Vec<ServedPort>, MacAddr), Failure> {
    let open = |(index, port): (PortIndex, &PortSettings)| {
        let opened = open(eal, port)?;
        let is_kernel = port.device.kernel_interface().is_some();
        Ok(ServedPort { index, settings: port.clone(), is_kernel, port: Some(opened) })
    };
    let ports: Vec<ServedPort> = settings.indexed_ports().map(open).collect::<Result<_, Failure>>()?;
    let upstream = settings.proxy.upstream;
    let first = ports.iter().find(|p| Some(p.index) == upstream).or_else(|| ports.first());
    let own = first.and_then(|p| p.port.as_ref()).map_or(MacAddr::ZERO, |port| port.info().mac);
    Ok((ports, settings.proxy.router_mac.unwrap_or(own)))
}

fn open(eal: &Eal, port: &PortSettings) -> Result<Port, Failure> {
    let missing = || {
        let said = eal.startup_log().iter().map(|line| format!("\n  {line}")).collect::<String>();
        let cure = match port.device {
            Device::Pci(_) => "look with `dpdk-devbind.py --status`, and bind it to vfio-pci",
            Device::Kernel(_) => "run as root, or with CAP_NET_RAW and CAP_NET_ADMIN",
            Device::Vdev(_) => "look at its arguments: a file, an interface, a driver that is not installed",
        };
        of_port(port, format!("DPDK made no port of {}; {cure}; it said:{said}", port.device))
    };
    let id = eal.port_by_name(&port.dpdk_name()).ok_or_else(missing)?;
    Port::open(eal, id).map_err(|e| of_port(port, e))
}

fn of_port(port: &PortSettings, error: impl std::fmt::Display) -> Failure {
    Failure::machine(format!("port \"{}\": {error}", port.name))
}

/// Starts every port.
///
/// # Errors
/// A device does not start, or cannot send from the router MAC.
pub(crate) fn start_ports(
    kernel_ports: &KernelPorts,
    pool: &Mempool,
    router_mac: MacAddr,
    ports: &mut [ServedPort],
) -> Result<(PortQueues, Vec<PortFacts>), Failure> {
    let (mut queues, mut facts) = (Vec::new(), Vec::new());
    for (served, link) in ports.iter_mut().zip(&kernel_ports.links) {
        let ServedPort { index, settings, port: Some(port), .. } = served else { continue };
        if let Some(link) = link
            && link.kind.needs_own_mac()
            && link.mac != Some(router_mac)
        {
            let own = link.mac.map_or_else(|| "its own".to_owned(), |mac| mac.to_string());
            let what = format!("{} is a macvlan, which sends from its own MAC only", link.name);
            return Err(of_port(
                settings,
                format!("{what}; set router-mac in [proxy] to {own}, or use a veth"),
            ));
        }
        queues.push((*index, start(port, settings, pool, router_mac)?));
        let mtu = match (link, settings.mtu) {
            (Some(link), wanted) => kernel_mtu(settings, wanted, link.mtu),
            (None, Some(mtu)) => mtu,
            (None, None) => port.mtu().map_err(|e| of_port(settings, e))?,
        };
        let link_up = match link {
            Some(link) => link.up,
            None => port.link().is_ok_and(|link| link.up),
        };
        let kernel_mac = link.as_ref().and_then(|l| l.mac);
        facts.push(PortFacts { driver: port.info().driver.clone(), mtu, kernel_mac, link_up });
    }
    Ok((queues, facts))
}

/// MTU of a kernel interface that receive buffers are made for where the settings say nothing.
const ETHERNET_MTU: u16 = 1500;

/// What a kernel interface carries: no more than its own MTU, nor than the buffers were made for.
fn kernel_mtu(settings: &PortSettings, wanted: Option<u16>, link: u32) -> u16 {
    let buffers = wanted.unwrap_or(ETHERNET_MTU);
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

fn start(
    port: &mut Port,
    settings: &PortSettings,
    pool: &Mempool,
    router_mac: MacAddr,
) -> Result<Queues, Failure> {
    let config = PortConfig {
        rx_descriptors: settings.rx_descriptors,
        tx_descriptors: settings.tx_descriptors,
        // A kernel interface's MTU is its owner's affair.
        mtu: if settings.device.kernel_interface().is_none() { settings.mtu } else { None },
        ..PortConfig::new(pool.clone())
    };
    let queues = port.start(&config).map_err(|e| of_port(settings, e))?;
    let unicast = port.set_router_mac(router_mac).map_err(|e| of_port(settings, e))?;
    let multicast = port.accept_all_multicast();
    let (name, driver, mac) = (&settings.name, &port.info().driver, port.info().mac);
    tracing::info!(port = name, driver, %mac, ?unicast, ?multicast, "started");
    Ok(queues)
}

impl ServedPort {
    /// Whether the kernel tells of its carrier.
    pub(crate) fn is_kernel(&self) -> bool {
        self.is_kernel
    }

    /// Whether it is in service.
    pub(crate) fn is_open(&self) -> bool {
        self.port.is_some()
    }

    /// The carrier, as its driver says; `None` when out of service, or when the driver does not know.
    pub(crate) fn driver_link(&self) -> Option<bool> {
        self.port.as_ref()?.link().ok().map(|link| link.up)
    }

    /// Takes the port out of service, its queues handed back by the worker, and its rings with it.
    pub(crate) fn close(&mut self, queues: Queues) {
        if let Some(port) = self.port.take()
            && let Err(error) = port.detach(queues)
        {
            tracing::warn!(%error, port = self.settings.name, "not closed cleanly");
        }
    }

    /// Puts the port into service again.
    ///
    /// # Errors
    /// The device is gone, or does not start: it stays out of service.
    pub(crate) fn reopen(
        &mut self,
        eal: &Eal,
        pool: &Mempool,
        router_mac: MacAddr,
    ) -> Result<Queues, Failure> {
        if let Some(devargs) = self.settings.vdev_args() {
            eal.attach(&devargs).map_err(|e| of_port(&self.settings, e))?;
        }
        let mut port = open(eal, &self.settings)?;
        match start(&mut port, &self.settings, pool, router_mac) {
            Ok(queues) => {
                self.port = Some(port);
                Ok(queues)
            }
            Err(failure) => {
                self.port = Some(port);
                self.close(Queues { rx: Vec::new(), tx: Vec::new() });
                Err(failure)
            }
        }
    }
}
