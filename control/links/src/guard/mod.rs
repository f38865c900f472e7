//! Keeps the kernel's own stack away from the interfaces that are ports: IPv6 off, and a drop of all that comes in,
//! behind the tap. Both are undone when the guard goes, and at the next start after a crash.

mod claim;
mod ipv6;
mod nft;
mod state;

use std::io;
use std::path::{Path, PathBuf};

use crate::info::{LinkError, LinkInfo, change_flags, dump_links, end_program};
use crate::lock::{InstanceLock, LockError};
use crate::netlink::Netlink;
use claim::Claim;
use state::{Entry, Place, State, Stored};

/// Why an interface could not be guarded, or a guard not undone. Nothing half-done is left behind.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// `nft` is not installed.
    #[error("the program `nft` is missing; install nftables (apt install nftables)")]
    NftMissing,
    /// The kernel forbids it.
    #[error("not permitted to {what}: run as root or with the capability {capability}")]
    NotPermitted {
        /// What was tried.
        what: String,
        /// The capability that it takes.
        capability: &'static str,
    },
    /// `nft` failed in another way: its message.
    #[error("cannot put a drop behind the tap: {0}; the kernel needs nf_tables with netdev chains")]
    Nft(String),
    /// The IPv6 switch can't be written: a container's read-only /proc/sys, mostly.
    #[error(
        "cannot switch off IPv6 on `{link}`: {source}; switch it off from outside: \
         sysctl -w net/ipv6/conf/{link}/disable_ipv6=1 (for a container: --sysctl net.ipv6.conf.all.disable_ipv6=1)"
    )]
    Ipv6 {
        /// The interface.
        link: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The interface's name has a character that nft can't quote.
    #[error(
        "the name of interface `{0}` can't be used in an nft rule; rename it (ip link set dev ... name ...)"
    )]
    Name(String),
    /// Another running instance has the interface.
    #[error("interface `{link}` is a port of the running instance `{instance}`")]
    InUse {
        /// The interface.
        link: String,
        /// The instance that has it.
        instance: String,
    },
    /// An instance of this name and another run directory runs in this network namespace, whose nft tables go by names.
    #[error(
        "instance `{instance}` is running already with another run directory ({holder}); stop it, or give this one a name \
         of its own: `instance` in [proxy]"
    )]
    NameInUse {
        /// The instance's name.
        instance: String,
        /// Its process and its run directory.
        holder: String,
    },
    /// Another instance has the interface, and no file here tells whether it runs.
    #[error(
        "interface `{link}` is a port of the instance `{instance}`, which has another run directory; stop it, or if it \
         runs no more: nft delete table netdev manifold-{instance}"
    )]
    Held {
        /// The interface.
        link: String,
        /// The instance that has it.
        instance: String,
    },
    /// The interface vanished meanwhile.
    #[error("interface `{0}` vanished")]
    Vanished(String),
    /// The file that remembers what was changed can't be used; nothing was changed.
    #[error("cannot use `{}`: {source}", path.display())]
    State {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The interfaces can't be read.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The lock of another instance can't be looked at.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// What was found of runs that ended without undoing their guard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// The interfaces that were given back.
    pub links: Vec<String>,
    /// What could not be undone, and why it needn't be; for the log.
    pub notes: Vec<String>,
}

/// Guards the ports of one instance until it is dropped.
#[derive(Debug)]
pub struct Guard {
    lock: InstanceLock,
    place: Place,
    entries: Vec<Entry>,
    /// From the first interface on, or the first that a crashed run left.
    claim: Option<Claim>,
}

impl Guard {
    /// A guard of nothing yet, after what crashed runs left behind in this network namespace was undone: of this
    /// instance, and of others that are not running.
    ///
    /// # Errors
    /// When something was left behind and can't be undone: its state file stays.
    pub fn new(lock: InstanceLock) -> Result<(Self, Recovery), GuardError> {
        let (mut recovery, mut claim) = (Recovery::default(), None);
        recover_instance(&lock, true, &mut claim, &mut recovery)?;
        recover_others(&lock, &mut recovery)?;
        let place = here(&lock)?;
        Ok((Self { lock, place, entries: Vec::new(), claim }, recovery))
    }

