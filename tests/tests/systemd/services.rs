//! One machine's life, from its installation on.

use std::collections::BTreeMap;
use std::fs;

use lab::{Capture, Host, Lab, Netns, Receiver};
use types::{GroupAddr, Ipv4Net, Time};

use crate::machine::{Layer, Machine, SOON};

const GROUP: GroupAddr = GroupAddr::new(std::net::Ipv4Addr::new(239, 2, 2, 2)).unwrap();
const PROXY: &str = "manifold.service";
const BACKEND: &str = "manifold-backend.service";
/// Of each frame this much is kept.
const KEEP: usize = 96;
/// CAP_NET_BIND_SERVICE.
const BIND: u64 = 1 << 10;

/// The provider's host, one in a hall, and the far ends of their cables, which go to the machine.
struct Wires {
    lab: Lab,
    cables: Netns,
    provider: Capture,
    viewer: Host,
}

/// Interfaces of the example of the settings.
const INTERFACES: [&str; 3] = ["eth1", "eth2", "eth3"];

impl Wires {
    fn new() -> Self {
        let lab = Lab::with_helper(env!("CARGO_BIN_EXE_story").as_ref()).unwrap();
        let cables = lab.netns("cables").unwrap();
        let addresses =
            ["10.0.0.4/24", "10.1.0.4/24", "10.2.0.4/24"].map(|net| net.parse::<Ipv4Net>().unwrap());
        let hosts = INTERFACES.iter().zip(addresses).map(|(interface, address)| {
            let host = Host::attach(&lab, &format!("at-{interface}"), address, (&cables, interface)).unwrap();
            host.force_igmp_version(2).unwrap();
            host
        });
        let [provider, viewer, _] = &hosts.collect::<Vec<_>>()[..] else { panic!() };
        let provider = Capture::start(provider.netns(), provider.interface(), KEEP).unwrap();
        let viewer = viewer.clone();
        Self { lab, cables, provider, viewer }
    }

    fn plug_into(&self, machine: &Machine) {
        for interface in INTERFACES {
            self.cables.ip(&format!("link set {interface} netns {}", machine.leader())).unwrap();
        }
    }

    /// Waits for IGMP of this type for the group at the provider's.
    fn wait_for(&self, kind: u8, since: Time) {
        let what = format!("IGMP {kind:#04x} for {GROUP} at the provider's");
        self.provider.wait_for(&what, since, SOON, |frame| frame.is_igmp(kind, GROUP.addr())).unwrap();
    }
}

/// What `/proc` tells of a unit's process.
fn process(machine: &Machine, unit: &str) -> BTreeMap<String, String> {
    let text = machine.tell(&["cat", &format!("/proc/{}/status", machine.property(unit, "MainPID"))]);
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
}

/// The settings of the proxy are the example, changed.
fn write_settings(layer: &Layer, change: impl FnOnce(String) -> String) -> String {
    let example = fs::read_to_string(layer.path("/etc/manifold/manifold.toml.example")).unwrap();
    change(example)
}

#[test]
fn both_services_do_what_their_units_promise() {
    lab::stop::on_signals().unwrap();
    let wires = Wires::new();
    let layer = Layer::install(&wires.lab);
    fs::write(layer.path("/etc/manifold/manifold.toml"), write_settings(&layer, |text| text)).unwrap();
    let machine = layer.boot("manifold-test");
    wires.plug_into(&machine);
    let switches = ipv6_switches(&machine);

    let token = installed_as_the_readme_says(&machine);
    the_backend_has_no_privilege_and_reaches_the_socket(&machine, &token);
    let since = lab::now();
    let _receiver = Receiver::join(&wires.lab, &wires.viewer, (GROUP, 5004)).unwrap();
    wires.wait_for(0x16, since);
    the_backend_is_restarted_and_the_proxy_goes_on(&machine, &token);
    a_crash_is_made_good(&machine, &wires);
    a_reload_is_a_reload(&machine);
    the_interfaces_are_guarded(&machine);
    a_stop_leaves_every_group(&machine, &wires, &token, &switches);
    wrong_settings_are_told_and_not_tried_again(&machine, &layer, &token);

    machine.tell(&["systemctl", "stop", BACKEND]);
    assert_eq!(machine.property(BACKEND, "Result"), "success");
    machine.shut_down();
}

/// Users and groups, an administrator, a token, both services on.
fn installed_as_the_readme_says(machine: &Machine) -> String {
    machine.tell(&["systemd-sysusers"]);
    let set = ["manifold-backend", "user", "set", "ann", "--role", "admin"];
    machine.tell_with(&set, "correct horse\n");
    machine.tell(&["systemctl", "enable", "--now", PROXY, BACKEND]);
    for unit in [PROXY, BACKEND] {
        machine.wait_for(unit, "ActiveState", "active");
    }
    let status = || {
        let output = machine.run(&["manifoldctl", "--json", "show", "status"], "");
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    let status = lab::stop::poll(SOON, status).unwrap().expect("an answer of the proxy");
    assert!(status.contains("\"ports\":3") && status.contains("\"enabled\":true"), "{status}");
    let ports = || {
        let ports = machine.tell(&["manifoldctl", "--json", "show", "ports"]);
        Ok((ports.matches("\"link\":\"up\"").count() == INTERFACES.len()).then_some(()))
    };
    lab::stop::poll(SOON, ports).unwrap().expect("links");
    machine.tell(&["manifold-backend", "token", "create", "test"])
}

fn the_backend_has_no_privilege_and_reaches_the_socket(machine: &Machine, token: &str) {
    assert_eq!(machine.get("/api/v1/status", None).0, 401);
    let (status, body) = machine.get("/api/v1/status", Some(token));
    assert!(status == 200 && body.contains("\"up\":true"), "{body}");
    assert!(machine.get("/api/v1/groups", Some(token)).0 == 200 && machine.get("/", None).0 == 200);

    let told = process(machine, BACKEND);
    let user = machine.tell(&["id", "-u", "manifold-backend"]);
    assert_ne!(user, "0");
    assert_eq!(told["Uid"], [user.as_str(); 4].join("\t"));
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(u64::from_str_radix(&told[set], 16), Ok(BIND), "{set}");
    }
    // Seccomp 2: by a filter.
    assert_eq!((told["NoNewPrivs"].as_str(), told["Seccomp"].as_str()), ("1", "2"));
    // Not even its own user could be anybody else's.
    let files = machine.tell(&["stat", "-c", "%U %a", "/var/lib/manifold-backend/access.json"]);
    assert_eq!(files, "manifold-backend 600");
    let socket = machine.tell(&["stat", "-c", "%U %G %a", "/run/manifold/manifold.sock"]);
    assert_eq!(socket, "root manifold 660");
}

