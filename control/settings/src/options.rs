//! What `[defaults]` may set for every port, and a `[[port]]` for itself: one line for each key.

use std::net::Ipv4Addr;
use std::ops::Range;
use std::time::Duration;

use types::{AccessList, AccessRule, GroupAddr, Ipv4Net, MAX_LOCAL_GROUPS};

use crate::model::{Driver, FastLeave, IgmpVersion, LeavePolicy, PortTimers, SourceMac, Sources};
use crate::problem::{At, Place, Problems};
use crate::reader::{Section, Value};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const TENTH: Duration = Duration::from_millis(100);
pub(crate) const NONE_TO_LONG: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(65_535));
pub(crate) const LONG: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(65_535));
/// What a Max Resp Time of one octet in tenths can say (RFC 2236, section 2.2).
pub(crate) const RESPONSE: (Duration, Duration) = (TENTH, Duration::from_millis(25_500));
pub(crate) const UNSOLICITED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(25));
/// Rules of a port: each report looks through them.
pub(crate) const MAX_ACCESS_RULES: usize = 1024;
/// Groups that a port takes without being asked for them.
pub(crate) const MAX_STATIC_GROUPS: usize = 4096;
/// Networks that streams may come from: each received packet looks through them.
pub(crate) const MAX_SOURCES: usize = 64;
pub(crate) const ROBUSTNESS: Range<u32> = 2..11;
pub(crate) const LAST_MEMBER_QUERIES: Range<u32> = 1..11;
pub(crate) const PORT_GROUPS: Range<u32> = 1..1_048_577;
pub(crate) const MTU: Range<u32> = 576..9601;
pub(crate) const DESCRIPTORS: Range<u32> = 64..32_769;
const SOURCES: &[(&str, Sources)] = &[("querier", Sources::WhileQuerier)];
pub(crate) const FAST_LEAVE: &[(&str, FastLeave)] =
    &[("off", FastLeave::Off), ("single", FastLeave::Single), ("tracked", FastLeave::Tracked)];
pub(crate) const LEAVE: &[(&str, LeavePolicy)] =
    &[("always", LeavePolicy::Always), ("last-reporter", LeavePolicy::LastReporter)];

pub(crate) const DRIVER: &[(&str, Driver)] =
    &[("auto", Driver::Auto), ("af_xdp", Driver::AfXdp), ("af_packet", Driver::AfPacket)];
pub(crate) const SOURCE_MAC: &[(&str, SourceMac)] =
    &[("router", SourceMac::Router), ("port", SourceMac::Port)];

/// A set of options: how each is read from its key, and how one set stands in for what another does not say.
macro_rules! options {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty, $key:literal, $read:expr;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub(crate) struct $name {
            $(pub(crate) $field: Option<At<$type>>,)*
        }

        impl $name {
            /// Every key.
            pub(crate) const KEYS: &'static [&'static str] = &[$($key),*];

            pub(crate) fn read(section: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
                $(
                    let read: fn(&Value<'_, '_>, &mut Problems) -> Option<At<$type>> = $read;
                    let $field = section.value($key).and_then(|value| read(&value, problems));
                )*
                Self { $($field),* }
            }

            /// These options, and `base`'s where these say nothing.
            #[must_use]
            pub(crate) fn or(self, base: &Self) -> Self {
                Self { $($field: self.$field.or_else(|| base.$field.clone())),* }
            }

            /// Where each key that is set was written.
            pub(crate) fn places(&self) -> impl Iterator<Item = (&'static str, &Place)> {
                [$(($key, self.$field.as_ref().map(|at| &at.place))),*]
                    .into_iter()
                    .filter_map(|(key, place)| Some((key, place?)))
            }
        }
    };
}

