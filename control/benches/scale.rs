//! What the control thread's agent does with reports, with the real group table behind it (b15): parsing, the
//! proxy's state, every action and timer that follows, and what those change in the table. Less than the thread
//! itself: no rings, no socket, and nobody reads the table.
//!
//! ```text
//! cargo bench -p control --bench scale [-- --json] [--members N]
//! ```
//!
//! As the `igmp` crate's own measurement: virtual time, as if 500,000 frames came each second; processor time of
//! this thread; frames made between the measured stretches; memory as the process's resident set, the table
//! included. Asserts what it delivered. Without `--bench` it only tries itself on few members.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use control::{Agent, AgentParts, Configuration, LossBook, Outlet, PortInfo, PortRole, ProcessInfo};
use forwarding::{ForwardingPolicy, IngressSettings};
use group_table::{PortMasks, TableSettings, group_table};
use igmp::wire::{Outgoing, emit};
use igmp::{Action, ClientPortSettings, Frame, UpstreamPortSettings};
use settings::Sources;
use types::{GroupAddr, PortIndex, Time};

#[path = "../igmp/benches/measure/mod.rs"]
mod measure;

use measure::{BATCH, FRAME_GAP, HOST_MAC, ROUTER_MAC, Stretch, group, lines, port, resident, shuffled};

/// Client ports, each with a member of every group.
const PORTS: u32 = 50;
/// Frames of one port that the control thread takes before it polls the agent.
const FRAMES_A_TURN: usize = 64;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let has = |name: &str| args.iter().any(|arg| arg == name);
    let members = match args.iter().skip_while(|arg| *arg != "--members").nth(1).map(|n| n.parse::<u32>()) {
        None if has("--members") => return usage(),
        None if has("--bench") => 1_000_000,
        None => 2_000,
        Some(Ok(members)) if members >= PORTS => members / PORTS * PORTS,
        Some(_) => return usage(),
    };
    let result = Run::new(members).measure();
    if has("--json") {
        println!("[{result}]");
    } else {
        println!("{}", lines(&result));
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("scale [--json] [--members N], N {PORTS} or more");
    ExitCode::from(2)
}

/// What came of it all. Has always room.
#[derive(Default)]
struct Delivered {
    set: u32,
    cleared: u32,
    sent: u32,
}

impl Outlet for Delivered {
    fn has_room(&self) -> bool {
        true
    }

    fn send(&mut self, _now: Time, _port: PortIndex, _frame: &[u8]) {
        self.sent += 1;
    }

    fn done(&mut self, _now: Time, action: &Action) {
        match action {
            Action::SetMember { .. } => self.set += 1,
            Action::ClearMember { .. } => self.cleared += 1,
            Action::Send { .. } | Action::QuerierRole { .. } | Action::Event(_) => {}
        }
    }
}

struct Run {
    agent: Agent,
    now: Time,
    members: u32,
    before: f64,
    delivered: Delivered,
}

impl Run {
    /// A provider's port, number 0, and client ports after it.
    fn new(members: u32) -> Self {
        let before = resident();
        let groups = members / PORTS;
        let upstream = UpstreamPortSettings { address: "10.0.0.1/24".parse().ok(), ..Default::default() };
        let mut ports = vec![info(0, PortRole::Upstream(upstream))];
        ports.extend((1..=PORTS).map(|n| {
            let address = format!("10.{n}.0.1/24").parse().ok();
            let client = ClientPortSettings { address, max_groups: groups, ..Default::default() };
            info(n, PortRole::Client(client))
        }));
        let (table, _readers) =
            group_table(TableSettings { max_groups: groups as usize, readers: 0, seed: 1 });
        let parts = AgentParts {
            process: ProcessInfo {
                instance: "scale".to_owned(),
                hugepages: false,
                mbufs: Box::new(api::MbufView::default),
                revision: Box::new(|| 0),
            },
            router_mac: ROUTER_MAC,
            seed: 1,
            configuration: Configuration { enabled: true, ports, ..Configuration::default() },
            table,
            masks: Arc::new(PortMasks::new()),
            policy: Arc::new(ForwardingPolicy::new(&[])),
            counters: Vec::new(),
            losses: LossBook::default(),
        };
        let agent = Agent::new(Time::ZERO, parts);
        let mut run = Self { agent, now: Time::ZERO, members, before, delivered: Delivered::default() };
        run.poll();
        run
    }

    /// All of it, as a JSON object.
    fn measure(mut self) -> String {
        let members = self.members;
        let joins = self.frames(Outgoing::ReportV2, |n, _| n);
        let bytes = (resident() - self.before) / f64::from(members);
        assert_eq!((self.delivered.set, self.delivered.cleared), (members, 0));

        self.serve_until(&mut Stretch::default(), Time::ZERO + Duration::from_secs(60));
        let refreshes = self.frames(Outgoing::ReportV2, shuffled);
        assert_eq!((self.delivered.set, self.delivered.cleared), (members, 0));

        self.delivered = Delivered::default();
        let mut leaves = self.frames(Outgoing::Leave, shuffled);
        let end = self.now + Duration::from_secs(3);
        self.serve_until(&mut leaves, end);
        assert_eq!((self.delivered.set, self.delivered.cleared), (0, members));
        let asked_and_left = 2 * members + members / PORTS;
        assert!(self.delivered.sent >= asked_and_left, "{} of {asked_and_left}", self.delivered.sent);

        format!(
            "{{\"ports\":{PORTS},\"members\":{members},\"bytes_a_member\":{bytes:.1},\"joins_a_second\":{},\
             \"longest_batch_of_joins_us\":{},\"refreshes_a_second\":{},\"leaves_a_second\":{}}}",
            joins.a_second(),
            joins.longest_us(),
            refreshes.a_second(),
            leaves.a_second(),
        )
    }

    /// A message for each member, in the order that `nth` gives.
    fn frames(&mut self, message: fn(GroupAddr) -> Outgoing, nth: fn(u32, u32) -> u32) -> Stretch {
        let mut stretch = Stretch::default();
        let mut batch: Vec<(PortIndex, Frame)> = Vec::with_capacity(BATCH as usize);
        for first in (0..self.members).step_by(BATCH as usize) {
            batch.clear();
            batch.extend((first..self.members.min(first + BATCH)).map(|n| {
                let n = nth(n, self.members);
                let on = 1 + n % PORTS;
                let host = Ipv4Addr::from([10, on as u8, 0, 9]);
                (port(on), emit(message(group(n / PORTS)), HOST_MAC, host, n as u16))
            }));
            stretch.time(batch.len(), || {
                for turn in batch.chunks(FRAMES_A_TURN) {
                    for (on, frame) in turn {
                        self.now = self.now + FRAME_GAP;
                        self.agent.handle_frame(self.now, *on, frame.as_slice());
                    }
                    self.poll();
                }
            });
        }
        stretch
    }

    fn poll(&mut self) -> Option<Time> {
        self.agent.poll(self.now, &mut self.delivered)
    }

    fn serve_until(&mut self, stretch: &mut Stretch, end: Time) {
        while let Some(due) = self.agent.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            stretch.time(0, || {
                self.poll();
            });
        }
        self.now = end;
    }
}

fn info(index: u32, role: PortRole) -> PortInfo {
    PortInfo {
        index: port(index),
        name: format!("port-{index}"),
        device: format!("eth{index}"),
        driver: "none".to_owned(),
        mac: ROUTER_MAC,
        // Nothing to announce: what is sent is IGMP.
        address: None,
        role,
        sources: Sources::No,
        forward_when_not_querier: false,
        ingress: IngressSettings {
            mac: ROUTER_MAC,
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
