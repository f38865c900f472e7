//! TOML tables read key by key, every value with its place. Written by hand rather than derived, because a
//! derived reader stops at the first problem and cannot say what would cure it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::duration;
use crate::problem::{At, Place, Problems};

/// Characters of a text that a message shows: a path of a socket and an address in it.
const SHOWN: usize = 128;

/// A file's name and text: turns spans into places.
#[derive(Debug, Clone)]
pub struct Document<'t> {
    file: Arc<str>,
    text: &'t str,
    /// Where each line begins: a large file has many places to find.
    lines: Vec<usize>,
    /// The line of each value that was asked for and found, by its table's name and its key.
    found: RefCell<HashMap<(String, &'static str), usize>>,
}

impl<'t> Document<'t> {
    /// A file of this name with this text.
    pub fn new(file: &str, text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        Self {
            file: file.into(),
            text,
            lines: std::iter::once(0).chain(ends).collect(),
            found: RefCell::default(),
        }
    }

    /// The file's name and the line where `key` of the table of that name was found.
    pub fn origin(&self, table: &str, key: &'static str) -> Option<String> {
        let line = *self.found.borrow().get(&(table.to_owned(), key))?;
        Some(format!("{}:{line}", self.file))
    }

    /// The file as a whole.
    pub fn whole(&self) -> Place {
        Place { file: self.file.clone(), position: None, subject: None }
    }

    /// Where `span` of the text begins.
    pub fn place(&self, span: Range<usize>) -> Place {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        // The first line begins at 0, so one at least begins at or before `start`.
        let line = self.lines.partition_point(|begin| *begin <= start);
        let column = self.text[self.lines[line - 1]..start].chars().count() + 1;
        Place { file: self.file.clone(), position: Some((line, column)), subject: None }
    }

    /// Parses the whole text. Only the first syntax error goes to `problems`: the others mostly follow from it.
    pub fn parse(&self, problems: &mut Problems) -> Option<Spanned<DeTable<'t>>> {
        let error = match DeTable::parse(self.text) {
            Ok(table) => return Some(table),
            Err(error) => error,
        };
        let place = error.span().map_or_else(|| self.whole(), |span| self.place(span));
        if let Some((what, cure)) =
            error.span().filter(|_| is_repeated(&error)).and_then(|at| self.repeated(at))
        {
            problems.error(&place, what, cure);
            return None;
        }
        let what = format!("not TOML: {}", error.message().replace('\n', ", "));
        problems.error(&place, what, "mend the line; https://toml.io shows how TOML is written");
        None
    }

    /// What is wrong where `span` is a key, or a table's name, that stands in the text before; and the cure.
    fn repeated(&self, span: Range<usize>) -> Option<(String, String)> {
        let key = self.text.get(span.clone())?;
        let line = self.text.get(..span.start)?.rsplit('\n').next()?.trim_start();
        Some(match line.split_at(line.len() - line.trim_start_matches('[').len()).0 {
            "" => (format!("`{key}` stands here a second time"), "leave one of the two out".to_owned()),
            _ if key == "port" => (
                "[port] and [[port]] stand in one file".to_owned(),
                "write [[port]] before each port, with two brackets".to_owned(),
            ),
            _ => (
                format!("the table `{key}` stands here a second time"),
                format!("put all of its keys under one [{key}]"),
            ),
        })
    }
}

/// Whether a text is no TOML for a key that stands there twice.
fn is_repeated(error: &toml::de::Error) -> bool {
    error.message().starts_with("duplicate key")
}

/// One table while it is read. Remembers which keys were asked for; the others are unknown.
pub struct Section<'a, 't> {
    document: &'a Document<'t>,
    name: String,
    table: &'a DeTable<'t>,
    place: Place,
    known: Vec<&'static str>,
}

impl<'a, 't> Section<'a, 't> {
    /// The top level of a parsed document.
    pub fn root(document: &'a Document<'t>, table: &'a Spanned<DeTable<'t>>) -> Self {
        let name = "the file's top level".to_owned();
        Self { document, name, table: table.get_ref(), place: document.whole(), known: Vec::new() }
    }

    /// Where it begins.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives it another name in messages.
    pub fn rename(&mut self, name: String) {
        self.name = name;
    }

    /// The value of `key`, if it is there. Makes the key a known one.
    pub fn value(&mut self, key: &'static str) -> Option<Value<'a, 't>> {
        self.known.push(key);
        let value = self.table.get(key)?;
        if let Some((line, _)) = self.document.place(value.span()).position {
            self.document.found.borrow_mut().insert((self.name.clone(), key), line);
        }
        Some(Value { document: self.document, key: key.to_owned(), value })
    }

