//! The proxy as a whole, and what became of the group on the provider's port.

use api::{Check, Finding, Topic};
use igmp::{PortRole, QuerySeen, UpstreamGroupView, Version};

use super::Look;
use super::clients::outage;
use super::words::{Found, ago, ahead, bad, found, good, note};

/// Whether anything is forwarded at all.
pub(super) fn proxy(look: &Look<'_>) -> Check {
    let topic = Topic::Proxy;
    if !look.agent.is_forwarding() {
        return bad(
            topic,
            None,
            Finding::SwitchedOff,
            "the proxy is switched off",
            "switch it on: `manifoldctl enable`",
        );
    }
    match look.upstream() {
        None => bad(
            topic,
            None,
            Finding::NoProviderPort,
            "no port is the provider's",
            "name it: `manifoldctl set-upstream NAME`, or `upstream` in [proxy]",
        ),
        Some(port) if !port.link_up => {
            let (found, why, cure) = outage(port);
            bad(topic, Some(port), found, why.replacen("the port", "the provider's port", 1), cure)
        }
        Some(port) => {
            let text = "switched on, and the provider's port has carrier";
            good(topic, Some(port), Finding::SwitchedOn, text)
        }
    }
}

/// Whether the provider was asked for the group, and asks us. `None` without a provider's port.
pub(super) fn upstream(look: &Look<'_>) -> Option<Check> {
    let (topic, now) = (Topic::Upstream, look.now);
    let port = look.upstream()?;
    let Some(view) = look.agent.proxy.upstream_group(look.group) else {
        let text = "not asked for: no port has a member";
        return Some(note(topic, Some(port), Finding::ProviderNotAsked, text));
    };
    if !port.link_up || !look.agent.is_forwarding() {
        return Some(note(topic, Some(port), Finding::ProviderNotAskedNow, "not asked for now"));
    }
    let query = match view.last_query {
        Some(query) => format!("; {}", query_words(look, &query)),
        None => "; nobody has asked there".to_owned(),
    };
    let (finding, asked) = match (view.last_report, view.next_report) {
        (Some(at), None) => (Finding::ProviderAsked, format!("asked for {}", ago(now, at))),
        (Some(at), Some(next)) => {
            (Finding::ProviderAsked, format!("asked for {}, and again {}", ago(now, at), ahead(now, next)))
        }
        (None, Some(next)) => (Finding::ProviderToBeAsked, format!("to be asked for {}", ahead(now, next))),
        (None, None) => {
            (Finding::ProviderAskedByAnother, "another host's report there stands for ours".to_owned())
        }
    };
    let v1 = match look.agent.proxy.port_view(now, port.index).map(|view| view.role) {
        Some(PortRole::Upstream { v1_router_until: Some(_), .. }) => {
            "; by IGMPv1, as the router there speaks it"
        }
        _ => "",
    };
    Some(good(topic, Some(port), asking(look, finding, &view), asked + v1 + &query))
}

/// When the provider was asked, and when it asked us.
fn asking(look: &Look<'_>, finding: Finding, view: &UpstreamGroupView) -> Found {
    let now = look.now;
    let mut asking = found(finding);
    if let Some(at) = view.last_report {
        asking = asking.since("reported_s", now, at);
    }
    if let Some(next) = view.next_report {
        asking = asking.until("next_s", now, next);
    }
    if let Some(QuerySeen { source, version, at, .. }) = view.last_query {
        asking = asking.with("querier", source).with("version", version).since("queried_s", now, at);
    }
    asking
}

fn query_words(look: &Look<'_>, query: &QuerySeen) -> String {
    format!("{} asked by IGMP{} {}", query.source, query.version, ago(look.now, query.at))
}

/// What may be the reason when nothing of a group that we asked for comes: for programs, in words, and with the cure.
pub(super) fn silence(look: &Look<'_>, view: &UpstreamGroupView) -> (Finding, &'static str, &'static str) {
    if view.last_report.is_some_and(|at| look.now.saturating_since(at).as_secs() < 3) {
        return (Finding::SilentYet, "; it was asked for only now", "wait a moment and ask again");
    }
    match view.last_query {
        None => (
            Finding::SilentWithoutQuery,
            "; no query came from the provider, whose network may have forgotten that we asked",
            "set `re-report-interval` of the provider's port, and ask the provider whether its router is querier \
             on that link",
        ),
        Some(QuerySeen { version: Version::V3, .. }) => (
            Finding::SilentV3,
            "; the provider asks by IGMPv3, and we answer by IGMPv2: if it serves this group from named sources only \
             (SSM), that is not enough",
            "ask the provider whether it takes IGMPv2 reports for this group",
        ),
        Some(QuerySeen { version: Version::V1 | Version::V2, .. }) => (
            Finding::Silent,
            "; the provider asks, so it knows that we want it",
            "ask the provider whether it sends this group, and look whether the sender does",
        ),
    }
}
