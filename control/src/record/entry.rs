//! The lines of a record.

use serde::{Deserialize, Serialize};
use types::{MacAddr, PortIndex, Time};

use super::configuration::ConfigurationText;
use super::text::{self, index, time};
use crate::configuration::Configuration;

/// The format's version. A new kind of line, or a new field, is a new version.
pub(crate) const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Entry {
    /// The first: all that the agent was made of.
    Begin(Begin),
    /// A frame came in.
    Frame {
        #[serde(rename = "at_ns", with = "time")]
        at: Time,
        #[serde(with = "index")]
        port: PortIndex,
        #[serde(with = "text::hex")]
        bytes: Vec<u8>,
    },
    /// A carrier came or went.
    Link {
        #[serde(rename = "at_ns", with = "time")]
        at: Time,
        #[serde(with = "index")]
        port: PortIndex,
        up: bool,
    },
    /// The settings changed.
    Configure {
        #[serde(rename = "at_ns", with = "time")]
        at: Time,
        #[serde(with = "ConfigurationText")]
        configuration: Configuration,
    },
    /// Timers were fired and actions carried out.
    Poll {
        #[serde(rename = "at_ns", with = "time")]
        at: Time,
        /// Frames that there was room for; without, for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<u32>,
    },
    /// It was told to end.
    Shutdown {
        #[serde(rename = "at_ns", with = "time")]
        at: Time,
    },
    /// Lines are missing here.
    Gap {
        /// How many.
        lost: u64,
    },
    /// The last.
    End(End),
}

/// All that an agent was made of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begin {
    /// [`VERSION`] of who wrote it.
    pub(crate) version: u32,
    /// Manifold's version.
    pub(crate) program: String,
    #[serde(rename = "at_ns", with = "time")]
    pub(crate) at: Time,
    pub(crate) seed: u64,
    #[serde(with = "text")]
    pub(crate) router_mac: MacAddr,
    pub(crate) max_groups: usize,
    #[serde(with = "ConfigurationText")]
    pub(crate) configuration: Configuration,
}

/// Why a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    /// Whoever was recorded ended.
    Closed,
    /// The file has as many bytes as it may have.
    Full,
}
