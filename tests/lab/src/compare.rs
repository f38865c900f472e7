//! The stream on a client's link against the stream on the provider's link, frame by frame.

use crate::{Frame, UdpChecksum};
use std::net::Ipv4Addr;
use std::sync::Arc;
use types::{GroupAddr, MacAddr, Time};

/// What a client's link got of a stream, once it is known to be exactly right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How many datagrams, each once, in order, none left out.
    pub datagrams: usize,
    /// When the first was on the client's link.
    pub first_at: Time,
    /// When the last was on the client's link.
    pub last_at: Time,
    /// When the source sent the last one that did not yet pass; `None` when the first passed.
    pub held_until: Option<Time>,
    /// When the source sent the first one that did not pass any more; `None` when the last passed.
    pub ended_by: Option<Time>,
    /// The longest way from the provider's link to the client's, in nanoseconds. A capture's clock may put
    /// arrival before departure; that counts as zero.
    pub worst_delay_ns: u64,
}

/// Compares all frames of a stream on a client's link with those on the provider's link: an unbroken run of
/// the source's datagrams, each once and in order, the same in every byte but TTL (one less), header checksum
/// (right) and MACs (Manifold's, the group's).
///
/// # Errors
/// The first difference, in a sentence; also when the client's link had no frame at all.
pub fn compare(
    source: &[Arc<Frame>],
    client: &[Arc<Frame>],
    router_mac: MacAddr,
) -> Result<Delivery, String> {
    let (Some(first), Some(last)) = (client.first(), client.last()) else {
        return Err("not one frame of the stream".to_owned());
    };
    let number = number_of(first)?;
    let start = source
        .iter()
        .position(|frame| number_of(frame) == Ok(number))
        .ok_or_else(|| format!("datagram {number}, which the source never sent"))?;
    let mut worst_delay_ns = 0;
    for (i, copy) in client.iter().enumerate() {
        let Some(original) = source.get(start + i) else {
            return Err(format!("datagram {} beyond the source's last", number_of(copy)?));
        };
        in_turn(number_of(original)?, number_of(copy)?)?;
        same(original, copy, router_mac).map_err(|why| format!("datagram {}: {why}", number + i as u64))?;
        worst_delay_ns = worst_delay_ns.max(copy.at.as_nanos().saturating_sub(original.at.as_nanos()));
    }
    Ok(Delivery {
        datagrams: client.len(),
        first_at: first.at,
        last_at: last.at,
        held_until: start.checked_sub(1).map(|i| source[i].at),
        ended_by: source.get(start + client.len()).map(|frame| frame.at),
        worst_delay_ns,
    })
}

/// Checks that a link carried the source's datagrams each once, numbered without a gap, all from one MAC.
///
/// # Errors
/// The first difference, in a sentence.
pub fn once_each(source: &[Arc<Frame>], source_mac: MacAddr) -> Result<(), String> {
    for pair in source.windows(2) {
        in_turn(number_of(&pair[0])? + 1, number_of(&pair[1])?)?;
    }
    match source.iter().find(|frame| frame.source != source_mac) {
        Some(frame) => Err(format!("a frame of the stream from {}", frame.source)),
        None => Ok(()),
    }
}

fn number_of(frame: &Frame) -> Result<u64, String> {
    frame
        .udp()
        .and_then(|udp| udp.number)
        .ok_or_else(|| format!("a frame that is not of the stream: {frame}"))
}

fn in_turn(wanted: u64, got: u64) -> Result<(), String> {
    match got.cmp(&wanted) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(format!("datagram {got} twice or late, {wanted} was next")),
        std::cmp::Ordering::Greater if got == wanted + 1 => Err(format!("datagram {wanted} is missing")),
        std::cmp::Ordering::Greater => Err(format!("datagrams {wanted} to {} are missing", got - 1)),
    }
}

/// Whether `copy` is what a multicast router makes of `original`.
fn same(original: &Frame, copy: &Frame, router_mac: MacAddr) -> Result<(), String> {
    let (Some(from), Some(to)) = (&original.ip, &copy.ip) else { return Err("not IPv4".to_owned()) };
    let (Some(sent), Some(got)) = (original.udp(), copy.udp()) else { return Err("not UDP".to_owned()) };
    let group_mac = GroupAddr::new(from.destination).map(GroupAddr::mac);
    let checks: [(&str, bool); 9] = [
        ("TTL is not one less", to.ttl.checked_add(1) == Some(from.ttl)),
        ("wrong IP header checksum", to.checksum_good),
        ("UDP checksum not good", got.checksum == UdpChecksum::Good),
        ("payload changed", got.payload_digest == sent.payload_digest && got.payload_len == sent.payload_len),
        ("addresses changed", endpoints(original) == endpoints(copy)),
        (
            "IP header changed",
            (from.id, from.tos, from.total_len, &from.options) == (to.id, to.tos, to.total_len, &to.options),
        ),
        ("source MAC is not Manifold's", copy.source == router_mac),
        ("destination MAC is not the group's", Some(copy.destination) == group_mac),
        ("frame length changed", original.wire_len == copy.wire_len),
    ];
    match checks.iter().find(|(_, holds)| !holds) {
        Some((why, _)) => Err((*why).to_owned()),
        None => Ok(()),
    }
}

