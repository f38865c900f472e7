//! Frames that are lost outside the workers, as the ports' drivers tell.

use std::time::Instant;

use api::EventKind;

use super::Running;
use crate::losses::Beginning;

impl Running {
    /// Asks the drivers now and then; says which ports begin to lose frames.
    pub(super) fn look_for_losses(&mut self, now: Instant) {
        if self.losses.is_due(now) {
            self.count_losses(now);
        }
    }

    /// Asks the drivers.
    pub(super) fn count_losses(&mut self, now: Instant) {
        for served in self.inventory.iter_mut() {
            if let Some(port) = &served.port {
                served.losses.look(port);
            }
            let Some(Beginning { text, cure }) = self.losses.write(served.index, &mut served.losses, now)
            else {
                continue;
            };
            let port = served.settings.name.as_str();
            tracing::warn!(port, "{text}; {cure}");
            self.control.note(EventKind::Loss, Some(port), format!("{text}; {cure}"));
        }
    }
}
