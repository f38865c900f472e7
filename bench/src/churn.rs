//! b8: Manifold's forwarder while its group table is written, so many times a second.
//!
//! No IGMP comes to a million a second here, so the writer's end of the table is called as the control thread calls it,
//! from the other core. The reader is the worker's own pass (screen, look up, rewrite, replicate) on plain buffers,
//! without devices: what a look-up loses to the writer weighs more in it than in a pass that also receives and sends.
//! Half of the writes change entries that the data is looked up in, half make entries and take them away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dataplane::sizes::HOUSEKEEPING;
use etherparse::PacketBuilder;
use forwarding::{
    BURST, Egress, Forwarder, ForwarderParts, ForwardingPolicy, Ingress, IngressSettings, OwnedBurst,
    OwnedFrame, Policer, frame_ring, worker_counters,
};
use group_table::{GroupTableWriter, PortMasks, TableSettings, group_table_sized};
use types::{GroupAddr, MacAddr, PortIndex, PortSet, Time};

use crate::chance::Chance;
use crate::error::BenchError;
use crate::live::port;
use crate::machine::pin;
use crate::side::{Trial, Work};

const SIDE: &str = "the forwarder";
const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xaa]);
const FIRST_GROUP: u32 = 0xef10_0000; // 239.16.0.0
/// Groups that come and go, beside those of the data.
const PASSING: u32 = 4096;
/// Writes between two reclamations, as in a turn of the control thread.
const WRITES_A_TURN: u64 = 64;
/// The writer must do so much of what it was asked for.
const KEPT_UP: f64 = 0.99;

/// Runs one trial with `updates` writes a second.
///
/// # Errors
/// A copy is missing, the writer did not keep up, or a signal came.
pub(crate) fn trial(work: &Work, updates: u32) -> Result<Trial, BenchError> {
    let (reader, mut writer) = make(work)?;
    let stop = AtomicBool::new(false);
    let (cores, warm_up, length) = (work.cores, work.warm_up, work.warm_up + work.window);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            pin(cores.forward)?;
            reader.run(warm_up, &stop)
        });
        let wrote = scope.spawn(|| {
            pin(cores.main)?;
            writer.write(updates, length)
        });
        let wrote = wrote.join();
        stop.store(true, Ordering::Relaxed);
        let (Ok(wrote), Ok(read)) = (wrote, worker.join()) else {
            return Err(BenchError::machine("a thread panicked", "report it"));
        };
        wrote?;
        Ok(Trial { copies_per_s: read?, ..Trial::default() })
    })
}

fn group(number: u32) -> Result<GroupAddr, BenchError> {
    let group = GroupAddr::from_bits(FIRST_GROUP + number);
    group.ok_or_else(|| BenchError::machine(format!("there is no group {number}"), "ask for fewer"))
}

