//! Copies with another source MAC, and frames that get it themselves.

mod support;

use std::num::NonZeroU16;

use dpdk::{Burst, Copied, FanBatch, Mbuf, TxBatch};
use support::{alone, eal, frames, pool, read_pcap, start, write_pcap};
use types::MacAddr;

fn copies(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

#[test]
fn copies_come_from_another_mac_and_are_the_rest_of_the_frame() {
    alone("copies_come_from_another_mac_and_are_the_rest_of_the_frame", || {
        const SOURCE: MacAddr = MacAddr([2, 3, 4, 5, 6, 7]);
        let eal = eal(&[]);
        let pool = pool(&eal);
        let frames = frames(8);
        let from_source = |frame: &Vec<u8>| [&frame[..6], &SOURCE.octets(), &frame[12..]].concat();
        let expected: Vec<_> = frames.iter().map(from_source).collect();
        let bytes = frames.iter().map(|frame| frame.len() as u64).sum();
        let fill = |copies_of_each: u16| {
            let mut fan: FanBatch<8> = FanBatch::new(copies(copies_of_each));
            fan.extend(frames.iter().map(|frame| Mbuf::from_bytes(&pool, frame).unwrap()));
            fan
        };

        let mut fan = fill(2);
        let mut copied: TxBatch<32> = TxBatch::new();
        assert_eq!(fan.copy_into(&pool, SOURCE, &mut copied), Copied { frames: 8, bytes });
        assert_eq!(pool.in_use(), 16);
        assert!(copied.frames().iter().map(|frame| frame.data()).eq(&expected));
        assert!(!fan.set_source(SOURCE), "theirs and another's");
        let mut shared: TxBatch<32> = TxBatch::new();
        fan.collect(&mut shared);
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
        assert_eq!((made, small.len()), (Copied { frames: 3, bytes: three }, 3));
        small.clear();
        let held: Vec<_> = std::iter::from_fn(|| Mbuf::alloc(&pool)).collect();
        assert_eq!(fan.copy_into(&pool, SOURCE, &mut copied), Copied::default());
        drop(held);
        assert_eq!(pool.in_use(), 8);
        let all_but_two: Vec<_> = (0..pool.avail() - 2).map(|_| Mbuf::alloc(&pool).unwrap()).collect();
        assert_eq!(fan.copy_into(&pool, SOURCE, &mut copied).frames, 2);
        drop((all_but_two, copied, fan));
        assert_eq!(pool.in_use(), 0);

        // What is no Ethernet frame is not copied.
        let mut fan: FanBatch<2> = FanBatch::new(copies(1));
        fan.extend([Mbuf::from_bytes(&pool, b"short").unwrap()].into_iter());
        assert_eq!(fan.copy_into(&pool, SOURCE, &mut small), Copied::default());
        assert!(fan.set_source(SOURCE));
        drop(fan);
        assert_eq!(pool.in_use(), 0);
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
