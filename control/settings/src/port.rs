//! Reading `[defaults]` and `[[port]]`.

use std::net::Ipv4Addr;
use std::time::Duration;

use types::{GroupAddr, Ipv4Net};

use crate::device::Device;
use crate::model::{PortSettings, PortTimers, Sources};
use crate::problem::{At, Place, Problems};
use crate::reader::{Section, Value};

const TENTH: Duration = Duration::from_millis(100);
const QUERY_INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(65_535));
/// What a Max Resp Time of one octet in tenths can say (RFC 2236, section 2.2).
const RESPONSE: (Duration, Duration) = (TENTH, Duration::from_millis(25_500));
const UNSOLICITED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(25));
/// Descriptors of each queue where nothing is said.
const DESCRIPTORS: u16 = 1024;

/// What `[defaults]` may set for every port, and a port for itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct PortOptions {
    robustness: Option<At<u8>>,
    pub(crate) query_interval: Option<At<Duration>>,
    pub(crate) query_response_interval: Option<At<Duration>>,
    last_member_query_interval: Option<At<Duration>>,
    last_member_query_count: Option<At<u8>>,
    unsolicited_report_interval: Option<At<Duration>>,
    sources: Option<At<Sources>>,
    require_router_alert: Option<At<bool>>,
    any_ttl: Option<At<bool>>,
    require_on_link_source: Option<At<bool>>,
    static_groups: Option<Vec<GroupAddr>>,
    mtu: Option<At<u16>>,
    rx_descriptors: Option<At<u16>>,
    tx_descriptors: Option<At<u16>>,
}

impl PortOptions {
    /// Timers and policies: what both layers may set.
    pub(crate) fn read_policies(section: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        let p = problems;
        let mut duration = |key, range, step, p: &mut Problems| {
            section.value(key).and_then(|v: Value<'_, '_>| v.duration(range, step, p))
        };
        let ms = Duration::from_millis(1);
        Self {
            query_interval: duration("query-interval", QUERY_INTERVAL, ms, p),
            query_response_interval: duration("query-response-interval", RESPONSE, TENTH, p),
            last_member_query_interval: duration("last-member-query-interval", RESPONSE, TENTH, p),
            unsolicited_report_interval: duration("unsolicited-report-interval", UNSOLICITED, ms, p),
            robustness: section.value("robustness").and_then(|v| v.integer(2..11, "", p)),
            last_member_query_count: section
                .value("last-member-query-count")
                .and_then(|v| v.integer(1..11, "", p)),
            sources: section.value("sources").and_then(|v| read_sources(&v, p)),
            require_router_alert: section.value("require-router-alert").and_then(|v| v.boolean(p)),
            any_ttl: section.value("any-ttl").and_then(|v| v.boolean(p)),
            require_on_link_source: section.value("require-on-link-source").and_then(|v| v.boolean(p)),
            static_groups: section.value("static-groups").and_then(|v| read_static_groups(&v, p)),
            ..Self::default()
        }
    }

    /// What depends on the device, the administrator's alone.
    pub(crate) fn read_device_options(&mut self, section: &mut Section<'_, '_>, problems: &mut Problems) {
        self.mtu = section.value("mtu").and_then(|v| v.integer(576..9601, " bytes", problems));
        self.rx_descriptors = section.value("rx-descriptors").and_then(|v| read_descriptors(&v, problems));
        self.tx_descriptors = section.value("tx-descriptors").and_then(|v| read_descriptors(&v, problems));
    }

    /// The device's options in a layer that may not set them.
    pub(crate) fn refuse_device_options(section: &mut Section<'_, '_>, problems: &mut Problems) {
        for key in ["mtu", "rx-descriptors", "tx-descriptors"] {
            section.refuse(
                key,
                "only the administrator's file may set it",
                "set it in manifold.toml",
                problems,
            );
        }
    }

    /// These options, and `base`'s where these say nothing.
    #[must_use]
    pub(crate) fn or(self, base: &Self) -> Self {
        fn pick<T: Clone>(own: Option<At<T>>, base: &Option<At<T>>) -> Option<At<T>> {
            own.or_else(|| base.clone())
        }
        Self {
            robustness: pick(self.robustness, &base.robustness),
            query_interval: pick(self.query_interval, &base.query_interval),
            query_response_interval: pick(self.query_response_interval, &base.query_response_interval),
            last_member_query_interval: pick(
                self.last_member_query_interval,
                &base.last_member_query_interval,
            ),
            last_member_query_count: pick(self.last_member_query_count, &base.last_member_query_count),
            unsolicited_report_interval: pick(
                self.unsolicited_report_interval,
                &base.unsolicited_report_interval,
            ),
            sources: pick(self.sources, &base.sources),
            require_router_alert: pick(self.require_router_alert, &base.require_router_alert),
            any_ttl: pick(self.any_ttl, &base.any_ttl),
            require_on_link_source: pick(self.require_on_link_source, &base.require_on_link_source),
            static_groups: self.static_groups.or_else(|| base.static_groups.clone()),
            mtu: pick(self.mtu, &base.mtu),
            rx_descriptors: pick(self.rx_descriptors, &base.rx_descriptors),
            tx_descriptors: pick(self.tx_descriptors, &base.tx_descriptors),
        }
    }

