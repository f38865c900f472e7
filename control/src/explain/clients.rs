//! A group on one client port: may it be had, who asked for it, who is querier.

use api::{Check, Finding, Outage, Topic};
use igmp::{ClientPortSettings, GroupView, MemberState, PortRole, Reporter, Verdict, VerdictClass, Version};

use super::Look;
use super::words::{Found, ago, ahead, bad, counted, found, good, note};
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
            Finding::LinkLocalGroup,
            "groups in 224.0.0.0/24 stay on their link: no router forwards them",
            "have it sent to a group outside 224.0.0.0/24",
        );
    }
    if let Some(net) = within(&agent.configuration.local_groups) {
        return bad(
            topic,
            None,
            found(Finding::LocalGroup).with("range", &net),
            format!("`local-groups` keeps {net} on its link"),
            format!("take {net} out of `local-groups` in [proxy]"),
        );
    }
    if let Some(net) = within(&agent.configuration.ssm_range) {
        return bad(
            topic,
            None,
            found(Finding::SsmRange).with("range", &net),
            format!("`ssm-range` has {net}: joins without sources mean nothing there"),
            format!("take {net} out of `ssm-range` in [proxy] if the provider takes such joins"),
        );
    }
    good(topic, None, Finding::NotKeptBack, "not kept back by `local-groups` or `ssm-range`")
}

/// Whether the group may be had on the port.
pub(super) fn allowed(look: &Look<'_>, port: &PortInfo, settings: &ClientPortSettings) -> Check {
    let topic = Topic::Allowed;
    let full = look.agent.proxy.refusal(look.group, port.index) == Some(Verdict::GroupLimit);
    match settings.access.deciding(look.group) {
        Some(rule) if !rule.allow => bad(
            topic,
            Some(port),
            found(Finding::AccessDenied).with("rule", rule),
            format!("the access list denies it: `{rule}`"),
            format!("put a rule that allows it before that one in `access` of {}", port.name),
        ),
        _ if full => bad(
            topic,
            Some(port),
            found(Finding::GroupLimit).with("most", settings.max_groups),
            format!("the port has all the {} groups that it may have", settings.max_groups),
            format!("raise `max-groups` of {}", port.name),
        ),
        Some(rule) => {
            let by = found(Finding::AccessAllowed).with("rule", rule);
            good(topic, Some(port), by, format!("allowed by `{rule}`"))
        }
        None if settings.access.rules().is_empty() => {
            good(topic, Some(port), Finding::NoAccessList, "there is no access list")
        }
        None => {
            let text = "no rule of the access list names it, which allows it";
            good(topic, Some(port), Finding::NoAccessRule, text)
        }
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
        return note(topic, Some(port), Finding::ReportsIgnored, NOT_COUNTED);
    }
    if let Some(member) = look.agent.proxy.member(look.group, port.index) {
        return good(topic, Some(port), member_found(look, &member), member_words(look, &member));
    }
    if !port.link_up {
        let (found, why, cure) = outage(port);
        return bad(topic, Some(port), found, format!("nobody can: {why}"), cure);
    }
    let cure = format!(
        "have a host ask for it; if one does, look for its report on the link of {}: with a snooping switch \
         between, for the switch's port to us, too",
        port.name
    );
    let refused = refused(look, port);
    let nobody = found(Finding::NoMember).with_known("refused", refused.as_ref());
    let refused = refused.map(|refused| format!("; {REFUSED}: {refused}")).unwrap_or_default();
    bad(topic, Some(port), nobody, format!("no host did{refused}"), cure)
}

