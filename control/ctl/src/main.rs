//! `manifoldctl`: what Manifold is doing, as tables for people and as JSON for programs, and changes of it.
//!
//! Knows only the socket's language. Exit codes: 0, 1 when there is no answer or a refusal, 2 when the command line
//! is wrong.

mod args;
mod change;
mod events;
mod explain;
mod page;
mod show;
mod table;
mod units;
mod workers;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use api::{CHANGE_TIMEOUT, Client, ClientError, DEFAULT_TIMEOUT, ErrorKind, ErrorReply, Reply, Request};
use clap::Parser;
use serde::Serialize;

use crate::args::{Args, Color, Command, What};

fn main() -> ExitCode {
    let args = Args::parse();
    let text = match run(&args) {
        Ok(text) => text,
        Err(error) => return refused(&error, args.json),
    };
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader, like `head`, has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "manifoldctl: cannot write: {error}; is the disk full?");
            ExitCode::FAILURE
        }
    }
}

/// Tells of an error: a program, where it reads answers; people, where errors go.
fn refused(error: &ClientError, as_json: bool) -> ExitCode {
    // What is told to may be closed; there is nobody left to tell then.
    if as_json {
        let _ = io::stdout().write_all(Reply::Error(error.to_reply()).to_line().as_bytes());
    } else {
        let text = error.to_string();
        let lines: Vec<_> = text.lines().map(table::printable).collect();
        let _ = writeln!(io::stderr(), "manifoldctl: {}", lines.join("\n"));
    }
    ExitCode::FAILURE
}

/// Asks, and puts the answer into the text to print.
fn run(args: &Args) -> Result<String, ClientError> {
    let color = use_color(args.color);
    let patience = match args.command {
        Command::Show { .. } | Command::Explain { .. } | Command::Events { .. } => DEFAULT_TIMEOUT,
        Command::Change(_) => CHANGE_TIMEOUT,
    };
    let mut client = Client::connect_within(&args.socket, patience)?;
    Ok(match &args.command {
        Command::Show { what: What::Groups } => {
            let reply = client.groups()?;
            if args.json { json(&reply)? } else { show::groups(&reply, color) }
        }
        Command::Show { what: What::Ports } => {
            let reply = client.ports()?;
            if args.json { json(&reply)? } else { show::ports(&reply, color) }
        }
        Command::Show { what: What::Counters { all } } => {
            let reply = client.counters()?;
            if args.json { json(&reply)? } else { show::counters(&reply, *all, color) }
        }
        Command::Show { what: What::Workers } => {
            let reply = client.workers()?;
            if args.json { json(&reply)? } else { workers::workers(&reply, color) }
        }
        Command::Show { what: What::Status } => {
            let reply = client.status()?;
            if args.json { json(&reply)? } else { show::status(&reply, color) }
        }
        Command::Show { what: What::Settings { all } } => {
            let reply = client.settings()?;
            if args.json { json(&reply)? } else { page::settings(&reply, *all, color) }
        }
        Command::Show { what: What::Connections } => {
            let reply = client.connections()?;
            if args.json { json(&reply)? } else { page::connections(&reply, color) }
        }
        Command::Show { what: What::Latency } => {
            let reply = client.latency()?;
            if args.json { json(&reply)? } else { page::latency(&reply, color) }
        }
        Command::Events { follow: true, after } => {
            events::follow(&mut client, *after, args.json, color)?;
            String::new()
        }
        Command::Events { follow: false, after } => {
            let reply = events::all(&mut client, *after)?;
            if args.json { json(&reply)? } else { events::lines(&reply, color) }
        }
        Command::Explain { group, port } => {
            let reply = client.explain(*group, port.as_deref())?;
            if args.json { json(&reply)? } else { explain::explain(&reply, color) }
        }
        Command::Change(command) if command.is_dry_run() => {
            let Request::Preview { edits } = change::request(command) else { return Ok(String::new()) };
            let reply = client.preview(edits)?;
            if !reply.problems.is_empty() && !args.json {
                let (message, cure) = ("it would be refused", "correct what is named below, and try again");
                let refused = ErrorReply::new(ErrorKind::Invalid, message, cure);
                return Err(ClientError::Refused(refused.with_problems(reply.problems)));
            }
            if args.json { json(&reply)? } else { change::preview(&reply, color) }
        }
        Command::Change(command) => {
            let reply = client.change(&change::request(command))?;
            if args.json { json(&reply)? } else { change::changed(&reply, color) }
        }
    })
}

fn json(reply: &impl Serialize) -> Result<String, ClientError> {
    let line = serde_json::to_string(reply).map_err(|error| ClientError::BadReply(error.to_string()))?;
    Ok(line + "\n")
}

/// Colour when somebody looks, unless they asked for none (no-color.org).
fn use_color(color: Color) -> bool {
    let refused = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
            io::stdout().is_terminal() && !refused("NO_COLOR") && !dumb
        }
    }
}
