//! `manifoldctl` as people and programs see it, against a server of fixed replies. The expected output lies in
//! `golden/`; MANIFOLD_UPDATE_GOLDEN=1 writes what came instead, to be read in the difference.

mod change;
mod explain;
mod page;
mod show;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use api::{Reply, Request};
use tempfile::TempDir;

/// A socket that answers every request by `reply`.
fn server(reply: impl Fn(Request) -> Reply + Send + 'static) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            for line in BufReader::new(&stream).lines() {
                let request = Request::parse(line.unwrap().as_bytes()).unwrap();
                (&stream).write_all(reply(request).to_line().as_bytes()).unwrap();
            }
        }
    });
    (dir, path)
}

fn ctl(socket: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manifoldctl"));
    command.arg("--socket").arg(socket).args(args).env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// Output of a run that must succeed and say nothing on standard error.
#[track_caller]
fn shown(socket: &Path, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = ctl(socket, args).output().unwrap();
    assert_eq!((status.code(), String::from_utf8(stderr).unwrap()), (Some(0), String::new()));
    String::from_utf8(stdout).unwrap()
}

#[track_caller]
fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("MANIFOLD_UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{name} differs; expected:\n{expected}\nfound:\n{found}");
}
