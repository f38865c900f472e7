//! The drop behind the tap: one nft table per instance, replaced as a whole.

use core::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::GuardError;

/// Where `nft` lives if PATH, as some service managers set it, has no sbin.
const FALLBACK: &str = "/usr/sbin/nft";
/// How long nft may take. Whoever waits for it has links and signals to look after.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(5);
/// What the name of every instance's table begins with.
const TABLE_PREFIX: &str = "manifold-";

/// A script after which the instance's table holds drops for exactly `links` (index and name), in one transaction.
/// Adding before deleting makes the deletion good whether or not the table was there.
pub(super) fn script(instance: &str, links: &[(u32, &str)]) -> String {
    let table = format!("{TABLE_PREFIX}{instance}");
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

/// The instance other than `except` whose table has a drop for the interface of that index. This network
/// namespace's tables tell of every instance in it, whatever its run directory.
pub(super) fn holder(index: u32, except: Option<&str>) -> Result<Option<String>, GuardError> {
    run("list chains netdev\n").map(|listing| holder_in(&listing, index, except))
}

fn holder_in(listing: &str, index: u32, except: Option<&str>) -> Option<String> {
    let chain = format!("chain in_{index} {{");
    let mut holder = None;
    for line in listing.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix("table netdev ") {
            let other = table.trim_end_matches(" {").strip_prefix(TABLE_PREFIX);
            holder = other.filter(|other| Some(*other) != except);
        } else if line == chain
            && let Some(other) = holder
        {
            return Some(other.to_owned());
        }
    }
    None
}

/// Runs a script, and gives what it printed; all of it takes effect or nothing.
pub(super) fn run(script: &str) -> Result<String, GuardError> {
    match run_program(Path::new("nft"), script, PATIENCE) {
        Err(GuardError::NftMissing) => run_program(Path::new(FALLBACK), script, PATIENCE),
        done => done,
    }
}

fn run_program(program: &Path, script: &str, patience: Duration) -> Result<String, GuardError> {
    let deadline = Instant::now() + patience;
    let mut command = Command::new(program);
    command.args(["-f", "-"]).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => GuardError::NftMissing,
        _ => GuardError::Nft(format!("cannot start {}: {error}", program.display())),
    })?;
    let [stdout, stderr] = match feed(&mut child, script) {
        Ok(receivers) => receivers,
        Err(error) => {
            leave(child);
            let what = "no thread for what nft reads and writes";
            return Err(GuardError::Nft(format!(
                "{what}: {error}; raise the limit of processes and threads"
            )));
        }
    };
    let until = || deadline.saturating_duration_since(Instant::now());
    let told = stdout.recv_timeout(until()).ok().zip(stderr.recv_timeout(until()).ok());
    let ended = told.and_then(|told| Some((told, end_of(&mut child, deadline)?)));
    let Some(((stdout, stderr), status)) = ended else {
        leave(child);
        return Err(GuardError::Nft(format!(
            "{} did not end within {} s and was killed; look for who else changes nftables (`nft list ruleset` hangs \
             then, too), and for a machine that is out of memory or processor time",
            program.display(),
            patience.as_secs_f64()
        )));
    };
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    Err(classify(&String::from_utf8_lossy(&stderr)))
}

/// Has the program read its script, and gives where its output and its complaints will be, whole. Each on a thread of its
/// own: a pipe that nobody empties would hold the other end up.
///
/// # Errors
/// There is no thread to be had.
fn feed(child: &mut Child, script: &str) -> io::Result<[Receiver<Vec<u8>>; 2]> {
    let receivers = [read_all(child.stdout.take())?, read_all(child.stderr.take())?];
    let (stdin, script) = (child.stdin.take(), script.to_owned());
    // When nft ends early its message says more than the broken pipe.
    on_thread(move || stdin.map(|mut stdin| stdin.write_all(script.as_bytes())))?;
    Ok(receivers)
}

/// Ends a program that nobody waits for. In the kernel it may take a while to die.
fn leave(mut child: Child) {
    let _ = child.kill();
    // Without a thread it stays a dead entry of the process table, until this process ends.
    let _ = on_thread(move || child.wait());
}

fn on_thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("nft".to_owned()).spawn(run).map(drop)
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> io::Result<Receiver<Vec<u8>>> {
    let (send, receive) = channel();
    on_thread(move || {
        let mut bytes = Vec::new();
        // What came before an error is what there is to tell.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        // Nobody waits any more where it took too long.
        let _ = send.send(bytes);
    })?;
    Ok(receive)
}

