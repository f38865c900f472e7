//! Where each setting that is in force comes from.

use std::path::Path;

use crate::assemble::assemble;
use crate::keys::{Key, PORT, TABLES, Unset};
use crate::load::Files;
use crate::model::Settings;
use crate::problem::SettingsError;
use crate::reader::Document;

/// One setting that is in force.
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

impl Effective {
    /// As in a file; a key without a value as a comment.
    fn line(&self) -> String {
        if self.value.is_empty() {
            format!("#{}", self.key)
        } else {
            format!("{} = {}", self.key, self.value)
        }
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

/// The settings in force as one file, each table's head before its keys, and each value's source behind it: for
/// `manifold check --explain`.
pub fn effective_file(settings: &[Effective]) -> String {
    let mut text = String::new();
    for table in settings.chunk_by(|a, b| a.table == b.table) {
        let blank = if text.is_empty() { "" } else { "\n" };
        text += &format!("{blank}{}\n", table[0].table);
        // A long list does not push every other source out of sight.
        let width = table.iter().map(|row| row.line().len()).filter(|len| *len <= 40).max().unwrap_or(0);
        for row in table {
            text += &format!("{:width$}  # {}\n", row.line(), row.from);
        }
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
