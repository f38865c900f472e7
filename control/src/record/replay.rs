//! A record run again: the same agent, the same inputs, the same times.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use api::MbufView;
use forwarding::{ForwardingPolicy, PuntKind, punt_kind};
use group_table::{PortMasks, TableSettings, group_table};
use igmp::Action;
use igmp::wire::{Message, parse};
use types::{PortIndex, Time};

use super::entry::{Begin, End, Entry};
use super::read::{Next, Record, RecordError};
use super::text::hex;
use crate::agent::{Agent, AgentParts, Outlet, ProcessInfo};
use crate::configuration::Configuration;
use crate::losses::LossBook;

/// How a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordEnd {
    /// Whoever was recorded ended.
    Closed,
    /// The file was full; whoever was recorded went on.
    Full,
    /// In the midst of it, as a crash leaves it: what came last is missing.
    Cut,
}

/// What was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// Inputs and polls.
    pub entries: u64,
    /// Entries that the record lacks: from the first of them on the actions may be others than they were.
    pub lost: u64,
    /// How it ended.
    pub end: RecordEnd,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries replayed", self.entries)?;
        if self.lost > 0 {
            write!(
                f,
                "; {} are missing in the record, so that the actions may be others than they were",
                self.lost
            )?;
        }
        match self.end {
            RecordEnd::Closed => Ok(()),
            RecordEnd::Full => f.write_str("; the record was full there, the recorded process went on"),
            RecordEnd::Cut => f.write_str("; the record is cut off there, as after a crash"),
        }
    }
}

/// Runs an agent through `record`, and tells `out` each of its actions: when, counted from the record's beginning,
/// and a line of words. Frames are told with what they say and their bytes.
///
/// # Errors
/// The record cannot be read, or a line in the midst of it is broken; what came before has been told.
pub fn replay_record(mut record: Record, mut out: impl FnMut(Time, &str)) -> Result<Replayed, RecordError> {
    let begun = record.begin.at;
    let out = |at: Time, line: &str| out(since(begun, at), line);
    let mut narrator = Narrator::new(&record.begin.configuration, out);
    let mut agent = agent(&record.begin);
    let mut replayed = Replayed { entries: 0, lost: 0, end: RecordEnd::Cut };
    loop {
        let entry = match record.next()? {
            Next::Entry(entry) => entry,
            Next::Cut => return Ok(replayed),
        };
        replayed.entries += 1;
        match entry {
            Entry::Begin(_) => {
                return Err(RecordError::NoRecord("it begins twice".to_owned()));
            }
            Entry::Frame { at, port, bytes } => agent.handle_frame(at, port, &bytes),
            Entry::Link { at, port, up } => agent.handle_link(at, port, up),
            Entry::Configure { at, configuration } => {
                narrator.rename(&configuration);
                agent.configure(at, configuration);
            }
            Entry::Poll { at, room } => {
                narrator.room = room;
                agent.poll(at, &mut narrator);
            }
            Entry::Shutdown { at } => agent.shutdown(at),
            Entry::Gap { lost } => {
                replayed.entries -= 1;
                replayed.lost += lost;
            }
            Entry::End(end) => {
                replayed.entries -= 1;
                replayed.end = match end {
                    End::Closed => RecordEnd::Closed,
                    End::Full => RecordEnd::Full,
                };
                return Ok(replayed);
            }
        }
    }
}

/// `at` with `epoch` as its epoch.
pub(crate) fn since(epoch: Time, at: Time) -> Time {
    Time::ZERO + at.saturating_since(epoch)
}

/// The agent as it was, without workers.
fn agent(begin: &Begin) -> Agent {
    let (table, _) =
        group_table(TableSettings { max_groups: begin.max_groups, readers: 0, seed: begin.seed });
    let parts = AgentParts {
        process: ProcessInfo {
            instance: "replay".to_owned(),
            hugepages: false,
            mbufs: Box::new(MbufView::default),
            revision: Box::new(|| 0),
        },
        router_mac: begin.router_mac,
        seed: begin.seed,
        configuration: begin.configuration.clone(),
        table,
        masks: Arc::new(PortMasks::new()),
        policy: Arc::new(ForwardingPolicy::new(&begin.configuration.local_groups)),
        counters: Vec::new(),
        losses: LossBook::default(),
    };
    Agent::new(begin.at, parts)
}

/// Takes what an agent does, and says it in words.
pub(crate) struct Narrator<F> {
    names: BTreeMap<PortIndex, String>,
    /// Frames that there is room for; without, for all.
    pub(crate) room: Option<u32>,
    out: F,
}

impl<F: FnMut(Time, &str)> Narrator<F> {
    pub(crate) fn new(configuration: &Configuration, out: F) -> Self {
        let mut narrator = Self { names: BTreeMap::new(), room: None, out };
        narrator.rename(configuration);
        narrator
    }

    /// Learns the ports' names. Those of ports that go stay known: their last actions are still to come.
    pub(crate) fn rename(&mut self, configuration: &Configuration) {
        self.names.extend(configuration.ports.iter().map(|port| (port.index, port.name.clone())));
    }

    fn name(&self, port: PortIndex) -> &str {
        self.names.get(&port).map_or("?", String::as_str)
    }
}

impl<F: FnMut(Time, &str)> Outlet for Narrator<F> {
    fn has_room(&self) -> bool {
        self.room.is_none_or(|room| room > 0)
    }

    fn send(&mut self, now: Time, port: PortIndex, frame: &[u8]) {
        self.room = self.room.map(|room| room.saturating_sub(1));
        let line = format!("send {} {} {}", self.name(port), words(frame), hex::of(frame));
        (self.out)(now, &line);
    }

    fn done(&mut self, now: Time, action: &Action) {
        let line = match action {
            Action::SetMember { port, group } => format!("set {group} {}", self.name(*port)),
            Action::ClearMember { port, group } => format!("clear {group} {}", self.name(*port)),
            Action::QuerierRole { port, querier } => {
                format!("{} {}", if *querier { "querier" } else { "non-querier" }, self.name(*port))
            }
            Action::Event(event) => match event.port() {
                Some(port) => format!("event {}: {event}", self.name(port)),
                None => format!("event {event}"),
            },
            // Told when it is sent.
            Action::Send { .. } => return,
        };
        (self.out)(now, &line);
    }
}

/// What a frame of ours says.
fn words(frame: &[u8]) -> String {
    match punt_kind(frame) {
        PuntKind::Igmp => match parse(frame).map(|packet| packet.message) {
            Ok(Message::Query(query)) => match query.group {
                Some(group) => format!("query {group}"),
                None => "query".to_owned(),
            },
            Ok(Message::ReportV1(group)) => format!("report-v1 {group}"),
            Ok(Message::ReportV2(group)) => format!("report {group}"),
            Ok(Message::ReportV3(_)) => "report-v3".to_owned(),
            Ok(Message::Leave(group)) => format!("leave {group}"),
            Ok(Message::Solicitation) => "solicitation".to_owned(),
            Ok(Message::Other(0x30)) => "advertisement".to_owned(),
            Ok(Message::Other(kind)) => format!("igmp-{kind:#04x}"),
            Err(verdict) => format!("igmp ({})", verdict.name()),
        },
        PuntKind::Neighbour if frame.get(12..14) == Some(&[8, 6]) => "arp".to_owned(),
        PuntKind::Neighbour => "icmp".to_owned(),
        PuntKind::Sample => "data".to_owned(),
    }
}
