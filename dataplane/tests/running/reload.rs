//! Ports on virtual devices come, change and fail to come while `manifold run` goes on.

use api::{ChangedReply, ClientError};

use crate::harness::{Running, port};

#[test]
fn virtual_ports_come_and_change_and_one_that_cannot_leaves_all_as_it_was() {
    let running = Running::start();
    let two = running.ports();
    assert_eq!(two.len(), 2);

    let with = |device: &str| port("hall-b", device);
    let second = running.device(2, "in.pcap");
    let added = running.reload(&with(&second)).unwrap();
    assert!(added.applied.iter().any(|line| line.contains("hall-b")), "{added:?}");
    let three = running.ports();
    assert_eq!(three[2], ("hall-b".to_owned(), second));

    // One that does not open, in place of one that runs: that one runs on.
    let broken = running.device(3, "missing.pcap");
    let Err(ClientError::Refused(said)) = running.reload(&with(&broken)) else { panic!("not refused") };
    assert!(said.details.iter().any(|line| line.contains("missing.pcap")), "{said:?}");
    assert_eq!(running.ports(), three);
    running.wait_for_log("port=\"hall-b\" up=true");

    // A PCI device where DPDK was started without: the cure is named.
    let Err(ClientError::Refused(said)) = running.reload(&port("hall-c", "0000:3b:00.0")) else {
        panic!("not refused")
    };
    assert!(said.details.iter().any(|line| line.contains("without PCI")), "{said:?}");

    let third = running.device(3, "in.pcap");
    running.reload(&with(&third)).unwrap();
    assert_eq!(running.ports()[2], ("hall-b".to_owned(), third));
    let removed = running.reload("").unwrap();
    assert!(removed.removal_us.is_some(), "{removed:?}");
    assert_eq!(running.ports(), two);
}

#[test]
fn the_logs_level_follows() {
    let running = Running::start();
    let changed = running.reload("[log]\nlevel = \"error\"\n").unwrap();
    assert!(changed.applied.iter().any(|line| line.contains("level is \"error\"")), "{changed:?}");
    let second = port("hall-b", &running.device(2, "in.pcap"));
    running.reload(&format!("{second}[log]\nlevel = \"error\"\n")).unwrap();
    running.reload("[log]\nlevel = \"info\"\n").unwrap();
    let log = running.wait_for_log("port \"hall-b\" goes");
    assert!(!log.contains("port \"hall-b\" comes"), "{log}");
}

#[test]
fn a_doubt_that_comes_with_a_change_is_told_in_the_reply_and_once() {
    let running = Running::start();
    let doubtful = "require-on-link-source = true\n";
    let changed = running.reload(doubtful).unwrap();
    let [doubt] = &changed.warnings[..] else { panic!("{changed:?}") };
    assert!(doubt.contains("manifold.toml:") && doubt.contains("set `address`"), "{doubt}");
    assert!(running.wait_for_log("set `address`").contains(doubt));
    let again = running.reload(doubtful).unwrap();
    // Nothing changes, and whoever looked before knows what is in force.
    assert_eq!(again, ChangedReply { revision: changed.revision, ..ChangedReply::default() });
}
