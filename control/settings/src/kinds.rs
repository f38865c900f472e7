//! What the value of each key may be, for whoever offers it to be changed. Reading it decides; a test holds this to that.

use std::ops::Range;
use std::time::Duration;

use types::MAX_LOCAL_GROUPS;

use crate::options::{
    DESCRIPTORS, DRIVER, FAST_LEAVE, LAST_MEMBER_QUERIES, LEAVE, LONG, MAX_ACCESS_RULES, MAX_SOURCES,
    MAX_STATIC_GROUPS, MS, MTU, NONE_TO_LONG, PORT_GROUPS, RESPONSE, ROBUSTNESS, SOURCE_MAC, TENTH,
    UNSOLICITED,
};

/// What a value may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// The least.
        least: u32,
        /// The most.
        most: u32,
        /// What is counted; `None` for a bare number.
        unit: Option<&'static str>,
    },
    /// A duration with its unit.
    Duration {
        /// The least.
        least: Duration,
        /// The most.
        most: Duration,
        /// It is a multiple of this.
        step: Duration,
        /// Whether `false` is a value, too: none.
        or_false: bool,
    },
    /// One of these, as TOML.
    Choice(Vec<String>),
    /// A list.
    List {
        /// What of.
        of: ListOf,
        /// The most entries.
        most: usize,
    },
    /// The name of a port.
    Port,
    /// What a port runs on.
    Device,
    /// An IPv4 address.
    Address,
    /// An IPv4 address with its prefix length.
    Network,
    /// A MAC address.
    Mac,
    /// Any text.
    Text,
}

/// What a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOf {
    /// Groups.
    Groups,
    /// Groups with a prefix length.
    GroupNetworks,
    /// Networks that hosts are in.
    Networks,
    /// `allow` or `deny`, and groups with a prefix length.
    AccessRules,
}

/// The kind of a key of `[proxy]`, `[defaults]` or a `[[port]]`; `None` for any other.
pub(crate) fn kind(key: &str) -> Option<KeyKind> {
    use KeyKind::{Address, Bool, Device, Mac, Network, Port, Text};
    Some(match key {
        "enabled"
        | "ignore-v1"
        | "report-isolated"
        | "forward-when-not-querier"
        | "require-router-alert"
        | "any-ttl"
        | "require-on-link-source"
        | "suppress"
        | "router-discovery" => Bool,
        "upstream" => Port,
        "local-groups" | "ssm-range" => list(ListOf::GroupNetworks, MAX_LOCAL_GROUPS),
        "router-mac" => Mac,
        "instance" => Text,
        "device" => Device,
        "address" => Network,
        "querier-address" => Address,
        "robustness" => integer(ROBUSTNESS, None),
        "query-interval" => duration(LONG, MS),
        "query-response-interval" | "last-member-query-interval" => duration(RESPONSE, TENTH),
        "last-member-query-count" => integer(LAST_MEMBER_QUERIES, None),
        "unsolicited-report-interval" => duration(UNSOLICITED, MS),
        "igmp-version" => choice(&["1", "2"]),
        "fast-leave" => words(FAST_LEAVE),
        "access" => list(ListOf::AccessRules, MAX_ACCESS_RULES),
        "max-groups" => integer(PORT_GROUPS, Some("groups")),
        "static-groups" => list(ListOf::Groups, MAX_STATIC_GROUPS),
        "sources" => choice(&["false", "true", "\"querier\""]),
        "sources-allowed" => list(ListOf::Networks, MAX_SOURCES),
        "re-report-interval" => {
            let (least, most) = LONG;
            KeyKind::Duration { least, most, step: MS, or_false: true }
        }
        "leave" => words(LEAVE),
        "link-down-hold" => duration(NONE_TO_LONG, MS),
        "mac" => words(SOURCE_MAC),
        "driver" => words(DRIVER),
        "mtu" => integer(MTU, Some("bytes")),
        "rx-descriptors" | "tx-descriptors" => integer(DESCRIPTORS, None),
        _ => return None,
    })
}

fn integer(range: Range<u32>, unit: Option<&'static str>) -> KeyKind {
    KeyKind::Integer { least: range.start, most: range.end - 1, unit }
}

fn duration((least, most): (Duration, Duration), step: Duration) -> KeyKind {
    KeyKind::Duration { least, most, step, or_false: false }
}

fn list(of: ListOf, most: usize) -> KeyKind {
    KeyKind::List { of, most }
}

fn choice(values: &[&str]) -> KeyKind {
    KeyKind::Choice(values.iter().map(|value| (*value).to_owned()).collect())
}

