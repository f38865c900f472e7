//! `manifold-backend user` and `token`.

use std::io::{BufRead, IsTerminal, Read};

use clap::Subcommand;

use crate::access::{Role, Store, StoreError};
use crate::proxy::unix_ms;
use crate::settings::Settings;

/// Bytes read of a password that comes by standard input.
const MOST_INPUT: u64 = 4096;

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user, or set password and role anew; asks for the password, or takes the first line of standard input
    Set {
        /// The user's name
        name: String,
        /// What they may do
        #[arg(long)]
        role: Role,
    },
    /// Remove a user; their sessions end
    Remove {
        /// The user's name
        name: String,
    },
    /// Tell the users
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token, and print it once
    Create {
        /// The token's name
        name: String,
        /// What it allows
        #[arg(long, default_value = "viewer")]
        role: Role,
        /// For how long [default: until it is revoked]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: Option<u32>,
    },
    /// Revoke a token
    Revoke {
        /// The token's name
        name: String,
    },
    /// Tell the tokens
    List,
}

pub(crate) fn user(settings: &Settings, command: UserCommand) -> Result<(), String> {
    let store = Store::new(&settings.state_dir);
    match command {
        UserCommand::Set { name, role } => {
            let password = ask_password()?;
            store.update(|file| file.set_user(&name, role, &password)).map_err(said)?;
            println!("{name} may log in as {role}");
        }
        UserCommand::Remove { name } => {
            let removed = store.update(|file| {
                let before = file.users.len();
                file.users.retain(|user| user.name != name);
                found(before != file.users.len(), "user", &name)
            });
            removed.map_err(said)?;
            println!("{name} is no user any more");
        }
        UserCommand::List => {
            for user in &store.current().map_err(said)?.users {
                println!("{:<24} {}", user.name, user.role);
            }
        }
    }
    Ok(())
}

pub(crate) fn token(settings: &Settings, command: TokenCommand) -> Result<(), String> {
    let store = Store::new(&settings.state_dir);
    let now = unix_ms() / 1000;
    match command {
        TokenCommand::Create { name, role, days } => {
            let text = store.update(|file| file.create_token(&name, role, now, days)).map_err(said)?;
            // The token alone, so that `$(...)` takes it.
            println!("{text}");
        }
        TokenCommand::Revoke { name } => {
            let removed = store.update(|file| {
                let before = file.tokens.len();
                file.tokens.retain(|token| token.name != name);
                found(before != file.tokens.len(), "token", &name)
            });
            removed.map_err(said)?;
            println!("{name} is no token any more");
        }
        TokenCommand::List => {
            for token in &store.current().map_err(said)?.tokens {
                let ends = match token.expires {
                    None => "until it is revoked".to_owned(),
                    Some(at) if at <= now => "over".to_owned(),
                    Some(at) => format!("for {} days", (at - now).div_ceil(86_400)),
                };
                println!("{:<24} {:<8} {ends}", token.name, token.role);
            }
        }
    }
    Ok(())
}

fn said(error: StoreError) -> String {
    error.to_string()
}

fn found(is: bool, kind: &str, name: &str) -> Result<(), StoreError> {
    let what =
        || format!("there is no {kind} `{}`; `manifold-backend {kind} list` tells them", name.escape_debug());
    if is { Ok(()) } else { Err(StoreError::Refused(what())) }
}

/// From the terminal, unseen and twice; else the first line of standard input.
fn ask_password() -> Result<String, String> {
    let failed = |error: std::io::Error| format!("no password: {error}; give it on standard input");
    if std::io::stdin().is_terminal() {
        let ask = |text: &str| rpassword::prompt_password(text).map_err(failed);
        let password = ask("Password: ")?;
        if ask("Once more: ")? != password {
            return Err("the two differ; try again".to_owned());
        }
        return Ok(password);
    }
    let mut line = String::new();
    std::io::stdin().lock().take(MOST_INPUT).read_line(&mut line).map_err(failed)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
