//! Requests and what is answered to them, byte by byte.

use core::net::Ipv4Addr;

use neighbour::Neighbour;
use proptest::prelude::*;
use types::{Ipv4Net, MacAddr};

const US: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0xaa]);
const STATION: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x09]);
const ADDRESS: [u8; 4] = [10, 1, 0, 1];
const HOST: [u8; 4] = [10, 1, 0, 9];

fn us() -> Neighbour {
    Neighbour { mac: US, address: Ipv4Net::new(ADDRESS.into(), 24).unwrap() }
}

fn answer(frame: &[u8]) -> Option<Vec<u8>> {
    us().answer(frame)
}

/// One's complement sum of `bytes`; 0xffff of what carries its own checksum.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum >> 16 != 0 {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

fn ethernet(to: MacAddr, from: MacAddr, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&to.octets()[..], &from.octets(), &ethertype.to_be_bytes(), payload].concat()
}

/// An ARP packet for Ethernet and IPv4.
fn arp(operation: u8, sender: (MacAddr, [u8; 4]), target: (MacAddr, [u8; 4])) -> Vec<u8> {
    let head = [0, 1, 0x08, 0, 6, 4, 0, operation];
    [&head[..], &sender.0.octets(), &sender.1, &target.0.octets(), &target.1].concat()
}

/// A padded ARP request from the host for our address.
fn request() -> Vec<u8> {
    let mut f =
        ethernet(MacAddr::BROADCAST, STATION, 0x0806, &arp(1, (STATION, HOST), (MacAddr::ZERO, ADDRESS)));
    f.resize(60, 0);
    f
}

/// An echo request, its fields as they stand; `mended` makes the checksums.
#[derive(Clone)]
struct Echo {
    to_mac: MacAddr,
    from_mac: MacAddr,
    tos: u8,
    fragment: [u8; 2],
    protocol: u8,
    from: [u8; 4],
    to: [u8; 4],
    options: Vec<u8>,
    icmp: Vec<u8>,
    padding: usize,
}

fn echo() -> Echo {
    Echo {
        to_mac: US,
        from_mac: STATION,
        tos: 0,
        fragment: [0x40, 0],
        protocol: 1,
        from: HOST,
        to: ADDRESS,
        options: Vec::new(),
        icmp: [&[8, 0, 0, 0, 0x12, 0x34, 0, 7][..], b"are you there?"].concat(),
        padding: 0,
    }
}

impl Echo {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn frame(&self) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let mut ip = vec![0x40 | (header_len / 4) as u8, self.tos];
        ip.extend(((header_len + self.icmp.len()) as u16).to_be_bytes());
        ip.extend([0xab, 0xcd, self.fragment[0], self.fragment[1], 9, self.protocol, 0, 0]);
        ip.extend(self.from);
        ip.extend(self.to);
        ip.extend(&self.options);
        let checksum = !sum(&ip);
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        let mut icmp = self.icmp.clone();
        if let Some(field) = icmp.get_mut(2..4) {
            field.fill(0);
        }
        let checksum = !sum(&icmp);
        if let Some(field) = icmp.get_mut(2..4) {
            field.copy_from_slice(&checksum.to_be_bytes());
        }
        ip.extend(icmp);
        ip.extend(vec![0xa5; self.padding]);
        ethernet(self.to_mac, self.from_mac, 0x0800, &ip)
    }
}

#[track_caller]
fn unanswered(echo: Echo) {
    assert_eq!(answer(&echo.frame()), None);
}

#[test]
fn a_request_for_our_address_is_replied_to_its_sender_alone() {
    let reply = ethernet(STATION, US, 0x0806, &arp(2, (US, ADDRESS), (STATION, HOST)));
    assert_eq!(answer(&request()), Some(reply.clone()));
    assert_eq!(answer(&request()[..42]), Some(reply.clone()), "without padding");
    let mut to_us = request();
    to_us[0..6].copy_from_slice(&US.octets());
    assert_eq!(answer(&to_us), Some(reply.clone()));
    let mut target_mac_set = request();
    target_mac_set[32..38].fill(0xff);
    assert_eq!(answer(&target_mac_set), Some(reply), "what stands for the target's MAC means nothing");
}

#[test]
fn a_reply_goes_to_the_mac_that_the_request_names() {
    let mut relayed = request();
    relayed[11] = 0x55;
    assert_eq!(answer(&relayed).unwrap()[..6], STATION.octets());
}

