//! What the control thread tells the workers besides the group table and the port masks.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use types::{Ipv4Net, PortIndex};

/// Names the reason when a frame has nowhere to go. Read on that path only.
#[derive(Debug)]
pub struct ForwardingPolicy {
    local_groups: Vec<Ipv4Net>,
    enabled: AtomicBool,
    sources: AtomicU64,
}

impl ForwardingPolicy {
    /// Groups in `local_groups` stay on their link (r69). Switched off, and no port is a source yet.
    pub fn new(local_groups: Vec<Ipv4Net>) -> Self {
        Self { local_groups, enabled: AtomicBool::new(false), sources: AtomicU64::new(0) }
    }

    /// The proxy is switched on and has a provider port.
    pub fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed);
    }

    /// Whether data may come in by `port`: the provider's port, and client ports with `sources`.
    pub fn set_source(&self, port: PortIndex, is_source: bool) {
        let bit = 1 << port.get();
        if is_source {
            self.sources.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.sources.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    pub(crate) fn is_source(&self, port: PortIndex) -> bool {
        self.sources.load(Ordering::Relaxed) & (1 << port.get()) != 0
    }

    pub(crate) fn is_local(&self, group: u32) -> bool {
        self.local_groups.iter().any(|net| net.contains(group.into()))
    }
}
