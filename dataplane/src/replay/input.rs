//! Reading captures, and saying exactly what is wrong with one that cannot be replayed.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::Path;

use pcap_file::pcap::{PcapReader, RawPcapPacket};
use pcap_file::{DataLink, PcapError, TsResolution};
use types::Time;

/// Why a capture cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[error("{what}; {cure}")]
pub(crate) struct InputError {
    what: String,
    cure: &'static str,
}

const CONVERT: &str = "give one in pcap format; `editcap -F pcap` converts others";
const CAPTURE_AGAIN: &str = "capture it again, or cut it down to whole frames with `editcap`";
const WHOLE_FRAMES: &str = "capture whole frames, with `tcpdump -s 0`";
const ETHERNET: &str = "capture on an Ethernet interface; not on `any`, nor on a tunnel";
/// How a pcapng file begins, in either byte order.
const PCAPNG_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

fn fail<T>(what: impl Into<String>, cure: &'static str) -> Result<T, InputError> {
    Err(InputError { what: what.into(), cure })
}

/// Hands every frame of the capture at `path` to `take`, with its time.
///
/// # Errors
/// The file cannot be read, is no pcap file, not of Ethernet, or does not hold whole frames.
pub(crate) fn read_capture(path: &Path, mut take: impl FnMut(Time, Vec<u8>)) -> Result<(), InputError> {
    let mut file = File::open(path).or_else(|e| fail(e.to_string(), "check the path after --in"))?;
    check_format(&mut file)?;
    let mut reader = match PcapReader::new(BufReader::new(file)) {
        Ok(reader) => reader,
        Err(e) => return fail(format!("its header does not read: {}", reason(&e)), CONVERT),
    };
    let header = reader.header();
    if header.datalink != DataLink::ETHERNET {
        return fail(format!("its link type is {:?}, not Ethernet", header.datalink), ETHERNET);
    }
    let mut number = 0_u64;
    while let Some(packet) = reader.next_raw_packet() {
        number += 1;
        let packet = packet
            .or_else(|e| fail(format!("frame {number} does not read: {}", reason(&e)), CAPTURE_AGAIN))?;
        if packet.incl_len < packet.orig_len {
            let what =
                format!("frame {number} was cut from {} to {} bytes", packet.orig_len, packet.incl_len);
            return fail(what, WHOLE_FRAMES);
        }
        take(time(&packet, header.ts_resolution), packet.data.into_owned());
    }
    Ok(())
}

/// Tells files that are no pcap files at all from damaged ones.
fn check_format(file: &mut File) -> Result<(), InputError> {
    let mut magic = [0; 4];
    let read = file.read_exact(&mut magic).and_then(|()| file.rewind());
    match read {
        Ok(()) if magic == PCAPNG_MAGIC => fail("it is in pcapng format", CONVERT),
        Ok(()) if !is_pcap(magic) => fail("it is no capture in pcap format", CONVERT),
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => fail("it is no capture in pcap format", CONVERT),
        Err(e) => fail(e.to_string(), "name a file that can be read after --in"),
    }
}

/// The magic numbers of microseconds and nanoseconds, in either byte order.
fn is_pcap(magic: [u8; 4]) -> bool {
    [u32::from_be_bytes(magic), u32::from_le_bytes(magic)]
        .iter()
        .any(|m| [0xa1b2_c3d4, 0xa1b2_3c4d].contains(m))
}

fn reason(error: &PcapError) -> String {
    match error {
        PcapError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => "the file ends within it".to_owned(),
        PcapError::IoError(e) => e.to_string(),
        other => other.to_string(),
    }
}

fn time(packet: &RawPcapPacket<'_>, resolution: TsResolution) -> Time {
    let nanos = match resolution {
        TsResolution::MicroSecond => u64::from(packet.ts_frac) * 1_000,
        TsResolution::NanoSecond => u64::from(packet.ts_frac),
    };
    Time::from_nanos(u64::from(packet.ts_sec) * 1_000_000_000 + nanos)
}
