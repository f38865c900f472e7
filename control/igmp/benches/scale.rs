//! How many members one proxy holds, what one costs in memory, and how many reports a second one core takes
//! (b15). Time is virtual, as if 500,000 frames came each second; what is measured is the work: parsing,
//! applying, and every action and timer that follows from it, in processor time of this thread, so that other
//! work on the machine does not count. Frames are made between the measured stretches.
//!
//! ```text
//! cargo bench -p igmp --bench scale [-- --json] [--members N]
//! ```
//!
//! Memory is the process's resident set, so that everything is in it: entries, indices, timers, slack, and
//! the allocator's own. Each shape runs in a process of its own, because an allocator keeps what it got.
//! Asserts what it delivered, and that a member costs at most 200 bytes. Without `--bench`, as `cargo test`
//! runs it, it only tries itself on few members.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::process::{Command, ExitCode};

use igmp::wire::{Outgoing, emit};
use igmp::{Action, ClientPortSettings, Frame, Proxy, ProxySettings, UpstreamPortSettings};
use types::{GroupAddr, PortIndex, Time};

mod measure;

use measure::{BATCH, FRAME_GAP, HOST_MAC, ROUTER_MAC, Stretch, group, lines, port, resident, shuffled};

/// What the project promises (b15).
const BYTES_A_MEMBER: f64 = 200.0;
/// As many timers as the control thread fires in a turn.
const TIMERS_A_TURN: usize = 1024;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let after = |name: &str| args.iter().skip_while(|arg| *arg != name).nth(1);
    let members = match after("--members").map(|n| n.parse()) {
        Some(Ok(members)) => members,
        Some(Err(_)) => return usage(),
        None if args.iter().any(|arg| arg == "--bench") => 1_000_000,
        None => 2_000,
    };
    if let Some(ports) = after("--ports") {
        let Ok(ports @ 1..=63) = ports.parse() else { return usage() };
        println!("{}", Run::new(members, ports).measure());
        return ExitCode::SUCCESS;
    }
    let shapes: Vec<_> = [1, 50].into_iter().map(|ports| in_own_process(members, ports)).collect();
    if args.iter().any(|arg| arg == "--json") {
        println!("[{}]", shapes.join(","));
    } else {
        for shape in shapes {
            println!("{}\n", lines(&shape));
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("scale [--json] [--members N] [--ports 1..63]");
    ExitCode::from(2)
}

fn in_own_process(members: u32, ports: u32) -> String {
    let exe = std::env::current_exe().expect("the bench knows its own file");
    let (members, ports) = (members.to_string(), ports.to_string());
    let output = Command::new(exe).args(["--members", &members, "--ports", &ports]).output();
    let output = output.expect("the bench runs itself");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What the actions came to.
#[derive(Default)]
struct Delivered {
    set: u32,
    cleared: u32,
    sent_up: u32,
    sent_down: u32,
}

struct Run {
    proxy: Proxy,
    now: Time,
    members: u32,
    ports: u32,
    before: f64,
    delivered: Delivered,
}

impl Run {
    /// A provider's port, number 0, and client ports after it.
    fn new(members: u32, ports: u32) -> Self {
        let before = resident();
        let settings =
            ProxySettings { router_mac: ROUTER_MAC, local_groups: vec![], ssm_range: vec![], enabled: true };
        let mut proxy = Proxy::new(settings, 1);
        let upstream =
            UpstreamPortSettings { address: "10.0.0.1/24".parse().ok(), ..UpstreamPortSettings::default() };
        proxy.set_upstream(Time::ZERO, Some((port(0), upstream)), true);
        for n in 1..=ports {
            let address = format!("10.{n}.0.1/24").parse().ok();
            let max_groups = members;
            let client = ClientPortSettings { address, max_groups, ..ClientPortSettings::default() };
            proxy.add_client_port(Time::ZERO, port(n), client, true);
        }
        let delivered = Delivered::default();
        let mut run = Self { proxy, now: Time::ZERO, members, ports, before, delivered };
        run.take_actions();
        run
    }

    /// All of it, as a JSON object.
    fn measure(mut self) -> String {
        let members = self.members;
        let joins = self.frames(Outgoing::ReportV2, |n, _| n);
        // Nearly every group's second report is still to come: the most that is ever held.
        let bytes = (resident() - self.before) / f64::from(members);
        assert_eq!((self.delivered.set, self.proxy.groups().count()), (members, members as usize));
        assert!(members < 100_000 || bytes <= BYTES_A_MEMBER, "{bytes} bytes a member");

        self.idle_until(Duration::from_secs(60));
        assert_eq!(self.delivered.sent_up, 2 * self.groups(), "each group reported twice");
        let refreshes = self.frames(Outgoing::ReportV2, shuffled);
        assert_eq!((self.delivered.set, self.delivered.cleared), (members, 0));

        self.delivered = Delivered::default();
        let query = emit(Outgoing::GeneralQuery { max_resp_ds: 100 }, HOST_MAC, [10, 0, 0, 2].into(), 0);
        let mut answers = Stretch::default();
        answers.time(self.groups() as usize, || self.receive(port(0), &query));
        let end = self.now + Duration::from_secs(10);
        self.serve_until(&mut answers, end);
        assert_eq!(self.delivered.sent_up, self.groups(), "each group answered once");

        // The first members expire 260 s after they were refreshed: not before they have left.
        self.delivered = Delivered::default();
        let mut leaves = self.frames(Outgoing::Leave, shuffled);
        let end = self.now + Duration::from_secs(3);
        self.serve_until(&mut leaves, end);
        assert_eq!((self.delivered.cleared, self.delivered.sent_down), (members, 2 * members));
        assert_eq!((self.delivered.sent_up, self.proxy.groups().count()), (self.groups(), 0));

        format!(
            "{{\"ports\":{},\"members\":{members},\"bytes_a_member\":{bytes:.1},\"joins_a_second\":{},\
             \"longest_batch_of_joins_us\":{},\"refreshes_a_second\":{},\"answers_a_second\":{},\"longest_call_of_a_query_us\":{},\
             \"leaves_a_second\":{}}}",
            self.ports,
            joins.a_second(),
            joins.longest_us(),
            refreshes.a_second(),
            answers.a_second(),
            answers.longest_us(),
            leaves.a_second(),
        )
    }

    /// Groups that all members are spread over.
    fn groups(&self) -> u32 {
        self.members / self.ports
    }

    /// A message for each member, in the order that `nth` gives.
    fn frames(&mut self, message: fn(GroupAddr) -> Outgoing, nth: fn(u32, u32) -> u32) -> Stretch {
        let mut stretch = Stretch::default();
        let mut batch: Vec<(PortIndex, Frame)> = Vec::with_capacity(BATCH as usize);
        for first in (0..self.members).step_by(BATCH as usize) {
            batch.clear();
            batch.extend((first..self.members.min(first + BATCH)).map(|n| {
                let n = nth(n, self.members);
                let on = 1 + n % self.ports;
                let host = Ipv4Addr::from([10, on as u8, 0, 9]);
                (port(on), emit(message(group(n / self.ports)), HOST_MAC, host, n as u16))
            }));
            stretch.time(batch.len(), || batch.iter().for_each(|(on, frame)| self.receive(*on, frame)));
        }
        stretch
    }

    /// Hands in a frame and does what follows from it and from the time that passes with it.
    fn receive(&mut self, on: PortIndex, frame: &Frame) {
        self.now = self.now + FRAME_GAP;
        self.proxy.handle_frame(self.now, on, frame.as_slice());
        self.proxy.handle_timers(self.now, TIMERS_A_TURN);
        self.take_actions();
    }

    fn serve_until(&mut self, stretch: &mut Stretch, end: Time) {
        while let Some(due) = self.proxy.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            stretch.time(0, || {
                self.proxy.handle_timers(self.now, TIMERS_A_TURN);
                self.take_actions();
            });
        }
        self.now = end;
    }

    fn idle_until(&mut self, after: Duration) {
        self.serve_until(&mut Stretch::default(), Time::ZERO + after);
    }

    fn take_actions(&mut self) {
        while let Some(action) = self.proxy.poll_action() {
            match action {
                Action::SetMember { .. } => self.delivered.set += 1,
                Action::ClearMember { .. } => self.delivered.cleared += 1,
                Action::Send { port: on, .. } if on == port(0) => self.delivered.sent_up += 1,
                Action::Send { .. } => self.delivered.sent_down += 1,
                Action::QuerierRole { .. } | Action::Event(_) => {}
            }
        }
    }
}
