//! The few primitives shared by both ends: the real ones, or loom's under `cfg(loom)`.

use std::sync::{Arc, OnceLock};

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Keeps its content on cache lines of its own. 128 bytes: Intel's adjacent-line prefetch takes pairs.
#[repr(align(128))]
#[derive(Debug)]
pub(crate) struct Padded<T>(pub(crate) T);

/// A pointer that is set once, by the writer, and read by anyone without waiting.
///
/// Setting releases what was written before to whoever reads it as set. Under loom, which knows no
/// `OnceLock`, an atomic of loom's carries exactly that one release and acquire.
#[derive(Debug)]
pub(crate) struct Link<T: ?Sized> {
    target: OnceLock<Arc<T>>,
    #[cfg(loom)]
    is_set: loom::sync::atomic::AtomicBool,
}

impl<T: ?Sized> Link<T> {
    pub(crate) fn new() -> Self {
        Self {
            target: OnceLock::new(),
            #[cfg(loom)]
            is_set: loom::sync::atomic::AtomicBool::new(false),
        }
    }

    /// Sets the pointer; a second call changes nothing.
    pub(crate) fn set(&self, target: Arc<T>) {
        let first = self.target.set(target).is_ok();
        debug_assert!(first, "what a link leads to stays");
        #[cfg(loom)]
        self.is_set.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&Arc<T>> {
        #[cfg(loom)]
        if !self.is_set.load(Ordering::Acquire) {
            return None;
        }
        self.target.get()
    }

    /// The target, which `make` makes if there is none. For the writer alone.
    pub(crate) fn get_or_set(&self, make: impl FnOnce() -> Arc<T>) -> &Arc<T> {
        if self.target.get().is_none() {
            self.set(make());
        }
        self.target.get_or_init(|| unreachable!("it was set"))
    }
}
