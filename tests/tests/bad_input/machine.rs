//! Settings that pass on a machine that does not: exit status 1, and the machine as it was.

use std::fs;

use crate::clean::{Fault, assert_clean, assert_refused};
use crate::process::{Place, Running};
use crate::program;

#[test]
fn a_good_instance_starts_and_leaves_nothing() {
    // What every refusal here is one step away from.
    let place = Place::new();
    Running::start(&place, &place.null_settings()).stop();
    assert_clean(&place);
}

#[test]
fn hugepages_required_and_not_there() {
    let place = Place::new();
    // More than any machine has.
    let settings = place.null_settings().replacen("\"no\"", "\"require\"\nmemory-mb = 1048576", 1);
    let parts = ["hugepages are free", "`hugepages` is \"require\"", "sysctl vm.nr_hugepages=524296"];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
    let check = &mut program::manifold(place.folder());
    check.current_dir(place.folder()).args(["check", "-c", "manifold.toml"]);
    assert_refused(&place, check, Fault::Machine, &parts);
}

#[test]
fn a_nic_without_hugepages() {
    let place = Place::new();
    let settings = place.null_settings().replacen("net_null1", "0000:7f:1f.7", 1);
    let parts =
        ["port \"hall-a\" is a PCI device, which needs hugepages", "set `hugepages` in [eal] to \"auto\""];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
}

#[test]
fn memory_too_small_for_the_ports() {
    let place = Place::new();
    let settings = place.null_settings().replacen("\"no\"", "\"no\"\nmemory-mb = 16", 1);
    let parts = ["`memory-mb` in [eal] is 16", "buffers alone take 18 MiB", "set it to 43, or leave it out"];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
    let check = &mut program::manifold(place.folder());
    check.current_dir(place.folder()).args(["check", "-c", "manifold.toml"]);
    assert_refused(&place, check, Fault::Machine, &parts);
    // As much as that is not all that DPDK takes.
    let settings = settings.replacen("= 16", "= 20", 1);
    let parts = ["no memory for 8191 buffers", "raise `memory-mb` in [eal]"];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
}

#[test]
fn an_interface_that_is_not_there() {
    let place = Place::new();
    let settings = place.null_settings().replacen("net_null1", "nosuchport0", 1);
    let parts = ["port \"hall-a\": there is no interface `nosuchport0`"];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
}

#[test]
fn a_virtual_device_whose_driver_refuses_it() {
    let place = Place::new();
    let settings = place.null_settings().replacen("net_null1", "net_pcap1,rx_pcap=/nowhere/in.pcap", 1);
    let parts = ["port \"hall-a\": ", "net_pcap1", "/nowhere/in.pcap: No such file or directory"];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
}

#[test]
fn a_core_that_is_not_there() {
    let place = Place::new();
    let settings = place.null_settings() + "[worker]\ncores = [1023]\n";
    let parts = ["`cores` names core 1023, which this process may not use; it may use "];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
}

#[test]
fn an_instance_that_runs_already() {
    let place = Place::new();
    let settings = place.null_settings();
    let running = Running::start(&place, &settings);
    let pid = running.ask("show-status")["pid"].as_u64().expect("a process id");
    let second = crate::process::refused(&mut place.run(&settings));
    assert_eq!(second.code, Some(1));
    assert_eq!(
        second.message,
        format!(
            "instance `{}` is running already as process {pid}; stop it, or start this one under another name",
            place.instance
        )
    );
    // The first noticed nothing: it still answers on its own socket.
    assert_eq!(running.ask("show-status")["pid"].as_u64(), Some(pid));
    running.stop();
    assert_clean(&place);
    // And its place is free.
    Running::start(&place, &settings).stop();
}

#[test]
fn a_socket_that_cannot_be_made() {
    let place = Place::new();
    fs::write(place.folder().join("file"), b"").unwrap();
    let folder = place.folder().display().to_string();
    for (section, parts) in [
        (
            format!("path = \"{folder}/file/m.sock\""),
            ["cannot listen on ", "make its folder, or set [socket] path to a place that can be written"],
        ),
        (
            "path = \"/proc/manifold/m.sock\"".to_owned(),
            ["cannot listen on /proc/manifold/m.sock: ", "make its folder, or set [socket] path"],
        ),
        (
            "group = \"no-such-group\"".to_owned(),
            ["there is no group `no-such-group`", "name a group of /etc/group in [socket] group"],
        ),
    ] {
        let settings = format!("{}[socket]\n{section}\n", place.null_settings());
        assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
    }
}

#[test]
fn a_run_directory_that_cannot_be_made() {
    let place = Place::new();
    let run_dir = format!("run-dir = \"{}\"", place.run_dir().display());
    let settings = place.null_settings().replacen(&run_dir, "run-dir = \"/proc/manifold\"", 1);
    let parts = ["cannot use `/proc/manifold`: ", "run as root, or set another run directory"];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
}

#[test]
fn no_privilege() {
    let place = Place::new();
    let run_dir = format!("run-dir = \"{}\"\n", place.run_dir().display());
    let settings = place.null_settings().replacen(&run_dir, "", 1);
    let mut command = program::manifold_as_nobody(place.folder());
    place.complete(&mut command, &settings);
    let parts = [&format!("cannot use `/run/manifold-{}`: Permission denied", place.instance), "run as root"];
    assert_refused(&place, &mut command, Fault::Machine, &parts.map(|part| part));
}

#[test]
fn virtual_ports_need_no_privilege() {
    let place = Place::new();
    let settings = place.null_settings();
    let mut command = program::manifold_as_nobody(place.folder());
    place.complete(&mut command, &settings);
    let running = Running::start_command(&place, &mut command);
    assert_eq!(running.ask("show-status")["instance"], place.instance);
    running.stop();
    assert_clean(&place);
}

#[test]
fn a_core_that_this_process_may_not_use() {
    let place = Place::new();
    let settings = place.null_settings() + "[worker]\ncores = [1023]\n";
    let parts = ["`cores` names core 1023, which this process may not use", "it may use 0"];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
}

#[cfg(not(feature = "own-dpdk"))]
#[test]
fn fewer_transmit_queues_than_workers() {
    let place = Place::new();
    let settings = place.null_settings().replacen("net_null1", "net_pcap1,tx_pcap=out.pcap", 1);
    let settings = settings + "[worker]\ncores = [0, 1]\n";
    let parts = [
        "port \"hall-a\": net_pcap1,tx_pcap=out.pcap has 1 transmit queue, and 2 workers need one each",
        "name a file of its own for each with `tx_pcap=` 2 times",
        "or name one core in [worker] `cores`",
    ];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
}

#[cfg(not(feature = "own-dpdk"))]
#[test]
fn several_workers_on_a_device_that_is_safe_for_one() {
    let place = Place::new();
    let socket = place.folder().join("far.sock");
    let device = format!("net_memif1,role=server,socket={},socket-abstract=no", socket.display());
    let settings = place.null_settings().replacen("net_null1", &device, 1) + "[worker]\ncores = [0, 1]\n";
    let parts = ["has 1 transmit queue, and 2 workers need one each; name one core in [worker] `cores`"];
    assert_refused(&place, &mut place.run(&settings), Fault::Machine, &parts);
}
