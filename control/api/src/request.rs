//! What may be asked.

use serde::{Deserialize, Deserializer, Serialize};
use types::GroupAddr;

use crate::error::{ErrorKind, ErrorReply};
use crate::events::MAX_EVENTS;
use crate::text;

/// The most edits in one [`Request::Change`] or [`Request::Preview`].
pub const MAX_EDITS: usize = 256;

/// A request: `{"request":"show-groups"}`, or with arguments `{"request":{"set-upstream":{"port":"wan2"}}}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Every group with its members.
    ShowGroups,
    /// Every port with its role, link, policies and totals.
    ShowPorts,
    /// Every counter of every port.
    ShowCounters,
    /// Every worker and what it does with its time.
    ShowWorkers,
    /// The process as a whole.
    ShowStatus,
    /// The settings in force, with what each may be and where it comes from.
    ShowSettings,
    /// Every connection that is, could be or could not be a port.
    ShowConnections,
    /// How long joins took.
    ShowLatency,
    /// What happened.
    ShowEvents {
        /// The id of the last event that is known already; 0 for all that are kept, and so is one of a later process.
        after: u64,
        /// The most to be given; [`MAX_EVENTS`] at most, which is also what holds where nothing is said.
        #[serde(default = "most_events")]
        limit: u32,
    },
    /// Why a group is dark, or where it goes.
    Explain {
        /// The group.
        #[serde(with = "text")]
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        group: GroupAddr,
        /// The client port that it is about; without one, every port that has to do with the group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<String>,
    },
    /// Read the settings' files again, and do what differs.
    Reload,
    /// Try a change of the live layer: all is checked, nothing is done.
    Preview {
        /// As of [`Request::Change`].
        edits: Vec<Edit>,
    },
    /// Change settings of the live layer: all of them, or none.
    Change {
        /// In this order; at most [`MAX_EDITS`].
        edits: Vec<Edit>,
        /// The revision of the settings that the change was made for: with others in force, it is refused as a
        /// [`Conflict`](ErrorKind::Conflict). Without one, whatever is in force is changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<u64>,
    },
    /// Switch the proxy on.
    Enable,
    /// Switch the proxy off: every group is left upstream, nothing is forwarded.
    Disable,
    /// Make another port the provider's.
    SetUpstream {
        /// Its name.
        port: String,
    },
}

/// One change of the settings' live layer. Which keys may be changed at all is the settings' to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The port's name; `null` or absent for a key of `[proxy]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The key.
    pub key: String,
    /// The value as TOML; `null` takes the key out of the live layer. Never absent: a misspelt field is not a removal.
    #[serde(deserialize_with = "nullable")]
    pub value: Option<String>,
}

const fn most_events() -> u32 {
    MAX_EVENTS
}

/// A field that may be null, but not absent.
fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

/// The object around a request. Strict: what it does not know, it refuses.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the key `request`")]
struct Envelope<R> {
    request: R,
}

impl Request {
    /// [`Request::Change`] of whatever is in force.
    pub const fn change(edits: Vec<Edit>) -> Self {
        Self::Change { edits, revision: None }
    }

    /// The requests without arguments that change nothing.
    pub const SHOWS: &[Self] = &[
        Self::ShowGroups,
        Self::ShowPorts,
        Self::ShowCounters,
        Self::ShowWorkers,
        Self::ShowStatus,
        Self::ShowSettings,
        Self::ShowConnections,
        Self::ShowLatency,
    ];

    /// The words of all requests.
    pub const NAMES: &[&str] = &[
        "show-groups",
        "show-ports",
        "show-counters",
        "show-workers",
        "show-status",
        "show-settings",
        "show-connections",
        "show-latency",
        "show-events",
        "explain",
        "preview",
        "reload",
        "change",
        "enable",
        "disable",
        "set-upstream",
    ];

