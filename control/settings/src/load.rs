//! Files to settings: reads both layers, puts the live one over the administrator's, checks the whole.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use types::{MAX_PORTS, PortIndex};

use crate::check;
use crate::model::{
    EalSettings, LogSettings, PathSettings, ProxySettings, RecordSettings, Settings, SocketSettings,
    TableSettings, WorkerSettings,
};
use crate::port::{Defaults, RawPort};
use crate::problem::{At, Place, Problem, Problems, SettingsError};
use crate::reader::{Document, Section};
use crate::sections::{self, RawProxy};

/// The largest settings file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads the administrator's file, and over it the live layer at [`PathSettings::live`] if there is one.
///
/// # Errors
/// Every problem of either file with its line, column and cure.
pub fn load(path: &Path) -> Result<Settings, SettingsError> {
    let file = path.display().to_string();
    let text = read_file(path)?.ok_or_else(|| Problem {
        place: Place::file(&file),
        what: "there is no such file".to_owned(),
        cure: "name the settings file with -c, or begin with the example in packaging/manifold.toml"
            .to_owned(),
    })?;
    let settings = parse(&text, &file)?;
    let Some(live_path) = settings.paths.live.as_deref() else { return Ok(settings) };
    match read_file(live_path)? {
        Some(live) => parse_layers(&text, &file, &live, &live_path.display().to_string()),
        None => Ok(settings),
    }
}

/// Settings from the administrator's layer alone; `file_name` is for messages.
///
/// # Errors
/// Every problem with its line, column and cure.
pub fn parse(text: &str, file_name: &str) -> Result<Settings, SettingsError> {
    assemble(text, file_name, None)
}

/// Settings from both layers; the file names are for messages. The proxy checks a request to change its live
/// layer by this before it writes the file.
///
/// # Errors
/// Every problem of either layer with its line, column and cure.
pub fn parse_layers(text: &str, file: &str, live: &str, live_file: &str) -> Result<Settings, SettingsError> {
    assemble(text, file, Some((live, live_file)))
}

