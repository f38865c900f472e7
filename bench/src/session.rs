//! One run: what it needs, and its figures one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use lab::stop;
use settings::MemoryMode;
use tempfile::TempDir;

use crate::alone::Alone;
use crate::blocked;
use crate::capacity;
use crate::catalogue::Selection;
use crate::claim::Claim;
use crate::delay;
use crate::error::BenchError;
use crate::figures::{Build, FIGURES, Figure, Source, Who};
use crate::heap;
use crate::hugepages::{self, Hugepages};
use crate::latency;
use crate::machine::{self, Cores, Machine};
use crate::manifold::Manifold;
use crate::memif::{self, Links};
use crate::multicast::{self, Multicast};
use crate::outer::{self, Outer};
use crate::part::Part;
use crate::programs::{self, Programs};
use crate::progress::Progress;
use crate::report::FigureReport;
use crate::reports::Hosts;
use crate::rounds;
use crate::rows::Rows;
use crate::scale;
use crate::side::{Seat, Work};
use crate::source;
use crate::stalls;
use crate::stamp::Stamp;
use crate::veth::Veth;

/// Frames run before they are counted: caches are warm after thousands of them.
const WARM_UP: Duration = Duration::from_millis(200);
/// Frames that are counted one by one: each sink gets each of them.
const COUNTED_FRAMES: u64 = 200_000;
/// MiB of hugepages beyond what the settings come to: DPDK's own tables grow by the page.
const SPARE_MB: u64 = 32;

mod compared;

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

/// # Errors
/// This process is not root's.
pub(crate) fn expect_root() -> Result<(), BenchError> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(BenchError::machine("hugepages and network namespaces are root's", "run it as root, or through sudo"))
}

/// Everything that a figure needs. Dropping it takes away what it made.
pub(crate) struct Session {
    /// Where to run.
    pub(crate) cores: Cores,
    /// The machine.
    pub(crate) machine: Machine,
    /// Version of the distribution's DPDK.
    pub(crate) dpdk: Option<String>,
    /// When it began.
    pub(crate) date: Option<String>,
    /// The tree's commit.
    pub(crate) commit: Option<String>,
    /// What it was told.
    pub(crate) plan: Plan,
    /// The programs to be measured.
    pub(crate) programs: Programs,
    multicast: Part<Multicast>,
    stamp: Part<Rc<Stamp>>,
    alone: Alone,
    veth: Part<Veth>,
    hosts: Part<Rc<Hosts>>,
    claim: Rc<Claim>,
    /// A folder for files.
    pub(crate) scratch: TempDir,
}

impl Session {
    /// Looks at what is there, and makes what the figures need: a folder, namespaces, the library that stamps headers,
    /// the peer that has to be built.
    ///
    /// # Errors
    /// What every figure needs is missing, or a signal came.
    pub(crate) fn prepare(plan: Plan, selection: &Selection) -> Result<Self, BenchError> {
        stop::on_signals()?;
        let claim = Rc::new(Claim::take()?);
        hugepages::give_back_left(&claim)?;
        let cores = Cores::pick()?;
        machine::bind(cores.main)?;
        for tool in ["setpriv", "chrt", "taskset", "stdbuf", "env"] {
            machine::find_program(Path::new(tool), "install Debian's packages util-linux and coreutils")?;
        }
        let scratch = tempfile::Builder::new()
            .prefix("manifold-bench-")
            .tempdir()
            .map_err(BenchError::io("make a temporary folder"))?;
        for seat in Seat::BOTH {
            fs::create_dir(scratch.path().join(seat.name())).map_err(BenchError::io("make a folder"))?;
        }
        let dpdk = machine::dpdk_version(None);
        let programs = programs::find(plan.manifold.as_deref(), &plan.testpmd, dpdk.as_deref())?;
        let asked: Vec<_> = FIGURES.iter().filter(|figure| selection.has(&figure.name())).collect();
        let needs = |what: fn(&Figure) -> bool| asked.iter().any(|figure| what(figure));
        let stamps = needs(|f| f.source == Source::Stamped) || selection.has(capacity::ID);
        let multicast = needs(|f| f.peer.who == Who::Ipv4Multicast);
        let outer = [outer::JOIN, outer::LEAVE].iter().any(|(_, name)| selection.has(name));
        let on_wires = [needs(|f| f.source == Source::Wire), outer];
        let folder = scratch.path();
        let hosts = needs(|f| f.reports_per_second().is_some());
        Ok(Self {
            cores,
            machine: Machine::look(cores),
            date: machine::date(),
            // A binary that was named may be of any commit, as one that is older than the sources.
            commit: machine::commit(Path::new(env!("CARGO_MANIFEST_DIR")))
                .filter(|_| plan.manifold.is_none() && programs.is_current),
            dpdk,
            plan,
            programs,
            multicast: Part::new(multicast, || Multicast::build(folder))?,
            alone: Alone::default(),
            stamp: Part::new(stamps, || Stamp::build(folder).map(Rc::new))?,
            veth: Part::new(on_wires.contains(&true), || Veth::new(folder, on_wires))?,
            hosts: Part::new(hosts, || Hosts::new().map(Rc::new))?,
            claim,
            scratch,
        })
    }

