//! Why the process could not do what it was asked.

use std::fmt::Display;

use settings::PortSettings;

/// One message for whoever started it: what is wrong, and what would cure it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The settings or the command line: exit status 2.
    #[error("{0}")]
    Settings(String),
    /// The machine: a device, memory, a privilege. Exit status 1.
    #[error("{0}")]
    Machine(String),
    /// The machine does not serve a port. Exit status 1.
    #[error("port \"{port}\": {what}")]
    Port {
        /// The port's name.
        port: String,
        /// What is wrong; what would cure it.
        what: String,
    },
}

impl Failure {
    pub(crate) fn settings(message: impl Display) -> Self {
        Self::Settings(message.to_string())
    }

    pub(crate) fn machine(message: impl Display) -> Self {
        Self::Machine(message.to_string())
    }

    /// The machine does not serve `port`.
    pub(crate) fn of_port(port: &PortSettings, error: impl Display) -> Self {
        Self::Port { port: port.name.clone(), what: error.to_string() }
    }

    /// With where the port is written, and how to be rid of one that only the live layer has.
    pub(crate) fn written(self, port: &PortSettings) -> Self {
        let with = |message| {
            let out = format!("; or take the port out with `manifoldctl remove-port {}`", port.name);
            format!("{}: {message}{}", port.place, if port.is_live { &out } else { "" })
        };
        match self {
            Self::Settings(message) => Self::Settings(with(message)),
            Self::Machine(message) => Self::Machine(with(message)),
            Self::Port { .. } => Self::Machine(with(self.to_string())),
        }
    }
}