    /// The subtable `key`, written `[key]`.
    pub fn table(&mut self, key: &'static str, problems: &mut Problems) -> Option<Self> {
        let value = self.value(key)?;
        let DeValue::Table(table) = value.value.get_ref() else {
            value.wrong_type(&format!("a table; write [{key}] on a line of its own"), problems);
            return None;
        };
        let place = value.place();
        Some(Self { document: self.document, name: format!("[{key}]"), table, place, known: Vec::new() })
    }

    /// The array of tables `key`, each written `[[key]]`.
    pub fn tables(&mut self, key: &'static str, problems: &mut Problems) -> Vec<Self> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let wanted = format!("a list of tables; write [[{key}]] before each, with two brackets");
        let DeValue::Array(array) = value.value.get_ref() else {
            value.wrong_type(&wanted, problems);
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(array.len());
        for item in array {
            let item = Value { document: self.document, key: key.to_owned(), value: item };
            match item.value.get_ref() {
                DeValue::Table(table) => sections.push(Self {
                    document: self.document,
                    name: format!("[[{key}]]"),
                    table,
                    place: item.place(),
                    known: Vec::new(),
                }),
                _ => item.wrong_type(&wanted, problems),
            }
        }
        sections
    }

    /// A key that is refused here although it means something elsewhere: `what` and the cure.
    pub fn refuse(&mut self, key: &'static str, what: &str, cure: &str, problems: &mut Problems) {
        if let Some((found, _)) = self.table.get_key_value(key) {
            let place = self.document.place(found.span());
            problems.error(&place, format!("`{key}` in {}: {what}", self.name), cure);
            self.known.push(key);
        }
    }

    /// Reports every key that nobody asked for. The keys of `refused` were asked for, but are none to suggest.
    pub fn finish(self, problems: &mut Problems) {
        let mut unknown: Vec<_> =
            self.table.keys().filter(|key| !self.known.contains(&key.get_ref().as_ref())).collect();
        unknown.sort_by_key(|key| key.span().start);
        for key in unknown {
            let text = key.get_ref().as_ref();
            let cure = match nearest(text, &self.known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => {
                    let mut known = self.known.clone();
                    known.sort_unstable();
                    known.dedup();
                    format!("the keys here are {}", known.join(", "))
                }
            };
            let place = self.document.place(key.span());
            problems.error(&place, format!("unknown key `{}` in {}", text.escape_debug(), self.name), cure);
        }
    }
}

/// One value while it is read. Each getter says what was wanted when it finds something else.
pub struct Value<'a, 't> {
    document: &'a Document<'t>,
    key: String,
    value: &'a Spanned<DeValue<'t>>,
}

impl<'a, 't> Value<'a, 't> {
    /// Where it stands.
    pub fn place(&self) -> Place {
        self.document.place(self.value.span())
    }

    fn at<T>(&self, value: T) -> At<T> {
        At { value, place: self.place() }
    }

    /// Reports the value as wrong.
    pub fn error(&self, what: &str, cure: impl Into<String>, problems: &mut Problems) {
        problems.error(&self.place(), format!("`{}` {what}", self.key), cure);
    }

    /// Reports the value as doubtful.
    pub fn warn(&self, what: &str, cure: impl Into<String>, problems: &mut Problems) {
        problems.warn(&self.place(), format!("`{}` {what}", self.key), cure);
    }

    /// Reports that the value is no `wanted`.
    pub fn wrong_type(&self, wanted: &str, problems: &mut Problems) {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(true) => "true",
            DeValue::Boolean(false) => "false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error(&format!("is {found}"), format!("it takes {wanted}"), problems);
    }

    /// Whether it is `false`.
    pub fn is_false(&self) -> bool {
        self.value.get_ref().as_bool() == Some(false)
    }

    /// Whether it is a string.
    pub fn is_string(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// Whether it is true or false.
    pub fn is_bool(&self) -> bool {
        self.value.get_ref().is_bool()
    }

    /// A string.
    pub fn string(&self, wanted: &str, problems: &mut Problems) -> Option<At<&'a str>> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(self.at(text.as_ref())),
            _ => {
                self.wrong_type(wanted, problems);
                None
            }
        }
    }

    /// True or false.
    pub fn boolean(&self, problems: &mut Problems) -> Option<At<bool>> {
        match self.value.get_ref().as_bool() {
            Some(value) => Some(self.at(value)),
            None => {
                self.wrong_type("true or false, without quotes", problems);
                None
            }
        }
    }

