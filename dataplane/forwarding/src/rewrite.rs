//! The one change a forwarded frame gets, however many ports it goes out of.

use types::{Frame, HEAD_LEN, MacAddr};

use crate::classify::ETHERTYPE_IPV4;

/// Where TTL, protocol and checksum are.
const HOP: usize = 22;

/// Lowers the TTL by one, updates the header checksum, and puts Manifold's MAC as source (r78, r80).
///
/// The destination MAC stays: classification found it to be the group's (r79). `frame` starts with an
/// Ethernet and a valid IPv4 header with a TTL of at least 2.
#[inline]
pub fn rewrite(frame: &mut impl Frame, router_mac: MacAddr) {
    let Some(head) = frame.bytes().first_chunk::<HEAD_LEN>() else { return };
    let half = |at: usize| u32::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let hop = lowered(half(HOP), half(HOP + 2));
    frame.write_head(source_bytes(router_mac), hop);
}

/// TTL, protocol and checksum, bytes 22 to 25 of a frame as a little-endian word, one hop further: made of TTL and
/// protocol, and of the checksum, as little-endian halves.
#[inline(always)]
pub(crate) fn lowered(ttl: u32, checksum: u32) -> u32 {
    // RFC 1624, equation 3, for a 16-bit word that fell by 0x0100: HC' = HC + 0x0100 in one's complement. In either
    // byte order (RFC 1071, section 2): here the sum's low byte is the field's first. All ones and all zeros are the
    // same number: section 3 wants the zeros.
    let checksum = checksum + 1;
    let checksum = checksum + u32::from(checksum >= 0xffff);
    (ttl.wrapping_sub(1) & 0xffff) | checksum << 16
}

/// The source MAC, and the EtherType that is there already: one store in place of two.
pub(crate) fn source_bytes(router_mac: MacAddr) -> [u8; 8] {
    let [a, b, c, d, e, f] = router_mac.octets();
    let [high, low] = ETHERTYPE_IPV4.to_be_bytes();
    [a, b, c, d, e, f, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::OwnedFrame;
    use proptest::prelude::*;

    fn full_checksum(header: &[u8]) -> u16 {
        let mut sum: u32 = 0;
        for (i, w) in header.chunks(2).enumerate() {
            if i != 5 {
                sum += u32::from(u16::from_be_bytes([w[0], w[1]]));
            }
        }
        while sum >> 16 != 0 {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !(sum as u16)
    }

    fn rewritten(bytes: &[u8]) -> Vec<u8> {
        let mut frame = OwnedFrame(bytes.to_vec());
        rewrite(&mut frame, MacAddr([2, 0, 0, 0, 0, 9]));
        frame.0
    }

    #[test]
    fn r78_a_checksum_that_becomes_all_ones_is_written_as_zero() {
        let mut bytes = [0; 34];
        bytes[12] = 0x08;
        bytes[14] = 0x45;
        bytes[22] = 64;
        // The identification that makes the rest sum up so.
        let rest = full_checksum(&bytes[14..34]);
        bytes[18..20].copy_from_slice(&(rest + 0x0100).to_be_bytes());
        bytes[24..26].copy_from_slice(&0xfeffu16.to_be_bytes());
        assert_eq!(full_checksum(&bytes[14..34]), 0xfeff);
        let bytes = rewritten(&bytes);
        assert_eq!(bytes[24..26], [0, 0]);
        assert_eq!(full_checksum(&bytes[14..34]), 0);
    }

    proptest! {
        #[test]
        fn r78_incremental_checksum_is_the_full_one(frame in proptest::array::uniform32(any::<u8>()), tail in any::<[u8; 2]>(), ttl in 2u8..) {
            let mut bytes = frame.to_vec();
            bytes.extend(tail);
            bytes[12..15].copy_from_slice(&[0x08, 0, 0x45]);
            bytes[22] = ttl;
            let sum = full_checksum(&bytes[14..34]);
            bytes[24..26].copy_from_slice(&sum.to_be_bytes());
            let before = bytes;
            let bytes = rewritten(&before);
            prop_assert_eq!(bytes[22], ttl - 1);
            let got = u16::from_be_bytes([bytes[24], bytes[25]]);
            prop_assert_eq!(got, full_checksum(&bytes[14..34]));
            prop_assert_eq!(&bytes[0..6], &before[0..6]);
            prop_assert_eq!(&bytes[6..12], &[2, 0, 0, 0, 0, 9]);
            prop_assert_eq!(&bytes[12..22], &before[12..22]);
            prop_assert_eq!(&bytes[26..], &before[26..]);
        }
    }
}
