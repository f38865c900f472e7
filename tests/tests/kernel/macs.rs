//! Ports that send from a MAC of their own beside ports that send from the router's: by the settings on veth, by itself
//! on a macvlan.

use crate::running::Running;
use crate::stage::{Cabling, GROUP, Recipe, SOON, Side, Stage, number};
use api::Request;
use lab::Frame;
use lab::compare::compare;
use std::sync::Arc;
use types::{MacAddr, Time};

const RATE: u32 = 500;
/// What an interface's MAC is changed to.
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x77]);

/// What Manifold sent there: all but the host's own.
fn ours(stage: &Stage, side: &Side) -> Vec<Arc<Frame>> {
    let host = side.host.mac().unwrap();
    assert_ne!(host, stage.router_mac);
    side.wire.select(|frame| frame.source != host)
}

/// Of the stream in `side`, what came from `mac`, every byte right; the numbers of its first and last datagram.
fn stream_from(stage: &Stage, side: &Side, mac: MacAddr) -> (u64, u64) {
    let sent = stage.provider.wire.select(|frame| frame.is_data_to(GROUP.addr()));
    let got = side.wire.select(|frame| frame.is_data_to(GROUP.addr()) && frame.source == mac);
    compare(&sent, &got, mac).unwrap_or_else(|why| panic!("{} from {mac}: {why}", side.name));
    (number(&got[0]), number(&got[got.len() - 1]))
}

/// Waits until the port in the hall sends the stream from `mac`.
fn wait_for_stream_from(side: &Side, mac: MacAddr) {
    let from_it = |frame: &Frame| frame.is_data_to(GROUP.addr()) && frame.source == mac;
    side.wire
        .wait_for(&format!("the stream in {} from {mac}", side.name), Time::ZERO, SOON, from_it)
        .unwrap();
}

/// A host there finds its router: ARP and ping, from the port's MAC.
fn find_router(side: &Side, mac: MacAddr) {
    let address = side.address.addr().to_string();
    side.host.netns().run("ping", &["-c", "1", "-W", "5", &address]).unwrap();
    let known = side.host.netns().ip(&format!("neigh show {address}")).unwrap();
    assert!(known.contains(&mac.to_string()), "{}: {known}", side.name);
}

fn reload(stage: &Stage, running: &Running, recipe: &Recipe) -> api::ChangedReply {
    stage.rewrite(recipe, |text| text);
    running.change(&Request::Reload)
}

#[test]
fn each_hall_gets_all_from_the_mac_of_its_port_and_a_change_of_it_loses_nothing() {
    let stage = Stage::new(&["hall-a", "hall-b", "hall-c"], Cabling::Direct);
    let [hall_a, hall_b, hall_c] = &stage.halls[..] else { panic!() };
    stage.middle.ip("link add mv0 link hall-c type macvlan mode bridge").unwrap();
    let [own_a, own_b, macvlan] = ["hall-a", "hall-b", "mv0"].map(|name| stage.middle.mac(name).unwrap());
    let mut recipe = stage.recipe();
    recipe.port("hall-b").more = "mac = \"port\"\n";
    recipe.port("hall-c").device = "mv0".to_owned();
    let mut running = stage.start(&recipe);
    let _viewers = [hall_a, hall_b, hall_c].map(|hall| hall.join(&stage.lab, GROUP));
    let sender = stage.start_source(RATE);
    for (hall, mac) in [(hall_a, stage.router_mac), (hall_b, own_b), (hall_c, macvlan)] {
        wait_for_stream_from(hall, mac);
        find_router(hall, mac);
        let asks = |frame: &Frame| frame.source == mac && frame.is_igmp(0x11, [0; 4].into());
        hall.wire.wait_for("a query", Time::ZERO, SOON, asks).unwrap();
        let mut others = ours(&stage, hall);
        others.retain(|frame| frame.source != mac);
        assert!(others.is_empty(), "{}: {others:?}", hall.name);
    }

    // One comes to have its own while the stream runs, and one the router's.
    recipe.port("hall-a").more = "mac = \"port\"\n";
    recipe.port("hall-b").more = "";
    let changed = reload(&stage, &running, &recipe);
    let told = "port \"hall-a\": mac is \"port\", was not set";
    assert!(changed.applied.iter().any(|line| line == told), "{changed:?}");
    assert_eq!((changed.restart.len(), changed.removal_us), (0, None), "{changed:?}");
    wait_for_stream_from(hall_a, own_a);
    wait_for_stream_from(hall_b, stage.router_mac);
    find_router(hall_a, own_a);

    // What it cannot is refused, and changes nothing.
    recipe.port("hall-c").more = "mac = \"router\"\n";
    stage.rewrite(&recipe, |text| text);
    running.hang_up();
    running.wait_for_log(&["WARN", "nothing was changed", "mv0 is a macvlan", "set it to \"port\""]);

    let (sent, _) = stage.end_source(sender, &[hall_a, hall_b, hall_c]);
    for (hall, before, after) in [(hall_a, stage.router_mac, own_a), (hall_b, own_b, stage.router_mac)] {
        let ((_, end), (begin, last)) = (stream_from(&stage, hall, before), stream_from(&stage, hall, after));
        assert_eq!((begin, last), (end + 1, sent - 1), "{}: nothing lost, nothing twice", hall.name);
    }
    assert_eq!(stream_from(&stage, hall_c, macvlan).1, sent - 1);
    for hall in [hall_a, hall_b, hall_c] {
        assert_eq!(running.drops(hall.name, "no-buffer"), 0);
    }
    running.finish(&stage);
    stage.close();
}

