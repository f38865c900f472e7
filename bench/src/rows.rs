//! A run's rows: measured one after the other, and one that fails costs the others nothing.

use std::time::Instant;

use lab::{LabError, stop};

use crate::error::BenchError;
use crate::progress::Progress;
use crate::report::FigureReport;
use crate::started;

/// The rows so far.
#[derive(Debug, Default)]
pub(crate) struct Rows(Vec<FigureReport>);

impl Rows {
    /// Adds what `measure` returns, each row with the time that all of them took. If it fails, `blanks` say why.
    ///
    /// # Errors
    /// [`LabError::Interrupted`] when a signal came, and nothing else.
    pub(crate) fn add(
        &mut self,
        progress: Progress,
        blanks: impl IntoIterator<Item = FigureReport>,
        measure: impl FnOnce(&Progress) -> Result<Vec<FigureReport>, BenchError>,
    ) -> Result<(), BenchError> {
        let began = Instant::now();
        let measured = measure(&progress);
        // A side that ends by the same signal is no failure.
        if stop::stopped() || matches!(measured, Err(BenchError::Lab(LabError::Interrupted))) {
            progress.clear();
            return Err(LabError::Interrupted.into());
        }
        let failed = measured.as_ref().err().map(ToString::to_string);
        let rows = measured
            .unwrap_or_else(|error| blanks.into_iter().map(|row| row.failed(&error.to_string())).collect());
        let seconds = began.elapsed().as_secs_f64();
        progress.end(seconds, failed.as_deref());
        let programs = started::take();
        let whole = |row: FigureReport| FigureReport { programs: programs.clone(), ..row.taking(seconds) };
        self.0.extend(rows.into_iter().map(whole));
        Ok(())
    }

    /// Whether there are none yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub(crate) fn all(self) -> Vec<FigureReport> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aim::Verdict;

    fn row(id: &'static str) -> FigureReport {
        FigureReport::new(id, "x".to_owned(), "m", "u")
    }

    #[test]
    fn a_row_that_fails_leaves_the_others() {
        let mut rows = Rows::default();
        let log = "first line\nlast line".to_owned();
        let failure = BenchError::Side { side: "testpmd".to_owned(), what: "ended early".to_owned(), log };
        rows.add(Progress::new("b1"), [row("b1"), row("b2")], |_| Err(failure)).unwrap();
        rows.add(Progress::new("b3"), [], |_| Ok(vec![row("b3")])).unwrap();
        let rows = rows.all();
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), ["b1", "b2", "b3"]);
        for failed in &rows[..2] {
            assert_eq!(failed.verdict, Verdict::Failed("failed: testpmd: ended early".to_owned()));
            assert_eq!(failed.notes, ["first line", "last line"]);
        }
        assert_eq!(rows[2].verdict, Verdict::NoAim);
        assert!(rows.iter().all(|row| row.seconds.is_some()));
    }

    #[test]
    fn an_interruption_ends_the_run() {
        let mut rows = Rows::default();
        rows.add(Progress::new("b1"), [], |_| Ok(vec![row("b1")])).unwrap();
        let interrupted = rows.add(Progress::new("b2"), [row("b2")], |_| Err(LabError::Interrupted.into()));
        assert!(matches!(interrupted, Err(BenchError::Lab(LabError::Interrupted))));
        let left: Vec<_> = rows.all().iter().map(|row| row.id).collect();
        assert_eq!(left, ["b1"], "what was measured before stays");
    }
}