/// How the program ended, which has closed its pipes; `None` when it has not by then.
fn end_of(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(PAUSE);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A program in place of nft. Written by another process: a file that this one has open for writing while some test
    /// starts a program is busy.
    fn program(folder: &Path, text: &str) -> std::path::PathBuf {
        let path = folder.join("nft");
        let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 700 \"$1\"";
        let status = Command::new("sh").args(["-c", write, "sh"]).arg(&path).arg(text).status().unwrap();
        assert!(status.success());
        path
    }

    #[test]
    fn an_nft_that_hangs_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        // One that holds its pipes, and one that does not.
        for text in ["exec sleep 600", "exec sleep 600 >&- 2>&-"] {
            let hanging = program(folder.path(), text);
            let error = run_program(&hanging, "list tables\n", Duration::from_millis(200)).unwrap_err();
            let GuardError::Nft(what) = error else { panic!("{error}") };
            assert!(what.contains("did not end within 0.2 s and was killed"), "{what}");
        }
    }

    #[test]
    fn what_nft_says_is_read_whole_however_long_it_is() {
        let folder = tempfile::tempdir().unwrap();
        // More each way than a pipe holds.
        let echo = program(folder.path(), "cat; head -c 200000 /dev/zero >&2");
        let script = "x".repeat(300_000);
        assert_eq!(run_program(&echo, &script, PATIENCE).unwrap(), script);
        let failing = program(folder.path(), "echo 'Error: no such thing' >&2; exit 1");
        let error = run_program(&failing, "", PATIENCE).unwrap_err();
        assert!(matches!(&error, GuardError::Nft(what) if what == "Error: no such thing"), "{error}");
    }

    #[test]
    fn a_script_replaces_the_whole_table() {
        let two = script("main", &[(3, "eth1"), (9, "v-0.5@x")]);
        let chains: Vec<&str> = two.lines().filter(|line| line.starts_with("add chain")).collect();
        assert!(two.starts_with("add table netdev manifold-main\ndelete table netdev manifold-main\n"));
        assert_eq!(
            chains[1],
            "add chain netdev manifold-main in_9 \
             { type filter hook ingress device \"v-0.5@x\" priority -500; policy drop; }"
        );
        assert_eq!(chains.len(), 2);
        assert!(script("main", &[]).ends_with("delete table netdev manifold-main\n"));
    }

    #[test]
    fn the_holder_of_an_interface_is_the_table_of_another_instance() {
        let listing = "table netdev theirs {\n\tchain in_3 {\n\t\ttype filter hook ingress device \"v\" priority 0;\n\t}\n}\n\
                       table netdev manifold-main {\n\tchain in_3 {\n\t}\n}\n\
                       table netdev manifold-tv {\n\tchain in_7 {\n\t}\n\tchain in_33 {\n\t}\n}\n";
        let holder = |instance, index| holder_in(listing, index, Some(instance));
        assert_eq!(holder("main", 7).as_deref(), Some("tv"));
        assert_eq!(holder("tv", 3).as_deref(), Some("main"));
        assert_eq!((holder("main", 3), holder("tv", 7), holder("main", 1)), (None, None, None));
        assert_eq!(holder_in(listing, 3, None).as_deref(), Some("main"));
        assert_eq!(holder_in("", 3, None), None);
    }

    #[test]
    fn names_that_could_break_out_of_a_script_are_refused() {
        for name in ["eth0", "eth0.5", "br-lan", "veth@if3", "a;b{"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["", "a\"b", "eth*", "a\\", "a b", "a\nb", "ü"] {
            assert!(!is_plain(name), "{name}");
        }
    }

    #[test]
    fn a_missing_nft_is_told_with_its_package() {
        let error = run_program(Path::new("/nonexistent/nft"), "", PATIENCE).unwrap_err();
        assert!(matches!(error, GuardError::NftMissing));
        assert!(error.to_string().contains("apt install nftables"));
    }

    #[test]
    fn nfts_own_words_are_handed_on() {
        let stderr =
            "/dev/stdin:3:1-2: Error: Could not process rule: Operation not supported\nadd chain\n^^^\n";
        let error = classify(stderr).to_string();
        assert!(error.contains("Operation not supported"), "{error}");
        assert!(classify("").to_string().contains("without a message"));
        let denied = classify("x: Error: Could not process rule: Operation not permitted\n").to_string();
        assert!(denied.contains("CAP_NET_ADMIN"), "{denied}");
    }
}