#[test]
fn a_probe_for_our_address_is_replied() {
    let mut probe = request();
    probe[28..32].fill(0);
    let reply = ethernet(STATION, US, 0x0806, &arp(2, (US, ADDRESS), (STATION, [0; 4])));
    assert_eq!(answer(&probe), Some(reply));
}

#[test]
fn other_arp_is_not_answered() {
    let with = |at: usize, bytes: &[u8]| {
        let mut f = request();
        f[at..at + bytes.len()].copy_from_slice(bytes);
        f
    };
    for (name, frame) in [
        ("another address", with(38, &[10, 1, 0, 2])),
        ("a reply", with(21, &[2])),
        ("reverse ARP", with(21, &[3])),
        ("another hardware", with(15, &[6])),
        ("another protocol", with(16, &[0x86, 0xdd])),
        ("hardware addresses of 8 bytes", with(18, &[8])),
        ("protocol addresses of 16 bytes", with(19, &[16])),
        ("no addresses", with(18, &[0, 0])),
        ("too short", request()[..41].to_vec()),
        ("no more than a header", request()[..22].to_vec()),
        ("to another station", with(0, &[2, 0, 0, 0, 0, 0x77])),
        ("to a group", with(0, &[1, 0, 0x5e, 0, 0, 1])),
        ("from a group", with(6, &[1, 0, 0x5e, 0, 0, 1])),
        ("from everyone", with(6, &[0xff; 6])),
        ("from nobody", with(6, &[0; 6])),
        ("from ourselves", with(6, &US.octets())),
        ("for a group", with(22, &[1, 0, 0x5e, 0, 0, 1])),
        ("for everyone", with(22, &[0xff; 6])),
        ("for nobody", with(22, &[0; 6])),
        ("for our own MAC", with(22, &US.octets())),
        ("from our own address", with(28, &ADDRESS)),
        ("from 0.0.0.1", with(28, &[0, 0, 0, 1])),
        ("from 127.0.0.1", with(28, &[127, 0, 0, 1])),
        ("from a group's address", with(28, &[224, 0, 0, 1])),
        ("from 240.0.0.1", with(28, &[240, 0, 0, 1])),
        ("from 255.255.255.255", with(28, &[255; 4])),
        ("from the link's broadcast address", with(28, &[10, 1, 0, 255])),
    ] {
        assert_eq!(answer(&frame), None, "{name}");
    }
}

#[test]
fn rfc5227_an_announcement_asks_everyone_for_our_own_address() {
    let announcement = us().announcement();
    assert_eq!(
        announcement,
        ethernet(MacAddr::BROADCAST, US, 0x0806, &arp(1, (US, ADDRESS), (MacAddr::ZERO, ADDRESS)))
    );
    assert_eq!(answer(&announcement), None, "our own, come back");
}

#[test]
fn rfc792_an_echo_request_comes_back_as_a_reply_with_its_data() {
    let request = echo().frame();
    let reply = answer(&request).unwrap();
    assert_eq!(reply[..14], ethernet(STATION, US, 0x0800, &[]));
    let (ip, icmp) = reply[14..].split_at(20);
    assert_eq!(ip[..2], [0x45, 0]);
    assert_eq!(ip[2..4], ((reply.len() - 14) as u16).to_be_bytes());
    assert_eq!(ip[4..10], [0, 0, 0x40, 0, 64, 1], "no identification, not to be fragmented, TTL, ICMP");
    assert_eq!((&ip[12..16], &ip[16..20]), (&ADDRESS[..], &HOST[..]));
    assert_eq!((sum(ip), sum(icmp)), (0xffff, 0xffff));
    assert_eq!(icmp[..2], [0, 0]);
    assert_eq!(icmp[4..], request[14 + 24..]);
}

#[test]
fn rfc1122_data_of_any_length_is_returned_whole_and_padding_is_not() {
    for len in [0, 1, 2, 17, 18, 19, 56, 1472, 1473] {
        let data: Vec<u8> = (0..len).map(|n| n as u8).collect();
        let request = echo().with(|e| {
            e.icmp.splice(8.., data.clone());
            e.padding = 13;
        });
        let reply = answer(&request.frame()).unwrap();
        assert_eq!(reply[14 + 28..], data, "{len} bytes");
        assert_eq!((sum(&reply[14..34]), sum(&reply[34..])), (0xffff, 0xffff), "{len} bytes");
    }
}

