//! The live layer as a file: what is in force of it, changes, and writing it so that no crash leaves half of it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::assemble::assemble;
use crate::difference::difference;
use crate::edit::{Edit, EditError, apply_edits};
use crate::load::{MAX_FILE_BYTES, parse, parse_layers, too_large};
use crate::model::Settings;
use crate::problem::{Place, Problem, SettingsError};
use crate::reader::Document;
use crate::unwritten::{by_key, with_subjects};

/// The live layer that is in force, over the administrator's settings that are. Changes begin from both, whatever the
/// files hold by now: one that is broken, or half edited, while Manifold runs must neither cost what was set before nor
/// come into force by the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLayer {
    /// Name and text of the administrator's file.
    pub(crate) main: (String, String),
    path: Option<PathBuf>,
    /// What is in force.
    pub(crate) text: Option<String>,
    /// What the file held when it was last read or written here; `None` for no file, or one that is not in force.
    stored: Option<String>,
}

impl LiveLayer {
    pub(crate) fn new(main: (String, String), path: Option<PathBuf>, text: Option<String>) -> Self {
        Self { main, path, stored: text.clone(), text }
    }

    /// The file; `None` when there is to be none.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The text that is in force, where there is any.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Whether both say the same of the same keys, and so do the administrator's files below them: also of those that
    /// have no effect, as something goes before them. Comments don't count.
    pub fn has_same_keys(&self, other: &Self) -> bool {
        // What is in force has been parsed before.
        let table = |text: &str| toml::from_str::<toml::Table>(text).ok();
        let tables = |layer: &Self| (table(layer.text().unwrap_or_default()), table(&layer.main.1));
        tables(self) == tables(other)
    }

    /// The settings and the live layer after these changes, all of them or none. Reads and writes no file:
    /// [`store`](Self::store) the layer, then apply the settings.
    ///
    /// # Errors
    /// A change that is refused, or settings that do not pass with it. What is wrong in the layer is named by port and
    /// key: no file has its lines.
    pub fn edit(&self, edits: &[Edit]) -> Result<(Settings, Self), EditError> {
        let text = apply_edits(self.text(), edits)?;
        let settings = self.check(&text)?;
        for edit in edits {
            // Loading passes over a port that the administrator took away; to change one is a mistake.
            if let (Some(name), Some(_)) = (&edit.port, &edit.value)
                && settings.port(name).is_none()
            {
                let names: Vec<_> = settings.ports.iter().map(|port| format!("\"{}\"", port.name)).collect();
                let cure = format!("the ports are {}; a new one begins with its `device`", names.join(", "));
                return Err(edit.refuse("there is no such port", cure));
            }
        }
        Ok((settings, Self { text: Some(text), ..self.clone() }))
    }

    /// What the administrator edited since `before` without any effect, as this layer has the key: one line each.
    pub fn hides(&self, before: &Self) -> Vec<String> {
        let (Some(path), Some(text)) = (&self.path, &self.text) else { return Vec::new() };
        let main = |layer: &Self| parse(&layer.main.1, &layer.main.0);
        let (Ok(old), Ok(new)) = (main(before), main(self)) else { return Vec::new() };
        let name = path.display().to_string();
        let live = Document::new(&name, text);
        // Reading it finds where each key stands.
        if assemble(&Document::new(&self.main.0, &self.main.1), Some(&live)).is_err() {
            return Vec::new();
        }
        let hidden = |section: String, key: &'static str, command: String| {
            let origin = live.origin(&section, key)?;
            let what = format!("`{key}` is set here, which goes before the administrator's file");
            Some(format!("{origin}: {what}; to have it from there: `{command} {key}`"))
        };
        let edited = difference(&old, &new);
        let general = edited.keys.iter().filter_map(|(table, change)| {
            hidden(format!("[{table}]"), change.key, "manifoldctl unset".to_owned())
        });
        let ports = edited.changed.iter().flat_map(|port| port.keys.iter().map(move |key| (&port.name, key)));
        let ports = ports.filter_map(|(port, change)| {
            let command = format!("manifoldctl unset --port {port}");
            hidden(format!("[[port]] \"{port}\""), change.key, command)
        });
        general.chain(ports).collect()
    }

    /// The settings with `text` as live layer.
    fn check(&self, text: &str) -> Result<Settings, SettingsError> {
        let (name, main) = &self.main;
        let Some(path) = &self.path else {
            let problem = Problem {
                place: Place::file(name),
                what: "there is no live layer, as `live` in [paths] is false".to_owned(),
                cure: "change this file and reload, or set `live` to a file that Manifold may write"
                    .to_owned(),
            };
            return Err(problem.into());
        };
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(too_large(path).into());
        }
        let live = path.display().to_string();
        parse_layers(main, name, text, &live)
            .map_err(|error| with_subjects(by_key(error, &live, text), name, main))
    }

    /// Writes what is in force to the file, by [`write_live`]. A file that somebody else wrote since, or that did not
    /// pass at the start, is kept beside it under the name that is returned.
    ///
    /// # Errors
    /// The file cannot be written; it is as it was.
    pub fn store(&mut self) -> io::Result<Option<PathBuf>> {
        let (Some(path), Some(text)) = (&self.path, &self.text) else { return Ok(None) };
        // What is no file is not waited for, but moved.
        let is_other = fs::metadata(path).is_ok_and(|found| !found.is_file());
        let found = if is_other { Err(ErrorKind::InvalidInput.into()) } else { fs::read(path) };
        let kept = match found {
            Ok(found) if self.stored.as_ref().is_some_and(|stored| stored.as_bytes() == found) => None,
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Ok(_) | Err(_) => Some(set_aside(path)?),
        };
        write_live(path, text)?;
        self.stored = Some(text.clone());
        Ok(kept)
    }
}

/// The name under which a live layer is kept that is not in force: `live.toml.broken`.
pub(crate) fn aside(path: &Path) -> PathBuf {
    with_suffix(path, ".broken")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Keeps the file under [`aside`]'s name in place of an earlier one. It stays under its own, too, until it is written
/// over, so that a crash in between leaves it there.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = aside(path);
    remove(&aside)?;
    // What is no file, or on a file system without links, moves.
    fs::hard_link(path, &aside).or_else(|_| fs::rename(path, &aside))?;
    Ok(aside)
}

/// Writes the live layer's text so that whatever happens, the file holds the old text or the new one: to a new file
/// beside it, which takes its place once the disk has it. Makes the folder; the file's mode is 0644.
///
/// # Errors
/// The folder or the file cannot be written, or the disk is full; the file is as it was, and nothing is left beside it.
pub fn write_live(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let new = with_suffix(path, ".new");
    // A crash may have left one; whatever it is, it is not to be written through.
    remove(&new)?;
    write_new(&new, text).and_then(|()| fs::rename(&new, path)).inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })?;
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    // Whatever the umask: page and monitoring may read it.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Removes a file, if there is one.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
