//! Checks that look at several values: doubled ports, the provider's port, timers that contradict.

use std::collections::HashMap;
use std::time::Duration;

use types::{MAX_PORTS, PortIndex};

use crate::assemble::Raw;
use crate::combinations;
use crate::device::Device;
use crate::duration::show;
use crate::model::PortTimers;
use crate::options::PortOptions;
use crate::port::RawPort;
use crate::problem::{At, Place, Problems};
use crate::reader::quoted;
use crate::roles;

/// RFC 2236's group membership interval by its defaults, after which a host no longer hears the older querier.
const DEFAULT_MEMBERSHIP_INTERVAL: &str = "260s";
/// Above this, two lost queries let hosts fall back to IGMPv3 (r103).
const LONG_QUERY_INTERVAL: Duration = Duration::from_secs(250);

/// Checks the whole and gives the provider port's index.
pub(crate) fn check(raw: &Raw, file: &Place, problems: &mut Problems) -> Option<PortIndex> {
    check_count(raw, file, problems);
    check_unique(&raw.ports, problems);
    check_timers(raw, problems);
    let upstream = find_upstream(raw, file, problems);
    roles::warn_of_role(raw, upstream, problems);
    roles::warn_of_device(raw, problems);
    combinations::check(raw, upstream, problems);
    // What goes on looks at every pair.
    if raw.ports.len() <= MAX_PORTS {
        warn_overlaps(&raw.ports, problems);
        warn_addresses(&raw.ports, upstream, problems);
    }
    upstream
}

fn check_count(raw: &Raw, file: &Place, problems: &mut Problems) {
    // Ports without a usable name are not here, but have an error of their own.
    if raw.ports.is_empty() && problems.errors.is_empty() {
        let cure = "add a [[port]] with `name` and `device` for the provider, and one for each client subnet";
        problems.error(file, "there is no port", cure);
    }
    if let Some(port) = raw.ports.get(MAX_PORTS) {
        too_many_ports(raw.ports.len(), &port.place, problems);
    }
}

/// `place` is the first port's above the most that there can be.
pub(crate) fn too_many_ports(count: usize, place: &Place, problems: &mut Problems) {
    let cure = format!("Manifold has at most {MAX_PORTS}: remove from here on");
    problems.error(place, format!("there are {count} ports"), cure);
}

/// Two ports with one name, one device, or one name in DPDK.
fn check_unique(ports: &[RawPort], problems: &mut Problems) {
    let mut names: HashMap<&str, &RawPort> = HashMap::new();
    let mut devices: HashMap<String, (&RawPort, &Place)> = HashMap::new();
    for port in ports {
        if let Some(first) = names.get(port.name.value.as_str()) {
            let what = format!("a second port is named \"{}\"", port.name.value);
            let cure = format!("rename one; the first is at {}", first.name.place);
            problems.error(&port.name.place, what, cure);
        } else {
            names.insert(&port.name.value, port);
        }
        let Some(device) = &port.device else { continue };
        for claim in claims(port, &device.value) {
            if let Some((first, place)) = devices.get(&claim) {
                // Two of one name, which is told: what follows from the name is not told besides.
                let is_other = |first: &At<Device>| first.value != device.value;
                if first.name.value == port.name.value && first.device.as_ref().is_some_and(is_other) {
                    continue;
                }
                let what = format!(
                    "port \"{}\" takes {claim}, which port \"{}\" has",
                    port.name.value, first.name.value
                );
                problems.error(
                    &device.place,
                    what,
                    format!("give each port its own; the first is at {place}"),
                );
                break;
            }
            devices.insert(claim, (port, &device.place));
        }
    }
}

/// What a port has for itself alone.
fn claims(port: &RawPort, device: &Device) -> Vec<String> {
    let mut claims = Vec::new();
    if let Some(interface) = device.kernel_interface() {
        claims.push(format!("the interface {interface}"));
    }
    match device {
        Device::Pci(address) => claims.push(format!("the PCI device {address}")),
        Device::Kernel(_) => claims.push(format!("DPDK's name net_af_packet_{}", port.name.value)),
        Device::Vdev(vdev) => {
            claims.push(format!("DPDK's name {}", vdev.name()));
            claims.extend(vdev.argument("tx_pcap").map(|file| format!("the capture file {file}")));
        }
    }
    claims
}

