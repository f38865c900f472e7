//! Captures: a tcpdump in a namespace, its frames parsed and kept as they come.

use crate::{Frame, LabError, Netns, Process, stop};
use pcap_file::pcap::PcapReader;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use types::Time;

/// How long tcpdump may take to start, and to end.
const TCPDUMP_LIMIT: Duration = Duration::from_secs(10);
/// How long a frame may be under way from the wire to us.
const PIPELINE: Duration = Duration::from_millis(200);
/// The kernel's buffer for tcpdump, in KiB.
const BUFFER_KIB: &str = "16384";
/// The longest frame taken whole.
const SNAP_LEN: &str = "2048";

/// A running capture on one interface. Sees what comes in and what goes out, before the kernel's firewall on
/// the way in and after it on the way out. Dropping it ends it.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    seen: Arc<Seen>,
    reader: Option<JoinHandle<()>>,
    messages: Option<JoinHandle<String>>,
}

/// What a capture took and missed over its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureTotals {
    /// Frames taken.
    pub frames: usize,
    /// Frames that the kernel had to drop because the capture was too slow: not 0 makes the capture worthless
    /// as a proof of absence.
    pub missed: u64,
}

#[derive(Debug, Default)]
struct Seen {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first.
    frames: Vec<Arc<Frame>>,
    /// tcpdump listens: its file header came.
    listening: bool,
    /// Why the stream of frames ended.
    ended: Option<String>,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A reader that panicked leaves whole frames behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

impl Capture {
    /// Starts capturing, and returns when tcpdump listens. Of each frame the first `keep` bytes are kept;
    /// everything is parsed over the whole frame.
    ///
    /// # Errors
    /// When there is no such interface, or tcpdump does not start.
    pub fn start(ns: &Netns, interface: &str, keep: usize) -> Result<Self, LabError> {
        let what = format!("tcpdump on {interface} in {}", ns.name());
        let mut command = ns.command("tcpdump");
        command.args(["-i", interface, "-U", "--immediate-mode", "-n", "-s", SNAP_LEN, "-B", BUFFER_KIB]);
        command.args(["-Z", "root", "--time-stamp-precision=nano", "-w", "-"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command, &what)?;
        let seen = Arc::new(Seen::default());
        let child = process.child();
        let reader = child.stdout.take().map(|stdout| {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || read_frames(stdout, &seen, keep))
        });
        let messages = child.stderr.take().map(|stderr| std::thread::spawn(|| read_messages(stderr)));
        let mut capture = Self { process, seen, reader, messages };
        capture.wait_listening()?;
        Ok(capture)
    }

    fn wait_listening(&mut self) -> Result<(), LabError> {
        let seen = Arc::clone(&self.seen);
        let started = stop::poll(TCPDUMP_LIMIT, || {
            let state = seen.lock();
            Ok((state.listening || state.ended.is_some()).then_some(state.listening))
        })?;
        match started {
            Some(true) => Ok(()),
            Some(false) => {
                Err(LabError::Ended { what: self.process.name().to_owned(), how: self.last_words() })
            }
            None => Err(LabError::Timeout { what: self.process.name().to_owned(), waited: TCPDUMP_LIMIT }),
        }
    }

    /// Everything that tcpdump wrote to standard error; waits for its end.
    fn last_words(&mut self) -> String {
        let text = self.messages.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        text.trim().to_owned()
    }

    /// All frames so far that `wanted` takes, oldest first.
    pub fn select(&self, wanted: impl Fn(&Frame) -> bool) -> Vec<Arc<Frame>> {
        self.seen.lock().frames.iter().filter(|frame| wanted(frame)).cloned().collect()
    }

