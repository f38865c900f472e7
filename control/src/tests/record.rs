//! What is recorded runs again, and does the same.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::{Reply, Request};
use igmp::wire::Outgoing;
use settings::Sources;
use tempfile::TempDir;
use types::Time;

use super::bench::{A, Plan, from_host, join, leave, nth_group, port};
use crate::record::{Entry, Narrator, since};
use crate::{
    Agent, Configuration, PortRole, RecordEnd, RecordError, Recorder, Replayed, read_record, replay_record,
};

const START: Time = Time::from_nanos(5_000_000_000);

/// The SplitMix64 recurrence: the workload's chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// An agent that is recorded, and what it does in words.
struct Run {
    agent: Option<Agent>,
    now: Time,
    lines: Vec<String>,
    path: PathBuf,
    _dir: TempDir,
}

impl Run {
    fn new(plan: Plan) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        let now = START;
        let agent = Some(plan.agent(now).recorded(Recorder::start(&path).unwrap()));
        Self { agent, now, lines: Vec::new(), path, _dir: dir }
    }

    fn agent(&mut self) -> &mut Agent {
        self.agent.as_mut().unwrap()
    }

    fn receive(&mut self, port_index: usize, frame: &[u8]) {
        let now = self.now;
        self.agent().handle_frame(now, port(port_index), frame);
    }

    fn poll(&mut self, room: Option<u32>) {
        let Self { agent, now, lines, .. } = self;
        let agent = agent.as_mut().unwrap();
        let configuration = agent.configuration.clone();
        let mut narrator = Narrator::new(&configuration, |at, line: &str| {
            lines.push(format!("{:?} {line}", since(START, at)));
        });
        narrator.room = room;
        agent.poll(*now, &mut narrator);
    }

    /// Lets the next timer fire late, by what a busy machine takes.
    fn wait(&mut self, chance: &mut Chance) {
        let step = Duration::from_micros(1 + chance.below(3_000_000));
        let end = self.now + step;
        while let Some(at) = self.agent().next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at) + Duration::from_nanos(chance.below(50_000));
            self.poll(None);
        }
        self.now = self.now.max(end);
    }

    /// Ends it as the process does; the lines, and the file.
    fn end(mut self) -> (Vec<String>, PathBuf, TempDir) {
        let now = self.now;
        self.agent().shutdown(now);
        self.poll(None);
        drop(self.agent.take());
        (self.lines, self.path, self._dir)
    }
}

fn replayed(path: &Path) -> (Vec<String>, Result<Replayed, RecordError>) {
    let mut lines = Vec::new();
    let result = read_record(path)
        .and_then(|record| replay_record(record, |at, line| lines.push(format!("{at:?} {line}"))));
    (lines, result)
}

fn change(configuration: &mut Configuration, chance: &mut Chance) {
    let index = A + chance.below(2) as usize;
    let Some(port) = configuration.ports.iter_mut().find(|port| port.index.get() == index) else { return };
    let PortRole::Client(client) = &mut port.role else { return };
    match chance.below(7) {
        0 => client.ignore_v1 ^= true,
        1 => client.fast_leave = igmp::FastLeave::Tracked,
        2 => client.fast_leave = igmp::FastLeave::Single,
        3 => client.static_groups = vec![nth_group(chance.below(20) as u16)],
        4 => port.sources = Sources::Yes,
        5 => client.mac = Some(types::MacAddr([2, 0, 0, 0, 1, index as u8])),
        _ => configuration.enabled ^= true,
    }
}

/// Hosts, routers, links, settings and a slow worker, all by chance.
fn any_run(seed: u64) -> Run {
    let chance = &mut Chance(seed);
    let mut run = Run::new(Plan::new());
    for _ in 0..400 {
        let host = A + chance.below(2) as usize;
        let group = nth_group(chance.below(20) as u16);
        match chance.below(12) {
            0..=4 => run.receive(host, &join(host, group)),
            5..=6 => run.receive(host, &leave(host, group)),
            7 => run.receive(host, &from_host(host, Outgoing::ReportV1(group))),
            8 => {
                let asked = chance.below(3) as usize;
                let max_resp_ds = chance.below(256) as u8;
                run.receive(asked, &from_host(asked, Outgoing::GeneralQuery { max_resp_ds }));
            }
            9 => {
                let (now, up) = (run.now, chance.below(2) == 0);
                let index = port(chance.below(3) as usize);
                run.agent().handle_link(now, index, up);
            }
            10 => {
                let now = run.now;
                let mut next = run.agent().configuration.clone();
                change(&mut next, chance);
                run.agent().configure(now, next);
            }
            _ => run.wait(chance),
        }
        if chance.below(3) == 0 {
            let room = (chance.below(3) == 0).then(|| chance.below(3) as u32);
            run.poll(room);
        }
    }
    run.poll(None);
    run
}

#[test]
fn what_was_recorded_runs_again_to_the_byte() {
    for seed in 0..40 {
        let (lines, path, _dir) = any_run(seed).end();
        let (again, result) = replayed(&path);
        let result = result.unwrap();
        assert_eq!((result.lost, result.end), (0, RecordEnd::Closed), "seed {seed}");
        assert!(lines.len() > 100, "seed {seed}: {} lines", lines.len());
        for (line, (was, is)) in lines.iter().zip(&again).enumerate() {
            assert_eq!(was, is, "seed {seed}, line {line}");
        }
        assert_eq!(lines.len(), again.len(), "seed {seed}");
    }
}

