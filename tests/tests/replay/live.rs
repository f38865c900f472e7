//! The same captures through `manifold run` on net_pcap ports: delivered as fast as they are polled and on no
//! clock, so what is judged is counts, bytes and buffers, not order.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::support::frames::{
    GROUP, OTHER, Packet, SOURCE, USER_3, USER_4, USER_5, checksum, data_packet, join,
};
use crate::support::process::{Place, Running, wait_for};
use crate::support::replay::{ROUTER_MAC, write_capture};
use crate::support::sent::Sent;

/// Datagrams that a client sends; above the pool's 8,191 buffers, so that one that leaks is missed.
const DATAGRAMS: u16 = 20_000;

/// Three net_pcap ports; each reads the capture of its name and writes one named `PORT.out`.
struct PcapPorts(Place);

impl PcapPorts {
    fn new() -> Self {
        Self(Place::new())
    }

    fn input(&self, port: &str, frames: &[Vec<u8>]) {
        let path = self.0.folder().join(format!("{port}.in"));
        write_capture(&path, frames.iter().map(|frame| (Duration::ZERO, &frame[..])));
    }

    fn start(&self, hall_a: &str) -> Running {
        self.start_with(hall_a, "")
    }

    fn start_with(&self, hall_a: &str, hall_b: &str) -> Running {
        let device = |i: usize, port: &str| {
            let file = |end: &str| self.0.folder().join(format!("{port}.{end}")).display().to_string();
            format!("net_pcap{i},rx_pcap={},tx_pcap={}", file("in"), file("out"))
        };
        let (wan, a, b) = (device(0, "wan"), device(1, "hall-a"), device(2, "hall-b"));
        let settings = self.0.settings(&[("wan", &wan, ""), ("hall-a", &a, hall_a), ("hall-b", &b, hall_b)]);
        let settings = settings.replacen("[eal]", &format!("router-mac = \"{ROUTER_MAC}\"\n[eal]"), 1);
        Running::start(&self.0, &settings)
    }

    fn sent(&self, port: &str) -> Sent {
        Sent::read(port, fs::read(self.0.folder().join(format!("{port}.out"))).expect("what it sent"))
    }
}

/// One port's counters.
struct Counters(serde_json::Value);

impl Counters {
    fn of(running: &Running, port: &str) -> Self {
        let reply = running.ask("show-counters");
        let ports = reply["ports"].as_array().expect("ports");
        Self(ports.iter().find(|p| p["port"] == port).expect("the port").clone())
    }

    fn frames(&self, name: &str) -> u64 {
        self.0["frames"][name].as_u64().unwrap_or_else(|| panic!("no counter `{name}`"))
    }

    fn verdict(&self, name: &str) -> u64 {
        self.0["verdicts"][name].as_u64().unwrap_or_else(|| panic!("no verdict `{name}`"))
    }

    fn drops(&self) -> BTreeMap<&str, u64> {
        let all = self.0["drops"].as_object().expect("drops");
        all.iter()
            .map(|(name, n)| (name.as_str(), n.as_u64().expect("a count")))
            .filter(|(_, n)| *n > 0)
            .collect()
    }
}

fn wait_received(running: &Running, port: &str, frames: u64) -> Counters {
    wait_for(&format!("{frames} frames on {port}"), || {
        let counters = Counters::of(running, port);
        (counters.frames("rx-frames") == frames).then_some(counters)
    })
}

/// The copy that a router makes of a datagram.
fn copy_of(packet: Packet) -> Vec<u8> {
    copy_from(ROUTER_MAC, packet)
}

/// The same from another MAC.
fn copy_from(mac: &str, packet: Packet) -> Vec<u8> {
    let mut copy = packet.with(|p| p.ttl -= 1).bytes();
    copy[6..12].copy_from_slice(&mac.parse::<types::MacAddr>().unwrap().octets());
    copy[24..26].fill(0);
    let sum = checksum(&copy[14..34]);
    copy[24..26].copy_from_slice(&sum.to_be_bytes());
    copy
}

