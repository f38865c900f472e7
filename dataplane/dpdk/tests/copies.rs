//! Copies with another source MAC, and frames that get it themselves.

mod support;

use std::num::NonZeroU16;

use dpdk::{Burst, Copied, FanBatch, Mbuf, Mempool, TxBatch};
use support::{alone, eal, frames, pool, read_pcap, receive_all, ring_is_refused, start, write_pcap};
use types::MacAddr;

fn copies(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

fn mac(number: u8) -> MacAddr {
    MacAddr([2, 3, 4, 5, 6, number])
}

/// Frames as they are once they come from `source`.
fn sent_from(source: MacAddr, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    frames.iter().map(|frame| [&frame[..6], &source.octets(), &frame[12..]].concat()).collect()
}

#[test]
fn copies_come_from_another_mac_and_are_the_rest_of_the_frame() {
    alone("copies_come_from_another_mac_and_are_the_rest_of_the_frame", || {
        const SOURCE: MacAddr = MacAddr([2, 3, 4, 5, 6, 7]);
        let eal = eal(&[]);
        let pool = pool(&eal);
        let frames = frames(8);
        let expected = sent_from(SOURCE, &frames);
        let bytes = frames.iter().map(|frame| frame.len() as u64).sum();
        let fill = |copies_of_each: u16| {
            let mut fan: FanBatch<8> = FanBatch::new(copies(copies_of_each));
            fan.extend(frames.iter().map(|frame| Mbuf::from_bytes(&pool, frame).unwrap()));
            fan
        };

        let mut fan = fill(2);
        let mut copied: TxBatch<32> = TxBatch::new();
        assert_eq!(fan.copy_into(&pool, SOURCE, &mut copied), Copied { frames: 8, bytes, unfit: 0 });
        assert_eq!(pool.in_use(), 16);
        assert!(copied.frames().iter().map(|frame| frame.data()).eq(&expected));
        let mut shared: TxBatch<32> = TxBatch::new();
        fan.collect(&mut shared);
        assert!(!fan.set_source(SOURCE), "another's, too");
        assert!(shared.frames().iter().map(|frame| frame.data()).eq(&frames), "as they were");
        assert_eq!((fan.len(), copied.len()), (8, 8), "one of two queues has its own still to come");
        drop((fan, shared));
        assert_eq!(pool.in_use(), 8);
        copied.clear();

        // Nobody else's: the frames themselves.
        let mut fan = fill(1);
        assert!(fan.set_source(SOURCE));
        fan.collect(&mut copied);
        assert!(copied.frames().iter().map(|frame| frame.data()).eq(&expected));
        copied.clear();
        assert_eq!(pool.in_use(), 0);

        // No room for more, in the batch or in the pool.
        let fan = fill(1);
        let mut small: TxBatch<3> = TxBatch::new();
        let made = fan.copy_into(&pool, SOURCE, &mut small);
        let three = expected[..3].iter().map(|frame| frame.len() as u64).sum();
        assert_eq!((made, small.len()), (Copied { frames: 3, bytes: three, unfit: 0 }, 3));
        small.clear();
        let held: Vec<_> = std::iter::from_fn(|| Mbuf::alloc(&pool)).collect();
        assert_eq!(fan.copy_into(&pool, SOURCE, &mut copied), Copied::default());
        drop(held);
        assert_eq!(pool.in_use(), 8);
        let all_but_two: Vec<_> = (0..pool.avail() - 2).map(|_| Mbuf::alloc(&pool).unwrap()).collect();
        assert_eq!(fan.copy_into(&pool, SOURCE, &mut copied).frames, 2);
        drop((all_but_two, fan));
        copied.clear();
        assert_eq!(pool.in_use(), 0);

        // What is no Ethernet frame, or too long for the pool's buffers, is left out; those behind it are copied.
        let long = Mempool::new(&eal, "long", 7, 0, 4096, None).unwrap();
        let mut fan: FanBatch<5> = FanBatch::new(copies(1));
        let of_long = |bytes: &[u8]| Mbuf::from_bytes(&long, bytes).unwrap();
        let mixed = [&b"short"[..], &frames[0], &[7; 3000], &[8; 3000], &frames[1]];
        fan.extend(mixed.map(of_long).into_iter());
        let bytes = (frames[0].len() + frames[1].len()) as u64;
        assert_eq!(fan.copy_into(&pool, SOURCE, &mut copied), Copied { frames: 2, bytes, unfit: 3 });
        assert!(copied.frames().iter().map(|frame| frame.data()).eq(&expected[..2]));
        assert_eq!(pool.in_use(), 2);
        copied.clear();
        assert!(fan.set_source(SOURCE));
        drop(fan);
        assert_eq!((pool.in_use(), long.in_use()), (0, 0));
    });
}

#[test]
fn frames_serve_one_port_after_the_other_each_from_its_own_mac() {
    alone("frames_serve_one_port_after_the_other_each_from_its_own_mac", || {
        let dir = tempfile::tempdir().unwrap();
        let path = |i: u8| dir.path().join(format!("{i}.pcap"));
        // net_pcap is done with a frame when it has taken it.
        let vdevs: Vec<_> = (0..4).map(|i| format!("net_pcap{i},tx_pcap={}", path(i).display())).collect();
        let eal = eal(&vdevs.iter().map(String::as_str).collect::<Vec<_>>());
        let pool = pool(&eal);
        let mut ports: Vec<_> = (0..4).map(|i| start(&eal, &format!("net_pcap{i}"), &pool)).collect();
        let sent = frames(1300);
        let mut fan: FanBatch<64> = FanBatch::new(copies(4));
        for run in sent.chunks(50) {
            // The first as they are.
            fan.extend(run.iter().map(|frame| Mbuf::from_bytes(&pool, frame).unwrap()));
            for (number, (_, queues)) in (0..).zip(&mut ports) {
                assert!(number == 0 || fan.set_source(mac(number)), "they are back");
                assert_eq!(fan.send(&mut queues.tx[0]).sent, 50);
                assert_eq!(pool.in_use(), if number < 3 { 50 } else { 0 }, "nothing was copied");
            }
            assert!(fan.is_empty());
        }
        for (port, queues) in ports {
            port.close(queues).unwrap();
        }
        assert!(read_pcap(&path(0)) == sent);
        for number in 1..4 {
            assert!(read_pcap(&path(number)) == sent_from(mac(number), &sent), "port {number}");
        }
    });
}

#[test]
fn frames_that_are_in_a_batch_stay_as_they_are() {
    alone("frames_that_are_in_a_batch_stay_as_they_are", || {
        let eal = eal(&[]);
        let pool = pool(&eal);
        let frames = frames(8);
        let mut fan: FanBatch<8> = FanBatch::new(copies(4));
        fan.extend(frames.iter().map(|frame| Mbuf::from_bytes(&pool, frame).unwrap()));

        let mut batch: TxBatch<8> = TxBatch::new();
        assert!(fan.set_source(mac(1)));
        fan.collect(&mut batch);
        let mut copied: TxBatch<8> = TxBatch::new();
        assert!(!fan.set_source(mac(2)));
        assert_eq!(fan.copy_into(&pool, mac(2), &mut copied).frames, 8);
        assert!(batch.frames().iter().map(|frame| frame.data()).eq(&sent_from(mac(1), &frames)));
        assert!(copied.frames().iter().map(|frame| frame.data()).eq(&sent_from(mac(2), &frames)));
        batch.clear();
        copied.clear();

        // One is enough.
        let mut first: TxBatch<1> = TxBatch::new();
        assert!(fan.set_source(mac(3)), "they are back");
        fan.collect(&mut first);
        assert!(!fan.set_source(mac(4)));
        assert_eq!(first.frames()[0].data(), sent_from(mac(3), &frames)[0]);
        first.clear();
        assert!(fan.set_source(mac(4)));
        fan.collect(&mut batch);
        assert!(batch.frames().iter().map(|frame| frame.data()).eq(&sent_from(mac(4), &frames)));

        // What was not needed for the others is given back, and what is held stays.
        fan.reset(copies(1));
        assert_eq!(pool.in_use(), 8);
        assert!(batch.frames().iter().map(|frame| frame.data()).eq(&sent_from(mac(4), &frames)));
        batch.clear();
        assert_eq!(pool.in_use(), 0);
    });
}

#[test]
fn frames_that_a_driver_keeps_stay_as_they_are() {
    alone("frames_that_a_driver_keeps_stay_as_they_are", || {
        let eal = eal(&["net_ring0"]);
        if ring_is_refused(&eal) {
            return;
        }
        let pool = pool(&eal);
        let (port, mut queues) = start(&eal, "net_ring0", &pool);
        let frames = frames(8);
        let mut fan: FanBatch<8> = FanBatch::new(copies(3));
        fan.extend(frames.iter().map(|frame| Mbuf::from_bytes(&pool, frame).unwrap()));
        assert!(fan.set_source(mac(1)));
        assert_eq!(fan.send(&mut queues.tx[0]).sent, 8);

        assert!(!fan.set_source(mac(2)));
        let mut copied: TxBatch<8> = TxBatch::new();
        assert_eq!(fan.copy_into(&pool, mac(2), &mut copied).frames, 8);
        assert_eq!(queues.tx[0].tx_burst(&mut copied).sent, 8);
        // All but the last one leave the driver.
        let mut burst: Burst<7> = Burst::new();
        assert_eq!(queues.rx[0].rx_burst(&mut burst), 7);
        assert!(burst.iter().map(|frame| frame.data()).eq(&sent_from(mac(1), &frames)[..7]));
        burst.clear();
        assert!(!fan.set_source(mac(2)), "it has one still");

        let rest = [&sent_from(mac(1), &frames)[7..], &sent_from(mac(2), &frames)].concat();
        assert!(receive_all(&mut queues.rx[0]) == rest);
        assert!(fan.set_source(mac(3)), "they are back");
        assert_eq!(fan.send(&mut queues.tx[0]).sent, 8);
        fan.reset(copies(1));
        assert!(receive_all(&mut queues.rx[0]) == sent_from(mac(3), &frames));
        assert_eq!(pool.in_use(), 0);
        port.close(queues).unwrap();
    });
}

#[test]
fn copies_are_sent_like_any_frame_and_their_buffers_come_back_clean() {
    alone("copies_are_sent_like_any_frame_and_their_buffers_come_back_clean", || {
        let dir = tempfile::tempdir().unwrap();
        let (input, output) = (dir.path().join("in.pcap"), dir.path().join("out.pcap"));
        let sent = frames(3000);
        write_pcap(&input, &sent);
        let eal = eal(&[
            &format!("net_pcap0,rx_pcap={}", input.display()),
            &format!("net_pcap1,tx_pcap={}", output.display()),
        ]);
        let pool = pool(&eal);
        let (from, mut from_queues) = start(&eal, "net_pcap0", &pool);
        let (to, mut to_queues) = start(&eal, "net_pcap1", &pool);
        let (mut burst, mut batch) = (Burst::<32>::new(), TxBatch::<32>::new());
        let mut fan: FanBatch<32> = FanBatch::new(copies(1));
        // More than the pool has: buffers serve as frames, as copies, and as frames again.
        while from_queues.rx[0].rx_burst(&mut burst) != 0 {
            fan.extend(burst.drain());
            fan.copy_into(&pool, MacAddr([2; 6]), &mut batch);
            to_queues.tx[0].tx_burst(&mut batch);
            fan.reset(copies(1));
        }
        from.close(from_queues).unwrap();
        to.close(to_queues).unwrap();
        assert_eq!(pool.in_use(), 0);
        let got = read_pcap(&output);
        assert_eq!(got.len(), sent.len());
        for (got, sent) in got.iter().zip(&sent) {
            assert_eq!(got[..6], sent[..6]);
            assert_eq!((&got[6..12], &got[12..]), (&[2; 6][..], &sent[12..]));
        }
    });
}