options! {
    /// Timers and policies: what both layers may set.
    PortOptions {
        robustness: u8, "robustness", |v, p| v.integer(ROBUSTNESS, "", p);
        query_interval: Duration, "query-interval", |v, p| v.duration(LONG, MS, p);
        query_response_interval: Duration, "query-response-interval", |v, p| v.duration(RESPONSE, TENTH, p);
        last_member_query_interval: Duration, "last-member-query-interval", |v, p| v.duration(RESPONSE, TENTH, p);
        last_member_query_count: u8, "last-member-query-count", |v, p| v.integer(LAST_MEMBER_QUERIES, "", p);
        unsolicited_report_interval: Duration, "unsolicited-report-interval", |v, p| v.duration(UNSOLICITED, MS, p);
        igmp_version: IgmpVersion, "igmp-version", read_version;
        ignore_v1: bool, "ignore-v1", |v, p| v.boolean(p);
        fast_leave: FastLeave, "fast-leave", |v, p| v.choice(FAST_LEAVE, p);
        report_isolated: bool, "report-isolated", |v, p| v.boolean(p);
        access: AccessList, "access", read_access;
        max_groups: u32, "max-groups", |v, p| v.integer(PORT_GROUPS, " groups", p);
        static_groups: Vec<At<GroupAddr>>, "static-groups", read_static_groups;
        sources: Sources, "sources", read_sources;
        sources_allowed: Vec<Ipv4Net>, "sources-allowed", read_sources_allowed;
        forward_when_not_querier: bool, "forward-when-not-querier", |v, p| v.boolean(p);
        require_router_alert: bool, "require-router-alert", |v, p| v.boolean(p);
        any_ttl: bool, "any-ttl", |v, p| v.boolean(p);
        require_on_link_source: bool, "require-on-link-source", |v, p| v.boolean(p);
        re_report_interval: Option<Duration>, "re-report-interval", read_re_report_interval;
        suppress: bool, "suppress", |v, p| v.boolean(p);
        leave: LeavePolicy, "leave", |v, p| v.choice(LEAVE, p);
        link_down_hold: Duration, "link-down-hold", |v, p| v.duration(NONE_TO_LONG, MS, p);
        router_discovery: bool, "router-discovery", |v, p| v.boolean(p);
        mac: SourceMac, "mac", |v, p| v.choice(SOURCE_MAC, p);
    }
}

options! {
    /// What depends on the device, the administrator's alone.
    DeviceOptions {
        driver: Driver, "driver", |v, p| v.choice(DRIVER, p);
        mtu: u16, "mtu", |v, p| v.integer(MTU, " bytes", p);
        rx_descriptors: u16, "rx-descriptors", read_descriptors;
        tx_descriptors: u16, "tx-descriptors", read_descriptors;
    }
}

impl PortOptions {
    pub(crate) fn timers(&self) -> PortTimers {
        let default = PortTimers::default();
        PortTimers {
            robustness: value(&self.robustness, default.robustness),
            query_interval: value(&self.query_interval, default.query_interval),
            query_response_interval: value(&self.query_response_interval, default.query_response_interval),
            last_member_query_interval: value(
                &self.last_member_query_interval,
                default.last_member_query_interval,
            ),
            last_member_query_count: self.last_member_query_count.as_ref().map(|at| at.value),
            unsolicited_report_interval: value(
                &self.unsolicited_report_interval,
                default.unsolicited_report_interval,
            ),
        }
    }
}

impl DeviceOptions {
    /// These in a layer that may not set them.
    pub(crate) fn refuse(section: &mut Section<'_, '_>, problems: &mut Problems) {
        for key in Self::KEYS {
            section.refuse(
                key,
                "only the administrator's file may set it",
                "set it in manifold.toml",
                problems,
            );
        }
    }
}

/// The value that is set, or `default`.
pub(crate) fn value<T: Copy>(at: &Option<At<T>>, default: T) -> T {
    at.as_ref().map_or(default, |at| at.value)
}

fn read_version(value: &Value<'_, '_>, problems: &mut Problems) -> Option<At<IgmpVersion>> {
    let at =
        value.integer::<u8>(1..3, " (what hosts report in version 3 is understood by either)", problems)?;
    Some(At { value: if at.value == 1 { IgmpVersion::V1 } else { IgmpVersion::V2 }, place: at.place })
}

fn read_sources(value: &Value<'_, '_>, problems: &mut Problems) -> Option<At<Sources>> {
    if value.is_bool() {
        let at = value.boolean(problems)?;
        return Some(At { value: if at.value { Sources::Yes } else { Sources::No }, place: at.place });
    }
    value.choice_of("true, false or \"querier\"", SOURCES, problems)
}

/// A duration, or `false`, by which a port does without the one of `[defaults]`.
fn read_re_report_interval(value: &Value<'_, '_>, problems: &mut Problems) -> Option<At<Option<Duration>>> {
    if value.is_false() {
        return value.boolean(problems).map(|at| At { value: None, place: at.place });
    }
    let at = value.duration(LONG, MS, problems)?;
    Some(At { value: Some(at.value), place: at.place })
}

/// Groups that stand for a member (r55): none of 224.0.0.0/24, each once.
fn read_static_groups(value: &Value<'_, '_>, problems: &mut Problems) -> Option<At<Vec<At<GroupAddr>>>> {
    let wanted = "a list of groups, like [\"239.2.2.2\"]";
    let mut groups: Vec<At<GroupAddr>> = Vec::new();
    for item in value.short_list(wanted, MAX_STATIC_GROUPS, problems)? {
        let Some(group) = item.parsed::<GroupAddr>("a group in 224.0.0.0/4", problems) else { continue };
        if group.value.is_link_local() {
            let what = format!("names {}, of 224.0.0.0/24, which no router forwards", group.value);
            item.error(&what, "leave it out", problems);
        } else if groups.iter().any(|other| other.value == group.value) {
            item.error(&format!("names {} twice", group.value), "leave one of them out", problems);
        } else {
            groups.push(group);
        }
    }
    Some(At { value: groups, place: value.place() })
}