/// A forwarder whose port 0 is the provider's, with a member of each group on each sink; and who writes its table.
fn make(work: &Work) -> Result<(Reader, Writer), BenchError> {
    let (groups, fan_out) = (work.party.groups, work.fan_out);
    let max_groups = (groups + PASSING) as usize;
    let settings = TableSettings { max_groups, readers: 1, seed: 7 };
    let (mut table, readers) = group_table_sized(settings, max_groups);
    let (masks, policy) = (Arc::new(PortMasks::new()), Arc::new(ForwardingPolicy::new(&[])));
    let reader = readers.into_iter().next().ok_or_else(|| BenchError::machine("no reader", "report it"))?;
    let mut forwarder = Forwarder::new(ForwarderParts {
        table: reader,
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
    for number in 0..groups {
        for client in clients {
            table.set(group(number)?, client).map_err(|e| BenchError::delivery(SIDE, e))?;
        }
    }
    let frames =
        (0..groups).map(|number| frame(group(number)?, work.party.wire_len)).collect::<Result<_, _>>()?;
    // Of a port that data never goes to.
    let bystander = port(fan_out + 1)?;
    Ok((Reader { forwarder, frames, fan_out }, Writer { table, groups, bystander }))
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

/// Counts copies, and keeps the buffers for the next burst.
struct Copies {
    copies: u64,
    buffers: Vec<OwnedFrame>,
}

impl Egress<OwnedFrame> for Copies {
    #[inline]
    fn replicate(&mut self, frames: impl Iterator<Item = OwnedFrame>, _bytes: u64, ports: PortSet) {
        let before = self.buffers.len();
        self.buffers.extend(frames);
        self.copies += (self.buffers.len() - before) as u64 * u64::from(ports.len());
    }
}

/// The worker's side.
struct Reader {
    forwarder: Forwarder,
    /// One for each group, as it is received.
    frames: Vec<Vec<u8>>,
    fan_out: usize,
}

impl Reader {
    /// Forwards until told to stop. Copies a second, from the end of the warm-up on.
    fn run(mut self, warm_up: Duration, stop: &AtomicBool) -> Result<f64, BenchError> {
        let empty = || OwnedFrame(self.frames[0].clone());
        let mut egress = Copies { copies: 0, buffers: (0..BURST).map(|_| empty()).collect() };
        let mut burst = OwnedBurst::default();
        let (provider, mut chance) = (port(0)?, Chance::new(0));
        let (mut sent, mut began, mut passes) = (0u64, Instant::now(), 0u32);
        let mut warm = false;
        loop {
            for mut buffer in egress.buffers.drain(..) {
                let frame = &self.frames[chance.next() as usize % self.frames.len()];
                buffer.0.copy_from_slice(frame);
                burst.0.push(buffer);
            }
            sent += burst.0.len() as u64;
            self.forwarder.forward(|| Time::ZERO, provider, &mut burst, &mut egress);
            passes = passes.wrapping_add(1);
            if passes.is_multiple_of(HOUSEKEEPING) {
                self.forwarder.table().quiesce();
                if !warm && began.elapsed() >= warm_up {
                    (warm, sent, egress.copies, began) = (true, 0, 0, Instant::now());
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        if egress.copies != sent * self.fan_out as u64 || sent == 0 {
            let what =
                format!("of {sent} frames {} copies for {} sinks went out", egress.copies, self.fan_out);
            return Err(BenchError::delivery(SIDE, what));
        }
        Ok(egress.copies as f64 / seconds)
    }
}

/// The control thread's side.
struct Writer {
    table: GroupTableWriter,
    /// Groups of the data.
    groups: u32,
    bystander: PortIndex,
}

impl Writer {
    /// Writes at an even pace for `length`, unless a signal comes; none a second too: the core beside the reader's is as busy
    /// then, and what differs is the writing.
    fn write(&mut self, per_second: u32, length: Duration) -> Result<(), BenchError> {
        let (began, mut done) = (Instant::now(), 0u64);
        while began.elapsed() < length {
            let due = (began.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
            let end = due.min(done + WRITES_A_TURN);
            while done < end {
                self.change(done)?;
                done += 1;
            }
            self.table.maintain();
            if lab::stop::stopped() {
                return Err(lab::LabError::Interrupted.into());
            }
            std::hint::spin_loop();
        }
        let wanted = length.as_secs_f64() * f64::from(per_second);
        if (done as f64) < wanted * KEPT_UP {
            return Err(BenchError::delivery(
                "the writer",
                format!("{done} of {wanted:.0} writes were done in time"),
            ));
        }
        Ok(())
    }

    /// One write: every second one changes an entry of the data, the others make an entry or take it away.
    fn change(&mut self, number: u64) -> Result<(), BenchError> {
        let (pair, odd) = ((number / 2) as u32, !number.is_multiple_of(2));
        let (of, first) = if odd { (PASSING, self.groups) } else { (self.groups, 0) };
        let group = group(first + pair % of)?;
        if (pair / of).is_multiple_of(2) {
            self.table.set(group, self.bystander).map_err(|e| BenchError::delivery("the writer", e))
        } else {
            self.table.clear(group, self.bystander);
            Ok(())
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
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
        let (reader, mut writer) = make(&work()).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| reader.run(Duration::ZERO, &stop));
            for number in 0..100_000 {
                writer.change(number).unwrap();
                writer.table.maintain();
            }
            stop.store(true, Ordering::Relaxed);
            assert!(worker.join().unwrap().unwrap() > 0.0);
        });
    }

    #[test]
    fn writes_touch_the_data_and_make_entries_and_take_them_away() {
        let (reader, mut writer) = make(&work()).unwrap();
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
