//! The record: everything that the agent was told, with times, in a file that can be run again.
//!
//! One JSON object a line. The first, `begin`, has the format's version, the seed and the configuration; then come
//! the inputs in their order, and the polls that did something, because what is sent depends on when it was looked
//! for; the last is `end`. What is not there has no influence on what the agent does. Lines are written by a thread
//! of their own: when it cannot keep up, inputs are left out, and a `gap` says how many.

mod configuration;
mod entry;
mod read;
mod replay;
mod text;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

use entry::End;
pub(crate) use entry::{Begin, Entry, VERSION};
pub use read::{Record, RecordError, read_record};
#[cfg(test)]
pub(crate) use replay::{Narrator, since};
pub use replay::{RecordEnd, Replayed, replay_record};
#[cfg(test)]
pub(crate) use text::hex;

/// Inputs that may wait to be written, of 2 KiB at the most.
const QUEUED: usize = 16_384;
/// Where a record ends, in bytes: two million reports, and room on the disk for what else it is there for.
const LIMIT: u64 = 1 << 30;

/// How it stands with a record, for `show status`.
#[derive(Debug, Clone)]
pub(crate) struct RecordState {
    /// The file's name.
    pub(crate) path: String,
    /// Why it ended before the process did; nothing while it goes on.
    ended: Arc<OnceLock<String>>,
}

impl RecordState {
    /// Why nothing more is recorded.
    pub(crate) fn ended(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }

    /// Nothing more is: for good. The first reason stays.
    fn end(&self, why: String) {
        tracing::warn!(record = self.path, "the record ends here: {why}");
        let _ = self.ended.set(why);
    }
}

/// Writes the record. The file is complete when this is dropped.
pub struct Recorder {
    /// `None` when nothing more is to be written.
    to: Option<Sender<Entry>>,
    state: RecordState,
    /// Entries left out since the last one that was not.
    lost: u64,
    /// Something has been left out before.
    is_gapped: bool,
    writer: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Begins a record at `path`. A file that is there already is kept, with `.old` behind its name, in place of an
    /// earlier one.
    ///
    /// # Errors
    /// The file cannot be made, or the system has no thread for it.
    pub fn start(path: &Path) -> io::Result<Self> {
        Self::start_within(path, QUEUED, LIMIT)
    }

    /// With so many entries that may wait, and so many bytes in the file.
    pub(crate) fn start_within(path: &Path, queued: usize, limit: u64) -> io::Result<Self> {
        let mut old = path.as_os_str().to_owned();
        old.push(".old");
        match std::fs::rename(path, old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        // It tells who watches what.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Self::to(file, path.display().to_string(), queued, limit)
    }

    pub(crate) fn to(file: File, name: String, queued: usize, limit: u64) -> io::Result<Self> {
        let (to, from) = bounded(queued);
        let state = RecordState { path: name, ended: Arc::default() };
        let told = state.clone();
        let writer =
            Builder::new().name("record".to_owned()).spawn(move || match write(&from, file, limit) {
                Ok(End::Closed) => {}
                Ok(End::Full) => {
                    told.end(format!("it has its {} MiB; a restart begins another", limit >> 20))
                }
                Err(error) => told.end(format!(
                    "it cannot be written: {error}; make room, or check its folder and disk, and restart"
                )),
            })?;
        Ok(Self { to: Some(to), state, lost: 0, is_gapped: false, writer: Some(writer) })
    }

    /// How it stands with it, from now on.
    pub(crate) fn state(&self) -> RecordState {
        self.state.clone()
    }

    /// Has an entry written, if there is room for it. Does not wait.
    pub(crate) fn put(&mut self, entry: Entry) {
        let Some(to) = &self.to else { return };
        if self.lost > 0 {
            match to.try_send(Entry::Gap { lost: self.lost }) {
                Ok(()) => self.lost = 0,
                Err(TrySendError::Full(_)) => {
                    self.lost += 1;
                    return;
                }
                Err(TrySendError::Disconnected(_)) => return self.to = None,
            }
        }
        match to.try_send(entry) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.lost = 1;
                if !std::mem::replace(&mut self.is_gapped, true) {
                    tracing::warn!(
                        "the record's file is too slow; inputs are missing in it, and gaps say how many"
                    );
                }
            }
            Err(TrySendError::Disconnected(_)) => self.to = None,
        }
    }

    /// Entries left out since the last one that was not.
    #[cfg(test)]
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether entries are still taken.
    pub(crate) fn is_open(&self) -> bool {
        self.to.is_some()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.lost > 0
            && let Some(to) = &self.to
        {
            // The end is no time to lose the last word; nobody waits for this thread any more.
            let _ = to.send(Entry::Gap { lost: self.lost });
        }
        self.to = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Writes what comes until nothing more will, or until the file is full.
fn write(from: &Receiver<Entry>, file: File, limit: u64) -> io::Result<End> {
    let mut out = BufWriter::new(file);
    let mut written = 0;
    let end = loop {
        let Some(entry) = next(from, &mut out)? else { break End::Closed };
        written += write_line(&mut out, &entry)?;
        if written >= limit {
            break End::Full;
        }
    };
    write_line(&mut out, &Entry::End(end))?;
    out.flush()?;
    Ok(end)
}

/// The next entry; `None` when there will be none. Before it waits, all that came is in the file: a crash
/// takes nothing of it.
fn next(from: &Receiver<Entry>, out: &mut BufWriter<File>) -> io::Result<Option<Entry>> {
    if let Ok(entry) = from.try_recv() {
        return Ok(Some(entry));
    }
    out.flush()?;
    Ok(from.recv().ok())
}

/// Bytes written.
fn write_line(out: &mut BufWriter<File>, entry: &Entry) -> io::Result<u64> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    out.write_all(&line)?;
    Ok(line.len() as u64)
}
