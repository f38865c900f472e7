//! The one change a forwarded frame gets, however many ports it goes out of.

use types::MacAddr;

/// Lowers the TTL by one, updates the header checksum, and puts Manifold's MAC as source (r78, r80).
///
/// The destination MAC stays: classification found it to be the group's (r79). `frame` starts with an
/// Ethernet and a valid IPv4 header with a TTL of at least 2.
#[inline]
pub fn rewrite(frame: &mut [u8], router_mac: MacAddr) {
    let Some(head) = frame.first_chunk_mut::<34>() else { return };
    head[6..12].copy_from_slice(&router_mac.octets());
    head[22] -= 1;
    // RFC 1624, equation 3, for a 16-bit word that fell by 0x0100: HC' = HC + 0x0100 in one's complement,
    // where all ones and all zeros are the same number: section 3 wants the zeros.
    let checksum = u32::from(u16::from_be_bytes([head[24], head[25]])) + 0x0100;
    let checksum = (checksum + u32::from(checksum >= 0xffff)) as u16;
    head[24..26].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn r78_a_checksum_that_becomes_all_ones_is_written_as_zero() {
        let mut bytes = [0; 34];
        bytes[14] = 0x45;
        bytes[22] = 64;
        // The identification that makes the rest sum up so.
        let rest = full_checksum(&bytes[14..34]);
        bytes[18..20].copy_from_slice(&(rest + 0x0100).to_be_bytes());
        bytes[24..26].copy_from_slice(&0xfeffu16.to_be_bytes());
        assert_eq!(full_checksum(&bytes[14..34]), 0xfeff);
        rewrite(&mut bytes, MacAddr([2, 0, 0, 0, 0, 9]));
        assert_eq!(bytes[24..26], [0, 0]);
        assert_eq!(full_checksum(&bytes[14..34]), 0);
    }

    proptest! {
        #[test]
        fn r78_incremental_checksum_is_the_full_one(frame in proptest::array::uniform32(any::<u8>()), tail in any::<[u8; 2]>(), ttl in 2u8..) {
            let mut bytes = frame.to_vec();
            bytes.extend(tail);
            bytes[14] = 0x45;
            bytes[22] = ttl;
            let sum = full_checksum(&bytes[14..34]);
            bytes[24..26].copy_from_slice(&sum.to_be_bytes());
            let before = bytes.clone();
            rewrite(&mut bytes, MacAddr([2, 0, 0, 0, 0, 9]));
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
