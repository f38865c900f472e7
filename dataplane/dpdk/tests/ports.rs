//! Ports: started, stopped, refused, filtered, attached and detached; and what their drivers do.

mod support;

use dpdk::{
    Burst, IpChecksum, MacFilter, Mbuf, Mempool, MulticastFilter, Port, PortConfig, PortError, PortId,
    Queues, TxBatch, TxResult,
};
use support::{alone, eal, frames, pool, receive_all, ring_is_refused, start, write_pcap};
use types::MacAddr;

const ROUTER: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x42]);

#[test]
fn a_port_runs_while_it_has_queues() {
    alone("a_port_runs_while_it_has_queues", || {
        let eal = eal(&["net_null0"]);
        let pool = pool(&eal);
        let id = eal.port_by_name("net_null0").unwrap();
        let mut port = Port::open(&eal, id).unwrap();
        assert_eq!(Port::open(&eal, id).unwrap_err(), PortError::InUse(id.get()));
        assert_eq!((port.info().name.as_str(), port.info().driver.as_str()), ("net_null0", "net_null"));
        assert_eq!(port.info().mac, port.mac().unwrap());
        assert!(!port.is_running());

        let config = PortConfig::new(pool.clone());
        let queues = port.start(&config).unwrap();
        assert!(port.is_running());
        assert_eq!(port.start(&config).unwrap_err(), PortError::Running(id.get()));
        assert!(port.link().unwrap().up);
        assert_eq!(port.mtu().unwrap(), 1500);

        let Queues { rx, tx } = queues;
        assert_eq!(port.stop(Queues { rx, tx: vec![] }).unwrap_err(), PortError::Running(id.get()));
        port.stop(Queues { rx: vec![], tx }).unwrap();
        assert!(!port.is_running());

        let queues = port.start(&config).expect("a stopped port starts again");
        port.close(queues).unwrap();
        assert_eq!(Port::open(&eal, id).unwrap_err(), PortError::NoSuchPort(id.get()));
        assert_eq!(eal.ports(), []);
    });
}

