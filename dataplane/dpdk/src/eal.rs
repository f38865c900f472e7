//! The environment abstraction layer: one per process.

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{DpdkError, EalError, PortError, check};
use crate::log;
use crate::ownership::{OwnershipError, check_workers};
use crate::port::{MAX_ETH_PORTS, PortId, PortInfo};
use crate::raw::REFCNT_IS_ATOMIC;

/// EAL, initialised. A handle: clones mean the same one, and it is cleaned up when the last of them and of all
/// that was made from them (pools, ports, queues, worker threads) is gone.
#[derive(Clone, Debug)]
pub struct Eal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    line: String,
    startup_log: Vec<String>,
    /// EAL's own files: in a directory named after the file prefix, which no other process shares while we run.
    runtime_dir: PathBuf,
    /// One bit a port that is in someone's hands.
    ports_in_use: Mutex<u64>,
    /// Threads that are registered.
    workers: AtomicUsize,
    /// DPDK runs one hotplug at a time; the log is recorded for one call at a time.
    hotplug: Mutex<()>,
}

const _: () = assert!(MAX_ETH_PORTS <= u64::BITS as usize, "one bit a port");

/// A logical core of EAL's own: from `-l`, `-c` or `--lcores`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lcore {
    /// DPDK's number of it.
    pub id: u32,
    /// The CPU that it runs on, or `None` when it runs on several.
    pub cpu: Option<usize>,
    /// Its NUMA node.
    pub node: u32,
}

/// Whether rte_eal_init was called: it may be once in a process, successful or not.
static CALLED: AtomicBool = AtomicBool::new(false);

impl Eal {
    /// Initialises EAL with `args` (without a program name).
    ///
    /// EAL pins the calling thread to the main lcore's CPU; this undoes it, so that threads made later are not
    /// bound to one CPU by descent. Name one lcore only (`-l`): workers come from [`Eal::spawn_worker`].
    ///
    /// # Errors
    /// [`EalError`], with what EAL logged. After a failure the process cannot try again.
    pub fn init<S: AsRef<str>>(args: &[S]) -> Result<Self, EalError> {
        let mut line = Vec::with_capacity(args.len());
        let mut owned = vec![program_name()];
        for arg in args {
            let arg = arg.as_ref();
            owned.push(CString::new(arg).map_err(|_| EalError::Argument(arg.to_owned()))?);
            line.push(arg);
        }
        let line = line.join(" ");
        if CALLED.swap(true, Ordering::SeqCst) {
            return Err(EalError::AlreadyInitialised);
        }
        log::route();
        log::start_recording();
        let affinity = rustix::thread::sched_getaffinity(None).ok();
        let ret = call_init(owned);
        let errno = DpdkError::last("rte_eal_init").errno;
        if let Some(cpus) = affinity {
            // Best effort: pinned, everything still works.
            let _ = rustix::thread::sched_setaffinity(None, &cpus);
        }
        let log = log::finish_recording();
        if ret < 0 {
            return Err(EalError::init(line, errno, log));
        }
        // SAFETY: EAL is initialised: the path is set, terminated, and stays.
        let runtime_dir = unsafe { CStr::from_ptr(dpdk_sys::rte_eal_get_runtime_dir()) };
        let runtime_dir = PathBuf::from(OsStr::from_bytes(runtime_dir.to_bytes()));
        let (ports_in_use, hotplug) = (Mutex::new(0), Mutex::new(()));
        let workers = AtomicUsize::new(0);
        let inner = Inner { line, startup_log: log, runtime_dir, ports_in_use, workers, hotplug };
        Ok(Self(Arc::new(inner)))
    }

    /// What EAL logged as errors and warnings when it started. Look here when a device of the line has no port: EAL
    /// starts without a device that it cannot probe.
    pub fn startup_log(&self) -> &[String] {
        &self.0.startup_log
    }

    /// The argument line that EAL was initialised with.
    pub fn line(&self) -> &str {
        &self.0.line
    }

