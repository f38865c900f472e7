//! The parser of `igmp::wire`: never panics, believes no length, agrees with what is emitted.

use core::net::Ipv4Addr;

use igmp::wire::{Message, Outgoing, Packet, RecordKind, emit, parse};
use igmp::{Verdict, VerdictClass, Version};
use types::GroupAddr;

use crate::frames::{ROUTER_MAC, checksum, igmp_frame};

/// The bytes as a frame, and as the IGMP message of a frame that is right otherwise.
pub fn run(data: &[u8]) {
    check(data);
    if let Some(message) = data.get(..data.len().min(1480)) {
        let frame = igmp_frame(ROUTER_MAC, [10, 1, 0, 9].into(), [224, 0, 0, 22].into(), message);
        check(&frame);
        if message.len() >= 8 {
            let refused =
                [Verdict::IgmpLength, Verdict::IgmpChecksum, Verdict::IpChecksum, Verdict::Truncated];
            let verdict = parse(&frame).err();
            assert!(
                !verdict.is_some_and(|verdict| refused.contains(&verdict)),
                "{verdict:?} of a sound frame"
            );
        }
    }
}

fn check(frame: &[u8]) {
    match parse(frame) {
        Err(verdict) => {
            assert_eq!(verdict.class(), VerdictClass::Dropped, "{verdict:?} is no reason to refuse a frame");
        }
        Ok(packet) => {
            check_packet(frame, &packet);
            check_padding(frame, &packet);
            check_emit(&packet);
        }
    }
}

/// Every field is where the RFCs say, and what a message promises is there.
fn check_packet(frame: &[u8], packet: &Packet<'_>) {
    let header_len = usize::from(frame[14] & 0x0f) * 4;
    let total_len = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    let address = |at: usize| Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3]);
    assert_eq!((frame[12], frame[13], frame[14] >> 4, frame[23]), (8, 0, 4, 2));
    assert_eq!(frame[20] & 0x3f | frame[21], 0, "a fragment");
    assert_eq!((packet.ttl, packet.source, packet.destination), (frame[22], address(26), address(30)));
    assert_eq!(checksum(&frame[14..14 + header_len]), 0, "IP checksum");
    let igmp = &frame[14 + header_len..14 + total_len];
    assert_eq!(checksum(igmp), 0, "IGMP checksum");
    if packet.message == Message::Solicitation {
        // The one message that may be shorter (r102).
        assert!(igmp.len() >= 4 && igmp[0] == 0x31);
        return;
    }
    assert!(igmp.len() >= 8);
    let group = GroupAddr::new(Ipv4Addr::new(igmp[4], igmp[5], igmp[6], igmp[7]));
    let routable = |group: GroupAddr| !group.is_link_local();
    match &packet.message {
        Message::Query(query) => {
            let version = match (igmp.len(), igmp[1]) {
                (8, 0) => Version::V1,
                (8, _) => Version::V2,
                _ => Version::V3,
            };
            assert_eq!((igmp[0], query.version), (0x11, version), "r31");
            assert!(query.group.is_none() || query.group == group);
            assert!(query.version == Version::V3 || igmp.len() == 8);
            assert!(igmp.len() >= 8 + usize::from(query.sources) * 4, "sources beyond the end");
            assert!(query.response_time().as_millis() >= 100);
        }
        Message::ReportV1(of) => assert!(igmp[0] == 0x12 && group == Some(*of) && routable(*of)),
        Message::ReportV2(of) => assert!(igmp[0] == 0x16 && group == Some(*of) && routable(*of)),
        Message::Leave(of) => assert!(igmp[0] == 0x17 && group == Some(*of) && routable(*of)),
        Message::ReportV3(report) => {
            let announced = usize::from(u16::from_be_bytes([igmp[6], igmp[7]]));
            assert_eq!((igmp[0], report.records().count()), (0x22, announced), "records");
            let sources: usize = report.records().map(|record| usize::from(record.sources)).sum();
            assert!(8 + announced * 8 + sources * 4 <= igmp.len(), "records beyond the end");
            let unknown = |kind: &RecordKind| matches!(kind, RecordKind::Unknown(0 | 7..));
            assert!(
                report
                    .records()
                    .all(|record| !matches!(record.kind, RecordKind::Unknown(_)) || unknown(&record.kind))
            );
        }
        Message::Solicitation | Message::Other(0x11 | 0x12 | 0x16 | 0x17 | 0x22 | 0x31) => {
            panic!("{:?} is a message of its own", packet.message)
        }
        Message::Other(kind) => {
            assert_eq!(*kind, igmp[0]);
        }
    }
}

/// What follows the packet is no part of it (r6).
fn check_padding(frame: &[u8], packet: &Packet<'_>) {
    let total_len = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    assert_eq!(parse(&frame[..14 + total_len]).as_ref(), Ok(packet), "without its padding");
    let padded = [frame, &[0xa5; 7]].concat();
    assert_eq!(parse(&padded).as_ref(), Ok(packet), "with more padding");
    assert!(parse(&frame[..13 + total_len]).is_err(), "one byte short");
}

/// What we can say ourselves reads the same after we said it.
fn check_emit(packet: &Packet<'_>) {
    let message = match &packet.message {
        Message::Query(query) => match (query.version, query.group, u8::try_from(query.max_resp_ds)) {
            (Version::V2, None, Ok(max_resp_ds)) => Outgoing::GeneralQuery { max_resp_ds },
            (Version::V2, Some(group), Ok(max_resp_ds)) => Outgoing::GroupQuery { group, max_resp_ds },
            _ => return,
        },
        Message::ReportV1(group) => Outgoing::ReportV1(*group),
        Message::ReportV2(group) => Outgoing::ReportV2(*group),
        Message::Leave(group) => Outgoing::Leave(*group),
        Message::ReportV3(_) | Message::Solicitation | Message::Other(_) => return,
    };
    let frame = emit(message, packet.source_mac, packet.source, 7);
    let again = parse(frame.as_slice()).expect("what we emit is sound");
    assert_eq!(
        (&again.message, again.source_mac, again.source),
        (&packet.message, packet.source_mac, packet.source)
    );
    assert_eq!((again.ttl, again.router_alert), (1, true), "r1, r2");
}
