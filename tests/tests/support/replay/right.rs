//! What holds of every replay, whatever it is about: each frame sent is one of the messages that Manifold may
//! send there, or the right copy of a datagram that came in; and every frame received is accounted for.

use lab::{Frame, Igmp, Ip};
use std::net::Ipv4Addr;
use std::time::Duration;
use types::MacAddr;

use super::{PORTS, Replay, Replayed, Step};
use crate::support::frames::{LEAVE, QUERY, REPORT_V1, REPORT_V2, ROUTER_ALERT, checksum, group_mac};
use crate::support::sent::{Sent, SentFrame};
use crate::support::summary::PortSummary;

/// An announcement is repeated once, after so long (RFC 5227, section 1.1).
const ANNOUNCED_AGAIN: Duration = Duration::from_secs(2);
/// Drops of copies, counted on the port that should have sent them.
const EGRESS_DROPS: [&str; 4] = ["mtu", "tx-full", "no-buffer", "out-of-service"];

pub(super) fn check(replay: &Replay, replayed: &Replayed) {
    for ((name, address), sent) in PORTS.iter().zip(&replayed.sent) {
        let address = address.split_once('/').map(|(ip, _)| ip.parse().expect("an address"));
        let querier = replay.querier_address(name).or(address);
        let mut copies = copies_for(replay, name);
        let mac = replay.mac(name);
        sent.announcements.iter().for_each(|frame| check_announcement(name, (mac, address), frame));
        for frame in &sent.frames {
            if frame.frame.ip.as_ref().is_some_and(|ip| ip.protocol == 2) {
                check_igmp(name, querier, replay.mac(name), frame);
            } else {
                check_copy(name, &mut copies, frame);
            }
        }
        let received = replay.steps.iter().filter(|step| step.port == *name).count() as u64;
        check_counters(replayed.count(name), received, sent, &replayed.told);
    }
}

/// The port's address is announced when its carrier comes, which is the replay's start (RFC 5227, section 3).
fn check_announcement(port: &str, (mac, address): (MacAddr, Option<Ipv4Addr>), frame: &SentFrame) {
    let (mac, ip) = (mac.octets(), address.expect("an address").octets());
    let ethernet = [&[0xff; 6][..], &mac, &[0x08, 0x06]].concat();
    let request = [&[0, 1, 0x08, 0, 6, 4, 0, 1][..], &mac, &ip, &[0; 6], &ip].concat();
    assert_eq!(frame.bytes[..42], [ethernet, request].concat(), "{port} sent {frame}");
    assert!(frame.bytes[42..].iter().all(|byte| *byte == 0), "{port}: padding of {frame}");
    assert!(frame.at.is_zero() || frame.at == ANNOUNCED_AGAIN, "{port} sent {frame}");
}

/// r1, r2, r3, r18, r56, r80, r101.
fn check_igmp(port: &str, address: Option<Ipv4Addr>, mac: MacAddr, frame: &SentFrame) {
    let Frame { wire_len, destination, source, ip: Some(ip), .. } = &frame.frame else {
        panic!("{port} sent {frame}, not IPv4")
    };
    let Some(Igmp { kind, code, group, len, checksum_good }) = frame.frame.igmp() else {
        panic!("{port} sent {frame}: IGMP that does not read")
    };
    let Ip { tos, ttl, header_len, total_len, options, .. } = ip;
    assert_eq!((*wire_len, *header_len, *total_len, *len), (46, 24, 32, 8), "{port}: {frame}");
    assert_eq!((*ttl, *tos, &options[..]), (1, 0xc0, &ROUTER_ALERT[..]), "{port}: {frame}");
    assert!(ip.checksum_good && *checksum_good, "{port}: checksum of {frame}");
    assert_eq!(Some(ip.source), address, "{port}: {frame}");
    assert_eq!((*source, *destination), (mac, group_mac(ip.destination)), "{port}: {frame}");
    let (to, codes) = match *kind {
        QUERY if group.is_unspecified() => (Ipv4Addr::new(224, 0, 0, 1), 1..=255),
        QUERY => (*group, 1..=255),
        REPORT_V1 | REPORT_V2 => (*group, 0..=0),
        LEAVE => (Ipv4Addr::new(224, 0, 0, 2), 0..=0),
        _ => panic!("{port} sent {frame}"),
    };
    assert!(ip.destination == to && codes.contains(code), "{port}: {frame} to {}", ip.destination);
    // A host towards the provider, a router towards clients, never both; no report goes to a client (r87).
    assert_eq!(*kind == QUERY, port != "wan", "{port} sent {frame}");
}

/// What a router makes of each frame that came in by another port, with the time it came (r78 to r80).
fn copies_for(replay: &Replay, port: &str) -> Vec<(Duration, Vec<u8>)> {
    let of = |step: &Step| {
        let mut copy = step.frame.clone();
        let total = usize::from(u16::from_be_bytes([*copy.get(16)?, *copy.get(17)?]));
        copy.truncate(14 + total);
        let header = 14..14 + usize::from(copy.get(14)? & 15) * 4;
        copy[6..12].copy_from_slice(&replay.mac(port).octets());
        let ttl = copy.get_mut(22)?;
        *ttl = ttl.checked_sub(1)?;
        copy.get_mut(24..26)?.fill(0);
        let sum = checksum(copy.get(header)?);
        copy[24..26].copy_from_slice(&sum.to_be_bytes());
        Some((step.at, copy))
    };
    replay.steps.iter().filter(|step| step.port != port).filter_map(of).collect()
}

/// Each frame that came in is sent at once, once, and nothing else is.
fn check_copy(port: &str, copies: &mut Vec<(Duration, Vec<u8>)>, frame: &SentFrame) {
    let found = copies.iter().position(|(at, bytes)| *at == frame.at && *bytes == frame.bytes);
    let found = found.unwrap_or_else(|| panic!("{port} sent {frame}, which is the right copy of nothing"));
    copies.swap_remove(found);
}

fn check_counters(counted: &PortSummary, received: u64, sent: &Sent, told: &str) {
    let ingress_drops: u64 = counted
        .drops
        .iter()
        .filter(|(reason, _)| !EGRESS_DROPS.contains(&reason.as_str()))
        .map(|(_, n)| n)
        .sum();
    assert_eq!(counted.received, received, "{}: all that came in:\n{told}", sent.name);
    assert_eq!(counted.forwarded + counted.punted + ingress_drops, received, "{}:\n{told}", sent.name);
    assert_eq!(
        counted.igmp.values().sum::<u64>(),
        counted.punted,
        "{}: one verdict each:\n{told}",
        sent.name
    );
    let frames = sent.frames.len() + sent.announcements.len();
    assert_eq!(counted.sent, frames as u64, "{}: all that went out:\n{told}", sent.name);
}
