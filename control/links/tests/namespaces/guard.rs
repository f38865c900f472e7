//! The guard, on real interfaces: what it keeps away, and that it leaves nothing behind.

use std::fs;
use std::io::{ErrorKind, Read, stdin};
use std::net::UdpSocket;
use std::num::{NonZeroU16, NonZeroU32};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use links::{Guard, GuardError, InstanceLock, LockError, Recovery, inspect, usable};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, recv, socket_with};

use crate::common::{Running, client, helper, inside, role, sh};

/// A pair, both ends up, so that IPv6 has given v0 its link-local address.
fn make_pair() {
    sh("ip link add v0 type veth peer name v1; ip link set dev v0 up; ip link set dev v1 up");
}

fn guard(run_dir: &Path, instance: &str) -> Guard {
    let (guard, recovery) = Guard::new(InstanceLock::acquire(run_dir, instance).unwrap()).unwrap();
    assert_eq!(recovery, Recovery::default(), "nothing was left behind");
    guard
}

fn ipv6_off(link: &str) -> bool {
    fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6")).unwrap().trim() == "1"
}

fn ruleset() -> String {
    sh("nft list ruleset")
}

fn files(run_dir: &Path, ending: &str) -> Vec<String> {
    let names = fs::read_dir(run_dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(ending)).collect()
}

/// As it was before any guard: no table, IPv6 on, no state file.
fn assert_untouched(run_dir: &Path) {
    assert_eq!(ruleset(), "");
    assert!(!ipv6_off("v0"));
    assert_eq!(files(run_dir, ".guard"), [""; 0]);
}

fn run_dir_of_helper() -> PathBuf {
    std::env::var_os("RUN_DIR").unwrap().into()
}

/// Takes v0 under guard as instance `main`, says so, and stays until it is killed, or its parent is.
fn hold_v0() {
    let mut guard = guard(&run_dir_of_helper(), "main");
    guard.add(&inspect("v0").unwrap()).unwrap();
    println!("\nguarded");
    stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn holder(test: &str, run_dir: &Path) -> Running {
    let mut command = helper(test, "holder", "exec");
    command.env("RUN_DIR", run_dir);
    let mut holder = Running::start(command);
    holder.wait_for("guarded");
    holder
}

#[test]
fn a_guard_is_set_and_undone() {
    inside("guard::a_guard_is_set_and_undone", || {
        make_pair();
        sh("ip link add w0 type veth peer name w1; sysctl -qw net/ipv6/conf/w0/disable_ipv6=1");
        let dir = tempfile::tempdir().unwrap();
        let mut guard = guard(dir.path(), "main");
        assert_untouched(dir.path());
        let (v0, w0) = (inspect("v0").unwrap(), inspect("w0").unwrap());
        guard.add(&v0).unwrap();
        guard.add(&w0).unwrap();
        let rules = ruleset();
        for link in ["v0", "w0"] {
            let hook = format!("type filter hook ingress device \"{link}\" priority -500; policy drop;");
            assert!(rules.contains("table netdev manifold-main") && rules.contains(&hook), "{rules}");
            assert!(ipv6_off(link));
        }
        assert_eq!(sh("ip -6 addr show dev v0"), "");
        assert_eq!(guard.links().collect::<Vec<_>>(), [v0.index, w0.index]);
        guard.remove(v0.index).unwrap();
        guard.remove(v0.index).unwrap();
        assert!(!ruleset().contains("\"v0\"") && ruleset().contains("\"w0\""));
        assert!(!ipv6_off("v0"));
        guard.release().unwrap();
        assert_untouched(dir.path());
        assert!(ipv6_off("w0"), "it was off before");
        assert!(sh("ip -6 addr show dev v0").contains("fe80::"), "IPv6 took its address again");
    });
}

#[test]
fn dropping_a_guard_undoes_it_and_leaves_other_tables_alone() {
    inside("guard::dropping_a_guard_undoes_it_and_leaves_other_tables_alone", || {
        make_pair();
        sh("nft add table netdev theirs; nft add table inet manifold-main");
        let theirs = ruleset();
        let dir = tempfile::tempdir().unwrap();
        let mut guard = guard(dir.path(), "main");
        guard.add(&inspect("v0").unwrap()).unwrap();
        assert_ne!(ruleset(), theirs);
        drop(guard);
        assert_eq!(ruleset(), theirs);
        assert!(!ipv6_off("v0"));
    });
}

/// A socket that sees every frame of the namespace, as an af_packet port does.
fn tap() -> OwnedFd {
    let every_protocol = NonZeroU32::from(NonZeroU16::new(3_u16.to_be()).unwrap());
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::PACKET, SocketType::RAW, flags, Some(Protocol::from_raw(every_protocol)))
        .unwrap()
}

