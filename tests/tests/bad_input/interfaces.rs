//! Interfaces of kinds that Manifold does not take, made for real in a namespace: refused by name and kind, with
//! nothing changed on them.

use std::process::Command;

use crate::clean::{Fault, assert_refused, nft_tables};
use crate::process::Place;
use crate::program;

/// A network namespace of our own; removed when dropped.
struct Namespace(String);

impl Namespace {
    fn new(what: &str) -> Self {
        let name = format!("mfgold-{}-{what}", std::process::id());
        ip(&["netns", "add", &name]);
        Self(name)
    }

    /// `ip` inside, with the words of `arguments`.
    fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.0];
        all.extend(arguments.split_whitespace());
        ip(&all)
    }

    /// A command inside.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command
    }

    /// `manifold run` inside, with `device` as the port of hall-a.
    fn run(&self, place: &Place, device: &str) -> Command {
        let manifold = program::manifold_path();
        let mut command = self.command(manifold.to_str().expect("a path in UTF-8"));
        command.env("RUNTIME_DIRECTORY", place.folder());
        place.complete(&mut command, &place.null_settings().replacen("net_null1", device, 1));
        command
    }

    /// All that can be seen of an interface, less its counters and timers.
    fn state(&self, link: &str) -> String {
        self.ip(&format!("-d link show dev {link}")) + &self.ip(&format!("addr show dev {link} scope global"))
    }

    fn assert_refused(&self, link: &str, parts: &[&str]) {
        let place = Place::new();
        let before = self.state(link);
        let named = format!(": port \"hall-a\": interface `{link}` ");
        let refusal = assert_refused(&place, &mut self.run(&place, link), Fault::Machine, parts);
        assert!(refusal.message.starts_with("manifold.toml:"), "{}", refusal.message);
        assert!(refusal.message.contains(&named), "{}", refusal.message);
        assert!(refusal.message.contains("; cure: "), "{}", refusal.message);
        assert_eq!(self.state(link), before, "it was changed");
        assert_eq!(nft_tables(&mut self.command("nft")), "");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().expect("ip");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn s3_a_bridge_a_tunnel_and_loopback_are_refused_by_kind() {
    let ns = Namespace::new("kinds");
    ns.ip("link add br0 type bridge");
    ns.ip("link add vx0 type vxlan id 7 dstport 4789 local 127.0.0.1");
    ns.ip("tuntap add dev tun0 mode tun");
    ns.ip("link set lo up");
    ns.assert_refused("br0", &["is a bridge interface", "floods or snoops multicast"]);
    ns.assert_refused("vx0", &["is a VXLAN interface"]);
    ns.assert_refused("tun0", &["tun"]);
    ns.assert_refused("lo", &["is the loopback interface"]);
}

#[test]
fn an_interface_that_serves_another_purpose_is_refused() {
    let ns = Namespace::new("busy");
    ns.ip("link add br0 type bridge");
    for link in ["enslaved", "addressed", "below"] {
        ns.ip(&format!("link add {link} type veth peer name {link}-p"));
        ns.ip(&format!("link set {link} up"));
    }
    ns.ip("link set enslaved master br0");
    ns.ip("addr add 192.0.2.1/24 dev addressed");
    ns.ip("link add above link below type macvlan");
    ns.assert_refused("enslaved", &["br0"]);
    ns.assert_refused("addressed", &["192.0.2.1", "ip -4 addr flush dev addressed"]);
    ns.assert_refused("below", &["above"]);
}

#[test]
fn a_good_interface_beside_a_bad_one_is_given_back() {
    let ns = Namespace::new("half");
    ns.ip("link add good type veth peer name good-p");
    ns.ip("link add br0 type bridge");
    let before = ns.state("good");
    let place = Place::new();
    let settings = place.null_settings().replacen("net_null1", "good", 1).replacen("net_null2", "br0", 1);
    let mut command = ns.run(&place, "unused");
    place.write(&settings);
    assert_refused(
        &place,
        &mut command,
        Fault::Machine,
        &["port \"hall-b\": interface `br0` is a bridge interface"],
    );
    assert_eq!(ns.state("good"), before);
    assert_eq!(nft_tables(&mut ns.command("nft")), "");
}

#[test]
fn a_port_needs_the_right_to_take_it() {
    let ns = Namespace::new("nobody");
    ns.ip("link add good type veth peer name good-p");
    let before = ns.state("good");
    let place = Place::new();
    let nobody = program::manifold_as_nobody(place.folder());
    let mut command = ns.command(nobody.get_program().to_str().expect("setpriv"));
    command.args(nobody.get_args()).env("RUNTIME_DIRECTORY", place.folder());
    place.complete(&mut command, &place.null_settings().replacen("net_null1", "good", 1));
    let refusal = assert_refused(&place, &mut command, Fault::Machine, &["port \"hall-a\": "]);
    let cured = refusal.message.contains("run as root") || refusal.message.contains("CAP_NET_");
    assert!(cured, "and the cure: {}", refusal.message);
    assert_eq!(ns.state("good"), before);
    assert_eq!(nft_tables(&mut ns.command("nft")), "");
}
