//! How many queues a port gets for so many workers.

use dpdk::PortInfo;
use settings::{Device, PortSettings};

use crate::drivers::AF_XDP;
use crate::failure::Failure;

/// Drivers whose queues there are from the start, frames in every one: all must be emptied, whatever the workers.
const QUEUES_OF_THEIR_OWN: &[&str] = &["net_af_packet", "net_af_xdp", "net_pcap"];

/// Receive queues of a port: one for each worker as far as the device has them, so that what comes in can be spread.
/// Drivers that make queues in pairs would fill those that nobody asked for, so a port has no fewer.
pub(crate) fn queues_to_receive(info: &PortInfo, workers: u16) -> u16 {
    let own = QUEUES_OF_THEIR_OWN.contains(&info.driver.as_str());
    if own { info.max_rx_queues.max(1) } else { info.max_rx_queues.clamp(1, workers) }
}

/// Transmit queues that a device offers to workers.
///
/// memif's driver takes any number, and learns from the far end how many it has memory for: by the others it writes into
/// the memory of the first. It does not tell, so only the first is safe.
fn offered(info: &PortInfo) -> u16 {
    if info.driver == "net_memif" { 1 } else { info.max_tx_queues }
}

/// Transmit queues of a port: one for each worker.
///
/// # Errors
/// The device has fewer; what would give it more.
pub(crate) fn queues_to_send(settings: &PortSettings, info: &PortInfo, workers: u16) -> Result<u16, Failure> {
    let offered = offered(info);
    if offered >= workers {
        return Ok(workers);
    }
    let more = match &settings.device {
        Device::Vdev(vdev) => match vdev.driver() {
            "net_pcap" => format!("name a file of its own for each with `tx_pcap=` {workers} times, or "),
            "net_af_packet" => format!("give it `qpairs={workers}`, or "),
            "net_af_xdp" => format!("give it `queue_count={workers}`, or "),
            "net_virtio_user" | "net_vhost" => format!("give it `queues={workers}`, or "),
            _ => String::new(),
        },
        // That has a pair for each worker.
        Device::Kernel(_) if info.driver == AF_XDP => "set `driver = \"af_packet\"`, or ".to_owned(),
        Device::Kernel(_) | Device::Pci(_) => String::new(),
    };
    let (s, cores) = match offered {
        1 => ("", "one core".to_owned()),
        _ => ("s", format!("{offered} cores at most")),
    };
    Err(Failure::of_port(
        settings,
        format!(
            "{} has {offered} transmit queue{s}, and {workers} workers need one each; {more}name {cores} in [worker] \
             `cores`",
            settings.device
        ),
    ))
}

/// The port that leaves the fewest workers possible, and how many, where that is fewer than there are cores for.
pub(crate) fn narrowest<'a>(
    ports: impl Iterator<Item = (&'a str, &'a PortInfo)>,
    cores: usize,
) -> Option<(&'a str, usize)> {
    let narrow = ports.map(|(name, info)| (name, usize::from(offered(info)).max(1)));
    narrow.filter(|(_, workers)| *workers < cores).min_by_key(|(_, workers)| *workers)
}

#[cfg(test)]
mod tests {
    use dpdk::Spread;
    use types::MacAddr;

    use super::*;

    fn info(driver: &str, max_rx_queues: u16, max_tx_queues: u16) -> PortInfo {
        PortInfo {
            name: "x".to_owned(),
            driver: driver.to_owned(),
            mac: MacAddr::ZERO,
            node: None,
            interface: None,
            max_rx_queues,
            max_tx_queues,
            min_mtu: 68,
            max_mtu: 9_600,
            max_mac_addrs: 1,
            checks_ip: false,
            spread: Spread::Nothing,
        }
    }

    fn sending(device: &str, info: &PortInfo, workers: u16) -> Result<u16, String> {
        let text = format!("[[port]]\nname = \"a\"\ndevice = \"{device}\"\n");
        let port = settings::parse(&text, "test.toml").unwrap().ports.remove(0);
        queues_to_send(&port, info, workers).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_port_receives_by_a_queue_for_each_worker_as_far_as_it_has_them() {
        assert_eq!(queues_to_receive(&info("net_ice", 256, 256), 4), 4);
        assert_eq!(queues_to_receive(&info("net_ice", 2, 256), 4), 2);
        assert_eq!(queues_to_receive(&info("net_ice", 256, 256), 1), 1);
    }

    #[test]
    fn queues_that_get_frames_whoever_asks_are_all_emptied() {
        assert_eq!(queues_to_receive(&info("net_af_packet", 4, 4), 2), 4);
        assert_eq!(queues_to_receive(&info("net_pcap", 3, 1), 1), 3);
        assert_eq!(queues_to_receive(&info("net_pcap", 0, 1), 1), 1, "the driver makes one that stays empty");
    }

    #[test]
    fn a_port_with_fewer_transmit_queues_than_workers_is_refused_with_the_cure() {
        let pci = "0000:3b:00.0";
        assert_eq!(sending(pci, &info("net_ice", 256, 256), 4), Ok(4));
        let two = sending(pci, &info("net_ixgbe_vf", 2, 2), 4).unwrap_err();
        assert_eq!(
            two,
            "port \"a\": 0000:3b:00.0 has 2 transmit queues, and 4 workers need one each; name 2 cores at most in \
             [worker] `cores`"
        );
        let cure = |device: &str, driver: &str| sending(device, &info(driver, 1, 1), 2).unwrap_err();
        assert!(
            cure("net_pcap0,rx_pcap=x", "net_pcap").contains("with `tx_pcap=` 2 times, or name one core")
        );
        assert!(cure("net_af_packet0,iface=e0", "net_af_packet").contains("give it `qpairs=2`, or"));
        assert!(cure("net_af_xdp0,iface=e0", "net_af_xdp").contains("give it `queue_count=2`, or"));
        assert!(cure("eth0", "net_af_xdp").contains("set `driver = \"af_packet\"`, or name one core"));
    }

    #[test]
    fn memif_has_one_queue_whatever_its_driver_says() {
        let memif = info("net_memif", 255, 255);
        assert!(
            sending("net_memif0", &memif, 2).unwrap_err().contains("has 1 transmit queue, and 2 workers")
        );
        assert_eq!(sending("net_memif0", &memif, 1), Ok(1));
    }

    #[test]
    fn no_more_workers_than_every_port_has_queues_for() {
        let ports = [info("net_ice", 256, 256), info("net_ixgbe_vf", 2, 2)];
        let of = |cores| narrowest(["wan", "hall-a"].into_iter().zip(&ports), cores);
        assert_eq!(of(8), Some(("hall-a", 2)));
        assert_eq!((of(2), of(1)), (None, None), "there are queues enough");
        assert_eq!(narrowest([("lab", &info("net_memif", 255, 255))].into_iter(), 3), Some(("lab", 1)));
        assert_eq!(narrowest([("lab", &info("odd", 0, 0))].into_iter(), 3), Some(("lab", 1)));
        assert_eq!(narrowest([("lab", &info("odd", 0, 0))].into_iter(), 1), None);
    }
}
