//! The dataplane's pattern: receive, rewrite once, share, send to every port; and every mbuf back at the end.

mod support;

use std::num::NonZeroU16;

use dpdk::{Burst, FanBatch, Mbuf, SharedMbuf, TxBatch, TxResult};
use support::{alone, eal, frames, pool, read_pcap, start, write_pcap};

fn copies(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

#[test]
fn every_port_gets_every_frame_once_and_the_pool_is_full_again() {
    alone("every_port_gets_every_frame_once_and_the_pool_is_full_again", || {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let sent = frames(1000);
        write_pcap(&path("in.pcap"), &sent);
        let eal = eal(&[
            &format!("net_pcap0,rx_pcap={}", path("in.pcap").display()),
            &format!("net_pcap1,tx_pcap={}", path("a.pcap").display()),
            &format!("net_pcap2,tx_pcap={}", path("b.pcap").display()),
        ]);
        let pool = pool(&eal);
        let full = pool.avail();
        assert_eq!((full, pool.in_use(), pool.size()), (2047, 0, 2047));
        let (from, mut from_queues) = start(&eal, "net_pcap0", &pool);
        let (a, mut a_queues) = start(&eal, "net_pcap1", &pool);
        let (b, mut b_queues) = start(&eal, "net_pcap2", &pool);

        let mut burst: Burst = Burst::new();
        let mut batches: [TxBatch; 2] = Default::default();
        let mut received = 0;
        while from_queues.rx[0].rx_burst(&mut burst) != 0 {
            received += burst.len();
            for mbuf in &mut burst[..] {
                assert_eq!(mbuf.port(), Some(from.id()));
                mbuf.prefetch();
                mbuf.data_mut()[0] ^= 0xff;
            }
            for mbuf in burst.drain() {
                for (batch, copy) in batches.iter_mut().zip(mbuf.fan_out(copies(2))) {
                    batch.push(copy).unwrap();
                }
            }
            for (batch, queues) in batches.iter_mut().zip([&mut a_queues, &mut b_queues]) {
                let frames = batch.len() as u16;
                assert_eq!(queues.tx[0].tx_burst(batch), TxResult { sent: frames, refused: 0 });
                assert!(batch.is_empty());
            }
        }
        assert_eq!(received, sent.len());
        assert_eq!(from.stats().unwrap().rx_frames, 1000);
        assert_eq!(a.stats().unwrap().tx_frames, 1000);
        a.close(a_queues).unwrap();
        b.close(b_queues).unwrap();
        from.close(from_queues).unwrap();
        assert_eq!((pool.avail(), pool.in_use()), (full, 0));

        let mut expected = sent;
        expected.iter_mut().for_each(|frame| frame[0] ^= 0xff);
        assert_eq!(read_pcap(&path("a.pcap")), expected);
        assert_eq!(read_pcap(&path("b.pcap")), expected);
    });
}

#[test]
fn references_not_taken_are_given_back() {
    alone("references_not_taken_are_given_back", || {
        let eal = eal(&[]);
        let pool = pool(&eal);
        let frame = || Mbuf::from_bytes(&pool, b"frame").unwrap();

        drop(frame().fan_out(copies(64)));
        assert_eq!(pool.in_use(), 0, "none taken");

        let mut fan = frame().fan_out(copies(4));
        assert_eq!(fan.len(), 4);
        let first = fan.next().unwrap();
        let second = fan.next().unwrap();
        drop(first);
        drop(fan);
        assert_eq!((pool.in_use(), second.data()), (1, &b"frame"[..]), "one taken and held");
        drop(second);
        assert_eq!(pool.in_use(), 0);

        let mut one = frame().fan_out(copies(1));
        let only = one.next().unwrap();
        assert!(one.next().is_none() && one.next().is_none());
        drop(one);
        assert_eq!(pool.in_use(), 1);
        drop(only);
        assert_eq!(pool.in_use(), 0);

        // Used once with many holders, a buffer comes back with one.
        let held: Vec<SharedMbuf> = frame().fan_out(copies(u16::MAX)).collect();
        assert_eq!((held.len(), pool.in_use()), (65_535, 1));
        drop(held);
        let all: Vec<_> = (0..pool.size()).map(|_| Mbuf::alloc(&pool).unwrap()).collect();
        assert!(Mbuf::alloc(&pool).is_none(), "the pool is empty");
        drop(all);
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn a_batch_frees_what_it_was_not_asked_to_send() {
    alone("a_batch_frees_what_it_was_not_asked_to_send", || {
        let eal = eal(&[]);
        let pool = pool(&eal);
        let frame = || SharedMbuf::from(Mbuf::from_bytes(&pool, b"frame").unwrap());

        let mut batch: TxBatch<4> = TxBatch::new();
        for _ in 0..4 {
            batch.push(frame()).unwrap();
        }
        assert!(batch.is_full());
        let refused = batch.push(frame()).unwrap_err();
        assert_eq!((pool.in_use(), refused.data()), (5, &b"frame"[..]));
        drop(refused);
        batch.clear();
        assert_eq!((pool.in_use(), batch.len()), (0, 0));
        batch.push(frame()).unwrap();
        drop(batch);
        assert_eq!(pool.in_use(), 0);

        let mut burst: Burst<2> = Burst::new();
        burst.push(Mbuf::alloc(&pool).unwrap()).unwrap();
        burst.push(Mbuf::alloc(&pool).unwrap()).unwrap();
        drop(burst.push(Mbuf::alloc(&pool).unwrap()).unwrap_err());
        assert_eq!(pool.in_use(), 2);
        drop(burst.drain().next());
        assert_eq!(pool.in_use(), 0, "what a drain leaves is freed with it");
        burst.push(Mbuf::alloc(&pool).unwrap()).unwrap();
        burst.clear();
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn one_array_serves_all_queues_of_an_egress_set() {
    alone("one_array_serves_all_queues_of_an_egress_set", || {
        let dir = tempfile::tempdir().unwrap();
        let path = |i: usize| dir.path().join(format!("{i}.pcap"));
        let vdevs: Vec<_> = (0..3).map(|i| format!("net_pcap{i},tx_pcap={}", path(i).display())).collect();
        let eal = eal(&vdevs.iter().map(String::as_str).collect::<Vec<_>>());
        let pool = pool(&eal);
        let mut ports: Vec<_> = (0..3).map(|i| start(&eal, &format!("net_pcap{i}"), &pool)).collect();

        let sent = frames(5);
        let mut batch: FanBatch<4> = FanBatch::new(copies(3));
        batch.extend(sent.iter().map(|frame| Mbuf::from_bytes(&pool, frame).unwrap()));
        assert_eq!((batch.len(), pool.in_use()), (4, 4), "room for four, and the fifth is freed");
        for (done, (_, queues)) in ports.iter_mut().enumerate() {
            assert_eq!(batch.send(&mut queues.tx[0]), TxResult { sent: 4, refused: 0 });
            assert_eq!(batch.is_empty(), done == 2);
            if done < 2 {
                batch.extend(Mbuf::from_bytes(&pool, b"late").into_iter());
                assert_eq!((batch.len(), pool.in_use()), (4, 4), "sending has begun");
            }
        }
        assert_eq!(pool.in_use(), 0);
        assert_eq!(batch.send(&mut ports[0].1.tx[0]), TxResult::default(), "nothing to send");

        // Abandoned after one queue of two, and by reset.
        batch.reset(copies(2));
        batch.extend(Mbuf::from_bytes(&pool, &sent[0]).into_iter());
        batch.send(&mut ports[0].1.tx[0]);
        assert_eq!(pool.in_use(), 1);
        batch.reset(copies(1));
        assert_eq!(pool.in_use(), 0);
        batch.extend(Mbuf::from_bytes(&pool, &sent[0]).into_iter());
        drop(batch);
        assert_eq!(pool.in_use(), 0);

        for (port, queues) in ports {
            port.close(queues).unwrap();
        }
        let expected = sent[..4].to_vec();
        assert_eq!(read_pcap(&path(0)), [&expected[..], &sent[..1]].concat());
        assert_eq!(read_pcap(&path(1)), expected);
        assert_eq!(read_pcap(&path(2)), expected);
    });
}
