//! The stage: a provider, halls with one user each, and Manifold in the middle of them on veth.

use crate::running::Running;
use lab::compare::{Delivery, compare};
use lab::{AccessNet, Capture, Frame, FrameSender, Host, Lab, Manifold, Netns, Receiver, Sender};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use types::{GroupAddr, Ipv4Net, MacAddr, Time};

/// The stream's group, two others, and one that no client ever asks for.
pub(crate) const GROUP: GroupAddr = group(2);
pub(crate) const SECOND_GROUP: GroupAddr = group(3);
pub(crate) const THIRD_GROUP: GroupAddr = group(4);
pub(crate) const FOREIGN_GROUP: GroupAddr = group(9);
/// UDP port of all streams.
pub(crate) const PORT: u16 = 5004;
/// TTL with which the source sends.
const SOURCE_TTL: u8 = 16;
/// Datagrams a second of which a worker loses some that stands still for 103 ms: a port of af_packet has room for 512.
pub(crate) const FAST: u32 = 5_000;
/// How often a sink stops at most, on a machine that is busy elsewhere.
const ROUNDS: usize = 5;
/// So long Manifold's threads have to have waited for a core in a round that lost some, or it was not the machine.
const HELD_UP: Duration = Duration::from_millis(50);
/// Of each frame this much is kept.
const KEEP: usize = 96;
/// How long something is waited for that should come at once, on a machine that is busy elsewhere.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// How long Manifold may take to end.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(20);
/// A machine that builds something at the same time must not make the proxy lose what it is being tested for: an
/// af_packet port holds 512 frames, half a second of a stream.
const URGENT: [&str; 3] = ["nice", "-n", "-19"];
/// How long the counters may take to stand still once traffic has ended.
pub(crate) const SETTLED: Duration = Duration::from_secs(5);

const fn group(last: u8) -> GroupAddr {
    GroupAddr::new(Ipv4Addr::new(239, 2, 2, last)).unwrap()
}

/// The address number `host` in the network number `net`.
const fn address(net: u8, host: u8) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::new(10, net, 0, host), 24).unwrap()
}

/// The number of a datagram of the stream.
pub(crate) fn number(frame: &Frame) -> u64 {
    frame.udp().and_then(|udp| udp.number).expect("a datagram of the stream")
}

/// How hosts are joined to Manifold's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cabling {
    /// By one cable.
    Direct,
    /// Through a bridge, so that the port's cable can be pulled while the host notices nothing.
    Bridged,
}

/// One link: Manifold's port, and a host at the other end.
#[derive(Debug)]
pub(crate) struct Side {
    /// Manifold's port and interface.
    pub(crate) name: &'static str,
    /// Manifold's address.
    pub(crate) address: Ipv4Net,
    /// The host.
    pub(crate) host: Host,
    /// At the host's end.
    pub(crate) wire: Capture,
    bridge: Option<AccessNet>,
}

impl Side {
    fn build(lab: &Lab, middle: &Netns, name: &'static str, net: u8, cabling: Cabling) -> Self {
        let host_name = format!("at-{name}");
        let (bridge, host) = match cabling {
            Cabling::Direct => {
                let host = Host::attach(lab, &host_name, address(net, 4), (middle, name)).unwrap();
                (None, host)
            }
            Cabling::Bridged => {
                let bridge = AccessNet::new(lab, &format!("bridge-{name}"), (middle, name)).unwrap();
                let host = bridge.host(lab, &host_name, address(net, 4)).unwrap();
                (Some(bridge), host)
            }
        };
        host.force_igmp_version(2).unwrap();
        // The kernel tells of carrier some time after there is one.
        let state = format!("/sys/class/net/{name}/operstate");
        let up = || Ok((middle.run("cat", &[&state])?.trim() == "up").then_some(()));
        lab::stop::poll(SOON, up).unwrap().expect("carrier");
        let wire = Capture::start(host.netns(), host.interface(), KEEP).unwrap();
        Self { name, address: address(net, 1), host, wire, bridge }
    }

    /// What the port's cable ends at.
    pub(crate) fn bridge(&self) -> &AccessNet {
        self.bridge.as_ref().expect("a bridge at the end of the cable")
    }