#[test]
fn every_datagram_of_a_client_goes_up_once_right_and_no_buffer_is_lost() {
    let ports = PcapPorts::new();
    ports.input("wan", &[]);
    ports.input("hall-b", &[join(USER_3, OTHER)]);
    let datagram = |n: u16| data_packet(USER_5, GROUP, n);
    ports.input("hall-a", &(0..DATAGRAMS).map(|n| datagram(n).bytes()).collect::<Vec<_>>());
    let running = ports.start("sources = true");
    let counters = wait_received(&running, "hall-a", u64::from(DATAGRAMS));
    assert_eq!((counters.frames("forwarded"), counters.drops()), (u64::from(DATAGRAMS), BTreeMap::new()));
    let wan = wait_for("the join upstream", || {
        let wan = Counters::of(&running, "wan");
        (wan.frames("injected") > 0).then_some(wan)
    });
    assert!(wan.frames("tx-frames") >= u64::from(DATAGRAMS));
    running.stop();

    // Order within a port holds live too.
    let up = ports.sent("wan");
    let data: Vec<_> = up.frames.iter().filter(|f| f.frame.igmp().is_none()).collect();
    assert_eq!(data.len(), usize::from(DATAGRAMS));
    for (frame, n) in data.iter().zip(0..) {
        assert_eq!(frame.bytes, copy_of(datagram(n)), "datagram {n}");
    }
    let igmp: Vec<_> =
        up.frames.iter().filter(|f| f.frame.igmp().is_some()).map(|f| f.frame.to_string()).collect();
    assert!(igmp.contains(&"10.0.0.1 > 239.3.3.3  v2 Join 239.3.3.3".to_owned()), "{igmp:?}");
    assert_eq!(igmp.last().unwrap(), "10.0.0.1 > 224.0.0.2  Leave 239.3.3.3", "r96: a clean end leaves");
    assert_eq!(ports.sent("hall-b").data(), [0; 0], "r84");
}

#[test]
fn what_comes_down_is_forwarded_or_counted_and_what_was_counted_was_sent() {
    let ports = PcapPorts::new();
    ports.input("hall-a", &[join(USER_4, GROUP)]);
    ports.input("hall-b", &[join(USER_3, GROUP), join(USER_3, OTHER)]);
    let stream: Vec<_> = (0..DATAGRAMS).map(|n| data_packet(SOURCE, GROUP, n).bytes()).collect();
    ports.input("wan", &stream);
    let running = ports.start("");
    let wan = wait_received(&running, "wan", u64::from(DATAGRAMS));
    let (a, b) = (wait_received(&running, "hall-a", 1), wait_received(&running, "hall-b", 2));
    assert_eq!((a.frames("punted"), b.frames("punted")), (1, 2));
    wait_for("the members", || (Counters::of(&running, "hall-b").verdict("joined") == 2).then_some(()));
    // The joins race with the stream: how much of it came before them is chance, that it was counted is not.
    let early = wan.drops().get("no-member").copied().unwrap_or(0);
    assert_eq!(wan.frames("forwarded") + early, u64::from(DATAGRAMS));
    running.stop();

    let (a, b) = (ports.sent("hall-a").data(), ports.sent("hall-b").data());
    assert_eq!(
        a.len().max(b.len()) as u64,
        wan.frames("forwarded"),
        "each that was forwarded went to a port"
    );
    for (hall, data) in [("hall-a", a), ("hall-b", b)] {
        let first = u16::try_from(usize::from(DATAGRAMS) - data.len()).unwrap();
        assert_eq!(
            data,
            (first..DATAGRAMS).collect::<Vec<_>>(),
            "{hall}: from the join on, all and in order"
        );
    }
}

/// Runs of any length, to one hall or both: with a MAC of its own on one of them, on both, and on none.
#[test]
fn a_hall_gets_the_same_from_whichever_mac_and_no_buffer_is_lost() {
    // All for both halls at first, then every third for one of them alone.
    let datagram = |n: u16| {
        let alone = n >= DATAGRAMS / 2 && n.is_multiple_of(3);
        data_packet(SOURCE, if alone { OTHER } else { GROUP }, n)
    };
    let members = |groups: &str, mac: &str| format!("static-groups = [{groups}]\nmac = \"{mac}\"");
    for (mac_a, mac_b) in [("port", "router"), ("router", "port"), ("port", "port"), ("router", "router")] {
        let ports = PcapPorts::new();
        ports.input("wan", &(0..DATAGRAMS).map(|n| datagram(n).bytes()).collect::<Vec<_>>());
        ports.input("hall-a", &[]);
        ports.input("hall-b", &[]);
        let of_a = members("\"239.2.2.2\"", mac_a);
        let running = ports.start_with(&of_a, &members("\"239.2.2.2\", \"239.3.3.3\"", mac_b));
        let wan = wait_received(&running, "wan", u64::from(DATAGRAMS));
        let shown = running.ask("show-ports");
        let shown = shown["ports"].as_array().expect("ports");
        let mac = |hall: &str| shown.iter().find(|port| port["name"] == hall).expect("a port")["mac"].clone();
        let macs = ["hall-a", "hall-b"].map(|hall| mac(hall).as_str().expect("a MAC").to_owned());
        for (setting, mac) in [mac_a, mac_b].iter().zip(&macs) {
            assert_eq!(*setting == "router", mac == ROUTER_MAC, "{mac}");
        }
        running.stop();

        // What came before the members is chance.
        let early = u16::try_from(u64::from(DATAGRAMS) - wan.frames("forwarded")).unwrap();
        let wanted = |hall: &str| {
            (early..DATAGRAMS)
                .filter(|n| hall == "hall-b" || datagram(*n).bytes()[30..34] == GROUP.octets())
                .collect()
        };
        for (hall, mac) in ["hall-a", "hall-b"].iter().zip(&macs) {
            let sent = ports.sent(hall);
            let wanted: Vec<u16> = wanted(hall);
            assert_eq!(sent.data(), wanted, "{hall} of {mac_a}, {mac_b}");
            let data = sent.frames.iter().filter(|frame| frame.frame.igmp().is_none());
            for (frame, n) in data.zip(wanted) {
                assert_eq!(
                    frame.bytes,
                    copy_from(mac, datagram(n)),
                    "{hall} of {mac_a}, {mac_b}: datagram {n}"
                );
            }
        }
    }
}

