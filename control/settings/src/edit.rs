//! Changes of the live layer's text: what page and socket may ask for.

use std::fmt;

use toml_edit::{DocumentMut, Item, Table, Value};

use crate::device::Device;
use crate::options::PortOptions;
use crate::port::usable_name;
use crate::problem::{Problems, SettingsError};
use crate::reader::{Document, nearest};

/// What the live layer may say of the proxy as a whole.
pub(crate) const PROXY_KEYS: &[&str] = &["enabled", "upstream", "local-groups", "ssm-range"];
/// And of a port, besides its policies.
pub(crate) const PORT_KEYS: &[&str] = &["device", "address", "querier-address"];
const HEADER: &str = "# What page and socket changed; it goes before the administrator's settings. Manifold writes this file.\n";

/// One change: a key of `[proxy]` or of a port set, or taken out of the live layer.
///
/// `device` of a port makes the port, as one of the live layer; taking it out removes that port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edit {
    /// The port's name; `None` for a key of `[proxy]`.
    pub port: Option<String>,
    /// The key.
    pub key: String,
    /// The value as TOML; `None` takes the key out, so that the administrator's value is in force again.
    pub value: Option<String>,
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// It is not for page and socket to make, or makes no sense.
    Refused {
        /// The edit at fault.
        edit: Edit,
        /// What is wrong.
        what: String,
        /// What would cure it.
        cure: String,
    },
    /// The settings that there would be do not pass.
    Settings(SettingsError),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { edit, what, cure } => {
                write!(f, "{}: {what}; {cure}", edit.place())
            }
            Self::Settings(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for EditError {}

impl From<SettingsError> for EditError {
    fn from(error: SettingsError) -> Self {
        Self::Settings(error)
    }
}

impl Edit {
    /// What it is about, in words: `` `mtu` in [[port]] "hall-a" ``.
    pub fn place(&self) -> String {
        let key = self.key.escape_debug();
        match &self.port {
            Some(port) => format!("`{key}` in [[port]] \"{}\"", port.escape_debug()),
            None => format!("`{key}` in [proxy]"),
        }
    }

    pub(crate) fn refuse(&self, what: impl Into<String>, cure: impl Into<String>) -> EditError {
        EditError::Refused { edit: self.clone(), what: what.into(), cure: cure.into() }
    }

    /// The value as parsed, when it is one that page and socket may set.
    fn check(&self) -> Result<Option<Value>, EditError> {
        let known: Vec<&str> = match &self.port {
            None => PROXY_KEYS.to_vec(),
            Some(_) => [PORT_KEYS, PortOptions::KEYS].concat(),
        };
        let of_ports = || PORT_KEYS.iter().chain(PortOptions::KEYS).any(|key| *key == self.key);
        if self.port.is_none() && of_ports() {
            return Err(self.refuse("is a setting of a port", "name the port: `--port NAME`"));
        }
        if !known.contains(&&*self.key) {
            let cure = match nearest(&self.key, &known) {
                Some(key) => {
                    format!("did you mean `{key}`? Everything else is set in the administrator's file")
                }
                None => "set it in the administrator's file and reload".to_owned(),
            };
            return Err(self.refuse("is no setting that can be changed while Manifold runs", cure));
        }
        if let Some(name) = &self.port
            && !usable_name(name)
        {
            return Err(self.refuse("no port can have that name", crate::port::NAME_CURE));
        }
        let Some(text) = &self.value else { return Ok(None) };
        let value = text.trim().parse::<Value>().map_err(|error| {
            let what =
                format!("\"{}\" is no value: {}", text.escape_debug(), error.message().replace('\n', ", "));
            self.refuse(what, "write it as in the file, text in quotes")
        })?;
        let device = value.as_str().filter(|_| self.key == "device");
        if let Some(Ok(Device::Vdev(_))) = device.map(str::parse::<Device>) {
            let cure = "set it in the administrator's file; here it takes a PCI address or an interface";
            return Err(self.refuse("is a virtual device, which could load code or write any file", cure));
        }
        Ok(Some(value))
    }
}

/// The text of the live layer after these changes, in order. Comments stay, but for those of a key that goes. Whether
/// the settings then pass is [`LiveLayer::edit`](crate::LiveLayer::edit)'s to say.
///
/// # Errors
/// The first change that is refused; `live` is no TOML.
pub fn apply_edits(live: Option<&str>, edits: &[Edit]) -> Result<String, EditError> {
    let text = live.filter(|text| !text.trim().is_empty()).unwrap_or(HEADER);
    // As a comment of the first table it would go with that table.
    let (header, body) = text.strip_prefix(HEADER).map_or(("", text), |body| (HEADER, body));
    let mut document = parse(text, body)?;
    for edit in edits {
        let value = edit.check()?;
        match &edit.port {
            None => edit_proxy(&mut document, edit, value)?,
            Some(name) => edit_port(&mut document, name, edit, value)?,
        }
    }
    let body = document.to_string();
    Ok(header.to_owned() + body.trim_start_matches('\n'))
}

/// `body` of the layer's whole `text`.
fn parse(text: &str, body: &str) -> Result<DocumentMut, EditError> {
    let mut problems = Problems::default();
    // The reader names line and column as it does everywhere.
    let file = Document::new("the live layer", text);
    match (file.parse(&mut problems), body.parse()) {
        (Some(_), Ok(document)) => Ok(document),
        (_, Err(_)) | (None, Ok(_)) => Err(SettingsError::new(problems.errors).into()),
    }
}

fn edit_proxy(document: &mut DocumentMut, edit: &Edit, value: Option<Value>) -> Result<(), EditError> {
    if value.is_none() && !document.contains_key("proxy") {
        return Ok(());
    }
    let item = document.entry("proxy").or_insert_with(|| Item::Table(Table::new()));
    *item = std::mem::take(item)
        .into_table()
        .map(Item::Table)
        .map_err(|_| edit.refuse("the live layer's `proxy` is no table", "mend the file and reload"))?;
    if let Some(table) = item.as_table_mut() {
        set(table, &edit.key, value);
        let comment =
            table.decor().prefix().and_then(|prefix| prefix.as_str()).is_some_and(|text| text.contains('#'));
        if table.is_empty() && !comment {
            document.remove("proxy");
        }
    }
    Ok(())
}

fn edit_port(
    document: &mut DocumentMut,
    name: &str,
    edit: &Edit,
    value: Option<Value>,
) -> Result<(), EditError> {
    let item = document.entry("port").or_insert_with(|| Item::ArrayOfTables(Default::default()));
    *item = std::mem::take(item).into_array_of_tables().map(Item::ArrayOfTables).map_err(|_| {
        edit.refuse("the live layer's `port` is no list of tables", "mend the file and reload")
    })?;
    let Some(ports) = item.as_array_of_tables_mut() else { return Ok(()) };
    let named = |table: &Table| table.get("name").and_then(Item::as_str) == Some(name);
    let index = ports.iter().position(named);
    let removes = edit.key == "device" && value.is_none();
    if removes && !index.and_then(|i| ports.get(i)).is_some_and(|table| table.contains_key("device")) {
        let what =
            format!("no port named \"{name}\" was added while Manifold ran, and only such can be removed so");
        let cure = "look at `manifoldctl show ports`; one of the administrator's file goes by taking it out there, and a reload";
        return Err(edit.refuse(what, cure));
    }
    match (index, value) {
        (Some(index), _) if removes => {
            ports.remove(index);
        }
        (Some(index), value) => {
            if let Some(table) = ports.get_mut(index) {
                set(table, &edit.key, value);
                // A name alone says nothing, and would outlive the administrator's port.
                if table.len() == 1 {
                    ports.remove(index);
                }
            }
        }
        (None, Some(value)) => {
            let mut table = Table::new();
            set(&mut table, "name", Some(name.into()));
            set(&mut table, &edit.key, Some(value));
            ports.push(table);
        }
        (None, None) => {}
    }
    if ports.is_empty() {
        document.remove("port");
    }
    Ok(())
}

/// Sets or removes a key; a comment after the old value stays after the new one.
fn set(table: &mut Table, key: &str, value: Option<Value>) {
    let Some(mut value) = value else {
        table.remove(key);
        return;
    };
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            table.insert(key, Item::Value(value));
        }
    }
}
