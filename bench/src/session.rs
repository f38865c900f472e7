//! One run: what it needs, and its figures one after the other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use lab::stop;
use settings::MemoryMode;
use tempfile::TempDir;

use crate::blocked;
use crate::capacity;
use crate::catalogue::Selection;
use crate::churn;
use crate::delay;
use crate::error::BenchError;
use crate::figures::{Build, FIGURES, Figure, Party, Source, Who};
use crate::heap;
use crate::hugepages::Hugepages;
use crate::latency;
use crate::machine::{self, Cores, Machine};
use crate::manifold::Manifold;
use crate::memif::{self, Links};
use crate::multicast::{self, Multicast};
use crate::outer::{self, Outer};
use crate::progress::Progress;
use crate::report::FigureReport;
use crate::reports::Hosts;
use crate::rounds::{self, Turn};
use crate::scale;
use crate::side::{Trial, Work};
use crate::source;
use crate::stalls;
use crate::stamp::Stamp;
use crate::testpmd::Testpmd;
use crate::veth::{self, Veth};

/// Frames run before they are counted: caches are warm after thousands of them.
const WARM_UP: Duration = Duration::from_millis(200);
/// Frames that are counted one by one: each sink gets each of them.
const COUNTED_FRAMES: u64 = 200_000;
/// MiB of hugepages beyond what the settings come to: DPDK's own tables grow by the page.
const SPARE_MB: u64 = 32;

/// What a run is told.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Rounds of each figure that has a peer.
    pub(crate) rounds: usize,
    /// Whether to be quick about it.
    pub(crate) quick: bool,
    /// Length of a trial.
    pub(crate) window: Duration,
    /// Manifold, where it was named.
    pub(crate) manifold: Option<PathBuf>,
    /// The distribution's testpmd.
    pub(crate) testpmd: PathBuf,
}

/// Everything that a figure needs. Dropping it takes away what it made.
pub(crate) struct Session {
    /// Where to run.
    pub(crate) cores: Cores,
    /// The machine.
    pub(crate) machine: Machine,
    /// Version of the distribution's DPDK.
    pub(crate) dpdk: Option<String>,
    /// The tree's commit.
    pub(crate) commit: Option<String>,
    /// What it was told.
    pub(crate) plan: Plan,
    /// The programs by whose DPDK they run on; those of our own DPDK are not always built.
    manifolds: HashMap<Build, Manifold>,
    testpmds: HashMap<Build, Testpmd>,
    multicast: Option<Multicast>,
    stamp: Option<Rc<Stamp>>,
    veth: Option<Veth>,
    hosts: Option<Rc<Hosts>>,
    /// A folder for files.
    pub(crate) scratch: TempDir,
}

