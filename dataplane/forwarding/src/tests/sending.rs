//! A worker's transmit side held to a simple model: what each port is to get, one frame after the other, whatever runs,
//! batches, copies and full queues there are in between.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;
use types::{BURST, DropReason, FramePool, GroupAddr, MAX_PORTS, MacAddr, PortIndex, PortSet};

use super::bench::{Bench, ROUTER, group, ip_frame, port, settings, with_checksum};
use crate::{
    Egress, EgressMacs, Ingress, IngressSettings, OwnedBurst, PlainFrame, PlainPool, PlainQueue, PlainRun,
    PortsEgress, SharedFrame, WorkerCounters, worker_counters,
};

/// Where clients are. The last is out of service to begin with: a mask can be a moment late.
const CLIENTS: [usize; 8] = [1, 2, 3, 7, 31, 32, 62, 63];
const GROUPS: usize = 6;
/// Frames that a driver has at most after it took them.
const MOST_KEPT: usize = 40;
/// Buffers: a run, and what each port collects and keeps, and more.
const BUFFERS: usize = 2 * BURST + CLIENTS.len() * (2 * BURST + MOST_KEPT) + 100;
/// Bytes of the longest frame.
const LONGEST: usize = 200;

/// What a port's driver was given.
#[derive(Default)]
struct Given {
    frames: Vec<Vec<u8>>,
    /// How many of them it took.
    taken: u64,
    /// What it has still, and what that looked like when it took it.
    kept: VecDeque<(SharedFrame, Vec<u8>)>,
}

/// How a driver treats frames.
#[derive(Debug, Clone)]
struct Habits {
    /// What it takes, call by call; begins anew at the end. It takes all when there is no call.
    rooms: Vec<usize>,
    /// What it keeps until further frames come.
    keeps: usize,
}

struct Driver {
    habits: Habits,
    calls: usize,
    given: Rc<RefCell<Given>>,
}

impl PlainQueue for Driver {
    fn take(&mut self, frames: &[SharedFrame]) -> usize {
        assert!(!frames.is_empty(), "no driver is called for nothing");
        let given = &mut *self.given.borrow_mut();
        let room = self.habits.rooms.iter().cycle().nth(self.calls % self.habits.rooms.len().max(1));
        self.calls += 1;
        let taken = frames.len().min(room.copied().unwrap_or(usize::MAX));
        given.frames.extend(frames.iter().map(|frame| frame.bytes().to_vec()));
        given.taken += taken as u64;
        given.kept.extend(frames[..taken].iter().map(|frame| (frame.clone(), frame.bytes().to_vec())));
        while given.kept.len() > self.habits.keeps {
            let (frame, as_taken) = given.kept.pop_front().expect("there is one");
            assert_eq!(frame.bytes(), as_taken, "a frame changed while a driver had it");
        }
        taken
    }
}

/// Frames alike.
#[derive(Debug, Clone)]
struct Alike {
    group: usize,
    payload: usize,
    padding: usize,
    /// The UDP checksum is left to a NIC.
    unfinished: bool,
    times: usize,
}

