//! Settings that change while streams run: what does not differ is not touched, and what does not pass changes
//! nothing.

use crate::running::Running;
use crate::stage::{Cabling, GROUP, PortRecipe, Recipe, SECOND_GROUP, SOON, Side, Stage};
use api::Request;
use lab::Frame;
use std::time::Duration;
use types::Time;

const RATE: u32 = 1_000;
/// How long the stream goes on after each change.
const BETWEEN: Duration = Duration::from_millis(300);

/// Waits until these ports, and no others, have a member of the stream's group.
fn wait_for_members(running: &Running, wanted: &[&str]) {
    let as_wanted = || {
        let mut members = running.members(GROUP);
        members.sort_unstable();
        Ok((members == wanted).then_some(()))
    };
    let found = lab::stop::poll(SOON, as_wanted).unwrap();
    assert!(found.is_some(), "members are {:?}, not {wanted:?}", running.members(GROUP));
}

/// Writes the settings, has them read, and lets the stream go on for a moment.
fn reload(stage: &Stage, running: &Running, recipe: &Recipe) -> api::ChangedReply {
    stage.rewrite(recipe, |text| text);
    let changed = running.change(&Request::Reload);
    lab::stop::pause(BETWEEN).unwrap();
    changed
}

/// Whether nft keeps the kernel away from an interface.
fn is_guarded(stage: &Stage, interface: &str) -> bool {
    let rules = stage.middle.run("nft", &["list", "ruleset"]).unwrap();
    rules.contains(&format!("hook ingress device \"{interface}\""))
}

/// All that the source sent while `side` watched, from its first frame to the source's last.
fn assert_whole_to_the_end(stage: &Stage, side: &Side, end: Time) {
    let whole = stage.delivered(side, Time::ZERO, end).unwrap();
    assert_eq!(whole.ended_by, None, "{} got all to the end", side.name);
}

#[test]
fn streams_on_other_ports_lose_nothing_while_policies_change_and_ports_come_and_go() {
    let stage = Stage::new(&["hall-a", "hall-b", "hall-c"], Cabling::Direct);
    let [hall_a, hall_b, hall_c] = &stage.halls[..] else { panic!() };
    let whole = Recipe { max_ports: Some(4), ..stage.recipe() };
    let mut recipe = whole.clone();
    let coming = recipe.ports.pop().unwrap();
    let mut running = stage.start(&recipe);
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    wait_for_members(&running, &["hall-a", "hall-b"]);
    let sender = stage.start_source(RATE);
    hall_b.wait_for_stream(hall_a.wait_for_stream(Time::ZERO).at);

    // Nothing differs, nothing is done.
    let began = lab::now();
    let same = reload(&stage, &running, &recipe);
    assert_eq!(same, api::ChangedReply { revision: same.revision, ..api::ChangedReply::default() });
    // Policies of a port that has members; by signal.
    recipe.port("hall-b").more = "ignore-v1 = true\nmax-groups = 17\n";
    stage.rewrite(&recipe, |text| text);
    running.hang_up();
    running.wait_for_log(&["INFO", "changed", "hall-b", "ignore-v1 is true"]);
    // A port that comes.
    recipe.ports.push(coming.clone());
    let added = reload(&stage, &running, &recipe);
    assert!(added.applied.iter().any(|line| line.contains("hall-c")), "{added:?}");
    assert!(is_guarded(&stage, "hall-c"));
    let _viewer = hall_c.join(&stage.lab, GROUP);
    hall_c.wait_for_stream(began);
    // Nobody was asked anew for what did not concern him.
    let is_query = |frame: &Frame| frame.source == stage.router_mac && frame.is_igmp(0x11, [0; 4].into());
    for hall in [hall_a, hall_b] {
        let asked = hall.wire.between(began, lab::now(), is_query).unwrap();
        assert_eq!(asked.len(), 0, "{} was asked anew", hall.name);
    }
    // Hosts that were refused may be served from now on: they are asked, and nobody else is.
    let loosened = lab::now();
    recipe.port("hall-b").more = "ignore-v1 = true\nmax-groups = 17\nany-ttl = true\n";
    reload(&stage, &running, &recipe);
    hall_b.wire.wait_for("a query for those that were refused", loosened, SOON, is_query).unwrap();
    let asked = hall_a.wire.between(began, lab::now(), is_query).unwrap();
    assert_eq!(asked.len(), 0, "{} was asked anew", hall_a.name);
    // A port that is renumbered: it asks from its new address, and its stream goes on.
    let renumbered = lab::now();
    recipe.port("hall-b").address = "10.2.0.9/24".parse().unwrap();
    reload(&stage, &running, &recipe);
    let asks = |frame: &Frame| {
        is_query(frame) && frame.ip.as_ref().is_some_and(|ip| ip.source.octets() == [10, 2, 0, 9])
    };
    hall_b.wire.wait_for("a query from the new address", renumbered, SOON, asks).unwrap();
    // A port that may have nothing any more.
    recipe.port("hall-c").more = "access = [\"deny 239.0.0.0/8\"]\n";
    reload(&stage, &running, &recipe);
    wait_for_members(&running, &["hall-a", "hall-b"]);
    // A port that goes, and its interface is the kernel's again.
    recipe.ports.pop();
    let removed = reload(&stage, &running, &recipe);
    let pause = removed.removal_us.expect("the worker let go of it");
    println!("the worker stood still for {pause:.1} us to let go of a port");
    assert!(!is_guarded(&stage, "hall-c"));
    assert!(is_guarded(&stage, "hall-b"));
    // And back.
    let back = lab::now();
    recipe.ports.push(coming);
    reload(&stage, &running, &recipe);
    let _again = hall_c.join(&stage.lab, SECOND_GROUP);
    hall_c.wire.wait_for("a query", back, SOON, is_query).unwrap();

    let (_, end) = stage.end_source(sender, &[hall_a, hall_b]);
    for hall in [hall_a, hall_b] {
        let all = stage.delivered(hall, Time::ZERO, end).unwrap();
        assert_eq!(
            (all.held_until, all.ended_by),
            (None, None),
            "{} got all that the source sent",
            hall.name
        );
    }
    running.finish(&stage);
    stage.close();
}