#[test]
fn a_record_cut_off_by_a_crash_runs_up_to_the_cut() {
    let (lines, path, _dir) = any_run(7).end();
    let whole = std::fs::read(&path).unwrap();
    let first_line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in [first_line, first_line + 10, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let (again, result) = replayed(&path);
        assert_eq!(result.unwrap().end, RecordEnd::Cut, "{cut} bytes");
        assert_eq!(again, lines[..again.len()], "{cut} bytes");
    }
    // A file system that kept the length and lost the last block.
    let mut zeroed = whole[..whole.len() / 2].to_vec();
    zeroed.extend([0; 100]);
    std::fs::write(&path, &zeroed).unwrap();
    assert_eq!(replayed(&path).1.unwrap().end, RecordEnd::Cut);
}

#[test]
fn what_is_no_record_is_told_from_a_broken_one() {
    let (_, path, _dir) = any_run(1).end();
    let text = std::fs::read_to_string(&path).unwrap();
    let refusal = |text: &str| {
        std::fs::write(&path, text).unwrap();
        replayed(&path).1.unwrap_err().to_string()
    };
    assert!(refusal("").contains("it is no record"));
    assert!(refusal("{\"poll\":{\"at_ns\":1}}\n").contains("it is no record"));
    let other = text.replacen("\"version\":1", "\"version\":2", 1);
    assert!(refusal(&other).contains("version 2 of the format"), "{other}");
    let unknown = "{\"begin\":{\"version\":3,\"of\":\"another time\"}}\n";
    assert!(refusal(unknown).contains("version 3 of the format"));
    let mut lines: Vec<_> = text.lines().collect();
    lines[4] = "{\"frame\":{\"at_ns\":1,\"port\":64,\"bytes\":\"00\"}}";
    assert!(refusal(&(lines.join("\n") + "\n")).starts_with("line 5 is broken: a port's index is below 64"));
    lines[4] = "{\"frame\":{\"at_ns\":1,\"port\":1,\"bytes\":\"0g\"}}";
    assert!(refusal(&(lines.join("\n") + "\n")).starts_with("line 5 is broken"));
}

#[test]
fn an_earlier_record_is_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("r"), dir.path().join("r.old"));
    for round in 0..3u64 {
        let mut recorder = Recorder::start(&path).unwrap();
        recorder.put(Entry::Gap { lost: round });
        drop(recorder);
        assert!(std::fs::read_to_string(&path).unwrap().contains(&format!("\"lost\":{round}")));
        assert_eq!(old.exists(), round > 0);
    }
    assert!(std::fs::read_to_string(&old).unwrap().contains("\"lost\":1"));
}

#[test]
fn a_record_ends_where_it_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r");
    let mut recorder = Recorder::start_within(&path, 16, 1000).unwrap();
    while recorder.is_open() {
        recorder.put(Entry::Frame { at: Time::ZERO, port: port(A), bytes: vec![7; 100] });
        std::thread::yield_now();
    }
    drop(recorder);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!((1000..1400).contains(&text.len()), "{} bytes", text.len());
    assert!(text.ends_with("{\"end\":\"full\"}\n"), "{text}");
}

#[test]
fn a_record_that_cannot_be_written_as_fast_as_it_comes_tells_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    // Both ends, so that opening it waits for nobody; nobody reads until the writer is stuck.
    let mut pipe = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let mut recorder = Recorder::to(file, "pipe".to_owned(), 4, u64::MAX).unwrap();
    let mut put = 0;
    while recorder.lost() < 50 {
        recorder.put(Entry::Frame { at: Time::from_nanos(put), port: port(A), bytes: vec![7; 1000] });
        put += 1;
    }
    let ending = std::thread::spawn(move || drop(recorder));
    let mut text = Vec::new();
    while !text.ends_with(b"{\"end\":\"closed\"}\n") {
        let mut bytes = [0; 4096];
        let read = pipe.read(&mut bytes).unwrap();
        text.extend(&bytes[..read]);
    }
    ending.join().unwrap();
    pipe.flush().unwrap();
    let text = String::from_utf8(text).unwrap();
    let frames = text.lines().filter(|line| line.starts_with("{\"frame\"")).count() as u64;
    let lost: u64 = text
        .lines()
        .filter_map(|line| line.strip_prefix("{\"gap\":{\"lost\":")?.strip_suffix("}}")?.parse::<u64>().ok())
        .sum();
    assert_eq!(frames + lost, put);
    assert!(lost >= 50);
}

#[test]
fn a_gap_is_told_by_the_replay() {
    let (_, path, _dir) = any_run(3).end();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines[3] = "{\"gap\":{\"lost\":5}}";
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let result = replayed(&path).1.unwrap();
    assert_eq!(result.lost, 5);
    assert!(result.to_string().contains("5 are missing"), "{result}");
}

/// Where writing fails: of whatever kind the file system is, this device is always full.
#[test]
fn a_record_that_cannot_be_written_is_told_by_the_status() {
    let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let recorder = Recorder::to(file, "/var/r".to_owned(), 16, u64::MAX).unwrap();
    let state = recorder.state();
    let mut agent = Plan::new().agent(START).recorded(recorder);
    while state.ended().is_none() {
        std::thread::yield_now();
    }
    let Reply::Status(status) = agent.handle_request(START, Request::ShowStatus) else { panic!("no status") };
    let record = status.record.unwrap();
    assert_eq!(record.path, "/var/r");
    let why = record.ended.unwrap();
    assert!(why.contains("No space left") && why.contains("restart"), "{why}");
}
