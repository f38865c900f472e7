//! What a stamped source costs without anybody who forwards: the same for any number of sinks, so it is measured once.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::error::BenchError;
use crate::manifold::Manifold;
use crate::side::Work;
use crate::testpmd::Testpmd;

/// Frames a second of sources that were measured, by a frame's length on the wire and the number of groups.
#[derive(Debug, Default)]
pub(crate) struct Alone(RefCell<HashMap<(usize, u32), f64>>);

impl Alone {
    /// What the sources of `works` cost, in words: each frame is freed by a `testpmd` as it comes.
    ///
    /// # Errors
    /// testpmd does not start, or says what nobody understands.
    pub(crate) fn told(&self, testpmd: &Testpmd, works: &[Work]) -> Result<String, BenchError> {
        let told = works.iter().map(|work| {
            let rate = self.rate(work, || testpmd.receive(work, &Manifold::read_settings(work)?))?;
            Ok(format!("{:.1} ns a packet for {}", 1e9 / rate, work.party.name))
        });
        let told = told.collect::<Result<Vec<_>, BenchError>>()?;
        Ok(format!("the source alone, its frames freed by testpmd: {}", told.join(", ")))
    }

    fn rate(
        &self,
        work: &Work,
        measure: impl FnOnce() -> Result<f64, BenchError>,
    ) -> Result<f64, BenchError> {
        let source = (work.party.wire_len, work.party.groups);
        let known = self.0.borrow().get(&source).copied();
        let rate = known.map_or_else(measure, Ok)?;
        self.0.borrow_mut().insert(source, rate);
        Ok(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::churn::tests::work;

    #[test]
    fn each_source_is_measured_once() {
        let (alone, first) = (Alone::default(), work());
        assert_eq!(alone.rate(&first, || Ok(1e6)).unwrap(), 1e6);
        let more_sinks = Work { fan_out: first.fan_out + 1, ..first.clone() };
        assert_eq!(alone.rate(&more_sinks, || unreachable!("it is known")).unwrap(), 1e6);
        let mut longer = first;
        longer.party.wire_len += 1;
        assert_eq!(alone.rate(&longer, || Ok(5e5)).unwrap(), 5e5);
    }
}
