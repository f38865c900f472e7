//! The stage: namespaces, cables, people, captures, and Manifold in the middle.

use super::Failure;
use lab::compare::{Delivery, compare};
use lab::{AccessNet, Capture, ExpectedIgmp, Frame, Host, Lab, LabError, Manifold, Netns, Sender};
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use types::{GroupAddr, Ipv4Net, MacAddr, Time};

/// UDP port of the stream.
pub(super) const PORT: u16 = 5004;
/// TTL with which the source sends.
pub(super) const SOURCE_TTL: u8 = 16;
/// Datagrams a second.
pub(super) const RATE: u32 = 1_000;
/// Protocol timers: RFC 2236's formulas over short intervals.
pub(super) const QUERY_INTERVAL: Duration = Duration::from_secs(4);
pub(super) const QUERY_RESPONSE_INTERVAL: Duration = Duration::from_secs(1);
pub(super) const LAST_MEMBER_QUERY_INTERVAL: Duration = Duration::from_secs(1);
pub(super) const LAST_MEMBER_QUERY_COUNT: u32 = 2;
pub(super) const UNSOLICITED_REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Robustness variable 2 times the query interval, and one response interval (RFC 2236, section 8.4).
pub(super) const GROUP_MEMBERSHIP_INTERVAL: Duration = Duration::from_secs(2 * 4 + 1);
/// Of each frame this much is kept: all headers, the datagram's number, a whole IGMP message.
const KEEP: usize = 96;
/// How long a frame may be under way from the wire to us.
const PIPELINE: Duration = Duration::from_millis(200);
/// How long Manifold may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The stream's group.
pub(super) const GROUP: GroupAddr = GroupAddr::new(Ipv4Addr::new(239, 2, 2, 2)).unwrap();
/// Manifold's addresses, and the others', each in its /24.
const WAN: Ipv4Net = net(10, 0, 0, 1);
const SOURCE: Ipv4Net = net(10, 0, 0, 2);
const HALL_A: Ipv4Net = net(10, 1, 0, 1);
const USER4: Ipv4Net = net(10, 1, 0, 4);
const USER5: Ipv4Net = net(10, 1, 0, 5);
const HALL_B: Ipv4Net = net(10, 2, 0, 1);
const USER3: Ipv4Net = net(10, 2, 0, 3);

const fn net(a: u8, b: u8, c: u8, d: u8) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::new(a, b, c, d), 24).unwrap()
}

/// A client subnet.
#[derive(Debug)]
pub(super) struct Hall {
    pub(super) name: &'static str,
    /// Manifold's address there.
    pub(super) address: Ipv4Net,
    pub(super) net: AccessNet,
    /// On the cable to Manifold's port.
    pub(super) wire: Capture,
}

/// Everything, in the order in which it goes: Manifold first, the namespaces last.
#[derive(Debug)]
pub(super) struct Stage {
    manifold: Option<Manifold>,
    sender: Option<Sender>,
    pub(super) source: Host,
    pub(super) source_mac: MacAddr,
    /// On the provider's link, at the source's end.
    pub(super) provider: Capture,
    pub(super) hall_a: Hall,
    pub(super) hall_b: Hall,
    pub(super) user3: Host,
    pub(super) user4: Host,
    pub(super) user5: Host,
    /// Manifold's one MAC address: its provider port's.
    pub(super) router_mac: MacAddr,
    /// When Manifold was started.
    pub(super) started: Time,
    pub(super) lab: Lab,
}

impl Stage {
    /// Builds all and starts Manifold; the source is silent yet.
    pub(super) fn build() -> Result<Self, Failure> {
        let lab = Lab::new()?;
        let middle = lab.netns("manifold")?;
        let source = Host::attach(&lab, "source", SOURCE, (&middle, "wan"))?;
        let hall_a = Hall::build(&lab, &middle, "hall-a", HALL_A)?;
        let hall_b = Hall::build(&lab, &middle, "hall-b", HALL_B)?;
        let user4 = hall_a.net.host(&lab, "user4", USER4)?;
        let user5 = hall_a.net.host(&lab, "user5", USER5)?;
        let user3 = hall_b.net.host(&lab, "user3", USER3)?;
        for (user, version) in [(&user3, 2), (&user4, 2), (&user5, 1)] {
            user.force_igmp_version(version)?;
        }
        let mut stage = Self {
            manifold: None,
            sender: None,
            source_mac: source.mac()?,
            provider: Capture::start(source.netns(), source.interface(), KEEP)?,
            source,
            hall_a,
            hall_b,
            user3,
            user4,
            user5,
            router_mac: middle.mac("wan")?,
            started: lab::now(),
            lab,
        };
        stage.start_manifold(&middle)?;
        Ok(stage)
    }