impl Session {
    /// Looks at what is there, and makes what the figures need: a folder, namespaces, the library that stamps headers,
    /// the peer that has to be built.
    ///
    /// # Errors
    /// A program is missing, or cannot be built.
    pub(crate) fn prepare(plan: Plan, selection: &Selection) -> Result<Self, BenchError> {
        if !rustix::process::geteuid().is_root() {
            return Err(BenchError::machine("hugepages and packet devices need root", "run it as root"));
        }
        stop::on_signals()?;
        let cores = Cores::pick()?;
        for tool in ["setpriv", "chrt", "taskset", "stdbuf", "env"] {
            machine::find_program(Path::new(tool), "install Debian's packages util-linux and coreutils")?;
        }
        let scratch = tempfile::Builder::new()
            .prefix("manifold-bench-")
            .tempdir()
            .map_err(BenchError::io("make a temporary folder"))?;
        let dpdk = machine::dpdk_version();
        let bonding_keyword = machine::bonding_keyword(dpdk.as_deref());
        let testpmd = |program| Testpmd { program, bonding_keyword };
        let cure = "install Debian's package dpdk-dev, or name it with --testpmd";
        let mut testpmds =
            HashMap::from([(Build::Packaged, testpmd(machine::find_program(&plan.testpmd, cure)?))]);
        let mut manifolds = HashMap::from([(Build::Packaged, packaged_manifold(plan.manifold.as_deref())?)]);
        if let Some((program, peer)) = own_programs() {
            manifolds.insert(Build::Own, Manifold { program });
            testpmds.extend(peer.map(|program| (Build::Own, testpmd(program))));
        }
        let asked: Vec<_> = FIGURES.iter().filter(|figure| selection.has(&figure.name())).collect();
        let needs = |what: fn(&Figure) -> bool| asked.iter().any(|figure| what(figure));
        let stamps = needs(|f| f.source == Source::Stamped) || selection.has(capacity::ID);
        let multicast = needs(|f| f.peer.who == Who::Ipv4Multicast);
        let outer = [outer::JOIN, outer::LEAVE].iter().any(|(_, name)| selection.has(name));
        let on_wires = outer || needs(|f| f.source == Source::Wire);
        let ours = &manifolds[&Build::Packaged].program;
        let veth = on_wires.then(|| Veth::new(ours, scratch.path())).transpose()?;
        Ok(Self {
            cores,
            machine: Machine::look(cores),
            // A binary that was named may be of any commit.
            commit: machine::commit(Path::new(env!("CARGO_MANIFEST_DIR")))
                .filter(|_| plan.manifold.is_none()),
            dpdk,
            plan,
            manifolds,
            testpmds,
            multicast: multicast.then(|| Multicast::build(scratch.path())).transpose()?,
            stamp: if stamps { Some(Rc::new(Stamp::build(scratch.path())?)) } else { None },
            veth,
            hosts: if needs(|f| f.reports_per_second().is_some()) {
                Some(Rc::new(Hosts::new()?))
            } else {
                None
            },
            scratch,
        })
    }

    /// What is measured, and where.
    pub(crate) fn headline(&self) -> String {
        let Machine { cpu, cores, kernel, tsc_mhz, forwarding_core, load } = &self.machine;
        let unknown = || "unknown".to_owned();
        let tsc = tsc_mhz.map_or_else(unknown, |mhz| format!("{mhz:.0} MHz"));
        let load = load.map_or_else(unknown, |load| format!("{load:.2}"));
        format!(
            "{cpu}, {cores} cores, TSC {tsc}, Linux {kernel}, load {load}\nDPDK {}, commit {}, forwarding on core \
             {forwarding_core}, {} rounds of 4 trials of {:.1} s",
            self.dpdk.as_deref().unwrap_or("unknown"),
            self.commit.as_deref().unwrap_or("unknown"),
            self.plan.rounds,
            self.plan.window.as_secs_f64(),
        )
    }

    /// Measures every figure that is selected, in the catalogue's order.
    ///
    /// # Errors
    /// A side does not deliver, or the machine does not do.
    pub(crate) fn measure(&self, selection: &Selection) -> Result<Vec<FigureReport>, BenchError> {
        let compared: Vec<_> = FIGURES.iter().copied().filter(|f| selection.has(&f.name())).collect();
        let mut reports = Vec::new();
        {
            // Before the first process starts, so that it is given back after the last one ended.
            let capacity = selection.has(capacity::ID).then(|| self.capacity_work());
            let stalls = selection.has(stalls::ID).then(|| self.stalls_work());
            let links = [blocked::ID, latency::ID, heap::ID].into_iter().any(|id| selection.has(id));
            let links = if links { self.memory_of_links_mb()? } else { 0 };
            let others = [capacity.as_ref(), stalls.as_ref()];
            let memory = self.memory_mb(&compared, others.into_iter().flatten())?.max(links);
            let _hugepages = Hugepages::reserve(memory)?;
            for figure in compared {
                reports.push(self.compared(figure)?);
            }
            if let Some(work) = capacity {
                let progress = Progress::new(capacity::ID);
                progress.say(format_args!("joining {} groups", capacity::GROUPS));
                self.manifolds[&Build::Packaged].check_delivery(&work)?;
                reports.extend(capacity::reports(capacity::GROUPS)?);
                progress.end();
            }
            if let Some(work) = stalls {
                let progress = Progress::new(stalls::ID);
                write_source(&work)?;
                let manifold = &self.manifolds[&Build::Packaged];
                reports.push(stalls::report(manifold, &work, self.plan.rounds, |what| progress.say(what))?);
                progress.end();
            }
            reports.extend(self.on_links(selection)?);
        }
        reports.extend(self.delays(selection)?);
        reports.extend(self.outer(selection)?);
        if selection.has(scale::ID) {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let cargo = machine::find_program(Path::new(&cargo), "name it in CARGO")?;
            let progress = Progress::new(scale::ID);
            reports.extend(scale::run(&cargo, Path::new(env!("CARGO_MANIFEST_DIR")), |what| {
                progress.say(what)
            })?);
            progress.end();
        }
        Ok(reports)
    }

