//! From settings and what the devices turned out to be, to the parts that run: the same for live and replay.

use std::sync::Arc;

use api::Outage;
use control::{AgentParts, Configuration, LossBook, PortInfo, PortRole, ProcessInfo};
use forwarding::{
    EgressMacs, Forwarder, ForwarderParts, ForwardingPolicy, FrameReceiver, FrameSender, Ingress,
    IngressSettings, Policer, WorkerCounters, frame_ring, worker_counters,
};
use group_table::{PortMasks, TableSettings, group_table};
use igmp::{
    ClientPortSettings, HostTimers, IntervalError, QuerierVersion, RouterTimers, UpstreamPortSettings,
};
use settings::{IgmpVersion, PortSettings, Settings};
use types::{Ipv4Net, MacAddr, PortIndex};

use crate::crew::Intake;
use crate::macs::{DeviceMac, OurMacs};
use crate::ports::ETHERNET_MTU;
use crate::sizes::{PUNT_BURST, PUNT_RING, PUNTS_PER_SECOND};

/// A port of the settings at its place in every table, with what its device turned out to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlacedPort<'a> {
    /// Its place, for as long as it lives.
    pub index: PortIndex,
    /// What it was told.
    pub settings: &'a PortSettings,
    /// What its device says.
    pub facts: &'a PortFacts,
}

/// What only the device can tell of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortFacts {
    /// The driver that serves it.
    pub driver: String,
    /// Longest IP packet it carries, in bytes.
    pub mtu: u16,
    /// What MAC it has.
    pub mac: DeviceMac,
    /// The kernel's own MAC on it, when it is a kernel interface.
    pub kernel_mac: Option<MacAddr>,
    /// Whether it has carrier.
    pub link_up: bool,
    /// What keeps it out of service, where it is not the carrier alone.
    pub outage: Option<Outage>,
}

impl PortFacts {
    /// Of a kernel interface that is not there; when it is, they follow it.
    pub(crate) fn missing() -> Self {
        Self {
            driver: "net_af_packet".to_owned(),
            mtu: ETHERNET_MTU,
            mac: DeviceMac::MISSING,
            kernel_mac: None,
            link_up: false,
            outage: Some(Outage::Gone),
        }
    }
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
    /// What data goes out from.
    pub macs: Arc<EgressMacs>,
    /// What the workers send to the control thread, one ring for each worker and port.
    pub punted: Vec<FrameReceiver>,
}

/// Builds the parts for `ports`, which are all of the settings' ports.
///
/// # Errors
/// Timers that the protocol does not allow; settings that were loaded have none.
pub(crate) fn assemble(
    settings: &Settings,
    ports: &[PlacedPort<'_>],
    router_mac: MacAddr,
    workers: usize,
    seed: u64,
    process: ProcessInfo,
) -> Result<Assembly, IntervalError> {
    let configuration = configuration(settings, ports, router_mac)?;
    let macs = OurMacs::of(ports.iter().copied(), router_mac);
    let (table, readers) =
        group_table(TableSettings { max_groups: settings.table.max_groups as usize, readers: workers, seed });
    let masks = Arc::new(PortMasks::new());
    let policy = Arc::new(ForwardingPolicy::new(&configuration.local_groups));

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
        for port in ports {
            let (lane, receiver) = lane(settings, *port, &macs);
            punted.push(receiver);
            lane.add_to(&mut forwarder);
        }
        worker_parts.push(WorkerParts { forwarder, counters: writer });
    }

    let losses = LossBook::default();
    let agent =
        AgentParts { process, router_mac, seed, configuration, table, masks, policy, counters, losses };
    let egress_macs = EgressMacs::new();
    for port in ports {
        egress_macs.set(port.index, macs.of_egress(*port));
    }
    Ok(Assembly { agent, workers: worker_parts, macs: Arc::new(egress_macs), punted })
}

/// What one worker's forwarder has for one port.
pub(crate) struct Lane {
    index: PortIndex,
    ingress: Ingress,
    punt: FrameSender,
    policer: Policer,
    mtu: u16,
}

impl Lane {
    /// From now on `forwarder` serves the port.
    pub(crate) fn add_to(self, forwarder: &mut Forwarder) {
        let Self { index, ingress, punt, policer, mtu } = self;
        forwarder.add_port(index, ingress, punt, policer, mtu);
    }
}

/// A worker's lane for `port`, and the end of its ring that the control thread reads.
pub(crate) fn lane(settings: &Settings, port: PlacedPort<'_>, macs: &OurMacs) -> (Lane, FrameReceiver) {
    let (punt, receiver) = frame_ring(PUNT_RING);
    let lane = Lane {
        index: port.index,
        ingress: Ingress::new(&ingress(settings, port, macs)),
        punt,
        policer: Policer::new(PUNTS_PER_SECOND, PUNT_BURST),
        mtu: port.facts.mtu,
    };
    (lane, receiver)
}