#[test]
fn rfc792_a_checksum_that_sums_up_to_nothing_is_made_in_full() {
    // The reply's words sum up to 0xffff: its checksum is zero.
    let mut request = echo().with(|e| e.icmp = vec![8, 0, 0, 0, 0xff, 0xff, 0, 0]).frame();
    let reply = answer(&request).unwrap();
    assert_eq!(reply[34..], [0, 0, 0, 0, 0xff, 0xff, 0, 0]);
    // All ones and all zeros are the same number; a request with either is sound.
    request[36..38].copy_from_slice(&0xf7ffu16.to_be_bytes());
    assert!(answer(&request).is_some());
}

#[test]
fn rfc1349_the_reply_has_the_requests_type_of_service() {
    let reply = answer(&echo().with(|e| e.tos = 0xb8 | 3).frame()).unwrap();
    assert_eq!(reply[15], 0xb8, "and says nothing of congestion");
}

#[test]
fn options_are_not_returned() {
    for options in [&[1, 1, 1, 0][..], &[7, 7, 4, 0, 0, 0, 0, 0], &[0x94, 4, 0, 0], &[0, 131, 7, 7]] {
        let reply = answer(&echo().with(|e| e.options = options.to_vec()).frame()).unwrap();
        assert_eq!((reply[14], &reply[14 + 28..]), (0x45, &b"are you there?"[..]), "{options:?}");
    }
}

#[test]
fn source_routed_and_malformed_options_are_not_answered() {
    for options in [
        &[131, 3, 4, 0][..],
        &[137, 3, 4, 0],
        &[1, 1, 131, 3],
        &[7, 3, 4, 131, 3, 4, 0, 0],
        &[7, 0, 0, 0],
        &[7, 1, 0, 0],
        &[7, 5, 4, 0],
        &[1, 1, 1, 7],
    ] {
        unanswered(echo().with(|e| e.options = options.to_vec()));
    }
}

#[test]
fn requests_that_are_not_for_us_alone_are_not_answered() {
    unanswered(echo().with(|e| e.to_mac = MacAddr::BROADCAST));
    unanswered(echo().with(|e| e.to_mac = MacAddr([1, 0, 0x5e, 0, 0, 1])));
    unanswered(echo().with(|e| e.to_mac = STATION));
    for to in [[10, 1, 0, 2], [10, 1, 0, 255], [255; 4], [224, 0, 0, 1], [0; 4]] {
        unanswered(echo().with(|e| e.to = to));
    }
}

#[test]
fn requests_from_nobody_in_particular_are_not_answered() {
    for from in [
        [0; 4],
        [0, 0, 0, 1],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [239, 2, 2, 2],
        [240, 0, 0, 1],
        [255; 4],
        [10, 1, 0, 255],
        ADDRESS,
    ] {
        unanswered(echo().with(|e| e.from = from));
    }
    for from in [MacAddr::ZERO, MacAddr::BROADCAST, MacAddr([1, 0, 0x5e, 0, 0, 1]), US] {
        unanswered(echo().with(|e| e.from_mac = from));
    }
}

#[test]
fn a_host_behind_a_router_is_answered_by_way_of_it() {
    let reply = answer(&echo().with(|e| e.from = [203, 0, 113, 5]).frame()).unwrap();
    assert_eq!((&reply[..6], &reply[30..34]), (&STATION.octets()[..], &[203, 0, 113, 5][..]));
}

#[test]
fn what_is_no_whole_echo_request_is_not_answered() {
    for fragment in [[0x20, 0], [0x20, 1], [0, 1], [0x1f, 0xff]] {
        unanswered(echo().with(|e| e.fragment = fragment));
    }
    for protocol in [0, 2, 6, 17, 255] {
        unanswered(echo().with(|e| e.protocol = protocol));
    }
    for (kind, code) in [(0, 0), (8, 1), (8, 255), (13, 0), (17, 0), (3, 3), (5, 0)] {
        unanswered(echo().with(|e| e.icmp[..2].copy_from_slice(&[kind, code])));
    }
    for len in 0..8 {
        unanswered(echo().with(|e| e.icmp.truncate(len)));
    }
}

