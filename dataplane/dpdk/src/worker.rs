//! Threads that move packets.

use core::marker::PhantomData;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};
use std::{io, thread};

use rustix::thread::{CpuSet, sched_setaffinity};
use thiserror::Error;

use crate::eal::Eal;
use crate::error::DpdkError;
use crate::ownership::OwnershipError;

/// Why a worker thread could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The thread could not be made.
    #[error("cannot make a worker thread: {0}")]
    Spawn(#[source] io::Error),
    /// The thread could not be bound to its CPU.
    #[error("cannot bind a worker to CPU {cpu}: {source}")]
    Pin {
        /// The CPU asked for.
        cpu: usize,
        /// The kernel's reason.
        source: io::Error,
    },
    /// DPDK did not take the thread, for example because it has no free lcore id.
    #[error("cannot make a worker known to DPDK: {0}")]
    Register(#[from] DpdkError),
    /// There is a worker, and references to frames are counted by one thread.
    #[error(transparent)]
    Ownership(#[from] OwnershipError),
}

/// The proof that this thread has an lcore id, and so a mempool cache of its own. Gives the id back when dropped.
#[derive(Debug)]
pub struct WorkerThread {
    lcore_id: u32,
    eal: Eal,
    /// The registration is the thread's.
    _not_send: PhantomData<*mut ()>,
}

impl WorkerThread {
    /// The lcore id that DPDK gave.
    pub fn lcore_id(&self) -> u32 {
        self.lcore_id
    }
}

impl Drop for WorkerThread {
    fn drop(&mut self) {
        // SAFETY: this thread was registered by `register_thread`, and the guard cannot leave it.
        unsafe { dpdk_sys::rte_thread_unregister() };
        self.eal.remove_worker();
    }
}

/// Binds the calling thread to one CPU.
///
/// # Errors
/// The kernel's, for example when there is no such CPU or this process may not use it.
pub fn pin_current_thread(cpu: usize) -> io::Result<()> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

impl Eal {
    /// Makes the calling thread known to DPDK: it gets an lcore id, and with it a cache in each mempool. From then on
    /// no secondary process can attach.
    ///
    /// # Errors
    /// When the thread is known already (the one that called [`Eal::init`] is), or no lcore id is free;
    /// [`WorkerError::Ownership`] when another is registered and [`REFCNT_IS_ATOMIC`](crate::REFCNT_IS_ATOMIC) is false.
    pub fn register_thread(&self) -> Result<WorkerThread, WorkerError> {
        // SAFETY: reads a thread-local integer.
        if unsafe { dpdk_sys::shim_lcore_id() } != dpdk_sys::SHIM_LCORE_ID_ANY {
            let errno = rustix::io::Errno::EXIST.raw_os_error();
            return Err(DpdkError { call: "rte_thread_register", errno }.into());
        }
        self.add_worker()?;
        // SAFETY: EAL is initialised and the thread is not yet known.
        if unsafe { dpdk_sys::rte_thread_register() } != 0 {
            let error = DpdkError::last("rte_thread_register");
            self.remove_worker();
            return Err(error.into());
        }
        // SAFETY: reads a thread-local integer.
        let lcore_id = unsafe { dpdk_sys::shim_lcore_id() };
        Ok(WorkerThread { lcore_id, eal: self.clone(), _not_send: PhantomData })
    }

    /// Makes a thread `name`, bound to `cpu` if given and known to DPDK, and runs `work` on it. Mbufs do not leave
    /// their thread, so `work` makes its bursts and batches itself; queues and pools are moved in.
    ///
    /// # Errors
    /// [`WorkerError`]; then `work` was dropped without a call.
    pub fn spawn_worker<T, F>(
        &self,
        name: &str,
        cpu: Option<usize>,
        work: F,
    ) -> Result<Worker<T>, WorkerError>
    where
        T: Send + 'static,
        F: FnOnce(&WorkerThread) -> T + Send + 'static,
    {
        let eal = self.clone();
        let (ready, outcome) = mpsc::sync_channel(1);
        let body = move || {
            let me = match prepare(&eal, cpu) {
                Ok(me) => me,
                Err(e) => {
                    // The spawner waits for this: it cannot fail, here and below.
                    let _ = ready.send(Err(e));
                    return None;
                }
            };
            let _ = ready.send(Ok(()));
            Some(work(&me))
        };
        let thread = Builder::new().name(name.to_owned()).spawn(body).map_err(WorkerError::Spawn)?;
        match outcome.recv() {
            Ok(Ok(())) => Ok(Worker(thread)),
            Ok(Err(e)) => {
                // It has nothing left to do; its queues go before this returns.
                let _ = thread.join();
                Err(e)
            }
            Err(mpsc::RecvError) => Err(WorkerError::Spawn(io::Error::other("the thread ended at once"))),
        }
    }
}

fn prepare(eal: &Eal, cpu: Option<usize>) -> Result<WorkerThread, WorkerError> {
    // First the CPU: DPDK notes it, and the NUMA node with it, at registration.
    if let Some(cpu) = cpu {
        pin_current_thread(cpu).map_err(|source| WorkerError::Pin { cpu, source })?;
    }
    eal.register_thread()
}

/// A thread made by [`Eal::spawn_worker`]. Dropped, the thread goes on alone.
#[derive(Debug)]
pub struct Worker<T>(JoinHandle<Option<T>>);

impl<T> Worker<T> {
    /// Waits for the thread to end.
    ///
    /// # Errors
    /// What the thread panicked with.
    pub fn join(self) -> thread::Result<T> {
        self.0.join().map(|value| value.expect("a thread that could not start is never handed out"))
    }

    /// Whether the thread has ended, by returning or by panic.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}