/// What workers know of frames that come in by `port`: among other things every address of ours.
pub(crate) fn ingress(settings: &Settings, port: PlacedPort<'_>, macs: &OurMacs) -> IngressSettings {
    let mac = port.own_mac(macs.router).unwrap_or(macs.router);
    let addresses = |p: &PortSettings| [p.address.map(Ipv4Net::addr), p.querier_address];
    IngressSettings {
        mac,
        other_macs: macs.but(mac),
        kernel_mac: port.facts.kernel_mac,
        own: settings.ports.iter().flat_map(addresses).flatten().collect(),
        address: port.settings.address.map(Ipv4Net::addr),
        // To client ports it means nothing: the key is the provider port's.
        sources_allowed: if is_upstream(settings, port.settings) {
            port.settings.sources_allowed.clone()
        } else {
            Vec::new()
        },
        completes_udp: port.settings.device.kernel_interface().is_some(),
    }
}

/// Which workers receive what comes in by `port`: all of them where the streams come in.
pub(crate) fn intake(settings: &Settings, port: &PortSettings) -> Intake {
    if is_upstream(settings, port) { Intake::Spread } else { Intake::One }
}

/// By name: a port's place in the tables is not its place in the file.
fn is_upstream(settings: &Settings, port: &PortSettings) -> bool {
    settings.upstream_port().is_some_and(|upstream| upstream.name == port.name)
}

/// Channels that a port may have however many ports share the table: ports mostly have the same ones.
const GROUPS_A_PORT: u32 = 1024;

/// Groups that one client port may have where its settings say nothing: its share of the table, so that a
/// flood on one port leaves the others theirs (r53, f34).
fn share_of_table(settings: &Settings) -> u32 {
    let clients = settings.ports.len() - usize::from(settings.proxy.upstream.is_some());
    let share = settings.table.max_groups / u32::try_from(clients).unwrap_or(u32::MAX).max(1);
    share.max(GROUPS_A_PORT).min(settings.table.max_groups)
}

/// What the control thread is to make of `ports`, which are all of the settings' ports. At the start, at each
/// change and in replay the same.
///
/// # Errors
/// As [`assemble`].
pub(crate) fn configuration(
    settings: &Settings,
    ports: &[PlacedPort<'_>],
    router_mac: MacAddr,
) -> Result<Configuration, IntervalError> {
    let macs = OurMacs::of(ports.iter().copied(), router_mac);
    Ok(Configuration {
        enabled: settings.proxy.enabled,
        local_groups: settings.proxy.local_groups.clone(),
        ssm_range: settings.proxy.ssm_range.clone(),
        ports: ports.iter().map(|port| port_info(settings, *port, &macs)).collect::<Result<_, _>>()?,
        warnings: settings.warnings.iter().map(ToString::to_string).collect(),
    })
}

fn port_info(settings: &Settings, placed: PlacedPort<'_>, macs: &OurMacs) -> Result<PortInfo, IntervalError> {
    let own = placed.own_mac(macs.router);
    let PlacedPort { index, settings: port, facts } = placed;
    let role = if is_upstream(settings, port) {
        PortRole::Upstream(UpstreamPortSettings { mac: own, ..upstream_port(port)? })
    } else {
        PortRole::Client(ClientPortSettings { mac: own, ..client_port(port, share_of_table(settings))? })
    };
    Ok(PortInfo {
        index,
        name: port.name.clone(),
        device: port.device.to_string(),
        driver: facts.driver.clone(),
        mac: own.unwrap_or(macs.router),
        address: port.address,
        role,
        sources: port.sources,
        forward_when_not_querier: port.forward_when_not_querier,
        ingress: ingress(settings, placed, macs),
        mtu: facts.mtu,
        link_up: facts.link_up,
        outage: facts.outage.clone(),
    })
}

fn upstream_port(port: &PortSettings) -> Result<UpstreamPortSettings, IntervalError> {
    let t = &port.timers;
    Ok(UpstreamPortSettings {
        mac: None,
        address: port.address,
        timers: HostTimers::new(t.robustness, t.unsolicited_report_interval)?,
        require_router_alert: port.require_router_alert,
        any_ttl: port.any_ttl,
        suppress: port.suppress,
        leave: match port.leave {
            settings::LeavePolicy::Always => igmp::LeavePolicy::Always,
            settings::LeavePolicy::LastReporter => igmp::LeavePolicy::LastReporter,
        },
        re_report_interval: port.re_report_interval,
    })
}

fn client_port(port: &PortSettings, share: u32) -> Result<ClientPortSettings, IntervalError> {
    let t = &port.timers;
    Ok(ClientPortSettings {
        mac: None,
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
        version: match port.igmp_version {
            IgmpVersion::V1 => QuerierVersion::V1,
            IgmpVersion::V2 => QuerierVersion::V2,
        },
        ignore_v1: port.ignore_v1,
        fast_leave: match port.fast_leave {
            settings::FastLeave::Off => igmp::FastLeave::Off,
            settings::FastLeave::Single => igmp::FastLeave::Single,
            settings::FastLeave::Tracked => igmp::FastLeave::Tracked,
        },
        report_isolated: port.report_isolated,
        access: port.access.clone(),
        max_groups: port.max_groups.unwrap_or(share),
        static_groups: port.static_groups.clone(),
        link_down_hold: port.link_down_hold,
        router_discovery: port.router_discovery,
    })
}
