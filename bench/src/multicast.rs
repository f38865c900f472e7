//! A peer: DPDK's ipv4_multicast example, from the distribution's package dpdk-doc.
//!
//! It asks for two things that null and pcap ports do not have, and ends without them: transmission of several
//! segments, which net_null does not offer but does (it frees a chain as a whole), and reception of all multicast,
//! which the devices here receive anyway. [`EDITS`] take these two requests out when it is built; the packet path is
//! as packaged. It has three pools of its own sizes and caches of 32 buffers.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lab::stop;
use rustix::process::Signal;

use crate::error::BenchError;
use crate::native::{self, Kind};
use crate::package;
use crate::side::{Amount, PATIENCE, Side, Work};
use crate::slices::{Forwards, wait_for_traffic};
use crate::source;
use crate::telemetry::Telemetry;

const NAME: &str = "ipv4_multicast";
/// What is taken out, and what stands there instead. Each must be there once.
const EDITS: [(&str, &str); 2] = [
    (".offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,", ""),
    ("ret = rte_eth_allmulticast_enable(portid);", "ret = 0;"),
];
/// Where the source is in the package.
const IN_PACKAGE: &str = "usr/share/dpdk/examples/ipv4_multicast/main.c";
/// MiB for its three pools and DPDK's tables.
pub(crate) const MEMORY_MB: u32 = 320;
/// Frames that came in and are on their way: a burst of 32, and what a sink's queue of 32 waits with.
const IN_HAND: u64 = 64;

/// The program.
#[derive(Debug)]
pub(crate) struct Multicast {
    program: PathBuf,
}

impl Multicast {
    /// Builds it in `folder`: from the installed package, or from one that apt downloads.
    ///
    /// # Errors
    /// There is no package, or its source is not the one that is known here.
    pub(crate) fn build(folder: &Path) -> Result<Self, BenchError> {
        let installed = Path::new("/").join(IN_PACKAGE);
        let packaged = if installed.exists() {
            installed
        } else {
            package::unpack("dpdk-doc", folder)?.join(IN_PACKAGE)
        };
        let text = fs::read_to_string(&packaged).map_err(BenchError::io(packaged.display()))?;
        let source = folder.join("ipv4_multicast.c");
        fs::write(&source, edit(&text)?).map_err(BenchError::io(source.display()))?;
        let program = folder.join("ipv4_multicast");
        native::compile(Kind::Program, &source, &program)?;
        Ok(Self { program })
    }

    /// Starts it for a round in slices.
    ///
    /// # Errors
    /// It does not start, or does not answer.
    pub(crate) fn forwards(&self, work: &Work) -> Result<Box<dyn Forwards>, BenchError> {
        let running = self.start(work, Amount::Endless)?;
        Ok(Box::new(running))
    }

    /// Lets a counted number of frames through, and checks that each sink got each of them.
    ///
    /// # Errors
    /// One is missing, or came twice.
    pub(crate) fn check_delivery(&self, work: &Work) -> Result<(), BenchError> {
        let running = self.start(work, Amount::Counted)?;
        let whole = |moved: &[u64]| moved.iter().all(|frames| *frames == work.counted);
        let mut last = running.moved()?;
        // Frames wait for a timer of the program when fewer than a burst are left.
        stop::poll(PATIENCE, || {
            if !whole(&last)
                && let Ok(moved) = running.moved()
            {
                last = moved;
            }
            Ok(whole(&last).then_some(()))
        })?;
        running.end()?;
        if whole(&last) {
            return Ok(());
        }
        let [came, sinks @ ..] = &last[..] else {
            return Err(BenchError::machine("there is no port 0", "report it"));
        };
        let what = format!("{} frames were sent, {came} came in, the sinks got {sinks:?}", work.counted);
        Err(BenchError::delivery(NAME, what))
    }

