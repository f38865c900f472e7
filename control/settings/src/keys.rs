//! Every key with its value as TOML, for what is shown of settings: where each comes from, and what differs.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use toml_edit::Value;

use crate::duration;
use crate::model::{Cores, IgmpVersion, PortSettings, Settings, Sources};
use crate::options::{DRIVER, FAST_LEAVE, LEAVE, SOURCE_MAC};
use crate::sections::{HUGEPAGES, POLL};

/// A key of `T`, and what a change of it takes, `C`.
pub(crate) struct Key<T, C> {
    pub(crate) key: &'static str,
    pub(crate) class: C,
    /// The value as TOML; `None` when nothing is set.
    pub(crate) show: fn(&T) -> Option<String>,
    /// What holds when nothing is set.
    pub(crate) unset: Unset<T>,
}

/// What holds for a key that is not set.
pub(crate) enum Unset<T> {
    /// It has a default that is a value.
    Never,
    /// This, in words.
    Words(&'static str),
    /// This value, which follows from others, named in words.
    Derived(fn(&T) -> String, &'static str),
}

/// What a change of a port's key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortClass {
    Device,
    Address,
    Timers,
    Policy,
}

/// What a change of another key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Live,
    Restart,
}

const fn set<T, C>(key: &'static str, class: C, show: fn(&T) -> Option<String>) -> Key<T, C> {
    Key { key, class, show, unset: Unset::Never }
}

const fn or_words<T, C: Copy>(
    key: &'static str,
    class: C,
    show: fn(&T) -> Option<String>,
    words: &'static str,
) -> Key<T, C> {
    Key { key, class, show, unset: Unset::Words(words) }
}

/// The keys of a `[[port]]`, but for its name.
pub(crate) static PORT: &[Key<PortSettings, PortClass>] = &{
    use PortClass::{Address, Device, Policy, Timers};
    [
        set("device", Device, |p| text(&p.device)),
        or_words("address", Address, |p| p.address.and_then(|net| text(&net)), "none"),
        or_words("querier-address", Address, |p| p.querier_address.and_then(|addr| text(&addr)), "`address`"),
        set("robustness", Timers, |p| bare(&p.timers.robustness)),
        set("query-interval", Timers, |p| time(p.timers.query_interval)),
        set("query-response-interval", Timers, |p| time(p.timers.query_response_interval)),
        set("last-member-query-interval", Timers, |p| time(p.timers.last_member_query_interval)),
        Key {
            key: "last-member-query-count",
            class: Timers,
            show: |p| p.timers.last_member_query_count.and_then(|n| bare(&n)),
            unset: Unset::Derived(|p| p.timers.robustness.to_string(), "`robustness`"),
        },
        set("unsolicited-report-interval", Timers, |p| time(p.timers.unsolicited_report_interval)),
        set("igmp-version", Policy, |p| {
            bare(&match p.igmp_version {
                IgmpVersion::V1 => 1,
                IgmpVersion::V2 => 2,
            })
        }),
        set("ignore-v1", Policy, |p| bare(&p.ignore_v1)),
        set("fast-leave", Policy, |p| word(FAST_LEAVE, p.fast_leave)),
        set("report-isolated", Policy, |p| bare(&p.report_isolated)),
        set("access", Policy, |p| list(p.access.rules())),
        or_words("max-groups", Policy, |p| p.max_groups.and_then(|n| bare(&n)), "its share of the table"),
        set("static-groups", Policy, |p| list(&p.static_groups)),
        set("sources", Policy, |p| match p.sources {
            Sources::No => bare(&false),
            Sources::Yes => bare(&true),
            Sources::WhileQuerier => text(&"querier"),
        }),
        set("sources-allowed", Policy, |p| list(&p.sources_allowed)),
        set("forward-when-not-querier", Policy, |p| bare(&p.forward_when_not_querier)),
        set("require-router-alert", Policy, |p| bare(&p.require_router_alert)),
        set("any-ttl", Policy, |p| bare(&p.any_ttl)),
        set("require-on-link-source", Policy, |p| bare(&p.require_on_link_source)),
        set("re-report-interval", Policy, |p| p.re_report_interval.map_or_else(|| bare(&false), time)),
        set("suppress", Policy, |p| bare(&p.suppress)),
        set("leave", Policy, |p| word(LEAVE, p.leave)),
        Key {
            key: "link-down-hold",
            class: Policy,
            show: |p| p.link_down_hold.and_then(time),
            unset: Unset::Derived(membership_interval, "the group membership interval"),
        },
        set("router-discovery", Policy, |p| bare(&p.router_discovery)),
        or_words(
            "mac",
            Policy,
            |p| p.mac.and_then(|mac| word(SOURCE_MAC, mac)),
            "\"router\"; \"port\" on a macvlan",
        ),
        set("driver", Device, |p| word(DRIVER, p.driver)),
        or_words("mtu", Device, |p| p.mtu.and_then(|n| bare(&n)), "the device's own"),
        set("rx-descriptors", Device, |p| bare(&p.rx_descriptors)),
        set("tx-descriptors", Device, |p| bare(&p.tx_descriptors)),
    ]
};

