//! Both layers to settings: reads each, puts the live one over the administrator's, checks the whole.

use types::{MAX_PORTS, PortIndex};

use crate::check;
use crate::model::{
    EalSettings, LogSettings, PathSettings, PortSettings, ProxySettings, RecordSettings, Settings,
    SocketSettings, WorkerSettings,
};
use crate::port::{Defaults, RawPort};
use crate::problem::{At, Problems, SettingsError};
use crate::reader::{Document, Section};
use crate::sections::{self, RawProxy, RawTable};

/// Both layers as read, before they are put together.
pub(crate) struct Raw {
    pub(crate) proxy: RawProxy,
    pub(crate) defaults: Defaults,
    pub(crate) ports: Vec<RawPort>,
    eal: EalSettings,
    pub(crate) max_ports: Option<At<u8>>,
    worker: WorkerSettings,
    pub(crate) table: RawTable,
    paths: PathSettings,
    socket: SocketSettings,
    log: LogSettings,
    record: RecordSettings,
}

/// Settings from the administrator's layer and the live one, or from the first alone.
///
/// # Errors
/// Every problem with its line, column and cure.
pub(crate) fn assemble(main: &Document<'_>, live: Option<&Document<'_>>) -> Result<Settings, SettingsError> {
    let mut problems = Problems::default();
    let Some(mut raw) = read_main(main, &mut problems) else {
        return Err(SettingsError::new(problems.errors));
    };
    if let Some(live) = live {
        overlay_live(&mut raw, live, &mut problems);
    }
    let upstream = check::check(&raw, &main.whole(), &mut problems);
    let settings = build(raw, upstream, &mut problems);
    if !problems.errors.is_empty() {
        return Err(SettingsError::new(problems.errors));
    }
    problems.warnings.sort();
    problems.warnings.dedup();
    Ok(Settings { warnings: problems.warnings, ..settings })
}

/// `blank` with what `[defaults]` of the administrator's file says.
pub(crate) fn defaults_alone(main: &Document<'_>, blank: &PortSettings) -> PortSettings {
    let mut problems = Problems::default();
    let Some(table) = main.parse(&mut problems) else { return blank.clone() };
    let defaults = Defaults::read(&mut Section::root(main, &table), &mut problems);
    RawPort::blank(blank).build(blank.device.clone(), &defaults)
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
    let max_ports = raw.max_ports.map(|at| {
        if at.value < count {
            let cure = format!("set {count} or more, or leave it out, and restart Manifold if it runs");
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
        table: raw.table.settings(),
        socket: raw.socket,
        paths: raw.paths,
        log: raw.log,
        record: raw.record,
        warnings: Vec::new(),
    }
}
