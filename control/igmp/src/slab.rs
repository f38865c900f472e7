//! Values in numbered places, in pages, so that growing moves nothing and leaves no slack.

/// Places of a page.
const PAGE: usize = 1024;
/// No place: the end of the free list.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
enum Place<T> {
    Used(T),
    /// The next free place.
    Free(u32),
}

/// Values by the number of their place, which is used again once its value is gone. A place that its owner
/// did not free is a mistake of the owner's, and asking for one that is free panics.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    pages: Vec<Vec<Place<T>>>,
    free: u32,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new(), free: NONE }
    }

    /// One more than the highest place ever used.
    pub(crate) fn places(&self) -> u32 {
        let last = self.pages.last().map_or(0, Vec::len);
        (self.pages.len().saturating_sub(1) * PAGE + last) as u32
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if self.free != NONE {
            let at = self.free;
            let place = self.place_mut(at);
            let Place::Free(next) = core::mem::replace(place, Place::Used(value)) else {
                unreachable!("the free list holds free places")
            };
            self.free = next;
            return at;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let at = self.places();
        if let Some(page) = self.pages.last_mut() {
            page.push(Place::Used(value));
        }
        at
    }

    pub(crate) fn remove(&mut self, at: u32) -> T {
        let free = Place::Free(self.free);
        let Place::Used(value) = core::mem::replace(self.place_mut(at), free) else {
            panic!("place {at} is free")
        };
        self.free = at;
        value
    }

    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        match self.pages.get(at as usize / PAGE)?.get(at as usize % PAGE)? {
            Place::Used(value) => Some(value),
            Place::Free(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        match self.pages.get_mut(at as usize / PAGE)?.get_mut(at as usize % PAGE)? {
            Place::Used(value) => Some(value),
            Place::Free(_) => None,
        }
    }

    fn place_mut(&mut self, at: u32) -> &mut Place<T> {
        &mut self.pages[at as usize / PAGE][at as usize % PAGE]
    }
}

impl<T> core::ops::Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        self.get(at).expect("a place in use")
    }
}

impl<T> core::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        self.get_mut(at).expect("a place in use")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_and_keep_their_values() {
        let mut slab = Slab::new();
        let places: Vec<_> = (0..3000u32).map(|n| slab.insert(n)).collect();
        assert_eq!((places[2999], slab.places()), (2999, 3000));
        for at in (0..3000).step_by(3) {
            assert_eq!(slab.remove(at), at);
            assert_eq!(slab.get(at), None);
        }
        for n in 0..1000 {
            let at = slab.insert(5000 + n);
            assert!(at.is_multiple_of(3) && slab[at] == 5000 + n);
        }
        assert_eq!(slab.places(), 3000);
        assert!((0..3000).filter(|at| at % 3 != 0).all(|at| slab[at] == at));
        slab[1] = 7;
        assert_eq!((slab.get(1), slab.get(3000)), (Some(&7), None));
    }

    #[test]
    #[should_panic(expected = "is free")]
    fn a_place_is_freed_once() {
        let mut slab = Slab::new();
        let at = slab.insert(1);
        slab.remove(at);
        slab.remove(at);
    }
}
