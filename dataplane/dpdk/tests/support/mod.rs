//! A process of its own for each test that needs EAL, and capture files to feed it.

#![allow(dead_code)] // Not every test binary uses all of it.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use dpdk::{Burst, Eal, Mempool, Port, PortConfig, PortError, Queues, RxQueue};

const CHILD: &str = "DPDK_TEST_CHILD";

/// Runs `body` in a process of its own: EAL can be had once in each. `name` is the calling test's.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    run(name, Command::new(env::current_exe().expect("this test")), body);
}

/// As [`alone`], in a network namespace of its own, which goes with the process. Needs root, or a kernel that lets
/// users have namespaces.
pub(crate) fn alone_in_network(name: &str, body: impl FnOnce()) {
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "--"]).arg(env::current_exe().expect("this test"));
    run(name, command, body);
}

fn run(name: &str, mut command: Command, body: impl FnOnce()) {
    if env::var(CHILD).is_ok_and(|child| child == name) {
        return body();
    }
    let runtime = tempfile::tempdir().expect("a folder for EAL's files");
    let output = command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .env("RUNTIME_DIRECTORY", runtime.path())
        .output()
        .expect("a process for the test");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{name}: {}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    assert!(text(&output.stdout).contains("1 passed"), "{name} was not found by its name");
}

/// EAL without hugepages and PCI, with `vdevs`.
pub(crate) fn eal(vdevs: &[&str]) -> Eal {
    Eal::init(&eal_args(vdevs)).expect("EAL")
}

pub(crate) fn eal_args(vdevs: &[&str]) -> Vec<String> {
    let lcore = format!("0@{}", first_cpu());
    let mut args: Vec<String> =
        ["--lcores", &lcore, "--no-huge", "-m", "64", "--no-pci", "--no-telemetry"].map(String::from).into();
    args.extend(vdevs.iter().map(|vdev| format!("--vdev={vdev}")));
    args
}

/// The first CPU that this process may use; a container may not have CPU 0.
pub(crate) fn first_cpu() -> usize {
    let cpus = rustix::thread::sched_getaffinity(None).expect("the CPUs of this process");
    (0..rustix::thread::CpuSet::MAX_CPU).find(|&cpu| cpus.is_set(cpu)).expect("a CPU")
}

pub(crate) fn pool(eal: &Eal) -> Mempool {
    Mempool::new(eal, "pool", 2047, 64, 2048, None).expect("a pool")
}

/// Opens and starts the port of a device.
pub(crate) fn start(eal: &Eal, device: &str, pool: &Mempool) -> (Port, Queues) {
    let id = eal.port_by_name(device).unwrap_or_else(|| panic!("{device} is not there"));
    let mut port = Port::open(eal, id).expect("a port");
    let queues = port.start(&PortConfig::new(pool.clone())).expect("queues");
    (port, queues)
}

/// Whether net_ring0 is refused, as it must be where references are not counted atomically: what it sends, another
/// thread may receive. With such a DPDK that is all that can be tested with it.
pub(crate) fn ring_is_refused(eal: &Eal) -> bool {
    if dpdk::REFCNT_IS_ATOMIC {
        return false;
    }
    let id = eal.port_by_name("net_ring0").expect("net_ring0");
    for _ in 0..2 {
        let error = Port::open(eal, id).expect_err("net_ring0 opens");
        assert!(matches!(error, PortError::Ownership(_)), "{error}");
        assert!(error.to_string().starts_with("net_ring0: the driver net_ring "), "{error}");
    }
    let there = eal.ports();
    for _ in 0..2 {
        let error = eal.attach("net_ring7").expect_err("net_ring7 is attached");
        assert!(matches!(error, PortError::Ownership(_)), "{error}");
        assert_eq!(eal.ports(), there, "nothing of it stays");
    }
    true
}

/// Receives until the source has had nothing for a while.
pub(crate) fn receive_all(rx: &mut RxQueue) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut burst: Burst = Burst::new();
    let mut idle = 0;
    while idle < 4 {
        idle = if rx.rx_burst(&mut burst) == 0 { idle + 1 } else { 0 };
        frames.extend(burst.drain().map(|mbuf| mbuf.data().to_vec()));
    }
    frames
}

/// `n` frames of different lengths and contents.
pub(crate) fn frames(n: usize) -> Vec<Vec<u8>> {
    (0..n).map(|i| (0..60 + i % 1300).map(|byte| (byte * 7 + i) as u8).collect()).collect()
}

/// Writes a capture file of Ethernet frames, one microsecond apart.
pub(crate) fn write_pcap(path: &Path, frames: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    let word = |bytes: &mut Vec<u8>, v: u32| bytes.extend(v.to_le_bytes());
    for v in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1] {
        word(&mut bytes, v);
    }
    for (i, frame) in frames.iter().enumerate() {
        for v in [0, i as u32, frame.len() as u32, frame.len() as u32] {
            word(&mut bytes, v);
        }
        bytes.extend(frame);
    }
    fs::write(path, bytes).expect("a capture file");
}

/// The frames of a capture file.
pub(crate) fn read_pcap(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).expect("a capture file");
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    assert!([0xa1b2_c3d4, 0xa1b2_3c4d].contains(&word(0)), "not a capture file");
    let mut frames = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let len = word(at + 8) as usize;
        frames.push(bytes[at + 16..at + 16 + len].to_vec());
        at += 16 + len;
    }
    frames
}
