//! The fan-out loop alone, on one worker: what this crate's primitives cost, before any look-up or rewriting.
//!
//! `cargo run --release -p dpdk --example fan_out -- COPIES BATCH_KIND EAL-ARGUMENTS`: the first port is the source,
//! the next COPIES are the sinks; BATCH_KIND is `own` (one array a port) or `one` (one array for all).
//! For example `4 own -l 0 --no-pci --no-huge -m 256 --vdev=net_null0 --vdev=net_null1 ...`.

use std::error::Error;
use std::num::NonZeroU16;

use dpdk::{Burst, Eal, FanBatch, Mempool, Port, PortConfig, Queues, TxBatch, TxResult, cycles};

/// Received frames after which the loop ends.
const FRAMES: u64 = 200_000_000;

#[derive(Default)]
struct Counts {
    received: u64,
    sent: u64,
    refused: u64,
}

impl Counts {
    fn add(&mut self, result: TxResult) {
        self.sent += u64::from(result.sent);
        self.refused += u64::from(result.refused);
    }
}

/// One array a port, as when each frame has ports of its own.
fn own_arrays(source: &mut Queues, sinks: &mut [Queues], copies: NonZeroU16) -> Counts {
    let mut counts = Counts::default();
    let mut burst: Burst = Burst::new();
    let mut batches: Vec<TxBatch> = sinks.iter().map(|_| TxBatch::new()).collect();
    while counts.received < FRAMES / u64::from(copies.get()) {
        counts.received += source.rx[0].rx_burst(&mut burst) as u64;
        for mbuf in burst.drain() {
            for (batch, copy) in batches.iter_mut().zip(mbuf.fan_out(copies)) {
                let _ = batch.push(copy);
            }
        }
        for (batch, sink) in batches.iter_mut().zip(&mut *sinks) {
            counts.add(sink.tx[0].tx_burst(batch));
        }
    }
    counts
}

/// One array for all ports, as for a run of frames with the same ports.
fn one_array(source: &mut Queues, sinks: &mut [Queues], copies: NonZeroU16) -> Counts {
    let mut counts = Counts::default();
    let mut burst: Burst = Burst::new();
    let mut batch: FanBatch = FanBatch::new(copies);
    while counts.received < FRAMES / u64::from(copies.get()) {
        counts.received += source.rx[0].rx_burst(&mut burst) as u64;
        batch.extend(burst.drain());
        for sink in &mut *sinks {
            counts.add(batch.send(&mut sink.tx[0]));
        }
    }
    counts
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let copies: NonZeroU16 = args.next().ok_or("COPIES is missing")?.parse()?;
    let run = match args.next().as_deref() {
        Some("own") => own_arrays,
        Some("one") => one_array,
        _ => return Err("BATCH_KIND is `own` or `one`".into()),
    };
    let eal = Eal::init(&args.collect::<Vec<_>>())?;
    let cpu = eal.main_lcore().cpu;
    let pool = Mempool::new(&eal, "frames", 16_383, 512, 2048, None)?;
    let config = PortConfig::new(pool.clone());
    let mut started = Vec::new();
    for id in eal.ports() {
        let mut port = Port::open(&eal, id)?;
        let queues = port.start(&config)?;
        started.push((port, queues));
    }
    if started.len() != usize::from(copies.get()) + 1 {
        return Err("there must be one port more than COPIES".into());
    }
    let (ports, mut queues): (Vec<_>, Vec<_>) = started.into_iter().unzip();
    let worker = eal.spawn_worker("worker", cpu, move |_| {
        let (source, sinks) = queues.split_first_mut().expect("counted above");
        let begin = cycles();
        let counts = run(source, sinks, copies);
        (counts, cycles() - begin, queues)
    })?;
    let (counts, spent, queues) = worker.join().map_err(|_| "the worker panicked")?;
    let ns = spent as f64 * 1e9 / eal.cycles_hz() as f64;
    println!(
        "{} frames in, {} copies out, {} refused: {:.1} cycles a frame, {:.1} a copy, {:.1} M copies/s",
        counts.received,
        counts.sent,
        counts.refused,
        spent as f64 / counts.received as f64,
        spent as f64 / counts.sent.max(1) as f64,
        counts.sent as f64 * 1e3 / ns,
    );
    for (port, queues) in ports.into_iter().zip(queues) {
        port.close(queues)?;
    }
    assert_eq!(pool.in_use(), 0, "every mbuf is back");
    Ok(())
}
