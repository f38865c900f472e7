//! What may be asked.

use serde::{Deserialize, Serialize};

use crate::reply::ErrorReply;

/// A request: `{"request":"show-groups"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Every group with its members.
    ShowGroups,
    /// Every port with its role, link and totals.
    ShowPorts,
    /// Every counter of every port.
    ShowCounters,
    /// The process as a whole.
    ShowStatus,
}

/// The object around a request. Strict: what it does not know, it refuses.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    request: Request,
}

impl Request {
    /// Every request.
    pub const ALL: &[Self] = &[Self::ShowGroups, Self::ShowPorts, Self::ShowCounters, Self::ShowStatus];

    /// The word in the `request` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShowGroups => "show-groups",
            Self::ShowPorts => "show-ports",
            Self::ShowCounters => "show-counters",
            Self::ShowStatus => "show-status",
        }
    }

    /// Reads a line, its end included or not.
    ///
    /// # Errors
    /// The reply to send when the line is no request: what is wrong with it, and what may be asked.
    pub fn parse(line: &[u8]) -> Result<Self, ErrorReply> {
        match serde_json::from_slice::<Envelope>(line) {
            Ok(envelope) => Ok(envelope.request),
            Err(error) => Err(ErrorReply {
                message: format!("not a request: {error}"),
                cure: format!(
                    "send one line like {{\"request\":\"show-status\"}}; there is {}",
                    Self::ALL.iter().map(|r| r.name()).collect::<Vec<_>>().join(", ")
                ),
            }),
        }
    }

    /// The line, with its end.
    pub fn to_line(self) -> String {
        format!("{{\"request\":\"{}\"}}\n", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_they_are_written() {
        for request in Request::ALL {
            assert_eq!(Request::parse(request.to_line().as_bytes()), Ok(*request));
            let by_serde = serde_json::to_string(&Envelope { request: *request }).unwrap();
            assert_eq!(request.to_line(), by_serde + "\n");
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_cure() {
        let lines: [&[u8]; 8] = [
            b"",
            b"{}",
            b"show-status",
            b"{\"request\":\"show-everything\"}",
            b"{\"request\":\"show-status\",\"file\":\"/etc/passwd\"}",
            b"{\"request\":\"show-status\"} {\"request\":\"show-status\"}",
            b"{\"request\":\"show-status\",\"request\":\"show-ports\"}",
            b"\xff\xfe",
        ];
        for line in lines {
            let error = Request::parse(line).unwrap_err();
            assert!(error.message.starts_with("not a request: "), "{error:?}");
            assert!(error.cure.ends_with("show-groups, show-ports, show-counters, show-status"), "{error:?}");
        }
        let error = Request::parse(b"{\"request\":\"show-status\",\"file\":\"x\"}").unwrap_err();
        assert!(error.message.contains("unknown field `file`"), "{error:?}");
    }
}
