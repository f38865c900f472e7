//! The backend comes and goes, and its clients mean no good: streams notice nothing (f43).

use crate::service::Backend;
use crate::stage::{Cabling, GROUP, SOON, Stage};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use types::Time;

const RATE: u32 = 2_000;
/// Between two deaths of the backend.
const WATCH: Duration = Duration::from_millis(400);

/// Connections that say nothing, half a head, or a body without end.
fn nuisances(backend: &Backend) -> Vec<TcpStream> {
    let heads: [&[u8]; 3] =
        [b"", b"Half-A-Head: ", b"Content-Type: application/json\r\nContent-Length: 9999999\r\n\r\n{"];
    let several = (0..60).map(|n| {
        let mut stream = backend.open("/api/v1/groups");
        let _ = stream.write_all(heads[n % heads.len()]);
        stream
    });
    several.collect()
}

#[test]
fn f43_a_backend_that_is_killed_or_beset_costs_no_frame() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let [hall_a] = &stage.halls[..] else { panic!() };
    let running = stage.start(&stage.recipe());
    let mut backend = Backend::start(&stage.lab.scratch().join("backend"), running.socket());
    let _viewer = hall_a.join(&stage.lab, GROUP);
    let member = || Ok((running.members(GROUP) == ["hall-a"]).then_some(()));
    lab::stop::poll(SOON, member).unwrap().expect("a member");
    let sender = stage.start_source(RATE);
    hall_a.wait_for_stream(Time::ZERO);
    for _ in 0..4 {
        // Pages that look, in the midst of it.
        let mut pages: Vec<_> = (0..8).map(|_| backend.open("/api/v1/stream")).collect();
        for page in &mut pages {
            page.write_all(b"\r\n").unwrap();
            page.read_exact(&mut [0; 64]).unwrap();
        }
        let beset = nuisances(&backend);
        assert!(backend.get("/api/v1/groups").contains(&GROUP.to_string()));
        assert!(backend.get("/metrics").contains("manifold_up 1\n"));
        lab::stop::pause(WATCH).unwrap();
        backend.restart();
        drop((pages, beset));
    }
    // All that looked is gone, and the proxy has as many connections to give as before.
    assert!(backend.get("/api/v1/status").contains("\"up\":true"));
    backend.kill();
    let (sent, end) = stage.end_source(sender, &[hall_a]);
    let all = stage.delivered(hall_a, Time::ZERO, end).unwrap();
    assert_eq!(all.datagrams as u64, sent, "hall-a got each, in order");
    running.finish(&stage);
    stage.close();
}
