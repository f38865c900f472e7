//! What the kernel sends out of a port's interface comes back through the tap: it must not count as received.

use crate::stage::{Cabling, FOREIGN_GROUP, GROUP, PORT, Recipe, SECOND_GROUP, SOON, Stage};
use lab::{Host, Receiver, Sender};

#[test]
fn frames_that_the_kernel_sends_out_of_a_port_are_not_taken_as_received() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Direct);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    // af_xdp sees none of them.
    let mut recipe = Recipe { driver: "af_packet".to_owned(), ..stage.recipe() };
    // A client that sent such data would be forwarded.
    recipe.port("hall-a").more = "sources = true";
    let running = stage.start(&recipe);
    let _viewer = hall_b.join(&stage.lab, GROUP);
    let joined = |group| move |frame: &lab::Frame| frame.is_igmp(0x16, group);
    stage.provider.wire.wait_for("Join upstream", lab::now(), SOON, joined(GROUP.addr())).unwrap();

    // Somebody gives the interface an address after all; a program sends from it to the group, and joins another.
    let started = lab::now();
    let address = "192.0.2.9/32".parse().unwrap();
    stage.middle.ip(&format!("addr add {address} dev hall-a")).unwrap();
    let program = Host::existing("program", stage.middle.clone(), address);
    let sender = Sender::start(&stage.lab, &program, (GROUP, PORT), 16, 500).unwrap();
    let member = Receiver::join(&stage.lab, &program, (FOREIGN_GROUP, PORT)).unwrap();
    let about_foreign = |frame: &lab::Frame| {
        frame.igmp().is_some_and(|igmp| igmp.kind == 0x22) || frame.is_igmp(0x16, FOREIGN_GROUP.addr())
    };
    hall_a.wire.wait_for("the kernel's report in hall-a", started, SOON, about_foreign).unwrap();
    hall_a.wait_for_stream(started);
    lab::stop::pause(std::time::Duration::from_secs(1)).unwrap();
    let sent = sender.stop().unwrap().sent;
    drop(member);
    let counted = || Ok((running.drops("hall-a", "outgoing") > sent).then_some(()));
    lab::stop::poll(SOON, counted).unwrap().expect("a count of the data, and of the reports");
    let ended = lab::now();

    let in_hall_a = hall_a.stream(started, ended).len() as u64;
    assert_eq!(in_hall_a, sent, "on hall-a's wire once each, so none sent back out of it");
    for side in [&stage.provider, hall_b] {
        let frames = side.wire.between(started, ended, |f| f.is_data_to(GROUP.addr())).unwrap();
        assert_eq!(frames.len(), 0, "in {}: {}", side.name, frames[0]);
    }
    assert_eq!(running.members(FOREIGN_GROUP), [""; 0]);
    let upstream = stage.provider.wire.select(|f| f.igmp().is_some_and(|i| i.group == FOREIGN_GROUP.addr()));
    assert_eq!(upstream.len(), 0, "a Join of the box's own group went upstream");

    // The same data from a client is forwarded: the settings above do allow it.
    let from_client = lab::now();
    let client = Sender::start(&stage.lab, &hall_a.host, (GROUP, PORT), 16, 500).unwrap();
    hall_b.wait_for_stream(from_client);
    client.stop().unwrap();
    let _other = hall_a.join(&stage.lab, SECOND_GROUP);
    let report = joined(SECOND_GROUP.addr());
    stage.provider.wire.wait_for("a client's Join upstream", from_client, SOON, report).unwrap();
    running.finish(&stage);
    stage.close();
}
