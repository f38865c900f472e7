//! `backend.toml`: a file to values that have passed every check.
//!
//! Every key has a default, so that the file may be missing or empty. What is wrong is told as the proxy's settings
//! tell it: `file:line:column: what; cure`, all of it at one look.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use settings::reading::{Document, Problems, Section, Value, read_file};
use settings::{Place, SettingsError};

pub use crate::gate::Network;

/// Where the settings are if nothing else is said.
pub const DEFAULT_FILE: &str = "/etc/manifold/backend.toml";

/// The most KiB of a request's body: what comes in a body goes to the proxy in one line, with some words around it.
const MOST_BODY_KIB: u32 = (api::MAX_REQUEST_LINE >> 10) as u32 - 4;

/// What the backend runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// Host names that requests may name besides the address itself; lower case, without a port.
    pub hosts: Vec<String>,
    /// The proxy's socket.
    pub socket: PathBuf,
    /// The proxy's systemd unit, asked why it is down; `None`: nobody is asked.
    pub unit: Option<String>,
    /// Where users and tokens are kept.
    pub state_dir: PathBuf,
    /// Certificate and key; without them, plain HTTP.
    pub tls: Option<TlsSettings>,
    /// Proxies in front that are believed whose requests they pass on.
    pub trusted_proxies: Vec<Network>,
    /// How long a session lives.
    pub session: SessionSettings,
    /// What clients may cost.
    pub limits: Limits,
    /// What `/metrics` tells, and whom.
    pub metrics: MetricsSettings,
}

/// Files of TLS, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How long a session lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSettings {
    /// Without a request.
    pub idle: Duration,
    /// At all.
    pub absolute: Duration,
}

/// What clients may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Of them, those of one address (IPv6: of one /64).
    pub connections_per_address: usize,
    /// Event streams at a time.
    pub streams: usize,
    /// Bytes of a request's body.
    pub body: usize,
    /// For a request's head to arrive, and for a connection to wait for the next one.
    pub head_time: Duration,
    /// For a request's body to arrive.
    pub body_time: Duration,
    /// For a client to take something of an answer.
    pub stall_time: Duration,
}

/// What `/metrics` tells, and whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Whether whoever connects to and from a loopback address needs neither session nor token.
    pub open_on_loopback: bool,
    /// Groups with figures of their own; the others are counted.
    pub max_groups: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            hosts: Vec::new(),
            socket: PathBuf::from(api::DEFAULT_SOCKET),
            unit: Some("manifold.service".to_owned()),
            state_dir: PathBuf::from("/var/lib/manifold-backend"),
            tls: None,
            trusted_proxies: Vec::new(),
            session: SessionSettings {
                idle: Duration::from_secs(30 * 60),
                absolute: Duration::from_secs(12 * 60 * 60),
            },
            limits: Limits {
                connections: 256,
                connections_per_address: 64,
                streams: 64,
                body: (MOST_BODY_KIB as usize) << 10,
                head_time: Duration::from_secs(10),
                body_time: Duration::from_secs(10),
                stall_time: Duration::from_secs(20),
            },
            metrics: MetricsSettings { open_on_loopback: false, max_groups: 1000 },
        }
    }
}

impl Settings {
    /// Reads the file. `None` is [`DEFAULT_FILE`], which may be missing.
    ///
    /// # Errors
    /// Every problem with its line, column and cure.
    pub fn load(path: Option<&Path>) -> Result<Self, SettingsError> {
        let at = path.unwrap_or(Path::new(DEFAULT_FILE));
        let name = at.display().to_string();
        match read_file(at)? {
            Some(text) => Self::parse(&text, &name),
            None if path.is_none() => Ok(Self::default()),
            None => Err(settings::Problem {
                place: Place::file(&name),
                what: "there is no such file".to_owned(),
                cure: "name the file with -c, or begin with the example in packaging/backend.toml".to_owned(),
            }
            .into()),
        }
    }

