//! How long things take, as histograms.

use serde::{Deserialize, Serialize};

/// How long joins took.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LatencyReply {
    /// From a report's arrival in a worker until the group table has the member it makes: those joins alone that changed
    /// the table.
    pub joins: Histogram,
}

/// A histogram of times.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Histogram {
    /// In ascending order of their bounds.
    pub buckets: Vec<Bucket>,
    /// All of them, also those above the last bound.
    pub count: u64,
    /// Their sum in seconds.
    pub sum_s: f64,
}

/// How many took so long at the most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Bucket {
    /// The bound in seconds.
    pub le_s: f64,
    /// How many took no longer: those of the buckets before are among them.
    pub count: u64,
}