    /// One more host there, with this number in the side's network.
    pub(crate) fn another_host(&self, lab: &Lab, name: &str, number: u8) -> Host {
        let [_, net, ..] = self.address.addr().octets();
        let host = self.bridge().host(lab, name, address(net, number)).unwrap();
        host.force_igmp_version(2).unwrap();
        host
    }

    /// Another capture: at the bridge's port towards Manifold, which sees what is sent to Manifold, too.
    pub(crate) fn uplink(&self) -> Capture {
        Capture::start(self.bridge().netns(), self.bridge().uplink(), KEEP).unwrap()
    }

    /// Pulls the cable out of the port, or plugs it in again, at the far end.
    pub(crate) fn plug(&self, in_: bool) {
        let bridge = self.bridge();
        let state = if in_ { "up" } else { "down" };
        bridge.netns().ip(&format!("link set {} {state}", bridge.uplink())).unwrap();
    }

    /// Lays a new cable after the port's interface went, and the old cable with it: the interface has the old one's
    /// name, and another index and MAC. What is on it from its first carrier on, also while the bridge's port forwards
    /// nothing yet.
    pub(crate) fn lay_cable(&self, stage: &Stage) -> Capture {
        self.lay_cable_as(stage, self.name)
    }

    /// As [`lay_cable`](Self::lay_cable), to an interface of another name.
    pub(crate) fn lay_cable_as(&self, stage: &Stage, name: &str) -> Capture {
        let bridge = self.bridge();
        let (ns, end) = (bridge.netns(), bridge.uplink());
        ns.ip(&format!("link add {end} type veth peer name loose")).unwrap();
        for interface in [end, "loose"] {
            ns.checksums_by_kernel(interface).unwrap();
        }
        ns.ip(&format!("link set {end} master access up")).unwrap();
        let cable = self.uplink();
        ns.ip(&format!("link set loose netns {} name {name}", stage.middle.name())).unwrap();
        stage.middle.ip(&format!("link set {name} up")).unwrap();
        cable
    }

    /// Joins `group` there.
    pub(crate) fn join(&self, lab: &Lab, group: GroupAddr) -> Receiver {
        Receiver::join(lab, &self.host, (group, PORT)).unwrap()
    }

    /// Data to the stream's group on the wire.
    pub(crate) fn stream(&self, since: Time, until: Time) -> Vec<Arc<Frame>> {
        self.wire.between(since, until, |frame| frame.is_data_to(GROUP.addr())).unwrap()
    }

    /// Waits for a frame of the stream.
    pub(crate) fn wait_for_stream(&self, since: Time) -> Arc<Frame> {
        let what = format!("the stream in {}", self.name);
        self.wire.wait_for(&what, since, SOON, |frame| frame.is_data_to(GROUP.addr())).unwrap()
    }
}

/// A port in the settings.
#[derive(Debug, Clone)]
pub(crate) struct PortRecipe {
    pub(crate) name: String,
    pub(crate) device: String,
    pub(crate) address: Ipv4Net,
    /// Further lines of its table.
    pub(crate) more: &'static str,
}

/// Settings to be written.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) instance: String,
    pub(crate) run_dir: PathBuf,
    /// In seconds. Short where time must go by, long where no periodic query may be taken for another.
    pub(crate) query_interval: u32,
    /// The first is the provider's.
    pub(crate) ports: Vec<PortRecipe>,
    /// What the socket changes is kept there.
    pub(crate) live: Option<PathBuf>,
    /// What Manifold is told is written there.
    pub(crate) record: Option<PathBuf>,
    /// Memory is set aside for so many ports; for those that there are where `None`.
    pub(crate) max_ports: Option<usize>,
    /// How Manifold reaches its interfaces. `MANIFOLD_DRIVER=af_xdp` tries every test with that one.
    pub(crate) driver: String,
}

impl Recipe {
    pub(crate) fn port(&mut self, name: &str) -> &mut PortRecipe {
        self.ports.iter_mut().find(|port| port.name == name).unwrap()
    }

