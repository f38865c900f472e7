//! A DPDK program's counters by its telemetry socket, for a peer that prints none.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send,
    socket_with, sockopt,
};
use serde_json::Value;

use crate::error::BenchError;

/// The longest answer that is read.
const ANSWER: usize = 16 * 1024;
const LONGEST_ANSWER: Duration = Duration::from_secs(2);
/// An answer that took longer was held up, and its counters are of some later time.
const LATE: Duration = Duration::from_millis(1);
/// How often is asked again then.
const TRIES: usize = 10;

/// A connection.
#[derive(Debug)]
pub(crate) struct Telemetry {
    socket: OwnedFd,
}

/// Counters of one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortStats {
    /// Frames received.
    pub(crate) rx: u64,
    /// Frames that the driver took.
    pub(crate) tx: u64,
}

impl Telemetry {
    /// Connects to the program whose socket is at `path`; nothing while it is not there.
    pub(crate) fn connect(path: &Path) -> Option<Self> {
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).ok()?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(LONGEST_ANSWER)).ok()?;
        connect(&socket, &SocketAddrUnix::new(path).ok()?).ok()?;
        let telemetry = Self { socket };
        // It greets with its version.
        telemetry.receive().ok()?;
        Some(telemetry)
    }

    /// The counters of `port`, and when they were read.
    ///
    /// # Errors
    /// There is no answer, or it is none that was expected.
    pub(crate) fn stats(&self, port: usize) -> Result<(Instant, PortStats), BenchError> {
        let asked = Instant::now();
        let request = format!("/ethdev/stats,{port}");
        send(&self.socket, request.as_bytes(), SendFlags::NOSIGNAL).map_err(BenchError::io("telemetry"))?;
        let answer = self.receive()?;
        let at = asked + asked.elapsed() / 2;
        let stats = read_stats(&answer).ok_or_else(|| {
            let said = String::from_utf8_lossy(&answer).into_owned();
            BenchError::machine(format!("telemetry answered {request} with {said}"), "report it")
        })?;
        Ok((at, stats))
    }

    /// The same, asked again while the answer is held up.
    ///
    /// # Errors
    /// There is no answer, it is none that was expected, or the machine is too busy for one in time.
    pub(crate) fn stats_in_time(&self, port: usize) -> Result<(Instant, PortStats), BenchError> {
        for _ in 0..TRIES {
            let asked = Instant::now();
            let stats = self.stats(port)?;
            if asked.elapsed() < LATE {
                return Ok(stats);
            }
        }
        let what = format!("telemetry was late {TRIES} times");
        Err(BenchError::machine(what, "is the machine busy with something else?"))
    }

    /// What the sink of each port from 1 to `sinks` took, and before it what came in by port 0.
    ///
    /// # Errors
    /// As [`Telemetry::stats`].
    pub(crate) fn moved(&self, sinks: usize) -> Result<Vec<u64>, BenchError> {
        let of = |port| {
            let (_, stats) = self.stats(port)?;
            Ok(if port == 0 { stats.rx } else { stats.tx })
        };
        (0..=sinks).map(of).collect()
    }

    fn receive(&self) -> Result<Vec<u8>, BenchError> {
        let mut buffer = [MaybeUninit::uninit(); ANSWER];
        let ((answer, _), _) =
            recv(&self.socket, &mut buffer, RecvFlags::empty()).map_err(BenchError::io("telemetry"))?;
        Ok(answer.to_vec())
    }
}

fn read_stats(answer: &[u8]) -> Option<PortStats> {
    let json: Value = serde_json::from_slice(answer).ok()?;
    let stats = json.get("/ethdev/stats")?;
    Some(PortStats { rx: stats.get("ipackets")?.as_u64()?, tx: stats.get("opackets")?.as_u64()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_in_the_answer() {
        let answer = br#"{"/ethdev/stats": {"ipackets": 7, "opackets": 9, "ibytes": 1, "q_ipackets": [7]}}"#;
        assert_eq!(read_stats(answer), Some(PortStats { rx: 7, tx: 9 }));
        for foreign in [&b"{\"/ethdev/stats\": null}"[..], b"{}", b"?"] {
            assert_eq!(read_stats(foreign), None);
        }
    }

    #[test]
    fn nobody_there_is_no_connection() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Telemetry::connect(&folder.path().join("dpdk_telemetry.v2")).is_none());
    }
}
