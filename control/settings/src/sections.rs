//! Reading every table but the ports'.

use std::path::PathBuf;

use types::{Ipv4Net, MacAddr};

use crate::eal;
use crate::model::{
    Cores, EalSettings, Hugepages, LogLevel, LogSettings, MAX_WORKERS, PathSettings, Poll, RecordSettings,
    SocketSettings, TableSettings, WorkerSettings,
};
use crate::options::read_group_nets;
use crate::problem::{At, Problems};
use crate::reader::{Section, Value, quoted};

/// The instance's name where nothing is said.
const MAIN_INSTANCE: &str = "main";
pub(crate) const HUGEPAGES: &[(&str, Hugepages)] =
    &[("auto", Hugepages::Auto), ("require", Hugepages::Require), ("no", Hugepages::No)];
pub(crate) const POLL: &[(&str, Poll)] = &[("adaptive", Poll::Adaptive), ("busy", Poll::Busy)];

/// `[proxy]` of either layer, before the ports are known.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawProxy {
    pub(crate) instance: Option<String>,
    pub(crate) enabled: Option<bool>,
    pub(crate) upstream: Option<At<String>>,
    pub(crate) local_groups: Option<At<Vec<Ipv4Net>>>,
    pub(crate) ssm_range: Option<At<Vec<Ipv4Net>>>,
    pub(crate) router_mac: Option<MacAddr>,
}

impl RawProxy {
    pub(crate) fn read(root: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        let Some(mut section) = root.table("proxy", problems) else { return Self::default() };
        let proxy = Self {
            instance: section.value("instance").and_then(|v| read_instance(&v, problems)),
            router_mac: section.value("router-mac").and_then(|v| read_router_mac(&v, problems)),
            ..Self::read_switches(&mut section, problems)
        };
        section.finish(problems);
        proxy
    }

    /// The live layer's.
    pub(crate) fn read_live(root: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        let Some(mut section) = root.table("proxy", problems) else { return Self::default() };
        let proxy = Self::read_switches(&mut section, problems);
        for key in ["instance", "router-mac"] {
            section.refuse(
                key,
                "only the administrator's file may set it",
                "set it in manifold.toml",
                problems,
            );
        }
        section.finish(problems);
        proxy
    }

    /// What both layers may set.
    fn read_switches(section: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        Self {
            enabled: section.value("enabled").and_then(|v| v.boolean(problems)).map(|at| at.value),
            upstream: section.value("upstream").and_then(|v| read_upstream(&v, problems)),
            local_groups: section.value("local-groups").and_then(|v| read_group_nets(&v, problems)),
            ssm_range: section.value("ssm-range").and_then(|v| read_group_nets(&v, problems)),
            ..Self::default()
        }
    }

    /// What `live` says goes before what this says.
    pub(crate) fn overlay(&mut self, live: Self) {
        self.enabled = live.enabled.or(self.enabled);
        self.upstream = live.upstream.or(self.upstream.take());
        self.local_groups = live.local_groups.or(self.local_groups.take());
        self.ssm_range = live.ssm_range.or(self.ssm_range.take());
    }

    pub(crate) fn instance(&self) -> String {
        self.instance.clone().unwrap_or_else(|| MAIN_INSTANCE.to_owned())
    }
}

/// SSDP and mDNS-like discovery, which leak upstream elsewhere (r69).
pub(crate) fn default_local_groups() -> Vec<Ipv4Net> {
    [[239, 255, 255, 250], [239, 255, 255, 253]]
        .into_iter()
        .filter_map(|octets| Ipv4Net::new(octets.into(), 32))
        .collect()
}

fn read_instance(value: &Value<'_, '_>, problems: &mut Problems) -> Option<String> {
    let text = value.string("this instance's name in quotes", problems)?.value;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    // The name ends up in a nft table's name and in DPDK's file prefix.
    if text.is_empty() || text.len() > 24 || !text.chars().all(plain) {
        let what = format!("is {}", quoted(text));
        value.error(&what, "use 1 to 24 letters, digits and `-`", problems);
        return None;
    }
    Some(text.to_owned())
}

fn read_upstream(value: &Value<'_, '_>, problems: &mut Problems) -> Option<At<String>> {
    if value.is_list() {
        let cure = "name one port: a group comes from one provider only, and the other ports are for clients";
        value.error("is a list", cure, problems);
        return None;
    }
    let at = value.string("the name of one port, like \"wan\"", problems)?;
    Some(At { value: at.value.to_owned(), place: at.place })
}

