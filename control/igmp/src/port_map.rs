//! Values by port, each found by its index alone.

use core::ops::Index;

use types::{MAX_PORTS, PortIndex};

/// A map whose keys are ports.
#[derive(Debug)]
pub(crate) struct PortMap<T> {
    values: Vec<Option<T>>,
}

impl<T> PortMap<T> {
    pub(crate) fn new() -> Self {
        Self { values: (0..MAX_PORTS).map(|_| None).collect() }
    }

    pub(crate) fn get(&self, port: &PortIndex) -> Option<&T> {
        self.values[port.get()].as_ref()
    }

    pub(crate) fn get_mut(&mut self, port: &PortIndex) -> Option<&mut T> {
        self.values[port.get()].as_mut()
    }

    pub(crate) fn contains_key(&self, port: &PortIndex) -> bool {
        self.get(port).is_some()
    }

    /// Puts the value there, and hands back what was.
    pub(crate) fn insert(&mut self, port: PortIndex, value: T) -> Option<T> {
        self.values[port.get()].replace(value)
    }

    pub(crate) fn remove(&mut self, port: &PortIndex) -> Option<T> {
        self.values[port.get()].take()
    }

    /// The ports that have a value, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = PortIndex> {
        let used = |(index, value): (usize, &Option<T>)| value.as_ref().and_then(|_| PortIndex::new(index));
        self.values.iter().enumerate().filter_map(used)
    }

    /// The values, in the order of their ports.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.values.iter().flatten()
    }
}

impl<T> Index<&PortIndex> for PortMap<T> {
    type Output = T;

    fn index(&self, port: &PortIndex) -> &T {
        self.get(port).expect("a port with a value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_port_until_it_is_removed() {
        let [first, last] = [0, MAX_PORTS - 1].map(|index| PortIndex::new(index).unwrap());
        let mut map = PortMap::new();
        assert_eq!(
            (map.insert(last, 'a'), map.insert(first, 'b'), map.insert(last, 'c')),
            (None, None, Some('a'))
        );
        assert!(map.keys().eq([first, last]) && map.values().eq(&['b', 'c']));
        *map.get_mut(&first).unwrap() = 'd';
        assert_eq!((map[&first], map.get(&last)), ('d', Some(&'c')));
        assert_eq!((map.remove(&last), map.remove(&last)), (Some('c'), None));
        assert!(!map.contains_key(&last) && map.contains_key(&first));
    }
}