    /// From the file's text; `file_name` is for messages.
    ///
    /// # Errors
    /// Every problem with its line, column and cure.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, SettingsError> {
        let document = Document::new(file_name, text);
        let mut problems = Problems::default();
        let settings =
            document.parse(&mut problems).map(|table| read(Section::root(&document, &table), &mut problems));
        match settings {
            Some(settings) if problems.errors.is_empty() => Ok(settings),
            _ => Err(SettingsError::new(problems.errors)),
        }
    }
}

fn read(mut root: Section<'_, '_>, problems: &mut Problems) -> Settings {
    let mut settings = Settings::default();
    let listen = root.value("listen");
    let wanted = "an IP address with a port, like \"127.0.0.1:8480\" or \"[::1]:8480\"";
    if let Some(at) = listen.as_ref().and_then(|v| v.parsed::<SocketAddr>(wanted, problems)) {
        settings.listen = at.value;
    }
    if let Some(hosts) = root.value("hosts").and_then(|v| read_hosts(&v, problems)) {
        settings.hosts = hosts;
    }
    set(&mut settings.socket, root.value("socket").and_then(|v| read_path(&v, problems)));
    set(&mut settings.unit, root.value("unit").and_then(|v| read_unit(&v, problems)));
    set(&mut settings.state_dir, root.value("state-dir").and_then(|v| read_path(&v, problems)));
    let trusted = root.value("trusted-proxies");
    set(&mut settings.trusted_proxies, trusted.and_then(|v| read_networks(&v, problems)));
    settings.tls = read_tls(&mut root, problems);
    read_session(&mut settings.session, &mut root, problems);
    read_limits(&mut settings.limits, &mut root, problems);
    read_metrics(&mut settings.metrics, &mut root, problems);

    let forced = root.value("allow-public-without-tls").and_then(|v| v.boolean(problems));
    let forced = forced.is_some_and(|at| at.value);
    if let Some(value) = listen
        && !settings.listen.ip().is_loopback()
        && settings.tls.is_none()
        && !forced
    {
        let what = format!("is {}: without TLS passwords would pass in clear", settings.listen);
        let cure = "give [tls] certificate and key, listen at 127.0.0.1 behind a proxy that has TLS, or set \
                    allow-public-without-tls = true";
        value.error(&what, cure, problems);
    }
    root.finish(problems);
    settings
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn read_hosts(value: &Value<'_, '_>, problems: &mut Problems) -> Option<Vec<String>> {
    let items = value.short_list("a list of host names", 64, problems)?;
    let mut hosts = Vec::new();
    for item in &items {
        let Some(at) = item.string("a host name in quotes", problems) else { continue };
        let host = at.value.to_ascii_lowercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let literal = host.parse::<std::net::IpAddr>().is_ok();
        if host.is_empty() || host.len() > 253 || !(literal || host.chars().all(plain)) {
            let what = format!("is \"{}\"", at.value.escape_debug());
            item.error(&what, "it takes a host name or an IP address, without scheme and port", problems);
            continue;
        }
        hosts.push(host);
    }
    Some(hosts)
}

fn read_networks(value: &Value<'_, '_>, problems: &mut Problems) -> Option<Vec<Network>> {
    let items = value.short_list("a list of addresses and prefixes", 64, problems)?;
    let mut networks = Vec::new();
    for item in &items {
        let Some(at) = item.string("an address or a prefix in quotes", problems) else { continue };
        match at.value.parse() {
            Ok(network) => networks.push(network),
            Err(()) => {
                let what = format!("is \"{}\"", at.value.escape_debug());
                let cure = "it takes an address or a prefix that is not everybody's, like \"127.0.0.1\" or \"fd00::/64\"";
                item.error(&what, cure, problems);
            }
        }
    }
    Some(networks)
}

fn read_path(value: &Value<'_, '_>, problems: &mut Problems) -> Option<PathBuf> {
    let at = value.string("an absolute path in quotes", problems)?;
    let path = PathBuf::from(at.value);
    if !path.is_absolute() {
        let what = format!("is \"{}\"", at.value.escape_debug());
        value.error(&what, "it takes an absolute path, as services run in no folder of their own", problems);
        return None;
    }
    Some(path)
}

fn read_unit(value: &Value<'_, '_>, problems: &mut Problems) -> Option<Option<String>> {
    if value.is_false() {
        return Some(None);
    }
    let at = value.string("the name of a systemd unit, or false", problems)?;
    // It becomes an argument of systemctl.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '@');
    let name = at.value;
    if !name.ends_with(".service")
        || !name.chars().all(plain)
        || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
    {
        let what = format!("is \"{}\"", name.escape_debug());
        value.error(&what, "it takes a name like \"manifold.service\", or false", problems);
        return None;
    }
    Some(Some(name.to_owned()))
}

fn read_tls(root: &mut Section<'_, '_>, problems: &mut Problems) -> Option<TlsSettings> {
    let mut section = root.table("tls", problems)?;
    let certificate = section.value("certificate").and_then(|v| read_path(&v, problems));
    let key = section.value("key").and_then(|v| read_path(&v, problems));
    let place = section.place().clone();
    section.finish(problems);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsSettings { certificate, key }),
        _ => {
            let what = "[tls] needs certificate and key";
            problems.error(&place, what, "give the paths of both, in PEM, or leave [tls] out");
            None
        }
    }
}

