//! What is read of a run, and the settings of every figure.

use super::*;
use crate::figures::{FIGURES, Party};

fn port(name: &str, frames: &[(&str, u64)], drops: &[(&str, u64)]) -> PortCounters {
    let map = |pairs: &[(&str, u64)]| pairs.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect();
    let (frames, drops) = (map(frames), map(drops));
    let empty = || map(&[]);
    PortCounters {
        port: name.to_owned(),
        frames,
        drops,
        losses: empty(),
        igmp_received: empty(),
        igmp_sent: empty(),
        verdicts: empty(),
    }
}

#[test]
fn sample_counts_copies_without_what_control_sent() {
    let ports = vec![
        port("source", &[("rx-frames", 9), ("forwarded", 7)], &[("no-member", 2)]),
        port("sink-1", &[("tx-frames", 9), ("injected", 2)], &[("tx-full", 1), ("punt-full", 9)]),
        port("hosts", &[], &[("punt-policed", 5)]),
    ];
    let counters = CountersReply { ports };
    let sample = Sample::read(&counters, 1).unwrap();
    assert_eq!((sample.forwarded, sample.copies, sample.dropped), (7, vec![7], 3));
    assert_eq!((sample.received, sample.sent), (9, vec![9]));
    assert!(Sample::read(&counters, 2).is_none(), "there is no second sink");
}

fn work(party: Party, source: Source) -> Work {
    Work {
        seat: Seat::Ours,
        party,
        source,
        looped: "/tmp/x/looped.pcap".into(),
        finite: "/tmp/x/finite.pcap".into(),
        counted: 10,
        fan_out: 4,
        cores: Cores { main: 0, forward: 1 },
        warm_up: Duration::ZERO,
        window: Duration::ZERO,
        scratch: "/tmp/x".into(),
        hosts: None,
        stamp: None,
    }
}

#[test]
fn settings_pass_and_say_what_the_peer_needs() {
    let settings = Manifold::read_settings(&work(FIGURES[0].ours, Source::Pcap)).unwrap();
    assert_eq!(settings.ports.len(), 5);
    assert_eq!(settings.upstream_port().unwrap().name, "source");
    assert_eq!(settings.ports[4].static_groups.iter().map(|g| g.addr()).collect::<Vec<_>>(), [GROUP]);
}

#[test]
fn settings_of_every_figure_pass() {
    for figure in FIGURES {
        for party in figure.parties() {
            let settings = Manifold::read_settings(&work(*party, figure.source)).unwrap();
            let statics = settings.ports.iter().filter(|port| !port.static_groups.is_empty()).count();
            assert_eq!(statics, if figure.source == Source::Pcap { 4 } else { 0 }, "{figure}");
        }
    }
}