    pub(crate) fn text(&self, socket: &Path) -> String {
        let ports: Vec<_> = self.ports.iter().map(PortRecipe::text).collect();
        let live = self.live.as_ref().map_or("false".to_owned(), |path| format!("{:?}", path.display()));
        let record = self.record.as_ref();
        let record =
            record.map_or_else(String::new, |path| format!("[record]\npath = {:?}\n\n", path.display()));
        let max_ports = self.max_ports.map_or_else(String::new, |most| format!("max-ports = {most}\n"));
        format!(
            "[proxy]\ninstance = \"{}\"\nupstream = \"{}\"\n\n\
             [defaults]\nquery-interval = \"{}s\"\nquery-response-interval = \"1s\"\n\
             last-member-query-interval = \"500ms\"\nunsolicited-report-interval = \"1s\"\ndriver = \"{}\"\n\n\
             [eal]\nhugepages = \"no\"\n{max_ports}\n[worker]\npoll = \"adaptive\"\n\n\
             [paths]\nrun-dir = \"{}\"\nlive = {live}\n\n[socket]\npath = \"{}\"\n\n{record}{}",
            self.instance,
            self.ports[0].name,
            self.query_interval,
            self.driver,
            self.run_dir.display(),
            socket.display(),
            ports.join("\n"),
        )
    }
}

impl PortRecipe {
    fn text(&self) -> String {
        let Self { name, device, address, more } = self;
        format!("[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\naddress = \"{address}\"\n{more}\n")
    }
}

/// A run of Manifold that ended by itself.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Option<i32>,
    /// All that it wrote.
    pub(crate) text: String,
}

impl Refusal {
    /// The command that the message names to cure it, to the line's end.
    pub(crate) fn cure(&self) -> &str {
        let (_, rest) = self.text.split_once("cure: ").unwrap_or_else(|| panic!("no cure in: {}", self.text));
        rest.lines().next().unwrap()
    }
}

/// The links, in the order in which all goes: captures and hosts before the lab.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) provider: Side,
    pub(crate) halls: Vec<Side>,
    /// Manifold's namespace, with an interface for every side.
    pub(crate) middle: Netns,
    /// Manifold's one MAC address: its provider port's.
    pub(crate) router_mac: MacAddr,
    pub(crate) lab: Lab,
}