fn words<T>(words: &[(&str, T)]) -> KeyKind {
    KeyKind::Choice(words.iter().map(|(word, _)| format!("\"{word}\"")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{PORT, TABLES};
    use crate::load::parse;

    /// Whether a port passes with this value of the key.
    fn passes(key: &str, value: &str) -> bool {
        // Beside values with which the others of the port pass.
        let text = format!("[[port]]\nname = \"a\"\ndevice = \"eth0\"\n{key} = {value}\n");
        parse(&text, "").is_ok()
    }

    #[test]
    fn every_key_that_is_offered_has_a_kind() {
        let (table, proxy) = TABLES[0];
        assert_eq!(table, "proxy");
        for key in proxy.iter().map(|key| key.key).chain(PORT.iter().map(|key| key.key)) {
            assert!(kind(key).is_some(), "{key}");
        }
        assert_eq!(kind("cores"), None);
    }

    #[test]
    fn values_within_a_kind_pass_and_those_beyond_do_not() {
        for key in PORT.iter().map(|key| key.key) {
            let (good, bad): (Vec<String>, Vec<String>) = match kind(key).unwrap() {
                KeyKind::Bool => (vec!["true".into(), "false".into()], vec!["1".into()]),
                KeyKind::Integer { least, most, .. } => (
                    // Rings come in steps, which the check alone says.
                    vec![least.to_string(), (most / 32 * 32).max(least).to_string()],
                    vec![(least - 1).to_string(), (most + 1).to_string()],
                ),
                KeyKind::Duration { least, most, step, or_false } => {
                    let ms = |time: Duration| format!("\"{}ms\"", time.as_millis());
                    let mut bad = vec![ms(most + step), "\"1\"".into()];
                    bad.extend((!least.is_zero()).then(|| ms(least - step)));
                    let mut both = (vec![], bad);
                    // Timers must agree with one another: the ends of one need others beside them.
                    if !["query-interval", "query-response-interval"].contains(&key) {
                        both.0.extend([ms(least), ms(most)]);
                    }
                    let to = if or_false { &mut both.0 } else { &mut both.1 };
                    to.push("false".into());
                    both
                }
                KeyKind::Choice(values) => (values, vec!["\"neither\"".into(), "9".into()]),
                KeyKind::List { of, .. } => match of {
                    ListOf::Groups => (vec!["[\"239.2.2.2\"]".into()], vec!["[\"239.2.2.2/32\"]".into()]),
                    ListOf::GroupNetworks => {
                        (vec!["[\"239.2.0.0/16\"]".into()], vec!["[\"10.0.0.0/8\"]".into()])
                    }
                    ListOf::Networks => (vec!["[\"10.0.0.0/8\"]".into()], vec!["[\"239.2.0.0/16\"]".into()]),
                    ListOf::AccessRules => {
                        (vec!["[\"deny 239.2.0.0/16\"]".into()], vec!["[\"239.2.0.0/16\"]".into()])
                    }
                },
                KeyKind::Network => (vec!["\"10.1.0.1/24\"".into()], vec!["\"10.1.0.1\"".into()]),
                KeyKind::Address => (vec!["\"10.1.0.1\"".into()], vec!["\"10.1.0.1/24\"".into()]),
                KeyKind::Device => (vec![], vec!["1".into()]),
                KeyKind::Port | KeyKind::Mac | KeyKind::Text => panic!("no key of a port: {key}"),
            };
            for value in good {
                assert!(passes(key, &value), "{key} = {value}");
            }
            for value in bad {
                assert!(!passes(key, &value), "{key} = {value}");
            }
        }
    }

    #[test]
    fn lists_have_the_most_entries_that_the_check_takes() {
        for key in ["access", "static-groups", "sources-allowed"] {
            let Some(KeyKind::List { of, most }) = kind(key) else { panic!("{key}") };
            let entry = |n: usize| match of {
                ListOf::AccessRules => format!("\"deny 239.{}.{}.0/24\"", n / 256, n % 256),
                ListOf::Groups => format!("\"239.{}.{}.1\"", n / 256, n % 256),
                ListOf::Networks | ListOf::GroupNetworks => format!("\"10.{}.{}.0/24\"", n / 256, n % 256),
            };
            let list = |n: usize| format!("[{}]", (0..n).map(entry).collect::<Vec<_>>().join(", "));
            assert!(passes(key, &list(most)), "{key}");
            assert!(!passes(key, &list(most + 1)), "{key}");
        }
    }
}
