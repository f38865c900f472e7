//! A machine: the root of `.ci/systemd-root` below a layer of its own, booted by systemd-nspawn.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use lab::{Lab, Process};
use rustix::process::{Pid, Signal, kill_process};

use crate::{program, tools};

/// For whatever should come soon, on a machine that is busy elsewhere.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// For the machine to boot.
const BOOT: Duration = Duration::from_secs(120);
/// For it to be shut down.
const SHUTDOWN: Duration = Duration::from_secs(60);
/// The end of the machine's own log that is told when a test fails.
const TAIL: &str = "80";
/// Mounts the layer in a mount namespace of its own, which ends with the machine, and becomes systemd-nspawn. That leaves
/// /sys/module out, without which DPDK does not start: it looks there for the kernel's VFIO.
const BOOT_SCRIPT: &str = "mount -t overlay overlay -o \"lowerdir=$1,upperdir=$2,workdir=$3\" \"$4\" && \
                           exec systemd-nspawn -D \"$4\" -M \"$5\" --register=no --keep-unit -b --private-network \
                           --bind-ro=/sys/module";

/// A machine that is installed, and boots. Dropping it ends it; nothing of it remains but the root.
pub(crate) struct Machine {
    nspawn: Process,
    /// Its first process, as this machine knows it.
    leader: Pid,
    console: PathBuf,
}

/// What is to be on the machine besides its root.
pub(crate) struct Layer {
    folder: PathBuf,
}

impl Layer {
    /// `make install` with the programs under test.
    pub(crate) fn install(lab: &Lab) -> Self {
        let folder = lab.scratch().join("machine");
        for name in ["target/release", "upper", "work", "root"] {
            fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        // It is the machine's root.
        fs::set_permissions(folder.join("upper"), Permissions::from_mode(0o755)).expect("a mode");
        for (name, variable) in [
            ("manifold", "MANIFOLD_BIN"),
            ("manifoldctl", "MANIFOLDCTL_BIN"),
            ("manifold-backend", "MANIFOLD_BACKEND_BIN"),
        ] {
            let place = folder.join("target/release").join(name);
            std::os::unix::fs::symlink(program::binary(name, variable), place).expect("a link");
        }
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let output = Command::new("make")
            .args(["-C".as_ref(), project.as_os_str(), "install".as_ref(), "PREFIX=/usr".as_ref()])
            .arg(format!("DESTDIR={}", folder.join("upper").display()))
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .output()
            .expect("make");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { folder }
    }

    /// A file of the machine.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join("upper").join(file.trim_start_matches('/'))
    }

    /// Boots it, up to where it is as far as it comes by itself.
    pub(crate) fn boot(&self, name: &str) -> Machine {
        let root = tools::tool("systemd-root");
        let console = self.folder.join("console");
        let out = || Stdio::from(File::options().create(true).append(true).open(&console).expect("a file"));
        let mut command = Command::new("setpriv");
        // However this test ends, the machine does not go on.
        command.args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]);
        command.args(["sh", "-c", BOOT_SCRIPT, "sh"]).arg(root);
        command.args(["upper", "work", "root"].map(|part| self.folder.join(part))).arg(name);
        command.stdin(Stdio::null()).stdout(out()).stderr(out());
        let mut nspawn = Process::spawn(&mut command, "systemd-nspawn").expect("systemd-nspawn");
        let leader = lab::stop::poll(BOOT, || {
            assert_eq!(nspawn.ended().unwrap(), None, "{}", fs::read_to_string(&console).unwrap());
            Ok(leader_below(nspawn.id()))
        });
        let leader = leader.unwrap().expect("a first process");
        let machine = Machine { nspawn, leader, console };
        let booted = || {
            let state = machine.run(&["systemctl", "is-system-running"], "");
            let state = String::from_utf8_lossy(&state.stdout);
            Ok(matches!(state.trim(), "running" | "degraded").then_some(()))
        };
        lab::stop::poll(BOOT, booted).unwrap().expect("a machine that has booted");
        machine
    }
}

/// The first process of a namespace of its own whose parent is `parent`.
fn leader_below(parent: u32) -> Option<Pid> {
    let is_leader = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let of = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        of("PPid:").trim() == parent.to_string() && of("NSpid:").trim() == format!("{pid}\t1")
    };
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| is_leader(*pid)).and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
}