#[test]
fn broken_headers_are_not_answered() {
    let good = echo().frame();
    let mend = |mut f: Vec<u8>| {
        f[24..26].fill(0);
        let checksum = !sum(&f[14..34]);
        f[24..26].copy_from_slice(&checksum.to_be_bytes());
        f
    };
    let with = |at: usize, byte: u8| {
        let mut f = good.clone();
        f[at] = byte;
        mend(f)
    };
    for (name, frame) in [
        ("version 6", with(14, 0x65)),
        ("header of 16 bytes", with(14, 0x44)),
        ("header beyond the packet", with(14, 0x4f)),
        ("longer than the frame", with(17, good[17] + 1)),
        ("shorter than the header", with(17, 19)),
        ("shorter by a byte, so that ICMP's checksum is wrong", with(17, good[17] - 1)),
        ("another protocol's type", {
            let mut f = good.clone();
            f[13] = 0xdd;
            f
        }),
    ] {
        assert_eq!(answer(&frame), None, "{name}");
    }
    for len in 0..good.len() {
        assert_eq!(answer(&good[..len]), None, "{len} bytes");
    }
    // Each bit of header and ICMP: either checksum sees it, or it is in the Ethernet header.
    for bit in 14 * 8..good.len() * 8 {
        let mut f = good.clone();
        f[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(answer(&f), None, "bit {bit}");
    }
}

#[test]
fn a_link_of_two_has_no_broadcast_address() {
    let us = Neighbour { mac: US, address: Ipv4Net::new([10, 1, 0, 254].into(), 31).unwrap() };
    let ask = echo().with(|e| (e.from, e.to) = ([10, 1, 0, 255], [10, 1, 0, 254]));
    assert!(us.answer(&ask.frame()).is_some());
}

/// Frames near to those that are answered.
fn near_requests() -> impl Strategy<Value = Vec<u8>> {
    let options = echo().with(|e| e.options = vec![7, 3, 4, 0]);
    let seed = proptest::sample::select(vec![request(), echo().frame(), options.frame()]);
    let changes = proptest::collection::vec((0usize..70, any::<u8>()), 0..3);
    (seed, changes, any::<bool>(), 0usize..80).prop_map(|(mut f, changes, mends, len)| {
        for (at, byte) in changes {
            if let Some(b) = f.get_mut(at) {
                *b = byte;
            }
        }
        if mends && f[12..14] == [0x08, 0] && f.len() >= 14 + usize::from(f[14] & 15) * 4 && f[14] & 15 >= 5 {
            let ip_end = 14 + usize::from(f[14] & 15) * 4;
            f[24..26].fill(0);
            let checksum = !sum(&f[14..ip_end]);
            f[24..26].copy_from_slice(&checksum.to_be_bytes());
        }
        if len < 14 {
            f.truncate(len);
        }
        f
    })
}

/// Whoever is answered asked for us, and nobody else hears of it.
fn assert_modest(frame: &[u8]) -> Result<(), TestCaseError> {
    let Some(reply) = answer(frame) else { return Ok(()) };
    let (to, from) = (&reply[..6], &reply[6..12]);
    prop_assert!(to[0] & 1 == 0 && to != US.octets() && to != [0; 6], "{to:?}");
    prop_assert_eq!(from, US.octets());
    prop_assert!(reply.len() <= frame.len());
    match reply[12..14] {
        [0x08, 0x06] => {
            prop_assert_eq!(&frame[38..42], &ADDRESS);
            prop_assert_eq!(&reply[20..22], &[0, 2]);
        }
        [0x08, 0x00] => {
            prop_assert_eq!(&frame[30..34], &ADDRESS);
            prop_assert_eq!(&frame[..6], &US.octets());
            prop_assert_eq!(&reply[26..30], &ADDRESS);
            prop_assert!(!Ipv4Addr::from(*reply[30..].first_chunk::<4>().unwrap()).is_multicast());
            prop_assert_eq!((sum(&reply[14..34]), sum(&reply[34..])), (0xffff, 0xffff));
        }
        _ => prop_assert!(false, "neither ARP nor IPv4"),
    }
    prop_assert_eq!(answer(&reply), None, "no answer is answered");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_answered_modestly(f in proptest::collection::vec(any::<u8>(), 0..128)) {
        assert_modest(&f)?;
    }

    #[test]
    fn bytes_near_requests_are_answered_modestly(f in near_requests()) {
        assert_modest(&f)?;
    }

    #[test]
    fn every_echo_comes_back(id: [u8; 4], data in proptest::collection::vec(any::<u8>(), 0..300), padding in 0usize..40) {
        let request = echo().with(|e| {
            e.icmp = [&[8, 0, 0, 0][..], &id, &data].concat();
            e.padding = padding;
        });
        let reply = answer(&request.frame()).unwrap();
        prop_assert_eq!(&reply[38..], [&id[..], &data].concat());
        prop_assert_eq!((sum(&reply[14..34]), sum(&reply[34..])), (0xffff, 0xffff));
    }
}