fn endpoints(frame: &Frame) -> Option<(Ipv4Addr, u16, Ipv4Addr, u16)> {
    let (ip, udp) = (frame.ip.as_ref()?, frame.udp()?);
    Some((ip.source, udp.source_port, ip.destination, udp.destination_port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::stream_frame;

    const SOURCE: u8 = 2;
    const ROUTER: u8 = 1;

    fn frames(numbers: impl IntoIterator<Item = u64>, ttl: u8, mac: u8) -> Vec<Arc<Frame>> {
        let frame = |n| {
            let at = Time::from_nanos(1_000 * n + 50 * u64::from(16 - ttl));
            Arc::new(Frame::parse(at, &stream_frame(n, ttl, mac), 128).unwrap())
        };
        numbers.into_iter().map(frame).collect()
    }

    fn against_source(client: &[Arc<Frame>]) -> Result<Delivery, String> {
        compare(&frames(0..20, 16, SOURCE), client, MacAddr([2, 0, 0, 0, 0, ROUTER]))
    }

    fn edited(edit: impl Fn(&mut Vec<u8>)) -> Result<Delivery, String> {
        let mut client = frames(3..9, 15, ROUTER);
        let mut bytes = stream_frame(5, 15, ROUTER);
        edit(&mut bytes);
        client[2] = Arc::new(Frame::parse(Time::ZERO, &bytes, 128).unwrap());
        against_source(&client)
    }

    #[test]
    fn an_unbroken_run_is_a_delivery() {
        assert_eq!(
            against_source(&frames(3..9, 15, ROUTER)),
            Ok(Delivery {
                datagrams: 6,
                first_at: Time::from_nanos(3_050),
                last_at: Time::from_nanos(8_050),
                held_until: Some(Time::from_nanos(2_000)),
                ended_by: Some(Time::from_nanos(9_000)),
                worst_delay_ns: 50,
            })
        );
        let whole = against_source(&frames(0..20, 15, ROUTER)).unwrap();
        assert_eq!((whole.held_until, whole.ended_by), (None, None));
    }

    #[test]
    fn gaps_repeats_and_disorder_are_named() {
        for (numbers, why) in [
            (vec![3, 4, 6], "datagram 5 is missing"),
            (vec![3, 4, 8], "datagrams 5 to 7 are missing"),
            (vec![3, 4, 4], "datagram 4 twice or late, 5 was next"),
            (vec![3, 5, 4], "datagram 4 is missing"),
            (vec![30], "datagram 30, which the source never sent"),
            (vec![19, 20], "datagram 20 beyond the source's last"),
            (vec![], "not one frame of the stream"),
        ] {
            assert_eq!(against_source(&frames(numbers, 15, ROUTER)).unwrap_err(), why);
        }
    }

    #[test]
    fn r78_ttl_is_one_less_and_the_checksum_right() {
        assert_eq!(against_source(&frames(3..9, 14, ROUTER)).unwrap_err(), "datagram 3: TTL is not one less");
        assert_eq!(edited(|bytes| bytes[24] ^= 1).unwrap_err(), "datagram 5: wrong IP header checksum");
    }

    #[test]
    fn r80_source_mac_is_the_routers() {
        assert_eq!(
            against_source(&frames(3..9, 15, 7)).unwrap_err(),
            "datagram 3: source MAC is not Manifold's"
        );
    }

    #[test]
    fn r79_destination_mac_is_the_groups() {
        assert_eq!(
            edited(|bytes| bytes[5] ^= 1).unwrap_err(),
            "datagram 5: destination MAC is not the group's"
        );
    }

    #[test]
    fn a_changed_datagram_is_noticed() {
        assert_eq!(edited(|bytes| bytes[1000] ^= 1).unwrap_err(), "datagram 5: UDP checksum not good");
        assert_eq!(edited(|bytes| bytes[40..42].fill(0)).unwrap_err(), "datagram 5: UDP checksum not good");
        assert_eq!(edited(|bytes| bytes.extend([0; 4])).unwrap_err(), "datagram 5: frame length changed");
        assert!(edited(|bytes| bytes[35] ^= 1).is_err());
        assert!(edited(|bytes| bytes[18] ^= 1).is_err());
    }

    #[test]
    fn the_source_link_has_each_datagram_once() {
        let mac = MacAddr([2, 0, 0, 0, 0, SOURCE]);
        assert_eq!(once_each(&frames(0..20, 16, SOURCE), mac), Ok(()));
        assert!(once_each(&frames([0, 1, 1, 2], 16, SOURCE), mac).is_err());
        assert!(once_each(&frames([0, 2], 16, SOURCE), mac).is_err());
        assert!(once_each(&frames([0, 1], 16, ROUTER), mac).is_err());
    }
}
