//! What systemd says of the proxy's unit, asked while the proxy does not answer.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::process::Command;
use tokio::sync::Mutex;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(5);
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The state of the proxy's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct UnitState {
    /// Its name.
    pub unit: String,
    /// systemd's word: `active`, `activating`, `failed`, `inactive`, ...
    pub state: String,
    /// What that says of why the proxy does not answer, in one line.
    pub text: String,
    /// What would cure it, or where more is written.
    pub cure: String,
}

/// Asks systemd, not more often than every five seconds.
#[derive(Debug, Default)]
pub struct UnitWatch {
    unit: Option<String>,
    last: Mutex<Option<(Instant, Option<UnitState>)>>,
}

impl UnitWatch {
    /// Of a unit, or of none.
    pub fn new(unit: Option<String>) -> Self {
        Self { unit, last: Mutex::default() }
    }

    /// The unit's state; `None` where there is no systemd, or no such unit.
    pub async fn state(&self) -> Option<UnitState> {
        let unit = self.unit.as_ref()?;
        let mut last = self.last.lock().await;
        if let Some((_, state)) = last.as_ref().filter(|(at, _)| at.elapsed() < PAUSE) {
            return state.clone();
        }
        let asked = Command::new("systemctl")
            .args(["show", "--property=LoadState,ActiveState,SubState,Result,ExecMainStatus", "--", unit])
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, asked).await.ok().and_then(Result::ok);
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let state = text.and_then(|text| read(unit, &text));
        *last = Some((Instant::now(), state.clone()));
        state
    }
}

/// From what `systemctl show` prints.
fn read(unit: &str, text: &str) -> Option<UnitState> {
    let of: HashMap<_, _> = text.lines().filter_map(|line| line.split_once('=')).collect();
    if of.get("LoadState") != Some(&"loaded") {
        return None;
    }
    let (state, result) = (*of.get("ActiveState")?, of.get("Result").copied().unwrap_or_default());
    let log = format!("`journalctl -u {unit} -n 20` says more");
    let (text, cure) = match (state, result, of.get("ExecMainStatus").copied().unwrap_or_default()) {
        ("active", _, _) => ("it runs, but does not answer".to_owned(), log),
        ("activating", "exit-code", status) => (format!("it starts again and again: {}", ended(status)), log),
        ("activating", _, _) => ("it is starting".to_owned(), "wait some seconds".to_owned()),
        ("inactive", _, _) => ("it was stopped".to_owned(), format!("`systemctl start {unit}`")),
        (_, "exit-code", status) => (ended(status).to_owned(), log),
        (_, "oom-kill", _) => ("the kernel ended it: no memory was left".to_owned(), log),
        (_, result, _) => (format!("it ended: {result}"), log),
    };
    Some(UnitState { unit: unit.to_owned(), state: state.to_owned(), text, cure })
}

/// What `manifold` means by its exit status.
fn ended(status: &str) -> &'static str {
    match status {
        "2" => "its settings do not pass: `manifold check -c /etc/manifold/manifold.toml` says where",
        "1" => "the machine refuses what it needs: a device, memory or a privilege",
        _ => "it ended with an error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(state: &str, result: &str, status: u8) -> Option<UnitState> {
        let text = format!(
            "Result={result}\nExecMainStatus={status}\nLoadState=loaded\nActiveState={state}\nSubState=x\n"
        );
        read("manifold.service", &text)
    }

    #[test]
    fn the_units_state_says_why_there_is_no_answer() {
        assert!(told("failed", "exit-code", 2).unwrap().text.contains("settings do not pass"));
        assert!(told("failed", "exit-code", 1).unwrap().text.contains("the machine refuses"));
        assert!(told("activating", "exit-code", 1).unwrap().text.contains("again and again"));
        assert!(told("failed", "oom-kill", 0).unwrap().text.contains("no memory"));
        assert_eq!(told("inactive", "success", 0).unwrap().cure, "`systemctl start manifold.service`");
        assert!(told("active", "success", 0).unwrap().text.contains("does not answer"));
        assert_eq!(told("failed", "signal", 9).unwrap().text, "it ended: signal");
    }

    #[test]
    fn no_unit_says_nothing() {
        assert_eq!(read("x.service", "LoadState=not-found\nActiveState=inactive\n"), None);
        assert_eq!(read("x.service", "System has not been booted with systemd\n"), None);
    }
}
