//! b8: Manifold's forwarder while its group table is written, so many times a second.
//!
//! No IGMP comes to a million a second here, so the writer's end of the table is called as the control thread calls it,
//! from the other core. The reader is the worker's own pass (screen, look up, rewrite, replicate) on plain buffers,
//! without devices: what a look-up loses to the writer weighs more in it than in a pass that also receives and sends.
//! Half of the writes change entries that the data is looked up in, half make entries and take them away.
//!
//! All is one process, one forwarder, one table. The machine's rate drifts by more than a write costs: so the other core is
//! told something else every 10 ms, over and over (see [`orders`]). At rest it spins: what differs is the writing. What its
//! spinning and its writing take by themselves is measured beside it: a core that sleeps, and one that writes a table that nobody reads.

mod forwarder;
mod orders;
mod writer;

use std::sync::Arc;
use std::sync::mpsc;

use etherparse::PacketBuilder;
use forwarding::{
    Forwarder, ForwarderParts, ForwardingPolicy, Ingress, IngressSettings, Policer, frame_ring,
    worker_counters,
};
use group_table::{GroupTableReader, PortMasks, TableSettings, group_table_sized};
use types::{GroupAddr, MacAddr, PortSet};

use self::forwarder::{Reader, Sum};
use self::orders::{Beside, End, Orders, TURNS};
use self::writer::{PASSING, Pace, Writer};
use crate::error::BenchError;
use crate::live::port;
use crate::machine::pin;
use crate::side::{Trial, Work};
use crate::stats::Spread;
use crate::thread::Told;

const SIDE: &str = "the forwarder";
const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xaa]);
const FIRST_GROUP: u32 = 0xef10_0000; // 239.16.0.0
/// Turns of a trial of a second: there are two kinds of them more than trials, and so many of 10 ms tell enough.
const A_SECOND: f64 = 42.0;

/// What else a round came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aside {
    /// Writes a second, of the table that is read.
    made: f64,
    /// What a write takes of the forwarder's time, in nanoseconds.
    write_ns: f64,
    /// Its rate beside a core that sleeps, by its rate beside one that spins.
    idle: f64,
    /// The same beside one that writes another table.
    elsewhere: f64,
    /// What the kernel did to its thread at rest, and while the table was written.
    told: [Told; 2],
}

/// Runs a round with `updates` writes a second: trials at rest, under writes, under writes and at rest, in slices.
///
/// # Errors
/// A copy is missing, or a signal came.
pub(crate) fn round(work: &Work, updates: u32) -> Result<([Trial; 4], Aside), BenchError> {
    let (mut reader, mut here) = make(work, updates)?;
    // Whose reader is gone: nobody has to have passed what it takes away.
    let (_, mut elsewhere) = make(work, updates)?;
    let slices = ((work.window.as_secs_f64() * A_SECOND) as usize).max(1);
    let cores = work.cores;
    let sums = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel::<Arc<Orders>>();
        let writer = scope.spawn(move || {
            pin(cores.main)?;
            // Without orders there is nobody to obey.
            let Ok(orders) = receiver.recv() else { return Ok(()) };
            let _end = End(&orders);
            writer::obey(&orders, &mut here, &mut elsewhere)
        });
        let orders = Arc::new(Orders::new(writer.thread().clone()));
        let worker = scope.spawn(move || {
            let _end = End(&orders);
            pin(cores.forward)?;
            // The writer may have ended: then its error is told.
            let _ = sender.send(Arc::clone(&orders));
            reader.run(slices, &orders)
        });
        let read = worker.join();
        let (Ok(wrote), Ok(read)) = (writer.join(), read) else {
            return Err(BenchError::machine("a thread panicked", "report it"));
        };
        wrote.and(read)
    })?;
    Ok(evaluate(&sums, work.fan_out, updates))
}