#[test]
fn a_port_that_loses_its_handle_closes_with_its_last_queue() {
    alone("a_port_that_loses_its_handle_closes_with_its_last_queue", || {
        let eal = eal(&["net_null0"]);
        let pool = pool(&eal);
        let (port, Queues { mut rx, tx }) = start(&eal, "net_null0", &pool);
        let id = port.id();
        assert_eq!(port.close(Queues { rx: vec![], tx }).unwrap_err(), PortError::Running(id.get()));
        let mut burst: Burst = Burst::new();
        assert_eq!(rx[0].rx_burst(&mut burst), 32, "what is held still works");
        drop(burst);
        drop(rx);
        assert_eq!(eal.ports(), []);
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn more_queues_than_a_device_has_are_refused_by_name() {
    alone("more_queues_than_a_device_has_are_refused_by_name", || {
        let eal = eal(&["net_pcap0,tx_pcap=/dev/null"]);
        let pool = pool(&eal);
        let mut port = Port::open(&eal, eal.port_by_name("net_pcap0").unwrap()).unwrap();
        let config = PortConfig { tx_queues: 40, ..PortConfig::new(pool.clone()) };
        let error = port.start(&config).unwrap_err();
        assert!(
            matches!(error, PortError::TooFewQueues { direction: "transmit", wanted: 40, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("net_pcap0"), "{error}");
        assert!(!port.is_running());
        let queues = port.start(&PortConfig::new(pool)).expect("a refusal leaves it usable");
        port.close(queues).unwrap();
    });
}

#[test]
fn what_does_not_start_comes_with_the_words_of_who_refused_it() {
    alone("what_does_not_start_comes_with_the_words_of_who_refused_it", || {
        let eal = eal(&["net_null0"]);
        let pool = pool(&eal);
        let mut port = Port::open(&eal, eal.port_by_name("net_null0").unwrap()).unwrap();
        let config = PortConfig { mtu: Some(20), ..PortConfig::new(pool.clone()) };
        let error = port.start(&config).unwrap_err();
        let PortError::Start { reason, log } = &error else { panic!("{error}") };
        assert_eq!(reason.call, "rte_eth_dev_configure");
        assert!(log.iter().any(|line| line.contains("MTU")), "{log:?}");
        assert!(error.to_string().ends_with(log.last().unwrap()), "{error}");
        let queues = port.start(&PortConfig::new(pool)).expect("a refusal leaves it usable");
        port.close(queues).unwrap();
    });
}

#[test]
fn several_queues_each_way() {
    alone("several_queues_each_way", || {
        let eal = eal(&["net_null0"]);
        let pool = pool(&eal);
        let mut port = Port::open(&eal, eal.port_by_name("net_null0").unwrap()).unwrap();
        let config = PortConfig { rx_queues: 2, tx_queues: 3, ..PortConfig::new(pool.clone()) };
        let mut queues = port.start(&config).unwrap();
        assert_eq!(queues.rx.iter().map(|q| q.queue()).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(queues.tx.iter().map(|q| q.queue()).collect::<Vec<_>>(), [0, 1, 2]);
        let mut burst: Burst = Burst::new();
        for rx in &mut queues.rx {
            assert_eq!(rx.rx_burst(&mut burst), 32);
            burst.clear();
        }
        assert!(queues.tx[2].send(Mbuf::from_bytes(&pool, b"frame").unwrap()));
        port.close(queues).unwrap();
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn what_a_full_queue_refuses_is_freed_and_counted() {
    alone("what_a_full_queue_refuses_is_freed_and_counted", || {
        // A ring holds 1,023 frames and gives what was sent back as received.
        let eal = eal(&["net_ring0"]);
        if ring_is_refused(&eal) {
            return;
        }
        let pool = pool(&eal);
        let (port, mut queues) = start(&eal, "net_ring0", &pool);
        let mut batch: TxBatch = TxBatch::new();
        let mut total = TxResult::default();
        let mut send = |frames: usize| {
            for _ in 0..frames {
                batch.push(Mbuf::from_bytes(&pool, b"frame").unwrap().into()).unwrap();
            }
            let result = queues.tx[0].tx_burst(&mut batch);
            assert!(batch.is_empty());
            total = TxResult { sent: total.sent + result.sent, refused: total.refused + result.refused };
            result
        };
        for _ in 0..15 {
            assert_eq!(send(64), TxResult { sent: 64, refused: 0 });
        }
        assert_eq!(send(64), TxResult { sent: 63, refused: 1 });
        assert_eq!(send(64), TxResult { sent: 0, refused: 64 });
        assert_eq!(total, TxResult { sent: 1023, refused: 65 });
        assert_eq!(pool.in_use(), 1023, "the refused are back");
        assert_eq!(receive_all(&mut queues.rx[0]).len(), 1023);
        assert_eq!(pool.in_use(), 0);
        port.close(queues).unwrap();
    });
}

#[test]
fn f37_with_the_pool_exhausted_nothing_is_received_what_is_held_is_sent_and_all_goes_on() {
    let name = "f37_with_the_pool_exhausted_nothing_is_received_what_is_held_is_sent_and_all_goes_on";
    alone(name, || {
        let eal = eal(&["net_null0", "net_ring0"]);
        if ring_is_refused(&eal) {
            return;
        }
        let pool = Mempool::new(&eal, "small", 127, 0, 2048, None).unwrap();
        let (source, mut from) = start(&eal, "net_null0", &pool);
        let (port, mut to) = start(&eal, "net_ring0", &pool);
        let mut burst: Burst = Burst::new();
        for _ in 0..3 {
            let mut held: Vec<_> = core::iter::from_fn(|| Mbuf::from_bytes(&pool, b"held")).collect();
            assert_eq!((held.len(), pool.avail()), (127, 0));
            assert!((0..100).all(|_| from.rx[0].rx_burst(&mut burst) == 0));
            // One copy for two ports takes no buffer.
            let mut batch: TxBatch = TxBatch::new();
            let shared = held.pop().unwrap().fan_out(2.try_into().unwrap());
            shared.for_each(|copy| batch.push(copy).unwrap());
            assert_eq!(to.tx[0].tx_burst(&mut batch), TxResult { sent: 2, refused: 0 });
            drop(held);
            assert_eq!(receive_all(&mut to.rx[0]), [b"held"; 2]);
            assert_eq!(pool.in_use(), 0);
            assert_eq!(from.rx[0].rx_burst(&mut burst), 32, "goes on");
            burst.clear();
        }
        source.close(from).unwrap();
        port.close(to).unwrap();
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn a_received_mbuf_that_others_hold_is_copied() {
    alone("a_received_mbuf_that_others_hold_is_copied", || {
        let eal = eal(&["net_ring0"]);
        if ring_is_refused(&eal) {
            return;
        }
        let pool = Mempool::new(&eal, "small", 7, 0, 2048, None).unwrap();
        let (port, mut queues) = start(&eal, "net_ring0", &pool);
        let mut batch: TxBatch = TxBatch::new();
        let mut shared = Mbuf::from_bytes(&pool, b"shared").unwrap().fan_out(3.try_into().unwrap());
        let held = shared.next().unwrap();
        batch.push(Mbuf::from_bytes(&pool, b"own").unwrap().into()).unwrap();
        for copy in shared {
            batch.push(copy).unwrap();
        }
        batch.push(Mbuf::from_bytes(&pool, b"own too").unwrap().into()).unwrap();
        queues.tx[0].tx_burst(&mut batch);

        let mut burst: Burst = Burst::new();
        assert_eq!(queues.rx[0].rx_burst(&mut burst), 4);
        for mbuf in &mut burst[..] {
            mbuf.data_mut()[0] = b'X';
        }
        let seen: Vec<_> = burst.iter().map(|mbuf| mbuf.data().to_vec()).collect();
        assert_eq!(seen, [&b"Xwn"[..], b"Xhared", b"Xhared", b"Xwn too"]);
        assert_eq!(held.data(), b"shared", "writing to a copy changes nobody's frame");
        burst.clear();
        assert_eq!(pool.in_use(), 1);

        // Without an mbuf to copy to, the frame is lost and counted.
        let hogs: Vec<_> = (0..5).map(|_| Mbuf::alloc(&pool).unwrap()).collect();
        let mut fan = Mbuf::from_bytes(&pool, b"lost").unwrap().fan_out(2.try_into().unwrap());
        let keeper = fan.next().unwrap();
        batch.push(fan.next().unwrap()).unwrap();
        queues.tx[0].tx_burst(&mut batch);
        assert_eq!(queues.rx[0].rx_burst(&mut burst), 0);
        assert_eq!(port.stats().unwrap().rx_not_copied, 1);
        drop((hogs, held, keeper));
        assert_eq!(pool.in_use(), 0);
        port.close(queues).unwrap();
    });
}

#[test]
fn one_mbuf_among_many_that_others_hold_is_found() {
    alone("one_mbuf_among_many_that_others_hold_is_found", || {
        let eal = eal(&["net_ring0"]);
        if ring_is_refused(&eal) {
            return;
        }
        let pool = Mempool::new(&eal, "small", 127, 0, 2048, None).unwrap();
        let (port, mut queues) = start(&eal, "net_ring0", &pool);
        let (mut batch, mut burst) = (TxBatch::<32>::new(), Burst::<32>::new());
        for place in 0..20 {
            let mut held = Vec::new();
            for i in 0..20 {
                let mut fan = Mbuf::from_bytes(&pool, &[1; 60]).unwrap();
                // As long as the others, and longer.
                assert!(i != place || i % 2 == 0 || fan.append(b"more"));
                let copies = if i == place { 2 } else { 1 };
                let mut fan = fan.fan_out(copies.try_into().unwrap());
                batch.push(fan.next().unwrap()).unwrap();
                held.extend(fan);
            }
            queues.tx[0].tx_burst(&mut batch);
            assert_eq!(queues.rx[0].rx_burst(&mut burst), 20);
            burst.iter_mut().for_each(|mbuf| mbuf.data_mut().fill(2));
            assert_eq!(held.iter().map(|mbuf| mbuf.data()[0]).collect::<Vec<_>>(), [1], "place {place}");
            burst.clear();
        }
        assert_eq!(pool.in_use(), 0);
        port.close(queues).unwrap();
    });
}

#[test]
fn frames_that_find_no_buffer_are_counted_by_the_driver() {
    alone("frames_that_find_no_buffer_are_counted_by_the_driver", || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.pcap");
        write_pcap(&path, &frames(10));
        let eal = eal(&[&format!("net_pcap0,rx_pcap={}", path.display())]);
        let pool = Mempool::new(&eal, "small", 7, 0, 2048, None).unwrap();
        let (mut port, mut queues) = start(&eal, "net_pcap0", &pool);
        let mut burst: Burst = Burst::new();
        assert_eq!(queues.rx[0].rx_burst(&mut burst), 7);
        assert_eq!(port.stats().unwrap().rx_no_mbuf, 1);
        burst.clear();
        assert_eq!(queues.rx[0].rx_burst(&mut burst), 2);
        assert_eq!(port.stats().unwrap().rx_no_mbuf, 1, "one of ten was lost");
        port.reset_stats().unwrap();
        assert_eq!(port.stats().unwrap().rx_no_mbuf, 0);
        burst.clear();
        port.close(queues).unwrap();
    });
}

#[test]
fn a_frame_longer_than_a_buffer_is_told_as_chained() {
    alone("a_frame_longer_than_a_buffer_is_told_as_chained", || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.pcap");
        write_pcap(&path, &[vec![1; 60], vec![2; 9000], vec![3; 60]]);
        let eal = eal(&[&format!("net_pcap0,rx_pcap={}", path.display())]);
        let pool = pool(&eal);
        let (port, mut queues) = start(&eal, "net_pcap0", &pool);
        let mut burst: Burst = Burst::new();
        assert_eq!(queues.rx[0].rx_burst(&mut burst), 3);
        let seen: Vec<_> = burst.iter().map(|m| (m.len(), m.is_chained(), m.data()[0])).collect();
        assert_eq!(seen, [(60, false, 1), (9000, true, 2), (60, false, 3)]);
        assert!(burst[1].data().len() <= 2048 && burst[1].segments() > 4);
        assert_eq!(burst[1].tailroom(), 0);
        assert!(!burst[1].append(b"x"), "nothing is added to a chained frame");
        burst[1].truncate(10);
        assert_eq!(burst[1].len(), 9000, "nor cut off");
        assert!(pool.in_use() > 5);
        burst.clear();
        assert_eq!(pool.in_use(), 0, "all segments are back");
        port.close(queues).unwrap();
    });
}

#[test]
fn a_burst_takes_no_more_than_it_has_room_for() {
    alone("a_burst_takes_no_more_than_it_has_room_for", || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.pcap");
        let sent = frames(10);
        write_pcap(&path, &sent);
        let eal = eal(&[&format!("net_pcap0,rx_pcap={}", path.display())]);
        let pool = pool(&eal);
        let (port, mut queues) = start(&eal, "net_pcap0", &pool);
        let mut burst: Burst<4> = Burst::new();
        burst.push(Mbuf::from_bytes(&pool, b"first").unwrap()).unwrap();
        assert_eq!(queues.rx[0].rx_burst(&mut burst), 3);
        assert_eq!(queues.rx[0].rx_burst(&mut burst), 0, "full");
        let seen: Vec<_> = burst.drain().map(|mbuf| mbuf.data().to_vec()).collect();
        assert_eq!(seen, [&[b"first".to_vec()], &sent[..3]].concat());
        assert_eq!(receive_all(&mut queues.rx[0]), sent[3..], "nothing was lost");
        port.close(queues).unwrap();
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn frames_grow_to_their_buffers_end() {
    alone("frames_grow_to_their_buffers_end", || {
        let eal = eal(&[]);
        let pool = Mempool::new(&eal, "short", 3, 0, 256, None).unwrap();
        let mut mbuf = Mbuf::alloc(&pool).unwrap();
        assert_eq!((mbuf.len(), mbuf.tailroom(), mbuf.port()), (0, 256, None));
        assert_eq!((mbuf.ip_checksum(), mbuf.stripped_vlan()), (IpChecksum::Unknown, None));
        assert!(mbuf.append(&[1; 200]) && !mbuf.append(&[2; 57]) && mbuf.append(&[3; 56]));
        assert_eq!((mbuf.len(), mbuf.tailroom(), mbuf.segments()), (256, 0, 1));
        assert_eq!(mbuf.data(), [&[1; 200][..], &[3; 56]].concat());
        mbuf.truncate(300);
        assert_eq!(mbuf.len(), 256, "a cut never makes it longer");
        mbuf.truncate(201);
        assert_eq!((mbuf.len(), mbuf.data()[200], mbuf.tailroom()), (201, 3, 55));
        assert!(Mbuf::from_bytes(&pool, &[0; 257]).is_none());
        assert_eq!(pool.in_use(), 1);
    });
}

#[test]
fn filters_fall_back_as_far_as_the_driver_makes_them() {
    alone("filters_fall_back_as_far_as_the_driver_makes_them", || {
        let eal = eal(&["net_ring0", "net_null0", "net_pcap0,tx_pcap=/dev/null"]);
        let pool = pool(&eal);
        let group = [MacAddr([1, 0, 0x5e, 2, 2, 2])];
        let expected = [
            ("net_ring0", MacFilter::Added, MulticastFilter::AllMulticast),
            // The next two have no filters and say of themselves that they take everything.
            ("net_null0", MacFilter::Replaced, MulticastFilter::AllMulticast),
            ("net_pcap0", MacFilter::Promiscuous, MulticastFilter::AllMulticast),
        ];
        let refused = usize::from(ring_is_refused(&eal));
        for (device, mac_filter, multicast) in expected.into_iter().skip(refused) {
            let (mut port, queues) = start(&eal, device, &pool);
            let own = port.mac().unwrap();
            // net_ring has no address of its own: what is added becomes it.
            let has_own = own != MacAddr::ZERO;
            if has_own {
                assert_eq!(port.set_router_mac(own).unwrap(), MacFilter::Own, "{device}");
            }
            assert_eq!(port.set_router_mac(ROUTER).unwrap(), mac_filter, "{device}");
            let now = if has_own && mac_filter != MacFilter::Replaced { own } else { ROUTER };
            assert_eq!(port.mac().unwrap(), now, "{device}");
            assert_eq!(port.set_multicast_filter(&group), multicast, "{device}");
            assert_eq!(port.set_multicast_filter(&[]), multicast, "{device}");
            for bad in [MacAddr::ZERO, MacAddr::BROADCAST, group[0]] {
                assert!(port.set_router_mac(bad).is_err(), "{bad}");
            }
            port.close(queues).unwrap();
        }
    });
}

#[test]
fn devices_come_and_go_while_others_run() {
    alone("devices_come_and_go_while_others_run", || {
        let eal = eal(&["net_null0"]);
        let pool = pool(&eal);
        let (other, other_queues) = start(&eal, "net_null0", &pool);
        // A registered thread must not stand in the way.
        eal.spawn_worker("worker", None, |_| ()).unwrap().join().unwrap();
        let mut ids: Vec<PortId> = Vec::new();
        for _ in 0..3 {
            let added = eal.attach("net_null7,size=128").unwrap();
            assert_eq!(eal.port_by_name("net_null7"), Some(added[0]));
            let error = eal.attach("net_null7,size=128").unwrap_err();
            assert!(matches!(error, PortError::AlreadyAttached(_)), "{error}");
            let (port, mut queues) = start(&eal, "net_null7", &pool);
            let mut burst: Burst = Burst::new();
            queues.rx[0].rx_burst(&mut burst);
            assert_eq!(burst[0].len(), 128);
            drop(burst);
            ids.extend(added);
            port.detach(queues).unwrap();
            assert_eq!(eal.port_by_name("net_null7"), None);
        }
        assert_eq!(ids, [ids[0]; 3], "a number is given again");
        other.close(other_queues).unwrap();
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn a_device_that_cannot_be_attached_is_told_with_the_drivers_words() {
    alone("a_device_that_cannot_be_attached_is_told_with_the_drivers_words", || {
        let eal = eal(&[]);
        let error = eal.attach("net_pcap0,rx_pcap=/nonexistent/in.pcap").unwrap_err().to_string();
        assert!(error.contains("/nonexistent/in.pcap: No such file"), "{error}");
        assert!(eal.attach("net_nonsense0").is_err());
        assert!(eal.attach("net_null\0").is_err());
        assert!(eal.attach("").is_err());
        assert_eq!(eal.ports(), []);
    });
}