    /// DPDK's version, as "DPDK 22.11.11".
    pub fn version(&self) -> &'static str {
        // SAFETY: rte_version returns a terminated string in static storage.
        unsafe { CStr::from_ptr(dpdk_sys::rte_version()) }.to_str().unwrap_or("DPDK")
    }

    /// Whether memory is in hugepages.
    pub fn has_hugepages(&self) -> bool {
        // SAFETY: reads EAL's settings; EAL is initialised.
        unsafe { dpdk_sys::rte_eal_has_hugepages() != 0 }
    }

    /// Frequency of [`cycles`], in Hz.
    pub fn cycles_hz(&self) -> u64 {
        // SAFETY: reads a value measured at initialisation.
        unsafe { dpdk_sys::rte_get_tsc_hz() }
    }

    /// The lcore whose thread called [`Eal::init`].
    pub fn main_lcore(&self) -> Lcore {
        // SAFETY: EAL is initialised.
        lcore(unsafe { dpdk_sys::rte_get_main_lcore() })
    }

    /// EAL's own lcores, the main one included. Worker threads of [`Eal::spawn_worker`] are not among them.
    pub fn lcores(&self) -> Vec<Lcore> {
        let next = |after: u32| {
            // SAFETY: any number may be passed; u32::MAX asks for the first.
            let id = unsafe { dpdk_sys::rte_get_next_lcore(after, 0, 0) };
            (id < dpdk_sys::SHIM_MAX_LCORE).then_some(id)
        };
        core::iter::successors(next(u32::MAX), |&id| next(id)).map(lcore).collect()
    }

    /// The ports there are, in no one's hands or in someone's.
    pub fn ports(&self) -> Vec<PortId> {
        let next = |from: u16| {
            // SAFETY: looks for a valid port from `from` on; any number may be passed.
            let id = unsafe { dpdk_sys::rte_eth_find_next(from) };
            PortId::new(id)
        };
        core::iter::successors(next(0), |id| next(id.get() + 1)).collect()
    }

    /// The port of a device by DPDK's name: "0000:3b:00.0", "net_pcap0".
    pub fn port_by_name(&self, name: &str) -> Option<PortId> {
        let name = CString::new(name).ok()?;
        let mut id = 0;
        // SAFETY: `name` is terminated, `id` is written on success only.
        let ret = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &mut id) };
        if ret == 0 { PortId::new(id) } else { None }
    }

    /// Attaches a device that was not on EAL's line ("net_null0,size=64", "0000:3b:00.0,..."). Its ports are
    /// stopped; whoever may name a device here may load code and write files as this process.
    ///
    /// # Errors
    /// [`PortError::Attach`] when the device cannot be probed, with what was logged meanwhile;
    /// [`PortError::AlreadyAttached`]; [`PortError::NoPorts`] when it is no Ethernet device; [`PortError::Ownership`] when
    /// its driver may not be used with this DPDK, and it is detached again.
    pub fn attach(&self, devargs: &str) -> Result<Vec<PortId>, PortError> {
        let text = CString::new(devargs).map_err(|_| DpdkError::invalid("rte_dev_probe"))?;
        let one_at_a_time = self.0.hotplug.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.ports();
        log::start_recording();
        // SAFETY: `text` is terminated; DPDK copies what it keeps.
        let probed = check("rte_dev_probe", unsafe { dpdk_sys::rte_dev_probe(text.as_ptr()) });
        let log = log::finish_recording();
        probed.map_err(|reason| PortError::Attach { devargs: devargs.to_owned(), reason, log })?;
        let mut ids = [0; MAX_ETH_PORTS];
        // SAFETY: `text` is terminated, `ids` has room for the number passed.
        let found = unsafe { dpdk_sys::shim_ports_of(text.as_ptr(), ids.as_mut_ptr(), MAX_ETH_PORTS as u32) };
        let found = check("rte_eth_iterator_init", found)? as usize;
        let ports: Vec<_> = ids.iter().take(found).filter_map(|&id| PortId::new(id)).collect();
        drop(one_at_a_time);
        // Probing what is there already is no error to DPDK.
        let first = match ports.first() {
            None => return Err(PortError::NoPorts(devargs.to_owned())),
            Some(first) if before.contains(first) => {
                return Err(PortError::AlreadyAttached(devargs.to_owned()));
            }
            Some(first) => *first,
        };
        // What would not be opened does not stay.
        if let Err(refused) = PortInfo::of(first).and_then(|info| info.may_be_used()) {
            // SAFETY: takes any port number.
            self.remove(unsafe { dpdk_sys::shim_port_device(first.get()) })?;
            return Err(refused);
        }
        Ok(ports)
    }

    /// What `call` returns, and what was logged as errors and warnings meanwhile.
    pub(crate) fn recorded<T>(&self, call: impl FnOnce() -> T) -> (T, Vec<String>) {
        let _one_at_a_time = self.0.hotplug.lock().unwrap_or_else(PoisonError::into_inner);
        log::start_recording();
        let returned = call();
        (returned, log::finish_recording())
    }

    /// Takes a device off its bus.
    pub(crate) fn remove(&self, device: *mut dpdk_sys::rte_device) -> Result<(), DpdkError> {
        let _one_at_a_time = self.0.hotplug.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the caller got `device` from a port that it owned and has closed; nobody else removes it.
        check("rte_dev_remove", unsafe { dpdk_sys::rte_dev_remove(device) }).map(|_| ())
    }

    /// Counts a worker.
    ///
    /// # Errors
    /// [`OwnershipError`] when there may be no further one.
    pub(crate) fn add_worker(&self) -> Result<(), OwnershipError> {
        let allowed = |workers: usize| check_workers(REFCNT_IS_ATOMIC, workers + 1);
        let added = self.0.workers.fetch_update(Ordering::AcqRel, Ordering::Acquire, |workers| {
            allowed(workers).is_ok().then_some(workers + 1)
        });
        added.map(|_| ()).or_else(allowed)
    }

    /// One that [`Eal::add_worker`] counted is gone.
    pub(crate) fn remove_worker(&self) {
        self.0.workers.fetch_sub(1, Ordering::AcqRel);
    }

    /// Marks a port as held; false when it is already.
    pub(crate) fn take_port(&self, id: PortId) -> bool {
        let mut held = self.0.ports_in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let bit = 1 << id.get();
        let free = *held & bit == 0;
        *held |= bit;
        free
    }

    /// Gives a port back that [`Eal::take_port`] marked.
    pub(crate) fn give_port(&self, id: PortId) {
        *self.0.ports_in_use.lock().unwrap_or_else(PoisonError::into_inner) &= !(1 << id.get());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the last handle is gone, and with it all pools, ports, queues and registered threads: each holds
        // one. Mbufs hold none, but a pool with mbufs out never lets its handle go.
        unsafe { dpdk_sys::rte_eal_cleanup() };
        // EAL leaves its files behind. Best effort: the next start overwrites them.
        let _ = std::fs::remove_dir_all(&self.runtime_dir);
    }
}

