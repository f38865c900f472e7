//! The file that remembers what a guard changed, so that the next start can undo it after a crash.
//!
//! Text, one line an interface, each line complete in itself: a file that was cut short loses the lines that are not
//! there and no others. Written whole and renamed into place before the change it tells of.

use core::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const TITLE: &str = "manifold-guard 1";
/// Follows the word about IPv6.
const PROGRAM: &str = ",program-as-is";

/// A boot of one machine and a network namespace in it. Indices of interfaces mean nothing outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) boot: String,
    /// Device and inode of the namespace's file.
    pub(super) namespace: String,
}

impl Place {
    /// Where the calling thread is.
    pub(super) fn here() -> io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let namespace = fs::metadata("/proc/thread-self/ns/net")?;
        Ok(Self { boot, namespace: format!("{}:{}", namespace.dev(), namespace.ino()) })
    }
}

/// One guarded interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) index: u32,
    pub(super) name: String,
    /// IPv6 was on and is ours to switch on again.
    pub(super) restore_ipv6: bool,
    /// It ran an XDP program before it was guarded, which is nobody's here.
    pub(super) had_program: bool,
}

/// What a state file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) place: Place,
    pub(super) entries: Vec<Entry>,
}

impl State {
    /// Whether it is of that place and has the interface of that index.
    pub(super) fn holds(&self, place: &Place, index: u32) -> bool {
        self.place == *place && self.entries.iter().any(|entry| entry.index == index)
    }

    fn render(&self) -> String {
        let mut text = format!("{TITLE}\nplace {} {}\n", self.place.boot, self.place.namespace);
        for entry in &self.entries {
            let ipv6 = if entry.restore_ipv6 { "ipv6-on" } else { "ipv6-as-is" };
            let program = if entry.had_program { PROGRAM } else { "" };
            // Writing to a String can't fail.
            let _ = writeln!(text, "link {} {ipv6}{program} {}", entry.index, entry.name);
        }
        text
    }

    /// Reads as much as is whole; `None` when the file is not ours, or was cut before it tells of a place.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split_inclusive('\n').map_while(|line| line.strip_suffix('\n'));
        if lines.next()? != TITLE {
            return None;
        }
        let (boot, namespace) = lines.next()?.strip_prefix("place ")?.split_once(' ')?;
        let place = Place { boot: boot.to_owned(), namespace: namespace.to_owned() };
        Some(Self { place, entries: lines.filter_map(parse_entry).collect() })
    }
}

fn parse_entry(line: &str) -> Option<Entry> {
    let mut words = line.strip_prefix("link ")?.splitn(3, ' ');
    let index = words.next()?.parse().ok()?;
    let word = words.next()?;
    let ipv6 = word.strip_suffix(PROGRAM);
    let restore_ipv6 = match ipv6.unwrap_or(word) {
        "ipv6-on" => true,
        "ipv6-as-is" => false,
        _ => return None,
    };
    Some(Entry { index, name: words.next()?.to_owned(), restore_ipv6, had_program: ipv6.is_some() })
}

/// What a state file held.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// There is none.
    Absent,
    /// Not one of ours, or cut short before anything useful.
    Unreadable,
    /// The state, as far as it was whole.
    State(State),
}

pub(super) fn path(run_dir: &Path, instance: &str) -> PathBuf {
    run_dir.join(format!("{instance}.guard"))
}

/// The instances that have a state file in the directory.
pub(super) fn instances(run_dir: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(run_dir)? {
        let name = entry?.file_name();
        let instance = name.to_str().and_then(|name| name.strip_suffix(".guard"));
        found.extend(instance.filter(|i| crate::lock::is_instance_name(i)).map(str::to_owned));
    }
    found.sort();
    Ok(found)
}

pub(super) fn read(run_dir: &Path, instance: &str) -> io::Result<Stored> {
    match fs::read(path(run_dir, instance)) {
        Ok(bytes) => {
            let state = State::parse(&String::from_utf8_lossy(&bytes));
            Ok(state.map_or(Stored::Unreadable, Stored::State))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Stored::Absent),
        Err(error) => Err(error),
    }
}

/// Replaces the file in one step. No fsync: what it tells of ends with the boot, like the page cache.
pub(super) fn write(run_dir: &Path, instance: &str, state: &State) -> io::Result<()> {
    let path = path(run_dir, instance);
    let new = path.with_extension("guard.new");
    fs::write(&new, state.render())?;
    fs::rename(&new, &path)
}

pub(super) fn remove(run_dir: &Path, instance: &str) -> io::Result<()> {
    match fs::remove_file(path(run_dir, instance)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let place = Place { boot: "6d1f".to_owned(), namespace: "4:4026531840".to_owned() };
        let entry = |index, name: &str, restore_ipv6, had_program| {
            let name = name.to_owned();
            Entry { index, name, restore_ipv6, had_program }
        };
        State { place, entries: vec![entry(7, "eth1", true, false), entry(12, "a b", false, true)] }
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path(), "a").unwrap(), Stored::Absent);
        write(dir.path(), "a", &state()).unwrap();
        assert_eq!(read(dir.path(), "a").unwrap(), Stored::State(state()));
        assert_eq!(instances(dir.path()).unwrap(), ["a"]);
        remove(dir.path(), "a").unwrap();
        remove(dir.path(), "a").unwrap();
        assert_eq!(read(dir.path(), "a").unwrap(), Stored::Absent);
    }

    #[test]
    fn a_file_cut_short_gives_the_lines_that_are_whole() {
        let text = state().render();
        for len in 0..text.len() {
            let lines = text[..len].matches('\n').count();
            let read = State::parse(&text[..len]);
            let entries = read.map(|state| state.entries);
            let expected = (lines >= 2).then(|| state().entries[..lines - 2].to_vec());
            assert_eq!(entries, expected, "cut to {len}");
        }
    }

    #[test]
    fn a_foreign_file_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let later = "manifold-guard 2\nplace b 1:1\nlink 1 ipv6-on eth0\n";
        for foreign in [&b"\xff\xfe\0\0"[..], b"", b"{\"links\": []}\n", b"\n\n\n", later.as_bytes()] {
            fs::write(path(dir.path(), "a"), foreign).unwrap();
            assert_eq!(read(dir.path(), "a").unwrap(), Stored::Unreadable);
        }
        let odd = "manifold-guard 1\nplace b 1:1\nlink x ipv6-on eth0\nlink 3\nlink 4 maybe eth0\nlink 5 ipv6-on e\n";
        assert_eq!(State::parse(odd).unwrap().entries.iter().map(|e| e.index).collect::<Vec<_>>(), [5]);
    }
}