#[derive(Debug, Clone)]
enum Step {
    Burst(Vec<Alike>),
    Inject { client: usize, len: usize },
    Flush,
    Mac { client: usize, own: bool },
    TakeOut { client: usize },
    PutIn { client: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS.len();
    let alike =
        (0..GROUPS, 0..100usize, prop_oneof![3 => Just(0), 1 => 1..9usize], any::<bool>(), 1..20usize);
    let alike = alike.prop_map(|(group, payload, padding, unfinished, times)| Alike {
        group,
        payload,
        padding,
        unfinished,
        times,
    });
    prop_oneof![
        6 => proptest::collection::vec(alike, 1..8).prop_map(Step::Burst),
        2 => (client(), 14..LONGEST).prop_map(|(client, len)| Step::Inject { client, len }),
        2 => Just(Step::Flush),
        2 => (client(), any::<bool>()).prop_map(|(client, own)| Step::Mac { client, own }),
        1 => client().prop_map(|client| Step::TakeOut { client }),
        1 => client().prop_map(|client| Step::PutIn { client }),
    ]
}

fn habits() -> impl Strategy<Value = Habits> {
    let rooms = prop_oneof![2 => Just(Vec::new()), 1 => proptest::collection::vec(0..70usize, 1..4)];
    let keeps = prop_oneof![Just(0), 1..MOST_KEPT];
    (rooms, keeps).prop_map(|(rooms, keeps)| Habits { rooms, keeps })
}

/// Members of each group, how each client's driver is, who has a MAC of his own at first, and what happens.
type Story = (Vec<u8>, Vec<Habits>, u8, Vec<Step>);

fn story() -> impl Strategy<Value = Story> {
    let members = proptest::collection::vec(prop_oneof![any::<u8>(), Just(u8::MAX)], GROUPS);
    let own = prop_oneof![Just(0), any::<u8>()];
    (
        members,
        proptest::collection::vec(habits(), CLIENTS.len()),
        own,
        proptest::collection::vec(step(), 1..24),
    )
}

fn client(number: usize) -> PortIndex {
    port(CLIENTS[number])
}

fn own_mac(port: PortIndex) -> MacAddr {
    MacAddr([2, 0, 0, 0, 1, port.get() as u8])
}

fn group_of(number: usize) -> GroupAddr {
    group(&format!("239.2.2.{}", number + 1))
}

/// The sum of RFC 1071.
fn sum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    let sum: u64 = bytes.chunks(2).map(word).sum();
    // One's complement: what is carried out comes in again.
    let sum = sum % 0xffff;
    if sum == 0 && bytes.iter().any(|byte| *byte != 0) { 0xffff } else { sum as u16 }
}

fn pseudo_header(frame: &[u8]) -> Vec<u8> {
    [&frame[26..34], &[0, 17], &frame[38..40]].concat()
}

impl Alike {
    /// What comes in, without padding.
    fn frame(&self) -> Vec<u8> {
        let len = 8 + self.payload as u16;
        let [high, low] = len.to_be_bytes();
        let mut datagram = vec![0x13, 0x88, 0x13, 0x88, high, low, 0, 0];
        datagram.extend((0..self.payload).map(|at| (at * 7 + self.group) as u8));
        let to = group_of(self.group);
        let mut frame = ip_frame(to.mac(), [10, 0, 0, 9], to.addr().octets(), 17, &datagram);
        if self.unfinished {
            let pseudo = sum(&pseudo_header(&frame));
            frame[40..42].copy_from_slice(&pseudo.to_be_bytes());
        }
        frame
    }

    fn received(&self) -> Vec<u8> {
        let mut frame = self.frame();
        frame.resize(frame.len() + self.padding, 0xee);
        frame
    }

    /// What leaves by a port that sends from `mac`.
    fn leaves(&self, mac: MacAddr) -> Vec<u8> {
        let mut frame = self.frame();
        frame[6..12].copy_from_slice(&mac.octets());
        frame[22] -= 1;
        if self.unfinished {
            frame[40..42].fill(0);
            let checksum = match !sum(&[pseudo_header(&frame), frame[34..].to_vec()].concat()) {
                0 => u16::MAX,
                checksum => checksum,
            };
            frame[40..42].copy_from_slice(&checksum.to_be_bytes());
        }
        with_checksum(frame)
    }
}

/// What is to become of one client's frames.
#[derive(Default)]
struct Expected {
    own_mac: bool,
    serves: bool,
    frames: Vec<Vec<u8>>,
    injected: u64,
    out_of_service: u64,
    /// Some take a buffer of their own.
    needs_buffers: bool,
}

impl Expected {
    fn gets(&mut self, frame: Vec<u8>) {
        if self.serves {
            self.frames.push(frame);
        } else {
            self.out_of_service += 1;
        }
    }
}

struct Stage {
    bench: Bench,
    members: Vec<PortSet>,
    habits: Vec<Habits>,
    egress: PortsEgress<PlainRun<Driver>>,
    macs: Arc<EgressMacs>,
    counters: WorkerCounters,
    received: PlainPool,
    given: Vec<Rc<RefCell<Given>>>,
    expected: Vec<Expected>,
}