    fn start_manifold(&mut self, middle: &Netns) -> Result<(), LabError> {
        let scratch = self.lab.scratch();
        let socket = scratch.join("manifold.sock");
        let file = scratch.join("manifold.toml");
        let text = self.settings(&socket);
        fs::write(&file, text)
            .map_err(|source| LabError::Io { what: "write settings".to_owned(), source })?;
        self.started = lab::now();
        self.manifold = Some(Manifold::start(&self.lab, middle, &file, &socket)?);
        Ok(())
    }

    /// What an administrator would write; the instance's name keeps it apart from a Manifold at work here.
    fn settings(&self, socket: &std::path::Path) -> String {
        let seconds = |d: Duration| format!("\"{}s\"", d.as_secs());
        let ports =
            [("wan", WAN), (self.hall_a.name, self.hall_a.address), (self.hall_b.name, self.hall_b.address)]
                .map(|(name, address)| {
                    format!("[[port]]\nname = \"{name}\"\ndevice = \"{name}\"\naddress = \"{address}\"\n")
                })
                .join("\n");
        format!(
            "[proxy]\ninstance = \"story-{pid}\"\nenabled = true\nupstream = \"wan\"\n\n\
             [defaults]\nquery-interval = {qi}\nquery-response-interval = {qri}\n\
             last-member-query-interval = {lmqi}\nunsolicited-report-interval = {uri}\n\n\
             [eal]\nhugepages = \"no\"\n\n[worker]\npoll = \"adaptive\"\n\n\
             [paths]\nrun-dir = \"{run}\"\nlive = false\n\n[socket]\npath = \"{socket}\"\n\n{ports}",
            pid = std::process::id(),
            qi = seconds(QUERY_INTERVAL),
            qri = seconds(QUERY_RESPONSE_INTERVAL),
            lmqi = seconds(LAST_MEMBER_QUERY_INTERVAL),
            uri = seconds(UNSOLICITED_REPORT_INTERVAL),
            run = self.lab.scratch().join("run").display(),
            socket = socket.display(),
        )
    }

    /// The source begins.
    pub(super) fn start_source(&mut self) -> Result<(), LabError> {
        self.sender = Some(Sender::start(&self.lab, &self.source, (GROUP, PORT), SOURCE_TTL, RATE)?);
        Ok(())
    }

    /// The source ends; how many datagrams it sent.
    pub(super) fn stop_source(&mut self) -> Result<u64, LabError> {
        self.sender.take().map_or(Ok(0), |sender| sender.stop().map(|summary| summary.sent))
    }

    /// Asks Manifold to end; how it did.
    pub(super) fn stop_manifold(&mut self) -> Result<Result<String, String>, LabError> {
        let Some(manifold) = self.manifold.take() else { return Ok(Err("it did not run".to_owned())) };
        let log = manifold.log_tail();
        let status = manifold.stop(STOP_LIMIT)?;
        Ok(if status.success() {
            Ok(status.to_string())
        } else {
            Err(format!("{status}; its log ended:\n{log}"))
        })
    }

    /// The present, once everything before it has come through the captures. Manifold must still run.
    pub(super) fn look(&mut self) -> Result<Time, LabError> {
        let present = lab::now();
        lab::stop::pause(PIPELINE)?;
        self.manifold.as_mut().map_or(Ok(()), Manifold::expect_running)?;
        Ok(present)
    }

    /// The stream on the provider's link.
    pub(super) fn sent(&self) -> Vec<Arc<Frame>> {
        self.provider.select(|frame| frame.is_data_to(GROUP.addr()))
    }

    /// The stream in a hall over a span of time against the stream on the provider's link.
    pub(super) fn delivered(&self, hall: &Hall, since: Time, until: Time) -> Result<Delivery, String> {
        compare(&self.sent(), &hall.stream(since, until), self.router_mac)
    }

