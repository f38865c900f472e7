//! A port's policies in the settings' words, those that are not at their default.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use igmp::{ClientPortSettings, FastLeave, LeavePolicy, QuerierVersion, UpstreamPortSettings};
use settings::Sources;
use types::MacAddr;

use crate::configuration::{PortInfo, PortRole};

/// Keys and values, as a settings' file would have them.
pub(crate) fn policies(port: &PortInfo) -> BTreeMap<String, String> {
    let mut found = match &port.role {
        PortRole::Upstream(settings) => upstream(settings),
        PortRole::Client(settings) => client(settings),
    };
    match port.sources {
        Sources::No => {}
        Sources::Yes => found.push(("sources", "true".to_owned())),
        Sources::WhileQuerier => found.push(("sources", quoted("querier"))),
    }
    flag(&mut found, "forward-when-not-querier", port.forward_when_not_querier);
    list(&mut found, "sources-allowed", &port.ingress.sources_allowed);
    found.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

type Found = Vec<(&'static str, String)>;

fn upstream(settings: &UpstreamPortSettings) -> Found {
    // Spelt out, so that a field that comes new has to be thought of here.
    let UpstreamPortSettings {
        mac,
        address: _,
        timers: _,
        require_router_alert,
        any_ttl,
        suppress,
        leave,
        re_report_interval,
    } = settings;
    let mut found = Found::new();
    own_mac(&mut found, *mac);
    flag(&mut found, "require-router-alert", *require_router_alert);
    flag(&mut found, "any-ttl", *any_ttl);
    if !suppress {
        found.push(("suppress", "false".to_owned()));
    }
    match leave {
        LeavePolicy::Always => {}
        LeavePolicy::LastReporter => found.push(("leave", quoted("last-reporter"))),
    }
    duration(&mut found, "re-report-interval", *re_report_interval);
    found
}

fn client(settings: &ClientPortSettings) -> Found {
    let ClientPortSettings {
        mac,
        address: _,
        querier_address,
        timers: _,
        require_router_alert,
        any_ttl,
        require_on_link_source,
        ignore_v1,
        // Its default is a share of the table, so it is shown as a number of its own.
        max_groups: _,
        version,
        fast_leave,
        report_isolated,
        access,
        link_down_hold,
        router_discovery,
        static_groups,
    } = settings;
    let mut found = Found::new();
    own_mac(&mut found, *mac);
    if let Some(address) = querier_address {
        found.push(("querier-address", quoted(address)));
    }
    flag(&mut found, "require-router-alert", *require_router_alert);
    flag(&mut found, "any-ttl", *any_ttl);
    flag(&mut found, "require-on-link-source", *require_on_link_source);
    flag(&mut found, "ignore-v1", *ignore_v1);
    match version {
        QuerierVersion::V1 => found.push(("igmp-version", "1".to_owned())),
        QuerierVersion::V2 => {}
    }
    match fast_leave {
        FastLeave::Off => {}
        FastLeave::Single => found.push(("fast-leave", quoted("single"))),
        FastLeave::Tracked => found.push(("fast-leave", quoted("tracked"))),
    }
    flag(&mut found, "report-isolated", *report_isolated);
    list(&mut found, "access", access.rules());
    duration(&mut found, "link-down-hold", *link_down_hold);
    flag(&mut found, "router-discovery", *router_discovery);
    list(&mut found, "static-groups", static_groups);
    found
}

/// Which MAC that is stands among what a port is.
fn own_mac(found: &mut Found, mac: Option<MacAddr>) {
    if mac.is_some() {
        found.push(("mac", quoted("port")));
    }
}

fn flag(found: &mut Found, key: &'static str, value: bool) {
    if value {
        found.push((key, "true".to_owned()));
    }
}

fn list(found: &mut Found, key: &'static str, values: &[impl Display]) {
    if !values.is_empty() {
        let values: Vec<_> = values.iter().map(quoted).collect();
        found.push((key, format!("[{}]", values.join(", "))));
    }
}

fn duration(found: &mut Found, key: &'static str, value: Option<Duration>) {
    if let Some(value) = value {
        found.push((key, quoted(format!("{}s", value.as_secs_f64()))));
    }
}

/// None of these values has anything in it that TOML would escape.
fn quoted(value: impl Display) -> String {
    format!("\"{value}\"")
}