    /// What comes on a clock.
    fn on_links(&self, selection: &Selection) -> Result<Vec<FigureReport>, BenchError> {
        let (manifold, scratch) = (&self.manifolds[&Build::Packaged].program, self.scratch.path());
        let mut reports = Vec::new();
        if selection.has(blocked::ID) {
            let progress = Progress::new(blocked::ID);
            let say = |what| progress.say(what);
            reports.push(blocked::report(manifold, self.cores, scratch, self.plan.quick, say)?);
            progress.end();
        }
        if selection.has(latency::ID) {
            let progress = Progress::new(latency::ID);
            let setting = latency::Setting {
                manifold,
                testpmd: &self.testpmds[&Build::Packaged],
                cores: self.cores,
                scratch,
                window_ms: u64::try_from(self.plan.window.as_millis()).unwrap_or(u64::MAX),
            };
            reports.extend(latency::reports(&setting, self.plan.rounds.min(latency::MOST_ROUNDS), |what| {
                progress.say(what)
            })?);
            progress.end();
        }
        if selection.has(heap::ID) {
            let progress = Progress::new(heap::ID);
            progress.say("counting");
            reports.push(heap::report(manifold, self.cores, scratch)?);
            progress.end();
        }
        Ok(reports)
    }

    /// MiB of hugepages for a Manifold between links, and its far end.
    fn memory_of_links_mb(&self) -> Result<u64, BenchError> {
        let links = Links { socket: self.scratch.path().join("links"), sinks: blocked::SINKS };
        let settings = memif::ours::read_settings(&links, self.cores, self.scratch.path())?;
        let ours = settings::memory_mb(&settings, 1, MemoryMode::Hugepages);
        Ok(u64::from(ours) + memif::probe::MEMORY_MB + SPARE_MB)
    }

    /// Joins and leaves in this process.
    fn delays(&self, selection: &Selection) -> Result<Vec<FigureReport>, BenchError> {
        let wanted = [delay::JOIN, delay::LEAVE].map(|id| selection.has(id));
        if !wanted.contains(&true) {
            return Ok(Vec::new());
        }
        let progress = Progress::new(delay::JOIN);
        let reports = delay::reports(self.cores, self.plan.quick, wanted, |what| progress.say(what))?;
        progress.end();
        Ok(reports)
    }

    /// Joins and leaves on kernel interfaces.
    fn outer(&self, selection: &Selection) -> Result<Vec<FigureReport>, BenchError> {
        let wanted = [outer::JOIN, outer::LEAVE].into_iter().find(|(_, name)| selection.has(name));
        let Some((_, name)) = wanted else { return Ok(Vec::new()) };
        let wires = &self.veth()?.wires;
        let manifold = &self.manifolds[&Build::Packaged].program;
        let outer = Outer { wires, manifold, cores: self.cores, scratch: self.scratch.path() };
        let progress = Progress::new(name);
        let reports = outer.reports(selection, |what| progress.say(what))?;
        progress.end();
        Ok(reports)
    }

