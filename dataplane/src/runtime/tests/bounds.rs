//! What one pass of a worker does has bounds, whatever waits for it: so no pass is long by itself.

use std::time::Instant;

use dpdk::Burst;
use forwarding::BURST;

use super::alone::alone;
use super::crew::{Devised, Parts, index};
use crate::crew::Hand;
use crate::desk::{Order, Take};
use crate::sizes::{BURSTS_A_PASS, INJECT_RING, INJECTED_A_PASS};
use crate::worker::LAST_FRAMES;

/// Two sources without end, and a sink.
const SETTINGS: &str = "[proxy]\nupstream = \"wan\"\n[eal]\nhugepages = \"no\"\n[paths]\nlive = false\n\
    [[port]]\nname = \"wan\"\ndevice = \"net_null0\"\naddress = \"10.0.0.1/24\"\n\
    [[port]]\nname = \"hall-a\"\ndevice = \"net_null1\"\naddress = \"10.1.0.1/24\"\n\
    [[port]]\nname = \"sink\"\ndevice = \"net_null2,no-rx=1\"\naddress = \"10.2.0.1/24\"\n";
const SOURCES: u64 = 2;

fn settings() -> String {
    let instance = format!("[proxy]\ninstance = \"bounds-{}\"\n", std::process::id());
    SETTINGS.replacen("[proxy]\n", &instance, 1)
}

#[test]
fn a_pass_takes_some_bursts_of_each_queue_and_some_frames_of_control_and_one_order() {
    alone(
        "runtime::tests::bounds::a_pass_takes_some_bursts_of_each_queue_and_some_frames_of_control_and_one_order",
        || {
            let mut devised = Devised::start(&settings(), 1);
            let Parts { mut hands, mut inject, .. } = devised.parts();
            let Some(Hand { seed, desk, meter, .. }) = hands.pop() else { panic!("no worker") };
            let counters = seed.counters.clone();
            let injected = || counters.port(index(2)).injected.get();
            let mut worker = seed.worker();
            let mut burst = Burst::<BURST>::new();
            for source in 0..SOURCES as usize {
                desk.order(Order::PutIn(index(source), devised.take_queues(source)));
                worker.housekeep();
                assert_eq!(meter.snapshot().rx_queues, source as u64 + 1);
            }

            // All that control may ever have waiting.
            let mut waiting = 0;
            while inject.send(index(2), &[0; 60]).is_ok() {
                waiting += 1;
            }
            assert!(waiting >= INJECT_RING, "{waiting}");
            for pass in 1..=(waiting / INJECTED_A_PASS) as u64 {
                assert!(worker.pass(&mut burst).is_some());
                let received = pass * SOURCES * (BURSTS_A_PASS * BURST) as u64;
                assert_eq!(meter.snapshot().frames, received, "of each queue the same, and no more");
                assert_eq!(injected(), pass * INJECTED_A_PASS as u64, "and no more of control's");
            }

            // Several orders wait: each gives way to frames.
            for source in 0..SOURCES as usize {
                desk.order(Order::TakeOut(index(source), Take::Receive));
            }
            for left in (0..SOURCES).rev() {
                worker.housekeep();
                assert_eq!(meter.snapshot().rx_queues, left);
            }
            drop(worker);
            drop(desk);
            devised.end();
        },
    );
}

/// A NIC that is stopped sends nothing of its ring: who stops it gives it time, at the end and when a port goes.
#[test]
fn what_control_sends_last_has_time_to_leave_before_a_port_stops() {
    alone("runtime::tests::bounds::what_control_sends_last_has_time_to_leave_before_a_port_stops", || {
        let mut devised = Devised::start(&settings(), 1);
        let Parts { hands, stop, mut inject, .. } = devised.parts();
        let counters = hands[0].seed.counters.clone();
        let sent = || (counters.port(index(2)).injected.get(), counters.port(index(2)).tx_frames.get());
        let crew = devised.run(hands, stop);
        let mut send = |frames: usize| (0..frames).for_each(|_| inject.send(index(2), &[0; 60]).unwrap());
        let a_lot = 3 * INJECTED_A_PASS;

        send(a_lot);
        let began = Instant::now();
        crew.await_sent();
        assert_eq!(sent(), (a_lot as u64, a_lot as u64));
        assert!(began.elapsed() >= LAST_FRAMES);

        send(a_lot);
        let began = Instant::now();
        assert!(crew.end());
        assert_eq!(sent(), (2 * a_lot as u64, 2 * a_lot as u64));
        assert!(began.elapsed() >= LAST_FRAMES, "the ports stopped at once");
        devised.end();
    });
}