    /// What is measured, and where.
    pub(crate) fn headline(&self) -> String {
        let Machine { cpu, cores, kernel, tsc_mhz, forwarding_core, load, .. } = &self.machine;
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

    /// What cannot be measured here of what is selected: names of figures, and what they want.
    pub(crate) fn lacking(&self, selection: &Selection) -> Vec<(Vec<String>, String)> {
        let figures = FIGURES.iter().map(|figure| (figure.name(), self.missing(figure)));
        let testpmd = || Some(self.programs.testpmd(Build::Packaged).err()?.to_string());
        let igmpproxy = || Some(self.veth.get().ok()?.igmpproxy().err()?.to_string());
        let others = [(latency::ID, testpmd()), (outer::JOIN.1, igmpproxy()), (outer::LEAVE.1, igmpproxy())];
        let all = figures.chain(others.map(|(name, why)| (name.to_owned(), why)));
        let mut lacking: Vec<(Vec<String>, String)> = Vec::new();
        for (name, why) in all.filter(|(name, _)| selection.has(name)) {
            let Some(why) = why else { continue };
            match lacking.iter_mut().find(|(_, known)| *known == why) {
                Some((names, _)) => names.push(name),
                None => lacking.push((vec![name], why)),
            }
        }
        lacking
    }

    /// Measures every figure that is selected, in the catalogue's order, into `rows`.
    ///
    /// # Errors
    /// A signal came; what was measured before is there.
    pub(crate) fn measure(&self, selection: &Selection, rows: &mut Rows) -> Result<(), BenchError> {
        let compared: Vec<_> = FIGURES.iter().copied().filter(|f| selection.has(&f.name())).collect();
        {
            // Before the first process starts, so that it is given back after the last one ended.
            let memory = self.memory(selection, &compared)?;
            for figure in compared {
                rows.add(Progress::new(figure), [rounds::blank(figure)], |progress| {
                    self.compared(figure, &memory, progress).map(|row| vec![row])
                })?;
            }
            self.of_tables_and_passes(selection, &memory, rows)?;
            self.on_links(selection, &memory, rows)?;
        }
        self.delays(selection, rows)?;
        self.outer(selection, rows)?;
        if selection.has(scale::ID) {
            rows.add(
                Progress::new(scale::ID),
                [FigureReport::unmeasured(scale::ID, "control plane")],
                |progress| {
                    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                    let cargo = machine::find_program(Path::new(&cargo), "name it in CARGO")?;
                    scale::run(&cargo, Path::new(env!("CARGO_MANIFEST_DIR")), |what| progress.say(what))
                },
            )?;
        }
        Ok(())
    }

    /// Hugepages for the largest of what is selected; none where nothing needs them.
    fn memory(&self, selection: &Selection, compared: &[Figure]) -> Result<Part<Hugepages>, BenchError> {
        let capacity = selection.has(capacity::ID).then(|| self.capacity_work());
        let stalls = selection.has(stalls::ID).then(|| self.stalls_work());
        let links = [blocked::ID, latency::ID, heap::ID].into_iter().any(|id| selection.has(id));
        let links = if links { self.memory_of_links_mb(selection.has(latency::ID))? } else { 0 };
        let others = [capacity.as_ref(), stalls.as_ref()];
        let most = self.memory_mb(compared, others.into_iter().flatten())?.max(links);
        // The kernel reserves as many on each node, and all are wanted on one.
        Part::new(most > 0, || Hugepages::reserve(&self.claim, most * machine::nodes() as u64))
    }

    /// How many groups there can be, and how long a pass takes.
    fn of_tables_and_passes(
        &self,
        selection: &Selection,
        memory: &Part<Hugepages>,
        rows: &mut Rows,
    ) -> Result<(), BenchError> {
        let manifold = &self.programs.manifolds[&Build::Packaged];
        if selection.has(capacity::ID) {
            rows.add(
                Progress::new(capacity::ID),
                [FigureReport::unmeasured(capacity::ID, "group capacity")],
                |progress| {
                    memory.get()?;
                    self.stamp.get()?;
                    progress.say(format_args!("joining {} groups", capacity::GROUPS));
                    manifold.check_delivery(&self.capacity_work())?;
                    capacity::reports(capacity::GROUPS)
                },
            )?;
        }
        if selection.has(stalls::ID) {
            rows.add(
                Progress::new(stalls::ID),
                [FigureReport::unmeasured(stalls::ID, "passes above 100 us")],
                |progress| {
                    memory.get()?;
                    let work = self.stalls_work();
                    source::write_for(&work)?;
                    let rounds = self.plan.rounds * stalls::MORE_ROUNDS;
                    Ok(vec![stalls::report(manifold, &work, rounds, |what| progress.say(what))?])
                },
            )?;
        }
        Ok(())
    }

    /// What comes on a clock.
    fn on_links(
        &self,
        selection: &Selection,
        memory: &Part<Hugepages>,
        rows: &mut Rows,
    ) -> Result<(), BenchError> {
        let (manifold, scratch) = (&self.programs.manifolds[&Build::Packaged].program, self.scratch.path());
        if selection.has(blocked::ID) {
            rows.add(
                Progress::new(blocked::ID),
                [FigureReport::unmeasured(blocked::ID, "blocked time")],
                |progress| {
                    memory.get()?;
                    let say = |what| progress.say(what);
                    blocked::reports(manifold, self.cores, scratch, self.plan.quick, say)
                },
            )?;
        }
        if selection.has(latency::ID) {
            rows.add(
                Progress::new(latency::ID),
                [FigureReport::unmeasured(latency::ID, "forwarding delay")],
                |progress| {
                    let testpmd = match self.programs.testpmd(Build::Packaged) {
                        Ok(testpmd) => testpmd,
                        Err(why) => {
                            let blank = FigureReport::unmeasured(latency::ID, "forwarding delay");
                            return Ok(vec![blank.without(why.to_string())]);
                        }
                    };
                    memory.get()?;
                    let setting = latency::Setting {
                        manifold,
                        testpmd,
                        cores: self.cores,
                        scratch,
                        window_ms: u64::try_from(self.plan.window.as_millis()).unwrap_or(u64::MAX),
                    };
                    let rounds = self.plan.rounds.min(latency::MOST_ROUNDS);
                    latency::reports(&setting, rounds, |what| progress.say(what))
                },
            )?;
        }
        if selection.has(heap::ID) {
            rows.add(
                Progress::new(heap::ID),
                [FigureReport::unmeasured(heap::ID, "heap use")],
                |progress| {
                    memory.get()?;
                    progress.say("counting");
                    Ok(vec![heap::report(manifold, self.cores, scratch)?])
                },
            )?;
        }
        Ok(())
    }

    /// MiB of hugepages for a Manifold between links and its far end, and for a peer of the same size where `beside` one.
    fn memory_of_links_mb(&self, beside: bool) -> Result<u64, BenchError> {
        let links = Links { socket: self.scratch.path().join("links"), sinks: blocked::SINKS };
        let settings = memif::ours::read_settings(&links, self.cores, self.scratch.path())?;
        let ours = settings::memory_mb(&settings, 1, MemoryMode::Hugepages);
        let pairs = if beside { 2 } else { 1 };
        Ok(pairs * (u64::from(ours) + memif::probe::MEMORY_MB) + SPARE_MB)
    }

    /// Joins and leaves in this process.
    fn delays(&self, selection: &Selection, rows: &mut Rows) -> Result<(), BenchError> {
        let wanted = [delay::JOIN, delay::LEAVE].map(|id| selection.has(id));
        if !wanted.contains(&true) {
            return Ok(());
        }
        let metrics = [(delay::JOIN, "group join delay"), (delay::LEAVE, "group leave delay")];
        let blanks = metrics.into_iter().zip(wanted).filter(|(_, wanted)| *wanted);
        let blanks = blanks.map(|((id, metric), _)| FigureReport::unmeasured(id, metric));
        rows.add(Progress::new(delay::JOIN), blanks, |progress| {
            delay::reports(self.cores, self.plan.quick, wanted, |what| progress.say(what))
        })
    }

    /// Joins and leaves on kernel interfaces.
    fn outer(&self, selection: &Selection, rows: &mut Rows) -> Result<(), BenchError> {
        let wanted = || [outer::JOIN, outer::LEAVE].into_iter().filter(|(_, name)| selection.has(name));
        let Some((_, name)) = wanted().next() else { return Ok(()) };
        let blanks =
            || wanted().map(|(id, _)| FigureReport::unmeasured(id, "group join or leave delay on veth"));
        rows.add(Progress::new(name), blanks(), |progress| {
            let veth = self.veth.get()?;
            let igmpproxy = match veth.igmpproxy() {
                Ok(igmpproxy) => igmpproxy,
                Err(why) => return Ok(blanks().map(|row| row.without(why.to_string())).collect()),
            };
            let manifold = &self.programs.manifolds[&Build::Packaged].program;
            let scratch = self.scratch.path();
            let outer = Outer { wires: &veth.wires, manifold, igmpproxy, cores: self.cores, scratch };
            outer.reports(selection, |what| progress.say(what))
        })
    }

    /// Both sides', in the order of [`Seat::BOTH`].
    fn works(&self, figure: &Figure) -> [Work; 2] {
        Seat::BOTH.map(|seat| self.work(figure, seat))
    }

    fn work(&self, figure: &Figure, seat: Seat) -> Work {
        let party = figure.party(seat);
        let kind = if party.who == Who::Ipv4Multicast { "-multicast" } else { "" };
        let file = |name: &str| self.scratch.path().join(format!("{name}-{}{kind}.pcap", party.wire_len));
        let hosts = party.igmp.and_then(|_| self.hosts.get().ok().cloned());
        Work {
            seat,
            party: *party,
            source: figure.source,
            looped: file("looped"),
            finite: file("finite"),
            counted: COUNTED_FRAMES,
            fan_out: figure.sinks(),
            cores: self.cores,
            warm_up: WARM_UP,
            window: self.plan.window,
            scratch: self.scratch.path().join(seat.name()),
            hosts,
            stamp: self.stamp.get().ok().filter(|_| figure.source == Source::Stamped).cloned(),
        }
    }

    /// One sink, and one frame to each of many groups.
    fn capacity_work(&self) -> Work {
        let party = capacity::party();
        let figure = Figure { fan_out: 1, source: Source::Stamped, ours: party, ..FIGURES[0] };
        Work { counted: capacity::GROUPS.into(), ..self.work(&figure, Seat::Ours) }
    }

    /// The most sinks, for as long as its rounds take.
    fn stalls_work(&self) -> Work {
        let figure = stalls::figure();
        self.work(&figure, Seat::Ours)
    }

    /// MiB of hugepages for the largest of the figures, 0 for none.
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
        for figure in figures.iter().filter(|figure| figure.source.is_in_hugepages()) {
            let mut sides = [0; 2];
            for (side, work) in sides.iter_mut().zip(self.works(figure)) {
                *side = match work.party.who {
                    Who::Ipv4Multicast => multicast::MEMORY_MB,
                    _ => of(&work)?,
                };
            }
            let [ours, peer] = sides;
            most = most.max(if figure.is_in_slices() { ours + peer } else { ours.max(peer) });
        }
        Ok(if most == 0 { 0 } else { u64::from(most) + SPARE_MB })
    }
}
