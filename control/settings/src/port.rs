//! Reading a `[[port]]`.

use std::net::Ipv4Addr;

use types::Ipv4Net;

use crate::device::Device;
use crate::model::{Driver, FastLeave, IgmpVersion, LeavePolicy, PortSettings, Sources};
use crate::options::{DeviceOptions, PortOptions, value};
use crate::problem::{At, Place, Problems};
use crate::reader::{Section, quoted};

/// Descriptors of each queue where nothing is said.
const DESCRIPTORS: u16 = 1024;

/// One `[[port]]` of either layer, before the layers are put together.
#[derive(Debug, Clone)]
pub(crate) struct RawPort {
    pub(crate) place: Place,
    pub(crate) is_live: bool,
    pub(crate) name: At<String>,
    pub(crate) device: Option<At<Device>>,
    pub(crate) address: Option<At<Ipv4Net>>,
    pub(crate) querier_address: Option<At<Ipv4Addr>>,
    pub(crate) options: PortOptions,
    pub(crate) device_options: DeviceOptions,
}

impl RawPort {
    /// One that says nothing, in the place of `port`.
    pub(crate) fn blank(port: &PortSettings) -> Self {
        let PortSettings { name, place, .. } = port;
        Self {
            place: place.clone(),
            is_live: false,
            name: At { value: name.clone(), place: place.clone() },
            device: None,
            address: None,
            querier_address: None,
            options: PortOptions::default(),
            device_options: DeviceOptions::default(),
        }
    }

    /// A port of the administrator's file. `None` when it has no usable name; the rest is checked all the same.
    pub(crate) fn read(mut section: Section<'_, '_>, problems: &mut Problems) -> Option<Self> {
        let name = read_name(&mut section, problems);
        refuse_role(&mut section, problems);
        let device = read_device(&mut section, problems);
        if section.value("device").is_none() {
            let what = format!("{} has no device", section.name());
            problems.error(section.place(), what, DEVICE_CURE);
        }
        let (address, querier_address) = read_addresses(&mut section, problems);
        let options = PortOptions::read(&mut section, problems);
        let device_options = DeviceOptions::read(&mut section, problems);
        let place = section.place().clone();
        section.finish(problems);
        let is_live = false;
        Some(Self { place, is_live, name: name?, device, address, querier_address, options, device_options })
    }

    /// A port of the live layer: policies of a port that is there, or a new one on a PCI or kernel device.
    pub(crate) fn read_live(mut section: Section<'_, '_>, problems: &mut Problems) -> Option<Self> {
        let name = read_name(&mut section, problems);
        refuse_role(&mut section, problems);
        let mut device = read_device(&mut section, problems);
        if let Some(At { value: Device::Vdev(vdev), place }) = &device {
            let what = format!("`device` is `{}`, a virtual device", vdev.name());
            problems.error(
                place,
                what,
                "set it in manifold.toml; here it takes a PCI address or an interface",
            );
            device = None;
        }
        let (address, querier_address) = read_addresses(&mut section, problems);
        let options = PortOptions::read(&mut section, problems);
        DeviceOptions::refuse(&mut section, problems);
        let device_options = DeviceOptions::default();
        let place = section.place().clone();
        section.finish(problems);
        let is_live = true;
        Some(Self { place, is_live, name: name?, device, address, querier_address, options, device_options })
    }

    /// What `live` says about this port goes before what this says.
    pub(crate) fn overlay(&mut self, live: Self, problems: &mut Problems) {
        // One that was added while Manifold ran, and then by the administrator, is the same port.
        let own = self.device.as_ref().map(|at| &at.value);
        if let Some(device) = live.device.as_ref().filter(|at| own != Some(&at.value)) {
            let what = format!("port \"{}\" has its device in {}", self.name.value, self.place.file);
            problems.error(&device.place, what, "leave `device` out here, or give the new port another name");
        }
        self.address = live.address.or(self.address.take());
        self.querier_address = live.querier_address.or(self.querier_address.take());
        self.options = live.options.or(&self.options);
    }

    pub(crate) fn build(self, device: Device, defaults: &Defaults) -> PortSettings {
        let o = self.options.or(&defaults.options);
        let d = self.device_options.or(&defaults.device);
        let static_groups = o.static_groups.as_ref().map_or(&[][..], |at| &at.value);
        PortSettings {
            name: self.name.value,
            device,
            place: self.place,
            is_live: self.is_live,
            mac: o.mac.as_ref().map(|at| at.value),
            address: self.address.map(|at| at.value),
            querier_address: self.querier_address.map(|at| at.value),
            timers: o.timers(),
            igmp_version: value(&o.igmp_version, IgmpVersion::V2),
            ignore_v1: value(&o.ignore_v1, false),
            fast_leave: value(&o.fast_leave, FastLeave::Off),
            report_isolated: value(&o.report_isolated, false),
            access: o.access.map(|at| at.value).unwrap_or_default(),
            max_groups: o.max_groups.map(|at| at.value),
            static_groups: static_groups.iter().map(|at| at.value).collect(),
            sources: value(&o.sources, Sources::No),
            sources_allowed: o.sources_allowed.map(|at| at.value).unwrap_or_default(),
            forward_when_not_querier: value(&o.forward_when_not_querier, false),
            require_router_alert: value(&o.require_router_alert, false),
            any_ttl: value(&o.any_ttl, false),
            require_on_link_source: value(&o.require_on_link_source, false),
            re_report_interval: value(&o.re_report_interval, None),
            suppress: value(&o.suppress, true),
            leave: value(&o.leave, LeavePolicy::Always),
            link_down_hold: o.link_down_hold.map(|at| at.value),
            router_discovery: value(&o.router_discovery, false),
            driver: value(&d.driver, Driver::Auto),
            mtu: d.mtu.map(|at| at.value),
            rx_descriptors: value(&d.rx_descriptors, DESCRIPTORS),
            tx_descriptors: value(&d.tx_descriptors, DESCRIPTORS),
        }
    }
}