    /// Takes an interface under guard. One that is under it already is looked after anew, so this is also the thing to
    /// do when an interface vanished and came back, under whatever index.
    ///
    /// # Errors
    /// Any [`GuardError`]; the interface is then as it was before.
    pub fn add(&mut self, link: &LinkInfo) -> Result<(), GuardError> {
        if !nft::is_plain(&link.name) {
            return Err(GuardError::Name(link.name.clone()));
        }
        claim_name(&mut self.claim, &self.lock)?;
        // Before the switch is read: a crashed run may have left it off.
        recover_others(&self.lock, &mut Recovery::default())?;
        let ipv6_on = ipv6::is_on(&link.name)?;
        let has_program = programs()?.contains(&link.index);
        let before = self.entries.clone();
        let known = before.iter().find(|entry| entry.index == link.index);
        let switched_off = known.is_some_and(|entry| entry.restore_ipv6);
        // Whoever had one, and took it off, leaves the next to us.
        let had_program = has_program && known.is_none_or(|entry| entry.had_program);
        self.entries.retain(|entry| entry.index != link.index && entry.name != link.name);
        let restore_ipv6 = ipv6_on || switched_off;
        self.entries.push(Entry { index: link.index, name: link.name.clone(), restore_ipv6, had_program });
        let mut dropping = false;
        self.engage(link, ipv6_on, &mut dropping).inspect_err(|_| {
            self.entries = before;
            // The error that began it is the one to tell. A drop that can't be taken back stays in the state file.
            if !dropping || self.apply().is_ok() {
                let _ = self.save();
            }
        })
    }

    /// The steps of [`add`](Self::add), each of which may fail. `dropping` tells whether the drop is in place.
    fn engage(&mut self, link: &LinkInfo, switch_ipv6: bool, dropping: &mut bool) -> Result<(), GuardError> {
        self.save()?;
        // Ours is written, so of two that begin at once at least one sees the other.
        for_other_instances(&self.lock, |other| match other {
            Other::Running(instance, state) if state.holds(&self.place, link.index) => {
                Err(GuardError::InUse { link: link.name.clone(), instance })
            }
            Other::Running(..) | Other::Dead(_) => Ok(()),
        })?;
        self.apply()?;
        *dropping = true;
        // As with the files: ours is in place, so of two that begin at once at least one sees the other.
        if let Some(instance) = nft::holder(link.index, Some(self.lock.instance()))? {
            return Err(GuardError::Held { link: link.name.clone(), instance });
        }
        if !self.entries.iter().any(|entry| entry.index == link.index) {
            return Err(GuardError::Vanished(link.name.clone()));
        }
        if switch_ipv6 {
            ipv6::set(&link.name, false)?;
        }
        Ok(())
    }

    /// Gives an interface back; nothing happens if it isn't under guard.
    ///
    /// # Errors
    /// When nft or the IPv6 switch fails; what is left to undo stays in the state file.
    pub fn remove(&mut self, index: u32) -> Result<(), GuardError> {
        let Some(at) = self.entries.iter().position(|entry| entry.index == index) else { return Ok(()) };
        let entry = self.entries.remove(at);
        let undone = self.apply().and_then(|()| restore_ipv6(std::slice::from_ref(&entry)));
        if let Err(error) = undone {
            self.entries.push(entry);
            return Err(error);
        }
        self.save()
    }