/// The query response interval is less than the query interval (RFC 2236, section 8.3).
fn check_timers(raw: &Raw, problems: &mut Problems) {
    let mut check = |options: &PortOptions, of: &str| {
        let default = PortTimers::default();
        let pick = |at: &Option<At<Duration>>, default| at.as_ref().map_or(default, |at| at.value);
        let interval = pick(&options.query_interval, default.query_interval);
        let response = pick(&options.query_response_interval, default.query_response_interval);
        let place = |at: &Option<At<Duration>>| at.as_ref().map(|at| at.place.clone());
        if response >= interval {
            let place = place(&options.query_response_interval).or(place(&options.query_interval));
            let what = format!(
                "`query-response-interval` of {} is not less than `query-interval` of {}{of}",
                show(response),
                show(interval)
            );
            let cure =
                "lower the first or raise the second: hosts answer within the one before the other comes";
            // Defaults do not contradict, so one of the two was written somewhere.
            if let Some(place) = place {
                problems.error(&place, what, cure);
            }
        } else if interval > LONG_QUERY_INTERVAL
            && let Some(place) = place(&options.query_interval)
        {
            let what = format!("`query-interval` of {} is above 250s{of}", show(interval));
            let cure = format!(
                "hosts that hear no query for {DEFAULT_MEMBERSHIP_INTERVAL} go over to IGMPv3 for good; set \
                     250s or less"
            );
            problems.warn(&place, what, cure);
        }
    };
    let defaults = &raw.defaults.options;
    if defaults.query_interval.is_some() || defaults.query_response_interval.is_some() {
        // What every port sets for itself is no contradiction.
        if raw.ports.iter().any(|p| !p.sets_query_timers()) {
            check(defaults, "");
        }
    }
    for port in raw.ports.iter().filter(|port| port.sets_query_timers()) {
        let options = port.options.clone().or(defaults);
        check(&options, &format!(" for port \"{}\"", port.name.value));
    }
}

impl RawPort {
    fn sets_query_timers(&self) -> bool {
        self.options.query_interval.is_some() || self.options.query_response_interval.is_some()
    }
}

fn find_upstream(raw: &Raw, file: &Place, problems: &mut Problems) -> Option<PortIndex> {
    let names: Vec<_> = raw.ports.iter().map(|port| format!("\"{}\"", port.name.value)).collect();
    let names = names.join(", ");
    let Some(upstream) = &raw.proxy.upstream else {
        if problems.errors.is_empty() {
            let cure = format!("nothing is forwarded until `upstream` in [proxy] names one of {names}");
            problems.warn(file, "no port is set as the provider's", cure);
        }
        return None;
    };
    let index = raw.ports.iter().position(|port| port.name.value == upstream.value);
    if index.is_none() {
        let what = format!("`upstream` is {}, which is no port", quoted(&upstream.value));
        let cure =
            if names.is_empty() { "add the [[port]]".to_owned() } else { format!("the ports are {names}") };
        problems.error(&upstream.place, what, cure);
    }
    index.and_then(PortIndex::new)
}

fn warn_overlaps(ports: &[RawPort], problems: &mut Problems) {
    for (i, port) in ports.iter().enumerate() {
        let Some(at) = &port.address else { continue };
        for earlier in &ports[..i] {
            let Some(other) = &earlier.address else { continue };
            if at.value.addr() == other.value.addr() {
                let what =
                    format!("ports \"{}\" and \"{}\" have one address", earlier.name.value, port.name.value);
                problems.error(&at.place, what, "give each port an address of its own subnet");
            } else if at.value.contains(other.value.addr()) || other.value.contains(at.value.addr()) {
                let what = format!(
                    "ports \"{}\" and \"{}\" are on overlapping subnets, {} and {}",
                    earlier.name.value, port.name.value, other.value, at.value
                );
                let cure = "each link needs its own, or hosts and queriers are taken for the other port's";
                problems.warn(&at.place, what, cure);
            }
        }
    }
}

/// A client port's queries need a source (r19); reports upstream go out from 0.0.0.0 without one (r71).
fn warn_addresses(ports: &[RawPort], upstream: Option<PortIndex>, problems: &mut Problems) {
    for (i, port) in ports.iter().enumerate() {
        let is_upstream = upstream.is_some_and(|index| index.get() == i);
        if is_upstream || port.address.is_some() || port.querier_address.is_some() {
            continue;
        }
        let what = format!("client port \"{}\" has no address", port.name.value);
        let cure = "set `address` or `querier-address`: its queries go out from 0.0.0.0, by which switches learn no \
                    router port, and against which any other querier wins";
        problems.warn(&port.place, what, cure);
    }
}
