//! Tests that live in a network namespace of their own.
//!
//! Entering one takes `setns`, which takes `unsafe`. So a test runs its own binary again through `ip netns exec`,
//! with its name and an environment variable that says: you are inside.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const INSIDE: &str = "MANIFOLD_LINKS_INSIDE";
const CLIENT: &str = "MANIFOLD_LINKS_CLIENT";
const ROLE: &str = "MANIFOLD_LINKS_ROLE";

/// A network namespace, deleted with all that is in it when it goes.
struct Namespace(String);

impl Namespace {
    fn new(part: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("mflinks-{}-{number}-{part}", std::process::id());
        sh(&format!("ip netns add {name} && ip -n {name} link set dev lo up"));
        Self(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// Runs `body` in a fresh network namespace, as the test of that name.
pub(crate) fn inside(test: &str, body: impl FnOnce()) {
    if env::var(INSIDE).as_deref() == Ok(test) {
        return body();
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("{test}: skipped, network namespaces need root");
        return;
    }
    let (here, client) = (Namespace::new("box"), Namespace::new("client"));
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &here.0]).arg(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(INSIDE, test).env(CLIENT, &client.0);
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "inside the namespace:\n{out}\n{err}");
}

/// The name of a second, empty namespace: a client's.
pub(crate) fn client() -> String {
    env::var(CLIENT).unwrap()
}

/// What this process is to do in the test, if it is a helper of it.
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// Runs the test's binary again with a role, behind `prefix` (a shell fragment that ends by running `"$@"`).
pub(crate) fn helper(test: &str, role: &str, prefix: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-ec", &format!("{prefix} \"$@\""), "sh"]).arg(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(ROLE, role);
    command
}

/// A running helper; killed by its process id when it goes.
pub(crate) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Reads on until the helper has said `word` in a line of its own (libtest prints on the same stream).
    pub(crate) fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while self.out.read_line(&mut line).unwrap() > 0 {
            if line.trim_end().ends_with(word) {
                return;
            }
            line.clear();
        }
        panic!("the helper ended without `{word}`");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a shell line, which must succeed, and gives what it printed.
pub(crate) fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {err}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