impl Stage {
    /// With all but the last client in service; copies get their buffers from `copies`.
    fn new(members: &[u8], habits: Vec<Habits>, own: u8, copies: &PlainPool) -> Self {
        let mut bench = Bench::new();
        let ingress = Ingress::new(&IngressSettings { completes_udp: true, ..settings() });
        bench.forwarder.set_ingress(port(0), ingress);
        bench.masks.set_forward(port(0), (0..CLIENTS.len()).map(client).collect());
        let of = |bits: &u8| (0..CLIENTS.len()).filter(|n| bits & 1 << n != 0).map(client).collect();
        let members: Vec<PortSet> = members.iter().map(of).collect();
        for (number, ports) in members.iter().enumerate() {
            ports.iter().for_each(|port| bench.table.set(group_of(number), port).unwrap());
        }
        bench.forwarder.table().quiesce();
        let (macs, counters) = (Arc::new(EgressMacs::new()), worker_counters().0);
        let egress = PortsEgress::new(counters.clone(), copies.clone(), Arc::clone(&macs));
        let mut stage = Self {
            bench,
            members,
            habits,
            egress,
            macs,
            counters,
            received: PlainPool::new(BUFFERS, LONGEST),
            given: CLIENTS.map(|_| Rc::default()).into(),
            expected: CLIENTS.map(|_| Expected::default()).into(),
        };
        for number in 0..CLIENTS.len() {
            stage.take(&Step::Mac { client: number, own: own & 1 << number != 0 });
            if number + 1 < CLIENTS.len() {
                stage.take(&Step::PutIn { client: number });
            }
        }
        stage
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Burst(ref frames) => self.receive(frames),
            Step::Inject { client: number, len } => {
                let (frame, expected) = (vec![number as u8; len], &mut self.expected[number]);
                self.egress.inject(client(number), &frame);
                expected.gets(frame);
                expected.injected += 1;
                expected.needs_buffers = true;
            }
            Step::Flush => self.egress.flush(),
            Step::Mac { client: number, own } => {
                // A run that has begun may leave by either.
                self.egress.flush();
                self.macs.set(client(number), own.then(|| own_mac(client(number))));
                self.expected[number].own_mac = own;
            }
            Step::TakeOut { client: number } => {
                let queue = self.egress.remove_port(client(number));
                assert_eq!(queue.is_some(), self.expected[number].serves);
                self.expected[number].serves = false;
            }
            Step::PutIn { client: number } if !self.expected[number].serves => {
                self.egress.flush();
                let (habits, given) = (self.habits[number].clone(), Rc::clone(&self.given[number]));
                self.egress.add_port(client(number), Driver { habits, calls: 0, given });
                self.expected[number].serves = true;
            }
            Step::PutIn { .. } => {}
        }
    }

    fn receive(&mut self, alike: &[Alike]) {
        let frames = alike.iter().flat_map(|alike| std::iter::repeat_n(alike, alike.times)).take(BURST);
        let mut burst = OwnedBurst::<PlainFrame>::default();
        for alike in frames {
            burst.0.push(self.received.frame_of(&alike.received()).expect("nobody keeps as many"));
            for (number, expected) in self.expected.iter_mut().enumerate() {
                let port = client(number);
                if self.members[alike.group].contains(port) {
                    let mac = if expected.own_mac { own_mac(port) } else { ROUTER };
                    expected.gets(alike.leaves(mac));
                    expected.needs_buffers |= expected.own_mac;
                }
            }
        }
        let now = self.bench.now;
        self.bench.forwarder.forward(|| now, port(0), &mut burst, &mut self.egress);
        assert!(burst.0.is_empty());
    }

    /// What the clients' drivers got, and what was counted, is what was to be.
    fn check(&self, few_buffers: bool) -> Result<(), TestCaseError> {
        for (number, expected) in self.expected.iter().enumerate() {
            let (given, counters) = (self.given[number].borrow(), self.counters.port(client(number)));
            let dropped = |reason| counters.dropped(reason).get();
            let lost = dropped(DropReason::NoBuffer);
            if few_buffers && expected.needs_buffers {
                // What found no buffer is missing, and the rest in order.
                let mut rest = expected.frames.iter();
                let in_order = given.frames.iter().all(|frame| rest.any(|other| other == frame));
                prop_assert!(in_order, "client {}", number);
                prop_assert_eq!(given.frames.len() as u64 + lost, expected.frames.len() as u64);
            } else {
                prop_assert_eq!(&given.frames, &expected.frames, "client {}", number);
                prop_assert_eq!(lost, 0);
            }
            let refused = given.frames.len() as u64 - given.taken;
            prop_assert_eq!((counters.tx_frames.get(), dropped(DropReason::TxFull)), (given.taken, refused));
            prop_assert_eq!(counters.injected.get(), expected.injected);
            prop_assert_eq!(dropped(DropReason::OutOfService), expected.out_of_service);
            if refused == 0 {
                let bytes: usize = given.frames.iter().map(Vec::len).sum();
                prop_assert_eq!(counters.tx_bytes.get(), bytes as u64);
            }
        }
        let others = (0..MAX_PORTS).filter(|index| !CLIENTS.contains(index));
        prop_assert_eq!(others.map(|index| self.counters.port(port(index)).tx_frames.get()).sum::<u64>(), 0);
        Ok(())
    }

    /// Buffers that drivers have.
    fn kept(&self) -> usize {
        let mut buffers = HashSet::new();
        for given in &self.given {
            buffers.extend(given.borrow().kept.iter().map(|(frame, _)| frame.bytes().as_ptr()));
        }
        buffers.len()
    }

    /// The drivers are done with all they have, which is as it was.
    fn let_go(self) -> Result<(), TestCaseError> {
        for (frame, as_taken) in self.given.iter().flat_map(|given| given.take().kept) {
            prop_assert_eq!(frame.bytes(), as_taken);
        }
        Ok(())
    }
}

