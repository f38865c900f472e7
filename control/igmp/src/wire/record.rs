//! The group records of an IGMPv3 report (RFC 9776, section 4.2).

use core::net::Ipv4Addr;

use etherparse::igmp::{MembershipReportV3Slice, ReportGroupRecordType, ReportGroupRecordV3SliceIter};

/// An IGMPv3 report. That it exists means that every record it announces is there in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportV3<'a>(MembershipReportV3Slice<'a>);

impl<'a> ReportV3<'a> {
    /// `None` when the records announced run past the message's end.
    pub(super) fn new(slice: MembershipReportV3Slice<'a>) -> Option<Self> {
        slice.group_records().all(|record| record.is_ok()).then_some(Self(slice))
    }

    /// The records, in the order of the message.
    pub fn records(&self) -> Records<'a> {
        Records(self.0.group_records())
    }
}

/// Iterator over the records of a report.
#[derive(Debug, Clone)]
pub struct Records<'a>(ReportGroupRecordV3SliceIter<'a>);

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let record = self.0.next()?.ok()?;
        Some(Record {
            kind: RecordKind::of(record.record_type()),
            group: record.multicast_address().into(),
            sources: record.num_of_sources(),
        })
    }
}

/// One group record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// What it says.
    pub kind: RecordKind,
    /// About which address; not checked.
    pub group: Ipv4Addr,
    /// How many sources it lists.
    pub sources: u16,
}

/// Type of a group record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// 1, MODE_IS_INCLUDE.
    IsInclude,
    /// 2, MODE_IS_EXCLUDE.
    IsExclude,
    /// 3, CHANGE_TO_INCLUDE_MODE.
    ToInclude,
    /// 4, CHANGE_TO_EXCLUDE_MODE.
    ToExclude,
    /// 5, ALLOW_NEW_SOURCES.
    Allow,
    /// 6, BLOCK_OLD_SOURCES.
    Block,
    /// Any other: the record is skipped (section 4.2, Group Record Types).
    Unknown(u8),
}

impl RecordKind {
    fn of(kind: ReportGroupRecordType) -> Self {
        match kind {
            ReportGroupRecordType::MODE_IS_INCLUDE => Self::IsInclude,
            ReportGroupRecordType::MODE_IS_EXCLUDE => Self::IsExclude,
            ReportGroupRecordType::CHANGE_TO_INCLUDE_MODE => Self::ToInclude,
            ReportGroupRecordType::CHANGE_TO_EXCLUDE_MODE => Self::ToExclude,
            ReportGroupRecordType::ALLOW_NEW_SOURCES => Self::Allow,
            ReportGroupRecordType::BLOCK_OLD_SOURCES => Self::Block,
            ReportGroupRecordType(other) => Self::Unknown(other),
        }
    }
}
