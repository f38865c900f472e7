//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use types::{GroupAddr, Ipv4Net};

/// Shows what Manifold, the IGMP proxy, is doing, and changes what it does.
///
/// Exit status: 0; 1 when there is no answer, or Manifold refuses what it was asked for; 2 when the command line is wrong.
#[derive(Debug, Parser)]
#[command(name = "manifoldctl", version, arg_required_else_help = true)]
pub(crate) struct Args {
    /// Manifold's socket, as its settings name it
    #[arg(long, global = true, value_name = "PATH", default_value = api::DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
    /// One line of JSON on standard output instead of text, for errors too: {"error":{"message":...,"cure":...}}, with
    /// "details" where there are more. Only a wrong command line is told as text, on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colour; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows groups, ports, counters, workers, the status, settings, connections or how long joins take
    Show {
        #[command(subcommand)]
        what: What,
    },
    /// Says why a group is dark, or where it goes
    Explain {
        /// The group, like 239.2.2.2
        group: GroupAddr,
        /// The client port that is dark; without it, every port that has to do with the group
        #[arg(long, value_name = "NAME")]
        port: Option<String>,
    },
    /// Tells what happened: joins and leaves, refusals, queriers, links, changes
    Events {
        /// Goes on telling what happens, until it is interrupted
        #[arg(long)]
        follow: bool,
        /// Only what happened after the event of this id, which --json tells
        #[arg(long, value_name = "ID", default_value_t = 0)]
        after: u64,
    },
    #[command(flatten)]
    Change(Change),
}

/// What changes something.
#[derive(Debug, Subcommand)]
pub(crate) enum Change {
    /// Reads the settings' files again, and does what differs
    Reload,
    /// Switches the proxy on
    Enable,
    /// Switches the proxy off: every group is left upstream, nothing is forwarded
    Disable,
    /// Makes another port the provider's
    SetUpstream {
        /// The port's name
        name: String,
    },
    /// Sets a key of the settings' live layer
    Set {
        /// The port's name; without it, the key is one of `[proxy]`
        #[arg(long, value_name = "NAME")]
        port: Option<String>,
        /// The key, as in the settings' file
        key: String,
        /// The value as TOML; text needs no quotes of its own
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Only tells what it would do
        #[arg(long)]
        dry_run: bool,
    },
    /// Takes a key out of the settings' live layer: what the administrator's file says holds again
    Unset {
        /// The port's name; without it, the key is one of `[proxy]`
        #[arg(long, value_name = "NAME")]
        port: Option<String>,
        /// The key, as in the settings' file
        key: String,
        /// Only tells what it would do
        #[arg(long)]
        dry_run: bool,
    },
    /// Adds a client port
    AddPort {
        /// Its name
        name: String,
        /// A kernel Ethernet interface, or a PCI address
        #[arg(long, value_name = "DEVICE")]
        device: String,
        /// Its address and network, like 10.1.0.1/24
        #[arg(long, value_name = "ADDRESS")]
        address: Option<Ipv4Net>,
        /// Only tells what it would do
        #[arg(long)]
        dry_run: bool,
    },
    /// Removes a port that was added with `add-port`
    RemovePort {
        /// Its name
        name: String,
        /// Only tells what it would do
        #[arg(long)]
        dry_run: bool,
    },
}

impl Change {
    /// Whether it is only to be tried.
    pub(crate) fn is_dry_run(&self) -> bool {
        match self {
            Self::Reload | Self::Enable | Self::Disable | Self::SetUpstream { .. } => false,
            Self::Set { dry_run, .. }
            | Self::Unset { dry_run, .. }
            | Self::AddPort { dry_run, .. }
            | Self::RemovePort { dry_run, .. } => *dry_run,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Every group with the ports that have a member
    Groups,
    /// Every port with its role, link, querier and totals
    Ports,
    /// Counters of every port, those at zero left out
    Counters {
        /// Those at zero, too
        #[arg(long)]
        all: bool,
    },
    /// Every worker: how busy it is, how full its bursts are, how long a pass takes
    Workers,
    /// The process as a whole
    Status,
    /// The settings in force that somebody set, and where each comes from
    Settings {
        /// Those at their default, too
        #[arg(long)]
        all: bool,
    },
    /// Every connection that is, could be or could not be a port, and why not
    Connections,
    /// How long joins took
    Latency,
}
