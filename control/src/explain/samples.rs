//! Frames of the groups that somebody asks about.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use forwarding::{ForwardingPolicy, Ingress};
use group_table::GroupCounters;
use types::{DropReason, GroupAddr, PortIndex, Time};

use super::sample::Sample;

/// How long a group is watched after it was asked about last.
const WATCHED_FOR: Duration = Duration::from_secs(15);
/// How long a group must have been watched before its silence says something.
const SETTLED_AFTER: Duration = Duration::from_secs(1);
/// How long a frame says that the group comes. Longer than signalling streams pause, mostly.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// The last frames kept, for each port.
const KEPT: usize = 8;

/// What is being watched. Bounded: by how many groups workers watch, by ports, and by [`KEPT`].
#[derive(Debug, Default)]
pub(crate) struct Samples {
    watched: BTreeMap<GroupAddr, Watched>,
}

/// What is known of a watched group.
#[derive(Debug)]
pub(crate) struct Watched {
    since: Time,
    until: Time,
    /// What had been counted of it, and when that was looked at last.
    counted: (Time, GroupCounters),
    /// Frames a second between the last two looks.
    rate: f64,
    frames: BTreeMap<PortIndex, VecDeque<Sample>>,
}

impl Watched {
    /// Whether it has been watched for long enough that its silence says something.
    pub(crate) fn is_settled(&self, now: Time) -> bool {
        now.saturating_since(self.since) >= SETTLED_AFTER
    }

    /// How long it has been watched.
    pub(crate) fn watched_for(&self, now: Time) -> Duration {
        now.saturating_since(self.since)
    }

    /// How long it has been silent at least, if no frame of it is at hand.
    pub(crate) fn silent_for(&self, now: Time) -> Duration {
        self.watched_for(now).min(FRESH_FOR)
    }

    /// Frames a second as workers count them, who do so for groups with members; `None` where none were.
    pub(crate) fn rate(&self) -> Option<f64> {
        Some(self.rate).filter(|rate| *rate > 0.0)
    }

    /// Takes a look at the counters, unless there was one just now.
    fn count(&mut self, now: Time, counters: GroupCounters) {
        let (before, counted) = self.counted;
        let elapsed = now.saturating_since(before);
        if elapsed >= SETTLED_AFTER {
            // The count began anew if it is less than before.
            self.rate = counters.frames.saturating_sub(counted.frames) as f64 / elapsed.as_secs_f64();
            self.counted = (now, counters);
        }
    }

    /// The ports by which frames came in of late, each with the last of them, oldest first.
    pub(crate) fn ports(&self, now: Time) -> impl Iterator<Item = (PortIndex, Vec<Sample>)> {
        let is_fresh = move |frame: &&Sample| now.saturating_since(frame.at) < FRESH_FOR;
        let fresh = move |frames: &VecDeque<Sample>| frames.iter().filter(is_fresh).copied().collect();
        self.frames
            .iter()
            .map(move |(port, frames)| (*port, fresh(frames)))
            .filter(|(_, f): &(_, Vec<_>)| !f.is_empty())
    }
}

impl Samples {
    /// Watches `group` from now on, for some seconds; `counters` is what has been counted of it. Does
    /// nothing when as many others are watched as can be.
    pub(crate) fn watch(
        &mut self,
        now: Time,
        group: GroupAddr,
        counters: GroupCounters,
        policy: &ForwardingPolicy,
    ) {
        if !policy.watch(group) {
            return;
        }
        let until = now + WATCHED_FOR;
        let watched = self.watched.entry(group).or_insert_with(|| Watched {
            since: now,
            until,
            counted: (now, counters),
            rate: 0.0,
            frames: BTreeMap::new(),
        });
        watched.until = until;
        watched.count(now, counters);
    }

    /// What is known of a group that is being watched.
    pub(crate) fn of(&self, group: GroupAddr) -> Option<&Watched> {
        self.watched.get(&group)
    }

    /// Keeps a frame that a worker handed over as a sample.
    pub(crate) fn take(&mut self, now: Time, port: PortIndex, frame: &[u8], ingress: &Ingress) {
        let Some((group, sample)) = Sample::read(now, frame, ingress) else { return };
        if sample.dropped == Some(DropReason::Outgoing) {
            // What goes out of the port did not come in.
            return;
        }
        // The last ones of a watch that has ended may still come.
        let Some(watched) = self.watched.get_mut(&group) else { return };
        let frames = watched.frames.entry(port).or_default();
        if frames.len() == KEPT {
            frames.pop_front();
        }
        frames.push_back(sample);
    }

    /// What was seen says nothing of what is now: settings or a link changed. `counters` tells what has been
    /// counted of a group.
    pub(crate) fn forget(&mut self, now: Time, counters: impl Fn(GroupAddr) -> GroupCounters) {
        for (group, watched) in &mut self.watched {
            watched.since = now;
            watched.counted = (now, counters(*group));
            watched.rate = 0.0;
            watched.frames.clear();
        }
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.watched.values().map(|watched| watched.until).min()
    }

    /// Ends the watches whose time is over.
    pub(crate) fn expire(&mut self, now: Time, policy: &ForwardingPolicy) {
        self.watched.retain(|group, watched| {
            let stays = now < watched.until;
            if !stays {
                policy.unwatch(*group);
            }
            stays
        });
    }
}