fn the_backend_is_restarted_and_the_proxy_goes_on(machine: &Machine, token: &str) {
    let before = [PROXY, BACKEND].map(|unit| machine.property(unit, "MainPID"));
    machine.tell(&["systemctl", "restart", BACKEND]);
    machine.wait_for(BACKEND, "ActiveState", "active");
    let after = [PROXY, BACKEND].map(|unit| machine.property(unit, "MainPID"));
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
    let groups = || {
        // It listens some milliseconds after it was started.
        let listens = machine.run(&["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8480"], "").status.success();
        Ok(listens.then(|| machine.get("/api/v1/groups", Some(token)).1))
    };
    let groups = lab::stop::poll(SOON, groups).unwrap().expect("the backend");
    assert!(groups.contains(&GROUP.to_string()) && groups.contains("hall-a"), "{groups}");
}

fn a_crash_is_made_good(machine: &Machine, wires: &Wires) {
    let before = machine.property(PROXY, "MainPID");
    let since = lab::now();
    machine.tell(&["systemctl", "kill", "--signal=KILL", "--kill-whom=main", PROXY]);
    machine.wait_for(PROXY, "NRestarts", "1");
    machine.wait_for(PROXY, "ActiveState", "active");
    assert_ne!(machine.property(PROXY, "MainPID"), before);
    // It asks its links, the viewer answers, and the provider is asked anew.
    wires.wait_for(0x16, since);
}

fn a_reload_is_a_reload(machine: &Machine) {
    let before = machine.property(PROXY, "MainPID");
    machine.tell(&["systemctl", "reload", PROXY]);
    let told = || Ok(machine.journal(PROXY).contains("the settings are the same").then_some(()));
    assert!(lab::stop::poll(SOON, told).unwrap().is_some(), "{}", machine.journal(PROXY));
    assert_eq!(machine.property(PROXY, "MainPID"), before);
}

/// Behind the tap, so that clients reach nothing of the machine.
fn the_interfaces_are_guarded(machine: &Machine) {
    assert_eq!(ipv6_switches(machine), ["1"; INTERFACES.len()]);
    let rules = machine.tell(&["nft", "list", "ruleset"]);
    assert!(INTERFACES.iter().all(|name| rules.contains(name)) && rules.contains("drop"), "{rules}");
}

/// Whether IPv6 is off, of each interface.
fn ipv6_switches(machine: &Machine) -> [String; INTERFACES.len()] {
    INTERFACES.map(|name| machine.tell(&["cat", &format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6")]))
}

fn a_stop_leaves_every_group(machine: &Machine, wires: &Wires, token: &str, switches: &[String]) {
    let since = lab::now();
    machine.tell(&["systemctl", "stop", PROXY]);
    wires.wait_for(0x17, since);
    assert_eq!(machine.property(PROXY, "ActiveState"), "inactive");
    assert_eq!(machine.property(PROXY, "Result"), "success");
    assert_eq!(machine.property(PROXY, "ExecMainStatus"), "0");
    assert_eq!(machine.property(BACKEND, "ActiveState"), "active");
    // An answer is good for the next one who asks, too, for a quarter of a second.
    let told = || {
        let (_, body) = machine.get("/api/v1/status", Some(token));
        Ok((body.contains("\"up\":false") && body.contains("it was stopped")).then_some(()))
    };
    assert!(lab::stop::poll(SOON, told).unwrap().is_some(), "the page says that it was stopped");
    // What it did to the interfaces is undone, also what it did before the crash.
    assert_eq!(ipv6_switches(machine), switches);
    assert_eq!(machine.tell(&["nft", "list", "ruleset"]), "");
}

fn wrong_settings_are_told_and_not_tried_again(machine: &Machine, layer: &Layer, token: &str) {
    let wrong = write_settings(layer, |text| text.replace("upstream = \"wan\"", "upstream = \"lan\""));
    machine.tell_with(&["tee", "/etc/manifold/manifold.toml"], &wrong);
    // It begins, as far as systemd sees, and ends.
    machine.run(&["systemctl", "start", PROXY], "");
    machine.wait_for(PROXY, "ActiveState", "failed");
    assert_eq!(machine.property(PROXY, "ExecMainStatus"), "2");
    assert_eq!(machine.property(PROXY, "NRestarts"), "0");
    let journal = machine.journal(PROXY);
    assert!(journal.contains("manifold.toml:") && journal.contains("`upstream`"), "{journal}");
    let told = || {
        let (_, body) = machine.get("/api/v1/status", Some(token));
        Ok(body.contains("its settings do not pass").then_some(()))
    };
    assert!(lab::stop::poll(SOON, told).unwrap().is_some(), "the page says why");
}
