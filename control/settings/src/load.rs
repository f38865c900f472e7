//! Files to settings.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::assemble::assemble;
use crate::live::LiveLayer;
use crate::model::Settings;
use crate::problem::{Place, Problem, SettingsError, Warning};
use crate::reader::Document;
use crate::unwritten::with_subjects;

/// The largest settings file that is read.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads the administrator's file, and over it the live layer, for a start: as [`load_layers`], the settings alone.
///
/// # Errors
/// Every problem of the administrator's file with its line, column and cure.
pub fn load(path: &Path) -> Result<Settings, SettingsError> {
    load_layers(path).map(|(settings, _)| settings)
}

/// Reads the administrator's file, and over it the live layer at [`PathSettings::live`] if there is one, for a start.
///
/// A live layer that does not pass does not stop a start: the administrator's settings run alone, which is more than
/// nothing to the viewers behind, and [`Settings::warnings`] say so and name each problem. The file stays as it is until
/// [`LiveLayer::store`] sets it aside.
///
/// # Errors
/// Every problem of the administrator's file with its line, column and cure.
///
/// [`PathSettings::live`]: crate::PathSettings::live
pub fn load_layers(path: &Path) -> Result<(Settings, LiveLayer), SettingsError> {
    let files = Files::read(path)?;
    files.layers().or_else(|error| {
        let (settings, layer) = files.main_alone()?;
        Ok((doubt(settings, layer.path(), error), layer))
    })
}

/// Reads both layers again while Manifold runs: here a live layer that does not pass is an error, as what runs is
/// better than the administrator's settings alone.
///
/// # Errors
/// Every problem of either file with its line, column and cure.
pub fn reload(path: &Path) -> Result<(Settings, LiveLayer), SettingsError> {
    Files::read(path)?.layers()
}

/// Settings from the administrator's layer alone; `file_name` is for messages.
///
/// # Errors
/// Every problem with its line, column and cure.
pub fn parse(text: &str, file_name: &str) -> Result<Settings, SettingsError> {
    assemble(&Document::new(file_name, text), None)
}

/// Settings from both layers; the file names are for messages.
///
/// # Errors
/// Every problem of either layer with its line, column and cure.
pub fn parse_layers(text: &str, file: &str, live: &str, live_file: &str) -> Result<Settings, SettingsError> {
    assemble(&Document::new(file, text), Some(&Document::new(live_file, live)))
}

/// The administrator's file, whose settings pass by themselves, and where the live layer is.
pub(crate) struct Files {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) live: Option<PathBuf>,
}

impl Files {
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let name = path.display().to_string();
        let text = read_file(path)?.ok_or_else(|| Problem {
            place: Place::file(&name),
            what: "there is no such file".to_owned(),
            cure: "name the settings file with -c, or begin with the example in packaging/manifold.toml"
                .to_owned(),
        })?;
        let live = parse(&text, &name)?.paths.live;
        Ok(Self { name, text, live })
    }

    /// Both layers.
    fn layers(&self) -> Result<(Settings, LiveLayer), SettingsError> {
        let Some((name, live)) = self.read_live()? else { return self.main_alone() };
        let settings = parse_layers(&self.text, &self.name, &live, &name)
            .map_err(|error| with_subjects(with_subjects(error, &self.name, &self.text), &name, &live))?;
        Ok((settings, self.live_layer(Some(live))))
    }

    fn main_alone(&self) -> Result<(Settings, LiveLayer), SettingsError> {
        Ok((parse(&self.text, &self.name)?, self.live_layer(None)))
    }

    fn live_layer(&self, text: Option<String>) -> LiveLayer {
        LiveLayer::new((self.name.clone(), self.text.clone()), self.live.clone(), text)
    }

    /// Name and text of the live layer, if there is one.
    pub(crate) fn read_live(&self) -> Result<Option<(String, String)>, SettingsError> {
        let Some(path) = &self.live else { return Ok(None) };
        Ok(read_file(path)?.map(|text| (path.display().to_string(), text)))
    }
}

/// `settings` with the warnings that the live layer is not among them.
fn doubt(settings: Settings, live: Option<&Path>, error: SettingsError) -> Settings {
    let mut warnings = settings.warnings;
    if let Some(live) = live {
        let cure = format!(
            "mend or remove the file and reload; the first change by socket sets it aside as {}",
            crate::live::aside(live).display()
        );
        warnings.push(Warning(Problem {
            place: Place::file(&live.display().to_string()),
            what: "the live layer does not pass, and NOTHING OF IT IS IN FORCE: the administrator's settings run alone"
                .to_owned(),
            cure,
        }));
    }
    warnings.extend(error.into_problems().into_iter().map(Warning));
    warnings.sort();
    Settings { warnings, ..settings }
}

pub(crate) fn too_large(path: &Path) -> Problem {
    Problem {
        place: Place::file(&path.display().to_string()),
        what: "is larger than 1 MiB".to_owned(),
        cure: "no settings are: check that it is the right file".to_owned(),
    }
}

/// The file's text, or `None` where there is no file.
///
/// # Errors
/// It cannot be read, is no regular file, no UTF-8, or larger than 1 MiB.
pub fn read_file(path: &Path) -> Result<Option<String>, SettingsError> {
    let problem = |what: String, cure: &str| Problem {
        place: Place::file(&path.display().to_string()),
        what,
        cure: cure.to_owned(),
    };
    // To open a FIFO would wait for a writer, and all of Manifold with it.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Err(problem("is no regular file".to_owned(), "put the settings into a file").into());
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(problem(error.to_string(), "run as root, or let this user read the file").into());
        }
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            return Err(problem(error.to_string(), "name the file in it").into());
        }
        Err(error) => {
            return Err(problem(format!("cannot be read: {error}"), "check the path and its disk").into());
        }
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large(path).into());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|b| **b == b'\n').count() + 1;
            let what = format!("is not UTF-8 text in line {line}");
            Err(problem(what, "save it as UTF-8; TOML is always that").into())
        }
    }
}