impl Machine {
    /// The leader's id: whose network namespace is the machine's.
    pub(crate) fn leader(&self) -> i32 {
        self.leader.as_raw_nonzero().get()
    }

    /// Runs a program on it, with this input.
    pub(crate) fn run(&self, words: &[&str], input: &str) -> Output {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.leader()));
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--"]).args(words);
        command.env_clear().env("PATH", "/usr/bin:/usr/sbin:/bin:/sbin").env("LANG", "C.UTF-8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("nsenter");
        // It may not read it.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
        child.wait_with_output().expect("nsenter")
    }

    /// What a program writes, which must succeed.
    pub(crate) fn tell(&self, words: &[&str]) -> String {
        self.tell_with(words, "")
    }

    /// As [`tell`](Self::tell), with this input.
    pub(crate) fn tell_with(&self, words: &[&str], input: &str) -> String {
        let output = self.run(words, input);
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {}\n{out}\n{error}", output.status);
        out.trim().to_owned()
    }

    /// A property of a unit.
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        self.tell(&["systemctl", "show", "--value", "-p", name, unit])
    }

    /// Waits until a property of a unit is `wanted`.
    pub(crate) fn wait_for(&self, unit: &str, name: &str, wanted: &str) {
        let is = || Ok((self.property(unit, name) == wanted).then_some(()));
        let found = lab::stop::poll(SOON, is).unwrap();
        assert!(found.is_some(), "{unit}: {name} is {}, not {wanted}", self.property(unit, name));
    }

    /// What a unit has written, the time aside.
    pub(crate) fn journal(&self, unit: &str) -> String {
        self.tell(&["journalctl", "--sync", "--no-pager"]);
        self.tell(&["journalctl", "--no-pager", "-o", "cat", "-u", unit])
    }

    /// The answer of the backend to a GET: its status and its body.
    pub(crate) fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8480\r\n{token}Connection: close\r\n\r\n");
        let script = "exec 3<>/dev/tcp/127.0.0.1/8480 && cat >&3 && cat <&3";
        let answer = self.tell_with(&["bash", "-c", script], &request);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no answer: {answer}")), body.to_owned())
    }

    /// Shuts it down in order.
    pub(crate) fn shut_down(mut self) {
        self.nspawn.signal(Signal::TERM).expect("a signal");
        let ended = self.nspawn.wait(SHUTDOWN);
        assert!(ended.is_ok_and(|status| status.success()), "it was not shut down");
    }
}

/// systemd-nspawn leaves the control groups that it makes below its own, which is ours, empty behind.
fn remove_control_groups() {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let paths = own.lines().filter_map(|line| match line.splitn(3, ':').collect::<Vec<_>>()[..] {
        [_, "", path] => Some(["", "unified"].map(|mount| (mount, path)).to_vec()),
        [_, "name=systemd", path] => Some(vec![("systemd", path)]),
        _ => None,
    });
    for (mount, path) in paths.flatten() {
        let own = Path::new("/sys/fs/cgroup").join(mount).join(path.trim_start_matches('/'));
        ["payload", "supervisor"].into_iter().for_each(|name| remove_empty(&own.join(name)));
    }
}

/// Removes a folder and those in it from the bottom up; a control group with somebody in it stays.
fn remove_empty(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .for_each(|entry| remove_empty(&entry.path()));
    let _ = fs::remove_dir(folder);
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
        remove_control_groups();
    }
}

impl Machine {
    /// Ends it however it stands.
    fn end(&mut self) {
        // Until systemd-nspawn is waited for, which only happens here and in `shut_down`, the leader's id is its own.
        if !matches!(self.nspawn.ended(), Ok(None)) {
            return;
        }
        if std::thread::panicking() {
            let log = self.run(&["journalctl", "--no-pager", "-n", TAIL], "");
            eprintln!("{}", String::from_utf8_lossy(&log.stdout));
            eprintln!("{}", fs::read_to_string(&self.console).unwrap_or_default());
        }
        // With the first process of a namespace all the others go.
        let _ = kill_process(self.leader, Signal::KILL);
        let _ = self.nspawn.wait(SHUTDOWN);
    }
}
