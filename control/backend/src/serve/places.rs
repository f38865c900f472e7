//! Places for connections: so many in all, so many for one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::access::Source;

/// The places and who has them.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    most_each: usize,
    taken: Mutex<HashMap<Source, usize>>,
}

/// A place; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    source: Source,
}

impl Places {
    /// None taken.
    pub(crate) fn new(most: usize, most_each: usize) -> Arc<Self> {
        Arc::new(Self { most, most_each, taken: Mutex::default() })
    }

    /// A place for a client of this address, if there is one. Where it `is_one` client, it has its share and no more.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr, is_one: bool) -> Option<Place> {
        let source = Source::of(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let each = taken.get(&source).copied().unwrap_or(0);
        if all >= self.most || (is_one && each >= self.most_each) {
            return None;
        }
        taken.insert(source, each + 1);
        Some(Place { places: Arc::clone(self), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_all_places_and_what_is_given_back_is_there_again() {
        let places = Places::new(3, 2);
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse::<IpAddr>().unwrap());
        let first = places.take(a, true).unwrap();
        let _second = places.take(a, true).unwrap();
        assert!(places.take(a, true).is_none(), "its share");
        let third = places.take(a, false).unwrap();
        assert!(places.take(b, false).is_none(), "all taken");
        drop(first);
        let _again = places.take(b, true).unwrap();
        assert!(places.take(a, true).is_none());
        drop(third);
        assert!(places.take(a, true).is_some());
        assert_eq!(places.taken.lock().unwrap().len(), 2);
    }
}
