//! ICMP echo (RFC 792; RFC 1122, section 3.2.2.6).

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpEcn, IpNumber, Ipv4Header, Ipv4HeaderSlice};

use crate::Neighbour;

/// ICMP's echo request and echo reply, each with code 0.
const REQUEST: [u8; 2] = [8, 0];
const REPLY: [u8; 2] = [0, 0];
/// Type, code, checksum, identifier, sequence number.
const ICMP_HEADER_LEN: usize = 8;

/// Hops that the reply may make (RFC 1700).
const REPLY_TTL: u8 = 64;

/// IP options that end or fill the list, and those that say which way a packet goes (RFC 791, section 3.1).
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// The reply to a whole echo request to us, as an IP packet.
///
/// Without IP options, whatever the request has. So a source-routed one gets none: its reply would have to go
/// the same way back. The type of service is the request's (RFC 1349, section 5.1).
pub(crate) fn answer(us: &Neighbour, packet: &[u8]) -> Option<Vec<u8>> {
    let ip = Ipv4HeaderSlice::from_slice(packet).ok()?;
    // What follows the packet is padding.
    let icmp = packet.get(ip.slice().len()..usize::from(ip.total_len()))?;
    let is_ours = ip.destination_addr() == us.address.addr()
        && us.is_host(ip.source_addr())
        && !ip.is_fragmenting_payload()
        && ip.protocol() == IpNumber::ICMP
        && is_sound(ip.slice())
        && may_be_answered(ip.options());
    if !is_ours || icmp.len() < ICMP_HEADER_LEN || !icmp.starts_with(&REQUEST) || !is_sound(icmp) {
        return None;
    }
    let mut header = Ipv4Header {
        dscp: ip.dcp(),
        ecn: IpEcn::ZERO,
        dont_fragment: true,
        source: us.address.addr().octets(),
        destination: ip.source(),
        ..Ipv4Header::new(u16::try_from(icmp.len()).ok()?, REPLY_TTL, IpNumber::ICMP, [0; 4], [0; 4]).ok()?
    };
    header.header_checksum = header.calc_header_checksum();
    let rest = &icmp[4..];
    // Sums in the machine's byte order, as RFC 1071 allows.
    let checksum = Sum16BitWords::new().add_2bytes(REPLY).add_slice(rest).ones_complement();
    Some([&header.to_bytes()[..], &REPLY, &checksum.to_ne_bytes(), rest].concat())
}

/// Whether bytes that carry a checksum of themselves sum up to nothing (RFC 1071).
fn is_sound(bytes: &[u8]) -> bool {
    Sum16BitWords::new().add_slice(bytes).ones_complement() == 0
}

/// Whether IP options are well formed, and none says which way the packet is to go.
fn may_be_answered(mut options: &[u8]) -> bool {
    loop {
        options = match options {
            [] | [END_OF_OPTIONS, ..] => return true,
            [NO_OPERATION, rest @ ..] => rest,
            [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, ..] => return false,
            [_, len, ..] if *len >= 2 => match options.get(usize::from(*len)..) {
                Some(rest) => rest,
                None => return false,
            },
            [_, ..] => return false,
        };
    }
}