    /// The frames of a span of time that `wanted` takes, oldest first; `until` must be past, and all that was
    /// on the wire before it is waited for.
    ///
    /// # Errors
    /// [`LabError::Interrupted`] after a signal.
    pub fn between(
        &self,
        since: Time,
        until: Time,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Vec<Arc<Frame>>, LabError> {
        stop::pause((until + PIPELINE).saturating_since(crate::now()))?;
        Ok(self.select(|frame| frame.at >= since && frame.at <= until && wanted(frame)))
    }

    /// Waits for the first frame not older than `since` that `wanted` takes.
    ///
    /// # Errors
    /// [`LabError::Timeout`] with `what` when none came within `limit`; when the capture or the run ended.
    pub fn wait_for(
        &self,
        what: &str,
        since: Time,
        limit: Duration,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Arc<Frame>, LabError> {
        let end = Instant::now() + limit;
        let mut state = self.seen.lock();
        let mut looked_at = 0;
        loop {
            let new = &state.frames[looked_at..];
            if let Some(frame) = new.iter().find(|frame| frame.at >= since && wanted(frame)) {
                return Ok(Arc::clone(frame));
            }
            looked_at = state.frames.len();
            if stop::stopped() {
                return Err(LabError::Interrupted);
            }
            if let Some(how) = &state.ended {
                return Err(LabError::Ended { what: self.process.name().to_owned(), how: how.clone() });
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LabError::Timeout { what: what.to_owned(), waited: limit });
            }
            // Short, so that a signal is seen on a silent wire.
            let slice = left.min(Duration::from_millis(50));
            let woken = self.seen.changed.wait_timeout(state, slice);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the capture, once what is on the wire now has come through, and tells what it took and missed.
    /// What it took can still be looked at.
    ///
    /// # Errors
    /// When it was stopped before, when tcpdump does not end, or does not say what it missed.
    pub fn stop(&mut self) -> Result<CaptureTotals, LabError> {
        std::thread::sleep(PIPELINE);
        self.process.signal(Signal::TERM)?;
        self.process.wait(TCPDUMP_LIMIT)?;
        if let Some(reader) = self.reader.take() {
            // Ends with the pipe; a panic in it has been printed already.
            let _ = reader.join();
        }
        let text = self.last_words();
        let missed = missed_in(&text)
            .ok_or_else(|| LabError::Unexpected { what: self.process.name().to_owned(), text })?;
        let frames = self.seen.lock().frames.len();
        Ok(CaptureTotals { frames, missed })
    }

    /// Writes what was kept of the frames as a pcap file, for a person to look at.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &std::path::Path) -> Result<(), LabError> {
        let what = || format!("write {}", path.display());
        let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(LabError::io(what()))?);
        let frames = self.select(|_| true);
        write_pcap(&mut file, &frames).and_then(|()| file.flush()).map_err(LabError::io(what()))
    }
}

fn write_pcap(out: &mut impl Write, frames: &[Arc<Frame>]) -> std::io::Result<()> {
    use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
    let header = PcapHeader { ts_resolution: pcap_file::TsResolution::NanoSecond, ..PcapHeader::default() };
    let broken = |why: pcap_file::PcapError| std::io::Error::other(why.to_string());
    let mut writer = PcapWriter::with_header(out, header).map_err(broken)?;
    for frame in frames {
        let at = Duration::from_nanos(frame.at.as_nanos());
        let length = u32::try_from(frame.wire_len).unwrap_or(u32::MAX);
        writer.write_packet(&PcapPacket::new(at, length, &frame.head)).map_err(broken)?;
    }
    Ok(())
}

/// Reads tcpdump's standard output to its end.
fn read_frames(stdout: ChildStdout, seen: &Seen, keep: usize) {
    let mut reader = match PcapReader::new(stdout) {
        Ok(reader) => reader,
        Err(why) => return seen.update(|state| state.ended = Some(why.to_string())),
    };
    seen.update(|state| state.listening = true);
    let ended = loop {
        match reader.next_packet() {
            None => break "end of its output".to_owned(),
            Some(Err(why)) => break why.to_string(),
            Some(Ok(packet)) => {
                let at = Time::ZERO + packet.timestamp;
                if let Some(mut frame) = Frame::parse(at, &packet.data, keep) {
                    frame.wire_len = packet.orig_len as usize;
                    seen.update(|state| state.frames.push(Arc::new(frame)));
                }
            }
        }
    };
    seen.update(|state| state.ended = Some(ended));
}

fn read_messages(mut stderr: ChildStderr) -> String {
    let mut text = String::new();
    // What came before a failure is still worth showing.
    let _ = stderr.read_to_string(&mut text);
    text
}

/// The count in tcpdump's line "N packets dropped by kernel".
fn missed_in(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("dropped by kernel"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_from_tcpdump() {
        let text = "tcpdump: listening on eth0\n12 packets captured\n12 packets received by filter\n\
                    3 packets dropped by kernel\n";
        assert_eq!(missed_in(text), Some(3));
        assert_eq!(missed_in("tcpdump: no such device"), None);
    }
}