#[test]
fn a_macvlan_that_is_to_send_from_the_routers_mac_is_refused_with_the_cure() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    stage.middle.ip("link add mv0 link hall-a type macvlan mode bridge").unwrap();
    let mut recipe = stage.recipe();
    recipe.port("hall-a").device = "mv0".to_owned();
    recipe.port("hall-a").more = "mac = \"router\"\n";
    let refusal = stage.refused(&recipe);
    assert!(
        refusal.text.contains(
            "mv0 is a macvlan, which sends from its own MAC only, and `mac` is \"router\"; leave it out, or set it to \
             \"port\""
        ),
        "{}",
        refusal.text
    );
    assert_ne!(refusal.code, Some(0));
    stage.close();
}

#[test]
fn a_macvlan_that_got_another_mac_while_it_was_down_sends_from_that() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let [hall_a] = &stage.halls[..] else { panic!() };
    stage.middle.ip("link add mv0 link hall-a type macvlan mode bridge").unwrap();
    let mut recipe = stage.recipe();
    recipe.port("hall-a").device = "mv0".to_owned();
    let running = stage.start(&recipe);
    let _viewer = hall_a.join(&stage.lab, GROUP);
    let sender = stage.start_source(RATE);
    wait_for_stream_from(hall_a, stage.middle.mac("mv0").unwrap());

    stage.middle.ip("link set mv0 down").unwrap();
    running.wait_for_log(&["carrier", "hall-a", "up=false"]);
    stage.middle.ip(&format!("link set mv0 address {OTHER}")).unwrap();
    let up = lab::now();
    stage.middle.ip("link set mv0 up").unwrap();
    wait_for_stream_from(hall_a, OTHER);
    find_router(hall_a, OTHER);
    let (_, end) = stage.end_source(sender, &[hall_a]);
    let mut after = hall_a.stream(up, end);
    after.retain(|frame| frame.source != OTHER);
    assert!(after.is_empty(), "{after:?}");
    running.finish(&stage);
    stage.close();
}

/// One of a veth's ends is given another MAC while a stream leaves by it.
fn changed_while_it_is_up(driver: &str) {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let [hall_a] = &stage.halls[..] else { panic!() };
    let mut recipe = Recipe { driver: driver.to_owned(), ..stage.recipe() };
    recipe.port("hall-a").more = "mac = \"port\"\n";
    let running = stage.start(&recipe);
    let _viewer = hall_a.join(&stage.lab, GROUP);
    let sender = stage.start_source(RATE);
    let before = stage.middle.mac("hall-a").unwrap();
    wait_for_stream_from(hall_a, before);
    stage.middle.ip(&format!("link set hall-a address {OTHER}")).unwrap();
    wait_for_stream_from(hall_a, OTHER);
    find_router(hall_a, OTHER);
    let (sent, _) = stage.end_source(sender, &[hall_a]);
    let ((_, end), (begin, last)) = (stream_from(&stage, hall_a, before), stream_from(&stage, hall_a, OTHER));
    assert_eq!((begin, last), (end + 1, sent - 1), "nothing lost, nothing twice");
    running.finish(&stage);
    stage.close();
}

#[test]
fn a_mac_that_changes_while_the_port_is_open_by_af_packet_is_followed_without_a_gap() {
    changed_while_it_is_up("af_packet");
}

#[test]
fn a_mac_that_changes_while_the_port_is_open_by_af_xdp_is_followed_without_a_gap() {
    changed_while_it_is_up("af_xdp");
}
