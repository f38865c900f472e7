//! DPDK ports: attached, started, and put out of service again.
//!
//! What af_packet's transmit ring holds when the carrier goes, the kernel would send when it returns:
//! stale frames. So such a port is closed at the loss, its ring with it, and opened anew at the return.

use dpdk::{Burst, Eal, Mempool, Port, PortConfig, Queues};
use links::LinkInfo;
use settings::{AF_PACKET_FRAMES, Device, PortSettings, Settings};
use types::MacAddr;

use crate::assembly::PortFacts;
use crate::failure::Failure;
use crate::interfaces::Looked;
use crate::macs::DeviceMac;
use crate::queues::{queues_to_receive, queues_to_send};

/// Frames that are poured out at a time.
const POUR: usize = 32;

/// What it takes to bring a device into service.
#[derive(Clone)]
pub(crate) struct Devices {
    /// DPDK's environment.
    pub(crate) eal: Eal,
    /// Where received frames are stored.
    pub(crate) pool: Mempool,
    /// Source of everything sent, on ports that have none of their own.
    pub(crate) router_mac: MacAddr,
    /// How many workers there are: each sends by a queue of its own.
    pub(crate) workers: u16,
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

/// A port with its kernel interface, if it has one, or why it waits for that.
pub(crate) type OpenedPort = Result<(Option<LinkInfo>, Port), Failure>;

/// The ports of the settings, opened but for those that wait; their devices stand in EAL's line.
///
/// # Errors
/// DPDK has no such port.
pub(crate) fn open_all(
    eal: &Eal,
    settings: &Settings,
    looked: Vec<Looked>,
) -> Result<Vec<OpenedPort>, Failure> {
    let opened = |(port, looked): (&PortSettings, Looked)| match looked {
        Ok(link) => Ok(Ok((link, open(eal, port)?))),
        Err(failure) => Ok(Err(failure)),
    };
    settings.ports.iter().zip(looked).map(opened).collect()
}

/// The one source MAC for all ports: the settings', else the provider port's, else that of the first one that is there.
///
/// # Errors
/// None is there.
pub(crate) fn router_mac(settings: &Settings, ports: &[OpenedPort]) -> Result<MacAddr, Failure> {
    let mac = |opened: &OpenedPort| opened.as_ref().ok().map(|(_, port)| port.info().mac);
    let upstream = || ports.get(settings.proxy.upstream?.get()).and_then(mac);
    let own = settings.proxy.router_mac.or_else(upstream).or_else(|| ports.iter().find_map(mac));
    own.ok_or_else(|| {
        Failure::machine(
            "no port's device is there; set `router-mac` in [proxy], and the ports wait for theirs",
        )
    })
}

fn open(eal: &Eal, port: &PortSettings) -> Result<Port, Failure> {
    let missing = || {
        let said = eal.startup_log().iter().map(|line| format!("\n  {line}")).collect::<String>();
        let what = format!("DPDK made no port of {}; {}; it said:{said}", port.device, cure(&port.device));
        Failure::of_port(port, what)
    };
    let id = eal.port_by_name(&port.dpdk_name()).ok_or_else(missing)?;
    Port::open(eal, id).map_err(|e| Failure::of_port(port, e))
}

fn cure(device: &Device) -> &'static str {
    match device {
        Device::Pci(_) => "look with `dpdk-devbind.py --status`, and bind it to vfio-pci",
        Device::Kernel(_) => "run as root, or with CAP_NET_RAW and CAP_NET_ADMIN",
        Device::Vdev(_) => "look at its arguments: a file, an interface, a driver that is not installed",
    }
}

impl Devices {
    /// Puts the device of `settings` into service while others run. `link` is its interface, if it has one.
    ///
    /// # Errors
    /// DPDK does not take the device, or it does not start: nothing of it is left.
    pub(crate) fn bring(&self, settings: &PortSettings, link: Option<&LinkInfo>) -> Result<Started, Failure> {
        let devargs = match &settings.device {
            Device::Pci(address) => Some(address.to_string()),
            Device::Kernel(_) | Device::Vdev(_) => settings.vdev_args(self.workers.into()),
        };
        if let Some(devargs) = devargs {
            let attached = self.eal.attach(&devargs);
            attached.map_err(|e| Failure::of_port(settings, format!("{e}; {}", cure(&settings.device))))?;
        }
        self.start(settings, link, open(&self.eal, settings)?)
    }

    /// Starts an opened port.
    ///
    /// # Errors
    /// It does not start, or cannot send from the router MAC: it is closed.
    pub(crate) fn start(
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
        let config = PortConfig {
            rx_queues: queues_to_receive(port.info(), self.workers),
            tx_queues,
            rx_descriptors: settings.rx_descriptors,
            tx_descriptors: settings.tx_descriptors,
            // A kernel interface's MTU is its owner's affair.
            mtu: if settings.device.kernel_interface().is_none() { settings.mtu } else { None },
            ..PortConfig::new(self.pool.clone())
        };
        let mut queues = port.start(&config).map_err(|e| Failure::of_port(settings, e))?;
        if settings.device.kernel_interface().is_some() {
            pour_out(&mut queues, &settings.device);
        }
        let unicast = port.set_router_mac(mac).map_err(|e| Failure::of_port(settings, e))?;
        let multicast = port.accept_all_multicast();
        let (name, driver) = (&settings.name, &port.info().driver);
        let (rx, tx) = (queues.rx.len(), queues.tx.len());
        tracing::info!(port = name, driver, %mac, ?unicast, ?multicast, rx, tx, "started");
        Ok(queues)
    }
}

/// Frees what a kernel interface's ring holds so far: af_packet's socket takes the frames of every interface there is
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