#[test]
fn a_ports_interface_is_exchanged_and_the_others_lose_nothing() {
    let stage = Stage::new(&["hall-a", "hall-b", "hall-c"], Cabling::Direct);
    let [hall_a, hall_b, hall_c] = &stage.halls[..] else { panic!() };
    let mut recipe = Recipe { max_ports: Some(4), ..stage.recipe() };
    let running = stage.start(&recipe);
    let _viewers = [hall_a, hall_b, hall_c].map(|hall| hall.join(&stage.lab, GROUP));
    wait_for_members(&running, &["hall-a", "hall-b", "hall-c"]);
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);

    // The cables of two halls change places.
    recipe.port("hall-b").device = "hall-c".to_owned();
    recipe.port("hall-c").device = "hall-b".to_owned();
    let exchanged = lab::now();
    let changed = reload(&stage, &running, &recipe);
    assert!(changed.removal_us.is_some(), "{changed:?}");
    for hall in [hall_b, hall_c] {
        assert!(is_guarded(&stage, hall.name));
        hall.wait_for_stream(exchanged);
    }
    // A hall's port gets another name on the interface that it has.
    let renamed = lab::now();
    recipe.port("hall-c").name = "lounge".to_owned();
    reload(&stage, &running, &recipe);
    wait_for_members(&running, &["hall-a", "hall-b", "lounge"]);
    hall_b.wait_for_stream(renamed);

    let (_, end) = stage.end_source(sender, &[hall_a, hall_b, hall_c]);
    let all = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!((all.held_until, all.ended_by), (None, None), "hall-a got all that the source sent");
    running.finish(&stage);
    stage.close();
}

