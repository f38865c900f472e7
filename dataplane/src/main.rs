//! `manifold`: the proxy.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use dataplane::{Failure, ReplayRequest, check, explain, replay, replay_record, run};

/// IGMP proxy at line rate: multicast from the provider's port to exactly the ports with members.
#[derive(Parser)]
#[command(name = "manifold", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the proxy until SIGTERM or SIGINT, and leaves every group upstream at the end.
    Run {
        /// The settings.
        #[arg(short, long, value_name = "FILE", default_value = "/etc/manifold/manifold.toml")]
        config: PathBuf,
        /// Further arguments for DPDK's environment abstraction layer.
        #[arg(last = true, value_name = "EAL ARGS")]
        eal: Vec<String>,
    },
    /// Checks the settings and the machine, and tells what would run. Changes nothing.
    Check {
        /// The settings.
        #[arg(short, long, value_name = "FILE", default_value = "/etc/manifold/manifold.toml")]
        config: PathBuf,
        /// Does not look whether the devices and the memory are there.
        #[arg(long)]
        settings_only: bool,
        /// Prints every setting that is in force and where it comes from, as a settings file, and looks at
        /// nothing else.
        #[arg(long, conflicts_with = "settings_only")]
        explain: bool,
    },
    /// Runs captures, or a record, through the proxy on a virtual clock. Needs no privilege.
    Replay {
        /// The settings; devices, memory and cores are not looked at.
        #[arg(short, long, value_name = "FILE", required_unless_present = "record")]
        config: Option<PathBuf>,
        /// What a port received, in pcap format. May be given for each port.
        #[arg(long = "in", value_name = "PORT=FILE", value_parser = port_file, required_unless_present = "record")]
        inputs: Vec<(String, PathBuf)>,
        /// Folder for what each port sent: PORT.pcap.
        #[arg(long, value_name = "DIR", required_unless_present = "record")]
        out: Option<PathBuf>,
        /// How long the virtual clock runs from the first frame on, in seconds; to the last frame if not given.
        #[arg(long, value_name = "SECONDS", value_parser = seconds)]
        until: Option<Duration>,
        /// Runs what a Manifold was told that had a record written, and prints what it did, one action a line.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "inputs", "out", "until"])]
        record: Option<PathBuf>,
    },
}

fn port_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((port, file)) if !port.is_empty() && !file.is_empty() => Ok((port.to_owned(), file.into())),
        _ => Err("write it as PORT=FILE, for example wan=provider.pcap".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    let seconds: f64 = number.parse().map_err(|_| "write it in seconds, for example 300")?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| "it must not be negative, nor beyond centuries".to_owned())
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run { config, eal } => run(&config, &eal),
        Command::Check { config, explain: true, .. } => explain(&config),
        Command::Check { config, settings_only, .. } => check(&config, !settings_only),
        Command::Replay { record: Some(file), .. } => replay_record(&file),
        // Both are there where there is no record.
        Command::Replay { config, inputs, out, until, .. } => replay(
            &config.unwrap_or_default(),
            &ReplayRequest { inputs, out: out.unwrap_or_default(), until },
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("manifold: {failure}");
            match failure {
                Failure::Settings(_) => ExitCode::from(2),
                Failure::Machine(_) | Failure::Port { .. } => ExitCode::FAILURE,
            }
        }
    }
}
