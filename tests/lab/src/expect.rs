//! What an IGMP message of a router must look like, bit for bit.

use crate::Frame;
use std::fmt::Display;
use std::net::Ipv4Addr;
use types::{GroupAddr, MacAddr};

/// The Router Alert option (RFC 2113).
const ROUTER_ALERT: [u8; 4] = [0x94, 4, 0, 0];

/// An IGMPv1/v2 message as its sender must send it: 8 bytes, TTL 1, TOS 0xc0, Router Alert, both checksums
/// right, to the group's MAC (RFC 2236, section 2; RFC 1112, section 6.4).
#[derive(Debug, Clone, Copy)]
pub struct ExpectedIgmp {
    /// Type.
    pub kind: u8,
    /// Max Resp Time in tenths of a second; 0 in reports and leaves.
    pub code: u8,
    /// Group field; 0.0.0.0 in a general query.
    pub group: Ipv4Addr,
    /// IP destination.
    pub destination: GroupAddr,
    /// IP source.
    pub source: Ipv4Addr,
    /// MAC source.
    pub source_mac: MacAddr,
}

impl ExpectedIgmp {
    /// Compares a frame with it.
    ///
    /// # Errors
    /// Every field that differs, in a sentence.
    pub fn check(&self, frame: &Frame) -> Result<(), String> {
        let Some(ip) = &frame.ip else { return Err("not IPv4".to_owned()) };
        let Some(igmp) = frame.igmp() else { return Err(format!("not IGMP but {:?}", ip.body)) };
        let mut wrong = Wrong::default();
        wrong.compare("type", Hex(igmp.kind), Hex(self.kind));
        wrong.compare("max resp time", igmp.code, self.code);
        wrong.compare("group", igmp.group, self.group);
        wrong.compare("IGMP length", igmp.len, 8);
        wrong.compare("IGMP checksum right", igmp.checksum_good, true);
        wrong.compare("source", ip.source, self.source);
        wrong.compare("destination", ip.destination, self.destination.addr());
        wrong.compare("TTL", ip.ttl, 1);
        wrong.compare("TOS", Hex(ip.tos), Hex(0xc0));
        wrong.compare("router alert", ip.options == ROUTER_ALERT, true);
        wrong.compare("IP header length", ip.header_len, 24);
        wrong.compare("IP total length", ip.total_len, 32);
        wrong.compare("IP checksum right", ip.checksum_good, true);
        wrong.compare("source MAC", frame.source, self.source_mac);
        wrong.compare("destination MAC", frame.destination, self.destination.mac());
        if wrong.0.is_empty() { Ok(()) } else { Err(wrong.0.join("; ")) }
    }
}

/// The differences found so far.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn compare<T: PartialEq + Display>(&mut self, what: &str, got: T, wanted: T) {
        if got != wanted {
            self.0.push(format!("{what} {got} instead of {wanted}"));
        }
    }
}

#[derive(PartialEq)]
struct Hex(u8);

impl Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::{report_frame, stream_frame};
    use types::Time;

    fn join() -> ExpectedIgmp {
        ExpectedIgmp {
            kind: 0x16,
            code: 0,
            group: Ipv4Addr::new(239, 2, 2, 2),
            destination: "239.2.2.2".parse().unwrap(),
            source: Ipv4Addr::new(10, 0, 0, 1),
            source_mac: MacAddr([2, 0, 0, 0, 0, 1]),
        }
    }

    fn check(bytes: &[u8]) -> Result<(), String> {
        join().check(&Frame::parse(Time::ZERO, bytes, 128).unwrap())
    }

    #[test]
    fn a_right_report_passes() {
        assert_eq!(check(&report_frame()), Ok(()));
        assert_eq!(check(&report_frame()[..46]), Ok(()), "without padding");
    }

    #[test]
    fn every_byte_of_a_report_matters() {
        let good = report_frame();
        // Not looked at: the identification and the flags (18 to 20 with the low offset byte, which makes a
        // fragment), both inside the header checksum, which then is wrong; hence all 46 bytes matter.
        for i in 0..46 {
            let mut bad = good.clone();
            bad[i] ^= 1;
            assert!(check(&bad).is_err(), "byte {i}");
        }
    }

    #[test]
    fn the_difference_is_named() {
        let other = ExpectedIgmp { kind: 0x12, source: Ipv4Addr::new(10, 0, 0, 9), ..join() };
        let frame = Frame::parse(Time::ZERO, &report_frame(), 128).unwrap();
        assert_eq!(
            other.check(&frame),
            Err("type 0x16 instead of 0x12; source 10.0.0.1 instead of 10.0.0.9".to_owned())
        );
        assert!(check(&stream_frame(0, 16, 2)).unwrap_err().starts_with("not IGMP"));
    }
}
