//! Keys that mean nothing to a port of its role, and values that mean nothing beside each other.

use types::PortIndex;

use crate::assemble::Raw;
use crate::device::Device;
use crate::eal::AF_PACKET_FRAMES;
use crate::model::Driver;
use crate::port::RawPort;
use crate::problem::{Place, Problems};

/// Keys of the router side of IGMP.
const CLIENT_ONLY: &[&str] = &[
    "querier-address",
    "query-interval",
    "query-response-interval",
    "last-member-query-interval",
    "last-member-query-count",
    "igmp-version",
    "ignore-v1",
    "fast-leave",
    "report-isolated",
    "access",
    "max-groups",
    "static-groups",
    "sources",
    "forward-when-not-querier",
    "require-on-link-source",
    "link-down-hold",
    "router-discovery",
];
/// Keys of the host side.
const PROVIDER_ONLY: &[&str] =
    &["unsolicited-report-interval", "sources-allowed", "re-report-interval", "suppress", "leave"];

/// Warns of what a port sets for itself alone and does not heed: in `[defaults]` it is for the others.
pub(crate) fn warn_of_role(raw: &Raw, upstream: Option<PortIndex>, problems: &mut Problems) {
    // Without a provider's port nobody knows which roles are meant.
    let Some(upstream) = upstream else { return };
    for (i, port) in raw.ports.iter().enumerate() {
        let name = &port.name.value;
        let is_upstream = i == upstream.get();
        let (foreign, whose) = if is_upstream {
            (CLIENT_ONLY, "ports for clients")
        } else {
            (PROVIDER_ONLY, "the provider's port")
        };
        for (key, place) in set_on(port).filter(|(key, _)| foreign.contains(key)) {
            let here = if is_upstream { "the provider's" } else { "one for clients" };
            let what = format!("`{key}` is for {whose}, and port \"{name}\" is {here}");
            problems.warn(place, what, "leave it out, unless the port is to change its role");
        }
    }
}

/// What the port says for itself, and where.
fn set_on(port: &RawPort) -> impl Iterator<Item = (&'static str, &Place)> {
    let querier_address = port.querier_address.as_ref().map(|at| ("querier-address", &at.place));
    port.options.places().chain(querier_address)
}

/// What is for devices of another kind: the kernel's ring of an AF_PACKET port has frames of its own, and only an
/// interface's name leaves its driver open.
pub(crate) fn warn_of_device(raw: &Raw, problems: &mut Problems) {
    for port in &raw.ports {
        let places = || port.device_options.places();
        let named = !matches!(port.device.as_ref().map(|at| &at.value), Some(Device::Kernel(_)) | None);
        for (_, place) in places().filter(|(key, _)| named && *key == "driver") {
            let what = format!("`driver` means nothing to port \"{}\"", port.name.value);
            problems.warn(place, what, "leave it out: it is for kernel interfaces that `device` names bare");
        }
        let driver = port.device_options.driver.as_ref().or(raw.defaults.device.driver.as_ref());
        let ring = match port.device.as_ref().map(|at| &at.value) {
            Some(Device::Kernel(_)) => driver.is_some_and(|at| at.value == Driver::AfPacket),
            Some(Device::Vdev(vdev)) => vdev.driver() == "net_af_packet",
            Some(Device::Pci(_)) | None => false,
        };
        for (key, place) in places().filter(|(key, _)| ring && key.ends_with("descriptors")) {
            let what = format!("`{key}` means nothing to port \"{}\"", port.name.value);
            let cure = format!("leave it out: af_packet's ring has {AF_PACKET_FRAMES} frames");
            problems.warn(place, what, cure);
        }
    }
}