/// Nobody asked for the group on any port.
pub(super) fn asked_nowhere(look: &Look<'_>) -> Check {
    if look.is_closed() {
        return note(Topic::Asked, None, Finding::ReportsIgnored, NOT_COUNTED);
    }
    let clients = look.agent.ports().iter().filter(|port| !port.is_upstream());
    let refused: Vec<_> =
        clients.filter_map(|port| Some(format!("{} on {}", refused(look, port)?, port.name))).collect();
    let refused = (!refused.is_empty()).then(|| refused.join(", "));
    let nobody = found(Finding::NoMember).with_known("refused", refused.as_ref());
    let refused = refused.map(|refused| format!("; {REFUSED}: {refused}")).unwrap_or_default();
    bad(
        Topic::Asked,
        None,
        nobody,
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

/// By whose BLOCKs a router without sources cannot tell who is left: it asks, and a silent group ages out.
fn blocks(look: &Look<'_>, member: &GroupView) -> Option<u64> {
    let blocks = look.agent.proxy.counters(member.port).verdict(Verdict::BlockQueried);
    let is_v3 = member.last_reporter.is_some_and(|reporter| reporter.version == Version::V3);
    (is_v3 && blocks > 0).then_some(blocks)
}

fn member_found(look: &Look<'_>, member: &GroupView) -> Found {
    let now = look.now;
    let mut what = found(match (member.state, member.last_reporter) {
        (MemberState::Static, _) => return found(Finding::StaticMember),
        (MemberState::Checking, None) => Finding::StaticMemberEnds,
        (MemberState::Checking, Some(_)) => Finding::MemberChecked,
        (MemberState::Present | MemberState::V1Present, _) => Finding::Member,
    });
    if let Some(expires) = member.expires {
        what = what.until("ends_s", now, expires);
    }
    let Some(Reporter { host, version }) = member.last_reporter else { return what };
    what.with("host", host)
        .with("version", version)
        .since("reported_s", now, member.reported)
        .since("since_s", now, member.since)
        .with_known("v1_host", member.v1_host_until.map(|_| "yes"))
        .with_known("blocks", blocks(look, member))
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
    let block = match blocks(look, member) {
        Some(n) => format!("; hosts there leave by BLOCK ({n} so far, of all groups), after which it ages"),
        None => String::new(),
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
        return note(topic, Some(port), Finding::NeverAsked, "the port has no part in IGMP");
    };
    match view.role {
        PortRole::Querier { next_query } => {
            let source = view.querier.filter(|address| !address.is_unspecified());
            let next = ahead(now, next_query);
            match source {
                Some(address) => good(
                    topic,
                    Some(port),
                    found(Finding::WeAsk).with("address", address).until("next_s", now, next_query),
                    format!("we are, as {address}; the next general query goes out {next}"),
                ),
                None => good(
                    topic,
                    Some(port),
                    found(Finding::WeAskUnnumbered).until("next_s", now, next_query),
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
            let other = |finding| {
                let other = found(finding).with("address", querier);
                other.since("since_s", now, since).until("until_s", now, until)
            };
            if port.forward_when_not_querier {
                let text = text + "; `forward-when-not-querier` forwards all the same";
                return note(topic, Some(port), other(Finding::OtherQuerierIgnored), text);
            }
            let cure = format!(
                "give {} an address lower than {querier}, take that router away, or set \
                 `forward-when-not-querier` of {}",
                port.name, port.name
            );
            bad(topic, Some(port), other(Finding::OtherQuerier), text, cure)
        }
        PortRole::Silent => {
            let text = "nobody: we ask when the port has carrier and the proxy is on";
            note(topic, Some(port), Finding::NobodyAsks, text)
        }
        PortRole::Upstream { .. } => {
            note(topic, Some(port), Finding::NeverAsked, "we never ask on the provider's port")
        }
    }
}

/// Why a port is without link: for programs, in words, and the cure.
pub(super) fn outage(port: &PortInfo) -> (Found, String, String) {
    let (name, device) = (&port.name, &port.device);
    let why = |finding| found(finding).with("device", device);
    match &port.outage {
        None => (
            why(Finding::NoCarrier),
            "the port has no carrier".to_owned(),
            format!("look at the cable of {name} ({device}) and at what is behind it"),
        ),
        Some(Outage::Gone) => (
            why(Finding::InterfaceGone),
            format!("the port's interface {device} is gone"),
            format!("make an interface of the name {device} again, or rename one: {name} takes it by itself"),
        ),
        Some(Outage::Refused(reason)) => (
            why(Finding::OutOfService).with("why", reason),
            format!("the port is out of service: {reason}"),
            format!("once that is cured, {name} takes {device} by itself"),
        ),
    }
}