/// Plays the story; with `few` buffers for copies where that is given, with enough otherwise.
fn play((members, habits, own, steps): Story, few: Option<usize>) -> Result<(), TestCaseError> {
    let copies = PlainPool::new(few.unwrap_or(BUFFERS), LONGEST);
    let mut stage = Stage::new(&members, habits, own, &copies);
    let received = stage.received.clone();
    let all = received.available() + copies.available();
    for step in &steps {
        stage.take(step);
    }
    stage.egress.flush();
    stage.check(few.is_some())?;
    // What was refused, copied or sent is back, and once: only drivers have something.
    prop_assert_eq!(received.available() + copies.available() + stage.kept(), all);
    stage.let_go()?;
    prop_assert_eq!(received.available() + copies.available(), all);
    Ok(())
}

#[test]
fn a_frame_too_long_for_a_copy_costs_those_behind_it_nothing() {
    let copies = PlainPool::new(BUFFERS, 100);
    // Whoever keeps the frames has the next port get copies.
    let keeping = Habits { rooms: Vec::new(), keeps: MOST_KEPT };
    let mut stage = Stage::new(&[0; GROUPS], CLIENTS.map(|_| keeping.clone()).into(), 0b10, &copies);
    let frames = [60, 150, 150, 61].map(|len| vec![7; len]);
    let run: Vec<_> = frames.iter().map(|frame| stage.received.frame_of(frame).unwrap()).collect();
    let bytes = frames.iter().map(|frame| frame.len() as u64).sum();
    stage.egress.replicate(run.into_iter(), bytes, [client(0), client(1)].into_iter().collect());
    stage.egress.flush();
    let lengths =
        |number: usize| stage.given[number].borrow().frames.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!((lengths(0), lengths(1)), (vec![60, 150, 150, 61], vec![60, 61]));
    let counters = stage.counters.port(client(1));
    let dropped = |reason| counters.dropped(reason).get();
    assert_eq!((dropped(DropReason::Mtu), dropped(DropReason::NoBuffer)), (2, 0));
    assert_eq!((counters.tx_frames.get(), counters.tx_bytes.get()), (2, 121));
    stage.let_go().unwrap();
    assert_eq!(copies.available(), BUFFERS);
}

proptest! {
    #[test]
    fn every_port_of_a_frames_set_is_given_it_once_in_order_and_as_it_is_to_be(story in story()) {
        play(story, None)?;
    }

    #[test]
    fn what_finds_no_buffer_is_counted_and_nothing_else_is_lost(story in story(), few in 0..60usize) {
        play(story, Some(few))?;
    }
}