    /// Gives all interfaces back. Dropping the guard does the same, but can only log what fails.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn release(mut self) -> Result<(), GuardError> {
        self.undo()
    }

    /// Whether a program on the interface would be ours: a running or crashed instance with this run directory has it, and
    /// found none there. Takes no lock, and changes nothing.
    pub fn has_program(run_dir: &Path, index: u32) -> bool {
        let Ok(place) = Place::here() else { return false };
        let ours = |instance: String| match state::read(run_dir, &instance) {
            Ok(Stored::State(state)) if state.place == place => {
                state.entries.iter().any(|entry| entry.index == index && !entry.had_program)
            }
            Ok(Stored::State(_) | Stored::Absent | Stored::Unreadable) | Err(_) => false,
        };
        state::instances(run_dir).is_ok_and(|instances| instances.into_iter().any(ours))
    }

    /// Refuses an interface that an instance with another run directory has, under whatever name; one with this run
    /// directory [`add`](Self::add) refuses. Takes no lock, and changes nothing.
    ///
    /// # Errors
    /// [`GuardError::Held`], or nft cannot tell.
    pub fn expect_free(run_dir: &Path, instance: &str, link: &LinkInfo) -> Result<(), GuardError> {
        let here = |state: State| Place::here().is_ok_and(|place| state.holds(&place, link.index));
        let is_own = match state::read(run_dir, instance) {
            Ok(Stored::State(state)) => here(state),
            Ok(Stored::Absent | Stored::Unreadable) | Err(_) => false,
        };
        // One of the same name has a table of the same name.
        match nft::holder(link.index, is_own.then_some(instance))? {
            Some(instance) => Err(GuardError::Held { link: link.name.clone(), instance }),
            None => Ok(()),
        }
    }

    /// Refuses the name of a running instance with another run directory. Takes no lock, and changes nothing; without the
    /// privilege to look it refuses nothing.
    ///
    /// # Errors
    /// [`GuardError::NameInUse`].
    pub fn expect_free_name(run_dir: &Path, instance: &str) -> Result<(), GuardError> {
        match claim::holder_elsewhere(instance, run_dir) {
            Some(holder) => Err(GuardError::NameInUse { instance: instance.to_owned(), holder }),
            None => Ok(()),
        }
    }

    /// The indices of the interfaces under guard.
    pub fn links(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|entry| entry.index)
    }

    /// The lock that the guard holds.
    pub fn lock(&self) -> &InstanceLock {
        &self.lock
    }

    /// Makes the instance's nft table say what the entries say, under the names that the interfaces have now.
    /// Interfaces that vanished are forgotten: nothing of them is left to guard or to undo.
    fn apply(&mut self) -> Result<(), GuardError> {
        let links = current_links()?;
        self.entries.retain_mut(|entry| {
            let now = links.iter().find(|(index, _)| *index == entry.index);
            if let Some((_, name)) = now {
                entry.name.clone_from(name);
            }
            now.is_some()
        });
        let named: Vec<(u32, &str)> = self.entries.iter().map(|e| (e.index, e.name.as_str())).collect();
        nft::run(&nft::script(self.lock.instance(), &named)).map(drop)
    }

    fn save(&self) -> Result<(), GuardError> {
        let (run_dir, instance) = (self.lock.run_dir(), self.lock.instance());
        let state = State { place: self.place.clone(), entries: self.entries.clone() };
        let saved = if state.entries.is_empty() {
            state::remove(run_dir, instance)
        } else {
            state::write(run_dir, instance, &state)
        };
        saved.map_err(|source| state_error(&self.lock, source))
    }

    fn undo(&mut self) -> Result<(), GuardError> {
        if self.entries.is_empty() {
            return Ok(());
        }
        // The drop goes first: IPv6 looks for a duplicate of its address when it comes back, and must hear one.
        nft::run(&nft::script(self.lock.instance(), &[]))?;
        restore_ipv6(&self.entries)?;
        self.entries.clear();
        self.save()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.undo() {
            tracing::error!(%error, "the guard of the interfaces could not be undone; the next start tries again");
        }
    }
}

/// Another instance with a state file in the same run directory.
enum Other {
    /// Not running; its lock is ours for the moment.
    Dead(InstanceLock),
    /// Running: its name, and what its file says.
    Running(String, State),
}

