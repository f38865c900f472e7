//! Settings that do not pass: line and column, what, and the cure; exit status 2, before anything is touched.

use std::fs;

use crate::clean::{Fault, assert_refused};
use crate::process::Place;

/// Refused with exactly this message.
fn assert_message(edit: impl Fn(String) -> String, message: &str) {
    let place = Place::new();
    let settings = edit(place.null_settings());
    let refusal = assert_refused(&place, &mut place.run(&settings), Fault::Settings, &[]);
    assert_eq!(refusal.all, format!("manifold: {message}\n"), "the message and nothing else");
    assert!(!place.run_dir().exists(), "not even the folder of the lock is made");
}

/// Replaces `old`, which is there.
fn replaced(old: &'static str, new: &'static str) -> impl Fn(String) -> String {
    move |settings| {
        assert!(settings.contains(old), "`{old}` is not in the settings");
        settings.replacen(old, new, 1)
    }
}

#[test]
fn broken_toml() {
    assert_message(
        replaced("upstream = \"wan\"", "upstream = "),
        "manifold.toml:3:12: not TOML: string values must be quoted, expected literal string; mend the line; \
         https://toml.io shows how TOML is written",
    );
    assert_message(
        |settings| settings + "[[port]\n",
        "manifold.toml:21:8: not TOML: unclosed array table, expected `]`; mend the line; https://toml.io shows \
         how TOML is written",
    );
}

#[test]
fn unknown_key() {
    assert_message(
        replaced("upstream =", "upstraem ="),
        "manifold.toml:3:1: unknown key `upstraem` in [proxy]; did you mean `upstream`?",
    );
}

#[test]
fn wrong_type() {
    assert_message(
        replaced("upstream = \"wan\"", "upstream = 3"),
        "manifold.toml:3:12: `upstream` is a whole number; it takes the name of one port, like \"wan\"",
    );
}

#[test]
fn a_device_that_is_none_missing_or_doubled() {
    assert_message(
        replaced("net_null1", "net_nul1"),
        "manifold.toml:15:10: `device`: `net_nul1` is no virtual Ethernet device that Manifold takes; did you mean \
         `net_null`?",
    );
    assert_message(
        replaced("device = \"net_null1\"\n", ""),
        "manifold.toml:13:1: [[port]] \"hall-a\" has no device; set `device` to a PCI address like \
         \"0000:3b:00.0\", a kernel Ethernet interface like \"eth1\", or a DPDK virtual device like \
         \"net_pcap0,rx_pcap=in.pcap\"",
    );
    assert_message(
        replaced("net_null2", "net_null1"),
        "manifold.toml:19:10: port \"hall-b\" takes DPDK's name net_null1, which port \"hall-a\" has; give each \
         port its own; the first is at manifold.toml:15:10",
    );
    assert_message(
        |settings| settings.replace("net_null1", "eth1").replace("net_null2", "net_af_packet7,iface=eth1"),
        "manifold.toml:19:10: port \"hall-b\" takes the interface eth1, which port \"hall-a\" has; give each port \
         its own; the first is at manifold.toml:15:10",
    );
}

#[test]
fn two_upstreams_or_one_that_is_no_port() {
    assert_message(
        replaced("\"wan\"", "[\"wan\", \"hall-a\"]"),
        "manifold.toml:3:12: `upstream` is a list; name one port: a group comes from one provider only, and the \
         other ports are for clients",
    );
    assert_message(
        replaced("upstream = \"wan\"", "upstream = \"dsl\""),
        "manifold.toml:3:12: `upstream` is \"dsl\", which is no port; the ports are \"wan\", \"hall-a\", \"hall-b\"",
    );
    assert_message(
        replaced("name = \"hall-a\"", "name = \"hall-a\"\nrole = \"upstream\""),
        "manifold.toml:15:1: `role` in [[port]] \"hall-a\": a port's role is not set here; set `upstream` in [proxy] to the name of the provider's \
         port; every other port is for clients",
    );
}

#[test]
fn every_fault_of_a_file_is_told_at_once_in_its_order() {
    assert_message(
        |s| {
            s.replace("net_null1", "net_nul1")
                .replace("upstream =", "upstraem =")
                .replace("10.2.0.1/24", "10.2.0.0/24")
        },
        "manifold.toml:3:1: unknown key `upstraem` in [proxy]; did you mean `upstream`?\n\
         manifold.toml:15:10: `device`: `net_nul1` is no virtual Ethernet device that Manifold takes; did you mean \
         `net_null`?\n\
         manifold.toml:20:11: `address` is 10.2.0.0/24: that is the network itself, not a host in it; give the port \
         an address of its own on that link, like \"10.1.0.1/24\"",
    );
}

#[test]
fn eal_arguments_that_manifold_sets_itself() {
    assert_message(
        replaced("hugepages = \"no\"", "args = [\"--vdev=net_null7\"]"),
        "manifold.toml:5:9: DPDK's argument `--vdev=net_null7` is refused: which devices DPDK sees follows from the \
         ports; add a [[port]] with that `device`",
    );
    let place = Place::new();
    let mut command = place.run(&place.null_settings());
    let parts = ["command line: DPDK's argument `--no-huge` is refused", "set `hugepages` in [eal]"];
    assert_refused(&place, command.args(["--", "--no-huge"]), Fault::Settings, &parts);
}

#[test]
fn eal_arguments_that_dpdk_does_not_know() {
    let place = Place::new();
    let cure = "check `args` in [eal] and what stands after `--`";
    let mut command = place.run(&place.null_settings());
    let parts = ["EAL did not start with `", "--frobnicate=1`", cure];
    assert_refused(&place, command.args(["--", "--frobnicate=1"]), Fault::Settings, &parts);
    let settings = place.null_settings().replacen("\"no\"", "\"no\"\nargs = [\"--frobnicate\"]", 1);
    assert_refused(&place, &mut place.run(&settings), Fault::Settings, &["--frobnicate`", cure]);
}

#[test]
fn a_file_that_is_missing_closed_or_no_text() {
    let place = Place::new();
    fs::write(place.folder().join("latin1.toml"), b"[proxy]\nupstream = \"w\xe4n\"\n").unwrap();
    fs::write(place.folder().join("empty.toml"), b"").unwrap();
    for (file, parts) in [
        ("nowhere.toml", ["nowhere.toml: there is no such file", "name the settings file with -c"]),
        ("latin1.toml", ["latin1.toml: is not UTF-8 text in line 2", "save it as UTF-8"]),
        ("empty.toml", ["empty.toml: there is no port", "add a [[port]]"]),
        ("/", ["/: Is a directory", "name the file in it"]),
    ] {
        for verb in ["run", "check"] {
            let mut command = crate::program::manifold(place.folder());
            command.current_dir(place.folder()).args([verb, "-c", file]);
            assert_refused(&place, &mut command, Fault::Settings, &parts);
        }
    }
}
