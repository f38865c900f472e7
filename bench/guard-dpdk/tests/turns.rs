//! Every piece does its work, in a process of its own: EAL can be had once in each.

use std::path::Path;
use std::process::Command;

use guard::Baseline;

#[test]
fn every_piece_does_its_work() {
    let baseline = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.toml"));
    let baseline = Baseline::read(baseline).expect("the baseline of this tree");
    assert!(!baseline.instructions.is_empty());
    for name in baseline.instructions.keys() {
        let runtime = tempfile::tempdir().unwrap();
        let mut piece = Command::new(env!("CARGO_BIN_EXE_guard-dpdk"));
        let piece = piece.args(["--turns", "3", name]).env("RUNTIME_DIRECTORY", runtime.path());
        let output = piece.output().expect("the program");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