/// `[defaults]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defaults {
    pub(crate) options: PortOptions,
    pub(crate) device: DeviceOptions,
}

impl Defaults {
    pub(crate) fn read(root: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        let Some(mut section) = root.table("defaults", problems) else { return Self::default() };
        let defaults = Self {
            options: PortOptions::read(&mut section, problems),
            device: DeviceOptions::read(&mut section, problems),
        };
        for key in ["name", "device", "address", "querier-address"] {
            section.refuse(key, "each port has its own", "set it in the [[port]]", problems);
        }
        section.finish(problems);
        defaults
    }
}

const DEVICE_CURE: &str = "set `device` to a PCI address like \"0000:3b:00.0\", a kernel Ethernet interface like \
                           \"eth1\", or a DPDK virtual device like \"net_pcap0,rx_pcap=in.pcap\"";

/// What a port's name may be.
pub(crate) const NAME_CURE: &str =
    "use 1 to 32 letters, digits, `-`, `_` and `.`, beginning with a letter or digit";

pub(crate) fn usable_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() <= 32 && name.chars().all(plain)
}

fn read_name(section: &mut Section<'_, '_>, problems: &mut Problems) -> Option<At<String>> {
    let Some(value) = section.value("name") else {
        problems.error(section.place(), "a [[port]] has no name", "set `name`, like \"wan\"");
        return None;
    };
    let at = value.string("the port's name in quotes", problems)?;
    let name = at.value;
    if !usable_name(name) {
        value.error(&format!("is {}", quoted(name)), NAME_CURE, problems);
        return None;
    }
    section.rename(format!("[[port]] \"{name}\""));
    // Found under the new name, too.
    section.value("name");
    Some(At { value: name.to_owned(), place: at.place })
}

/// People look for it, so they get the answer rather than "unknown key".
fn refuse_role(section: &mut Section<'_, '_>, problems: &mut Problems) {
    let cure =
        "set `upstream` in [proxy] to the name of the provider's port; every other port is for clients";
    for key in ["role", "upstream"] {
        section.refuse(key, "a port's role is not set here", cure, problems);
    }
}

fn read_device(section: &mut Section<'_, '_>, problems: &mut Problems) -> Option<At<Device>> {
    let value = section.value("device")?;
    let text = value.string("the device in quotes", problems)?;
    match text.value.parse() {
        Ok(device) => Some(At { value: device, place: text.place }),
        Err(error) => {
            problems.error(&text.place, format!("`device`: {}", error.what), error.cure);
            None
        }
    }
}

fn read_addresses(
    section: &mut Section<'_, '_>,
    problems: &mut Problems,
) -> (Option<At<Ipv4Net>>, Option<At<Ipv4Addr>>) {
    let address = section.value("address").and_then(|value| {
        let wanted = "an IPv4 address with its prefix length, like \"10.1.0.1/24\"";
        let at = value.parsed::<Ipv4Net>(wanted, problems)?;
        if let Some(why) = unfit_address(at.value.addr()).or_else(|| unfit_in_net(at.value)) {
            let cure = "give the port an address of its own on that link, like \"10.1.0.1/24\"";
            value.error(&format!("is {}: {why}", at.value), cure, problems);
            return None;
        }
        Some(at)
    });
    let querier_address = section.value("querier-address").and_then(|value| {
        let at = value.parsed::<Ipv4Addr>("an IPv4 address, like \"10.1.0.1\"", problems)?;
        if let Some(why) = unfit_address(at.value) {
            value.error(&format!("is {}: {why}", at.value), "give a host's address", problems);
            return None;
        }
        Some(at)
    });
    (address, querier_address)
}

/// Why no host can have the address.
fn unfit_address(addr: Ipv4Addr) -> Option<&'static str> {
    match addr.octets()[0] {
        0 => Some("addresses in 0.0.0.0/8 are no host's"),
        127 => Some("that is a loopback address"),
        224..=239 => Some("that is a multicast group"),
        240..=255 => Some("addresses in 240.0.0.0/4 are reserved, or broadcast"),
        _ => None,
    }
}

/// Why no host in the network can have the address.
fn unfit_in_net(net: Ipv4Net) -> Option<&'static str> {
    if net.prefix_len() == 0 {
        return Some("a network of all addresses has no link");
    }
    let broadcast = net.broadcast()?;
    if net.addr() == broadcast {
        return Some("that is the network's broadcast address");
    }
    // The network's own address is the one whose host bits are all zero (RFC 1122, section 3.2.1.3).
    let host_bits = u32::MAX >> net.prefix_len();
    (net.addr().to_bits() & host_bits == 0).then_some("that is the network itself, not a host in it")
}