#[test]
fn broken_frames_cost_no_buffer_live_either() {
    let ports = PcapPorts::new();
    let broken = |n: u16| {
        let packet = data_packet(SOURCE, GROUP, n);
        let mut frame = match n % 4 {
            0 => packet.with(|p| p.tags = vec![0x81, 0, 0, 7]).bytes(),
            1 => packet.with(|p| p.ttl = 1).bytes(),
            _ => packet.bytes(),
        };
        match n % 4 {
            2 => frame[24] ^= 1,
            3 => frame.truncate(30),
            _ => {}
        }
        frame
    };
    ports.input("wan", &(0..DATAGRAMS).map(broken).collect::<Vec<_>>());
    ports.input("hall-a", &[]);
    ports.input("hall-b", &[]);
    let running = ports.start("");
    let wan = wait_received(&running, "wan", u64::from(DATAGRAMS));
    let each = u64::from(DATAGRAMS) / 4;
    let wanted = [("vlan-tagged", each), ("ttl", each), ("ip-checksum", each), ("runt", each)];
    assert_eq!(wan.drops(), wanted.into_iter().collect());
    running.stop();
}

#[test]
fn f34_f35_a_flood_on_one_port_is_counted_and_the_others_get_their_stream() {
    let ports = PcapPorts::new();
    // Zapping as fast as it goes, and what nobody wants.
    let flood = |n: u16| {
        let group = [239, 50, (n >> 8) as u8, n as u8].into();
        if n % 4 == 3 { data_packet(USER_5, group, n).bytes() } else { join(USER_5, group) }
    };
    ports.input("hall-a", &(0..DATAGRAMS).map(flood).collect::<Vec<_>>());
    ports.input("hall-b", &[join(USER_3, GROUP)]);
    ports.input("wan", &(0..DATAGRAMS).map(|n| data_packet(SOURCE, GROUP, n).bytes()).collect::<Vec<_>>());
    let running = ports.start("max-groups = 100");
    let (wan, a) = (
        wait_received(&running, "wan", u64::from(DATAGRAMS)),
        wait_received(&running, "hall-a", u64::from(DATAGRAMS)),
    );
    wait_for("the member in hall-b", || {
        (Counters::of(&running, "hall-b").verdict("joined") == 1).then_some(())
    });
    let early = wan.drops().get("no-member").copied().unwrap_or(0);
    assert_eq!(wan.frames("forwarded") + early, u64::from(DATAGRAMS));
    let refused: u64 = a.drops().values().sum();
    assert_eq!(a.frames("punted") + refused, u64::from(DATAGRAMS), "each is counted: {:?}", a.drops());
    assert_eq!(a.drops()["not-a-source"], u64::from(DATAGRAMS) / 4);
    let handled = wait_for("what was handed over is handled", || {
        let a = Counters::of(&running, "hall-a");
        (a.verdict("joined") + a.verdict("group-limit") == a.frames("punted")).then_some(a)
    });
    assert_eq!(handled.verdict("joined"), 100);
    running.stop();
    let in_hall_b = ports.sent("hall-b").data();
    let first = u16::try_from(early).unwrap();
    assert_eq!(in_hall_b, (first..DATAGRAMS).collect::<Vec<_>>(), "from the join on, all and in order");
}