    fn work(&self, figure: &Figure, party: &Party) -> Work {
        let kind = if party.who == Who::Ipv4Multicast { "-multicast" } else { "" };
        let file = |name: &str| self.scratch.path().join(format!("{name}-{}{kind}.pcap", party.wire_len));
        let hosts = party.igmp.and_then(|_| self.hosts.clone());
        Work {
            party: *party,
            source: figure.source,
            looped: file("looped"),
            finite: file("finite"),
            counted: COUNTED_FRAMES,
            fan_out: figure.fan_out,
            cores: self.cores,
            warm_up: WARM_UP,
            window: self.plan.window,
            scratch: self.scratch.path().to_owned(),
            hosts,
            stamp: self.stamp.clone().filter(|_| figure.source == Source::Stamped),
        }
    }

    /// One sink, and one frame to each of many groups.
    fn capacity_work(&self) -> Work {
        let party = capacity::party();
        let figure = Figure { fan_out: 1, source: Source::Stamped, ours: party, ..FIGURES[0] };
        Work { counted: capacity::GROUPS.into(), ..self.work(&figure, &party) }
    }

    /// The most sinks, for as long as its rounds take.
    fn stalls_work(&self) -> Work {
        let figure = stalls::figure();
        self.work(&figure, &figure.ours)
    }