/// The other tables and their keys.
pub(crate) static TABLES: &[(&str, &[Key<Settings, Class>])] = &{
    use Class::{Live, Restart};
    [
        (
            "proxy",
            &[
                set("enabled", Live, |s| bare(&s.proxy.enabled)),
                or_words(
                    "upstream",
                    Live,
                    |s| s.upstream_port().and_then(|port| text(&port.name)),
                    "none: nothing is forwarded",
                ),
                set("local-groups", Live, |s| list(&s.proxy.local_groups)),
                set("ssm-range", Live, |s| list(&s.proxy.ssm_range)),
                or_words(
                    "router-mac",
                    Restart,
                    |s| s.proxy.router_mac.and_then(|mac| text(&mac)),
                    "the provider port's own",
                ),
                set("instance", Restart, |s| text(&s.proxy.instance)),
            ],
        ),
        (
            "worker",
            &[
                set("cores", Restart, |s| match &s.worker.cores {
                    Cores::Auto => text(&"auto"),
                    Cores::List(cores) => {
                        Some(Value::from_iter(cores.iter().copied().map(i64::from)).to_string())
                    }
                }),
                or_words(
                    "control-core",
                    Restart,
                    |s| s.worker.control_core.and_then(|n| bare(&n)),
                    "any that is not a worker's",
                ),
                set("poll", Restart, |s| word(POLL, s.worker.poll)),
                set("control-poll", Restart, |s| word(POLL, s.worker.control_poll)),
            ],
        ),
        (
            "eal",
            &[
                set("hugepages", Restart, |s| word(HUGEPAGES, s.eal.hugepages)),
                or_words(
                    "memory-mb",
                    Restart,
                    |s| s.eal.memory_mb.and_then(|n| bare(&n)),
                    "computed from ports and descriptors",
                ),
                Key {
                    key: "max-ports",
                    class: Restart,
                    show: |s| s.eal.max_ports.and_then(|n| bare(&n)),
                    unset: Unset::Derived(|s| s.ports.len().to_string(), "the number of ports"),
                },
                set("args", Restart, |s| list(&s.eal.args)),
            ],
        ),
        ("table", &[set("max-groups", Restart, |s| bare(&s.table.max_groups))]),
        (
            "socket",
            &[
                set("path", Restart, |s| path(&s.socket.path)),
                or_words("group", Restart, |s| s.socket.group.as_ref().and_then(text), "root alone"),
            ],
        ),
        (
            "paths",
            &[
                set("run-dir", Restart, |s| path(&s.paths.run_dir)),
                set("live", Restart, |s| s.paths.live.as_deref().map_or_else(|| bare(&false), path)),
            ],
        ),
        ("log", &[set("level", Live, |s| text(&s.log.level.as_str()))]),
        ("record", &[or_words("path", Restart, |s| s.record.path.as_deref().and_then(path), "none")]),
    ]
};

/// Robustness x query interval + query response interval (RFC 2236, section 8.4).
fn membership_interval(port: &PortSettings) -> String {
    let t = &port.timers;
    // IGMPv1 has no Max Resp Time; ten seconds stand for it (RFC 1112, appendix I).
    let response = match port.igmp_version {
        IgmpVersion::V1 => Duration::from_secs(10),
        IgmpVersion::V2 => t.query_response_interval,
    };
    quoted(&duration::show(t.query_interval * u32::from(t.robustness) + response))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn text(value: &impl Display) -> Option<String> {
    Some(quoted(&value.to_string()))
}

fn bare(value: &impl Display) -> Option<String> {
    Some(value.to_string())
}

fn time(value: Duration) -> Option<String> {
    Some(quoted(&duration::show(value)))
}

/// Paths come from TOML, which is UTF-8.
fn path(path: &Path) -> Option<String> {
    Some(quoted(&path.to_string_lossy()))
}

fn list<T: Display>(items: &[T]) -> Option<String> {
    Some(items.iter().map(ToString::to_string).collect::<Value>().to_string())
}

fn word<T: Copy + PartialEq>(words: &[(&str, T)], value: T) -> Option<String> {
    words.iter().find(|(_, v)| *v == value).map(|(word, _)| quoted(word))
}
