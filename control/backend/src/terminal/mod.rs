//! The command line: the service, users and tokens.

mod access;
mod service;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::settings::{DEFAULT_FILE, Settings};

/// The page, the API and the metrics of Manifold.
#[derive(Debug, Parser)]
#[command(name = "manifold-backend", version, about, disable_help_subcommand = true)]
struct Arguments {
    /// The settings' file [default: /etc/manifold/backend.toml, which may be missing]
    #[arg(short = 'c', long = "config", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM; SIGHUP reads the certificate again
    Run,
    /// Say what is wrong with the settings, where, and what would cure it
    Check,
    /// Who may log in
    #[command(subcommand)]
    User(access::UserCommand),
    /// What programs may come in with
    #[command(subcommand)]
    Token(access::TokenCommand),
}

/// Runs what the command line asks for. Status 0; 1 for the machine, 2 for settings and command lines.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = match Settings::load(arguments.config.as_deref()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("manifold-backend: {error}");
            return ExitCode::from(2);
        }
    };
    let done = match arguments.command {
        Command::Run => service::run(settings),
        Command::Check => {
            let file = arguments.config.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
            println!("{}: the settings pass", file.display());
            Ok(())
        }
        Command::User(command) => access::user(&settings, command),
        Command::Token(command) => access::token(&settings, command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("manifold-backend: {message}");
            ExitCode::FAILURE
        }
    }
}
