//! What is answered to "why is this channel dark?".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::GroupAddr;

use crate::finding::Finding;
use crate::text;

/// Where a group goes, or the first thing that keeps it from going anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ExplainReply {
    /// The group.
    #[serde(with = "text")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub group: GroupAddr,
    /// The port asked about, if one was named.
    pub port: Option<String>,
    /// Whether no host gets frames of the group that it can use: on the port asked about, or on any. `null` while that
    /// is not known.
    pub dark: Option<bool>,
    /// In one line of English: where it goes, or what makes it dark.
    pub verdict: String,
    /// What would cure that.
    pub cure: Option<String>,
    /// The ports that it goes to, or would as far as is known.
    pub lit: Vec<String>,
    /// The place in `checks` of what makes it dark, on one of the ports if not on all; `null` if nothing does, or there is
    /// no client port.
    pub fault: Option<u32>,
    /// What was looked at, in this order.
    pub checks: Vec<Check>,
    /// Whether frames of the group began to be looked at with this request only, so that nothing is known of them yet:
    /// ask again in a second or two.
    pub watching: bool,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Check {
    /// What it is about.
    pub topic: Topic,
    /// The port, where it is about one.
    pub port: Option<String>,
    /// Whether it is as it should be; `null` where nothing can be said, or nothing is wrong or right.
    pub ok: Option<bool>,
    /// What was found, for programs.
    pub finding: Finding,
    /// What belongs to that, by name. Times are in seconds.
    pub values: BTreeMap<String, String>,
    /// What was found, in English.
    pub text: String,
    /// What would cure it, in English.
    pub cure: Option<String>,
}

/// What a check is about, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Whether the proxy is on, and has a provider port with a link.
    Proxy,
    /// Whether the group may be had: by everybody, and on a port.
    Allowed,
    /// Who asked for it on a port, when, and by which version.
    Asked,
    /// Who is querier on a port.
    Querier,
    /// Whether the provider was asked, and what it asks us.
    Upstream,
    /// Whether frames of it arrive, from whom, on which port.
    Arriving,
    /// What of it is dropped, and why.
    Dropped,
    /// Which ports it goes out of.
    Leaving,
}

impl Topic {
    /// The word in the `topic` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Allowed => "allowed",
            Self::Asked => "asked",
            Self::Querier => "querier",
            Self::Upstream => "upstream",
            Self::Arriving => "arriving",
            Self::Dropped => "dropped",
            Self::Leaving => "leaving",
        }
    }
}
