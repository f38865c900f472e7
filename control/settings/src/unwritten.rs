//! Problems of a change by port and key: a page shows each at its field, and a live layer that is on no disk has no lines
//! for anybody to look at.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Place, Problem, SettingsError, Subject};
use crate::reader::Document;

/// The longest value that is repeated in a message, in bytes.
const LONGEST_VALUE: usize = 60;

/// `error` with every place in `text`, the live layer named `file`, by port and key: `port "hall", address = "10.0.0.2/24"`.
/// The value is left out where the problem says it.
pub(crate) fn by_key(error: SettingsError, file: &str, text: &str) -> SettingsError {
    let Ok(root) = DeTable::parse(text) else { return error };
    let layer = Layer { file, text, document: Document::new(file, text), root };
    error.map(|problem| layer.rewrite(problem))
}

/// `error` with the setting that stands at each place in `text`, of the file named `file`. Nothing is put otherwise.
pub(crate) fn with_subjects(error: SettingsError, file: &str, text: &str) -> SettingsError {
    let Ok(root) = DeTable::parse(text) else { return error };
    let layer = Layer { file, text, document: Document::new(file, text), root };
    error.map(|problem| {
        let subject = layer.address_of(&problem.place).and_then(|address| address.subject());
        let subject = problem.place.subject.clone().or(subject);
        Problem { place: Place { subject, ..problem.place }, ..problem }
    })
}

/// Where something stands.
struct Address<'t> {
    /// The port's name, where the table is a port.
    port: Option<String>,
    /// The table: `[proxy]`, or `port "hall"`.
    owner: String,
    /// The key, and its value as written.
    entry: Option<(String, &'t str)>,
}

impl Address<'_> {
    /// The setting, where it is one of those that can be changed while Manifold runs.
    fn subject(&self) -> Option<Subject> {
        let key = self.entry.as_ref().map(|(key, _)| key.clone());
        let is_proxys = self.owner == "[proxy]" && key.is_some();
        (self.port.is_some() || is_proxys).then(|| Subject { port: self.port.clone(), key })
    }
}

struct Layer<'t> {
    file: &'t str,
    text: &'t str,
    document: Document<'t>,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Layer<'t> {
    fn rewrite(&self, problem: Problem) -> Problem {
        let Problem { place, what, cure } = problem;
        let place = match self.address_of(&place) {
            Some(address) => Place { subject: address.subject(), ..Place::file(&in_words(&address, &what)) },
            None => place,
        };
        Problem { place, what: self.reword(&what), cure: self.reword(&cure) }
    }

    fn address_of(&self, place: &Place) -> Option<Address<'t>> {
        place.position.filter(|_| *place.file == *self.file).and_then(|at| self.address(at))
    }

    /// A text with the places that it names by line.
    fn reword(&self, text: &str) -> String {
        let prefix = format!("{}:", self.file);
        let mut parts = text.split(&prefix);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(part.len());
            let (position, rest) = part.split_at(end);
            let at = position.split_once(':').and_then(|(l, c)| Some((l.parse().ok()?, c.parse().ok()?)));
            match at.and_then(|at| self.address(at)) {
                Some(address) => out += &in_words(&address, text),
                None => out += &format!("{prefix}{position}"),
            }
            out += rest;
        }
        out
    }

    /// What stands at a line and column.
    fn address(&self, at: (usize, usize)) -> Option<Address<'t>> {
        self.root.get_ref().iter().find_map(|(key, value)| {
            let of_table = |table, owner: String| {
                let entry = self.entry(table, at);
                let found = entry.is_some() || self.covers(&value.span(), at);
                found.then_some(Address { port: None, owner, entry })
            };
            match value.get_ref() {
                DeValue::Table(table) => of_table(table, format!("[{}]", key.get_ref())),
                DeValue::Array(items) => items.iter().find_map(|item| {
                    let DeValue::Table(table) = item.get_ref() else { return None };
                    let entry = self.entry(table, at);
                    let found = entry.is_some() || self.covers(&item.span(), at);
                    found.then(|| {
                        let port = table.get("name").and_then(|name| name.get_ref().as_str());
                        Address { port: port.map(str::to_owned), owner: owner(key.get_ref(), table), entry }
                    })
                }),
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => None,
            }
        })
    }

    fn entry(&self, table: &DeTable<'_>, at: (usize, usize)) -> Option<(String, &'t str)> {
        let (key, value) =
            table.iter().find(|(key, value)| self.covers(&(key.span().start..value.span().end), at))?;
        Some((key.get_ref().to_string(), &self.text[value.span()]))
    }

    fn covers(&self, span: &std::ops::Range<usize>, at: (usize, usize)) -> bool {
        let position = |offset: usize| self.document.place(offset..offset).position;
        position(span.start).is_some_and(|start| start <= at)
            && position(span.end).is_some_and(|end| at < end)
    }
}

fn owner(key: &str, table: &DeTable<'_>) -> String {
    match table.get("name").and_then(|name| name.get_ref().as_str()) {
        Some(name) => format!("{key} \"{}\"", name.escape_debug()),
        None => format!("[[{key}]]"),
    }
}

fn in_words(address: &Address<'_>, said: &str) -> String {
    let Some((key, value)) = &address.entry else { return address.owner.clone() };
    let bare = value.trim_matches(['"', '\'']);
    let is_said = said.contains(bare) || value.len() > LONGEST_VALUE || value.contains('\n');
    let value = if is_said { String::new() } else { format!(" = {value}") };
    format!("{}, {key}{value}", address.owner)
}
