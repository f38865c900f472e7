//! A replay is the same whenever, wherever and by whomever it is run.

use crate::story;
use crate::support::frames::{GROUP, data};
use crate::support::replay::Replay;

#[test]
fn two_runs_are_equal_byte_for_byte() {
    let replay = story::steps();
    assert_eq!(replay.run(), replay.run());
}

#[test]
fn a_user_without_privilege_gets_the_same() {
    let replay = story::steps();
    assert_eq!(replay.run(), replay.run_as_nobody());
}

#[test]
fn hugepages_devices_and_cores_are_not_asked_for() {
    // None of these could start live on any machine.
    let lines = "[eal]\nhugepages = \"require\"\nmemory-mb = 1000000\n[worker]\ncores = [1022]\n";
    let replay = Replay::new().at(0.0, "wan", data(GROUP, 0)).until(40.0);
    assert_eq!(replay.run(), replay.proxy(lines).run());
}