    /// What Manifold said in IGMP on the provider's link since `since`.
    pub(super) fn said_upstream(&self, since: Time) -> Vec<Arc<Frame>> {
        self.provider
            .select(|frame| frame.at >= since && frame.source == self.router_mac && frame.igmp().is_some())
    }

    /// A Join of ours as the provider must see it.
    pub(super) fn join_upstream(&self) -> ExpectedIgmp {
        ExpectedIgmp {
            kind: 0x16,
            code: 0,
            group: GROUP.addr(),
            destination: GROUP,
            source: WAN.addr(),
            source_mac: self.router_mac,
        }
    }

    /// A Leave of ours as the provider must see it.
    pub(super) fn leave_upstream(&self) -> ExpectedIgmp {
        ExpectedIgmp { kind: 0x17, destination: GroupAddr::ALL_ROUTERS, ..self.join_upstream() }
    }

    /// A General Query in a hall.
    pub(super) fn general_query(&self, hall: &Hall) -> ExpectedIgmp {
        ExpectedIgmp {
            kind: 0x11,
            code: tenths(QUERY_RESPONSE_INTERVAL),
            group: Ipv4Addr::UNSPECIFIED,
            destination: GroupAddr::ALL_SYSTEMS,
            source: hall.address.addr(),
            source_mac: self.router_mac,
        }
    }

    /// A group-specific query in a hall.
    pub(super) fn group_query(&self, hall: &Hall) -> ExpectedIgmp {
        ExpectedIgmp {
            code: tenths(LAST_MEMBER_QUERY_INTERVAL),
            group: GROUP.addr(),
            destination: GROUP,
            ..self.general_query(hall)
        }
    }

    /// After a failure: captures and log stay, and the failure says where.
    pub(super) fn keep_evidence(&mut self, why: &Failure) {
        if matches!(why, Failure::Lab(LabError::Interrupted) | Failure::Output) {
            return;
        }
        self.lab.keep_scratch();
        let file = |name: &str| -> PathBuf { self.lab.scratch().join(name) };
        for (wire, name) in [
            (&self.provider, "provider.pcap"),
            (&self.hall_a.wire, "hall-a.pcap"),
            (&self.hall_b.wire, "hall-b.pcap"),
        ] {
            // The failure itself is what matters; a full disk must not hide it.
            let _ = wire.save(&file(name));
        }
        if let Some(manifold) = &self.manifold {
            eprintln!("\nManifold's log ended:\n{}", manifold.log_tail());
        }
        eprintln!("\nCaptures and log until the next run: {}", self.lab.scratch().display());
    }
}

impl Hall {
    fn build(lab: &Lab, middle: &Netns, name: &'static str, address: Ipv4Net) -> Result<Self, LabError> {
        let net = AccessNet::new(lab, &format!("access-{name}"), (middle, name))?;
        let wire = Capture::start(net.netns(), net.uplink(), KEEP)?;
        Ok(Self { name, address, net, wire })
    }

    /// The stream on its cable over a span of time.
    pub(super) fn stream(&self, since: Time, until: Time) -> Vec<Arc<Frame>> {
        self.wire.select(|frame| frame.at >= since && frame.at <= until && frame.is_data_to(GROUP.addr()))
    }

    /// IGMP of one type and group on its cable since `since`, from that address.
    pub(super) fn igmp(&self, kind: u8, about: Ipv4Addr, from: Ipv4Addr, since: Time) -> Vec<Arc<Frame>> {
        self.wire.select(|frame| {
            frame.at >= since
                && frame.is_igmp(kind, about)
                && frame.ip.as_ref().is_some_and(|ip| ip.source == from)
        })
    }

    /// Queries about the group since `since`, by whomever.
    pub(super) fn group_queries(&self, since: Time) -> Vec<Arc<Frame>> {
        self.wire.select(|frame| frame.at >= since && frame.is_igmp(0x11, GROUP.addr()))
    }
}

/// A duration as Max Resp Time says it.
fn tenths(d: Duration) -> u8 {
    u8::try_from(d.as_millis() / 100).unwrap_or(u8::MAX)
}

/// Whether it is ARP that asks for its sender's own address (RFC 5227, section 3).
pub(super) fn is_announcement(frame: &Frame) -> bool {
    frame.ether_type == 0x0806 && frame.head.get(28..32) == frame.head.get(38..42)
}
