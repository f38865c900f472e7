//! Ports that send from MACs of their own, beside ports that send from the router's, of which one's driver, where this
//! build has it, keeps what it took: each sends every frame of its groups, every byte right.

use std::net::Ipv4Addr;
use std::path::Path;

use types::MacAddr;

use super::alone::{alone, read_pcap, write_pcap};
use super::crew::TestCrew;
use super::frames::{self, Packet, SOURCE};

const FRAMES: usize = 800;
/// Of every port: who has a MAC of its own needs copies.
const ALL: Ipv4Addr = Ipv4Addr::new(239, 2, 0, 1);
/// Of all but the one that keeps them: frames, not copies, unless they wait in a batch.
const MOST: Ipv4Addr = Ipv4Addr::new(239, 2, 0, 2);
/// Of two, both with a MAC of their own.
const OWN: Ipv4Addr = Ipv4Addr::new(239, 2, 0, 3);
/// Of one, with a MAC of its own.
const ONE: Ipv4Addr = Ipv4Addr::new(239, 2, 0, 4);

/// What a port that is to send is.
struct Hall {
    name: &'static str,
    own_mac: bool,
    /// Its driver keeps frames until the test takes them.
    keeps: bool,
    groups: &'static [Ipv4Addr],
}

const fn hall(name: &'static str, own_mac: bool, groups: &'static [Ipv4Addr]) -> Hall {
    Hall { name, own_mac, keeps: false, groups }
}

const HALLS: [Hall; 5] = [
    hall("own-a", true, &[ALL, MOST, OWN]),
    hall("own-b", true, &[ALL, MOST, OWN, ONE]),
    Hall { keeps: true, ..hall("keeps", false, &[ALL]) },
    hall("router", false, &[ALL, MOST]),
    hall("own-c", true, &[ALL, MOST]),
];

/// Frame `number` of the stream: long runs, and short ones.
fn data(number: usize) -> Packet {
    let group = match number % 120 {
        0..30 => ALL,
        30..55 => MOST,
        55..75 => OWN,
        75..90 => ONE,
        90..94 => ALL,
        94..97 => OWN,
        at => [ALL, MOST, OWN, ONE][at % 4],
    };
    let mut packet = frames::data_packet(SOURCE, group, number as u16);
    packet.payload.splice(8..8, (0..number % 1300).map(|at| (at * 3 + number) as u8));
    let length = packet.payload.len() as u16;
    // No checksum, which UDP allows.
    packet.payload[4..8].copy_from_slice(&[(length >> 8) as u8, length as u8, 0, 0]);
    packet
}

fn is_data(frame: &[u8]) -> bool {
    frame[12..14] == [8, 0] && frame[23] == 17
}

impl Hall {
    /// What leaves by it.
    fn wants(&self, source: MacAddr) -> Vec<Vec<u8>> {
        let wanted = (0..FRAMES).map(data).filter(|packet| self.groups.contains(&packet.to));
        wanted.map(|packet| packet.with(|p| (p.from_mac, p.ttl) = (source, 15)).bytes()).collect()
    }

    fn settings(&self, place: usize, folder: &Path) -> String {
        let device = if self.keeps && dpdk::REFCNT_IS_ATOMIC {
            "net_ring0".to_owned()
        } else {
            format!("net_pcap{place},tx_pcap={}", self.path(folder))
        };
        let groups: Vec<_> = self.groups.iter().map(|group| format!("\"{group}\"")).collect();
        format!(
            "[[port]]\nname = \"{}\"\ndevice = \"{device}\"\naddress = \"10.{place}.0.1/24\"\n\
             static-groups = [{}]\n{}",
            self.name,
            groups.join(", "),
            if self.own_mac { "mac = \"port\"\n" } else { "" }
        )
    }

    fn path(&self, folder: &Path) -> String {
        folder.join(format!("{}.pcap", self.name)).display().to_string()
    }
}

#[test]
fn each_port_sends_all_from_its_mac_whatever_the_others_drivers_keep() {
    alone("runtime::tests::macs::each_port_sends_all_from_its_mac_whatever_the_others_drivers_keep", || {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("wan.pcap");
        write_pcap(&input, &(0..FRAMES).map(|number| data(number).bytes()).collect::<Vec<_>>());
        let mut settings = format!(
            "[proxy]\nupstream = \"wan\"\ninstance = \"macs-{}\"\n[eal]\nhugepages = \"no\"\n\
             [paths]\nlive = false\n\
             [[port]]\nname = \"wan\"\ndevice = \"net_pcap0,rx_pcap={}\"\naddress = \"10.0.0.1/24\"\n",
            std::process::id(),
            input.display()
        );
        for (place, hall) in (1..).zip(&HALLS) {
            settings += &hall.settings(place, folder.path());
        }
        let mut crew = TestCrew::start(&settings, 1);
        let router = crew.router_mac();
        let macs = HALLS.each_ref().map(|h| if h.own_mac { crew.device_mac(h.name) } else { router });
        crew.receive_by("wan");
        crew.await_received("wan", FRAMES);
        let kept = crew.take_received("keeps");
        let ended = crew.end();

        for (hall, mac) in HALLS.iter().zip(macs) {
            let mut sent = if hall.keeps && dpdk::REFCNT_IS_ATOMIC {
                kept.clone()
            } else {
                read_pcap(hall.path(folder.path()).as_ref())
            };
            let bytes = sent.iter().map(Vec::len).sum::<usize>() as u64;
            let (counted, name) = (&ended.counters[hall.name], hall.name);
            assert_eq!(counted.frames["tx-frames"], sent.len() as u64, "{name}");
            assert_eq!(counted.frames["tx-bytes"], bytes, "{name}");
            assert_eq!(counted.drops.values().sum::<u64>(), 0, "{name}: {counted:?}");
            sent.retain(|frame| is_data(frame));
            let wanted = hall.wants(mac);
            assert!(sent == wanted, "{name}: {} frames, not {}", sent.len(), wanted.len());
        }
    });
}

#[test]
fn a_providers_port_without_a_mac_sends_from_anothers() {
    // That driver counts references by several threads.
    if !dpdk::REFCNT_IS_ATOMIC {
        return;
    }
    alone("runtime::tests::macs::a_providers_port_without_a_mac_sends_from_anothers", || {
        let settings = format!(
            "[proxy]\nupstream = \"wan\"\ninstance = \"macs-{}\"\n[eal]\nhugepages = \"no\"\n\
             [paths]\nlive = false\n\
             [[port]]\nname = \"wan\"\ndevice = \"net_ring0\"\n\
             [[port]]\nname = \"hall\"\ndevice = \"net_null0\"\naddress = \"10.1.0.1/24\"\n",
            std::process::id(),
        );
        // It joins nothing: what it sends stays in the ring.
        let crew = TestCrew::start(&settings, 1);
        assert_eq!(crew.device_mac("wan"), MacAddr::ZERO);
        assert_eq!(crew.router_mac(), crew.device_mac("hall"));
        crew.end();
    });
}
