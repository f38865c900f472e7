//! The ports as their links see them: answers, announcements.

use std::time::Duration;

use super::bench::{A, B, Bench, HOST, Plan, ROUTER, WAN, join, nth_group, port};

/// Who has 10.`port`.0.1? Asked by 10.`port`.0.9.
fn arp_request(port_index: usize) -> Vec<u8> {
    let net = [10, port_index as u8, 0];
    let mut frame = vec![0xff; 6];
    frame.extend(HOST.octets());
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(HOST.octets());
    frame.extend([net[0], net[1], net[2], 9]);
    frame.extend([0; 6]);
    frame.extend([net[0], net[1], net[2], 1]);
    frame
}

/// What was sent to neighbours since this was asked last: (port, destination, ARP operation).
fn arp_sent(bench: &mut Bench) -> Vec<(usize, bool, u8)> {
    let to_all = |frame: &[u8]| frame[..6] == [0xff; 6];
    let seen = |(_, port, frame): (_, usize, Vec<u8>)| {
        assert_eq!((&frame[6..12], &frame[12..14]), (&ROUTER.octets()[..], &[8, 6][..]));
        assert_eq!(frame[28..32], [10, port as u8, 0, 1], "its own address");
        (port, to_all(&frame), frame[21])
    };
    bench.outlet.others.drain(..).map(seen).collect()
}

#[test]
fn each_port_with_an_address_announces_itself_twice() {
    let mut bench = Bench::new(Plan::new().down(B));
    assert_eq!(arp_sent(&mut bench), [(WAN, true, 1), (A, true, 1)], "at once, where there is carrier");
    bench.run(Duration::from_millis(1_999));
    assert_eq!(arp_sent(&mut bench), []);
    bench.run(Duration::from_millis(1));
    assert_eq!(arp_sent(&mut bench), [(WAN, true, 1), (A, true, 1)], "RFC 5227, section 2.3");
    bench.run(Duration::from_secs(600));
    assert_eq!(arp_sent(&mut bench), []);
}

#[test]
fn a_link_that_comes_up_is_announced_to_and_one_that_went_is_not() {
    let mut bench = Bench::new(Plan::new());
    bench.link(A, false);
    bench.run(Duration::from_secs(10));
    assert_eq!(arp_sent(&mut bench).iter().filter(|(port, ..)| *port == A).count(), 1, "the first one only");
    bench.link(A, true);
    bench.run(Duration::from_secs(10));
    assert_eq!(arp_sent(&mut bench), [(A, true, 1); 2]);
}

#[test]
fn a_new_address_is_announced_and_an_old_one_is_not() {
    let mut bench = Bench::new(Plan::new().without_neighbours());
    assert_eq!(arp_sent(&mut bench), []);
    bench.configure(|c| c.ports[A].address = "10.1.0.1/24".parse().ok());
    bench.configure(|c| c.ports[B].sources = settings::Sources::Yes);
    bench.run(Duration::from_secs(10));
    assert_eq!(arp_sent(&mut bench), [(A, true, 1); 2]);
}

#[test]
fn who_asks_for_the_ports_address_is_answered_by_that_port() {
    let mut bench = Bench::new(Plan::new());
    bench.run(Duration::from_secs(10));
    arp_sent(&mut bench);
    bench.receive(A, &arp_request(A));
    assert_eq!(arp_sent(&mut bench), [(A, false, 2)]);
    bench.receive(B, &arp_request(A));
    assert_eq!(arp_sent(&mut bench), [], "another port's address");
    bench.agent.handle_frame(bench.now, port(A), &arp_request(A));
    bench.link(A, false);
    assert_eq!(arp_sent(&mut bench), [], "its carrier went before the answer did");
}

#[test]
fn a_flood_of_requests_is_bounded_and_holds_no_report_up() {
    let mut bench = Bench::new(Plan::new());
    bench.run(Duration::from_secs(10));
    bench.sent();
    arp_sent(&mut bench);
    for _ in 0..1000 {
        bench.agent.handle_frame(bench.now, port(A), &arp_request(A));
    }
    bench.agent.handle_frame(bench.now, port(B), &join(B, nth_group(1)));
    bench.outlet.room = 1;
    bench.poll();
    assert_eq!(bench.sent(), [(WAN, format!("report {}", nth_group(1)))], "IGMP first");
    assert_eq!(arp_sent(&mut bench), []);
    assert!(!bench.agent.has_output(), "nobody waits for room for an answer");
    bench.outlet.room = usize::MAX;
    bench.poll();
    assert_eq!(arp_sent(&mut bench), [], "nor is a late one sent");
    assert_eq!(bench.agent.neighbours.unsent, 1000);
}

#[test]
fn an_announcement_without_room_comes_later() {
    let mut bench = Bench::new(Plan::new());
    bench.run(Duration::from_secs(10));
    arp_sent(&mut bench);
    bench.link(A, false);
    bench.outlet.room = 0;
    bench.link(A, true);
    bench.run(Duration::from_secs(3));
    assert_eq!(arp_sent(&mut bench), []);
    bench.outlet.room = usize::MAX;
    bench.run(Duration::from_secs(5));
    assert_eq!(arp_sent(&mut bench), [(A, true, 1); 2]);
}