fn for_other_instances(
    lock: &InstanceLock,
    mut each: impl FnMut(Other) -> Result<(), GuardError>,
) -> Result<(), GuardError> {
    let run_dir = lock.run_dir();
    let read_failed = |source| GuardError::State { path: run_dir.to_owned(), source };
    for instance in state::instances(run_dir).map_err(read_failed)? {
        if instance == lock.instance() {
            continue;
        }
        match InstanceLock::acquire_dead(run_dir, &instance) {
            Ok(dead) => each(Other::Dead(dead))?,
            Err(LockError::AlreadyRunning { .. }) => {
                if let Stored::State(state) = state::read(run_dir, &instance).map_err(read_failed)? {
                    each(Other::Running(instance, state))?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Undoes what crashed runs of other instances with this run directory left behind. What has the name of one that runs
/// with another stays: table and interfaces may be that one's by now.
fn recover_others(lock: &InstanceLock, recovery: &mut Recovery) -> Result<(), GuardError> {
    for_other_instances(lock, |other| match other {
        Other::Dead(dead) => match recover_instance(&dead, false, &mut None, recovery) {
            Err(GuardError::NameInUse { .. }) => Ok(()),
            done => done,
        },
        Other::Running(..) => Ok(()),
    })
}

fn claim_name(claim: &mut Option<Claim>, lock: &InstanceLock) -> Result<(), GuardError> {
    if claim.is_none() {
        *claim = Some(Claim::take(lock.instance(), lock.run_dir())?);
    }
    Ok(())
}

/// Undoes what a run of the instance left behind, its name claimed. A file of another namespace is only taken away if it
/// is `own`.
fn recover_instance(
    lock: &InstanceLock,
    own: bool,
    claim: &mut Option<Claim>,
    recovery: &mut Recovery,
) -> Result<(), GuardError> {
    let failed = |source| state_error(lock, source);
    let (run_dir, instance) = (lock.run_dir(), lock.instance());
    let place = here(lock)?;
    let entries = match state::read(run_dir, instance).map_err(failed)? {
        Stored::Absent => return Ok(()),
        Stored::State(state) if state.place == place => state.entries,
        Stored::State(state) if state.place.boot == place.boot && !own => return Ok(()),
        Stored::State(_) => {
            recovery
                .notes
                .push(format!("instance `{instance}` ended in a place that is gone: nothing to undo"));
            return state::remove(run_dir, instance).map_err(failed);
        }
        Stored::Unreadable => {
            let path = state::path(run_dir, instance);
            recovery.notes.push(format!("`{}` is damaged; only the drop can be undone", path.display()));
            Vec::new()
        }
    };
    claim_name(claim, lock)?;
    nft::run(&nft::script(instance, &[]))?;
    recovery.links.extend(restore_ipv6(&entries)?);
    end_promiscuity(&entries)?;
    end_programs(&entries)?;
    state::remove(run_dir, instance).map_err(failed)
}

/// Switches IPv6 on again where a guard switched it off, and gives the names of the interfaces still there. Whoever
/// has switched it on meanwhile is left alone; an interface that vanished, or whose index is another's now, too.
fn restore_ipv6(entries: &[Entry]) -> Result<Vec<String>, GuardError> {
    let links = current_links()?;
    let mut restored = Vec::new();
    for entry in entries {
        let Some((_, name)) = links.iter().find(|(index, _)| *index == entry.index) else { continue };
        if entry.restore_ipv6 && !ipv6::is_on(name)? {
            ipv6::set(name, true)?;
        }
        restored.push(name.clone());
    }
    Ok(restored)
}

/// Has interfaces take frames to their own addresses only, as the driver does when it ends in order: what it set was
/// the interface's own flag, which outlives it.
fn end_promiscuity(entries: &[Entry]) -> Result<(), GuardError> {
    const IFF_PROMISC: u32 = 0x100;
    let failed = |source| LinkError::new("end promiscuous mode", source);
    let mut netlink = Netlink::open(0).map_err(failed)?;
    for link in dump_links(&mut netlink).map_err(failed)? {
        if link.flags & IFF_PROMISC != 0 && entries.iter().any(|entry| entry.index == link.index) {
            change_flags(&mut netlink, link.index, IFF_PROMISC, 0).map_err(failed)?;
        }
    }
    Ok(())
}

/// Interfaces that run an XDP program, by their indices.
fn programs() -> Result<Vec<u32>, GuardError> {
    let links = Netlink::open(0).and_then(|mut netlink| dump_links(&mut netlink));
    let links = links.map_err(|source| LinkError::new("list the interfaces", source))?;
    Ok(links.into_iter().filter(|link| link.has_program).map(|link| link.index).collect())
}

/// Ends the XDP programs that a crashed run left behind, so that the kernel has every frame again.
fn end_programs(entries: &[Entry]) -> Result<(), GuardError> {
    for index in programs()? {
        if entries.iter().any(|entry| entry.index == index && !entry.had_program) {
            let failed = |source| LinkError::new("take an XDP program off an interface", source);
            let mut netlink = Netlink::open(0).map_err(failed)?;
            end_program(&mut netlink, index).map_err(failed)?;
        }
    }
    Ok(())
}

fn current_links() -> Result<Vec<(u32, String)>, GuardError> {
    let links = Netlink::open(0).and_then(|mut netlink| dump_links(&mut netlink));
    let links = links.map_err(|source| LinkError::new("list the interfaces", source))?;
    Ok(links.into_iter().map(|link| (link.index, link.name)).collect())
}

fn here(lock: &InstanceLock) -> Result<Place, GuardError> {
    Place::here().map_err(|source| state_error(lock, source))
}

fn state_error(lock: &InstanceLock, source: io::Error) -> GuardError {
    GuardError::State { path: state::path(lock.run_dir(), lock.instance()), source }
}
