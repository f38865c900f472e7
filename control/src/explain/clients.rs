//! A group on one client port: may it be had, who asked for it, who is querier.

use api::{Check, Outage, Topic};
use igmp::{ClientPortSettings, GroupView, MemberState, PortRole, Reporter, Verdict, VerdictClass, Version};

use super::Look;
use super::words::{ago, ahead, bad, counted, good, note};
use crate::configuration::PortInfo;

/// Whether the group may be had by anybody.
pub(super) fn allowed_at_all(look: &Look<'_>) -> Check {
    let Look { group, agent, .. } = look;
    let topic = Topic::Allowed;
    let within =
        |nets: &[types::Ipv4Net]| nets.iter().find(|net| net.contains(group.addr())).map(ToString::to_string);
    if group.is_link_local() {
        return bad(
            topic,
            None,
            "groups in 224.0.0.0/24 stay on their link: no router forwards them",
            "have it sent to a group outside 224.0.0.0/24",
        );
    }
    if let Some(net) = within(&agent.configuration.local_groups) {
        return bad(
            topic,
            None,
            format!("`local-groups` keeps {net} on its link"),
            format!("take {net} out of `local-groups` in [proxy]"),
        );
    }
    if let Some(net) = within(&agent.configuration.ssm_range) {
        return bad(
            topic,
            None,
            format!("`ssm-range` has {net}: joins without sources mean nothing there"),
            format!("take {net} out of `ssm-range` in [proxy] if the provider takes such joins"),
        );
    }
    good(topic, None, "not kept back by `local-groups` or `ssm-range`")
}

/// Whether the group may be had on the port.
pub(super) fn allowed(look: &Look<'_>, port: &PortInfo, settings: &ClientPortSettings) -> Check {
    let topic = Topic::Allowed;
    let full = look.agent.proxy.refusal(look.group, port.index) == Some(Verdict::GroupLimit);
    match settings.access.deciding(look.group) {
        Some(rule) if !rule.allow => bad(
            topic,
            Some(port),
            format!("the access list denies it: `{rule}`"),
            format!("put a rule that allows it before that one in `access` of {}", port.name),
        ),
        _ if full => bad(
            topic,
            Some(port),
            format!("the port has all the {} groups that it may have", settings.max_groups),
            format!("raise `max-groups` of {}", port.name),
        ),
        Some(rule) => good(topic, Some(port), format!("allowed by `{rule}`")),
        None if settings.access.rules().is_empty() => good(topic, Some(port), "there is no access list"),
        None => good(topic, Some(port), "no rule of the access list names it, which allows it"),
    }
}

/// Whether the port would refuse the group now, and has refused some for that reason.
pub(super) fn has_refused(look: &Look<'_>, port: &PortInfo) -> bool {
    let counters = look.agent.proxy.counters(port.index);
    look.agent.proxy.refusal(look.group, port.index).is_some_and(|verdict| counters.verdict(verdict) > 0)
}

const NOT_COUNTED: &str = "no member, as reports for it change nothing now";

/// Who asked for the group on the port.
pub(super) fn asked(look: &Look<'_>, port: &PortInfo) -> Check {
    let topic = Topic::Asked;
    if look.is_closed() {
        return note(topic, Some(port), NOT_COUNTED);
    }
    if let Some(member) = look.agent.proxy.member(look.group, port.index) {
        return good(topic, Some(port), member_words(look, &member));
    }
    if !port.link_up {
        let (why, cure) = outage(port);
        return bad(topic, Some(port), format!("nobody can: {why}"), cure);
    }
    let cure = format!(
        "have a host ask for it; if one does, look for its report on the link of {}: with a snooping switch \
         between, for the switch's port to us, too",
        port.name
    );
    let refused = refused(look, port).map(|refused| format!("; {REFUSED}: {refused}")).unwrap_or_default();
    bad(topic, Some(port), format!("no host did{refused}"), cure)
}

/// Nobody asked for the group on any port.
pub(super) fn asked_nowhere(look: &Look<'_>) -> Check {
    if look.is_closed() {
        return note(Topic::Asked, None, NOT_COUNTED);
    }
    let clients = look.agent.ports().iter().filter(|port| !port.is_upstream());
    let refused: Vec<_> =
        clients.filter_map(|port| Some(format!("{} on {}", refused(look, port)?, port.name))).collect();
    let refused =
        if refused.is_empty() { String::new() } else { format!("; {REFUSED}: {}", refused.join(", ")) };
    bad(
        Topic::Asked,
        None,
        format!("no host on any client port did{refused}"),
        "have a host ask for it; if one does, look for its report on the port's link",
    )
}

