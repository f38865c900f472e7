//! Captures kept in the tree, compared byte for byte.

use std::fs;
use std::path::PathBuf;

use super::sent::Sent;

/// Set to `write`, it rewrites the kept captures instead of comparing.
const VARIABLE: &str = "MANIFOLD_GOLDEN";

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// Compares each port's capture with the kept one, or keeps it.
///
/// # Panics
/// At the first port that sent something else, with both transcripts.
pub(crate) fn compare(name: &str, ports: &[Sent]) {
    let folder = folder(name);
    let write = std::env::var(VARIABLE).is_ok_and(|value| value == "write");
    for port in ports {
        let path = folder.join(format!("{}.pcap", port.name));
        if write {
            fs::create_dir_all(&folder).expect("tests/golden can be written");
            fs::write(&path, &port.file).expect("tests/golden can be written");
            continue;
        }
        let kept = fs::read(&path).unwrap_or_else(|error| {
            panic!(
                "{}: {error}; look at the test, then keep what it sends with {VARIABLE}=write",
                path.display()
            )
        });
        if kept == port.file {
            continue;
        }
        let was = Sent::read(&port.name, kept);
        panic!(
            "port {} sent something else than {}.\nkept:\n{}\nnow:\n{}\nIf that is right, keep it with {VARIABLE}=write.",
            port.name,
            path.display(),
            was.dump(),
            port.dump()
        );
    }
}