/// How many frames with the client's MAC as their source the tap has seen.
fn frames_of_client(tap: &OwnedFd) -> usize {
    let mut frame = [0; 2048];
    let mut seen = 0;
    while let Ok((len, _)) = recv(tap, &mut frame[..], RecvFlags::empty()) {
        seen += usize::from(len >= 12 && frame[6..12] == [2, 0, 0, 0, 0, 0xc]);
    }
    seen
}

/// Asks the box's other address from the client's namespace, and gives whether an answer came. Silence takes a second
/// to believe. An answer has longer: the client repeats an ARP request that went unanswered once a second only.
fn client_reaches_the_box(test: &str, expected: bool) -> bool {
    let patience = if expected { "10" } else { "1" };
    let prefix = format!("exec ip netns exec {}", client());
    let output = helper(test, patience, &prefix).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("it answers") || out.contains("it is silent"), "{out}");
    out.contains("it answers")
}

fn ask_the_box(patience_s: u64) {
    let socket = UdpSocket::bind("10.9.0.2:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    for _ in 0..patience_s * 10 {
        // An earlier datagram's "host unreachable" may show up at either call.
        let sent = socket.send_to(b"?", "10.9.9.9:4000");
        match sent.and_then(|_| socket.recv(&mut [0; 8])) {
            Ok(_) => return println!("\nit answers"),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::HostUnreachable) => {}
            Err(error) => panic!("{error}"),
        }
    }
    println!("\nit is silent");
}

#[test]
fn a_client_cannot_reach_the_boxs_other_address_but_the_tap_sees_its_frames() {
    const TEST: &str = "guard::a_client_cannot_reach_the_boxs_other_address_but_the_tap_sees_its_frames";
    inside(TEST, || {
        if let Some(patience) = role() {
            return ask_the_box(patience.parse().unwrap());
        }
        let client = client();
        sh(&format!(
            "ip link add p0 type veth peer name c0 address 02:00:00:00:00:0c netns {client}
             ip link set dev p0 up; ip addr add 10.9.9.9/32 dev lo; ip route add 10.9.0.0/24 dev p0
             ip -n {client} addr add 10.9.0.2/24 dev c0; ip -n {client} link set dev c0 up
             ip -n {client} route add default dev c0"
        ));
        let service = UdpSocket::bind("10.9.9.9:4000").unwrap();
        thread::spawn(move || {
            while let Ok((_, from)) = service.recv_from(&mut [0; 8]) {
                service.send_to(b"!", from).unwrap();
            }
        });
        let p0 = inspect("p0").unwrap();
        assert_eq!(usable(&p0), Ok(()), "an interface that we would take");
        assert!(
            client_reaches_the_box(TEST, true),
            "the kernel answers for all its addresses on every interface"
        );

        let dir = tempfile::tempdir().unwrap();
        let mut guard = guard(dir.path(), "main");
        guard.add(&p0).unwrap();
        let tap = tap();
        assert!(
            !client_reaches_the_box(TEST, false),
            "its neighbour entry is still there: the datagram must not pass"
        );
        assert!(frames_of_client(&tap) > 0);
        sh(&format!("ip -n {client} neigh flush dev c0"));
        assert!(!client_reaches_the_box(TEST, false), "nor may ARP be answered");
        assert!(frames_of_client(&tap) > 0);

        guard.release().unwrap();
        assert!(client_reaches_the_box(TEST, true), "and all is as it was");
    });
}