    /// MiB of hugepages for the largest of the figures.
    fn memory_mb<'a>(
        &self,
        figures: &[Figure],
        others: impl Iterator<Item = &'a Work>,
    ) -> Result<u64, BenchError> {
        let of = |work: &Work| {
            let settings = Manifold::read_settings(work)?;
            Ok::<_, BenchError>(settings::memory_mb(&settings, 1, MemoryMode::Hugepages))
        };
        let mut most = 0;
        for other in others {
            most = most.max(of(other)?);
        }
        for figure in figures {
            for party in figure.parties().into_iter().filter(|_| figure.source.is_in_hugepages()) {
                most = most.max(of(&self.work(figure, party))?);
                if party.who == Who::Ipv4Multicast {
                    most = most.max(multicast::MEMORY_MB);
                }
            }
        }
        Ok(u64::from(most) + SPARE_MB)
    }

    /// Counts a number of frames, then measures.
    fn compared(&self, figure: Figure) -> Result<FigureReport, BenchError> {
        let blank = rounds::blank(figure);
        if let Some(what) = figure.parties().into_iter().find_map(|party| self.missing(party.who)) {
            return Ok(blank.without(what));
        }
        let progress = Progress::new(figure);
        // On kernel interfaces each trial ends with a count.
        for party in figure.parties().into_iter().filter(|_| figure.source != Source::Wire) {
            progress.say(format_args!("{}: counting {COUNTED_FRAMES} frames", party.name));
            self.check_delivery(&self.work(&figure, party))?;
        }
        let trial = |turn| match turn {
            Turn::Ours => self.trial(&figure, &figure.ours),
            Turn::Peer => self.trial(&figure, &figure.peer),
        };
        let most = if figure.source == Source::Wire { veth::ROUNDS } else { usize::MAX };
        let rounds = self.plan.rounds.min(most);
        let outcome = rounds::run(figure, rounds, trial, |done, ours, peer| {
            let (ours, peer) = (ours / 1e6, peer / 1e6);
            progress.say(format_args!("round {done}/{rounds}, ours {ours:.1}, peer {peer:.1} M copies/s"));
        })?;
        let mut report = outcome.report(&self.machine);
        if figure.source == Source::Stamped {
            report.notes.extend(self.source_alone(&figure)?);
        }
        progress.end();
        Ok(report)
    }

    /// Why a side cannot be measured here.
    fn missing(&self, who: Who) -> Option<&'static str> {
        let built = match who {
            Who::Manifold(build) => self.manifolds.contains_key(&build),
            Who::Testpmd(_, build) => self.testpmds.contains_key(&build),
            Who::Ipv4Multicast => self.multicast.is_some(),
            Who::OnInterfaces(_) | Who::Kernel => self.veth.is_some(),
            Who::Forwarder { .. } => true,
        };
        (!built).then_some("not built: make fast")
    }

    fn veth(&self) -> Result<&Veth, BenchError> {
        self.veth.as_ref().ok_or_else(|| BenchError::machine("there are no cables", "report it"))
    }

    fn check_delivery(&self, work: &Work) -> Result<(), BenchError> {
        match work.party.who {
            Who::Manifold(build) => {
                write_source(work)?;
                self.manifolds[&build].check_delivery(work)
            }
            // Each of their trials ends with a count.
            Who::Testpmd(..) => write_source(work),
            Who::Forwarder { .. } | Who::OnInterfaces(_) | Who::Kernel => Ok(()),
            Who::Ipv4Multicast => {
                Multicast::write_source(work, source::LOOPED_FRAMES)?;
                self.multicast.as_ref().map_or(Ok(()), |multicast| multicast.check_delivery(work))
            }
        }
    }

    fn trial(&self, figure: &Figure, party: &Party) -> Result<Trial, BenchError> {
        let work = self.work(figure, party);
        match party.who {
            Who::Manifold(build) => self.manifolds[&build].trial(&work),
            Who::Testpmd(mode, build) => {
                let ours = Manifold::read_settings(&self.work(figure, &figure.ours))?;
                self.testpmds[&build].trial(mode, &work, &ours)
            }
            Who::Forwarder { updates } => churn::trial(&work, updates),
            Who::OnInterfaces(driver) => self.veth()?.ours(driver, &work),
            Who::Kernel => self.veth()?.kernel(&work),
            Who::Ipv4Multicast => match &self.multicast {
                Some(multicast) => multicast.trial(&work),
                None => Err(BenchError::machine("ipv4_multicast is not built", "report it")),
            },
        }
    }

    /// What the source costs without anybody who forwards: a testpmd that frees what it receives.
    fn source_alone(&self, figure: &Figure) -> Result<Option<String>, BenchError> {
        let Some(testpmd) = self.testpmds.get(&Build::Packaged) else { return Ok(None) };
        let mut told = Vec::new();
        for party in figure.parties() {
            let work = self.work(figure, party);
            let rate = testpmd.receive(&work, &Manifold::read_settings(&work)?)?;
            told.push(format!("{:.1} ns a packet for {}", 1e9 / rate, party.name));
        }
        Ok(Some(format!("the source alone, its frames freed by testpmd: {}", told.join(", "))))
    }
}

fn write_source(work: &Work) -> Result<(), BenchError> {
    if work.source == Source::Pcap {
        let wire_len = work.party.wire_len;
        source::write(&work.looped, source::GROUP, source::LOOPED_FRAMES, wire_len)?;
        source::write(&work.finite, source::GROUP, work.counted as usize, wire_len)?;
    }
    Ok(())
}

/// The binary that was named, or the one built beside this program.
fn packaged_manifold(named: Option<&Path>) -> Result<Manifold, BenchError> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("manifold"));
    let path = named.map(Path::to_owned).or_else(beside).unwrap_or_else(|| "manifold".into());
    let cure = "build it (cargo build --release -p dataplane), or name it with --manifold";
    machine::find_program(&path, cure).map(|program| Manifold { program })
}

/// What `make fast` built, and the testpmd of its DPDK, beside the folder of this program.
fn own_programs() -> Option<(PathBuf, Option<PathBuf>)> {
    let exe = std::env::current_exe().ok()?;
    let target = exe.parent()?.parent()?;
    let found = |path: &str| Some(target.join(path)).filter(|path| path.is_file());
    Some((found("fast/release/manifold")?, found("dpdk/bin/dpdk-testpmd")))
}
