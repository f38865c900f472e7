//! Hosts of the clients' links, which join groups and leave them again.

use std::collections::VecDeque;

use igmp::wire::{Outgoing, emit};
use types::{GroupAddr, MacAddr};

use super::pace::Pace;

/// Groups that are joined and left by turns; no data is in them.
const GROUPS: u32 = 4096;
const FIRST_GROUP: u32 = 0xef30_0000; // 239.48.0.0
/// A group is left when so many further ones have been joined.
const HELD: usize = 64;

/// A message and the sink by whose link it goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'h> {
    /// From 0 on.
    pub(super) sink: usize,
    /// The frame.
    pub(super) frame: &'h [u8],
    /// Whether it is a Leave.
    pub(super) leaves: bool,
}

/// The hosts, one on each sink.
#[derive(Debug)]
pub(super) struct Hosts {
    /// Reports and Leaves by sink and group.
    frames: Vec<Vec<[Vec<u8>; 2]>>,
    pace: Pace,
    joined: u64,
    members: VecDeque<u64>,
    /// Whether the next one due is a Leave.
    leaves_next: bool,
}

impl Hosts {
    /// Hosts on `sinks` links that join at `pace`.
    pub(super) fn new(sinks: usize, pace: Pace) -> Self {
        let groups = || (FIRST_GROUP..FIRST_GROUP + GROUPS).filter_map(GroupAddr::from_bits);
        let frames = |sink: usize| groups().map(|group| messages(sink, group)).collect();
        let frames = (0..sinks).map(frames).collect();
        Self { frames, pace, joined: 0, members: VecDeque::new(), leaves_next: false }
    }

    /// The next message, if one is due now.
    pub(super) fn next(&mut self, now: u64) -> Option<Message<'_>> {
        if self.leaves_next && self.members.len() > HELD {
            self.leaves_next = false;
            return self.leave();
        }
        if self.pace.due(now) == 0 {
            return None;
        }
        self.pace.sent(1);
        self.leaves_next = true;
        let number = self.joined;
        self.joined += 1;
        self.members.push_back(number);
        Some(self.message(number, false))
    }

    /// Joins that were due so far, those that were too old to be sent among them; as many leaves.
    pub(super) fn due(&self) -> u64 {
        self.joined + self.pace.skipped()
    }

    /// The next of what is left of the members, once nobody joins any more.
    pub(super) fn leave(&mut self) -> Option<Message<'_>> {
        let number = self.members.pop_front()?;
        Some(self.message(number, true))
    }

    fn message(&self, number: u64, leaves: bool) -> Message<'_> {
        let sinks = self.frames.len() as u64;
        let (sink, group) = ((number % sinks) as usize, (number / sinks) as usize % GROUPS as usize);
        Message { sink, frame: &self.frames[sink][group][usize::from(leaves)], leaves }
    }
}

fn messages(sink: usize, group: GroupAddr) -> [Vec<u8>; 2] {
    let (host, mac) = ([10, 1, sink as u8 + 1, 2].into(), MacAddr([2, 0, 0, 0, 3, sink as u8 + 1]));
    let frame = |message| emit(message, mac, host, 0).as_slice().to_vec();
    [frame(Outgoing::ReportV2(group)), frame(Outgoing::Leave(group))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use igmp::wire::{Message as Read, parse};
    use std::collections::HashSet;

    use crate::memif::pace::MOST_AT_ONCE;

    #[test]
    fn each_group_that_is_joined_is_left_again() {
        let mut hosts = Hosts::new(2, Pace::new(0, 1_000, 1_000));
        let mut members = HashSet::new();
        let (mut joins, mut leaves) = (0, 0);
        let mut take = |message: Message<'_>| match parse(message.frame).unwrap().message {
            Read::ReportV2(group) => {
                joins += 1;
                assert!(!message.leaves && members.insert((message.sink, group)));
            }
            Read::Leave(group) => {
                leaves += 1;
                assert!(message.leaves && members.remove(&(message.sink, group)));
            }
            other => panic!("{other:?}"),
        };
        for now in 0..1_000 {
            while let Some(message) = hosts.next(now) {
                take(message);
            }
        }
        while let Some(message) = hosts.leave() {
            take(message);
        }
        assert_eq!((joins, leaves, members.len()), (999, 999, 0));
        assert_eq!(hosts.due(), 999);
        // Away for a second: all but the latest are too old.
        assert!(hosts.next(2_000).is_some());
        assert_eq!(hosts.due(), 999 + (1_001 - MOST_AT_ONCE) + 1);
    }
}