impl Stage {
    /// A provider and the given halls.
    pub(crate) fn new(halls: &[&'static str], cabling: Cabling) -> Self {
        let lab = Lab::with_helper(env!("CARGO_BIN_EXE_story").as_ref()).unwrap();
        let middle = lab.netns("manifold").unwrap();
        let provider = Side::build(&lab, &middle, "wan", 0, cabling);
        let halls = (1..).zip(halls).map(|(net, name)| Side::build(&lab, &middle, name, net, cabling));
        let halls = halls.collect();
        let router_mac = middle.mac("wan").unwrap();
        Self { provider, halls, middle, router_mac, lab }
    }

    /// Settings with a port for every side.
    pub(crate) fn recipe(&self) -> Recipe {
        let port = |side: &Side| PortRecipe {
            name: side.name.to_owned(),
            device: side.name.to_owned(),
            address: side.address,
            more: "",
        };
        Recipe {
            instance: "kernel".to_owned(),
            run_dir: self.lab.scratch().join("run"),
            query_interval: 120,
            ports: std::iter::once(&self.provider).chain(&self.halls).map(port).collect(),
            live: None,
            record: None,
            max_ports: None,
            driver: std::env::var("MANIFOLD_DRIVER").unwrap_or_else(|_| "auto".to_owned()),
        }
    }

    /// Writes the settings; the file, and the socket that they name.
    fn write(&self, recipe: &Recipe) -> (PathBuf, PathBuf) {
        self.write_as(&recipe.instance, recipe)
    }

    fn write_as(&self, name: &str, recipe: &Recipe) -> (PathBuf, PathBuf) {
        let file = self.lab.scratch().join(name).with_extension("toml");
        let socket = file.with_extension("sock");
        fs::write(&file, recipe.text(&socket)).unwrap();
        (file, socket)
    }

    /// Replaces the settings of a running Manifold by other text; it does not know yet.
    pub(crate) fn rewrite(&self, recipe: &Recipe, change: impl FnOnce(String) -> String) {
        let socket = self.lab.scratch().join(&recipe.instance).with_extension("sock");
        fs::write(socket.with_extension("toml"), change(recipe.text(&socket))).unwrap();
    }

    /// Starts Manifold, and returns when it answers.
    pub(crate) fn start(&self, recipe: &Recipe) -> Running {
        self.start_behind(&[], recipe)
    }

    /// Starts Manifold with a recipe's settings, changed.
    pub(crate) fn start_changed(&self, recipe: &Recipe, change: impl FnOnce(String) -> String) -> Running {
        let (file, socket) = self.write(recipe);
        fs::write(&file, change(recipe.text(&socket))).unwrap();
        self.start_on(&[], recipe, &file, socket)
    }

    /// Starts Manifold behind a program that becomes it.
    pub(crate) fn start_behind(&self, wrapper: &[&str], recipe: &Recipe) -> Running {
        let (file, socket) = self.write(recipe);
        self.start_on(wrapper, recipe, &file, socket)
    }

    fn start_on(&self, wrapper: &[&str], recipe: &Recipe, file: &Path, socket: PathBuf) -> Running {
        let wrapper = [&URGENT, wrapper].concat();
        let manifold = Manifold::start_behind(&self.lab, &self.middle, &wrapper, file, &socket).unwrap();
        Running::new(manifold, socket, &recipe.instance)
    }

    /// Starts Manifold, which must end by itself.
    pub(crate) fn refused(&self, recipe: &Recipe) -> Refusal {
        self.refused_as(&recipe.instance, recipe)
    }

    /// As [`Stage::refused`], behind a program that becomes it.
    pub(crate) fn refused_behind(&self, wrapper: &[&str], recipe: &Recipe) -> Refusal {
        self.refused_of(wrapper, self.write(recipe))
    }

    /// As [`Stage::refused`], from a settings file of that name.
    pub(crate) fn refused_as(&self, name: &str, recipe: &Recipe) -> Refusal {
        self.refused_of(&[], self.write_as(name, recipe))
    }

    /// As [`Stage::refused_as`], by `manifold check`.
    pub(crate) fn refused_by_check(&self, name: &str, recipe: &Recipe) -> Refusal {
        // What comes behind it is the program, `run -c` and the file.
        self.refused_of(&["sh", "-ec", "exec \"$1\" check -c \"$4\"", "sh"], self.write_as(name, recipe))
    }

    fn refused_of(&self, wrapper: &[&str], (file, socket): (PathBuf, PathBuf)) -> Refusal {
        let socket_before = socket.exists();
        let mut manifold = Manifold::spawn(&self.lab, &self.middle, wrapper, &file).unwrap();
        let ended = manifold.wait(STOP_LIMIT);
        let text = fs::read_to_string(manifold.log()).unwrap();
        let code = ended.unwrap_or_else(|_| panic!("not refused:\n{text}")).code();
        assert_eq!(socket.exists(), socket_before, "a socket is left behind");
        Refusal { code, text }
    }

    /// Starts the stream: its group from the provider, so many datagrams a second.
    pub(crate) fn start_source(&self, per_second: u32) -> Sender {
        Sender::start(&self.lab, &self.provider.host, (GROUP, PORT), SOURCE_TTL, per_second).unwrap()
    }

    /// Ends the stream; how many datagrams there were, and when the last was on the wires of `sides`.
    pub(crate) fn end_source(&self, sender: Sender, sides: &[&Side]) -> (u64, Time) {
        let sent = sender.stop().unwrap().sent;
        let is_last = |f: &Frame| f.is_data_to(GROUP.addr()) && number(f) == sent - 1;
        let arrivals = sides.iter().map(|side| {
            let what = format!("the last datagram in {}", side.name);
            side.wire.wait_for(&what, Time::ZERO, SOON, is_last).unwrap().at
        });
        (sent, arrivals.max().unwrap_or_else(lab::now))
    }

    /// Puts frames on a side's wire.
    pub(crate) fn frames_from(&self, side: &Side) -> FrameSender {
        FrameSender::start(&self.lab, &side.host).unwrap()
    }

    /// When the source sent the first datagram that came no more to a side.
    pub(crate) fn first_cut_off(&self, side: &Side) -> Time {
        let is_stream = |frame: &Frame| frame.is_data_to(GROUP.addr());
        let last = side.wire.select(is_stream).iter().map(|frame| number(frame)).max();
        let cut_off = |frame: &Frame| is_stream(frame) && last.is_none_or(|last| number(frame) > last);
        let what = format!("a datagram that {} got no more", side.name);
        self.provider.wire.wait_for(&what, Time::ZERO, SOON, cut_off).unwrap().at
    }

    /// Has `stop_sink` stop a sink and let it go on while a stream of [`FAST`] passes: `side` gets each datagram, from one
    /// before the sink stopped to one after it went on. What a capture misses counts as lost. Only a round in which the
    /// machine held Manifold up is tried again.
    pub(crate) fn expect_undisturbed(&self, running: &Running, side: &Side, stop_sink: impl Fn()) {
        let round = |_| {
            let waited = running.waited();
            let first = side.wait_for_stream(lab::now());
            stop_sink();
            let last = side.wait_for_stream(lab::now());
            let all = number(&last) + 1 - number(&first);
            let lost = match self.delivered(side, first.at, last.at) {
                Ok(delivery) if delivery.datagrams as u64 == all => return None,
                Ok(delivery) => format!("{} of {all}", delivery.datagrams),
                Err(why) => why,
            };
            let waited = running.waited() - waited;
            assert!(
                waited >= HELD_UP,
                "{} lost some, and no core was waited for but {waited:?}: {lost}",
                side.name
            );
            Some(lost)
        };
        let broken: Vec<_> = (0..ROUNDS).map_while(round).collect();
        assert!(broken.len() < ROUNDS, "{} lost some whenever the sink stopped: {broken:#?}", side.name);
    }

    /// A side's stream over a span of time against the provider's, frame by frame.
    pub(crate) fn delivered(&self, side: &Side, since: Time, until: Time) -> Result<Delivery, String> {
        let arrived = side.stream(since, until);
        // While the source sends, its own capture may be told of a datagram after the side's is.
        if let Some(last) = arrived.iter().map(|f| number(f)).max() {
            let reached = |f: &Frame| f.is_data_to(GROUP.addr()) && number(f) >= last;
            self.provider
                .wire
                .wait_for("the side's last datagram at its source", Time::ZERO, SOON, reached)
                .unwrap();
        }
        let sent = self.provider.wire.select(|frame| frame.is_data_to(GROUP.addr()));
        compare(&sent, &arrived, self.router_mac)
    }

    /// Checks that each port's counters are what was on its wire since Manifold began, once traffic has ended.
    pub(crate) fn expect_counters_of_the_wire(&self, running: &Running) {
        for side in std::iter::once(&self.provider).chain(&self.halls) {
            let sent = |frame: &Frame| frame.source == self.router_mac;
            let on_wire = || [side.wire.select(sent), side.wire.select(|f| !sent(f))].map(|f| f.len() as u64);
            let counted = || {
                let frames = running.counters(side.name).frames;
                [frames["tx-frames"], frames["rx-frames"]]
            };
            let _ = lab::stop::poll(SETTLED, || Ok((counted() == on_wire()).then_some(()))).unwrap();
            assert_eq!(counted(), on_wire(), "sent and received by {}, counted and on the wire", side.name);
        }
    }

    /// All that Manifold could have changed, as the kernel tells it: the nft ruleset, the routes, and of every
    /// interface its flags, addresses and IPv6 switch.
    pub(crate) fn kernel_state(&self) -> String {
        // IPv6 first looks whether others have the address that it gave itself.
        let settled = || Ok((!self.middle.ip("-6 addr show")?.contains("tentative")).then_some(()));
        lab::stop::poll(SOON, settled).unwrap().expect("IPv6 has its addresses");
        let mut text = self.middle.run("nft", &["list", "ruleset"]).unwrap();
        let routes = self.middle.ip("route show table all").unwrap();
        let mut routes: Vec<_> = routes.lines().collect();
        routes.sort_unstable();
        text += &routes.join("\n");
        text += &self.middle.ip("-o -d link show").unwrap();
        text += &self.middle.ip("-o addr show").unwrap();
        for side in std::iter::once(&self.provider).chain(&self.halls) {
            let switch = format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", side.name);
            text += &format!("{}: {}", side.name, self.middle.run("cat", &[&switch]).unwrap_or_default());
        }
        text
    }

    /// Checks that the captures missed nothing: they prove what was absent.
    pub(crate) fn close(self) {
        self.close_but("");
    }

    /// As [`Stage::close`], but for one side, on which there was more than any capture takes.
    pub(crate) fn close_but(mut self, flooded: &str) {
        let sides = std::iter::once(&mut self.provider).chain(&mut self.halls);
        for side in sides.filter(|side| side.name != flooded) {
            assert_eq!(side.wire.stop().unwrap().missed, 0, "the capture of {} is incomplete", side.name);
        }
    }
}