/// The trials, and the rest.
fn evaluate(sums: &[Sum; TURNS.len()], fan_out: usize, updates: u32) -> ([Trial; 4], Aside) {
    let rate = |sum: Sum| sum.per_second(sum.frames);
    let mean = |beside: Beside| beside.of(sums).map(rate).sum::<f64>() / beside.of(sums).count() as f64;
    let [rest, written] = [Beside::Spinning, Beside::Writing].map(mean);
    let made = Beside::Writing.of(sums).map(|sum| sum.per_second(sum.writes)).sum::<f64>() / 2.0;
    let trial = |sum: Sum| {
        let copies_per_s = rate(sum) * fan_out as f64;
        Trial { copies_per_s, ..Trial::default() }
    };
    let held_up = Some(f64::from(updates) / made);
    let under = |sum: Sum| Trial { held_up, ..trial(sum) };
    let told = |beside: Beside| {
        let mut all = Told::default();
        beside.of(sums).for_each(|sum| all += sum.told);
        all
    };
    let [first, one, _, _, other, last] = *sums;
    let aside = Aside {
        made,
        write_ns: (1.0 - written / rest) * 1e9 / made,
        idle: mean(Beside::Idle) / rest,
        elsewhere: mean(Beside::Elsewhere) / rest,
        told: [Beside::Spinning, Beside::Writing].map(told),
    };
    ([trial(first), under(one), under(other), trial(last)], aside)
}

/// What the rounds' asides say, for the report.
pub(crate) fn notes(asides: &[Aside]) -> Vec<String> {
    let spread = |of: fn(&Aside) -> f64| Spread::of(asides.iter().map(of));
    let (made, ns) = (spread(|aside| aside.made), spread(|aside| aside.write_ns));
    let (idle, elsewhere) = (spread(|aside| aside.idle), spread(|aside| aside.elsewhere));
    let (Some(made), Some(ns), Some(idle), Some(elsewhere)) = (made, ns, idle, elsewhere) else {
        return Vec::new();
    };
    let mut told = [Told::default(); 2];
    for aside in asides {
        told.iter_mut().zip(aside.told).for_each(|(all, more)| *all += more);
    }
    vec![
        format!(
            "{:.0} writes a second were made; one takes {:.0} ns ({:.0} to {:.0}) of the forwarder\u{2019}s time",
            made.median, ns.median, ns.min, ns.max
        ),
        format!(
            "at rest the other core spins; beside one that sleeps the forwarder came to {:.3} ({:.3}-{:.3}) of that rate, beside one \
             that writes a table that nobody reads to {:.3} ({:.3}-{:.3})",
            idle.median, idle.min, idle.max, elsewhere.median, elsewhere.min, elsewhere.max
        ),
        format!("its thread at rest: {}; while the table was written: {}", told[0], told[1]),
    ]
}

fn group(number: u32) -> Result<GroupAddr, BenchError> {
    let group = GroupAddr::from_bits(FIRST_GROUP + number);
    group.ok_or_else(|| BenchError::machine(format!("there is no group {number}"), "ask for fewer"))
}

/// A forwarder with a member of each group on each sink; and who writes its table, so many times a second.
fn make(work: &Work, updates: u32) -> Result<(Reader, Writer), BenchError> {
    let (groups, fan_out) = (work.party.groups, work.fan_out);
    let max_groups = (groups + PASSING) as usize;
    let settings = TableSettings { max_groups, readers: 1, seed: 7 };
    let (mut table, readers) = group_table_sized(settings, max_groups);
    let reader = readers.into_iter().next().ok_or_else(|| BenchError::machine("no reader", "report it"))?;
    for number in 0..groups {
        for client in 1..=fan_out {
            table.set(group(number)?, port(client)?).map_err(|e| BenchError::delivery(SIDE, e))?;
        }
    }
    let frames =
        (0..groups).map(|number| frame(group(number)?, work.party.wire_len)).collect::<Result<_, _>>()?;
    let reader = Reader::new(forwarder(reader, fan_out)?, frames, fan_out)?;
    // No port that data goes to.
    let bystander = port(fan_out + 1)?;
    Ok((reader, Writer { table, groups, bystander, pace: Pace::new(updates) }))
}

