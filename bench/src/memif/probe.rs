//! The far end's process: a task as its argument, orders as JSON lines on standard input, answers on standard output.

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use dpdk::{Burst, Eal, Mbuf, Mempool, Port, PortConfig, Queues, RxQueue, TxBatch, TxQueue, cycles};
use serde::{Deserialize, Serialize};

use super::hosts::Hosts;
use super::pace::Pace;
use super::stream::{Account, Frames, Times, read, stamp};
use super::{Answer, Away, Links, Order};
use crate::error::BenchError;
use crate::machine::pin;

/// The first argument of a program that is to be the far end; the second is its [`Task`].
pub(super) const ARGUMENT: &str = "__memif";
/// What it writes once its links are there.
pub(super) const READY: &str = "ready";
/// MiB of hugepages.
pub(crate) const MEMORY_MB: u64 = 32;
/// Buffers, none of which stays in a link: memif copies.
const MBUFS: u32 = 4095;
const MBUF_CACHE: u32 = 256;
/// How long links may take to come up.
const LINKS_UP: Duration = Duration::from_secs(5);
/// After the last frame was sent, nothing comes any more once nothing came for so long.
const QUIET: Duration = Duration::from_millis(50);
/// And if something always comes, for so long it is waited for.
const LONGEST_END: Duration = Duration::from_secs(2);
/// Who was away for less than this was not away.
const AWAY: Duration = Duration::from_micros(20);
/// Joins and leaves that one turn sends.
const MESSAGES_A_TURN: usize = 8;
const BURST: usize = 32;

/// What a far end is started with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) socket: std::path::PathBuf,
    pub(super) sinks: usize,
    pub(super) core: u16,
    pub(super) prefix: String,
}

/// When this program was started as the far end: is it until standard input ends, and returns how it went.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    if args.next()? != ARGUMENT {
        return None;
    }
    let task = args.next().unwrap_or_default();
    let done = serde_json::from_str(&task).map_err(|e| failed(format!("task `{task}`: {e}"))).and_then(run);
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("the far end: {why}");
            ExitCode::FAILURE
        }
    })
}

fn failed(why: impl std::fmt::Display) -> BenchError {
    BenchError::machine(why, "report it")
}

fn run(task: Task) -> Result<(), BenchError> {
    let Task { socket, sinks, core, prefix } = task;
    let links = Links { socket, sinks };
    let mut args = vec!["-l".to_owned(), core.to_string(), "-m".to_owned(), MEMORY_MB.to_string()];
    args.extend(["--in-memory", "--no-pci", "--no-telemetry", "--log-level=error"].map(str::to_owned));
    args.push(format!("--file-prefix={prefix}"));
    args.extend((0..=sinks).map(|number| format!("--vdev={}", links.beyond(number))));
    // First of all: EAL's own threads stay away from the core that forwards.
    pin(core)?;
    let eal = Eal::init(&args).map_err(failed)?;
    let pool =
        Mempool::new(&eal, "far", MBUFS, MBUF_CACHE, dpdk::DEFAULT_FRAME_ROOM, None).map_err(failed)?;
    let mut opened = Vec::new();
    for number in 0..=sinks {
        opened.push(open(&eal, number, &pool)?);
    }
    let (ports, queues): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
    let mut end = FarEnd::new(queues, pool, eal.cycles_hz())?;
    end.clear();
    say(&READY)?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(BenchError::io("standard input"))?;
        let order = serde_json::from_str(&line).map_err(|e| failed(format!("order `{line}`: {e}")))?;
        say(&end.obey(order))?;
    }
    drop(end);
    drop(ports);
    Ok(())
}

fn say(what: &impl Serialize) -> Result<(), BenchError> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, what).map_err(failed)?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(BenchError::io("standard output"))
}

