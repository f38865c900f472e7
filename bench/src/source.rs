//! What the provider port receives: a capture file that net_pcap plays.

use std::fs::File;
use std::io::BufWriter;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use etherparse::PacketBuilder;
use pcap_file::pcap::{PcapPacket, PcapWriter};
use types::MacAddr;

use crate::error::BenchError;
use crate::figures::Source;
use crate::side::Work;

/// The group that Manifold and testpmd get: one is as good as another.
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
/// The provider's host that sends.
const SENDER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const SENDER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
const TTL: u8 = 64;
/// A host that asks.
pub(crate) const HOST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 2, 2]);
/// Bytes of the shortest frame on the wire.
pub(crate) const SHORTEST: usize = 64;
/// Bytes of the frame check sequence, which counts on the wire and is in no buffer.
pub(crate) const FCS: usize = 4;
/// Ethernet, IPv4 and UDP headers.
const HEADERS: usize = 14 + 20 + 8;

/// Distinct frames in a file that is played over and over: two bursts.
pub(crate) const LOOPED_FRAMES: usize = 64;

/// Writes `count` datagrams to `group`, each in a frame of `wire_len` bytes with its check sequence. All
/// checksums are right; each datagram carries its number.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(path: &Path, group: Ipv4Addr, count: usize, wire_len: usize) -> Result<(), BenchError> {
    let failed = |e: &dyn std::fmt::Display| {
        BenchError::machine(format!("{} cannot be written: {e}", path.display()), "look at the space in /tmp")
    };
    let file = File::create(path).map_err(|e| failed(&e))?;
    let mut writer = PcapWriter::new(BufWriter::new(file)).map_err(|e| failed(&e))?;
    for number in 0..count {
        let bytes = frame(group, number, wire_len);
        let packet = PcapPacket::new(Duration::ZERO, bytes.len() as u32, &bytes);
        writer.write_packet(&packet).map_err(|e| failed(&e))?;
    }
    Ok(())
}

/// Writes the files of a trial, where its source plays some: one to be played over and over, and one to be counted.
///
/// # Errors
/// When one cannot be written.
pub(crate) fn write_for(work: &Work) -> Result<(), BenchError> {
    if work.source == Source::Pcap {
        let wire_len = work.party.wire_len;
        write(&work.looped, GROUP, LOOPED_FRAMES, wire_len)?;
        write(&work.finite, GROUP, work.counted as usize, wire_len)?;
    }
    Ok(())
}

/// One datagram in a frame of `wire_len` - 4 bytes: the check sequence is the NIC's affair.
pub(crate) fn frame(group: Ipv4Addr, number: usize, wire_len: usize) -> Vec<u8> {
    let [_, b, c, d] = group.octets();
    let builder = PacketBuilder::ethernet2(SENDER_MAC, [0x01, 0, 0x5e, b & 0x7f, c, d])
        .ipv4(SENDER.octets(), group.octets(), TTL)
        .udp(5000, 5000);
    let mut payload = vec![0; wire_len.saturating_sub(FCS + HEADERS)];
    for (byte, value) in payload.iter_mut().zip((number as u64).to_be_bytes()) {
        *byte = value;
    }
    let mut bytes = Vec::with_capacity(wire_len);
    // A Vec takes whatever is written, and 1,500 bytes are within every length field.
    let _ = builder.write(&mut bytes, &payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab::{Frame, UdpChecksum};
    use pcap_file::pcap::PcapReader;
    use types::Time;

    #[test]
    fn file_holds_valid_datagrams_of_the_asked_size() {
        let dir = tempfile::tempdir().unwrap();
        for wire_len in [64, 1362] {
            let path = dir.path().join("s.pcap");
            write(&path, GROUP, 3, wire_len).unwrap();
            let mut reader = PcapReader::new(File::open(&path).unwrap()).unwrap();
            let mut payloads = Vec::new();
            while let Some(packet) = reader.next_packet() {
                let data = packet.unwrap().data.into_owned();
                let frame = Frame::parse(Time::ZERO, &data, 128).unwrap();
                assert_eq!(frame.wire_len, wire_len - 4);
                assert_eq!(frame.destination.octets(), [0x01, 0, 0x5e, 1, 1, 1]);
                let ip = frame.ip.as_ref().unwrap();
                assert!(ip.checksum_good && ip.ttl == 64 && ip.destination == GROUP, "{ip:?}");
                let udp = frame.udp().unwrap();
                assert_eq!(udp.checksum, UdpChecksum::Good);
                payloads.push(udp.payload_digest);
            }
            payloads.dedup();
            assert_eq!(payloads.len(), 3, "three, all different");
        }
    }
}
