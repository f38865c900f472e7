//! What a port sent: a capture, decoded.

use lab::Frame;
use pcap_file::pcap::PcapReader;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;
use types::Time;

use super::frames::{self, LEAVE, QUERY, REPORT_V1, REPORT_V2};

/// When every replay begins, in seconds since 1970.
pub(crate) const START: Duration = Duration::from_secs(1_700_000_000);

/// The EtherType of ARP.
const ARP: u16 = 0x0806;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentFrame {
    /// Since [`START`].
    pub(crate) at: Duration,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
    /// The same, decoded.
    pub(crate) frame: Frame,
}

/// One port's capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The port's name.
    pub(crate) name: String,
    /// The file's bytes.
    pub(crate) file: Vec<u8>,
    /// The frames in it, but those that announce the port's address.
    pub(crate) frames: Vec<SentFrame>,
    /// What announces it: ARP, of which Manifold sends no other where nobody asks.
    pub(crate) announcements: Vec<SentFrame>,
}

impl Sent {
    /// Decodes a capture.
    ///
    /// # Panics
    /// When it is none.
    pub(crate) fn read(name: &str, file: Vec<u8>) -> Self {
        let mut reader = PcapReader::new(&file[..]).expect("a capture");
        let mut frames: Vec<SentFrame> = Vec::new();
        while let Some(packet) = reader.next_packet() {
            let packet = packet.expect("a whole record");
            let at = packet.timestamp.saturating_sub(START);
            let bytes = packet.data.into_owned();
            let time = Time::from_nanos(packet.timestamp.as_nanos() as u64);
            let frame = Frame::parse(time, &bytes, bytes.len()).expect("an Ethernet header");
            frames.push(SentFrame { at, bytes, frame });
        }
        let (announcements, frames) = frames.into_iter().partition(|sent| sent.frame.ether_type == ARP);
        Self { name: name.to_owned(), file, frames, announcements }
    }

    /// Every frame, a line each.
    pub(crate) fn dump(&self) -> String {
        self.frames.iter().map(|frame| format!("{frame}\n")).collect()
    }

    /// What was sent, in order and with times, General Queries left out: they have their own tests.
    pub(crate) fn story(&self) -> Vec<String> {
        self.frames.iter().filter(|frame| !frame.is_general_query()).map(ToString::to_string).collect()
    }

    /// The IGMP alone, General Queries left out.
    pub(crate) fn igmp(&self) -> Vec<String> {
        let wanted = |f: &&SentFrame| f.frame.igmp().is_some() && !f.is_general_query();
        self.frames.iter().filter(wanted).map(ToString::to_string).collect()
    }

    /// Times of the General Queries, in seconds.
    pub(crate) fn general_queries(&self) -> Vec<f64> {
        self.frames.iter().filter(|f| f.is_general_query()).map(|f| f.at.as_secs_f64()).collect()
    }

    /// The numbers of the stream's datagrams, in the order sent.
    pub(crate) fn data(&self) -> Vec<u16> {
        self.frames.iter().filter_map(SentFrame::number).collect()
    }

    /// Takes the one report of `group` out that repeats, within 10 s, one sent at `joined` seconds (r58).
    ///
    /// # Panics
    /// When there is none, or more.
    pub(crate) fn without_repeat(mut self, group: Ipv4Addr, joined: f64) -> Self {
        let joined = Duration::from_secs_f64(joined);
        let repeats = |f: &SentFrame| {
            let report = f.frame.is_igmp(REPORT_V2, group) || f.frame.is_igmp(REPORT_V1, group);
            report && f.at > joined && f.at <= joined + Duration::from_secs(10)
        };
        let count = self.frames.iter().filter(|f| repeats(f)).count();
        assert_eq!(count, 1, "one repeat of the report of {group} within 10 s:\n{}", self.dump());
        self.frames.retain(|f| !repeats(f));
        self
    }
}

impl SentFrame {
    /// Whether it is one.
    pub(crate) fn is_general_query(&self) -> bool {
        self.frame.is_igmp(QUERY, Ipv4Addr::UNSPECIFIED)
    }

    /// The number of a datagram of a stream.
    pub(crate) fn number(&self) -> Option<u16> {
        if self.frame.igmp().is_some() { None } else { frames::number(&self.bytes) }
    }
}

impl fmt::Display for SentFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ", self.at.as_secs_f64())?;
        let Some(igmp) = self.frame.igmp() else {
            return match (self.number(), &self.frame.ip) {
                (Some(number), Some(ip)) => write!(f, "data {number} to {}", ip.destination),
                _ => write!(f, "{}", self.frame),
            };
        };
        let seconds = f64::from(igmp.code) / 10.0;
        match igmp.kind {
            QUERY if igmp.group.is_unspecified() => write!(f, "general query, {seconds:.1} s"),
            QUERY => write!(f, "query {}, {seconds:.1} s", igmp.group),
            REPORT_V1 => write!(f, "v1 join {}", igmp.group),
            REPORT_V2 => write!(f, "v2 join {}", igmp.group),
            LEAVE => write!(f, "leave {}", igmp.group),
            other => write!(f, "IGMP of type {other:#04x}"),
        }
    }
}