fn read_router_mac(value: &Value<'_, '_>, problems: &mut Problems) -> Option<MacAddr> {
    let at = value.parsed::<MacAddr>("a MAC address, like \"02:00:00:00:00:01\"", problems)?;
    let what = match at.value {
        mac if mac.is_multicast() => "a multicast address, which no station sends from",
        MacAddr::ZERO => "no station's address",
        mac => return Some(mac),
    };
    let cure = "give a unicast one, like \"02:00:00:00:00:01\", or leave it out for the provider port's own";
    value.error(&format!("is {}, {what}", at.value), cure, problems);
    None
}

/// `[eal]`. `max_ports` is filled in once the ports are known.
pub(crate) fn read_eal(root: &mut Section<'_, '_>, problems: &mut Problems) -> (EalSettings, Option<At<u8>>) {
    let mut eal =
        EalSettings { hugepages: Hugepages::Auto, args: Vec::new(), memory_mb: None, max_ports: None };
    let Some(mut section) = root.table("eal", problems) else { return (eal, None) };
    if let Some(at) = section.value("hugepages").and_then(|v| v.choice(HUGEPAGES, problems)) {
        eal.hugepages = at.value;
    }
    let args = section.value("args").and_then(|v| v.list("a list of strings, one argument each", problems));
    for item in args.unwrap_or_default() {
        let Some(at) = item.string("one argument in quotes", problems) else { continue };
        if let Err((what, cure)) = eal::check_argument(at.value) {
            problems.error(&at.place, what, cure);
        }
        eal.args.push(at.value.to_owned());
    }
    let memory = section.value("memory-mb").and_then(|v| v.integer(16..1_048_577, " MiB", problems));
    eal.memory_mb = memory.map(|at| at.value);
    let max_ports = section.value("max-ports").and_then(|v| v.integer(1..65, " ports", problems));
    section.finish(problems);
    (eal, max_ports)
}

/// `[worker]`.
pub(crate) fn read_worker(root: &mut Section<'_, '_>, problems: &mut Problems) -> WorkerSettings {
    let mut worker = WorkerSettings {
        cores: Cores::Auto,
        control_core: None,
        poll: Poll::Adaptive,
        control_poll: Poll::Adaptive,
    };
    let Some(mut section) = root.table("worker", problems) else { return worker };
    if let Some(cores) = section.value("cores").and_then(|v| read_cores(&v, problems)) {
        worker.cores = cores;
    }
    let control = section.value("control-core").and_then(|v| v.integer(0..1024, "", problems));
    worker.control_core = control.map(|at| at.value);
    if let Some(at) = section.value("poll").and_then(|v| v.choice(POLL, problems)) {
        worker.poll = at.value;
    }
    if let Some(at) = section.value("control-poll").and_then(|v| v.choice(POLL, problems)) {
        worker.control_poll = at.value;
    }
    section.finish(problems);
    worker
}

fn read_cores(value: &Value<'_, '_>, problems: &mut Problems) -> Option<Cores> {
    let wanted = "\"auto\" or a list of core numbers like [2, 3]";
    if value.is_string() {
        return value.choice_of(wanted, &[("auto", ())], problems).map(|_| Cores::Auto);
    }
    let items = value.list(wanted, problems)?;
    if items.is_empty() {
        value.error("is empty", format!("it takes {wanted}"), problems);
        return None;
    }
    if items.len() > MAX_WORKERS {
        value.error("has more than 64 cores", "Manifold has at most 64 workers", problems);
        return None;
    }
    let mut cores = Vec::with_capacity(items.len());
    for item in &items {
        let Some(At { value: core, .. }) = item.integer::<u16>(0..1024, "", problems) else { continue };
        if cores.contains(&core) {
            item.error(&format!("names core {core} again"), "give each worker a core of its own", problems);
        }
        cores.push(core);
    }
    (cores.len() == items.len()).then_some(Cores::List(cores))
}

/// `[table]` before the whole is known: the most groups, where the file says so.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawTable {
    pub(crate) max_groups: Option<At<u32>>,
}

