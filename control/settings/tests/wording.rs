//! Messages that a person has use of: what stands there twice, texts of any length, all that is wrong in a list.

use settings::parse;

#[track_caller]
fn refused(text: &str, messages: &[&str]) {
    let error = parse(text, "m.toml").expect_err("a problem").to_string();
    assert_eq!(error.lines().collect::<Vec<_>>(), messages);
}

/// As [`refused`], behind a port on three lines.
#[track_caller]
fn refused_beside_a_port(text: &str, messages: &[&str]) {
    refused(&format!("[[port]]\nname = \"a\"\ndevice = \"e0\"\n{text}"), messages);
}

#[test]
fn what_stands_there_twice() {
    let tables = "m.toml:2:2: the table `log` stands here a second time; put all of its keys under one [log]";
    refused("[log]\n[log]\n", &[tables]);
    let keys = "m.toml:3:1: `level` stands here a second time; leave one of the two out";
    refused("[log]\nlevel = \"warn\"\nlevel = \"info\"\n", &[keys]);
    let ports = "[port] and [[port]] stand in one file; write [[port]] before each port, with two brackets";
    refused("[port]\nname = \"a\"\n[[port]]\nname = \"b\"\n", &[&format!("m.toml:3:3: {ports}")]);
    refused("[[port]]\nname = \"a\"\n[port]\nname = \"b\"\n", &[&format!("m.toml:3:2: {ports}")]);
    // Ports of one name, whose names in DPDK follow from it.
    refused(
        "[[port]]\nname = \"a\"\ndevice = \"e0\"\n[[port]]\nname = \"a\"\ndevice = \"e1\"\n",
        &["m.toml:5:8: a second port is named \"a\"; rename one; the first is at m.toml:2:8"],
    );
}

#[test]
fn a_text_of_any_length_is_shown_by_its_beginning() {
    let (shown, long) = ("ä".repeat(128), "ä".repeat(1_000_000));
    refused_beside_a_port(
        &format!("[log]\nlevel = \"{long}\"\n"),
        &[&format!(
            "m.toml:5:9: `level` is \"{shown}\"... of 1000000 characters; it takes \"error\", \"warn\", \"info\", \
             \"debug\" or \"trace\""
        )],
    );
}

#[test]
fn every_wrong_core_and_what_cores_may_be_is_told() {
    refused_beside_a_port(
        "[worker]\ncores = [-1, 2, 70000]\n",
        &[
            "m.toml:5:10: `cores[0]` is -1; it takes a whole number from 0 to 1023",
            "m.toml:5:17: `cores[2]` is 70000; it takes a whole number from 0 to 1023",
        ],
    );
    refused_beside_a_port(
        "[worker]\ncores = \"all\"\n",
        &["m.toml:5:9: `cores` is \"all\"; it takes \"auto\" or a list of core numbers like [2, 3]"],
    );
    refused_beside_a_port(
        "[paths]\nlive = true\n",
        &[
            "m.toml:5:8: `live` is true; it takes false, or an absolute path, like \"/var/lib/manifold/live.toml\"",
        ],
    );
}
