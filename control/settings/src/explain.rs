//! Where each setting that is in force comes from.

use std::fmt;
use std::path::Path;

use crate::assemble::assemble;
use crate::keys::{Key, PORT, TABLES, Unset};
use crate::load::Files;
use crate::model::Settings;
use crate::problem::SettingsError;
use crate::reader::Document;

/// One setting that is in force. Prints as a line of TOML, `key = value  # from`; [`effective_file`] puts them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The table's head as in a file: `[proxy]`, or `[[port]] # hall-a`.
    pub table: String,
    /// The key.
    pub key: &'static str,
    /// The value as TOML; empty for a key that is not set and whose default is no value.
    pub value: String,
    /// `default`, `default: ` and what it follows from, or file and line: `manifold.toml:12`, `live.toml:3`,
    /// `[defaults] manifold.toml:7`.
    pub from: String,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() {
            return write!(f, "#{}  # {}", self.key, self.from);
        }
        write!(f, "{} = {}  # {}", self.key, self.value, self.from)
    }
}

/// The effective value of every key, and where it comes from; `path` is the administrator's file. As at a start, a
/// live layer that does not pass is left out; [`load`](crate::load()) warns of it.
///
/// # Errors
/// Every problem of the administrator's file with its line, column and cure.
pub fn explain(path: &Path) -> Result<Vec<Effective>, SettingsError> {
    let files = Files::read(path)?;
    if let Ok(Some((name, text))) = files.read_live() {
        let main = Document::new(&files.name, &files.text);
        let live = Document::new(&name, &text);
        if let Ok(settings) = assemble(&main, Some(&live)) {
            return Ok(rows(&settings, &main, Some(&live)));
        }
    }
    let main = Document::new(&files.name, &files.text);
    let settings = assemble(&main, None)?;
    Ok(rows(&settings, &main, None))
}

/// The settings in force as one file, each table's head before its keys: for `manifold check --explain`.
pub fn effective_file(settings: &[Effective]) -> String {
    let mut text = String::new();
    for (i, row) in settings.iter().enumerate() {
        if i == 0 || settings[i - 1].table != row.table {
            let blank = if i == 0 { "" } else { "\n" };
            text += &format!("{blank}{}\n", row.table);
        }
        text += &format!("{row}\n");
    }
    text
}

fn rows(settings: &Settings, main: &Document<'_>, live: Option<&Document<'_>>) -> Vec<Effective> {
    let written =
        |table: &str, key| live.and_then(|live| live.origin(table, key)).or_else(|| main.origin(table, key));
    let mut rows = Vec::new();
    let (proxy, others) = TABLES.split_at(1);
    let general = |tables: &[(&str, &[Key<Settings, _>])], rows: &mut Vec<Effective>| {
        for (table, keys) in tables {
            let table = format!("[{table}]");
            rows.extend(keys.iter().map(|key| row(&table, key, settings, written(&table, key.key))));
        }
    };
    general(proxy, &mut rows);
    for port in &settings.ports {
        let section = format!("[[port]] \"{}\"", port.name);
        let head = format!("[[port]] # {}", port.name);
        let origin = |key| {
            let default = || Some(format!("[defaults] {}", main.origin("[defaults]", key)?));
            written(&section, key).or_else(default)
        };
        rows.push(Effective {
            table: head.clone(),
            key: "name",
            value: format!("\"{}\"", port.name),
            from: origin("name").unwrap_or_default(),
        });
        rows.extend(PORT.iter().map(|key| row(&head, key, port, origin(key.key))));
    }
    general(others, &mut rows);
    rows
}

fn row<T, C>(table: &str, key: &Key<T, C>, settings: &T, origin: Option<String>) -> Effective {
    let (value, default) = match ((key.show)(settings), &key.unset) {
        (Some(value), _) => (value, "default".to_owned()),
        (None, Unset::Derived(value, words)) => (value(settings), format!("default: {words}")),
        (None, Unset::Words(words)) => (String::new(), format!("default: {words}")),
        (None, Unset::Never) => (String::new(), "default".to_owned()),
    };
    Effective { table: table.to_owned(), key: key.key, value, from: origin.unwrap_or(default) }
}
