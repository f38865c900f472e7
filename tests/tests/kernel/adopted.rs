//! Interfaces that vanish while Manifold starts: after it has looked at them, and before it watches them.

use crate::late_device::LateDevice;
use crate::stage::{Cabling, GROUP, SOON, Stage};
use api::{Client, Outage};
use std::fs;

const RATE: u32 = 500;

#[test]
fn interfaces_that_vanish_while_manifold_starts_are_taken_when_they_are_back() {
    let stage = Stage::new(&["hall-a", "hall-b"], Cabling::Bridged);
    let [hall_a, hall_b] = &stage.halls[..] else { panic!() };
    let live = stage.lab.scratch().join("live.toml");
    let mut recipe = stage.recipe();
    // What was added while Manifold ran does not keep it from starting.
    let added = recipe.ports.pop().unwrap();
    let (name, device, address) = (added.name, added.device, added.address);
    let text = format!("[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\naddress = \"{address}\"\n");
    fs::write(&live, text).unwrap();
    recipe.live = Some(live);
    // DPDK waits there for a capture, with the interfaces looked at and not yet open.
    let late = LateDevice::new(&stage);
    recipe.ports.push(late.port());

    let running = std::thread::scope(|scope| {
        scope.spawn(|| {
            let waiting = late.wait();
            for hall in [hall_a, hall_b] {
                stage.middle.ip(&format!("link del {}", hall.name)).unwrap();
            }
            // Another one to the kernel, under the name that DPDK opens.
            hall_a.lay_cable(&stage);
            waiting.let_go();
        });
        stage.start(&recipe)
    });
    running.wait_for_log(&["WARN", "hall-a", "vanished"]);
    let _viewers = [hall_a, hall_b].map(|hall| hall.join(&stage.lab, GROUP));
    let sender = stage.start_source(RATE);
    let began = lab::now();
    hall_a.wait_for_stream(began);
    let outage = || {
        let ports = Client::connect(running.socket()).unwrap().ports().unwrap().ports;
        ports.into_iter().find(|view| view.name == "hall-b").unwrap().outage
    };
    let gone = || Ok((outage() == Some(Outage::Gone)).then_some(()));
    lab::stop::poll(SOON, gone).unwrap().unwrap_or_else(|| panic!("{:?}", outage()));

    let back = lab::now();
    hall_b.lay_cable(&stage);
    hall_b.wait_for_stream(back);
    assert_eq!(outage(), None);
    sender.stop().unwrap();
    running.expect_balance();
    running.kill();
    stage.close();
}
