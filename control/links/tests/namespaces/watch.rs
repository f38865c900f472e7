//! Events of real interfaces.

use links::{LinkChange, LinkEvent, LinkWatch, inspect};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::common::{client, inside, sh};

/// Waits until `last` has been told of the interface, and gives all that was told of it on the way.
fn changes_until(watch: &mut LinkWatch, name: &str, last: &LinkChange) -> Vec<LinkChange> {
    let mut told: Vec<LinkEvent> = Vec::new();
    while !told.iter().any(|event| event.name == name && event.change == *last) {
        let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
        let told_by = watch.fd().expect("a socket");
        let ready = poll(&mut [PollFd::new(&told_by, PollFlags::IN)], Some(&patience)).unwrap();
        assert!(ready > 0, "{last:?} of {name} never came; told: {told:?}");
        told.extend(watch.poll());
    }
    told.into_iter().filter(|event| event.name == name).map(|event| event.change).collect()
}

#[test]
fn carrier_comes_and_goes_with_the_peer() {
    inside("watch::carrier_comes_and_goes_with_the_peer", || {
        let mut watch = LinkWatch::new().unwrap();
        assert_eq!(watch.poll(), []);
        sh("ip link add v0 type veth peer name v1; ip link set dev v0 up; ip link set dev v1 up");
        let told = changes_until(&mut watch, "v0", &LinkChange::Up);
        assert_eq!(told, [LinkChange::Appeared, LinkChange::Up]);
        let index = inspect("v0").unwrap().index;
        assert_eq!(watch.is_up(index), Some(true));

        sh("ip link set dev v1 down");
        assert_eq!(changes_until(&mut watch, "v0", &LinkChange::Down), [LinkChange::Down], "carrier");
        assert_eq!(watch.is_up(index), Some(false));
        sh("ip link set dev v1 up");
        assert_eq!(changes_until(&mut watch, "v0", &LinkChange::Up), [LinkChange::Up]);
        sh("ip link set dev v0 down");
        assert_eq!(changes_until(&mut watch, "v0", &LinkChange::Down), [LinkChange::Down], "set down");

        sh("ip link set dev v0 mtu 1400; ip link set dev v0 name w0");
        let told = changes_until(&mut watch, "w0", &LinkChange::Renamed("v0".to_owned()));
        assert_eq!(told.len(), 1);
        sh("ip link del dev w0");
        assert_eq!(changes_until(&mut watch, "w0", &LinkChange::Vanished), [LinkChange::Vanished]);
        assert_eq!(watch.is_up(index), None);
    });
}

#[test]
fn a_macvlan_follows_the_interface_below() {
    inside("watch::a_macvlan_follows_the_interface_below", || {
        sh("ip link add v0 type veth peer name v1; ip link add mv0 link v0 type macvlan");
        let mut watch = LinkWatch::new().unwrap();
        sh("ip link set dev v0 up; ip link set dev v1 up; ip link set dev mv0 up");
        changes_until(&mut watch, "mv0", &LinkChange::Up);
        sh("ip link set dev v1 down");
        assert_eq!(changes_until(&mut watch, "mv0", &LinkChange::Down), [LinkChange::Down]);
        sh("ip link set dev v1 up");
        assert_eq!(changes_until(&mut watch, "mv0", &LinkChange::Up), [LinkChange::Up]);
        sh("ip link set dev v0 down");
        assert_eq!(changes_until(&mut watch, "mv0", &LinkChange::Down), [LinkChange::Down]);
    });
}

#[test]
fn moving_to_another_namespace_is_vanishing_and_leaving_a_bridge_is_not() {
    inside("watch::moving_to_another_namespace_is_vanishing_and_leaving_a_bridge_is_not", || {
        sh("ip link add v0 type veth peer name v1; ip link add br0 type bridge");
        let mut watch = LinkWatch::new().unwrap();
        sh("ip link set dev v0 master br0; ip link set dev v0 nomaster; ip link set dev v0 mtu 1300");
        let told = changes_until(&mut watch, "v0", &LinkChange::MtuChanged(1300));
        assert_eq!(told, [LinkChange::MtuChanged(1300)]);
        sh(&format!("ip link set dev v0 netns {}", client()));
        changes_until(&mut watch, "v0", &LinkChange::Vanished);
    });
}

#[test]
fn no_final_state_is_missed_when_notifications_are_lost() {
    inside("watch::no_final_state_is_missed_when_notifications_are_lost", || {
        sh("ip link add v0 type veth peer name v1; ip link set dev v0 up; ip link set dev v1 up
            ip link add w0 type veth peer name w1");
        let mut watch = LinkWatch::new().unwrap();
        // More than the socket's buffer holds.
        let changes: String =
            (0..3000).map(|i| format!("link set dev w0 mtu {}\n", 1000 + i % 400)).collect();
        let batch = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(batch.path(), changes).unwrap();
        sh(&format!("ip -batch {}", batch.path().display()));
        sh("ip link del dev w0; ip link set dev v0 mtu 1234; ip link add x0 type veth peer name x1");
        let events = watch.poll();
        let told =
            |name: &str, change: &LinkChange| events.iter().any(|e| e.name == name && e.change == *change);
        assert!(events.len() < 3000, "nothing was lost, so this test shows nothing");
        assert!(told("v0", &LinkChange::MtuChanged(1234)));
        assert!(told("w0", &LinkChange::Vanished));
        assert!(told("x0", &LinkChange::Appeared));
        assert_eq!(watch.poll(), [], "told once");
    });
}
