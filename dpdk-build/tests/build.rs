//! What build-dpdk.sh refuses and what it leaves alone, before it fetches or builds anything.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The sum of an empty file, which is no DPDK.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Runs build-dpdk.sh as on a machine without packages, and gives what it said, or nothing where it was content.
///
/// Whatever it would install or build fails at once, by commands that stand in front of the path.
fn run(args: &[&str], dir: &TempDir) -> Result<(), String> {
    let commands = dir.path().join("commands");
    fs::create_dir_all(&commands).expect("a folder");
    for name in ["dpkg-query", "apt-get", "meson", "ninja", "id", "sudo"] {
        fake(&commands, name);
    }
    let path = format!("{}:{}", commands.display(), std::env::var("PATH").unwrap_or_default());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/build-dpdk.sh");
    let output = Command::new(script)
        .args(args)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("build-dpdk.sh");
    match output.status.code() {
        Some(0) => Ok(()),
        Some(1) => Err(String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()),
        other => panic!("ended with {other:?}: {output:?}"),
    }
}

fn fake(folder: &Path, name: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    fs::write(&path, "#!/bin/sh\nexit 1\n").expect("a fake command");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
}

/// What it says when it refuses.
fn refused(args: &[&str], dir: &TempDir) -> String {
    run(args, dir).expect_err("it was content")
}

/// A tarball that is none, with the sum that is right for it.
fn tarball(dir: &TempDir) -> String {
    let path = dir.path().join("dpdk.tar.xz");
    fs::write(&path, "").expect("a file");
    path.display().to_string()
}

/// A prefix as build-dpdk.sh leaves it, from a source and in a way of this name.
fn built(dir: &TempDir, source: &str) -> String {
    let prefix = dir.path().join("prefix");
    fs::create_dir_all(&prefix).expect("a folder");
    fs::write(prefix.join("built"), format!("{source}\nin another way\n")).expect("a file");
    prefix.display().to_string()
}

#[test]
fn options_that_are_none_or_lack_their_value_are_told() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(refused(&["--atomics"], &dir).contains("--atomics is no option; there are --prefix DIR"));
    assert!(refused(&["--prefix"], &dir).contains("--prefix needs a value"));
    assert!(refused(&["--sha256", EMPTY], &dir).contains("--sha256 is for --tarball"));
}

#[test]
fn a_tarball_needs_its_sum_and_must_have_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let tarball = tarball(&dir);
    assert!(refused(&["--tarball", &tarball], &dir).contains("--tarball needs --sha256 SUM"));
    let wrong = EMPTY.replace('e', "f");
    assert!(
        refused(&["--tarball", &tarball, "--sha256", &wrong], &dir).contains("does not have the sha256 sum")
    );
    let missing = format!("{tarball}.gone");
    assert!(refused(&["--tarball", &missing, "--sha256", EMPTY], &dir).contains("cannot read"));
}

#[test]
fn a_folder_of_somebody_elses_is_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let prefix = dir.path().join("theirs");
    fs::create_dir(&prefix).expect("a folder");
    fs::write(prefix.join("thesis.tex"), "").expect("a file");
    let (tarball, prefix) = (tarball(&dir), prefix.display().to_string());
    let told = refused(&["--prefix", &prefix, "--tarball", &tarball, "--sha256", EMPTY], &dir);
    assert!(told.contains("not of this script's making"), "{told}");
    assert!(Path::new(&prefix).join("thesis.tex").exists());
}

#[test]
fn what_was_built_of_a_tarball_is_not_replaced_by_the_distributions_unasked() {
    let dir = tempfile::tempdir().expect("a folder");
    let prefix = built(&dir, &format!("sha256:{EMPTY}"));
    let told = refused(&["--prefix", &prefix], &dir);
    assert!(told.contains("give that tarball again, or remove"), "{told}");
    assert!(Path::new(&prefix).join("built").exists());
    // The distribution's is the distribution's: there it goes on, to the package that is not installed.
    let prefix = built(&dir, "dpdk=22.11.11-0+deb12u1");
    assert!(refused(&["--prefix", &prefix], &dir).contains("libdpdk-dev is not installed"));
}
