//! Commands that change something: as requests, and what came of them.

use std::fmt::Write;

use api::{ChangedReply, Edit, PreviewReply, Request};

use crate::args::Change;
use crate::table::{Tone, printable, toned};

/// The request for a command.
pub(crate) fn request(command: &Change) -> Request {
    let change = |edits| match command.is_dry_run() {
        true => Request::Preview { edits },
        false => Request::change(edits),
    };
    match command {
        Change::Reload => Request::Reload,
        Change::Enable => Request::Enable,
        Change::Disable => Request::Disable,
        Change::SetUpstream { name } => Request::SetUpstream { port: name.clone() },
        Change::Set { port, key, value, .. } => change(vec![edit(port.as_deref(), key, Some(toml(value)))]),
        Change::Unset { port, key, .. } => change(vec![edit(port.as_deref(), key, None)]),
        Change::AddPort { name, device, address, .. } => {
            let address =
                address.map(|address| edit(Some(name), "address", Some(quoted(&address.to_string()))));
            let device = edit(Some(name), "device", Some(quoted(device)));
            change(std::iter::once(device).chain(address).collect())
        }
        Change::RemovePort { name, .. } => change(vec![edit(Some(name), "device", None)]),
    }
}

fn edit(port: Option<&str>, key: &str, value: Option<String>) -> Edit {
    Edit { port: port.map(str::to_owned), key: key.to_owned(), value }
}

/// A value as the settings' file has it: what is TOML by its looks is left alone, anything else is text.
fn toml(value: &str) -> String {
    let is_toml = matches!(value, "true" | "false")
        || value.starts_with(['"', '\'', '[', '{'])
        || value.parse::<i64>().is_ok();
    if is_toml { value.to_owned() } else { quoted(value) }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\""
}

/// What was done, and what it cost.
pub(crate) fn changed(reply: &ChangedReply, color: bool) -> String {
    let mut out = String::new();
    if reply.applied.is_empty() && reply.restart.is_empty() && reply.warnings.is_empty() {
        out += "nothing to do: everything is so already\n";
    }
    let mut line = |text: String, tone| out.push_str(&(toned(&printable(&text), tone, color) + "\n"));
    for text in &reply.applied {
        line(text.clone(), Tone::Plain);
    }
    for text in &reply.restart {
        line(format!("waits for a restart: {text}"), Tone::Attention);
    }
    for text in &reply.warnings {
        line(format!("warning: {text}"), Tone::Attention);
    }
    if let Some(ms) = reply.switch_ms {
        line(format!("the provider's port was switched within {ms:.1} ms"), Tone::Plain);
    }
    if let Some(us) = reply.removal_us {
        line(format!("workers stood still for {us:.0} \u{b5}s"), Tone::Plain);
    }
    out
}

/// What would be done.
pub(crate) fn preview(reply: &PreviewReply, color: bool) -> String {
    let mut out = String::new();
    if reply.changes.is_empty() {
        out += "it would change nothing: everything is so already\n";
    }
    let mut line = |text: String, tone| out.push_str(&(toned(&printable(&text), tone, color) + "\n"));
    for change in &reply.changes {
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        let owner = change.port.as_ref().map_or("[proxy]".to_owned(), |port| format!("port \"{port}\":"));
        let (to, from) = (show(&change.to), show(&change.from));
        line(format!("{owner} {} would be {to}, is {from}", change.key), Tone::Plain);
    }
    for text in &reply.needs_restart {
        line(format!("would wait for a restart: {text}"), Tone::Attention);
    }
    for text in &reply.warnings {
        line(format!("warning: {text}"), Tone::Attention);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_needs_no_quotes_and_toml_stays_as_it_is() {
        for (value, expected) in [
            ("tracked", r#""tracked""#),
            ("10.1.0.1/24", r#""10.1.0.1/24""#),
            ("2.5s", r#""2.5s""#),
            ("truely", r#""truely""#),
            ("", r#""""#),
            (r"a\b", r#""a\\b""#),
            ("a\"b\n", r#""a\"b\u000A""#),
            ("\u{7f}", r#""\u007F""#),
            ("true", "true"),
            ("17", "17"),
            ("-1", "-1"),
            (r#""tracked""#, r#""tracked""#),
            ("'single'", "'single'"),
            (r#"["239.1.1.1"]"#, r#"["239.1.1.1"]"#),
        ] {
            assert_eq!(toml(value), expected, "{value}");
        }
    }
}
