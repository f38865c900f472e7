//! What a check of `explain` found, in words for programs.

use serde::{Deserialize, Serialize};

/// What a check found. In brackets: what [`Check::values`](crate::Check::values) has with it, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The proxy forwards, and the provider's port has carrier.
    SwitchedOn,
    /// The proxy is switched off.
    SwitchedOff,
    /// No port is the provider's.
    NoProviderPort,
    /// The port has no carrier (`device`).
    NoCarrier,
    /// The port's interface is not there (`device`).
    InterfaceGone,
    /// The port's interface cannot be taken (`device`, `why` in English).
    OutOfService,

    /// No setting keeps the group on its link.
    NotKeptBack,
    /// Groups in 224.0.0.0/24 stay on their link.
    LinkLocalGroup,
    /// `local-groups` keeps it on its link (`range`).
    LocalGroup,
    /// `ssm-range` has it: joins without sources mean nothing (`range`).
    SsmRange,
    /// A rule of the port's access list allows it (`rule`).
    AccessAllowed,
    /// The port has no access list.
    NoAccessList,
    /// The port's access list does not name it, which allows it.
    NoAccessRule,
    /// A rule of the port's access list denies it (`rule`).
    AccessDenied,
    /// The port has as many groups as it may (`most`).
    GroupLimit,

    /// A host asked for it (`host`, `version`, `reported_s` and `since_s` ago; `ends_s` until it goes unless reported
    /// again, `v1_host` where Leaves are ignored for one, `blocks` of hosts with IGMPv3, of all groups).
    Member,
    /// Somebody left, and the others are asked (as `member`).
    MemberChecked,
    /// It was static, and ends unless a host asks (`ends_s`).
    StaticMemberEnds,
    /// The settings have it as a static group.
    StaticMember,
    /// No host asked for it (`refused`: IGMP refused since the start, of all groups, by the counters' names).
    NoMember,
    /// Reports for it change nothing now.
    ReportsIgnored,

    /// We are querier (`address`, `next_s`).
    WeAsk,
    /// We ask from 0.0.0.0, by which switches learn no router port (`next_s`).
    WeAskUnnumbered,
    /// Another router is querier, and has to forward (`address`, `since_s`, `until_s`: when we are again if it is silent).
    OtherQuerier,
    /// Another router is querier, and the settings have us forward all the same (as `other-querier`).
    OtherQuerierIgnored,
    /// Nobody asks: the port has no carrier, or the proxy is off.
    NobodyAsks,
    /// We never ask on this port.
    NeverAsked,

    /// The provider was asked for it (`reported_s` ago, `next_s`; `querier`, its `version` and `queried_s`, where the
    /// provider asks).
    ProviderAsked,
    /// The provider is about to be asked (as `provider-asked`).
    ProviderToBeAsked,
    /// Another host's report to the provider stands for ours (as `provider-asked`).
    ProviderAskedByAnother,
    /// The provider was not asked: no port has a member.
    ProviderNotAsked,
    /// The provider is not asked now.
    ProviderNotAskedNow,

    /// Frames arrive (`source`, `mac`, `ttl`, `bytes`, `seen_s` ago, `rate` a second, `fragments`).
    Arrives,
    /// Frames arrive by a client port that may not send, too (as `arrives`).
    ArrivesElsewhere,
    /// Frames arrive by a client port that may not send, and nowhere else (as `arrives`).
    ArrivesElsewhereOnly,
    /// Frames are counted, but none was seen (`rate`).
    ArrivesUnseen,
    /// Frames are looked at from now on.
    BeingWatched,
    /// Too many other groups are looked at.
    NotWatched,
    /// No frame arrives (`waited_s`), and the provider was not asked. As with the next four, `lost_before` tells what is lost
    /// of all groups before a worker has it, by the counters' names.
    SilentUnasked,
    /// No frame arrives (`waited_s`), and the provider was asked only now.
    SilentYet,
    /// No frame arrives (`waited_s`), and the provider never asks who is left.
    SilentWithoutQuery,
    /// No frame arrives (`waited_s`), and the provider speaks IGMPv3.
    SilentV3,
    /// No frame arrives (`waited_s`), though the provider knows that we want it.
    Silent,

    /// None of the frames looked at is dropped (`of`).
    NothingDropped,
    /// Frames are dropped (`frames` of `of`, `reason` as the drop counters name it, `source`, `mac`, `mtu`).
    Dropped,
    /// Frames are lost before a worker has them (`lost`: how many since the start, of all groups, by the counters' names;
    /// `reason`: the first of those, `seen_s` ago).
    Losing,
    /// Frames from sources that may not send it have been dropped (`frames`).
    SourcesRefused,
    /// Hosts drop frames, as their UDP checksum was left to a NIC that is not there (`frames` of `of`, `source`).
    ChecksumUnfinished,
    /// Hosts drop frames, as their UDP checksum is wrong (`frames` of `of`).
    ChecksumWrong,
    /// The UDP checksum was left to a NIC that is not there, and is completed here (`frames` of `of`).
    ChecksumCompleted,

    /// It goes out (`lost`: copies lost there since the start, of all groups, by the counters' names).
    Forwarded,
    /// What comes in right would go out (as `forwarded`).
    WouldBeForwarded,
    /// The group table is full (`most`).
    TableFull,
    /// The sender is on the port's own link.
    SentOnLink,
    /// Frames are longer than the port's MTU (`bytes`, `mtu`).
    TooLong,
}
