//! What a figure should come to, and whether it did.

use serde::{Serialize, Serializer};

/// Which side of a number is the good one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Aim {
    /// More is better.
    AtLeast(f64),
    /// Less is better.
    AtMost(f64),
}

impl Aim {
    /// The number.
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::AtLeast(value) | Self::AtMost(value) => value,
        }
    }

    /// As the report says it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::AtLeast(_) => "at least",
            Self::AtMost(_) => "at most",
        }
    }

    /// Whether `value` is on the good side of it.
    pub(crate) fn is_reached(self, value: f64) -> bool {
        match self {
            Self::AtLeast(aim) => value >= aim,
            Self::AtMost(aim) => value <= aim,
        }
    }

    /// What `value` means.
    pub(crate) fn verdict(aim: Option<Self>, value: f64) -> Verdict {
        match aim {
            None => Verdict::NoAim,
            Some(aim) if aim.is_reached(value) => Verdict::Reached,
            Some(_) => Verdict::Missed,
        }
    }
}

/// What a figure means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// On the good side of the aim.
    Reached,
    /// On the wrong side of the aim.
    Missed,
    /// The machine could not tell.
    TooNoisy,
    /// The machine could not tell the rate, but reports were lost where none may be.
    LostInNoise,
    /// The machine alone, with nothing of ours, is on the wrong side of the aim.
    BeyondMachine,
    /// It was to be measured, and something went wrong; the text says what.
    Failed(String),
    /// Nobody set an aim.
    NoAim,
    /// Something that it needs is not there; the text says what, and how to get it.
    NotMeasured(String),
}

impl Verdict {
    /// Whether the machine could not tell.
    pub(crate) fn is_noise(&self) -> bool {
        matches!(self, Self::TooNoisy | Self::LostInNoise)
    }

    /// Whether there are no numbers that were to be had.
    pub(crate) fn is_unmeasured(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::NotMeasured(_))
    }

    /// Whether the aim was missed: a loss is one, however noisy the machine.
    pub(crate) fn is_missed(&self) -> bool {
        matches!(self, Self::Missed | Self::LostInNoise)
    }

    /// In words.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Reached => "reached",
            Self::Missed => "missed",
            Self::TooNoisy => "too noisy",
            Self::LostInNoise => "too noisy; reports were lost",
            Self::BeyondMachine => "the machine alone is above the aim",
            Self::NoAim => "no aim",
            Self::Failed(why) | Self::NotMeasured(why) => why,
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_has_a_good_side() {
        let least = Aim::AtLeast(0.9);
        assert!(least.is_reached(0.9) && !least.is_reached(0.89));
        let most = Aim::AtMost(1.05);
        assert!(most.is_reached(1.05) && !most.is_reached(1.06));
        assert_eq!(Aim::verdict(Some(most), 3.0), Verdict::Missed);
        assert_eq!(Aim::verdict(Some(least), 3.0), Verdict::Reached);
        assert_eq!(Aim::verdict(None, 3.0), Verdict::NoAim);
    }

    #[test]
    fn a_verdict_is_its_words() {
        let json = serde_json::to_string(&Verdict::NotMeasured("not built: make fast".to_owned())).unwrap();
        assert_eq!(json, "\"not built: make fast\"");
    }
}
