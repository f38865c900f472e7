//! Ports that are gone, and are still told of: by their names, not by those of their places' next ports.

use std::collections::BTreeMap;

use types::PortIndex;

/// Names of ports that are gone. Actions are counted as they are taken from the proxy, the first being 1.
#[derive(Debug, Default)]
pub(crate) struct FormerPorts {
    /// By place, and by the last action that was there when the port went.
    names: BTreeMap<(PortIndex, u64), String>,
}

impl FormerPorts {
    /// The port goes when all actions before number `untold` are told, and all up to `until` are there.
    pub(crate) fn note(&mut self, port: PortIndex, name: String, until: u64, untold: u64) {
        // Those before it at its place whose last action is told are told of no more.
        self.names.retain(|(at, last), _| *at != port || *last >= untold);
        self.names.insert((port, until), name);
    }

    /// Whose action number `action` at a place is, if that port is gone.
    pub(crate) fn of_action(&self, port: PortIndex, action: u64) -> Option<&str> {
        self.names.range((port, action)..=(port, u64::MAX)).next().map(|(_, name)| name.as_str())
    }

    /// Who went last from a place.
    pub(crate) fn last(&self, port: PortIndex) -> &str {
        self.names.range((port, 0)..=(port, u64::MAX)).next_back().map_or("?", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_is_of_the_port_that_it_was_caused_by() {
        let place = |at| PortIndex::new(at).unwrap();
        let mut former = FormerPorts::default();
        assert_eq!((former.of_action(place(3), 1), former.last(place(3))), (None, "?"));
        former.note(place(3), "first".to_owned(), 5, 3);
        former.note(place(3), "second".to_owned(), 9, 3);
        former.note(place(2), "other".to_owned(), 20, 3);
        let of = |action| former.of_action(place(3), action);
        assert_eq!(
            (of(3), of(5), of(6), of(9), of(10)),
            (Some("first"), Some("first"), Some("second"), Some("second"), None)
        );
        assert_eq!((former.last(place(3)), former.last(place(2))), ("second", "other"));
        former.note(place(3), "third".to_owned(), 9, 10);
        assert_eq!(former.names.len(), 2, "what nothing is told of any more is forgotten");
        assert_eq!(former.last(place(3)), "third");
    }
}