    fn timers(&self) -> PortTimers {
        let default = PortTimers::default();
        PortTimers {
            robustness: value(&self.robustness, default.robustness),
            query_interval: value(&self.query_interval, default.query_interval),
            query_response_interval: value(&self.query_response_interval, default.query_response_interval),
            last_member_query_interval: value(
                &self.last_member_query_interval,
                default.last_member_query_interval,
            ),
            last_member_query_count: self.last_member_query_count.as_ref().map(|at| at.value),
            unsolicited_report_interval: value(
                &self.unsolicited_report_interval,
                default.unsolicited_report_interval,
            ),
        }
    }
}

fn value<T: Copy>(at: &Option<At<T>>, default: T) -> T {
    at.as_ref().map_or(default, |at| at.value)
}

fn read_sources(value: &Value<'_, '_>, problems: &mut Problems) -> Option<At<Sources>> {
    if value.is_bool() {
        let at = value.boolean(problems)?;
        return Some(At { value: if at.value { Sources::Yes } else { Sources::No }, place: at.place });
    }
    let wanted = "true, false or \"querier\"";
    let at = value.string(wanted, problems)?;
    if at.value == "querier" {
        return Some(At { value: Sources::WhileQuerier, place: at.place });
    }
    value.error(&format!("is \"{}\"", at.value.escape_debug()), format!("it takes {wanted}"), problems);
    None
}

/// Groups that stand for a member (r55): none of 224.0.0.0/24, each once.
fn read_static_groups(value: &Value<'_, '_>, problems: &mut Problems) -> Option<Vec<GroupAddr>> {
    let wanted = "a list of groups, like [\"239.2.2.2\"]";
    let mut groups: Vec<GroupAddr> = Vec::new();
    for item in value.list(wanted, problems)? {
        let Some(At { value: group, .. }) = item.parsed::<GroupAddr>("a group in 224.0.0.0/4", problems)
        else {
            continue;
        };
        if group.is_link_local() {
            let what = format!("names {group}, of 224.0.0.0/24, which no router forwards");
            item.error(&what, "leave it out", problems);
        } else if groups.contains(&group) {
            item.error(&format!("names {group} twice"), "leave one of them out", problems);
        } else {
            groups.push(group);
        }
    }
    Some(groups)
}

fn read_descriptors(value: &Value<'_, '_>, problems: &mut Problems) -> Option<At<u16>> {
    let at = value.integer::<u16>(64..32_769, "", problems)?;
    if !at.value.is_multiple_of(32) {
        let cure = "it takes a multiple of 32, as most NICs do";
        value.error(&format!("is {}", at.value), cure, problems);
        return None;
    }
    Some(at)
}

/// One `[[port]]` of either layer, before the layers are put together.
#[derive(Debug, Clone)]
pub(crate) struct RawPort {
    pub(crate) place: Place,
    pub(crate) name: At<String>,
    pub(crate) device: Option<At<Device>>,
    pub(crate) address: Option<At<Ipv4Net>>,
    pub(crate) querier_address: Option<At<Ipv4Addr>>,
    pub(crate) options: PortOptions,
}

impl RawPort {
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
        let mut options = PortOptions::read_policies(&mut section, problems);
        options.read_device_options(&mut section, problems);
        let place = section.place().clone();
        section.finish(problems);
        Some(Self { place, name: name?, device, address, querier_address, options })
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
        let options = PortOptions::read_policies(&mut section, problems);
        PortOptions::refuse_device_options(&mut section, problems);
        let place = section.place().clone();
        section.finish(problems);
        Some(Self { place, name: name?, device, address, querier_address, options })
    }

    /// What `live` says about this port goes before what this says.
    pub(crate) fn overlay(&mut self, live: Self, problems: &mut Problems) {
        if let Some(device) = &live.device {
            let what = format!("port \"{}\" has its device in {}", self.name.value, self.place.file);
            problems.error(&device.place, what, "leave `device` out here, or give the new port another name");
        }
        self.address = live.address.or(self.address.take());
        self.querier_address = live.querier_address.or(self.querier_address.take());
        self.options = live.options.or(&self.options);
    }

    pub(crate) fn build(self, device: Device, defaults: &PortOptions) -> PortSettings {
        let options = self.options.or(defaults);
        PortSettings {
            name: self.name.value,
            device,
            address: self.address.map(|at| at.value),
            querier_address: self.querier_address.map(|at| at.value),
            timers: options.timers(),
            sources: value(&options.sources, Sources::No),
            require_router_alert: value(&options.require_router_alert, false),
            any_ttl: value(&options.any_ttl, false),
            require_on_link_source: value(&options.require_on_link_source, false),
            static_groups: options.static_groups.unwrap_or_default(),
            mtu: options.mtu.as_ref().map(|at| at.value),
            rx_descriptors: value(&options.rx_descriptors, DESCRIPTORS),
            tx_descriptors: value(&options.tx_descriptors, DESCRIPTORS),
        }
    }
}

const DEVICE_CURE: &str = "set `device` to a PCI address like \"0000:3b:00.0\", a kernel Ethernet interface like \
                           \"eth1\", or a DPDK virtual device like \"net_pcap0,rx_pcap=in.pcap\"";

fn read_name(section: &mut Section<'_, '_>, problems: &mut Problems) -> Option<At<String>> {
    let cure = "use 1 to 32 letters, digits, `-`, `_` and `.`, beginning with a letter or digit";
    let Some(value) = section.value("name") else {
        problems.error(section.place(), "a [[port]] has no name", "set `name`, like \"wan\"");
        return None;
    };
    let at = value.string("the port's name in quotes", problems)?;
    let name = at.value;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if name.len() > 32 || !starts || !name.chars().all(plain) {
        value.error(&format!("is \"{}\"", name.escape_debug()), cure, problems);
        return None;
    }
    section.rename(format!("[[port]] \"{name}\""));
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
