//! What the process tells a person: the ports before it starts, the counters at its end.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};

use settings::{Role, Settings};

use crate::drivers::Choice;
use crate::failure::Failure;

/// Writes `text` to standard output. Whoever reads it may have gone, as `head` does.
///
/// # Errors
/// It cannot be written.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::machine(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// A line for each port: what `manifold check` prints. `served` tells by which driver those are served that leave it open.
pub(crate) fn ports(settings: &Settings, served: &HashMap<&str, Choice>) -> String {
    let mut text = String::new();
    for (index, port) in settings.indexed_ports() {
        let role = match settings.role(index) {
            Role::Upstream => "upstream",
            Role::Client => "client",
        };
        let address = port.address.map_or_else(|| "no address".to_owned(), |a| a.to_string());
        // Writing to a String cannot fail.
        let _ = write!(text, "{} ({role}): {}, {address}", port.name, port.device);
        let _ = match served.get(port.name.as_str()) {
            Some(choice) => writeln!(text, ", {choice}"),
            None => writeln!(text),
        };
    }
    text
}

/// A line in the log for each port with all that is not zero.
pub(crate) fn log_counters(counters: &api::CountersReply) {
    for port in &counters.ports {
        let mut text = String::new();
        let all = [
            ("", &port.frames),
            ("drop ", &port.drops),
            ("lost ", &port.losses),
            ("igmp in ", &port.igmp_received),
            ("igmp out ", &port.igmp_sent),
        ];
        for (prefix, group) in all {
            for (name, count) in group.iter().filter(|(_, n)| **n > 0) {
                let _ = write!(text, "{}{prefix}{name}={count}", if text.is_empty() { "" } else { ", " });
            }
        }
        let text = if text.is_empty() { "nothing" } else { &text };
        tracing::info!(port = port.port, "counted: {text}");
    }
}
