//! Groups: what differs from what was told. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api::{GroupView, GroupsReply, MemberView};
use serde::Serialize;
use types::GroupAddr;

use crate::live::rates::rate;

/// How far a time may be from what follows from the one told: answers take their time.
const SLACK_S: f64 = 0.75;

/// The event `groups`.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GroupsMessage {
    /// When this was so, in milliseconds since 1970: `age_s` and `expires_s` count from here.
    pub at_unix_ms: u64,
    /// Whether these are all groups there are; else only those that are new or differ by more than their figures and
    /// by time going on.
    pub full: bool,
    /// In ascending order.
    pub groups: Vec<GroupView>,
    /// Groups that are no more.
    #[schema(value_type = Vec<String>)]
    pub removed: Vec<String>,
    /// Figures of the groups for which they moved; with `full`, of all.
    pub figures: Vec<GroupFigures>,
}

impl GroupsMessage {
    /// Whether there is anything in it.
    pub(crate) fn says_something(&self) -> bool {
        self.full || !(self.groups.is_empty() && self.removed.is_empty() && self.figures.is_empty())
    }
}

/// What moves all the time.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GroupFigures {
    /// The group.
    pub group: String,
    /// Frames since it has been counted.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames each second; `null`: not known yet.
    pub frames_per_s: Option<f64>,
    /// Bytes each second; `null`: not known yet.
    pub bytes_per_s: Option<f64>,
}

/// A group as it was told and as it was heard last.
#[derive(Debug)]
struct Known {
    told: GroupView,
    told_at: Instant,
    heard: GroupView,
    frames_per_s: Option<f64>,
    bytes_per_s: Option<f64>,
}

/// What has to be told of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Nothing.
    None,
    /// Its figures.
    Figures,
    /// All of it.
    Whole,
}

impl Known {
    fn new(view: &GroupView, now: Instant) -> Self {
        Self { told: view.clone(), told_at: now, heard: view.clone(), frames_per_s: None, bytes_per_s: None }
    }

    /// The same group, heard again after `time`.
    fn hear(self, view: &GroupView, now: Instant, time: Duration) -> (Self, Change) {
        let passed = now.duration_since(self.told_at).as_secs_f64();
        let differs = differs(&self.told, view, passed);
        let (told, told_at) = if differs { (view.clone(), now) } else { (self.told, self.told_at) };
        let known = Self {
            told,
            told_at,
            frames_per_s: rate(self.heard.frames, view.frames, time),
            bytes_per_s: rate(self.heard.bytes, view.bytes, time),
            heard: view.clone(),
        };
        let moved = (self.heard.frames, self.frames_per_s, self.bytes_per_s)
            != (known.heard.frames, known.frames_per_s, known.bytes_per_s);
        let change = match (differs, moved) {
            (true, _) => Change::Whole,
            (false, true) => Change::Figures,
            (false, false) => Change::None,
        };
        (known, change)
    }

    fn figures(&self) -> GroupFigures {
        GroupFigures {
            group: self.heard.group.to_string(),
            frames: self.heard.frames,
            bytes: self.heard.bytes,
            frames_per_s: self.frames_per_s,
            bytes_per_s: self.bytes_per_s,
        }
    }
}

/// Whether `after` is other than `before` would be after `passed` seconds, figures aside.
fn differs(before: &GroupView, after: &GroupView, passed: f64) -> bool {
    let up = |before: Option<f64>, after: Option<f64>| follows(before, after, passed);
    // Without what is compared apart, two views are compared whole, fields yet to come included.
    let plain = |view: &GroupView| {
        let mut view = view.clone();
        (view.frames, view.bytes) = (0, 0);
        view.upstream.last_report_s = None;
        for member in &mut view.members {
            (member.age_s, member.expires_s) = (0.0, None);
        }
        view
    };
    let member_differs = |(before, after): (&MemberView, &MemberView)| {
        !up(Some(before.age_s), Some(after.age_s)) || !follows(before.expires_s, after.expires_s, -passed)
    };
    plain(before) != plain(after)
        || !up(before.upstream.last_report_s, after.upstream.last_report_s)
        || before.members.iter().zip(&after.members).any(member_differs)
}

/// Whether a time that moved by `passed` came to what it would.
fn follows(before: Option<f64>, after: Option<f64>, passed: f64) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => (before + passed - after).abs() < SLACK_S,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The groups as last heard.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    at: Option<(Instant, u64)>,
    known: BTreeMap<GroupAddr, Known>,
}

impl Groups {
    /// Takes what was heard at `now`, which is `unix_ms` by the wall clock, and gives what differs from what was told.
    /// The first time that is all.
    pub(crate) fn hear(&mut self, reply: &GroupsReply, now: Instant, unix_ms: u64) -> GroupsMessage {
        let full = self.at.is_none();
        let time = self.at.map_or(Duration::ZERO, |(at, _)| now.duration_since(at));
        let mut message =
            GroupsMessage { at_unix_ms: unix_ms, full, groups: vec![], removed: vec![], figures: vec![] };
        let mut before = std::mem::take(&mut self.known);
        for view in &reply.groups {
            let (known, change) = match before.remove(&view.group) {
                Some(known) => known.hear(view, now, time),
                None => (Known::new(view, now), Change::Whole),
            };
            match change {
                Change::None => {}
                Change::Figures => message.figures.push(known.figures()),
                Change::Whole => {
                    message.groups.push(view.clone());
                    message.figures.push(known.figures());
                }
            }
            self.known.insert(view.group, known);
        }
        message.removed = before.into_keys().map(|group| group.to_string()).collect();
        self.at = Some((now, unix_ms));
        message
    }

