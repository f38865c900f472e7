//! "Why is this channel dark?": what is looked at for the socket's `explain`, in order, and the verdict.
//!
//! Each finding comes from state and counters, and from samples of the group's frames, which workers hand over from
//! the first question on for some seconds.

mod clients;
mod data;
mod provider;
mod sample;
mod samples;
mod verdict;
mod words;

pub(crate) use samples::Samples;

use api::{Check, ErrorKind, ExplainReply, Reply};
use forwarding::Ingress;
use types::{GroupAddr, PortIndex, Time};

use crate::agent::Agent;
use crate::configuration::{PortInfo, PortRole};
use crate::show::error;
use samples::Watched;
use verdict::Findings;

/// What the checks look at.
struct Look<'a> {
    agent: &'a Agent,
    now: Time,
    group: GroupAddr,
    /// `None` when too many other groups are being watched.
    watched: Option<&'a Watched>,
}

impl<'a> Look<'a> {
    fn upstream(&self) -> Option<&'a PortInfo> {
        self.agent.ports().iter().find(|port| port.is_upstream())
    }

    /// Whether reports for the group change nothing, whoever sends them: no host need be looked at.
    fn is_closed(&self) -> bool {
        !self.agent.configuration.enabled || clients::allowed_at_all(self).ok == Some(false)
    }

    /// How many frames are counted, if any.
    fn rate(&self) -> Option<String> {
        let rate = self.watched?.rate()?;
        Some(if rate < 1.0 { "less than 1 frame/s".to_owned() } else { format!("about {rate:.0} frames/s") })
    }
}

impl Agent {
    /// Keeps a sample of a watched group's frames.
    pub(crate) fn take_sample(&mut self, now: Time, port: PortIndex, frame: &[u8]) {
        let Some(info) = self.configuration.ports.iter().find(|info| info.index == port) else { return };
        self.samples.take(now, port, frame, &Ingress::new(&info.ingress));
    }

    /// What was seen was before a change.
    pub(crate) fn forget_samples(&mut self, now: Time) {
        self.samples.forget(now, |group| self.table.counters(group));
    }
}

/// Answers why `group` is dark on the port of this name, or everywhere.
pub(crate) fn answer(agent: &mut Agent, now: Time, group: GroupAddr, port: Option<&str>) -> Reply {
    let asked = match port.map(|name| client_port(agent, name)).transpose() {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    let counters = agent.table.counters(group);
    agent.samples.watch(now, group, counters, &agent.policy);
    let look = Look { agent, now, group, watched: agent.samples.of(group) };
    let findings = find(&look, asked);
    let is_new = |watched: &Watched| !watched.is_settled(now) && watched.ports(now).next().is_none();
    let watching = look.watched.is_some_and(is_new);
    let verdict = verdict::verdict(&findings, watching);
    let checks = findings.into_checks();
    let place = |fault: &Check| checks.iter().position(|check| check == fault);
    let fault = verdict.fault.as_ref().and_then(place).and_then(|place| u32::try_from(place).ok());
    Reply::Explain(ExplainReply {
        group,
        port: port.map(str::to_owned),
        dark: verdict.dark,
        verdict: verdict.text,
        cure: verdict.cure,
        lit: verdict.lit,
        fault,
        checks,
        watching,
    })
}

/// The client port of this name, or the reply that there is none.
fn client_port(agent: &Agent, name: &str) -> Result<PortIndex, Box<Reply>> {
    let clients: Vec<_> = agent.ports().iter().filter(|port| !port.is_upstream()).collect();
    let names: Vec<_> = clients.iter().map(|port| port.name.as_str()).collect();
    let cure = format!("name a client port: {}", names.join(", "));
    match agent.ports().iter().find(|port| port.name == name) {
        Some(port) if !port.is_upstream() => Ok(port.index),
        Some(port) => Err(Box::new(error(
            ErrorKind::NotFound,
            format!("{} is the provider's port, from which groups come", port.name),
            cure,
        ))),
        None => Err(Box::new(error(ErrorKind::NotFound, format!("there is no port \"{name}\""), cure))),
    }
}

/// Looks at everything, in the order of the topics, and port by port.
fn find<'a>(look: &Look<'a>, asked: Option<PortIndex>) -> Findings<'a> {
    let members: Vec<PortIndex> = look.agent.proxy.members_of(look.group).map(|member| member.port).collect();
    let mut findings = Findings::default();
    let general = &mut findings.general;
    general.push(provider::proxy(look));
    general.push(clients::allowed_at_all(look));
    if asked.is_none() && members.is_empty() {
        general.push(clients::asked_nowhere(look));
    }
    general.extend(provider::upstream(look));
    general.extend(data::arriving(look));
    general.extend(data::dropped(look));
    for port in look.agent.ports() {
        let PortRole::Client(settings) = &port.role else { continue };
        let is_member = members.contains(&port.index);
        // Without anybody who asked, only what keeps hosts from having it says something.
        let concerns = asked.map_or(is_member || members.is_empty(), |asked| asked == port.index);
        if !concerns {
            continue;
        }
        let mut checks = vec![clients::allowed(look, port, settings)];
        if clients::has_refused(look, port) {
            findings.refusing.push(port.index);
        }
        if asked.is_some() || is_member {
            checks.push(clients::asked(look, port));
            checks.push(clients::querier(look, port));
            checks.extend(data::leaving(look, port));
        }
        findings.ports.push((port, checks));
    }
    findings
}
