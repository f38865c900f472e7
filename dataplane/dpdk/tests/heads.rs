//! The heads of a burst's frames, read and written in one go, against the plain way of one frame after the other.

mod support;

use dpdk::{Burst, Mbuf, Mempool};
use support::{alone, eal, pool};
use types::{BURST, Frame, FrameBurst, HEAD_LEN, Heads, Lanes, Varying};

/// Shorter than a head, as long, and longer than a register.
const LENS: [usize; 6] = [0, HEAD_LEN - 1, HEAD_LEN, 60, 61, 1500];

fn frame(pool: &Mempool, number: usize) -> Mbuf {
    let byte = |at: usize| (number * 31 + at * 7) as u8;
    let bytes: Vec<u8> = (0..LENS[number % LENS.len()]).map(byte).collect();
    Mbuf::from_bytes(pool, &bytes).unwrap()
}

fn bytes<const N: usize>(burst: &Burst<N>) -> Vec<Vec<u8>> {
    burst.iter().map(|mbuf| mbuf.data().to_vec()).collect()
}

/// What lanes and bits of the frames that are there say.
fn told(heads: &Heads, count: usize) -> (Vec<Vec<u32>>, u32, u32) {
    let lanes = heads.words.iter().chain([&heads.last, &heads.lens]);
    let there = if count < 32 { (1 << count) - 1 } else { u32::MAX };
    (lanes.map(|lanes| lanes.0[..count].to_vec()).collect(), heads.odd & there, heads.checked & there)
}

#[track_caller]
fn check<const N: usize>(burst: &mut Burst<N>) {
    let count = burst.len().min(BURST);
    let (mut quick, mut plain) = (Heads::new(), Heads::new());
    plain.read(burst);
    burst.read_heads(&mut quick);
    assert_eq!(told(&quick, count), told(&plain, count), "{count} of {N}");

    for which in [0b1011_0111_0110_1101_1011_0111_0110_1101, ((1u64 << count) - 1) as u32] {
        let source = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, which as u8];
        let mut hops = Lanes::ZERO;
        hops.0.iter_mut().enumerate().for_each(|(i, hop)| *hop = (0x4030_2010 + i as u32) ^ which);
        let mut expected = bytes(burst);
        for (i, bytes) in expected.iter_mut().enumerate().take(BURST) {
            if bytes.len() >= HEAD_LEN && which >> i & 1 != 0 {
                bytes[6..14].copy_from_slice(&source);
                bytes[22..26].copy_from_slice(&hops.0[i].to_le_bytes());
            }
        }
        burst.write_heads(which, source, &hops);
        assert_eq!(bytes(burst), expected, "{count} of {N}");
    }
    check_one_by_one(burst);
}

/// What each frame's own way writes.
#[track_caller]
fn check_one_by_one<const N: usize>(burst: &mut Burst<N>) {
    let (source, hop) = ([0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7], 0xc3c2_c1c0_u32);
    let mut expected = bytes(burst);
    for bytes in expected.iter_mut().filter(|bytes| bytes.len() >= HEAD_LEN) {
        bytes[6..14].copy_from_slice(&source);
        bytes[22..26].copy_from_slice(&hop.to_le_bytes());
    }
    burst.iter_mut().for_each(|frame| frame.write_head(source, hop));
    assert_eq!(bytes(burst), expected);
}

