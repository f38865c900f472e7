//! What figures need and share, made or looked for before the first of them.

use lab::{LabError, stop};

use crate::error::BenchError;

/// A thing, or why it is not there: then only those figures fail that need it.
#[derive(Debug)]
pub(crate) struct Part<T>(Result<T, String>);

impl<T> Part<T> {
    /// What `make` returns, if it is needed.
    ///
    /// # Errors
    /// [`LabError::Interrupted`] when a signal came, and nothing else.
    pub(crate) fn new(
        needed: bool,
        make: impl FnOnce() -> Result<T, BenchError>,
    ) -> Result<Self, BenchError> {
        if !needed {
            return Ok(Self(Err("nobody asked for it".to_owned())));
        }
        let made = make();
        if stop::stopped() || matches!(made, Err(BenchError::Lab(LabError::Interrupted))) {
            return Err(LabError::Interrupted.into());
        }
        Ok(Self(made.map_err(|error| error.to_string())))
    }

    /// The thing.
    ///
    /// # Errors
    /// Why it is not there.
    pub(crate) fn get(&self) -> Result<&T, BenchError> {
        self.0.as_ref().map_err(|why| BenchError::Missing(why.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_says_why() {
        let there = Part::new(true, || Ok(1)).unwrap();
        assert_eq!(there.get().ok(), Some(&1));
        let missing =
            Part::<()>::new(true, || Err(BenchError::machine("no compiler", "install gcc"))).unwrap();
        assert_eq!(missing.get().unwrap_err().to_string(), "no compiler; install gcc");
        assert!(Part::new(false, || Ok(1)).unwrap().get().is_err(), "not made in vain");
        assert!(Part::<()>::new(true, || Err(LabError::Interrupted.into())).is_err());
    }
}
