//! `show workers`.

use api::{WorkerSpan, WorkerView, WorkersReply};

use crate::table::Align::{Left, Right};
use crate::table::{Cell, Table, Tone};
use crate::units::{count, tenths, time};

/// From this share on a worker has hardly anything to spare: a table for frames that come in by the burst.
const NEARLY_FULL: f64 = 0.9;

/// Two lines for each worker, of late and since it started, which are one at first; and then how full its bursts were.
pub(crate) fn workers(reply: &WorkersReply, color: bool) -> String {
    let mut table = Table::new([
        ("WORKER", Left),
        ("CORE", Right),
        ("QUEUES", Right),
        ("IN THE LAST", Right),
        ("BUSY", Right),
        ("FRAMES", Right),
        ("FRAMES/S", Right),
        ("CYCLES/FRAME", Right),
        ("LONGEST PASS", Right),
        ("OVER 100us", Right),
        ("PASSES", Right),
    ]);
    for worker in &reply.workers {
        let heads = [worker.worker, worker.core, worker.rx_queues].map(|n| Cell::from(n.to_string()));
        table.push(row(heads, &worker.recent));
        if worker.recent != worker.total {
            table.push(row(["", "", ""].map(Cell::from), &worker.total));
        }
    }
    table.render(color) + "\n" + &bursts(&reply.workers, color)
}

fn row([worker, core, queues]: [Cell; 3], span: &WorkerSpan) -> [Cell; 11] {
    let busy = span.busy_share();
    let rate = if span.span_s > 0.0 { (span.frames as f64 / span.span_s).round() as u64 } else { 0 };
    let full = if busy >= NEARLY_FULL { Tone::Attention } else { Tone::Plain };
    [
        worker,
        core,
        queues,
        time(span.span_s).into(),
        Cell::toned(percent(busy), full),
        count(span.frames).into(),
        count(rate).into(),
        Cell::optional(span.cycles_per_frame.map(tenths)),
        format!("{}us", tenths(span.longest_pass_us)).into(),
        Cell::toned(
            count(span.long_passes),
            if span.long_passes > 0 { Tone::Attention } else { Tone::Plain },
        ),
        count(span.passes).into(),
    ]
}

/// A line for each worker and class of bursts.
fn bursts(workers: &[WorkerView], color: bool) -> String {
    let mut table =
        Table::new([("WORKER", Left), ("FRAMES A BURST", Right), ("BURSTS", Right), ("SHARE", Right)]);
    for worker in workers {
        let all: u64 = worker.bursts.iter().map(|class| class.bursts).sum();
        for (place, class) in worker.bursts.iter().enumerate() {
            let name = if place == 0 { worker.worker.to_string() } else { String::new() };
            let range = if class.from == class.to {
                class.from.to_string()
            } else {
                format!("{}-{}", class.from, class.to)
            };
            let share = if all > 0 { class.bursts as f64 / all as f64 } else { 0.0 };
            table.push([name.into(), range.into(), count(class.bursts).into(), percent(share).into()]);
        }
    }
    table.render(color)
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}