#[test]
fn after_a_kill_the_next_start_undoes_the_guard() {
    const TEST: &str = "guard::after_a_kill_the_next_start_undoes_the_guard";
    inside(TEST, || {
        if role().is_some() {
            return hold_v0();
        }
        make_pair();
        let dir = tempfile::tempdir().unwrap();
        // By the same instance, and by another of the same run directory.
        for next in ["main", "second"] {
            let mut holder = holder(TEST, dir.path());
            holder.kill();
            assert!(ruleset().contains("manifold-main") && ipv6_off("v0"), "the kill left it behind");
            let (guard, recovery) = Guard::new(InstanceLock::acquire(dir.path(), next).unwrap()).unwrap();
            assert_eq!(recovery.links, ["v0"]);
            drop(guard);
            assert_untouched(dir.path());
        }
        // An interface that is taken at once gets back what it had before the crash, not what the crash left.
        holder(TEST, dir.path()).kill();
        let (mut guard, _) = Guard::new(InstanceLock::acquire(dir.path(), "main").unwrap()).unwrap();
        guard.add(&inspect("v0").unwrap()).unwrap();
        assert!(ipv6_off("v0"));
        drop(guard);
        assert_untouched(dir.path());
    });
}

#[test]
fn an_instance_that_dies_beside_a_running_one_is_cleaned_up_before_its_port_is_taken() {
    const TEST: &str =
        "guard::an_instance_that_dies_beside_a_running_one_is_cleaned_up_before_its_port_is_taken";
    inside(TEST, || {
        if role().is_some() {
            return hold_v0();
        }
        make_pair();
        let dir = tempfile::tempdir().unwrap();
        let mut guard = guard(dir.path(), "second");
        holder(TEST, dir.path()).kill();
        guard.add(&inspect("v0").unwrap()).unwrap();
        assert!(!ruleset().contains("manifold-main"));
        drop(guard);
        assert_untouched(dir.path());
    });
}

#[test]
fn a_running_instance_keeps_its_interfaces() {
    const TEST: &str = "guard::a_running_instance_keeps_its_interfaces";
    inside(TEST, || {
        if role().is_some() {
            return hold_v0();
        }
        make_pair();
        let dir = tempfile::tempdir().unwrap();
        let holder = holder(TEST, dir.path());
        let before = ruleset();
        let error = InstanceLock::acquire(dir.path(), "main").unwrap_err();
        let running = matches!(error, LockError::AlreadyRunning { pid, .. } if pid == Some(holder.id()));
        assert!(running, "{error}");
        let mut second = guard(dir.path(), "second");
        let error = second.add(&inspect("v0").unwrap()).unwrap_err();
        assert!(error.to_string().contains("running instance `main`"), "{error}");
        second.add(&inspect("v1").unwrap()).unwrap();
        drop(second);
        assert_eq!(ruleset(), before);
        assert!(ipv6_off("v0") && !ipv6_off("v1"));
        assert_eq!(files(dir.path(), ".guard"), ["main.guard"]);
    });
}

#[test]
fn an_instance_with_another_run_directory_is_named_and_nothing_is_changed() {
    const TEST: &str = "guard::an_instance_with_another_run_directory_is_named_and_nothing_is_changed";
    inside(TEST, || {
        if role().is_some() {
            return hold_v0();
        }
        make_pair();
        let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let _holder = holder(TEST, theirs.path());
        let before = ruleset();
        let (v0, v1) = (inspect("v0").unwrap(), inspect("v1").unwrap());
        for instance in ["second", "main"] {
            let error = Guard::expect_free(ours.path(), instance, &v0).unwrap_err();
            assert!(matches!(&error, GuardError::Held { instance, .. } if instance == "main"), "{error}");
            Guard::expect_free(ours.path(), instance, &v1).unwrap();
        }
        Guard::expect_free(theirs.path(), "main", &v0).unwrap();
        assert_eq!((ruleset(), files(ours.path(), "")), (before, vec![]));
    });
}

fn name_in_use(error: &GuardError, pid: u32, run_dir: &Path) -> bool {
    let said = format!("(process {pid}, run directory {})", run_dir.display());
    matches!(error, GuardError::NameInUse { .. }) && error.to_string().contains(&said)
}