/// Rules in order, the first match wins (r54); doubts about what they do are told, as most are mistakes.
fn read_access(value: &Value<'_, '_>, problems: &mut Problems) -> Option<At<AccessList>> {
    let wanted = "a list of rules, like [\"deny 239.9.0.0/16\", \"allow 239.0.0.0/8\"]";
    let mut rules: Vec<AccessRule> = Vec::new();
    for item in value.short_list(wanted, MAX_ACCESS_RULES, problems)? {
        let one = "\"allow\" or \"deny\" and groups with a prefix length, like \"deny 239.9.0.0/16\"";
        let Some(AccessRule { net, allow }) = item.parsed(one, problems).map(|at| at.value) else { continue };
        if !check_groups(&item, net, problems) {
            continue;
        }
        let wider =
            |rule: &&AccessRule| rule.net.prefix_len() <= net.prefix_len() && rule.net.contains(net.addr());
        if let Some(earlier) = rules.iter().find(wider) {
            let what = format!("never decides: \"{earlier}\" before it names all of its groups");
            item.warn(&what, "put it first, or leave it out", problems);
        }
        rules.push(AccessRule { net, allow });
    }
    if !rules.is_empty() && rules.iter().all(|rule| rule.allow) {
        let cure = "add \"deny 224.0.0.0/4\" at its end, or leave the list out";
        value.warn("denies nothing: a group that no rule names is allowed", cure, problems);
    }
    Some(At { value: AccessList::new(rules), place: value.place() })
}

/// A list of groups with prefix lengths.
pub(crate) fn read_group_nets(value: &Value<'_, '_>, problems: &mut Problems) -> Option<At<Vec<Ipv4Net>>> {
    let items = value.short_list("a list like [\"239.255.255.250/32\"]", MAX_LOCAL_GROUPS, problems)?;
    let mut groups = Vec::with_capacity(items.len());
    for item in items {
        let wanted = "groups with a prefix length, like \"239.255.255.250/32\"";
        let Some(At { value: net, .. }) = item.parsed::<Ipv4Net>(wanted, problems) else { continue };
        if check_groups(&item, net, problems) {
            groups.push(net);
        }
    }
    Some(At { value: groups, place: value.place() })
}

fn check_groups(item: &Value<'_, '_>, net: Ipv4Net, problems: &mut Problems) -> bool {
    if !net.addr().is_multicast() || net.prefix_len() < 4 {
        item.error(&format!("is {net}"), "groups are in 224.0.0.0/4", problems);
        return false;
    }
    check_prefix(item, net, problems)
}

/// The sources of r85: networks of hosts.
fn read_sources_allowed(value: &Value<'_, '_>, problems: &mut Problems) -> Option<At<Vec<Ipv4Net>>> {
    let mut nets = Vec::new();
    for item in value.short_list("a list of networks, like [\"10.20.0.0/16\"]", MAX_SOURCES, problems)? {
        let wanted = "an IPv4 network with its prefix length, like \"10.20.0.0/16\" or \"10.20.0.7/32\"";
        let Some(At { value: net, .. }) = item.parsed::<Ipv4Net>(wanted, problems) else { continue };
        if net.addr().is_multicast() {
            item.error(&format!("is {net}, of groups"), "name the networks that streams come from", problems);
        } else if check_prefix(&item, net, problems) {
            nets.push(net);
        }
    }
    Some(At { value: nets, place: value.place() })
}

fn check_prefix(item: &Value<'_, '_>, net: Ipv4Net, problems: &mut Problems) -> bool {
    let host_bits = u32::MAX.checked_shr(u32::from(net.prefix_len())).unwrap_or(0);
    let bits = net.addr().to_bits();
    if bits & host_bits == 0 {
        return true;
    }
    let base = Ipv4Addr::from_bits(bits & !host_bits);
    let cure = format!("write {base}/{} or {}/32", net.prefix_len(), net.addr());
    item.error(&format!("is {net}, with bits set after the prefix"), cure, problems);
    false
}

fn read_descriptors(value: &Value<'_, '_>, problems: &mut Problems) -> Option<At<u16>> {
    let at = value.integer::<u16>(DESCRIPTORS, "", problems)?;
    if !at.value.is_multiple_of(32) {
        let cure = "it takes a multiple of 32, as most NICs do";
        value.error(&format!("is {}", at.value), cure, problems);
        return None;
    }
    Some(at)
}