fn check_all<const N: usize>(pool: &Mempool) {
    for count in 0..=N {
        let mut burst = Burst::<N>::new();
        (0..count).for_each(|number| burst.push(frame(pool, number)).unwrap());
        check(&mut burst);
        // Known by now, and no longer so after each of these.
        drop(burst.take(count / 3));
        check(&mut burst);
        if burst.push(frame(pool, count + 1)).is_ok() {
            check(&mut burst);
        }
        if let Some(last) = burst.last_mut() {
            last.truncate((HEAD_LEN - 2) as u16);
            check(&mut burst);
        }
        if burst.len() > 1 {
            burst.swap(0, 1);
            check(&mut burst);
        }
    }
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn heads_in_one_go_are_the_heads_one_by_one() {
    alone("heads_in_one_go_are_the_heads_one_by_one", || {
        let eal = eal(&[]);
        let pool = pool(&eal);
        check_all::<8>(&pool);
        check_all::<32>(&pool);
        check_all::<64>(&pool);
    });
}

/// A frame of `len` bytes that is as all others but for what may vary.
fn alike(number: usize, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
    for at in [2..6, 18..20, 24..26, 30..34].into_iter().flatten() {
        bytes[at] = (number * 31 + at * 5) as u8;
    }
    bytes
}

fn burst_of<const N: usize>(pool: &Mempool, frames: &[Vec<u8>]) -> Burst<N> {
    let mut burst = Burst::new();
    frames.iter().for_each(|bytes| burst.push(Mbuf::from_bytes(pool, bytes).unwrap()).unwrap());
    burst
}

/// Whether it finds them to be alike, which it may not see where registers are not full; and all that it says of them.
#[track_caller]
fn check_alike<const N: usize>(pool: &Mempool, frames: &[Vec<u8>]) -> bool {
    let count = frames.len().min(BURST);
    let mut burst = burst_of::<N>(pool, frames);
    let (mut quick, mut plain) = (Heads::new(), Heads::new());
    let are_alike = plain.read_alike(&burst);
    let found = burst.read_alike(&mut quick);
    assert!(found == are_alike || !found && !count.is_multiple_of(8), "{count} of {N}");
    if found {
        let varying = |heads: &Heads| {
            let Varying { macs, ids, hops, groups } = &heads.varying;
            [macs, ids, hops, groups].map(|lanes| lanes.0[..count].to_vec())
        };
        assert_eq!(varying(&quick), varying(&plain), "{count} of {N}");
        assert_eq!(told(&quick, 1), told(&plain, 1), "{count} of {N}");
    }
    check(&mut burst);
    found
}

fn check_all_alike<const N: usize>(pool: &Mempool) {
    for count in 1..=N {
        let same: Vec<_> = (0..count).map(|number| alike(number, 60)).collect();
        let seen = check_alike::<N>(pool, &same);
        assert!(seen || !count.is_multiple_of(8));
        // One group, as a channel's frames have, and what is told last is of other groups.
        let one: Vec<_> = (0..count).map(|_| alike(3, HEAD_LEN)).collect();
        assert_eq!(check_alike::<N>(pool, &one), seen);
        for at in 0..HEAD_LEN {
            let mut other = one.clone();
            other[at * 5 % count.min(BURST)][at] ^= 0x10;
            let varies = [2..6, 18..20, 24..26, 30..34].iter().any(|range| range.contains(&at));
            assert_eq!(
                check_alike::<N>(pool, &other),
                seen && (varies || count == 1),
                "byte {at} of {count}"
            );
        }
        for len in [0, HEAD_LEN - 1, 61] {
            let mut other = same.clone();
            other[(count - 1).min(BURST - 1)].resize(len, 0);
            assert_eq!(check_alike::<N>(pool, &other), seen && count == 1 && len == 61, "{len} of {count}");
        }
    }
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn frames_that_are_alike_are_found_to_be() {
    alone("frames_that_are_alike_are_found_to_be", || {
        let eal = eal(&[]);
        let pool = pool(&eal);
        check_all_alike::<8>(&pool);
        check_all_alike::<32>(&pool);
        check_all_alike::<64>(&pool);
    });
}

#[test]
fn a_chained_frame_among_many_is_odd() {
    alone("a_chained_frame_among_many_is_odd", || {
        let dir = tempfile::tempdir().unwrap();
        for place in [0, 7, 8, 15] {
            let path = dir.path().join(format!("{place}.pcap"));
            let mut frames = vec![alike(3, 60); 16];
            frames[place].resize(9000, 1);
            support::write_pcap(&path, &frames);
        }
        let file =
            |place| format!("net_pcap{place},rx_pcap={}", dir.path().join(format!("{place}.pcap")).display());
        let devices = [0, 7, 8, 15].map(file);
        let eal = eal(&devices.each_ref().map(String::as_str));
        let pool = pool(&eal);
        for place in [0, 7, 8, 15] {
            let (port, mut queues) = support::start(&eal, &format!("net_pcap{place}"), &pool);
            let (mut burst, mut heads) = (Burst::<32>::new(), Heads::new());
            assert_eq!(queues.rx[0].rx_burst(&mut burst), 16);
            assert!(!burst.read_alike(&mut heads));
            burst.read_heads(&mut heads);
            assert_eq!(heads.odd, 1 << place);
            check(&mut burst);
            drop(burst);
            port.close(queues).unwrap();
        }
    });
}

#[test]
fn heads_are_those_of_what_came_in_behind_what_was_there() {
    alone("heads_are_those_of_what_came_in_behind_what_was_there", || {
        let eal = eal(&["net_null0"]);
        let pool = pool(&eal);
        let (port, mut queues) = support::start(&eal, "net_null0", &pool);
        let mut burst = Burst::<32>::new();
        burst.push(frame(&pool, 3)).unwrap();
        assert_eq!(queues.rx[0].rx_burst(&mut burst), 31);
        check(&mut burst);
        burst.clear();
        assert_eq!(queues.rx[0].rx_burst(&mut burst), 32);
        check(&mut burst);
        drop(burst);
        port.close(queues).unwrap();
        assert_eq!(pool.in_use(), 0);
    });
}