    /// All groups as last heard, once there is something to tell.
    pub(crate) fn whole(&self) -> Option<GroupsMessage> {
        let (_, at_unix_ms) = self.at?;
        Some(GroupsMessage {
            at_unix_ms,
            full: true,
            groups: self.known.values().map(|known| known.heard.clone()).collect(),
            removed: vec![],
            figures: self.known.values().map(Known::figures).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn view(group: &str, expires_s: f64, frames: u64) -> GroupView {
        serde_json::from_value(json!({
            "group": group, "frames": frames, "bytes": frames * 1000,
            "members": [{"port": "hall-a", "version": 2, "last_reporter": "10.1.0.5", "age_s": 100.0 - expires_s,
                         "expires_s": expires_s, "state": "members-present"}],
            "upstream": {"joined": true, "last_report_s": 100.0 - expires_s},
        }))
        .unwrap()
    }

    fn reply(groups: Vec<GroupView>) -> GroupsReply {
        GroupsReply { groups }
    }

    const A: &str = "239.1.1.1";
    const B: &str = "239.1.1.2";
    const HALF: Duration = Duration::from_millis(500);

    #[test]
    fn the_first_is_all_and_time_going_on_is_no_change() {
        let (mut groups, now) = (Groups::default(), Instant::now());
        let message = groups.hear(&reply(vec![view(A, 90.0, 5)]), now, 1000);
        assert!(message.full && message.groups.len() == 1 && message.figures.len() == 1);
        for n in 1..100 {
            let heard = reply(vec![view(A, 90.0 - f64::from(n) / 2.0, 5)]);
            let message = groups.hear(&heard, now + HALF * n, 1000);
            assert!(!message.full && message.groups.is_empty() && message.removed.is_empty(), "{message:?}");
            // Once: the rate is known to be none.
            assert_eq!(message.figures.len(), usize::from(n == 1), "{message:?}");
        }
    }

    #[test]
    fn a_report_a_new_group_and_one_that_goes_are_told() {
        let (mut groups, now) = (Groups::default(), Instant::now());
        groups.hear(&reply(vec![view(A, 90.0, 5)]), now, 0);
        let message = groups.hear(&reply(vec![view(A, 99.0, 5), view(B, 99.0, 0)]), now + HALF, 500);
        assert_eq!(message.groups.len(), 2, "refreshed, and new");
        let mut joined = view(A, 98.5, 5);
        joined.members.push(MemberView { port: "hall-b".to_owned(), ..joined.members[0].clone() });
        let message = groups.hear(&reply(vec![joined.clone()]), now + 2 * HALF, 1000);
        assert_eq!((message.groups, message.removed), (vec![joined.clone()], vec![B.to_owned()]));
        assert_eq!(groups.whole().unwrap().groups, vec![joined]);
    }

    #[test]
    fn figures_that_move_are_told_without_the_rest() {
        let (mut groups, now) = (Groups::default(), Instant::now());
        groups.hear(&reply(vec![view(A, 90.0, 100), view(B, 90.0, 7)]), now, 0);
        groups.hear(&reply(vec![view(A, 89.5, 100), view(B, 89.5, 7)]), now + HALF, 500);
        let message = groups.hear(&reply(vec![view(A, 89.0, 150), view(B, 89.0, 7)]), now + 2 * HALF, 1000);
        assert!(message.groups.is_empty());
        let [figures] = &message.figures[..] else { panic!("{message:?}") };
        assert_eq!((figures.group.as_str(), figures.frames), (A, 150));
        assert_eq!((figures.frames_per_s, figures.bytes_per_s), (Some(100.0), Some(100_000.0)));
        let message = groups.hear(&reply(vec![view(A, 88.5, 150), view(B, 88.5, 7)]), now + 3 * HALF, 1500);
        assert_eq!(message.figures[0].frames_per_s, Some(0.0), "it stands still: told once");
    }

    proptest! {
        /// Whoever puts the messages together has what was heard: groups, and figures.
        #[test]
        fn the_messages_add_up(rounds in prop::collection::vec(prop::collection::btree_map(0..6_u8, (0..3_u8, 0..4_u64), 0..6), 1..12)) {
            let (mut groups, mut now) = (Groups::default(), Instant::now());
            let mut seen: BTreeMap<String, GroupView> = BTreeMap::new();
            let mut figures: BTreeMap<String, u64> = BTreeMap::new();
            for round in rounds {
                now += HALF;
                let heard: Vec<_> = round.iter().map(|(last, (expires, frames))| {
                    view(&format!("239.1.1.{last}"), f64::from(*expires) * 30.0 + 20.0, *frames)
                }).collect();
                let message = groups.hear(&reply(heard.clone()), now, 0);
                for view in message.groups {
                    seen.insert(view.group.to_string(), view);
                }
                for group in &message.removed {
                    seen.remove(group);
                    figures.remove(group);
                }
                for told in message.figures {
                    figures.insert(told.group, told.frames);
                }
                prop_assert_eq!(seen.len(), heard.len());
                for view in heard {
                    let name = view.group.to_string();
                    prop_assert_eq!(figures[&name], view.frames);
                    prop_assert_eq!(&seen[&name].members[0].port, &view.members[0].port);
                    prop_assert_eq!(seen[&name].members[0].expires_s.map(f64::round), view.members[0].expires_s.map(f64::round));
                }
            }
        }
    }
}
