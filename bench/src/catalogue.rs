//! Every figure by name, of whatever kind, and which of them a run measures.
//!
//! A kind of figure is a module that says its names here ([`entries`]), and that [`crate::session`] calls for those of
//! them that are selected ([`Selection::has`]); it returns [`FigureReport`](crate::report::FigureReport)s, from which
//! table, file and page are made. Delays go in as
//! [`Distribution`](crate::report::Distribution)s, which the page plots by percentile.

use crate::blocked;
use crate::capacity;
use crate::delay;
use crate::figures::FIGURES;
use crate::heap;
use crate::latency;
use crate::outer;
use crate::scale;
use crate::stalls;

/// A figure's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its number in the list of figures, which asks for all of its variants.
    pub(crate) id: &'static str,
    /// What asks for it alone.
    pub(crate) name: String,
    /// Which runs it belongs to.
    pub(crate) run: Run,
}

/// Which runs a figure belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// The quick one, and the full one.
    Quick,
    /// The full one.
    Full,
    /// Only one that names it, or its id.
    Named,
}

/// Every figure, in the order in which they are measured.
pub(crate) fn entries() -> Vec<Entry> {
    let compared = FIGURES.iter().map(|f| Entry { id: f.id, name: f.name(), run: f.run });
    let alone = [
        (capacity::ID, Run::Quick),
        (blocked::ID, Run::Full),
        (latency::ID, Run::Full),
        (heap::ID, Run::Quick),
        (delay::JOIN, Run::Quick),
        (delay::LEAVE, Run::Full),
        (stalls::ID, Run::Full),
        (scale::ID, Run::Full),
    ];
    let alone = alone.map(|(id, run)| Entry { id, name: id.to_owned(), run });
    let outer = [outer::JOIN, outer::LEAVE];
    let outer = outer.map(|(id, name)| Entry { id, name: name.to_owned(), run: Run::Full });
    compared.chain(alone).chain(outer).collect()
}

/// What is to be measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    names: Vec<String>,
}

impl Selection {
    /// What `names` ask for ("b2", "b2/16", "all"); with none named, the full run's, or the few of
    /// the quick one.
    ///
    /// # Errors
    /// A name that no figure has; the text lists those there are.
    pub(crate) fn new(names: &[String], quick: bool) -> Result<Self, String> {
        let entries = entries();
        let names: Vec<_> = names.iter().map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err(
                "an empty name among the figures; name some, or leave the option out for all".to_owned()
            );
        }
        let asks = |name: &String, entry: &Entry| *name == entry.id || *name == entry.name;
        let known = |name: &String| name == "all" || entries.iter().any(|entry| asks(name, entry));
        if let Some(unknown) = names.iter().find(|name| !known(name)) {
            let mut ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
            ids.sort_by_key(|id| (id.len(), *id));
            ids.dedup();
            let own = entries.iter().filter(|entry| unknown.split('/').next() == Some(entry.id));
            let own: Vec<_> = own.map(|entry| entry.name.as_str()).collect();
            let known = if own.is_empty() { format!("all, {}", ids.join(", ")) } else { own.join(", ") };
            return Err(format!("no figure is called `{unknown}`; there are {known}"));
        }
        let all = names.iter().any(|name| name == "all") || names.is_empty() && !quick;
        let by_run = |entry: &Entry| match entry.run {
            Run::Quick => all || names.is_empty(),
            Run::Full => all,
            Run::Named => false,
        };
        let wanted = |entry: &Entry| by_run(entry) || names.iter().any(|name| asks(name, entry));
        Ok(Self { names: entries.into_iter().filter(wanted).map(|entry| entry.name).collect() })
    }

    /// Whether the figure of that name is among them.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|asked| asked == name)
    }

    /// Their names.
    #[cfg(test)]
    fn names(&self) -> &[String] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str], quick: bool) -> Result<Vec<String>, String> {
        let asked: Vec<_> = asked.iter().map(|s| (*s).to_owned()).collect();
        Selection::new(&asked, quick).map(|selection| selection.names().to_vec())
    }

    #[test]
    fn figures_are_found_by_id_and_by_name() {
        assert_eq!(names(&["b2"], false).unwrap(), ["b2/4", "b2/16", "b2/30"]);
        assert_eq!(names(&["b2/30", "b1"], true).unwrap(), ["b1/1", "b2/30"]);
        assert_eq!(names(&["b15", "b13/100000"], false).unwrap(), ["b13/100000", "b15"]);
        assert_eq!(names(&["all"], true), names(&[], false));
        assert_eq!(names(&["b13"], false).unwrap(), ["b13/10000", "b13/100000", "b13/150000"]);
        assert!(!Selection::new(&[], false).unwrap().has("b13/150000"), "only who names it waits for it");
        assert_eq!(names(&[" b1 "], false), names(&["b1"], false), "a space after a comma");
    }

    #[test]
    fn names_that_no_figure_has_are_told_with_those_there_are() {
        let wrong = |asked: &[&str]| names(asked, false).unwrap_err();
        assert!(wrong(&["b1", "b99"]).contains("`b99`; there are all, b1, b2, b3"), "{}", wrong(&["b99"]));
        assert_eq!(wrong(&["b2/5"]), "no figure is called `b2/5`; there are b2/4, b2/16, b2/30");
        for empty in [&[""][..], &["b1", " "]] {
            assert!(wrong(empty).starts_with("an empty name"), "{empty:?}");
        }
    }

    #[test]
    fn the_quick_run_is_some_of_all() {
        let (quick, all) = (names(&[], true).unwrap(), names(&[], false).unwrap());
        assert!(quick.len() > 3 && quick.len() * 2 < all.len(), "{quick:?}");
        assert!(Selection::new(&[], true).unwrap().has("b1/1"));
    }

    #[test]
    fn names_are_unique() {
        let mut all = names(&["all"], false).unwrap();
        let number = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), number);
    }
}