#[test]
fn f42_settings_that_do_not_pass_change_nothing_and_each_problem_is_told() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, _] = &stage.halls[..] else { panic!() };
    let recipe = stage.recipe();
    let mut running = stage.start(&recipe);
    let _viewer = hall_a.join(&stage.lab, GROUP);
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);
    let used = stage.kernel_state();

    let refuses = |what: &str, change: &dyn Fn(String) -> String, words: &[&str]| {
        stage.rewrite(&recipe, change);
        let said = running.refuses(&Request::Reload);
        for words in words.iter().chain(&["nothing was changed"]) {
            assert!(said.contains(words), "{what}: no `{words}` in: {said}");
        }
        assert_eq!(stage.kernel_state(), used, "{what}");
    };
    refuses("broken TOML", &|text| text + "[[port\n", &["kernel.toml:", "TOML"]);
    let second = "[[port]]\nname = \"hall-a\"\ndevice = \"hall-b\"\n";
    refuses(
        "duplicate port",
        &|text| text + second,
        &["a second port is named \"hall-a\"", "takes the interface"],
    );
    refuses("no such upstream", &|text| text.replace("upstream = \"wan\"", "upstream = \"wam\""), &["wam"]);
    let missing = "[[port]]\nname = \"hall-z\"\ndevice = \"hall-z\"\naddress = \"10.9.0.1/24\"\n";
    refuses(
        "missing interface",
        &|text| text + missing,
        &["port \"hall-z\"", "there is no interface `hall-z`"],
    );
    // A port that would come beside one that cannot: neither does.
    stage.middle.ip("link add hall-c type veth peer name hall-d").unwrap();
    let used = stage.kernel_state();
    let both = missing.replace("hall-z", "hall-c").replace("10.9", "10.8") + missing;
    stage.rewrite(&recipe, |text| text + &both);
    let said = running.refuses(&Request::Reload);
    assert!(said.contains("there is no interface `hall-z`"), "{said}");
    assert_eq!(stage.kernel_state(), used);
    // More ports than there is memory for.
    for name in ["hall-e", "hall-f"] {
        stage.middle.ip(&format!("link add {name} type veth peer name {name}-far")).unwrap();
    }
    let used = stage.kernel_state();
    let three: String = ["hall-c", "hall-e", "hall-f"]
        .iter()
        .map(|name| {
            format!("[[port]]\nname = \"{name}\"\ndevice = \"{name}\"\nquerier-address = \"10.7.0.1\"\n")
        })
        .collect();
    stage.rewrite(&recipe, |text| text + &three);
    let said = running.refuses(&Request::Reload);
    assert!(said.contains("`max-ports = 6` or more"), "{said}");
    assert_eq!(stage.kernel_state(), used);
    // What only a restart can do is told, and everything else is done.
    stage.rewrite(&recipe, |text| text.replace("\"adaptive\"", "\"busy\"").replace("\"500ms\"", "\"400ms\""));
    let changed = running.change(&Request::Reload);
    assert!(changed.restart.iter().any(|line| line.contains("[worker] poll")), "{changed:?}");
    assert!(changed.applied.iter().any(|line| line.contains("last-member-query-interval")), "{changed:?}");
    let roomy = Recipe { max_ports: Some(6), ..recipe };
    stage.rewrite(&roomy, |text| text.replace("\"500ms\"", "\"400ms\""));
    let more = running.change(&Request::Reload);
    assert_eq!(more.restart, ["[eal] max-ports is 6, was not set: waits for a restart"]);

    running.expect_running();
    let (_, end) = stage.end_source(sender, &[hall_a]);
    assert_whole_to_the_end(&stage, hall_a, end);
    running.finish(&stage);
    stage.close();
}

#[test]
fn f42_the_providers_port_is_taken_away_under_joins_and_given_back() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let hall_a = &stage.halls[0];
    let recipe = stage.recipe();
    let running = stage.start(&recipe);
    let _viewer = hall_a.join(&stage.lab, GROUP);
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);

    let taken = lab::now();
    stage.rewrite(&recipe, |text| text.replace("upstream = \"wan\"\n", ""));
    running.change(&Request::Reload);
    let gone = lab::now();
    lab::stop::pause(BETWEEN).unwrap();
    let is_stream = |frame: &Frame| frame.is_data_to(GROUP.addr());
    assert_eq!(hall_a.wire.between(gone, lab::now(), is_stream).unwrap().len(), 0, "without a provider");
    let ours = |kind| move |f: &Frame| f.source == stage.router_mac && f.is_igmp(kind, GROUP.addr());
    stage.provider.wire.wait_for("a Leave", taken, SOON, ours(0x17)).unwrap();

    let back = lab::now();
    stage.rewrite(&recipe, |text| text);
    running.change(&Request::Reload);
    hall_a.wait_for_stream(back);
    stage.provider.wire.wait_for("a Join", back, SOON, ours(0x16)).unwrap();
    stage.end_source(sender, &[hall_a]);
    running.finish(&stage);
    stage.close();
}

/// A port as an edit of the live layer makes it.
fn edit(port: Option<&str>, key: &str, value: Option<&str>) -> api::Edit {
    api::Edit { port: port.map(str::to_owned), key: key.to_owned(), value: value.map(str::to_owned) }
}

fn change(edits: &[api::Edit]) -> Request {
    Request::change(edits.to_vec())
}

