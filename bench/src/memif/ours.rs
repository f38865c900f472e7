//! A Manifold between memif links.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use api::{Client, ClientError, CountersReply, LinkState, PortsReply};
use lab::stop;
use rustix::process::Signal;
use settings::Settings;
use types::GroupAddr;

use super::far::FarEnd;
use super::{Answer, FIRST_STREAM, Links, Order, STREAMS};
use crate::error::BenchError;
use crate::machine::Cores;
use crate::manifold::{self, Sample, header, launch};
use crate::side::{PATIENCE, Seat, Side};

/// Of the joins that the links took, so many must have had an effect: a port's meter may stop what comes at once.
const EFFECTIVE: f64 = 0.99;

/// Settings: all defaults, but for the cores, and Leaves that end memberships at once.
pub(crate) fn settings(links: &Links, cores: Cores, scratch: &Path) -> String {
    let groups = (FIRST_STREAM..FIRST_STREAM + STREAMS).filter_map(GroupAddr::from_bits);
    let groups: Vec<_> = groups.map(|group| format!("\"{}\"", group.addr())).collect();
    let mut text = header(Seat::Ours, cores, scratch);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "[[port]]\nname = \"source\"\ndevice = \"{}\"\naddress = \"10.0.0.1/24\"\n",
        links.near(0)
    );
    for sink in 1..=links.sinks {
        let _ = write!(
            text,
            "\n[[port]]\nname = \"sink-{sink}\"\ndevice = \"{}\"\naddress = \"10.1.{sink}.1/24\"\n\
             fast-leave = \"single\"\nstatic-groups = [{}]\n",
            links.near(sink),
            groups.join(", ")
        );
    }
    text
}

/// The settings as Manifold reads them.
///
/// # Errors
/// They do not pass, which is an error of this program.
pub(crate) fn read_settings(links: &Links, cores: Cores, scratch: &Path) -> Result<Settings, BenchError> {
    settings::parse(&settings(links, cores, scratch), "the bench's settings")
        .map_err(|e| BenchError::machine(e, "report it"))
}

/// A Manifold with its far end.
pub(crate) struct Ours {
    side: Side,
    client: Client,
    far: FarEnd,
    sinks: usize,
    waited: f64,
}

impl Ours {
    /// Starts both, Manifold by `command`.
    ///
    /// # Errors
    /// One does not start.
    pub(crate) fn start(
        command: Command,
        links: &Links,
        cores: Cores,
        scratch: &Path,
    ) -> Result<Self, BenchError> {
        let (mut side, client) = launch(command, Seat::Ours, &settings(links, cores, scratch), scratch)?;
        side.isolate(cores)?;
        let far = FarEnd::start(links, cores.main, scratch)?;
        let mut ours = Self { side, client, far, sinks: links.sinks, waited: 0.0 };
        ours.wait_for_links()?;
        Ok(ours)
    }

    /// It looks at these links every now and then, and before it has seen them it forwards nothing.
    fn wait_for_links(&mut self) -> Result<(), BenchError> {
        let client = &mut self.client;
        let all_up = |reply: PortsReply| reply.ports.iter().all(|port| port.link == LinkState::Up);
        let up = stop::poll(PATIENCE, || Ok(client.ports().is_ok_and(all_up).then_some(())))?;
        up.ok_or_else(|| self.side.error(format!("a link is not up after {} s", PATIENCE.as_secs())))
    }

    /// Manifold's process.
    pub(crate) fn process_id(&mut self) -> u32 {
        self.side.process().id()
    }

    /// The largest share of an order's time that the forwarding thread waited for its core.
    pub(crate) fn waited(&self) -> f64 {
        self.waited
    }

    /// Runs `order`. Every frame is accounted for: what the far end sent came back on every link, or Manifold counted it
    /// as dropped.
    ///
    /// # Errors
    /// A frame is not accounted for, or joins had no effect.
    pub(crate) fn obey(&mut self, order: &Order) -> Result<Answer, BenchError> {
        let (before, cpu_before) = (self.counters()?, self.side.cpu_time());
        let answer = self.far.obey(order)?;
        let waited = self.side.cpu_time().waited_since(&cpu_before);
        self.waited = self.waited.max(waited.unwrap_or(0.0));
        // Counters are of whole passes, and the last one is over.
        stop::pause(Duration::from_millis(10))?;
        let after = self.counters()?;
        let sample = |counters: &CountersReply| Sample::read(counters, self.sinks);
        let (Some(first), Some(last)) = (sample(&before), sample(&after)) else {
            return Err(self.side.error("its counters are not those that were expected"));
        };
        account(&answer, &first, &last)?;
        let joined = joins(&after).saturating_sub(joins(&before));
        if (joined as f64) < answer.joins as f64 * EFFECTIVE {
            return Err(BenchError::delivery(
                manifold::NAME,
                format!("of {} joins {joined} had an effect", answer.joins),
            ));
        }
        Ok(answer)
    }

