//! What the control thread tells the workers besides the group table and the port masks.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

use types::{GroupAddr, Ipv4Net, MAX_LOCAL_GROUPS, PortIndex};

/// The most groups that can be watched at a time.
pub const MAX_WATCHED: usize = 8;

/// Names the reason when a frame has nowhere to go, and which groups to take samples of.
///
/// Shared in an `Arc`. One thread sets, the control thread; workers read without waiting, the reasons only on
/// their way to a drop. To begin with it is switched off, no port is a source, no group local or watched.
#[derive(Debug, Default)]
pub struct ForwardingPolicy {
    local_groups: LocalGroups,
    watched: Watched,
    enabled: AtomicBool,
    sources: AtomicU64,
}

impl ForwardingPolicy {
    /// Groups in `local_groups` stay on their link; see [`set_local_groups`](Self::set_local_groups).
    pub fn new(local_groups: &[Ipv4Net]) -> Self {
        let policy = Self::default();
        policy.set_local_groups(local_groups);
        policy
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

    /// From the next burst on, groups in `local_groups` stay on their link (r69). A group in both the old list
    /// and the new one never leaves it. Settings have at most [`MAX_LOCAL_GROUPS`]; what is beyond is not
    /// looked at.
    pub fn set_local_groups(&self, local_groups: &[Ipv4Net]) {
        self.local_groups.set(local_groups);
    }

    /// From the next burst on, workers hand a limited number of the group's frames to the control thread, also
    /// of those that they drop: [`PuntKind::Sample`](crate::PuntKind::Sample). Whether there was room for one
    /// more group; at most [`MAX_WATCHED`] are.
    pub fn watch(&self, group: GroupAddr) -> bool {
        self.watched.insert(group.to_bits())
    }

    /// Ends [`watch`](Self::watch). Samples taken before may still be on their way.
    pub fn unwatch(&self, group: GroupAddr) {
        self.watched.remove(group.to_bits());
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    pub(crate) fn is_source(&self, port: PortIndex) -> bool {
        self.sources.load(Ordering::Relaxed) & (1 << port.get()) != 0
    }

    pub(crate) fn is_local(&self, group: u32) -> bool {
        self.local_groups.contains(group)
    }

    /// Whether any group is watched.
    #[inline]
    pub(crate) fn is_watching(&self) -> bool {
        self.watched.count.load(Ordering::Relaxed) > 0
    }

    /// Which of the watched groups it is, below [`MAX_WATCHED`]; 0 is no group.
    pub(crate) fn watched_as(&self, group: u32) -> Option<usize> {
        self.watched.place(group)
    }
}

/// Groups to take samples of; 0 is none. Each stands for itself, so all accesses are relaxed.
#[derive(Debug, Default)]
struct Watched {
    count: AtomicU32,
    groups: [AtomicU32; MAX_WATCHED],
}

impl Watched {
    fn place(&self, group: u32) -> Option<usize> {
        self.groups.iter().position(|place| place.load(Ordering::Relaxed) == group)
    }

    fn insert(&self, group: u32) -> bool {
        if self.place(group).is_some() {
            return true;
        }
        let Some(free) = self.place(0) else { return false };
        self.groups[free].store(group, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn remove(&self, group: u32) {
        if let Some(place) = self.place(group) {
            self.groups[place].store(0, Ordering::Relaxed);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Two lists: the one in force, and the one that the next change is written to. A reader that may have seen
/// a change of what it read, because two changes came meanwhile, reads again.
#[derive(Debug)]
struct LocalGroups {
    /// Its lowest bit is the list in force.
    version: AtomicUsize,
    lists: [PrefixList; 2],
}

#[derive(Debug)]
struct PrefixList {
    len: AtomicUsize,
    /// Address in the high half, mask in the low.
    prefixes: [AtomicU64; MAX_LOCAL_GROUPS],
}

impl Default for PrefixList {
    fn default() -> Self {
        Self { len: AtomicUsize::new(0), prefixes: [const { AtomicU64::new(0) }; MAX_LOCAL_GROUPS] }
    }
}

impl PrefixList {
    fn contains(&self, group: u32) -> bool {
        let len = self.len.load(Ordering::Relaxed);
        self.prefixes.iter().take(len).any(|prefix| {
            let prefix = prefix.load(Ordering::Relaxed);
            (group ^ (prefix >> 32) as u32) & prefix as u32 == 0
        })
    }
}

impl Default for LocalGroups {
    fn default() -> Self {
        Self { version: AtomicUsize::new(0), lists: Default::default() }
    }
}

impl LocalGroups {
    /// One thread at a time.
    fn set(&self, nets: &[Ipv4Net]) {
        let version = self.version.load(Ordering::Relaxed);
        // Whoever reads what is written below sees that the list had gone out of force before.
        fence(Ordering::Release);
        let list = &self.lists[(version + 1) & 1];
        for (prefix, net) in list.prefixes.iter().zip(nets) {
            let bits = u64::from(net.addr().to_bits()) << 32 | u64::from(net.mask());
            prefix.store(bits, Ordering::Relaxed);
        }
        list.len.store(nets.len().min(MAX_LOCAL_GROUPS), Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Release);
    }

    fn contains(&self, group: u32) -> bool {
        loop {
            let version = self.version.load(Ordering::Acquire);
            let found = self.lists[version & 1].contains(group);
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return found;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<Ipv4Net> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn group(text: &str) -> GroupAddr {
        text.parse().unwrap()
    }

    #[test]
    fn r69_local_groups_change_as_a_whole() {
        let policy = ForwardingPolicy::new(&nets(&["239.255.255.250/32", "239.255.255.253/32"]));
        let is_local = |text| policy.is_local(group(text).to_bits());
        assert!(is_local("239.255.255.250") && is_local("239.255.255.253") && !is_local("239.255.255.251"));
        policy.set_local_groups(&nets(&["239.255.0.0/16"]));
        assert!(is_local("239.255.255.251") && is_local("239.255.0.1") && !is_local("239.254.0.1"));
        policy.set_local_groups(&[]);
        assert!(!is_local("239.255.255.250"));
        policy.set_local_groups(&nets(&["0.0.0.0/0"]));
        assert!(is_local("224.0.1.1"));
    }

    #[test]
    fn r69_there_may_be_as_many_local_groups_as_said() {
        let net = |n: usize| Ipv4Net::new([239, 1, 1, n as u8].into(), 32).unwrap();
        let policy = ForwardingPolicy::new(&(0..=MAX_LOCAL_GROUPS).map(net).collect::<Vec<_>>());
        let is_local = |n: usize| policy.is_local(net(n).addr().to_bits());
        assert!((0..MAX_LOCAL_GROUPS).all(is_local));
        assert!(!is_local(MAX_LOCAL_GROUPS));
    }

    /// A reader among changes: what is in every list is local throughout, what is in none never.
    #[test]
    fn r69_a_group_in_the_old_list_and_the_new_one_is_local_all_the_time() {
        let lists = [
            nets(&["239.1.0.0/16", "239.255.255.250/32"]),
            nets(&["239.255.255.250/32"]),
            nets(&["239.2.0.0/16", "239.3.0.0/16", "239.255.255.250/32"]),
        ];
        let policy = ForwardingPolicy::new(&lists[0]);
        std::thread::scope(|scope| {
            let changes = scope.spawn(|| (0..30_000).for_each(|n| policy.set_local_groups(&lists[n % 3])));
            while !changes.is_finished() {
                assert!(policy.is_local(group("239.255.255.250").to_bits()));
                assert!(!policy.is_local(group("239.4.0.1").to_bits()));
            }
        });
    }

    #[test]
    fn a_handful_of_groups_is_watched() {
        let policy = ForwardingPolicy::default();
        let numbered = |n: usize| GroupAddr::new([239, 2, 2, n as u8].into()).unwrap();
        assert!(!policy.is_watching());
        assert!((0..MAX_WATCHED).all(|n| policy.watch(numbered(n))));
        assert!(policy.watch(numbered(0)), "watched already");
        assert!(!policy.watch(numbered(MAX_WATCHED)));
        policy.unwatch(numbered(3));
        policy.unwatch(numbered(3));
        let is_watched = |n| policy.watched_as(numbered(n).to_bits()).is_some();
        assert!(!is_watched(3) && is_watched(4));
        assert!(policy.watch(numbered(MAX_WATCHED)));
        (0..=MAX_WATCHED).for_each(|n| policy.unwatch(numbered(n)));
        assert!(!policy.is_watching());
    }
}