impl RawTable {
    pub(crate) fn settings(&self) -> TableSettings {
        TableSettings { max_groups: self.max_groups.as_ref().map_or(65_536, |at| at.value) }
    }
}

/// `[table]`.
pub(crate) fn read_table(root: &mut Section<'_, '_>, problems: &mut Problems) -> RawTable {
    let mut table = RawTable::default();
    let Some(mut section) = root.table("table", problems) else { return table };
    if let Some(value) = section.value("max-groups")
        && let Some(at) = value.integer::<u32>(1..1_048_577, " groups", problems)
    {
        if at.value < 1000 {
            let what = format!("`max-groups` is {}", at.value);
            let cure = "set 1000 or more for a whole headend; what comes after the last is refused";
            problems.warn(&at.place, what, cure);
        }
        table.max_groups = Some(at);
    }
    section.finish(problems);
    table
}

/// `[paths]` and `[socket]`, whose defaults carry the instance's name.
pub(crate) fn read_paths(
    root: &mut Section<'_, '_>,
    instance: &str,
    problems: &mut Problems,
) -> (PathSettings, SocketSettings) {
    let directory =
        if instance == MAIN_INSTANCE { "manifold".to_owned() } else { format!("manifold-{instance}") };
    let mut paths = PathSettings {
        run_dir: format!("/run/{directory}").into(),
        live: Some(format!("/var/lib/{directory}/live.toml").into()),
    };
    if let Some(mut section) = root.table("paths", problems) {
        if let Some(path) = section.value("run-dir").and_then(|v| read_path(&v, "/run/manifold", problems)) {
            paths.run_dir = path;
        }
        if let Some(value) = section.value("live") {
            if value.is_false() {
                paths.live = None;
            } else if value.is_bool() {
                value
                    .wrong_type("false, or an absolute path, like \"/var/lib/manifold/live.toml\"", problems);
            } else if let Some(path) = read_path(&value, "/var/lib/manifold/live.toml", problems) {
                paths.live = Some(path);
            }
        }
        section.finish(problems);
    }
    let mut socket = SocketSettings { path: paths.run_dir.join("manifold.sock"), group: None };
    if let Some(mut section) = root.table("socket", problems) {
        if let Some(value) = section.value("path")
            && let Some(path) = read_path(&value, "/run/manifold/manifold.sock", problems)
        {
            if path.as_os_str().len() > 107 {
                value.error("is too long", "a unix socket's path has at most 107 bytes", problems);
            }
            socket.path = path;
        }
        if let Some(value) = section.value("group") {
            socket.group = read_group(&value, problems);
        }
        section.finish(problems);
    }
    (paths, socket)
}

/// An absolute path, one like `example`.
fn read_path(value: &Value<'_, '_>, example: &str, problems: &mut Problems) -> Option<PathBuf> {
    let wanted = format!("an absolute path, like \"{example}\"");
    let text = value.string(&wanted, problems)?.value;
    if !text.starts_with('/') || text.contains('\0') {
        let what = format!("is {}", quoted(text));
        value.error(&what, format!("it takes {wanted}"), problems);
        return None;
    }
    Some(text.into())
}

fn read_group(value: &Value<'_, '_>, problems: &mut Problems) -> Option<String> {
    let text = value.string("the name of a group of users in quotes", problems)?.value;
    if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c == ':' || c.is_control()) {
        let what = format!("is {}", quoted(text));
        value.error(&what, "it takes a group of users that `getent group` lists", problems);
        return None;
    }
    Some(text.to_owned())
}

/// `[log]`.
pub(crate) fn read_log(root: &mut Section<'_, '_>, problems: &mut Problems) -> LogSettings {
    let mut log = LogSettings { level: LogLevel::Info };
    let Some(mut section) = root.table("log", problems) else { return log };
    let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    let choices = levels.map(|level| (level.as_str(), level));
    if let Some(at) = section.value("level").and_then(|v| v.choice(&choices, problems)) {
        log.level = at.value;
    }
    section.finish(problems);
    log
}

/// `[record]`.
pub(crate) fn read_record(root: &mut Section<'_, '_>, problems: &mut Problems) -> RecordSettings {
    let Some(mut section) = root.table("record", problems) else { return RecordSettings::default() };
    let path = section.value("path").and_then(|v| read_path(&v, "/var/lib/manifold/record", problems));
    section.finish(problems);
    RecordSettings { path }
}
