//! Counters of one port.

use types::counted;

use crate::Verdict;

counted! {
    /// Kinds of well-formed IGMP messages that come in. Names are stable: they are counter names.
    ReceivedType {
        QueryV1 "query-v1" "IGMPv1 query",
        QueryV2 "query-v2" "IGMPv2 query, general or group-specific",
        QueryV3 "query-v3" "IGMPv3 query",
        ReportV1 "report-v1" "IGMPv1 report",
        ReportV2 "report-v2" "IGMPv2 report",
        ReportV3 "report-v3" "IGMPv3 report",
        Leave "leave" "IGMPv2 leave",
        Solicitation "solicitation" "multicast router solicitation",
        Other "other" "any other type",
    }
}

counted! {
    /// Kinds of messages that we send. Names are stable: they are counter names.
    SentType {
        GeneralQuery "general-query" "general query",
        GroupQuery "group-query" "group-specific query",
        ReportV1 "report-v1" "IGMPv1 report",
        ReportV2 "report-v2" "IGMPv2 report",
        Leave "leave" "IGMPv2 leave",
        Advertisement "advertisement" "multicast router advertisement",
        Termination "termination" "multicast router termination",
    }
}

/// What one port received and sent, since the proxy was made or the place became its own. The verdicts add up to the frames handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgmpCounters {
    received: [u64; ReceivedType::COUNT],
    sent: [u64; SentType::COUNT],
    verdicts: [u64; Verdict::COUNT],
}

impl IgmpCounters {
    pub(crate) const ZERO: Self = Self {
        received: [0; ReceivedType::COUNT],
        sent: [0; SentType::COUNT],
        verdicts: [0; Verdict::COUNT],
    };

    /// Well-formed messages of this type that came in.
    pub const fn received(&self, what: ReceivedType) -> u64 {
        self.received[what as usize]
    }

    /// Messages of this type handed out as [`Action::Send`](crate::Action::Send).
    pub const fn sent(&self, what: SentType) -> u64 {
        self.sent[what as usize]
    }

    /// Frames that got this verdict.
    pub const fn verdict(&self, what: Verdict) -> u64 {
        self.verdicts[what as usize]
    }

    /// All verdicts, in the order of [`Verdict::ALL`].
    pub const fn verdicts(&self) -> &[u64; Verdict::COUNT] {
        &self.verdicts
    }

    /// All frames handed in.
    pub fn frames(&self) -> u64 {
        self.verdicts.iter().sum()
    }

    pub(crate) fn count_received(&mut self, what: ReceivedType) {
        self.received[what as usize] += 1;
    }

    pub(crate) fn count_sent(&mut self, what: SentType) {
        self.sent[what as usize] += 1;
    }

    pub(crate) fn count_verdict(&mut self, what: Verdict) {
        self.verdicts[what as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_counts_its_own() {
        let mut c = IgmpCounters::ZERO;
        c.count_received(ReceivedType::Other);
        c.count_sent(SentType::Leave);
        c.count_verdict(Verdict::DestinationMac);
        c.count_verdict(Verdict::DestinationMac);
        assert_eq!((c.received(ReceivedType::Other), c.sent(SentType::Leave)), (1, 1));
        assert_eq!((c.verdict(Verdict::DestinationMac), c.frames()), (2, 2));
        assert_eq!((c.received(ReceivedType::Leave), c.sent(SentType::ReportV2)), (0, 0));
    }

    #[test]
    fn counted_things_are_numbered_as_listed() {
        assert!(ReceivedType::ALL.iter().enumerate().all(|(i, t)| *t as usize == i));
        assert!(SentType::ALL.iter().enumerate().all(|(i, t)| *t as usize == i));
    }
}
