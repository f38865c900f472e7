//! Records from files, one line at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::entry::{Begin, Entry, VERSION};

/// The longest line: a configuration of 64 ports with all that can be listed.
const LINE_MAX: u64 = 64 << 20;

/// Why a record cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Something else than a record, or what a crash left of one before it held anything.
    #[error("it is no record: line 1 is not the beginning of one ({0})")]
    NoRecord(String),
    /// Written by another Manifold, in another format.
    #[error(
        "it has version {0} of the format, and this Manifold reads version {VERSION}; run it with the one that wrote it"
    )]
    Version(u32),
    /// A line in the midst of it is broken.
    #[error("line {line} is broken: {reason}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// A record whose beginning has been read.
#[derive(Debug)]
pub struct Record {
    pub(super) begin: Begin,
    from: BufReader<File>,
    line: u64,
}

/// What comes next in a record.
#[derive(Debug)]
pub(super) enum Next {
    Entry(Entry),
    /// The file ends without an `end`: whoever wrote it was killed.
    Cut,
}

/// Opens the record at `path`. [`replay_record`](super::replay_record) runs it.
///
/// # Errors
/// It cannot be read, or it is no record of this version.
pub fn read_record(path: &Path) -> Result<Record, RecordError> {
    let mut from = BufReader::new(File::open(path)?);
    let line = read_line(&mut from)?;
    let begin = match serde_json::from_slice(&line) {
        Ok(Entry::Begin(begin)) => begin,
        Ok(_) => return Err(RecordError::NoRecord("another line".to_owned())),
        Err(error) => return Err(version_of(&line).unwrap_or(RecordError::NoRecord(error.to_string()))),
    };
    if begin.version != VERSION {
        return Err(RecordError::Version(begin.version));
    }
    Ok(Record { begin, from, line: 1 })
}

/// The other version of a beginning that this one does not understand.
fn version_of(line: &[u8]) -> Option<RecordError> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    let version = u32::try_from(value.get("begin")?.get("version")?.as_u64()?).ok()?;
    (version != VERSION).then_some(RecordError::Version(version))
}

fn read_line(from: &mut BufReader<File>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(LINE_MAX).read_until(b'\n', &mut line)?;
    Ok(line)
}

impl Record {
    pub(super) fn next(&mut self) -> Result<Next, RecordError> {
        let line = read_line(&mut self.from)?;
        self.line += 1;
        if !line.ends_with(b"\n") {
            return Ok(Next::Cut);
        }
        match serde_json::from_slice(&line) {
            Ok(entry) => Ok(Next::Entry(entry)),
            // A disk may have kept the file's length and lost what was last written.
            Err(_) if self.from.fill_buf()?.is_empty() => Ok(Next::Cut),
            Err(error) => Err(RecordError::Line { line: self.line, reason: error.to_string() }),
        }
    }
}
