//! The verdict: the first thing that makes a channel dark, or where it goes.

use api::{Check, Finding, Topic};

use types::PortIndex;

use crate::configuration::PortInfo;

/// All that was found.
#[derive(Default)]
pub(super) struct Findings<'a> {
    /// What concerns every port.
    pub(super) general: Vec<Check>,
    /// What concerns one, for each port in question.
    pub(super) ports: Vec<(&'a PortInfo, Vec<Check>)>,
    /// Ports that would refuse the group, and have refused hosts for that reason.
    pub(super) refusing: Vec<PortIndex>,
}

impl Findings<'_> {
    /// In the order of the topics; within one, first what is general, then port by port.
    pub(super) fn into_checks(self) -> Vec<Check> {
        let own = self.ports.into_iter().flat_map(|(_, checks)| checks);
        let mut checks: Vec<_> = self.general.into_iter().chain(own).collect();
        checks.sort_by_key(|check| check.topic);
        checks
    }
}

/// The answer in one line.
pub(super) struct Verdict {
    pub(super) dark: Option<bool>,
    pub(super) text: String,
    pub(super) cure: Option<String>,
    /// The ports that it goes to, or would as far as is known.
    pub(super) lit: Vec<String>,
    /// What makes it dark, if only on one of the ports.
    pub(super) fault: Option<Check>,
}

/// `watching`: frames are being looked at, and nothing is known of them yet.
pub(super) fn verdict(findings: &Findings<'_>, watching: bool) -> Verdict {
    let chains: Vec<_> =
        findings.ports.iter().map(|(port, own)| (*port, fault(&findings.general, own))).collect();
    let lit: Vec<_> =
        chains.iter().filter(|(_, fault)| fault.is_none()).map(|(port, _)| port.name.as_str()).collect();
    // The chain that holds longest is the one that somebody waits at the end of.
    let worst =
        chains.iter().filter_map(|(port, fault)| Some((*port, (*fault)?))).max_by_key(|(_, f)| f.topic);
    let general = fault(&findings.general, &[]);
    // Where nobody has it and a port refused hosts, that port's refusal says more than the silence of others.
    let refused = chains.iter().find(|(port, _)| findings.refusing.contains(&port.index));
    let worst = match (general, refused) {
        (Some(Check { topic: Topic::Asked, .. }), Some((port, Some(fault)))) => Some((*port, *fault)),
        _ => worst,
    };
    let arrives =
        findings.general.iter().any(|check| check.topic == Topic::Arriving && check.ok == Some(true));
    if lit.is_empty() {
        let (text, cure) = match (worst, general) {
            (Some((_, fault)), _) => (dark_words(fault), fault.cure.clone()),
            (None, Some(fault)) => (dark_words(fault), fault.cure.clone()),
            (None, None) => (
                "dark: there is no client port".to_owned(),
                Some("add one: `manifoldctl add-port`".to_owned()),
            ),
        };
        let fault = worst.map(|(_, fault)| fault).or(general).cloned();
        return Verdict { dark: Some(true), text, cure, lit: Vec::new(), fault };
    }
    let but = worst.map(|(_, fault)| format!("; {}", dark_words(fault))).unwrap_or_default();
    let losing = findings.general.iter().find(|check| check.finding == Finding::Losing);
    let but = match losing {
        Some(Check { port: Some(port), .. }) if worst.is_none() => format!("; but frames are lost on {port}"),
        _ => but,
    };
    let fault = worst.map(|(_, fault)| fault.clone());
    let cure = fault.as_ref().and_then(|fault| fault.cure.clone());
    let names = lit.join(", ");
    let lit = lit.into_iter().map(str::to_owned).collect();
    if arrives {
        return Verdict { dark: Some(false), text: format!("forwarded to {names}{but}"), cure, lit, fault };
    }
    let frames = if watching { "its frames are being looked at" } else { "its frames were not looked at" };
    let text = format!("nothing keeps it from {names}, as far as is known: {frames}{but}");
    Verdict { dark: None, text, cure, lit, fault }
}

/// The first check of a port's chain that failed.
fn fault<'a>(general: &'a [Check], own: &'a [Check]) -> Option<&'a Check> {
    general.iter().chain(own).filter(|check| check.ok == Some(false)).min_by_key(|check| check.topic)
}

fn dark_words(fault: &Check) -> String {
    let about = match fault.topic {
        Topic::Asked => "nobody asked for it: ",
        Topic::Querier => "another router is querier: ",
        Topic::Proxy
        | Topic::Allowed
        | Topic::Upstream
        | Topic::Arriving
        | Topic::Dropped
        | Topic::Leaving => "",
    };
    match &fault.port {
        Some(port) => format!("dark, on {port}: {about}{}", fault.text),
        None => format!("dark: {about}{}", fault.text),
    }
}