    fn counters(&mut self) -> Result<CountersReply, BenchError> {
        self.client.counters().map_err(|e: ClientError| self.side.error(e.to_string()))
    }

    /// Halts Manifold, until [`Ours::resume`].
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn halt(&mut self) -> Result<(), BenchError> {
        self.side.halt()
    }

    /// Lets Manifold go on.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn resume(&mut self) -> Result<(), BenchError> {
        self.side.resume()
    }

    /// Ends both.
    ///
    /// # Errors
    /// One does not end, or not well.
    pub(crate) fn end(mut self) -> Result<(), BenchError> {
        // Manifold first: a driver whose far end goes takes the link's memory away while the worker polls.
        self.side.process().signal(Signal::TERM)?;
        self.side.expect_end()?;
        self.far.end()
    }
}

/// Joins that made a member.
fn joins(counters: &CountersReply) -> u64 {
    let sinks = counters.ports.iter().filter(|port| port.port != "source");
    sinks.filter_map(|port| port.verdicts.get("joined")).sum()
}

/// Frames sent are frames that came, and drops that were counted.
fn account(answer: &Answer, before: &Sample, after: &Sample) -> Result<(), BenchError> {
    let taken = answer.offered - answer.refused;
    let forwarded = after.forwarded - before.forwarded;
    let dropped = after.dropped - before.dropped;
    let sent = after.copies_since(before);
    let came: Vec<_> = answer.sinks.iter().map(|sink| sink.frames).collect();
    let copies: u64 = came.iter().sum();
    // A frame that is dropped where it came in is one drop, and else each of its copies is.
    let whole = forwarded <= taken
        && dropped >= taken - forwarded
        && copies + dropped - (taken - forwarded) == forwarded * came.len() as u64;
    if whole && sent == came && taken > 0 {
        return Ok(());
    }
    Err(BenchError::delivery(
        manifold::NAME,
        format!(
            "the source's link took {taken} frames, {forwarded} were forwarded, {dropped} frames or copies dropped, the \
             sinks' links took {sent:?} and {came:?} came"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memif::Arrivals;

    #[test]
    fn settings_pass() {
        let links = Links { socket: "/tmp/x/links".into(), sinks: 2 };
        let settings = read_settings(&links, Cores { main: 0, forward: 1 }, Path::new("/tmp/x")).unwrap();
        assert_eq!(settings.ports.len(), 3);
        assert_eq!(settings.ports[2].static_groups.len(), STREAMS as usize);
    }

    #[test]
    fn every_frame_is_accounted_for() {
        let sample = |forwarded, copies: [u64; 2], dropped| Sample::new(forwarded, copies.to_vec(), dropped);
        let before = sample(100, [90, 100], 10);
        let answer = |came: [u64; 2]| Answer {
            offered: 1_005,
            refused: 5,
            sinks: came.map(|frames| Arrivals { frames, ..Arrivals::default() }).into(),
            ..Answer::default()
        };
        let good = |came: [u64; 2], after: &Sample| account(&answer(came), &before, after).is_ok();
        assert!(good([1_000, 1_000], &sample(1_100, [1_090, 1_100], 10)));
        assert!(good([1_000, 993], &sample(1_100, [1_090, 1_093], 17)), "seven copies were dropped");
        assert!(good([998, 998], &sample(1_098, [1_088, 1_098], 12)), "two frames were dropped");
        assert!(!good([1_000, 999], &sample(1_100, [1_090, 1_099], 10)), "one vanished in Manifold");
        assert!(!good([1_000, 999], &sample(1_100, [1_090, 1_100], 10)), "one vanished on the link");
        assert!(!good([1_000, 1_001], &sample(1_100, [1_090, 1_101], 10)), "one came twice");
        assert!(
            !good([998, 998], &sample(1_098, [1_088, 1_098], 10)),
            "two were neither forwarded nor dropped"
        );
    }
}