/// One whose port 0 is the provider's, the others clients'.
fn forwarder(table: GroupTableReader, fan_out: usize) -> Result<Forwarder, BenchError> {
    let (masks, policy) = (Arc::new(PortMasks::new()), Arc::new(ForwardingPolicy::new(&[])));
    let mut forwarder = Forwarder::new(ForwarderParts {
        table,
        masks: Arc::clone(&masks),
        policy: Arc::clone(&policy),
        counters: worker_counters().0,
        router_mac: ROUTER,
    });
    let ingress = Ingress::new(&IngressSettings {
        mac: ROUTER,
        other_macs: Vec::new(),
        kernel_mac: None,
        own: vec![[10, 0, 0, 1].into()],
        address: Some([10, 0, 0, 1].into()),
        sources_allowed: Vec::new(),
        completes_udp: false,
    });
    let mut clients = PortSet::EMPTY;
    for index in 0..=fan_out {
        let (sender, _) = frame_ring(8);
        forwarder.add_port(port(index)?, ingress.clone(), sender, Policer::new(1, 1), 1500);
        if index > 0 {
            clients = clients.with(port(index)?);
        }
    }
    masks.set_forward(port(0)?, clients);
    policy.set_enabled(true);
    policy.set_source(port(0)?, true);
    Ok(forwarder)
}

fn frame(group: GroupAddr, wire_len: usize) -> Result<Vec<u8>, BenchError> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 9], group.mac().octets())
        .ipv4([10, 0, 0, 2], group.addr().octets(), 64)
        .udp(5000, 5000);
    let mut bytes = Vec::with_capacity(wire_len);
    // 46 are the check sequence and all headers.
    let written = builder.write(&mut bytes, &vec![0; wire_len.saturating_sub(46)]);
    written.map_err(|e| BenchError::machine(e, "report it"))?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::figures::{FIGURES, Source, Who};
    use crate::machine::Cores;
    use crate::side::Seat;

    /// A forwarder's, with paths that nobody looks at.
    pub(crate) fn work() -> Work {
        let figure = FIGURES.iter().find(|f| matches!(f.ours.who, Who::Forwarder { .. })).unwrap();
        let core = Cores::pick().map_or(0, |cores| cores.main);
        Work {
            seat: Seat::Ours,
            party: figure.ours,
            source: Source::Memory,
            looped: "/nonexistent".into(),
            finite: "/nonexistent".into(),
            counted: 0,
            fan_out: figure.fan_out,
            cores: Cores { main: core, forward: core },
            warm_up: Duration::ZERO,
            window: Duration::ZERO,
            scratch: "/nonexistent".into(),
            hosts: None,
            stamp: None,
        }
    }

    #[test]
    fn every_frame_goes_to_every_sink_while_the_table_is_written() {
        let (trials, aside) = round(&work(), 100_000).unwrap();
        assert!(trials.iter().all(|trial| trial.copies_per_s > 0.0));
        assert!(aside.made > 0.0 && aside.idle > 0.0 && aside.elsewhere > 0.0, "{aside:?}");
    }

    #[test]
    fn a_write_costs_what_the_forwarder_loses_to_it() {
        let of =
            |frames, writes| Sum { frames, writes, length: Duration::from_secs(2), told: Told::default() };
        // The turns: spinning, writing, elsewhere, idle, writing, spinning.
        let sums = [of(900, 0), of(950, 2000), of(990, 2000), of(1010, 0), of(950, 2000), of(1100, 0)];
        let (trials, aside) = evaluate(&sums, 4, 1010);
        assert_eq!(trials.map(|trial| trial.copies_per_s), [1800.0, 1900.0, 1900.0, 2200.0]);
        assert_eq!(trials.map(|trial| trial.held_up), [None, Some(1.01), Some(1.01), None]);
        assert!((aside.write_ns - 50_000.0).abs() < 1e-3 && aside.made == 1000.0, "{aside:?}");
        assert_eq!((aside.idle, aside.elsewhere), (1.01, 0.99));
        let notes = notes(&[aside]);
        assert!(notes[0].starts_with("1000 writes a second were made; one takes 50000 ns"), "{notes:?}");
        assert_eq!(super::notes(&[]), [""; 0]);
    }

    #[test]
    fn writes_touch_the_data_and_make_entries_and_take_them_away() {
        let (reader, mut writer) = make(&work(), 0).unwrap();
        let groups = work().party.groups;
        let members = |writer: &Writer, number| writer.table.members(group(number).unwrap());
        writer.change(0).unwrap();
        writer.change(1).unwrap();
        assert!(members(&writer, 0).contains(writer.bystander));
        assert_eq!(members(&writer, groups), PortSet::EMPTY.with(writer.bystander));
        let later = 2 * u64::from(PASSING);
        writer.change(later + 1).unwrap();
        assert_eq!(members(&writer, groups), PortSet::EMPTY);
        drop(reader);
    }
}
