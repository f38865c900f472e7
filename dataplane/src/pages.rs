//! Pools of pages: each port on af_xdp has one of its own, of pages in one piece. The driver gives the kernel the whole
//! pool, and reckons where a buffer lies from its number. Other ports' frames are copied into it to be sent, and the
//! kernel copies them again.
//!
//! A pool is its port's until that goes for good, so that it opens again whatever has taken memory meanwhile; and a change
//! makes those that it needs before it closes anything ([`Devices::reserve`]).

use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpdk::Mempool;
use links::LinkInfo;
use settings::{Device, PortSettings, af_xdp_pool_size, af_xdp_queues};

use crate::drivers::{KernelDriver, choose};
use crate::failure::Failure;
use crate::ports::Devices;

/// Buffers of a pool that each thread keeps at hand.
const CACHE: u32 = 64;

/// The pools, each with the name of its port. A handle: clones mean the same ones.
#[derive(Clone, Default)]
pub(crate) struct PagePools(Arc<Mutex<BTreeMap<String, Mempool>>>);

impl PagePools {
    /// A port's pool, where it has one of so many buffers at least. With the distribution's driver no pool serves
    /// twice: it gives back nothing of the first.
    fn of(&self, port: &str, size: u32) -> Option<Mempool> {
        let fits = |pool: &&Mempool| dpdk::AF_XDP_IS_MENDED && pool.size() >= size;
        self.pools().get(port).filter(fits).cloned()
    }

    /// The pool of a port that opens from now on.
    pub(crate) fn put(&self, port: &str, pool: Mempool) {
        let before = self.pools().insert(port.to_owned(), pool);
        // Memory is freed behind the lock.
        drop(before);
    }

    /// Lets go of the pools of all ports but these.
    pub(crate) fn keep_only(&self, keeps: impl Fn(&str) -> bool) {
        let gone: Vec<_> = self.pools().extract_if(.., |port, _| !keeps(port)).collect();
        drop(gone);
    }

    /// Buffers there are, and those that are out.
    pub(crate) fn usage(&self) -> (u64, u64) {
        let pools: Vec<_> = self.pools().values().cloned().collect();
        let sum = |of: fn(&Mempool) -> u32| pools.iter().map(|pool| u64::from(of(pool))).sum();
        (sum(Mempool::size), sum(Mempool::in_use))
    }

    fn pools(&self) -> MutexGuard<'_, BTreeMap<String, Mempool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Devices {
    /// The pool that a port will have which is opened soon: the one that it has, else one of `spare`, of ports that go and
    /// are closed before, else a new one. `None` where it needs none of its own, or does without where there is no memory.
    ///
    /// # Errors
    /// There is no memory for it; what would give some.
    pub(crate) fn reserve(
        &self,
        settings: &PortSettings,
        link: Option<&LinkInfo>,
        spare: &mut Vec<String>,
    ) -> Result<Option<Mempool>, Failure> {
        let (queues, does_without) = match (&settings.device, link) {
            (Device::Kernel(_), Some(link)) => {
                let choice = choose(settings, link, self.workers)?;
                match choice.driver {
                    KernelDriver::AfXdp { queues } => (queues, choice.falls_back),
                    KernelDriver::AfPacket => (0, false),
                }
            }
            (Device::Kernel(_) | Device::Pci(_) | Device::Vdev(_), _) => {
                (af_xdp_queues(settings, |_| 0), false)
            }
        };
        if queues == 0 {
            return Ok(None);
        }
        let size = self.page_pool_size(settings, queues);
        let fits = |name: &String| self.pages.of(name, size).is_some();
        let has = self.pages.of(&settings.name, size).or_else(|| {
            let at = spare.iter().position(fits)?;
            self.pages.of(&spare.swap_remove(at), size)
        });
        match has.map_or_else(|| self.make_page_pool(settings, size), Ok) {
            Err(_) if does_without => Ok(None),
            made => made.map(Some),
        }
    }

    /// The pool of a port that starts with so many queues.
    ///
    /// # Errors
    /// As [`Devices::reserve`].
    pub(crate) fn page_pool(&self, settings: &PortSettings, queues: u16) -> Result<Mempool, Failure> {
        let size = self.page_pool_size(settings, queues);
        if let Some(pool) = self.pages.of(&settings.name, size) {
            return Ok(pool);
        }
        let pool = self.make_page_pool(settings, size)?;
        self.pages.put(&settings.name, pool.clone());
        Ok(pool)
    }

    fn page_pool_size(&self, settings: &PortSettings, queues: u16) -> u32 {
        af_xdp_pool_size(settings, queues, self.workers.into(), self.kept)
    }

    fn make_page_pool(&self, settings: &PortSettings, size: u32) -> Result<Mempool, Failure> {
        // A name that no pool has, also not one that is about to go.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("af_xdp_{}", MADE.fetch_add(1, Ordering::Relaxed));
        Mempool::of_pages(&self.eal, &name, size, CACHE).map_err(|error| {
            let cure = if self.eal.has_hugepages() {
                "reserve more hugepages"
            } else {
                "raise `max-ports` or `memory-mb` in [eal] and restart"
            };
            let what = format!(
                "no memory for the {size} buffers of its own that af_xdp needs: {error}; {cure}, or set \
                 `driver = \"af_packet\"`"
            );
            Failure::of_port(settings, what)
        })
    }
}
