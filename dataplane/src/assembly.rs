//! From settings and what the devices turned out to be, to the parts that run: the same for live and replay.

use std::net::Ipv4Addr;
use std::sync::Arc;

use control::{AgentParts, Configuration, PortInfo, PortRole, ProcessInfo};
use forwarding::{
    Forwarder, ForwarderParts, ForwardingPolicy, FrameReceiver, Ingress, IngressSettings, Policer,
    WorkerCounters, frame_ring, worker_counters,
};
use group_table::{PortMasks, TableSettings, group_table};
use igmp::{ClientPortSettings, HostTimers, IntervalError, RouterTimers, UpstreamPortSettings};
use settings::{PortSettings, Role, Settings};
use types::{Ipv4Net, MacAddr, PortIndex};

/// IGMP frames a second that one port may send to the control thread; a group's whole membership of a
/// large access network answers within one response interval below this.
const PUNTS_PER_SECOND: u32 = 100_000;
/// And at once, after a pause.
const PUNT_BURST: u32 = 4096;
/// Frames of one port and worker that may wait for the control thread.
const PUNT_RING: usize = 1024;

/// What only the device can tell of a port.
#[derive(Debug, Clone)]
pub(crate) struct PortFacts {
    /// The driver that serves it.
    pub driver: String,
    /// Longest IP packet it carries, in bytes.
    pub mtu: u16,
    /// The kernel's own MAC on it, when it is a kernel interface.
    pub kernel_mac: Option<MacAddr>,
    /// Whether it has carrier.
    pub link_up: bool,
}

/// One worker's share of the parts.
pub(crate) struct WorkerParts {
    /// Its forwarder, every port added.
    pub forwarder: Forwarder,
    /// Its counters' writing end, for the transmit side.
    pub counters: WorkerCounters,
}

/// The parts of a proxy.
pub(crate) struct Assembly {
    /// For the control thread.
    pub agent: AgentParts,
    /// For the workers.
    pub workers: Vec<WorkerParts>,
    /// What the workers send to the control thread, one ring for each worker and port.
    pub punted: Vec<FrameReceiver>,
}

/// Builds the parts. `facts` are in the order of the settings' ports.
///
/// # Errors
/// Timers that the protocol does not allow; settings that were loaded have none.
pub(crate) fn assemble(
    settings: &Settings,
    facts: &[PortFacts],
    router_mac: MacAddr,
    workers: usize,
    seed: u64,
    process: ProcessInfo,
) -> Result<Assembly, IntervalError> {
    let local_groups = settings.proxy.local_groups.clone();
    let (table, readers) =
        group_table(TableSettings { max_groups: settings.table.max_groups as usize, readers: workers, seed });
    let masks = Arc::new(PortMasks::new());
    let policy = Arc::new(ForwardingPolicy::new(&local_groups));

    let mut punted = Vec::new();
    let mut counters = Vec::new();
    let mut worker_parts = Vec::new();
    for table in readers {
        let (writer, reader) = worker_counters();
        counters.push(reader);
        let mut forwarder = Forwarder::new(ForwarderParts {
            table,
            masks: Arc::clone(&masks),
            policy: Arc::clone(&policy),
            counters: writer.clone(),
            router_mac,
        });
        for ((index, _), facts) in settings.indexed_ports().zip(facts) {
            let (sender, receiver) = frame_ring(PUNT_RING);
            punted.push(receiver);
            let ingress = Ingress::new(&ingress(settings, facts, router_mac));
            forwarder.add_port(index, ingress, sender, Policer::new(PUNTS_PER_SECOND, PUNT_BURST), facts.mtu);
        }
        worker_parts.push(WorkerParts { forwarder, counters: writer });
    }

    let ports = settings
        .indexed_ports()
        .zip(facts)
        .map(|((index, port), facts)| port_info(settings, index, port, facts, router_mac))
        .collect::<Result<_, _>>()?;
    let configuration = Configuration {
        enabled: settings.proxy.enabled,
        local_groups,
        ssm_range: settings.proxy.ssm_range.clone(),
        ports,
        warnings: settings.warnings.iter().map(ToString::to_string).collect(),
    };
    let agent = AgentParts { process, router_mac, seed, configuration, table, masks, policy, counters };
    Ok(Assembly { agent, workers: worker_parts, punted })
}

/// Channels that a port may have however many ports share the table: ports mostly have the same ones.
const GROUPS_A_PORT: u32 = 1024;

/// Groups that one client port may have: its share of the table, so that a flood on one port leaves the
/// others theirs (r53, f34).
fn groups_a_port(settings: &Settings) -> u32 {
    let clients = settings.indexed_ports().filter(|(i, _)| settings.role(*i) == Role::Client).count();
    let share = settings.table.max_groups / u32::try_from(clients).unwrap_or(u32::MAX).max(1);
    share.max(GROUPS_A_PORT).min(settings.table.max_groups)
}

fn ingress(settings: &Settings, facts: &PortFacts, router_mac: MacAddr) -> IngressSettings {
    let addresses = |p: &PortSettings| [p.address.map(Ipv4Net::addr), p.querier_address];
    IngressSettings {
        router_mac,
        kernel_mac: facts.kernel_mac,
        own: settings.ports.iter().flat_map(addresses).flatten().collect(),
        address: None,
        sources_allowed: Vec::new(),
    }
}

fn port_info(
    settings: &Settings,
    index: PortIndex,
    port: &PortSettings,
    facts: &PortFacts,
    mac: MacAddr,
) -> Result<PortInfo, IntervalError> {
    let t = &port.timers;
    let role = match settings.role(index) {
        Role::Upstream => PortRole::Upstream(UpstreamPortSettings {
            address: port.address,
            timers: HostTimers::new(t.robustness, t.unsolicited_report_interval)?,
            require_router_alert: port.require_router_alert,
            any_ttl: port.any_ttl,
            ..UpstreamPortSettings::default()
        }),
        Role::Client => PortRole::Client(ClientPortSettings {
            address: port.address,
            querier_address: port.querier_address,
            timers: RouterTimers::new(
                t.robustness,
                t.query_interval,
                t.query_response_interval,
                t.last_member_query_interval,
                t.last_member_query_count,
            )?,
            require_router_alert: port.require_router_alert,
            any_ttl: port.any_ttl,
            require_on_link_source: port.require_on_link_source,
            static_groups: port.static_groups.clone(),
            max_groups: groups_a_port(settings),
            ..ClientPortSettings::default()
        }),
    };
    Ok(PortInfo {
        index,
        name: port.name.clone(),
        device: port.device.to_string(),
        driver: facts.driver.clone(),
        mac,
        address: port.address,
        role,
        sources: port.sources,
        forward_when_not_querier: port.forward_when_not_querier,
        ingress: ingress(settings, facts, mac),
        mtu: facts.mtu,
        link_up: facts.link_up,
    })
}
