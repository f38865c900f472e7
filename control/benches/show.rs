//! What it costs the control thread to tell every group, as a page asks for twice a second, and a socket's thread to put
//! that into a line.
//!
//! ```text
//! cargo bench -p control --bench show [-- --groups N] [--ports N]
//! ```
//!
//! Without `--bench` it only tries itself.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Reply, Request};
use control::{Agent, AgentParts, Configuration, LossBook, Outlet, PortInfo, PortRole, ProcessInfo};
use forwarding::{ForwardingPolicy, IngressSettings};
use group_table::{PortMasks, TableSettings, group_table};
use igmp::wire::{Outgoing, emit};
use igmp::{ClientPortSettings, UpstreamPortSettings};
use settings::Sources;
use types::{GroupAddr, MacAddr, PortIndex, Time};

const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const HOST: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

/// Takes all that is sent.
struct Nowhere;

impl Outlet for Nowhere {
    fn has_room(&self) -> bool {
        true
    }

    fn send(&mut self, _now: Time, _port: PortIndex, _frame: &[u8]) {}
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u32| match args.iter().skip_while(|arg| *arg != name).nth(1) {
        Some(text) => text.parse().ok(),
        None => Some(default),
    };
    let runs = if args.iter().any(|arg| arg == "--bench") { 200 } else { 2 };
    let (Some(groups), Some(ports @ 1..64)) = (number("--groups", 1_000), number("--ports", 30)) else {
        eprintln!("show [--groups N] [--ports N], at most 63 ports");
        return ExitCode::from(2);
    };
    let now = Time::ZERO + Duration::from_secs(1);
    let mut agent = agent(groups, ports);
    let (mut asked, mut written, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..runs {
        let began = Instant::now();
        let reply = agent.handle_request(now, Request::ShowGroups);
        asked.push(began.elapsed());
        let began = Instant::now();
        bytes = reply.to_line().len();
        written.push(began.elapsed());
        let Reply::Groups(reply) = reply else { panic!("no groups") };
        assert_eq!(reply.groups.len(), groups as usize);
        assert!(reply.groups.iter().all(|group| group.members.len() == ports as usize));
    }
    println!(
        "{groups} groups on {ports} ports: control thread {:.2} ms, line of {bytes} bytes {:.2} ms (medians of {runs})",
        median(asked),
        median(written),
    );
    ExitCode::SUCCESS
}

/// In milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// One with a member of every group on every client port.
fn agent(groups: u32, clients: u32) -> Agent {
    let upstream = UpstreamPortSettings { address: "10.0.0.1/24".parse().ok(), ..Default::default() };
    let mut ports = vec![info(0, PortRole::Upstream(upstream))];
    ports.extend((1..=clients).map(|n| {
        let address = format!("10.{n}.0.1/24").parse().ok();
        info(n, PortRole::Client(ClientPortSettings { address, max_groups: groups, ..Default::default() }))
    }));
    let max_groups = groups as usize;
    let (table, _readers) = group_table(TableSettings { max_groups, readers: 0, seed: 1 });
    let process = ProcessInfo {
        instance: "show".to_owned(),
        hugepages: false,
        mbufs: Box::new(api::MbufView::default),
        revision: Box::new(|| 0),
    };
    let parts = AgentParts {
        process,
        router_mac: ROUTER,
        seed: 1,
        configuration: Configuration { enabled: true, ports, ..Configuration::default() },
        table,
        masks: Arc::new(PortMasks::new()),
        policy: Arc::new(ForwardingPolicy::new(&[])),
        counters: Vec::new(),
        losses: LossBook::default(),
    };
    let mut agent = Agent::new(Time::ZERO, parts);
    agent.poll(Time::ZERO, &mut Nowhere);
    for group in (0..groups).filter_map(|n| GroupAddr::from_bits(0xef01_0000 + n)) {
        for client in 1..=clients {
            let host = Ipv4Addr::from_bits(0x0a00_0009 + (client << 16));
            let report = emit(Outgoing::ReportV2(group), HOST, host, 0);
            agent.handle_frame(Time::ZERO, place(client), report.as_slice());
        }
        agent.poll(Time::ZERO, &mut Nowhere);
    }
    agent
}

fn place(n: u32) -> PortIndex {
    PortIndex::new(n as usize).expect("below the most ports")
}

fn info(index: u32, role: PortRole) -> PortInfo {
    PortInfo {
        index: place(index),
        name: format!("port-{index}"),
        device: format!("eth{index}"),
        driver: "none".to_owned(),
        mac: ROUTER,
        // Nothing to announce: what is sent is IGMP.
        address: None,
        role,
        sources: Sources::No,
        forward_when_not_querier: false,
        ingress: IngressSettings {
            mac: ROUTER,
            other_macs: Vec::new(),
            kernel_mac: None,
            own: Vec::new(),
            address: None,
            sources_allowed: Vec::new(),
            completes_udp: false,
        },
        mtu: 1500,
        link_up: true,
        outage: None,
    }
}
