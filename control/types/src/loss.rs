//! Where frames are lost outside a worker: before it has them, or after it gave them away. Each has a counter per port.

crate::counted! {
    /// Why a frame was lost by a device, its driver or the kernel. Names are stable: they are counter names.
    Loss {
        RxMissed "rx-missed" "dropped before a worker fetched them: its NIC's or socket's receive ring was full",
        RxErrors "rx-errors" "received damaged, or longer than the NIC takes",
        RxNoBuffer "rx-no-buffer" "times that no buffer was free to receive into",
        RxNotCopied "rx-not-copied" "received in a buffer that others hold, without one to copy them to",
        TxErrors "tx-errors" "taken for sending, and not sent",
    }
}

impl Loss {
    /// Whether it is of frames that come in.
    pub const fn is_incoming(self) -> bool {
        match self {
            Self::RxMissed | Self::RxErrors | Self::RxNoBuffer | Self::RxNotCopied => true,
            Self::TxErrors => false,
        }
    }

    /// What would cure it, for an operator.
    pub const fn cure(self) -> &'static str {
        match self {
            Self::RxMissed => {
                "`manifoldctl show workers` tells whether a worker is too busy: give it a core of its own, or more \
                 workers; raise `rx-descriptors` for bursts (af_packet's ring has 512 frames, 17 ms of 30,000 a second)"
            }
            Self::RxErrors => "look at the cable, the optics and the far end, and at the port's `mtu`",
            Self::RxNoBuffer | Self::RxNotCopied => {
                "`manifoldctl show status` tells how many buffers are in use; lower `tx-descriptors`, which keep them, \
                 and report it if the settings are at their defaults"
            }
            Self::TxErrors => "look at the port's link, and at the far end",
        }
    }
}

/// Frames lost, each kind by its [`Loss`]; adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses([u64; Loss::COUNT]);

impl Losses {
    /// So many of each.
    pub fn of(count: impl Fn(Loss) -> u64) -> Self {
        Self(core::array::from_fn(|i| count(Loss::ALL[i])))
    }

    /// How many of this kind.
    pub fn get(&self, loss: Loss) -> u64 {
        self.0[loss as usize]
    }

    /// Every kind with its count, in the order of [`Loss::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Loss, u64)> {
        Loss::ALL.iter().copied().zip(self.0)
    }

    /// All kinds together.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds the others.
    pub fn add(&mut self, others: &Self) {
        self.0.iter_mut().zip(others.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// What came since it was `before`. A count that is less than before began anew: all of it is new.
    pub fn since(&self, before: &Self) -> Self {
        Self::of(|loss| self.get(loss).checked_sub(before.get(loss)).unwrap_or(self.get(loss)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_since_is_never_less_than_nothing() {
        let losses = |missed, errors| {
            Losses::of(|loss| match loss {
                Loss::RxMissed => missed,
                Loss::TxErrors => errors,
                Loss::RxErrors | Loss::RxNoBuffer | Loss::RxNotCopied => 0,
            })
        };
        let (first, second) = (losses(7, 1), losses(9, 1));
        assert_eq!(second.since(&first), losses(2, 0));
        assert_eq!(losses(3, 2).since(&second), losses(3, 1), "counted anew");
        let mut sum = first;
        sum.add(&second);
        assert_eq!((sum, sum.sum()), (losses(16, 2), 18));
    }
}
