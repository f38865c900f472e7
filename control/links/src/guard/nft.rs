//! The drop behind the tap: one nft table per instance, replaced as a whole.

use core::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::GuardError;

/// Where `nft` lives if PATH, as some service managers set it, has no sbin.
const FALLBACK: &str = "/usr/sbin/nft";

/// A script after which the instance's table holds drops for exactly `links` (index and name), in one transaction.
/// Adding before deleting makes the deletion good whether or not the table was there.
pub(super) fn script(instance: &str, links: &[(u32, &str)]) -> String {
    let table = format!("manifold-{instance}");
    let mut script = format!("add table netdev {table}\ndelete table netdev {table}\n");
    if links.is_empty() {
        return script;
    }
    // Writing to a String can't fail.
    let _ = writeln!(script, "add table netdev {table}");
    for (index, name) in links {
        let _ = writeln!(
            script,
            "add chain netdev {table} in_{index} \
             {{ type filter hook ingress device \"{name}\" priority -500; policy drop; }}"
        );
    }
    script
}

/// Whether the name can stand in a script: quotes can't be escaped there, and `*` is a pattern.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\*".contains(&b))
}

/// Runs a script; all of it takes effect or nothing.
pub(super) fn run(script: &str) -> Result<(), GuardError> {
    match run_program(Path::new("nft"), script) {
        Err(GuardError::NftMissing) => run_program(Path::new(FALLBACK), script),
        done => done,
    }
}

fn run_program(program: &Path, script: &str) -> Result<(), GuardError> {
    let mut command = Command::new(program);
    command.args(["-f", "-"]).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => GuardError::NftMissing,
        _ => GuardError::Nft(format!("cannot start {}: {error}", program.display())),
    })?;
    let mut stdin = child.stdin.take();
    // When nft ends early its message says more than the broken pipe.
    let _ = stdin.as_mut().map(|stdin| stdin.write_all(script.as_bytes()));
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| GuardError::Nft(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(classify(&String::from_utf8_lossy(&output.stderr)))
}

/// nft ends with 1 whatever the reason; only its words tell.
fn classify(stderr: &str) -> GuardError {
    if stderr.contains("Operation not permitted") {
        return GuardError::NotPermitted {
            what: "put a drop behind the tap (nft)".to_owned(),
            capability: "CAP_NET_ADMIN",
        };
    }
    let line = stderr.lines().find(|line| line.contains("rror:")).unwrap_or("nft failed without a message");
    GuardError::Nft(line.trim().to_owned())
}
