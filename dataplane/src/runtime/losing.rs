//! Frames that are lost outside the workers, as the ports' drivers tell.

use std::time::Instant;

use api::EventKind;

use super::Running;

impl Running {
    /// Asks the drivers now and then; says which ports begin to lose frames.
    pub(super) fn look_for_losses(&mut self, now: Instant) {
        if !self.losses.is_due(now) {
            return;
        }
        for served in self.inventory.iter_mut() {
            if let Some(text) = self.losses.count(served, now) {
                self.control.note(EventKind::Loss, Some(&served.settings.name), text);
            }
        }
    }
}
