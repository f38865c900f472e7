//! The stream that the lab's source sends: MPEG-TS in UDP, seven packets a datagram, each datagram numbered
//! and filled so that a receiver can tell every byte of it.

/// Bytes of one MPEG-TS packet (ISO/IEC 13818-1).
const TS_PACKET: usize = 188;
/// Bytes of UDP payload in one datagram.
pub const DATAGRAM_LEN: usize = 7 * TS_PACKET;
/// Every MPEG-TS packet begins with it.
const SYNC: u8 = 0x47;
/// The packet identifier of our one elementary stream.
const PID: u16 = 0x100;
/// Where the number stands: behind the first MPEG-TS header.
const NUMBER_AT: usize = 4;

/// The payload of the datagram with the given number.
pub fn datagram(number: u64) -> [u8; DATAGRAM_LEN] {
    let mut bytes = [0; DATAGRAM_LEN];
    let mut noise = number;
    for (i, packet) in bytes.chunks_exact_mut(TS_PACKET).enumerate() {
        let continuity = (number.wrapping_mul(7).wrapping_add(i as u64) & 0x0f) as u8;
        let [pid_high, pid_low] = PID.to_be_bytes();
        packet[..4].copy_from_slice(&[SYNC, pid_high, pid_low, 0x10 | continuity]);
        for word in packet[4..].chunks_exact_mut(8) {
            // A linear congruential generator (Knuth's MMIX constants): cheap, and no two datagrams alike.
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&noise.to_be_bytes());
        }
    }
    bytes[NUMBER_AT..NUMBER_AT + 8].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The number of a datagram, read from the beginning of its payload; `None` when that is not our stream's.
pub fn number(payload: &[u8]) -> Option<u64> {
    if payload.first() != Some(&SYNC) {
        return None;
    }
    let number = payload.get(NUMBER_AT..NUMBER_AT + 8)?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}

/// The number of a datagram whose every byte is right.
pub fn verify(payload: &[u8]) -> Option<u64> {
    number(payload).filter(|&n| payload == datagram(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_seven_ts_packets_with_its_number() {
        for n in [0, 1, 77, u64::MAX] {
            let bytes = datagram(n);
            assert_eq!(bytes.len(), 1316);
            assert!(bytes.chunks(TS_PACKET).all(|p| p[0] == SYNC));
            assert_eq!(number(&bytes[..12]), Some(n));
            assert_eq!(verify(&bytes), Some(n));
        }
    }

    #[test]
    fn one_wrong_byte_is_noticed_wherever_it_is() {
        let good = datagram(9);
        for i in 0..good.len() {
            let mut bad = good;
            bad[i] ^= 0x20;
            assert_eq!(verify(&bad), None, "byte {i}");
        }
        assert_eq!(verify(&good[..1315]), None);
        assert_eq!(number(&[SYNC; 11]), None);
    }
}
