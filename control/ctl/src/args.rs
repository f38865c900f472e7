//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Shows what Manifold, the IGMP proxy, is doing.
#[derive(Debug, Parser)]
#[command(name = "manifoldctl", version, arg_required_else_help = true)]
pub(crate) struct Args {
    /// Manifold's socket, as its settings name it
    #[arg(long, global = true, value_name = "PATH", default_value = api::DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
    /// One line of JSON instead of a table
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
    /// Shows groups, ports, counters or the status
    Show {
        #[command(subcommand)]
        what: What,
    },
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
    /// The process as a whole
    Status,
}
