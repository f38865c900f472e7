//! Why a change is not made: each problem with the port and the key that it is about.

use api::{ErrorKind, ErrorReply, ProblemView, Reply};
use settings::{EditError, Problem, SettingsError};

use crate::failure::Failure;

/// Why nothing was changed.
#[derive(Debug)]
pub(super) struct Refused {
    kind: ErrorKind,
    problems: Vec<ProblemView>,
}

impl Refused {
    /// The settings do not pass.
    pub(super) fn invalid(problems: Vec<ProblemView>) -> Self {
        Self { kind: ErrorKind::Invalid, problems }
    }

    /// The settings pass, and the machine fails.
    pub(super) fn failed(failure: &Failure) -> Self {
        Self { kind: ErrorKind::Failed, problems: vec![of_failure(failure)] }
    }

    /// Every problem.
    pub(super) fn into_problems(self) -> Vec<ProblemView> {
        self.problems
    }

    /// One line each.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.problems.iter().map(ProblemView::line)
    }

    /// The reply to whoever asked.
    pub(super) fn into_reply(self) -> Reply {
        let (message, cure) = ("nothing was changed", "correct what is named below, and try again");
        Reply::Error(ErrorReply::new(self.kind, message, cure).with_problems(self.problems))
    }
}

impl From<SettingsError> for Refused {
    fn from(error: SettingsError) -> Self {
        Self::invalid(error.problems().iter().map(of_settings).collect())
    }
}

impl From<EditError> for Refused {
    fn from(error: EditError) -> Self {
        let place = match &error {
            EditError::Refused { edit, .. } => edit.place(),
            EditError::Settings(_) => String::new(),
        };
        match error {
            EditError::Settings(error) => error.into(),
            EditError::Refused { edit, what, cure } => Self::invalid(vec![ProblemView {
                place: Some(place),
                port: edit.port,
                key: Some(edit.key),
                message: what,
                cure,
            }]),
        }
    }
}

/// A problem of the machine's: of the device, where it is of a port.
pub(super) fn of_failure(failure: &Failure) -> ProblemView {
    let (place, port, text) = match failure {
        Failure::Port { port, what } => (Some(format!("port \"{port}\"")), Some(port), what),
        Failure::Settings(text) | Failure::Machine(text) => (None, None, text),
    };
    // Every message says what is wrong, and behind a semicolon what would cure it.
    let (message, cure) = text.split_once("; ").unwrap_or((text, ""));
    ProblemView {
        place,
        port: port.cloned(),
        key: port.map(|_| "device".to_owned()),
        message: message.to_owned(),
        cure: cure.to_owned(),
    }
}

fn of_settings(problem: &Problem) -> ProblemView {
    let subject = problem.place.subject.clone();
    let (port, key) = subject.map_or((None, None), |subject| (subject.port, subject.key));
    ProblemView {
        place: Some(problem.place.to_string()),
        port,
        key,
        message: problem.what.clone(),
        cure: problem.cure.clone(),
    }
}