fn read_session(session: &mut SessionSettings, root: &mut Section<'_, '_>, problems: &mut Problems) {
    let Some(mut section) = root.table("session", problems) else { return };
    let (minute, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
    set(&mut session.idle, read_time(&mut section, "idle", (minute, day), problems));
    set(&mut session.absolute, read_time(&mut section, "absolute", (minute, 30 * day), problems));
    if session.absolute < session.idle {
        let place = section.place().clone();
        problems.error(
            &place,
            "`absolute` is less than `idle`",
            "a session ends at the sooner of both: raise `absolute`",
        );
    }
    section.finish(problems);
}

fn read_limits(limits: &mut Limits, root: &mut Section<'_, '_>, problems: &mut Problems) {
    let Some(mut section) = root.table("limits", problems) else { return };
    let s = &mut section;
    set(&mut limits.connections, read_count(s, "connections", 4..65_537, "", problems));
    set(
        &mut limits.connections_per_address,
        read_count(s, "connections-per-address", 1..65_537, "", problems),
    );
    set(&mut limits.streams, read_count(s, "streams", 1..4_097, "", problems));
    set(
        &mut limits.body,
        read_count(s, "body-kib", 1..MOST_BODY_KIB + 1, " KiB", problems).map(|kib| kib << 10),
    );
    let range = (Duration::from_secs(1), Duration::from_secs(600));
    set(&mut limits.head_time, read_time(s, "head-time", range, problems));
    set(&mut limits.body_time, read_time(s, "body-time", range, problems));
    set(&mut limits.stall_time, read_time(s, "stall-time", range, problems));
    section.finish(problems);
}

fn read_metrics(metrics: &mut MetricsSettings, root: &mut Section<'_, '_>, problems: &mut Problems) {
    let Some(mut section) = root.table("metrics", problems) else { return };
    let open = section.value("open-on-loopback").and_then(|v| v.boolean(problems));
    set(&mut metrics.open_on_loopback, open.map(|at| at.value));
    set(&mut metrics.max_groups, read_count(&mut section, "max-groups", 0..100_001, " groups", problems));
    section.finish(problems);
}

fn read_time(
    section: &mut Section<'_, '_>,
    key: &'static str,
    range: (Duration, Duration),
    problems: &mut Problems,
) -> Option<Duration> {
    let value = section.value(key)?;
    value.duration(range, Duration::from_millis(1), problems).map(|at| at.value)
}

fn read_count(
    section: &mut Section<'_, '_>,
    key: &'static str,
    range: Range<u32>,
    unit: &str,
    problems: &mut Problems,
) -> Option<usize> {
    let value = section.value(key)?;
    // A u32 always fits where this runs.
    value.integer::<u32>(range, unit, problems).map(|at| at.value as usize)
}
