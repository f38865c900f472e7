//! The story as a program: true with Manifold, and clean however it ends.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a story that ends early may take, and how long it may take to build its namespaces.
const SOON: Duration = Duration::from_secs(20);

/// The story with `manifold` in the middle.
fn story(manifold: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_story"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(path) = manifold {
        command.env("MANIFOLD_BIN", path);
    }
    command
}

/// A program that takes Manifold's place, starts, and never says anything.
struct Mute(PathBuf);

impl Mute {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mute-{name}-{}", std::process::id()));
        fs::write(&path, "#!/bin/sh\nexec sleep 600\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn namespaces_of(pid: u32) -> Vec<String> {
    let list = Command::new("ip").args(["netns", "list"]).output().unwrap().stdout;
    let ours = format!("mflab-{pid}-");
    let names = String::from_utf8(list).unwrap();
    names.lines().filter(|line| line.starts_with(&ours)).map(str::to_owned).collect()
}

/// Waits until the story stands and Manifold's place is taken.
fn wait_for_stage(story: &Child) {
    let end = Instant::now() + SOON;
    let taken = || {
        namespaces_of(story.id()).iter().any(|line| {
            let name = line.split_whitespace().next().unwrap_or_default();
            let pids = Command::new("ip").args(["netns", "pids", name]).output().unwrap().stdout;
            name.ends_with("-manifold") && !pids.is_empty()
        })
    };
    while !taken() {
        assert!(Instant::now() < end, "no namespace of the story");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_story_is_true() {
    let child = story(None).spawn().unwrap();
    let pid = child.id();
    let began = Instant::now();
    let output = child.wait_with_output().unwrap();
    let told = text(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("The story is true"), "{told}");
    assert!(!told.contains('\x1b'), "colour only on a terminal");
    assert!(began.elapsed() < Duration::from_secs(120));
    assert_eq!(namespaces_of(pid), [""; 0]);
}

#[test]
fn without_manifold_the_story_says_so_and_leaves_nothing() {
    let child = story(Some("/bin/false")).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("manifold ended: exit status: 1"), "{}", text(&output));
    assert_eq!(namespaces_of(pid), [""; 0]);
    let none = story(Some("/nowhere/manifold")).output().unwrap();
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none).contains("no `manifold` binary in /nowhere"), "{}", text(&none));
}

#[test]
fn interrupted_the_story_leaves_nothing() {
    let mute = Mute::new("interrupted");
    let child = story(Some(mute.path())).spawn().unwrap();
    let pid = child.id();
    wait_for_stage(&child);
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert_eq!(namespaces_of(pid), [""; 0]);
}

#[test]
fn after_a_crash_the_next_story_cleans_up() {
    let mute = Mute::new("crashed");
    let mut crashed = story(Some(mute.path())).spawn().unwrap();
    wait_for_stage(&crashed);
    signal(&crashed, Signal::KILL);
    crashed.wait().unwrap();
    assert!(!namespaces_of(crashed.id()).is_empty());
    story(Some("/bin/false")).output().unwrap();
    assert_eq!(namespaces_of(crashed.id()), [""; 0]);
}
