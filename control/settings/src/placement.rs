//! Which cores control thread and workers run on.

use crate::memory::MachineError;
use crate::model::{Cores, MAX_WORKERS, Poll, Settings, WorkerSettings};

/// The cores of the control thread and of each worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The control thread's core, DPDK's main one.
    pub control: u16,
    /// A core for each worker, in order.
    pub workers: Vec<u16>,
}

/// The cores that this process has. Each list is in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoreSet {
    /// Those that its threads may be put on: its cpuset. Isolated cores are among them, though threads begin without.
    pub allowed: Vec<u16>,
    /// Those that it was started on, of the allowed ones.
    pub given: Vec<u16>,
    /// Those that the kernel's scheduler leaves alone (`isolcpus=`), of the whole machine.
    pub isolated: Vec<u16>,
    /// What part of the machine the given ones are.
    pub share: Share,
}

/// What part of the cores of a machine a process was started on.
///
/// A cpuset does not tell whom it was made for. One that leaves out a few of many cores was made for those who have the
/// few: a machine on which one container has two of 64 cores to itself gives all others the remaining 62. One that holds
/// at most half was made for who is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Share {
    /// All that run but isolated ones, which nobody is given.
    #[default]
    All,
    /// More than half: others were taken out. They are left alone, and the rest is everybody's.
    Most,
    /// At most half: they were chosen for this process, as a container's cpuset does, or `taskset`.
    Part,
}

impl Share {
    /// Of the cores `online`, those `given`; each list is in ascending order.
    pub fn of(given: &[u16], online: &[u16], isolated: &[u16]) -> Self {
        let is_left_out = |core: &u16| !given.contains(core) && !isolated.contains(core);
        match online.iter().any(is_left_out) {
            false => Self::All,
            true if 2 * given.len() > online.len() => Self::Most,
            true => Self::Part,
        }
    }
}

impl CoreSet {
    /// Those that may be taken unasked: what somebody left out is left alone.
    fn free(&self) -> &[u16] {
        match self.share {
            Share::All => &self.allowed,
            Share::Most | Share::Part => &self.given,
        }
    }

    /// How many workers there may be unasked.
    fn most_workers(&self) -> usize {
        match self.share {
            Share::All | Share::Most => 1,
            Share::Part => MAX_WORKERS,
        }
    }

    fn is_isolated(&self, core: u16) -> bool {
        self.isolated.contains(&core)
    }

    /// The cores of the workers where the settings leave them open, and may name the control thread's.
    fn for_workers(&self, control: Option<u16>) -> Vec<u16> {
        let free = || self.free().iter().copied();
        let named = |core: &u16| Some(*core) == control;
        // Where there are no others, one of them has to be the control thread's.
        let isolated: Vec<_> = free().filter(|core| self.is_isolated(*core) && !named(core)).collect();
        if !isolated.is_empty() && free().len() > isolated.len() {
            // Unless they were chosen for this process, others may have been isolated for somebody else.
            return isolated.into_iter().rev().take(self.most_workers()).rev().collect();
        }
        if self.share == Share::Part && self.given.len() > 1 {
            let control = control.or(self.given.first().copied());
            return free().filter(|core| Some(*core) != control).take(self.most_workers()).collect();
        }
        let last = free().rfind(|core| !named(core)).or(free().next_back());
        last.into_iter().collect()
    }

    /// The control thread's core, where the settings leave it open.
    fn for_control(&self, workers: &[u16]) -> Option<u16> {
        let idle = || self.given.iter().copied().filter(|core| !workers.contains(core));
        idle().find(|core| !self.is_isolated(*core)).or(idle().next()).or(self.given.first().copied())
    }
}

/// Places control thread and workers on the cores that there are.
///
/// `cores = "auto"`, where cores were chosen for this process ([`Share::Part`]), takes the isolated ones of them, else all
/// but one, which is the control thread's. Where none were, the machine is everybody's: it takes one, the last isolated
/// core, else the last. Of a single core all have their share.
///
/// # Errors
/// A core that the settings name is not allowed, or none is; or a control thread that polls would have a worker's.
pub fn place_threads(settings: &Settings, set: &CoreSet) -> Result<Placement, MachineError> {
    let WorkerSettings { cores, control_core, control_poll, .. } = &settings.worker;
    let check = |core: u16, key: &str| {
        if set.allowed.contains(&core) {
            return Ok(core);
        }
        let list: Vec<_> = set.allowed.iter().map(u16::to_string).collect();
        Err(MachineError {
            what: format!("`{key}` names core {core}, which this process may not use"),
            cure: format!("it may use {}", list.join(", ")),
        })
    };
    let none = || MachineError {
        what: "this process may run on no core".to_owned(),
        cure: "look at its cpuset with `taskset -p`".to_owned(),
    };
    let first = set.for_control(&[]).ok_or_else(none)?;
    let workers = match cores {
        Cores::Auto => set.for_workers(*control_core),
        Cores::List(cores) => cores.iter().map(|core| check(*core, "cores")).collect::<Result<_, _>>()?,
    };
    let control = match control_core {
        Some(core) => check(*core, "control-core")?,
        None => set.for_control(&workers).unwrap_or(first),
    };
    if *control_poll == Poll::Busy && workers.contains(&control) {
        return Err(MachineError {
            what: format!("`control-poll` is \"busy\", and core {control} would be the control thread's and a worker's"),
            cure: "give each a core with `cores` and `control-core` in [worker], or leave `control-poll` \"adaptive\""
                .to_owned(),
        });
    }
    Ok(Placement { control, workers })
}
