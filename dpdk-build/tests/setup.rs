//! What setup.sh does on machines of several kinds, played by fake commands in front of the path.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn fake(dir: &Path, name: &str, script: &str) {
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a fake command");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
}

/// Runs setup.sh where `commands` come first, and says what it told and whether it was content.
fn run(commands: &[(&str, &str)]) -> (Output, String) {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, script) in commands {
        fake(dir.path(), name, script);
    }
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap_or_default());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/setup.sh");
    let output = Command::new(script).env("PATH", path).output().expect("setup.sh");
    let told = [&output.stdout[..], &output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    (output, told)
}

const ROOT: (&str, &str) = ("id", "echo 0");

#[test]
fn with_everything_there_it_is_silent_and_leaves_apt_alone() {
    let (output, told) = run(&[("dpkg-query", "echo installed"), ("apt-get", "echo apt; exit 1")]);
    assert!(output.status.success());
    assert_eq!(told, "");
}

#[test]
fn only_what_is_missing_is_installed() {
    let query = r#"case "$*" in *nftables*|*tcpdump*) exit 1 ;; *) echo installed ;; esac"#;
    let (output, told) = run(&[
        ROOT,
        ("dpkg-query", query),
        ("apt-get", "echo apt-get $DEBIAN_FRONTEND \"$@\""),
        ("pkg-config", "exit 0"),
    ]);
    assert!(output.status.success(), "{told}");
    let install = told.lines().find(|line| line.contains("no-install-recommends")).expect("an installation");
    assert!(install.starts_with("apt-get noninteractive -q -y"), "{install}");
    assert!(install.ends_with("install --no-install-recommends nftables tcpdump"), "{install}");
}

#[test]
fn when_apt_fails_it_says_what_to_install() {
    let (output, told) =
        run(&[ROOT, ("dpkg-query", "exit 1"), ("apt-get", "case \"$*\" in *install*) exit 100 ;; esac")]);
    assert_eq!(output.status.code(), Some(1));
    for package in ["libdpdk-dev", "libclang-dev", "nftables"] {
        assert!(told.lines().any(|line| line.trim() == package), "{package} is not named: {told}");
    }
}

#[test]
fn an_older_dpdk_is_refused() {
    let (output, told) = run(&[
        ROOT,
        ("dpkg-query", "exit 1"),
        ("apt-get", "exit 0"),
        ("pkg-config", "case \"$*\" in *modversion*) echo 20.11.10 ;; *) exit 1 ;; esac"),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("older than 22.11: 20.11.10"), "{told}");
}

#[test]
fn without_root_and_sudo_it_says_how_to_run_it() {
    let (output, told) = run(&[("id", "echo 1000"), ("sudo", "exit 1"), ("dpkg-query", "exit 1")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("Run: sudo ") && told.contains("libdpdk-dev"), "{told}");
}