    /// A whole number within `range`; `unit` names what is counted.
    pub fn integer<T>(&self, range: Range<u32>, unit: &str, problems: &mut Problems) -> Option<At<T>>
    where
        T: TryFrom<u32>,
    {
        let wanted = format!("a whole number from {} to {}{unit}", range.start, range.end - 1);
        let DeValue::Integer(number) = self.value.get_ref() else {
            self.wrong_type(&wanted, problems);
            return None;
        };
        let parsed = u32::from_str_radix(number.as_str(), number.radix()).ok();
        match parsed.filter(|n| range.contains(n)).and_then(|n| T::try_from(n).ok()) {
            Some(value) => Some(self.at(value)),
            None => {
                self.error(&format!("is {number}"), format!("it takes {wanted}"), problems);
                None
            }
        }
    }

    /// A duration with its unit, within `range` (both ends included), a multiple of `step`.
    pub fn duration(
        &self,
        (least, most): (Duration, Duration),
        step: Duration,
        problems: &mut Problems,
    ) -> Option<At<Duration>> {
        let range = format!("{} to {}", duration::show(least), duration::show(most));
        let text = match self.value.get_ref() {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(number) => {
                self.error("has no unit", format!("write it like \"{number}s\", from {range}"), problems);
                return None;
            }
            DeValue::Float(number) => {
                let number = number.as_str();
                self.error("has no unit", format!("write it like \"{number}s\", from {range}"), problems);
                return None;
            }
            _ => {
                self.wrong_type(&format!("a duration with its unit like \"10s\", from {range}"), problems);
                return None;
            }
        };
        let value = match duration::parse(text) {
            Ok(value) => value,
            Err(error) => {
                let what = format!("is {}: {error}", quoted(text));
                self.error(&what, format!("write it like \"10s\" or \"500ms\", from {range}"), problems);
                return None;
            }
        };
        if value < least || value > most {
            self.error(&format!("is {text}"), format!("it takes {range}"), problems);
            return None;
        }
        if !value.as_nanos().is_multiple_of(step.as_nanos()) {
            let cure = format!("it goes in steps of {}, from {range}", duration::show(step));
            self.error(&format!("is {text}"), cure, problems);
            return None;
        }
        Some(self.at(value))
    }

    /// A string that `T` parses, with `T`'s own words when it does not.
    pub fn parsed<T>(&self, wanted: &str, problems: &mut Problems) -> Option<At<T>>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let text = self.string(wanted, problems)?;
        match text.value.parse() {
            Ok(value) => Some(self.at(value)),
            Err(_) => {
                let what = format!("is {}", quoted(text.value));
                self.error(&what, format!("it takes {wanted}"), problems);
                None
            }
        }
    }

    /// One of several words.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)], problems: &mut Problems) -> Option<At<T>> {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        self.choice_of(&alternatives(&words), choices, problems)
    }

    /// One of several words; `wanted` says what else it may be.
    pub fn choice_of<T: Copy>(
        &self,
        wanted: &str,
        choices: &[(&str, T)],
        problems: &mut Problems,
    ) -> Option<At<T>> {
        let text = self.string(wanted, problems)?;
        match choices.iter().find(|(word, _)| *word == text.value) {
            Some((_, value)) => Some(self.at(*value)),
            None => {
                let what = format!("is {}", quoted(text.value));
                self.error(&what, format!("it takes {wanted}"), problems);
                None
            }
        }
    }

    /// The items of a list of at most `most`.
    pub fn short_list(&self, wanted: &str, most: usize, problems: &mut Problems) -> Option<Vec<Self>> {
        let items = self.list(wanted, problems)?;
        if items.len() > most {
            self.error(&format!("has {} entries", items.len()), format!("it takes at most {most}"), problems);
            return None;
        }
        Some(items)
    }

    /// The items of a list.
    pub fn list(&self, wanted: &str, problems: &mut Problems) -> Option<Vec<Self>> {
        match self.value.get_ref() {
            DeValue::Array(items) => Some(
                items
                    .iter()
                    .enumerate()
                    .map(|(i, value)| Value {
                        document: self.document,
                        key: format!("{}[{i}]", self.key),
                        value,
                    })
                    .collect(),
            ),
            _ => {
                self.wrong_type(wanted, problems);
                None
            }
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
fn alternatives(words: &[String]) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// A text of the settings in quotes, as a message shows it: the beginning of one that no setting takes for its length.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => {
            format!("\"{}\"... of {} characters", text[..end].escape_debug(), text.chars().count())
        }
        None => format!("\"{}\"", text.escape_debug()),
    }
}

/// The known word nearest to `word`, when near enough to be what was meant.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let normal = |word: &str| word.to_lowercase().replace('_', "-");
    let word = normal(word);
    let (distance, best) = known.iter().map(|k| (edits(&word, &normal(k)), *k)).min()?;
    (distance <= word.chars().count().div_ceil(3).min(4)).then_some(best)
}

/// Levenshtein's distance: how many characters to insert, delete or replace.
fn edits(a: &str, b: &str) -> usize {
    // Longer words match no key; without the bound a key of a megabyte would cost a while.
    if a.len() > 64 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