#[test]
fn a_name_is_one_running_instances_whatever_the_run_directory() {
    const TEST: &str = "guard::a_name_is_one_running_instances_whatever_the_run_directory";
    inside(TEST, || {
        if role().is_some() {
            return hold_v0();
        }
        make_pair();
        let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let free = |instance| Guard::expect_free_name(ours.path(), instance);
        let mut guard = guard(ours.path(), "main");
        let mut holder = holder(TEST, theirs.path());
        let before = ruleset();
        let in_use = |error: GuardError| assert!(name_in_use(&error, holder.id(), theirs.path()), "{error}");
        // Even where it wants another interface.
        in_use(guard.add(&inspect("v1").unwrap()).unwrap_err());
        in_use(free("main").unwrap_err());
        free("other").unwrap();
        Guard::expect_free_name(theirs.path(), "main").unwrap();
        assert_eq!((ruleset(), ipv6_off("v1"), files(ours.path(), ".guard")), (before, false, vec![]));

        // What flushes the rules does not free the name; its holder's end does, whatever it leaves behind.
        sh("nft flush ruleset");
        in_use(free("main").unwrap_err());
        holder.kill();
        free("main").unwrap();
        guard.add(&inspect("v0").unwrap()).unwrap();
        free("main").unwrap();
        drop(guard);
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn a_table_that_a_crash_left_is_taken_over_and_not_given_back_to_the_crashed() {
    const TEST: &str = "guard::a_table_that_a_crash_left_is_taken_over_and_not_given_back_to_the_crashed";
    inside(TEST, || {
        if role().is_some() {
            return hold_v0();
        }
        make_pair();
        let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        holder(TEST, theirs.path()).kill();
        assert!(ruleset().contains("manifold-main"), "the kill left it behind");
        let mut guard = guard(ours.path(), "main");
        guard.add(&inspect("v0").unwrap()).unwrap();
        let before = ruleset();
        assert_eq!(before.matches("device \"v0\"").count(), 1, "{before}");
        // What the crashed one left to undo is ours now: by itself, or by another beside it.
        let error = Guard::new(InstanceLock::acquire(theirs.path(), "main").unwrap()).unwrap_err();
        assert!(name_in_use(&error, std::process::id(), ours.path()), "{error}");
        Guard::new(InstanceLock::acquire(theirs.path(), "second").unwrap()).unwrap();
        assert_eq!((ruleset(), ipv6_off("v0")), (before, true));
        assert_eq!(files(theirs.path(), ".guard"), ["main.guard"]);
        drop(guard);
        let (_, recovery) = Guard::new(InstanceLock::acquire(theirs.path(), "second").unwrap()).unwrap();
        assert_eq!(recovery.links, ["v0"]);
        assert_untouched(theirs.path());
    });
}

#[test]
fn damaged_and_foreign_state_files_do_not_stop_a_start() {
    const TEST: &str = "guard::damaged_and_foreign_state_files_do_not_stop_a_start";
    inside(TEST, || {
        if role().is_some() {
            return hold_v0();
        }
        make_pair();
        let dir = tempfile::tempdir().unwrap();
        holder(TEST, dir.path()).kill();
        let file = dir.path().join("main.guard");
        let whole = fs::read_to_string(&file).unwrap();
        let recover = |text: &str| {
            fs::write(&file, text).unwrap();
            sh("nft add table netdev manifold-main; sysctl -qw net/ipv6/conf/v0/disable_ipv6=1");
            let (_, recovery) = Guard::new(InstanceLock::acquire(dir.path(), "main").unwrap()).unwrap();
            assert_eq!(files(dir.path(), ".guard"), [""; 0]);
            (recovery, ruleset().is_empty(), ipv6_off("v0"))
        };
        let (recovery, no_table, off) = recover(&whole[..whole.len() - 1]);
        assert!(no_table && off && recovery.links.is_empty(), "the last line is not whole: not believed");
        let (recovery, no_table, off) = recover("something else\n");
        assert!(no_table && off && recovery.notes[0].contains("damaged"));
        let other_boot = whole.replacen("place ", "place x", 1);
        let (recovery, no_table, off) = recover(&other_boot);
        assert!(!no_table && off && recovery.notes[0].contains("nothing to undo"));
        let other_link = whole.replacen("link ", "link 99", 1);
        let (recovery, no_table, off) = recover(&other_link);
        assert!(no_table && off && recovery.links.is_empty(), "that index is gone");
        let (recovery, no_table, off) = recover(&whole);
        assert!(no_table && !off && recovery.links == ["v0"]);
    });
}

#[test]
fn an_interface_that_vanished_and_came_back_is_guarded_anew() {
    inside("guard::an_interface_that_vanished_and_came_back_is_guarded_anew", || {
        make_pair();
        sh("ip link add w0 type veth peer name w1");
        let dir = tempfile::tempdir().unwrap();
        let mut guard = guard(dir.path(), "main");
        let before = inspect("v0").unwrap();
        guard.add(&before).unwrap();
        sh("ip link del dev v0");
        guard.add(&inspect("w0").unwrap()).unwrap();
        make_pair();
        let after = inspect("v0").unwrap();
        assert_ne!(after.index, before.index);
        guard.add(&after).unwrap();
        let rules = ruleset();
        assert_eq!(rules.matches("device \"v0\"").count(), 1, "{rules}");
        assert!(rules.contains(&format!("in_{}", after.index)) && ipv6_off("v0"));
        // Renamed under guard: undone under its new name.
        sh("ip link set dev v0 down; ip link set dev v0 name x0");
        guard.add(&inspect("x0").unwrap()).unwrap();
        assert!(ruleset().contains("device \"x0\""));
        let gone = inspect("w0").unwrap();
        sh("ip link del dev w0");
        assert!(matches!(guard.add(&gone), Err(GuardError::Vanished(name)) if name == "w0"));
        guard.release().unwrap();
        assert_eq!(ruleset(), "");
        assert!(!ipv6_off("x0"));
    });
}

/// Runs a helper that tries to guard v0 behind `prefix`, and gives the error it printed.
fn error_behind(test: &str, run_dir: &Path, prefix: &str) -> String {
    let output = helper(test, "failing", prefix).env("RUN_DIR", run_dir).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let error = out.lines().find_map(|line| line.strip_prefix("error: "));
    error.unwrap_or_else(|| panic!("no error behind {prefix}: {out} {err}")).to_owned()
}

fn fail_to_guard_v0() {
    let mut guard = guard(&run_dir_of_helper(), "main");
    let error = guard.add(&inspect("v0").unwrap()).unwrap_err();
    println!("\nerror: {error}");
    assert_eq!(guard.links().count(), 0);
    // Here nft is missing or forbidden; the parent looks whether all is as it was.
}

#[test]
fn what_cannot_be_guarded_is_left_as_it_was_and_the_cure_is_named() {
    const TEST: &str = "guard::what_cannot_be_guarded_is_left_as_it_was_and_the_cure_is_named";
    inside(TEST, || {
        if role().is_some() {
            return fail_to_guard_v0();
        }
        make_pair();
        let dir = tempfile::tempdir().unwrap();
        let read_only_proc = "unshare -m sh -ec 'mount --bind /proc/sys /proc/sys
            mount -o remount,bind,ro /proc/sys; exec \"$@\"' sh";
        let no_nft = "unshare -m sh -ec 'mount -t tmpfs none /usr/sbin; PATH=/usr/bin exec \"$@\"' sh";
        let causes = [
            (no_nft, "apt install nftables"),
            ("exec setpriv --bounding-set -net_admin", "CAP_NET_ADMIN"),
            (read_only_proc, "--sysctl net.ipv6.conf.all.disable_ipv6=1"),
        ];
        for (prefix, cure) in causes {
            let error = error_behind(TEST, dir.path(), prefix);
            assert!(error.contains(cure), "{prefix}: {error}");
            assert_untouched(dir.path());
        }
    });
}

#[test]
fn a_state_file_that_cannot_be_written_stops_before_any_change() {
    inside("guard::a_state_file_that_cannot_be_written_stops_before_any_change", || {
        make_pair();
        let dir = tempfile::tempdir().unwrap();
        let mut guard = guard(dir.path(), "main");
        // A folder where the file would be written.
        fs::create_dir(dir.path().join("main.guard.new")).unwrap();
        let error = guard.add(&inspect("v0").unwrap()).unwrap_err();
        assert!(matches!(error, GuardError::State { .. }), "{error}");
        assert!(!ruleset().contains("chain"));
        assert!(!ipv6_off("v0"));
    });
}