/// The program's name as EAL uses it in its log.
fn program_name() -> CString {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_name().map_or_else(|| "dpdk".into(), |n| n.to_string_lossy());
    CString::new(name.as_bytes()).unwrap_or_else(|_| c"dpdk".to_owned())
}

fn call_init(args: Vec<CString>) -> c_int {
    // EAL reorders the array and keeps pointers into the strings: both live as long as the process.
    let args: &'static [CString] = Vec::leak(args);
    let mut argv: Vec<*mut c_char> = args.iter().map(|a| a.as_ptr().cast_mut()).collect();
    let argc = argv.len() as c_int;
    argv.push(core::ptr::null_mut());
    let argv = Vec::leak(argv);
    // SAFETY: `argv` is an array of `argc` terminated strings and a null, never freed. EAL may move the pointers and
    // does not write the strings.
    unsafe { dpdk_sys::shim_eal_init(argc, argv.as_mut_ptr()) }
}

fn lcore(id: u32) -> Lcore {
    // SAFETY: both take any lcore id of an initialised EAL and read its configuration.
    let (cpu, node) =
        unsafe { (dpdk_sys::rte_lcore_to_cpu_id(id as c_int), dpdk_sys::rte_lcore_to_socket_id(id)) };
    Lcore { id, cpu: usize::try_from(cpu).ok(), node }
}

/// The time stamp counter: cheap, monotonic on a core, at [`Eal::cycles_hz`].
#[inline(always)]
pub fn cycles() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86_64 has the instruction.
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: reads a counter.
    unsafe {
        dpdk_sys::shim_cycles()
    }
}
