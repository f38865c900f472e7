//! Unfinished UDP checksums: completed on the ports that say so, and there alone.

use super::bench::{Bench, group, port, settings, with_checksum};
use crate::unfinished::tests::unfinished;
use crate::{Ingress, IngressSettings};

#[test]
fn unfinished_checksums_are_completed_and_counted_where_the_port_says_so() {
    let mut b = Bench::new();
    b.table.set(group("239.2.2.2"), port(1)).unwrap();
    let frame = || with_checksum(unfinished(b"seven TS packets", 0));
    b.pass(0, [frame(), frame()]);
    let as_it_came = b.sent();
    assert_eq!(as_it_came.len(), 2);
    assert!(as_it_came.iter().all(|(sent, _)| sent[40..] == frame()[40..]));
    assert_eq!(b.counters.snapshot(port(0)).udp_completed, 0);

    let ingress = || Ingress::new(&IngressSettings { completes_udp: true, ..settings() });
    b.forwarder.set_ingress(port(0), ingress());
    b.pass(0, [frame(), frame()]);
    let completed = b.sent();
    assert_eq!(completed.len(), 2);
    assert!(completed.iter().all(|(sent, _)| sent[40..42] != frame()[40..42] && sent[42..] == frame()[42..]));
    assert_eq!(b.counters.snapshot(port(0)).udp_completed, 2);
    // Such frames again: there is nothing to do.
    let again = |(mut sent, _): (Vec<u8>, _)| {
        sent[6..12].copy_from_slice(&frame()[6..12]);
        sent
    };
    b.pass(0, completed.into_iter().map(again));
    assert_eq!(b.sent().len(), 2);
    assert_eq!(b.counters.snapshot(port(0)).udp_completed, 2);
    b.assert_balanced();
}
