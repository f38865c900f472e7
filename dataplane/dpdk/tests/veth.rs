//! Kernel interfaces as ports: fan-out by a fixed bitmap over af_packet on veth pairs, whose other ends are ports too.

mod support;

use std::num::NonZeroU16;
use std::process::Command;
use std::time::{Duration, Instant};

use dpdk::{Burst, MacFilter, Mbuf, MulticastFilter, Port, PortConfig, Queues, RxQueue, TxBatch, TxResult};
use support::{alone_in_network, eal, pool};
use types::MacAddr;

const FRAMES: usize = 400;

/// To which of two ports a frame of each group goes.
const MEMBERS: [u8; 4] = [0b00, 0b01, 0b10, 0b11];

fn ip(args: &str) -> String {
    let output = Command::new("ip").args(args.split(' ')).output().expect("ip");
    assert!(output.status.success(), "ip {args}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// veth pairs, up, silent: no address, no IPv6.
fn make_links(names: &[&str]) {
    for name in names {
        ip(&format!("link add {name} type veth peer name {name}-peer"));
        for end in [name.to_string(), format!("{name}-peer")] {
            ip(&format!("link set {end} addrgenmode none"));
            ip(&format!("link set {end} up"));
        }
    }
}

/// Bytes that a socket may ask for without a privilege; it gets twice as many.
fn most_room() -> u64 {
    let limit = std::fs::read_to_string("/proc/sys/net/core/wmem_max").expect("the limit");
    limit.trim().parse().expect("bytes")
}

fn frame(number: usize) -> Vec<u8> {
    let mut frame = vec![0; 60 + number];
    frame[..6].copy_from_slice(&[1, 0, 0x5e, 1, 1, (number % MEMBERS.len()) as u8]);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame[12..14].copy_from_slice(&0x0800u16.to_be_bytes());
    frame[20..28].copy_from_slice(&number.to_be_bytes());
    frame
}

/// Receives `n` frames. The clock is only for giving up.
fn receive(rx: &mut RxQueue, n: usize) -> Vec<Vec<u8>> {
    let (mut frames, mut burst) = (Vec::new(), Burst::<32>::new());
    let give_up = Instant::now() + Duration::from_secs(20);
    while frames.len() < n && Instant::now() < give_up {
        rx.rx_burst(&mut burst);
        frames.extend(burst.drain().map(|mbuf| mbuf.data().to_vec()));
    }
    frames
}

/// Takes frames from the first port and sends each to those of its group, until all have passed.
fn replicate(mut ports: Vec<Queues>) -> Vec<Queues> {
    let mut burst: Burst = Burst::new();
    let mut batches: [TxBatch; 2] = Default::default();
    let mut seen = 0;
    let give_up = Instant::now() + Duration::from_secs(20);
    while seen < FRAMES && Instant::now() < give_up {
        seen += ports[0].rx[0].rx_burst(&mut burst);
        for mbuf in burst.drain() {
            let members = MEMBERS[mbuf.data()[5] as usize];
            let Some(copies) = NonZeroU16::new(members.count_ones() as u16) else { continue };
            let to = (0..2).filter(|port| members & 1 << port != 0);
            for (port, copy) in to.zip(mbuf.fan_out(copies)) {
                batches[port].push(copy).unwrap();
            }
        }
        for (batch, port) in batches.iter_mut().zip(&mut ports[1..]) {
            assert_eq!(port.tx[0].tx_burst(batch).refused, 0);
        }
    }
    ports
}

#[test]
fn frames_go_where_the_bitmap_says_over_kernel_interfaces() {
    alone_in_network("frames_go_where_the_bitmap_says_over_kernel_interfaces", || {
        make_links(&["wan", "hall-a", "hall-b"]);
        let ends = ["wan", "hall-a", "hall-b", "wan-peer", "hall-a-peer", "hall-b-peer"];
        let eal = eal(&[]);
        let pool = pool(&eal);
        let mut started: Vec<(Port, Queues)> = ends
            .iter()
            .enumerate()
            .map(|(i, end)| {
                let id = eal.attach(&format!("net_af_packet{i},iface={end}")).unwrap()[0];
                let mut port = Port::open(&eal, id).unwrap();
                let queues = port.start(&PortConfig::new(pool.clone())).unwrap();
                (port, queues)
            })
            .collect();
        let mut peers = started.split_off(3);
        let (mut ports, queues): (Vec<_>, Vec<_>) = started.into_iter().unzip();

        let worker = eal.spawn_worker("worker", None, |_| replicate(queues)).unwrap();
        let mut batch: TxBatch<8> = TxBatch::new();
        for number in 0..FRAMES {
            batch.push(Mbuf::from_bytes(&pool, &frame(number)).unwrap().into()).unwrap();
            if batch.is_full() {
                assert_eq!(peers[0].1.tx[0].tx_burst(&mut batch), TxResult { sent: 8, refused: 0 });
                // Let the worker keep up: the interfaces' rings hold 512 frames.
                std::thread::yield_now();
            }
        }
        for (port, bit) in [(1, 0b01), (2, 0b10)] {
            let expected: Vec<_> = (0..FRAMES).filter(|n| MEMBERS[n % 4] & bit != 0).map(frame).collect();
            assert!(receive(&mut peers[port].1.rx[0], expected.len()) == expected, "port {port}");
        }
        let queues = worker.join().unwrap();
        let mut burst: Burst = Burst::new();
        for (_, queues) in &mut peers {
            assert_eq!(queues.rx[0].rx_burst(&mut burst), 0, "and nothing more, nor back");
        }
        assert_eq!(ports[0].stats().unwrap().rx_frames, FRAMES as u64);
        assert_eq!(ports[0].stats().unwrap().tx_frames, 0);
        for (port, queues) in ports.drain(..).zip(queues).chain(peers) {
            port.detach(queues).unwrap();
        }
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn frames_that_nobody_fetches_in_time_are_counted_though_the_driver_does_not_tell() {
    let name = "frames_that_nobody_fetches_in_time_are_counted_though_the_driver_does_not_tell";
    alone_in_network(name, || {
        make_links(&["wan", "hall"]);
        let eal = eal(&[]);
        let pool = pool(&eal);
        let open = |n: usize, interface: &str| {
            let id = eal.attach(&format!("net_af_packet{n},iface={interface},framecnt=256")).unwrap()[0];
            let mut port = Port::open(&eal, id).unwrap();
            // A user namespace gives no right to more than `net.core.wmem_max`.
            assert_eq!(port.sockets_without_room(), usize::from(2 * most_room() < 64 << 20));
            let queues = port.start(&PortConfig::new(pool.clone())).unwrap();
            (port, queues)
        };
        let (mut port, mut queues) = open(0, "wan");
        let (other, other_queues) = open(1, "hall");
        let (peer, mut peer_queues) = open(2, "wan-peer");
        port.reset_stats().unwrap();
        let mut send = |frames: usize| {
            for number in 0..frames {
                assert!(peer_queues.tx[0].send(Mbuf::from_bytes(&pool, &frame(number)).unwrap()));
            }
        };
        send(300);
        let lost = |port: &Port| port.stats().unwrap().rx_missed;
        assert_eq!((lost(&port), lost(&port), lost(&other)), (44, 44, 0), "the ring holds 256 frames");
        assert_eq!(receive(&mut queues.rx[0], 256).len(), 256);
        send(257);
        assert_eq!(lost(&port), 45);
        port.reset_stats().unwrap();
        assert_eq!(lost(&port), 0);
        for (port, queues) in [(port, queues), (other, other_queues), (peer, peer_queues)] {
            port.detach(queues).unwrap();
        }
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn an_interface_keeps_its_address_and_gets_its_flags_back() {
    alone_in_network("an_interface_keeps_its_address_and_gets_its_flags_back", || {
        make_links(&["wan"]);
        let eal = eal(&["net_af_packet0,iface=wan"]);
        let pool = pool(&eal);
        let (mut port, queues) = support::start(&eal, "net_af_packet0", &pool);
        let own = port.mac().unwrap();
        assert!(ip("link show wan").contains(&own.to_string()));
        assert_eq!(
            port.info().interface,
            ip("-o link show wan").split(':').next().and_then(|n| n.parse().ok())
        );

        let router = MacAddr([2, 0, 0, 0, 0, 0x42]);
        assert_eq!(port.set_router_mac(router).unwrap(), MacFilter::Promiscuous);
        let shown = ip("link show wan");
        assert!(shown.contains("PROMISC") && shown.contains(&own.to_string()), "{shown}");
        assert_eq!(
            port.set_multicast_filter(&[MacAddr([1, 0, 0x5e, 1, 1, 1])]),
            MulticastFilter::Promiscuous
        );
        assert_eq!(port.set_router_mac(own).unwrap(), MacFilter::Own);
        assert!(ip("link show wan").contains("PROMISC"), "for multicast still");
        port.close(queues).unwrap();
        assert!(!ip("link show wan").contains("PROMISC"));
    });
}

#[test]
fn an_interface_that_is_not_there_is_told_by_name() {
    alone_in_network("an_interface_that_is_not_there_is_told_by_name", || {
        let eal = eal(&[]);
        let error = eal.attach("net_af_packet0,iface=nowhere0").unwrap_err().to_string();
        assert!(error.contains("nowhere0"), "{error}");
    });
}