    fn start(&self, work: &Work, amount: Amount) -> Result<Running, BenchError> {
        let prefix = format!("bench-{}-multicast", std::process::id());
        let mut command = work.command(&self.program, amount);
        command.args(["-l", &work.cores.forward.to_string(), "--no-pci", "--in-memory"]);
        command.args([&work.cores.memory_argument(MEMORY_MB), &format!("--file-prefix={prefix}")]);
        command.arg(format!("--vdev={}", work.source_device(amount)));
        command.args((1..=work.fan_out).map(|number| format!("--vdev={}", Work::sink(number))));
        let ports = (1u32 << (work.fan_out + 1)) - 1;
        command.args(["--", "-p", &format!("{ports:x}"), "-q", &(work.fan_out + 1).to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut side =
            Side::start(&mut command, NAME, work.scratch.join("multicast.log"))?.with_prefix(&prefix);
        let telemetry = side.telemetry()?;
        // It waits for links and fills its table before it forwards.
        wait_for_traffic(&mut side, &telemetry)?;
        Ok(Running { side, telemetry, sinks: work.fan_out })
    }
}

/// The group of the example's table that goes to the sinks, ports 1 and up, and to no other port.
pub(crate) fn group(fan_out: usize) -> Option<Ipv4Addr> {
    // The table has 224.0.0.(100 + ports as a mask), up to the mask of four ports; port 0 is the source.
    let mask = (1u8 << (fan_out + 1)).wrapping_sub(2);
    (1..=3).contains(&fan_out).then(|| Ipv4Addr::new(224, 0, 0, 100 + mask))
}

/// The source with [`EDITS`] made.
fn edit(text: &str) -> Result<String, BenchError> {
    EDITS.iter().try_fold(text.to_owned(), |text, (from, to)| match text.matches(from).count() {
        1 => Ok(text.replace(from, to)),
        found => Err(BenchError::machine(
            format!("the source of ipv4_multicast has `{from}` {found} times"),
            "this DPDK has another one: look at what it asks of its ports",
        )),
    })
}

/// `moved` are the frames that came in, then those that each sink took; `since`, what had come in once all were read. Frames
/// move meanwhile: a sink must have what had come in before, but for what was in hand, and cannot have more than came.
fn check_flow(moved: &[u64], since: u64) -> Result<(), BenchError> {
    match moved {
        [came, sinks @ ..]
            if *came > 0
                && sinks.iter().all(|sink| (came.saturating_sub(IN_HAND)..=since).contains(sink)) =>
        {
            Ok(())
        }
        _ => Err(BenchError::delivery(
            NAME,
            format!("frames that came in and that each sink got, {moved:?}, and {since} had come in then"),
        )),
    }
}

struct Running {
    side: Side,
    telemetry: Telemetry,
    sinks: usize,
}

impl Running {
    /// Frames that came in by the source, then those that each sink took.
    fn moved(&self) -> Result<Vec<u64>, BenchError> {
        self.telemetry.moved(self.sinks)
    }

    /// It has no other end than a signal.
    fn end(mut self) -> Result<(), BenchError> {
        self.side.process().signal(Signal::KILL)?;
        self.side.process().wait(PATIENCE)?;
        Ok(())
    }
}

impl Forwards for Running {
    fn parts(&mut self) -> (&mut Side, &Telemetry) {
        (&mut self.side, &self.telemetry)
    }

    /// Frames move until it ends: what each sink has is looked at on the way.
    fn finish(self: Box<Self>, _: &Work) -> Result<(), BenchError> {
        let moved = self.moved()?;
        let (_, source) = self.telemetry.stats(0)?;
        check_flow(&moved, source.rx)?;
        self.end()
    }
}

impl Multicast {
    /// Writes what the source plays: the example knows groups of its own alone.
    ///
    /// # Errors
    /// The files cannot be written, or the example has no group for so many sinks.
    pub(crate) fn write_source(work: &Work, looped: usize) -> Result<(), BenchError> {
        let group = group(work.fan_out).ok_or_else(|| {
            BenchError::machine(
                format!("ipv4_multicast has no group for {} sinks", work.fan_out),
                "ask for 1 to 3",
            )
        })?;
        source::write(&work.looped, group, looped, work.party.wire_len)?;
        source::write(&work.finite, group, work.counted as usize, work.party.wire_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_those_of_the_examples_table() {
        let of = |fan_out| group(fan_out).map(|group| group.octets());
        assert_eq!(of(1), Some([224, 0, 0, 102]), "port 1");
        assert_eq!(of(2), Some([224, 0, 0, 106]), "ports 1 and 2");
        assert_eq!(of(3), Some([224, 0, 0, 114]), "ports 1 to 3");
        assert_eq!((of(0), of(4)), (None, None));
    }

    #[test]
    fn edits_are_made_where_they_are_known() {
        let text = format!("a {} b {} c", EDITS[0].0, EDITS[1].0);
        assert_eq!(edit(&text).unwrap(), "a  b ret = 0; c");
        let error = edit(EDITS[0].0).unwrap_err().to_string();
        assert!(error.contains("allmulticast_enable(portid);` 0 times"), "{error}");
    }

    #[test]
    fn each_sink_must_have_what_came_in() {
        assert!(check_flow(&[1000, 1005, 1100], 1100).is_ok());
        assert!(check_flow(&[1000, 936, 1000], 1100).is_ok(), "two bursts are in hand");
        assert!(check_flow(&[1000, 935, 1000], 1100).is_err(), "a sink lacks one");
        assert!(check_flow(&[1000, 1000, 1101], 1100).is_err(), "a sink has one that never came");
        assert!(check_flow(&[0, 0, 0], 0).is_err(), "nothing moved");
    }
}