const REFUSED: &str = "IGMP refused since the start, of all groups";

/// Reports and queries that did not count on the port, of whatever group: "3 ttl, 1 off-link".
fn refused(look: &Look<'_>, port: &PortInfo) -> Option<String> {
    let counters = look.agent.proxy.counters(port.index);
    let by_settings = [Verdict::V1Ignored, Verdict::AccessDenied, Verdict::GroupLimit, Verdict::SsmRange];
    let refusals =
        Verdict::ALL.iter().filter(|v| v.class() == VerdictClass::Dropped || by_settings.contains(v));
    counted(refusals.map(|verdict| (verdict.name(), counters.verdict(*verdict))))
}

fn member_words(look: &Look<'_>, member: &GroupView) -> String {
    let now = look.now;
    let state = match (member.state, member.expires) {
        (MemberState::Static, _) => return "by the settings: `static-groups`".to_owned(),
        (MemberState::Checking, Some(expires)) if member.last_reporter.is_none() => {
            return format!("it was static, and forwarding ends {} unless a host asks", ahead(now, expires));
        }
        (MemberState::Checking, Some(expires)) => {
            format!("somebody left, and forwarding ends {} unless another host answers", ahead(now, expires))
        }
        (_, Some(expires)) => format!("it goes {} unless reported again", ahead(now, expires)),
        (_, None) => "it stays".to_owned(),
    };
    let Some(Reporter { host, version }) = member.last_reporter else { return state };
    let v1 = match member.v1_host_until {
        Some(_) => "; Leaves are ignored, as an IGMPv1 host is there",
        None => "",
    };
    // A router without sources cannot tell who is left after a BLOCK: it asks, and a silent group ages out.
    let blocks = look.agent.proxy.counters(member.port).verdict(Verdict::BlockQueried);
    let block = match (version, blocks) {
        (Version::V3, 1..) => {
            format!("; hosts there leave by BLOCK ({blocks} so far, of all groups), after which it ages")
        }
        (Version::V3, 0) | (Version::V1 | Version::V2, _) => String::new(),
    };
    format!(
        "{host} did by IGMP{version} {}, the first report came {}; {state}{v1}{block}",
        ago(now, member.reported),
        ago(now, member.since),
    )
}

/// Who asks on the port, and whether that keeps us from forwarding (RFC 4605, section 3).
pub(super) fn querier(look: &Look<'_>, port: &PortInfo) -> Check {
    let (topic, now) = (Topic::Querier, look.now);
    let Some(view) = look.agent.proxy.port_view(now, port.index) else {
        return note(topic, Some(port), "the port has no part in IGMP");
    };
    match view.role {
        PortRole::Querier { next_query } => {
            let source = view.querier.filter(|address| !address.is_unspecified());
            let next = ahead(now, next_query);
            match source {
                Some(address) => good(
                    topic,
                    Some(port),
                    format!("we are, as {address}; the next general query goes out {next}"),
                ),
                None => good(
                    topic,
                    Some(port),
                    format!(
                        "we are, from 0.0.0.0, by which switches learn no router port; the next general query goes \
                         out {next}"
                    ),
                ),
            }
        }
        PortRole::NonQuerier { querier, since, until } => {
            let text = format!(
                "{querier} is, for {}, and we are not; we are again {} if it falls silent",
                super::words::time(now.saturating_since(since)),
                ahead(now, until)
            );
            if port.forward_when_not_querier {
                return note(topic, Some(port), text + "; `forward-when-not-querier` forwards all the same");
            }
            let cure = format!(
                "give {} an address lower than {querier}, take that router away, or set \
                 `forward-when-not-querier` of {}",
                port.name, port.name
            );
            bad(topic, Some(port), text, cure)
        }
        PortRole::Silent => {
            note(topic, Some(port), "nobody: we ask when the port has carrier and the proxy is on")
        }
        PortRole::Upstream { .. } => note(topic, Some(port), "we never ask on the provider's port"),
    }
}

/// Why a port is without link, and the cure.
pub(super) fn outage(port: &PortInfo) -> (String, String) {
    let (name, device) = (&port.name, &port.device);
    match &port.outage {
        None => (
            "the port has no carrier".to_owned(),
            format!("look at the cable of {name} ({device}) and at what is behind it"),
        ),
        Some(Outage::Gone) => (
            format!("the port's interface {device} is gone"),
            format!("make an interface of the name {device} again, or rename one: {name} takes it by itself"),
        ),
        Some(Outage::Refused(why)) => (
            format!("the port is out of service: {why}"),
            format!("once that is cured, {name} takes {device} by itself"),
        ),
    }
}