    /// The word in the `request` field.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ShowGroups => "show-groups",
            Self::ShowPorts => "show-ports",
            Self::ShowCounters => "show-counters",
            Self::ShowWorkers => "show-workers",
            Self::ShowStatus => "show-status",
            Self::ShowSettings => "show-settings",
            Self::ShowConnections => "show-connections",
            Self::ShowLatency => "show-latency",
            Self::ShowEvents { .. } => "show-events",
            Self::Explain { .. } => "explain",
            Self::Preview { .. } => "preview",
            Self::Reload => "reload",
            Self::Change { .. } => "change",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::SetUpstream { .. } => "set-upstream",
        }
    }

    /// Whether it changes how Manifold runs; all others only look.
    pub const fn is_change(&self) -> bool {
        match self {
            Self::ShowGroups
            | Self::ShowPorts
            | Self::ShowCounters
            | Self::ShowWorkers
            | Self::ShowStatus
            | Self::ShowSettings
            | Self::ShowConnections
            | Self::ShowLatency
            | Self::ShowEvents { .. }
            | Self::Explain { .. }
            | Self::Preview { .. } => false,
            Self::Reload | Self::Change { .. } | Self::Enable | Self::Disable | Self::SetUpstream { .. } => {
                true
            }
        }
    }

    /// Reads a line, its end included or not.
    ///
    /// # Errors
    /// The reply to send when the line is no request: what is wrong with it, and what may be asked.
    pub fn parse(line: &[u8]) -> Result<Self, ErrorReply> {
        let bad = |message: String, cure: &str| Err(ErrorReply::new(ErrorKind::BadRequest, message, cure));
        let request = match serde_json::from_slice::<Envelope<Self>>(line) {
            Ok(envelope) => envelope.request,
            Err(error) => {
                let names = Self::NAMES.join(", ");
                let cure = format!(
                    "send one line like {{\"request\":\"show-status\"}}, or with what it is about like \
                     {{\"request\":{{\"explain\":{{\"group\":\"239.2.2.2\"}}}}}}; there is {names}"
                );
                // As serde_json has it of a name alone.
                let bare = "invalid type: unit variant, expected struct variant";
                let error = error.to_string().replace(bare, "it lacks what it is about");
                return bad(format!("not a request: {error}"), &cure);
            }
        };
        match &request {
            Self::Change { edits, .. } | Self::Preview { edits } if edits.len() > MAX_EDITS => bad(
                format!("{} edits at once, the most is {MAX_EDITS}", edits.len()),
                "send them in several requests, or edit the settings' file and reload",
            ),
            Self::ShowEvents { limit, .. } if !(1..=MAX_EVENTS).contains(limit) => bad(
                format!("{limit} events at once, it takes 1 to {MAX_EVENTS}"),
                "ask again with `after` as the reply's `next` says",
            ),
            _ => Ok(request),
        }
    }

    /// The line, with its end.
    pub fn to_line(&self) -> String {
        let line = serde_json::to_string(&Envelope { request: self });
        line.expect("strings in structs are always JSON") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Request> {
        let group = "239.2.2.2".parse().unwrap();
        let edit = |port: Option<&str>, value: Option<&str>| Edit {
            port: port.map(str::to_owned),
            key: "fast-leave".to_owned(),
            value: value.map(str::to_owned),
        };
        let mut requests = Request::SHOWS.to_vec();
        requests.extend([
            Request::Explain { group, port: None },
            Request::Explain { group, port: Some("hall-a".to_owned()) },
            Request::Reload,
            Request::ShowEvents { after: 7, limit: 2 },
            Request::Preview { edits: vec![edit(None, Some("true"))] },
            Request::change(vec![]),
            Request::change(vec![edit(Some("hall-a"), Some("\"tracked\"")), edit(None, None)]),
            Request::Change { edits: vec![], revision: Some(1_700_000_000_000) },
            Request::Enable,
            Request::Disable,
            Request::SetUpstream { port: "wan \"2\"\n".to_owned() },
        ]);
        requests
    }

    #[test]
    fn requests_read_as_they_are_written() {
        for request in all() {
            let line = request.to_line();
            assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
            assert_eq!(Request::parse(line.as_bytes()), Ok(request));
        }
    }

    #[test]
    fn the_lines_are_what_is_documented() {
        let lines: Vec<String> = all().iter().map(Request::to_line).collect();
        let expected = [
            r#"{"request":"show-groups"}"#,
            r#"{"request":"show-ports"}"#,
            r#"{"request":"show-counters"}"#,
            r#"{"request":"show-workers"}"#,
            r#"{"request":"show-status"}"#,
            r#"{"request":"show-settings"}"#,
            r#"{"request":"show-connections"}"#,
            r#"{"request":"show-latency"}"#,
            r#"{"request":{"explain":{"group":"239.2.2.2"}}}"#,
            r#"{"request":{"explain":{"group":"239.2.2.2","port":"hall-a"}}}"#,
            r#"{"request":"reload"}"#,
            r#"{"request":{"show-events":{"after":7,"limit":2}}}"#,
            r#"{"request":{"preview":{"edits":[{"key":"fast-leave","value":"true"}]}}}"#,
            r#"{"request":{"change":{"edits":[]}}}"#,
            r#"{"request":{"change":{"edits":[{"port":"hall-a","key":"fast-leave","value":"\"tracked\""},{"key":"fast-leave","value":null}]}}}"#,
            r#"{"request":{"change":{"edits":[],"revision":1700000000000}}}"#,
            r#"{"request":"enable"}"#,
            r#"{"request":"disable"}"#,
            r#"{"request":{"set-upstream":{"port":"wan \"2\"\n"}}}"#,
        ];
        assert_eq!(lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_request_is_named_and_either_looks_or_changes() {
        for request in all() {
            assert!(Request::NAMES.contains(&request.name()));
            assert!(request.to_line().contains(&format!("\"{}\"", request.name())));
            let looks =
                request.name().starts_with("show-") || ["explain", "preview"].contains(&request.name());
            assert_eq!(request.is_change(), !looks, "{request:?}");
        }
        for name in Request::NAMES {
            assert!(all().iter().any(|request| request.name() == *name), "{name}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_cure() {
        let lines: &[&[u8]] = &[
            b"",
            b"{}",
            b"show-status",
            br#"{"request":"show-everything"}"#,
            br#"{"request":"show-status","file":"/etc/passwd"}"#,
            br#"{"request":"show-status"} {"request":"show-status"}"#,
            br#"{"request":"show-status","request":"show-ports"}"#,
            b"\xff\xfe",
            br#"{"request":"explain"}"#,
            br#"{"request":{"explain":{"group":"10.0.0.1"}}}"#,
            br#"{"request":{"explain":{"group":"239.2.2.2","out":"/tmp/x"}}}"#,
            br#"{"request":{"set-upstream":{"port":"wan","device":"net_pcap0,rx_pcap=/etc/shadow"}}}"#,
            br#"{"request":{"set-upstream":{}}}"#,
            br#"{"request":{"change":{}}}"#,
            br#"{"request":{"change":{"edits":[{"port":"a","key":"mtu"}]}}}"#,
            br#"{"request":{"change":{"edits":[{"port":"a","key":"mtu","value":1500}]}}}"#,
            br#"{"request":{"change":{"edits":[{"table":"eal","key":"args","value":"\"-d x.so\""}]}}}"#,
            br#"{"request":{"change":{"edits":[{"eal":true,"key":"args","value":null}]}}}"#,
            br#"{"request":{"change":{"edits":[],"path":"/etc/cron.d/x"}}}"#,
            br#"{"request":{"change":{"edits":[],"revision":"1"}}}"#,
            br#"{"request":{"change":{"edits":[],"revision":-1}}}"#,
            br#"{"request":{"preview":{}}}"#,
            br#"{"request":{"preview":{"edits":[],"path":"/etc/cron.d/x"}}}"#,
            br#"{"request":{"preview":{"edits":[],"eal":"-d x.so"}}}"#,
            br#"{"request":{"preview":{"edits":[{"table":"eal","key":"args","value":"\"-d x.so\""}]}}}"#,
            br#"{"request":{"show-settings":{"path":"/etc/shadow"}}}"#,
            br#"{"request":{"show-connections":{"driver":"/tmp/x.so"}}}"#,
            br#"{"request":{"show-latency":{"reset":true}}}"#,
            br#"{"request":"show-events"}"#,
            br#"{"request":{"show-events":{"after":-1}}}"#,
            br#"{"request":{"show-events":{"after":0,"file":"/tmp/x"}}}"#,
            br#"{"request":{"reload":{"path":"/tmp/evil.toml"}}}"#,
            br#"{"request":{"enable":{},"disable":{}}}"#,
        ];
        for line in lines {
            let error = Request::parse(line).unwrap_err();
            assert!(error.message.starts_with("not a request: "), "{error:?}");
            assert!(error.cure.ends_with("change, enable, disable, set-upstream"), "{error:?}");
        }
        let error = Request::parse(br#"{"request":"show-status","file":"x"}"#).unwrap_err();
        assert!(error.message.contains("unknown field `file`"), "{error:?}");
        let message = |line: &[u8]| Request::parse(line).unwrap_err().message;
        let bare = message(br#"{"request":"explain"}"#);
        assert!(bare.starts_with("not a request: it lacks what it is about at line 1 "), "{bare}");
        let word = message(br#""show-status""#);
        assert!(word.contains(", expected an object with the key `request` at line 1 "), "{word}");
    }

    #[test]
    fn there_is_a_most_that_one_request_changes() {
        let edit = Edit { port: None, key: "enabled".to_owned(), value: None };
        for request in [Request::change, |edits| Request::Preview { edits }] {
            let request = |n| request(vec![edit.clone(); n]);
            assert_eq!(Request::parse(request(MAX_EDITS).to_line().as_bytes()), Ok(request(MAX_EDITS)));
            let error = Request::parse(request(MAX_EDITS + 1).to_line().as_bytes()).unwrap_err();
            assert_eq!(error.message, "257 edits at once, the most is 256");
            assert_eq!(error.kind, ErrorKind::BadRequest);
        }
    }

    #[test]
    fn events_are_asked_for_with_a_limit_or_without() {
        let parse = |line: &str| Request::parse(line.as_bytes());
        let asked = parse(r#"{"request":{"show-events":{"after":7}}}"#);
        assert_eq!(asked, Ok(Request::ShowEvents { after: 7, limit: MAX_EVENTS }));
        for limit in ["0", "1001"] {
            let line = format!(r#"{{"request":{{"show-events":{{"after":7,"limit":{limit}}}}}}}"#);
            assert_eq!(
                parse(&line).unwrap_err().message,
                format!("{limit} events at once, it takes 1 to 1000")
            );
        }
    }
}
