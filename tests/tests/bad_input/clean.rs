//! What must not be left behind by a process that did not start, nor by one that ended.

use std::fs::{self, File};
use std::process::{Command, Output};

use crate::process::{Place, Refusal, refused};

/// What refuses: the settings or the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Exit status 2.
    Settings,
    /// Exit status 1.
    Machine,
}

/// Runs `command` in `place`, which must refuse by `fault` with a message that has all of `parts`, and leave
/// nothing.
pub(crate) fn assert_refused(place: &Place, command: &mut Command, fault: Fault, parts: &[&str]) -> Refusal {
    let refusal = refused(command);
    let code = match fault {
        Fault::Settings => 2,
        Fault::Machine => 1,
    };
    assert_eq!(refusal.code, Some(code), "{}", refusal.all);
    for part in parts {
        assert!(refusal.message.contains(part), "no `{part}` in: {}", refusal.message);
    }
    assert_clean(place);
    refusal
}

/// Checks that there is no socket, nor one in the making, no lock held, no nft table, and none of DPDK's files.
pub(crate) fn assert_clean(place: &Place) {
    for entry in fs::read_dir(place.run_dir()).map_or_else(|_| Vec::new(), |dir| dir.flatten().collect()) {
        let path = entry.path();
        assert_eq!(
            path.extension().and_then(|e| e.to_str()),
            Some("lock"),
            "left behind: {}",
            path.display()
        );
        let lock = File::open(&path).expect("the lock file");
        assert!(lock.try_lock().is_ok(), "{} is held", path.display());
    }
    assert!(!place.socket().exists(), "a socket that nobody serves");
    let dpdk =
        fs::read_dir(place.folder().join("dpdk")).map_or_else(|_| Vec::new(), |dir| dir.flatten().collect());
    assert!(dpdk.is_empty(), "DPDK's files: {dpdk:?}");
    assert!(!nft_tables(&mut Command::new("nft")).contains(&place.instance), "an nft table");
}

/// The names of all nft tables, as `nft`, here or in a namespace, lists them.
pub(crate) fn nft_tables(nft: &mut Command) -> String {
    let Output { status, stdout, stderr } = nft.args(["list", "tables"]).output().expect("nft");
    assert!(status.success(), "nft: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}