/// The port of a link, once the other end is there.
fn open(eal: &Eal, number: usize, pool: &Mempool) -> Result<(Port, Queues), BenchError> {
    let name = format!("net_memif{number}");
    let log = || eal.startup_log().join("\n");
    let id = eal.port_by_name(&name).ok_or_else(|| failed(format!("there is no {name}\n{}", log())))?;
    let mut port = Port::open(eal, id).map_err(failed)?;
    let queues = port.start(&PortConfig::new(pool.clone())).map_err(failed)?;
    let give_up = Instant::now() + LINKS_UP;
    while !port.link().map_err(failed)?.up {
        if Instant::now() > give_up {
            return Err(failed(format!("{name} has no link after {} s", LINKS_UP.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok((port, queues))
}

/// A client's link.
struct Link {
    rx: RxQueue,
    tx: TxQueue,
    burst: Burst<BURST>,
    /// When the burst came.
    at: u64,
}

struct FarEnd {
    source: Link,
    sinks: Vec<Link>,
    pool: Mempool,
    frames: Frames,
    hz: u64,
}

/// One [`Order`] under way.
struct Run {
    pace: Pace,
    hosts: Option<Hosts>,
    account: Account,
    answer: Answer,
    number: u64,
    batch: TxBatch<BURST>,
}

impl FarEnd {
    fn new(queues: Vec<Queues>, pool: Mempool, hz: u64) -> Result<Self, BenchError> {
        let link = |mut queues: Queues| {
            let (rx, tx) = queues.rx.pop().zip(queues.tx.pop())?;
            Some(Link { rx, tx, burst: Burst::new(), at: 0 })
        };
        let mut links = queues.into_iter().map(link).collect::<Option<Vec<_>>>().into_iter().flatten();
        let source = links.next().ok_or_else(|| failed("a link has no queue"))?;
        Ok(Self { source, sinks: links.collect(), pool, frames: Frames::new(), hz })
    }

    /// Throws away what came. Before a link is received from for the first time, it takes nothing.
    fn clear(&mut self) {
        for link in core::iter::once(&mut self.source).chain(&mut self.sinks) {
            while link.rx.rx_burst(&mut link.burst) > 0 {
                link.burst.clear();
            }
        }
    }

    fn obey(&mut self, order: Order) -> Answer {
        self.clear();
        let cycles_of =
            |ms: u64| u64::try_from(u128::from(ms) * u128::from(self.hz) / 1000).unwrap_or(u64::MAX);
        let begin = cycles();
        let warm = begin + cycles_of(order.warm_up_ms);
        let end = warm + cycles_of(order.length_ms);
        let times = Times { begin, warm, hz: self.hz };
        let hosts =
            (order.joins > 0).then(|| Hosts::new(self.sinks.len(), Pace::new(begin, self.hz, order.joins)));
        let mut run = Run {
            pace: Pace::new(begin, self.hz, order.rate),
            hosts,
            account: Account::new(self.sinks.len(), times),
            answer: Answer::default(),
            number: 0,
            batch: TxBatch::new(),
        };
        let away = self.send_and_receive(&mut run, end);
        self.leave_all(&mut run);
        self.receive_the_rest(&mut run);
        let Run { account, answer, number, pace, hosts, .. } = run;
        let Answer { refused, joins, leaves, .. } = answer;
        let due = hosts.map_or(0, |hosts| hosts.due());
        Answer { refused, joins, leaves, due, skipped: pace.skipped(), away, ..account.close(number) }
    }

    /// Turns of sending what is due and receiving what came, until `end`.
    fn send_and_receive(&mut self, run: &mut Run, end: u64) -> Away {
        let began = cycles();
        let (mut last, mut longest, mut lost) = (began, 0, 0);
        let least = (AWAY.as_secs_f64() * self.hz as f64) as u64;
        loop {
            let now = cycles();
            let gap = now - last;
            if gap > least {
                longest = longest.max(gap);
                lost += gap;
            }
            last = now;
            if now >= end {
                let share = lost as f64 / (now - began).max(1) as f64;
                return Away { longest_us: longest as f64 * 1e6 / self.hz as f64, share };
            }
            self.send(run, now);
            self.ask(run, now);
            self.receive(run);
        }
    }

    /// Sends the data that is due.
    #[inline]
    fn send(&mut self, run: &mut Run, now: u64) {
        let due = run.pace.due(now).min(BURST as u64);
        if due == 0 {
            return;
        }
        let sent = cycles();
        let mut offered = 0;
        for _ in 0..due {
            // Buffers are back at once: memif copies.
            let Some(mut frame) = Mbuf::from_bytes(&self.pool, self.frames.of(run.number)) else { break };
            stamp(frame.data_mut(), run.number, sent);
            // There is room for a burst.
            if run.batch.push(frame.into()).is_err() {
                break;
            }
            run.number += 1;
            offered += 1;
        }
        run.answer.refused += u64::from(self.source.tx.tx_burst(&mut run.batch).refused);
        run.account.offered(offered, sent);
        run.pace.sent(offered);
    }

    /// Sends the joins and leaves that are due.
    #[inline]
    fn ask(&mut self, run: &mut Run, now: u64) {
        let Run { hosts: Some(hosts), answer, .. } = run else { return };
        for _ in 0..MESSAGES_A_TURN {
            let Some(message) = hosts.next(now) else { return };
            tell(&mut self.sinks[message.sink].tx, &self.pool, message.frame, message.leaves, answer);
        }
    }

    /// Nobody is a member of what was joined when the run ends.
    fn leave_all(&mut self, run: &mut Run) {
        let Run { hosts: Some(hosts), answer, .. } = run else { return };
        while let Some(message) = hosts.leave() {
            tell(&mut self.sinks[message.sink].tx, &self.pool, message.frame, message.leaves, answer);
        }
    }

    /// Looks at what came. Whether anything did.
    #[inline]
    fn receive(&mut self, run: &mut Run) -> bool {
        // First from all, so that the copies of a frame are told apart by their links alone.
        for sink in &mut self.sinks {
            if sink.rx.rx_burst(&mut sink.burst) > 0 {
                sink.at = cycles();
            }
        }
        let mut any = false;
        for (number, sink) in self.sinks.iter_mut().enumerate() {
            for frame in sink.burst.iter() {
                if let Some((frame, sent)) = read(frame.data()) {
                    run.account.arrived(number, frame, sent, sink.at);
                    any = true;
                }
            }
            sink.burst.clear();
        }
        // Reports to the provider, which is not asked about here.
        self.source.rx.rx_burst(&mut self.source.burst);
        self.source.burst.clear();
        any
    }

    fn receive_the_rest(&mut self, run: &mut Run) {
        let began = Instant::now();
        let mut last = began;
        while last.elapsed() < QUIET && began.elapsed() < LONGEST_END {
            if self.receive(run) {
                last = Instant::now();
            }
        }
    }
}

fn tell(tx: &mut TxQueue, pool: &Mempool, frame: &[u8], leaves: bool, answer: &mut Answer) {
    let taken = Mbuf::from_bytes(pool, frame).is_some_and(|frame| tx.send(frame));
    let count = if leaves { &mut answer.leaves } else { &mut answer.joins };
    *count += u64::from(taken);
}
