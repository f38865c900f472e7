//! Why a request could not be answered.

use serde::{Deserialize, Serialize};

/// Why a request could not be answered. What it asked for was not done, unless the kind says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ErrorReply {
    /// What sort of error it is, for programs.
    pub kind: ErrorKind,
    /// What is wrong.
    pub message: String,
    /// What would cure it.
    pub cure: String,
    /// More of what is wrong, one line each: every one of `problems`, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Every problem of a change, with the port and the key that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemView>,
}

impl ErrorReply {
    /// Without problems.
    pub fn new(kind: ErrorKind, message: impl Into<String>, cure: impl Into<String>) -> Self {
        let (details, problems) = (Vec::new(), Vec::new());
        Self { kind, message: message.into(), cure: cure.into(), details, problems }
    }

    /// With the same, and a line for each of these.
    #[must_use]
    pub fn with_problems(self, problems: Vec<ProblemView>) -> Self {
        let details = problems.iter().map(ProblemView::line).collect();
        Self { details, problems, ..self }
    }
}

/// What sort of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The line is no request.
    BadRequest,
    /// This user may not ask.
    Denied,
    /// What the request names is not there: a port.
    NotFound,
    /// The settings do not pass with the change, or it is none to make over the socket: `problems` say why.
    Invalid,
    /// The settings are not those that the change was made for: look at them anew.
    Conflict,
    /// Too much is asked for already: try again.
    Busy,
    /// No answer in time. A change may still come into force: look before trying again.
    Late,
    /// The process is ending, or is not one that could do it.
    Unavailable,
    /// The machine refuses: a device, a file.
    Failed,
    /// The answer is longer than a reply may be.
    TooLong,
}

impl ErrorKind {
    /// The word in the `kind` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Denied => "denied",
            Self::NotFound => "not-found",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Late => "late",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::TooLong => "too-long",
        }
    }
}

/// One thing that is wrong with a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProblemView {
    /// Where it stands: a file's line and column, or port and key in words; `null` where it stands nowhere.
    pub place: Option<String>,
    /// The port that it is about; `null` for a key of `[proxy]`, and where it is about no port.
    pub port: Option<String>,
    /// The key that it is about; `null` where it is about none.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would cure it.
    pub cure: String,
}

impl ProblemView {
    /// The whole in one line: `place: message; cure`.
    pub fn line(&self) -> String {
        let place = self.place.iter().map(|place| format!("{place}: "));
        let cure = (!self.cure.is_empty()).then(|| format!("; {}", self.cure));
        place.chain([self.message.clone()]).chain(cure).collect()
    }
}
