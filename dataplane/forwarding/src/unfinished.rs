//! UDP checksums that their sender left to a NIC, where there was none (veth, tap): completed here, as a NIC would
//! have. Hosts drop such datagrams, and nobody can switch the offload off in another's container.
//!
//! What the sender's kernel leaves is the sum of the pseudo-header alone. A finished checksum is the same by chance once
//! in 65,536: completed again, it stays what it is.

use crate::classify::{ETHERNET_LEN, ETHERTYPE_IPV4};
use types::Frame;

const PROTOCOL_UDP: u8 = 17;
const UDP_LEN: usize = 8;
/// More fragments, and the fragment offset.
const FRAGMENT: u16 = 0x3fff;

/// Completes the checksums of a burst. How many there were.
#[cold]
pub(crate) fn complete_burst<F: Frame>(frames: &mut [F]) -> u64 {
    let mut completed = 0;
    for frame in frames {
        // Of a chained frame the rest is elsewhere; it is dropped.
        completed += u64::from(!frame.is_chained() && complete(frame.bytes_mut()));
    }
    completed
}

/// Completes the checksum of a datagram that goes to a group. Whether it was unfinished; what is no whole UDP datagram
/// stays as it is.
fn complete(frame: &mut [u8]) -> bool {
    let Some((pseudo, datagram)) = datagram_to_group(frame) else { return false };
    let [_, _, _, _, _, _, high, low, ..] = *datagram else { return false };
    let found = u16::from_be_bytes([high, low]);
    // RFC 768: 0 is none.
    if found == 0 || found != fold(pseudo) {
        return false;
    }
    let checksum = match !fold(pseudo + sum(datagram) - u64::from(found)) {
        0 => u16::MAX,
        checksum => checksum,
    };
    datagram[6..UDP_LEN].copy_from_slice(&checksum.to_be_bytes());
    checksum != found
}

/// The sum of the pseudo-header, and the whole datagram, of UDP that goes to a group in one piece.
fn datagram_to_group(frame: &mut [u8]) -> Option<(u64, &mut [u8])> {
    let (ethernet, packet) = frame.split_at_mut_checked(ETHERNET_LEN)?;
    let header: &[u8; 20] = packet.first_chunk()?;
    let header_len = usize::from(header[0] & 0xf) * 4;
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let is_udp = ethernet[12..] == ETHERTYPE_IPV4.to_be_bytes()
        && header[0] >> 4 == 4
        && header[9] == PROTOCOL_UDP
        && header[16] >> 4 == 0xe
        && header_len >= header.len()
        && u16::from_be_bytes([header[6], header[7]]) & FRAGMENT == 0;
    if !is_udp {
        return None;
    }
    let addresses = sum(&header[12..]);
    let datagram = packet.get_mut(header_len..total_len)?;
    let len = datagram.get(4..6).map(|len| u16::from_be_bytes([len[0], len[1]]))?;
    let is_whole = datagram.len() >= UDP_LEN && usize::from(len) == datagram.len();
    is_whole.then_some((addresses + u64::from(PROTOCOL_UDP) + u64::from(len), datagram))
}