/// The file's text, or `None` where there is no file.
fn read_file(path: &Path) -> Result<Option<String>, SettingsError> {
    let problem = |what: String, cure: &str| Problem {
        place: Place::file(&path.display().to_string()),
        what,
        cure: cure.to_owned(),
    };
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
        let what = "is larger than 1 MiB".to_owned();
        return Err(problem(what, "no settings are: check that it is the right file").into());
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

/// Both layers as read, before they are put together.
pub(crate) struct Raw {
    pub(crate) proxy: RawProxy,
    pub(crate) defaults: Defaults,
    pub(crate) ports: Vec<RawPort>,
    eal: EalSettings,
    pub(crate) max_ports: Option<At<u8>>,
    worker: WorkerSettings,
    table: TableSettings,
    paths: PathSettings,
    socket: SocketSettings,
    log: LogSettings,
    record: RecordSettings,
}

fn assemble(text: &str, file: &str, live: Option<(&str, &str)>) -> Result<Settings, SettingsError> {
    let mut problems = Problems::default();
    let document = Document::new(file, text);
    let Some(mut raw) = read_main(&document, &mut problems) else {
        return Err(SettingsError::new(problems.errors));
    };
    if let Some((text, file)) = live {
        overlay_live(&mut raw, &Document::new(file, text), &mut problems);
    }
    let upstream = check::check(&raw, &document.whole(), &mut problems);
    let settings = build(raw, upstream, &mut problems);
    if !problems.errors.is_empty() {
        return Err(SettingsError::new(problems.errors));
    }
    problems.warnings.sort();
    Ok(Settings { warnings: problems.warnings, ..settings })
}

fn read_main(document: &Document<'_>, problems: &mut Problems) -> Option<Raw> {
    let table = document.parse(problems)?;
    let mut root = Section::root(document, &table);
    let proxy = RawProxy::read(&mut root, problems);
    let defaults = Defaults::read(&mut root, problems);
    let ports = read_ports(&mut root, RawPort::read, problems);
    let (eal, max_ports) = sections::read_eal(&mut root, problems);
    let worker = sections::read_worker(&mut root, problems);
    let table = sections::read_table(&mut root, problems);
    let (paths, socket) = sections::read_paths(&mut root, &proxy.instance(), problems);
    let log = sections::read_log(&mut root, problems);
    let record = sections::read_record(&mut root, problems);
    root.finish(problems);
    Some(Raw { proxy, defaults, ports, eal, max_ports, worker, table, paths, socket, log, record })
}

/// The ports of one layer: what is above the most that there can be is counted, not read.
fn read_ports<'a, 't>(
    root: &mut Section<'a, 't>,
    read: fn(Section<'a, 't>, &mut Problems) -> Option<RawPort>,
    problems: &mut Problems,
) -> Vec<RawPort> {
    let mut sections = root.tables("port", problems);
    if let Some(section) = sections.get(MAX_PORTS) {
        check::too_many_ports(sections.len(), section.place(), problems);
        sections.truncate(MAX_PORTS);
    }
    sections.into_iter().filter_map(|section| read(section, problems)).collect()
}

/// Reads the live layer and puts it over `raw`.
fn overlay_live(raw: &mut Raw, document: &Document<'_>, problems: &mut Problems) {
    let Some(table) = document.parse(problems) else { return };
    let mut root = Section::root(document, &table);
    raw.proxy.overlay(RawProxy::read_live(&mut root, problems));
    for live in read_ports(&mut root, RawPort::read_live, problems) {
        match raw.ports.iter_mut().find(|port| port.name.value == live.name.value) {
            // Two entries of the live layer with one name are for the check of the whole to refuse.
            Some(port) if port.place.file != live.place.file => port.overlay(live, problems),
            None if live.device.is_none() => {
                // The administrator took the port away: no reason not to start.
                let what =
                    format!("port \"{}\" is not in the administrator's file any more", live.name.value);
                let cure = "it is passed over; put the port back, or remove it here";
                problems.warn(&live.name.place, what, cure);
            }
            _ => raw.ports.push(live),
        }
    }
    for key in ["defaults", "eal", "worker", "table", "paths", "socket", "log", "record"] {
        let what = "only the administrator's file may have it";
        root.refuse(key, what, "set it in manifold.toml", problems);
    }
    root.finish(problems);
}

fn build(raw: Raw, upstream: Option<PortIndex>, problems: &mut Problems) -> Settings {
    let mut ports = Vec::with_capacity(raw.ports.len());
    for mut port in raw.ports {
        // Without a device there is an error already, and nothing is returned.
        if let Some(device) = port.device.take() {
            ports.push(port.build(device.value, &raw.defaults));
        }
    }
    let count = u8::try_from(ports.len()).unwrap_or(u8::MAX);
    let max_ports = raw.max_ports.map_or(count, |at| {
        if at.value < count {
            let cure = format!("set {count} or more, or leave it out");
            problems.error(&at.place, format!("`max-ports` is {}, for {count} ports", at.value), cure);
        }
        at.value
    });
    Settings {
        proxy: ProxySettings {
            instance: raw.proxy.instance(),
            enabled: raw.proxy.enabled.unwrap_or(true),
            upstream,
            local_groups: raw.proxy.local_groups.map_or_else(sections::default_local_groups, |at| at.value),
            ssm_range: raw.proxy.ssm_range.map(|at| at.value).unwrap_or_default(),
            router_mac: raw.proxy.router_mac,
        },
        ports,
        eal: EalSettings { max_ports, ..raw.eal },
        worker: raw.worker,
        table: raw.table,
        socket: raw.socket,
        paths: raw.paths,
        log: raw.log,
        record: raw.record,
        warnings: Vec::new(),
    }
}