#[test]
fn edits_by_socket_are_all_or_none_and_outlive_a_restart() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let live = stage.lab.scratch().join("state/live.toml");
    let mut recipe = Recipe { live: Some(live.clone()), ..stage.recipe() };
    let PortRecipe { address, .. } = recipe.ports.pop().unwrap();
    let running = stage.start(&recipe);
    let _viewer = hall_a.join(&stage.lab, GROUP);
    wait_for_members(&running, &["hall-a"]);
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);
    let used = stage.kernel_state();

    let device = edit(Some("hall-b"), "device", Some("\"hall-b\""));
    let address = edit(Some("hall-b"), "address", Some(&format!("\"{address}\"")));
    let refused = [
        // The second of two is no value, no key, no port, or not for the socket to change.
        (vec![device.clone(), edit(Some("hall-a"), "fast-leave", Some("\"quick\""))], "fast-leave"),
        (vec![device.clone(), edit(Some("hall-a"), "fast-live", Some("true"))], "fast-leave"),
        (vec![device.clone(), edit(Some("hall-z"), "ignore-v1", Some("true"))], "hall-z"),
        (vec![device.clone(), edit(Some("hall-a"), "mtu", Some("9000"))], "mtu"),
        (vec![edit(Some("hall-b"), "device", Some("\"net_pcap0,tx_pcap=/etc/passwd\""))], "virtual device"),
        (vec![edit(Some("hall-b"), "device", Some("\"hall-z\""))], "no interface `hall-z`"),
    ];
    for (edits, words) in refused {
        let said = running.refuses(&change(&edits));
        assert!(said.contains(words), "no `{words}` in: {said}");
        assert_eq!(stage.kernel_state(), used, "{edits:?}");
        assert!(!live.exists(), "written for what was refused: {edits:?}");
    }
    // A live layer that cannot be written: the port does not come either.
    let folder = live.parent().unwrap();
    std::fs::write(folder, "in the way").unwrap();
    let said = running.refuses(&change(&[device.clone(), address.clone()]));
    assert!(said.contains("cannot be written"), "{said}");
    assert_eq!(stage.kernel_state(), used);
    std::fs::remove_file(folder).unwrap();

    let added = running.change(&change(&[device, address]));
    assert!(added.applied.iter().any(|line| line.contains("hall-b")), "{added:?}");
    let _second = hall_b.join(&stage.lab, GROUP);
    hall_b.wait_for_stream(Time::ZERO);
    let (_, end) = stage.end_source(sender, &[hall_a, hall_b]);
    let whole = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!((whole.held_until, whole.ended_by), (None, None), "hall-a got all that the source sent");
    running.finish(&stage);

    let running = stage.start(&recipe);
    assert!(is_guarded(&stage, "hall-b"), "the port is there after a restart");
    running.change(&change(&[edit(Some("hall-b"), "device", None)]));
    assert!(!is_guarded(&stage, "hall-b"));
    running.end(&stage);
    stage.close();
}

/// Memory that a process holds, in KiB.
fn resident_kib(stage: &Stage, running: &Running) -> u64 {
    let status = stage.middle.run("cat", &[&format!("/proc/{}/status", running.id())]).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line of memory");
    line.split_whitespace().nth(1).expect("a number").parse().unwrap()
}

#[test]
fn a_port_that_comes_and_goes_more_often_than_there_are_places_costs_nobody_anything() {
    /// More than the places in every table.
    const TIMES: usize = types::MAX_PORTS + 6;
    /// What the allocators may keep.
    const SLACK_KIB: u64 = 8 << 10;
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let live = stage.lab.scratch().join("live.toml");
    let mut recipe = Recipe { live: Some(live), ..stage.recipe() };
    let PortRecipe { address, .. } = recipe.ports.pop().unwrap();
    let running = stage.start(&recipe);
    let _viewer = hall_a.join(&stage.lab, GROUP);
    wait_for_members(&running, &["hall-a"]);
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);

    let comes = [
        edit(Some("hall-b"), "device", Some("\"hall-b\"")),
        edit(Some("hall-b"), "address", Some(&format!("\"{address}\""))),
    ];
    let (mut longest, mut early) = (0.0_f64, None);
    for time in 0..TIMES {
        running.change(&change(&comes));
        if time == 0 {
            let _second = hall_b.join(&stage.lab, GROUP);
            hall_b.wait_for_stream(Time::ZERO);
        }
        let gone = running.change(&change(&[edit(Some("hall-b"), "device", None)]));
        longest = longest.max(gone.removal_us.expect("the worker let go of it"));
        if time == TIMES / 4 {
            early = Some(resident_kib(&stage, &running));
        }
    }
    println!("{TIMES} times in and out; the worker stood still for {longest:.1} us at the most");
    let (early, late) = (early.expect("measured"), resident_kib(&stage, &running));
    assert!(late < early + SLACK_KIB, "{early} KiB, then {late} KiB");
    running.change(&change(&comes));
    let counted = running.counters("hall-b");
    assert!(counted.frames["tx-frames"] < 100, "what another port counted at its place: {counted:?}");

    let (_, end) = stage.end_source(sender, &[hall_a]);
    let whole = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!((whole.held_until, whole.ended_by), (None, None), "hall-a got all that the source sent");
    running.finish(&stage);
    stage.close();
}
