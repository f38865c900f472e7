//! What is answered to a change.

use serde::{Deserialize, Serialize};

/// What a change did. Nothing to do is an answer as well.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ChangedReply {
    /// That of the settings that are in force now: as in [`SettingsReply`](crate::SettingsReply).
    #[serde(default)]
    pub revision: u64,
    /// What was done, one line each.
    pub applied: Vec<String>,
    /// What waits for a restart, one line each.
    pub restart: Vec<String>,
    /// Milliseconds from the first to the last step of a change of the provider's port; `null` if it stayed.
    pub switch_ms: Option<f64>,
    /// Microseconds for which workers stood still to let go of a port; `null` if none had to.
    pub removal_us: Option<f64>,
    /// Doubts that came with the change, one line each.
    #[serde(default)]
    pub warnings: Vec<String>,
}
