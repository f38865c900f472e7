//! The proxy as a whole, and what became of the group on the provider's port.

use api::{Check, Topic};
use igmp::{PortRole, QuerySeen, UpstreamGroupView, Version};

use super::Look;
use super::clients::outage;
use super::words::{ago, ahead, bad, good, note};

/// Whether anything is forwarded at all.
pub(super) fn proxy(look: &Look<'_>) -> Check {
    let topic = Topic::Proxy;
    if !look.agent.is_forwarding() {
        return bad(topic, None, "the proxy is switched off", "switch it on: `manifoldctl enable`");
    }
    match look.upstream() {
        None => bad(
            topic,
            None,
            "no port is the provider's",
            "name it: `manifoldctl set-upstream NAME`, or `upstream` in [proxy]",
        ),
        Some(port) if !port.link_up => {
            let (why, cure) = outage(port);
            bad(topic, Some(port), why.replacen("the port", "the provider's port", 1), cure)
        }
        Some(port) => good(topic, Some(port), "switched on, and the provider's port has carrier"),
    }
}

/// Whether the provider was asked for the group, and asks us. `None` without a provider's port.
pub(super) fn upstream(look: &Look<'_>) -> Option<Check> {
    let (topic, now) = (Topic::Upstream, look.now);
    let port = look.upstream()?;
    let Some(view) = look.agent.proxy.upstream_group(look.group) else {
        return Some(note(topic, Some(port), "not asked for: no port has a member"));
    };
    if !port.link_up || !look.agent.is_forwarding() {
        return Some(note(topic, Some(port), "not asked for now"));
    }
    let query = match view.last_query {
        Some(query) => format!("; {}", query_words(look, &query)),
        None => "; nobody has asked there".to_owned(),
    };
    let asked = match (view.last_report, view.next_report) {
        (Some(at), None) => format!("asked for {}", ago(now, at)),
        (Some(at), Some(next)) => format!("asked for {}, and again {}", ago(now, at), ahead(now, next)),
        (None, Some(next)) => format!("to be asked for {}", ahead(now, next)),
        (None, None) => "another host's report there stands for ours".to_owned(),
    };
    let v1 = match look.agent.proxy.port_view(now, port.index).map(|view| view.role) {
        Some(PortRole::Upstream { v1_router_until: Some(_), .. }) => {
            "; by IGMPv1, as the router there speaks it"
        }
        _ => "",
    };
    Some(good(topic, Some(port), asked + v1 + &query))
}

fn query_words(look: &Look<'_>, query: &QuerySeen) -> String {
    format!("{} asked by IGMP{} {}", query.source, query.version, ago(look.now, query.at))
}

/// What may be the reason when nothing of a group that we asked for comes: in words, with the cure.
pub(super) fn silence(look: &Look<'_>, view: &UpstreamGroupView) -> (&'static str, &'static str) {
    if view.last_report.is_some_and(|at| look.now.saturating_since(at).as_secs() < 3) {
        return ("; it was asked for only now", "wait a moment and ask again");
    }
    match view.last_query {
        None => (
            "; no query came from the provider, whose network may have forgotten that we asked",
            "set `re-report-interval` of the provider's port, and ask the provider whether its router is querier \
             on that link",
        ),
        Some(QuerySeen { version: Version::V3, .. }) => (
            "; the provider asks by IGMPv3, and we answer by IGMPv2: if it serves this group from named sources only \
             (SSM), that is not enough",
            "ask the provider whether it takes IGMPv2 reports for this group",
        ),
        Some(QuerySeen { version: Version::V1 | Version::V2, .. }) => (
            "; the provider asks, so it knows that we want it",
            "ask the provider whether it sends this group, and look whether the sender does",
        ),
    }
}