/// The sum of RFC 1071 over 16-bit words, not folded yet.
fn sum(bytes: &[u8]) -> u64 {
    let (words, last) = bytes.as_chunks::<2>();
    let words: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
    words + last.first().map_or(0, |last| u64::from(*last) << 8)
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// UDP from 10.0.0.9 to 239.2.2.2 with `payload`, its checksum unfinished, and `padding` bytes behind it.
    pub(crate) fn unfinished(payload: &[u8], padding: usize) -> Vec<u8> {
        let udp_len = (UDP_LEN + payload.len()) as u16;
        let mut frame = vec![1, 0, 0x5e, 2, 2, 2, 2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0];
        frame.extend((20 + udp_len).to_be_bytes());
        frame.extend([
            0,
            0,
            0x40,
            0,
            8,
            PROTOCOL_UDP,
            0,
            0,
            10,
            0,
            0,
            9,
            239,
            2,
            2,
            2,
            0x13,
            0x88,
            0x13,
            0x88,
        ]);
        frame.extend(udp_len.to_be_bytes());
        let pseudo = fold(sum(&frame[26..34]) + u64::from(PROTOCOL_UDP) + u64::from(udp_len));
        frame.extend(pseudo.to_be_bytes());
        frame.extend(payload);
        frame.resize(frame.len() + padding, 0xee);
        frame
    }

    /// As a receiver looks at it (RFC 1122, section 4.1.3.4).
    fn is_right(frame: &[u8]) -> bool {
        let len = usize::from(u16::from_be_bytes([frame[38], frame[39]]));
        let pseudo = sum(&frame[26..34]) + u64::from(PROTOCOL_UDP) + len as u64;
        fold(pseudo + sum(&frame[34..34 + len])) == 0xffff
    }

    fn checksum(frame: &[u8]) -> u16 {
        u16::from_be_bytes([frame[40], frame[41]])
    }

    #[test]
    fn an_unfinished_checksum_is_completed_over_payloads_of_every_length_and_without_padding() {
        for len in 0..200u8 {
            let payload: Vec<u8> = (0..len).map(|i| i.wrapping_mul(37) ^ len).collect();
            let before = unfinished(&payload, usize::from(len % 3));
            let mut frame = before.clone();
            assert!(!is_right(&frame), "{len}");
            assert!(complete(&mut frame), "{len}");
            assert!(is_right(&frame), "{len}");
            frame[40..42].copy_from_slice(&before[40..42]);
            assert_eq!(frame, before, "nothing else changes");
        }
    }

    #[test]
    fn a_finished_checksum_stays_also_where_it_equals_the_pseudo_headers_sum() {
        for payload in 0..=u16::MAX {
            let mut frame = unfinished(&payload.to_be_bytes(), 0);
            if !is_right(&frame) {
                continue;
            }
            let before = frame.clone();
            assert!(!complete(&mut frame));
            assert_eq!(frame, before);
            return;
        }
        panic!("some payload makes the two the same");
    }

    #[test]
    fn a_checksum_that_comes_out_as_none_is_all_ones() {
        let completed = (0..=u16::MAX).find_map(|payload| {
            let mut frame = unfinished(&payload.to_be_bytes(), 0);
            complete(&mut frame);
            (checksum(&frame) == u16::MAX).then_some(frame)
        });
        assert!(is_right(&completed.unwrap()));
        let none = (0..=u16::MAX).any(|payload| {
            let mut frame = unfinished(&payload.to_be_bytes(), 0);
            complete(&mut frame);
            checksum(&frame) == 0
        });
        assert!(!none);
    }

    #[test]
    fn nothing_else_is_touched() {
        let cases: [(&str, usize, u8); 12] = [
            ("no IPv4", 13, 6),
            ("another version", 14, 0x65),
            ("a header too short", 14, 0x44),
            ("a header beyond the packet", 14, 0x4f),
            ("a packet beyond the frame", 17, 200),
            ("more fragments", 20, 0x20),
            ("a later fragment", 21, 1),
            ("no UDP", 23, 6),
            ("unicast", 30, 10),
            ("a datagram shorter than the packet", 39, 11),
            ("a datagram longer than the packet", 39, 13),
            ("a wrong checksum", 41, 0),
        ];
        for (what, at, byte) in cases {
            let mut frame = unfinished(&[1, 2, 3, 4], 0);
            assert_ne!(frame[at], byte, "{what}");
            frame[at] = byte;
            let before = frame.clone();
            assert!(!complete(&mut frame), "{what}");
            assert_eq!(frame, before, "{what}");
        }
        let whole = unfinished(&[1, 2, 3, 4], 0);
        for len in 0..whole.len() {
            let mut cut = whole[..len].to_vec();
            assert!(!complete(&mut cut), "cut to {len}");
            assert_eq!(cut, whole[..len]);
        }
        let mut none = whole.clone();
        none[40..42].fill(0);
        assert!(!complete(&mut none), "a sender may do without one");
    }

    #[test]
    fn with_ip_options_the_datagram_begins_later() {
        let mut frame = unfinished(b"payload", 0);
        frame.splice(34..34, [1, 1, 1, 0]);
        frame[14] = 0x46;
        frame[17] += 4;
        assert!(complete(&mut frame));
        frame.drain(34..38);
        assert!(is_right(&frame));
    }
}
