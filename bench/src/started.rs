//! What was run for a row, for the report: each program's command line, and of Manifold the settings and the line that it
//! gave EAL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// One program, as it was started last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Started {
    /// What it is called in messages.
    pub(crate) name: &'static str,
    /// The command line, with its EAL arguments if it is testpmd or an example.
    pub(crate) command: String,
    /// The file that it was given, if it is Manifold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) settings: Option<String>,
    /// What Manifold made of it for EAL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) eal: Option<String>,
}

/// By where each writes its log: two of a name that are there at once have a folder each.
#[derive(Debug, Default)]
struct All(Vec<(PathBuf, Started)>);

impl All {
    fn note(&mut self, name: &'static str, command: &Command, log: &Path) {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let command = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        self.0.retain(|(other, _)| other != log);
        self.0.push((log.to_owned(), Started { name, command, settings: None, eal: None }));
    }

    fn note_settings(&mut self, log: &Path, settings: &str, text: &str) {
        if let Some((_, started)) = self.0.iter_mut().find(|(other, _)| other == log) {
            started.settings = Some(settings.to_owned());
            started.eal = eal_line(text);
        }
    }

    fn take(&mut self) -> Vec<Started> {
        std::mem::take(&mut self.0).into_iter().map(|(_, started)| started).collect()
    }
}

static STARTED: Mutex<All> = Mutex::new(All(Vec::new()));

fn lock() -> MutexGuard<'static, All> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes that `command` is started, with its log there.
pub(crate) fn note(name: &'static str, command: &Command, log: &Path) {
    lock().note(name, command, log);
}

/// Notes which settings the Manifold with its log there was given, and how it started EAL, as `text`, its log, says.
pub(crate) fn note_settings(log: &Path, settings: &str, text: &str) {
    lock().note_settings(log, settings, text);
}

/// All that was started since this was last asked.
pub(crate) fn take() -> Vec<Started> {
    lock().take()
}

/// The line that `EAL version="DPDK 22.11.11" line="manifold -l 0,1"` tells of, somewhere in a log.
fn eal_line(log: &str) -> Option<String> {
    let told = log.lines().find_map(|line| line.split_once(" EAL version=")?.1.split_once(" line="))?.1;
    Some(told.trim().trim_matches('"').replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_one_name_are_told_apart_by_their_folders() {
        let [ours, peer] = ["/a/manifold.log", "/b/manifold.log"].map(Path::new);
        let (mut all, mut command) = (All::default(), Command::new("manifold"));
        all.note("manifold", command.arg("run"), ours);
        all.note("manifold", &command, peer);
        all.note("manifold", command.arg("again"), peer);
        let log = "T INFO starts\nT INFO manifold: EAL version=\"DPDK 22.11.11\" line=\"manifold -l 0,1 -m 64\"\nT INFO x\n";
        all.note_settings(peer, "[proxy]\n", log);
        all.note_settings(Path::new("/c"), "", "");
        let bare =
            Started { name: "manifold", command: "manifold run".to_owned(), settings: None, eal: None };
        let told = Started {
            command: "manifold run again".to_owned(),
            settings: Some("[proxy]\n".to_owned()),
            eal: Some("manifold -l 0,1 -m 64".to_owned()),
            ..bare.clone()
        };
        assert_eq!(all.take(), [bare, told]);
        assert!(all.take().is_empty());
    }
}
