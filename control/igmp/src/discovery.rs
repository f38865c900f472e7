//! Multicast Router Advertisements on one client port (RFC 4286): a snooping switch learns by them where
//! multicast has to go, also from a router that is not the querier (r102).

use core::time::Duration;
use types::Time;

use crate::rng::Rng;

/// AdvertisementInterval (section 3.1.1).
pub(crate) const ADVERTISEMENT_INTERVAL: Duration = Duration::from_secs(20);
/// AdvertisementJitter (3.1.2): 0.025 of the interval, to either side.
const ADVERTISEMENT_JITTER: Duration = Duration::from_millis(500);
/// MaxInitialAdvertisementInterval (3.1.3).
const MAX_INITIAL_INTERVAL: Duration = Duration::from_secs(2);
/// MaxInitialAdvertisements (3.1.4).
const MAX_INITIAL_ADVERTISEMENTS: u8 = 3;
/// MaxMessageRate (3.1.6) is 10 a second: an answer comes no sooner.
const MIN_GAP: Duration = Duration::from_millis(100);
/// Over which time the answers of several routers to one solicitation spread.
const RESPONSE_SPREAD: Duration = Duration::from_millis(900);

/// When the port advertises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discovery {
    /// Never.
    Off,
    /// At `next`, and after it `initial` times at short intervals.
    On { next: Time, initial: u8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiscoveryEvent {
    /// The port may advertise, or has another address.
    Start,
    /// It may not any more.
    Stop,
    /// A switch asks.
    Solicitation,
    /// The time that [`Discovery::deadline`] named has come, or passed.
    Timer,
}

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiscoveryEffect {
    /// Nothing.
    None,
    /// An advertisement.
    Advertise,
    /// A termination.
    Terminate,
}

/// The next state and what to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DiscoveryStep {
    pub(crate) next: Discovery,
    pub(crate) effect: DiscoveryEffect,
}

impl Discovery {
    /// When it wants its next [`DiscoveryEvent::Timer`].
    pub(crate) fn deadline(self) -> Option<Time> {
        match self {
            Self::Off => None,
            Self::On { next, .. } => Some(next),
        }
    }

    pub(crate) fn handle(self, event: DiscoveryEvent, now: Time, rng: &mut Rng) -> DiscoveryStep {
        use DiscoveryEffect as Effect;
        use DiscoveryEvent as Event;
        let to = |next, effect| DiscoveryStep { next, effect };
        match (self, event) {
            (Self::Off | Self::On { .. }, Event::Start) => {
                let next = now + rng.delay(MAX_INITIAL_INTERVAL);
                to(Self::On { next, initial: MAX_INITIAL_ADVERTISEMENTS - 1 }, Effect::None)
            }
            (Self::Off, Event::Stop | Event::Solicitation | Event::Timer) => to(self, Effect::None),
            (Self::On { .. }, Event::Stop) => to(Self::Off, Effect::Terminate),
            (Self::On { next, initial }, Event::Solicitation) => {
                let answer = now + MIN_GAP + rng.delay(RESPONSE_SPREAD);
                to(Self::On { next: next.min(answer), initial }, Effect::None)
            }
            (Self::On { next, .. }, Event::Timer) if now < next => to(self, Effect::None),
            (Self::On { initial: 0, .. }, Event::Timer) => {
                let shortest = ADVERTISEMENT_INTERVAL - ADVERTISEMENT_JITTER;
                let next = now + shortest + rng.delay(2 * ADVERTISEMENT_JITTER);
                to(Self::On { next, initial: 0 }, Effect::Advertise)
            }
            (Self::On { initial, .. }, Event::Timer) => {
                let next = now + rng.delay(MAX_INITIAL_INTERVAL);
                to(Self::On { next, initial: initial - 1 }, Effect::Advertise)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r102_an_early_timer_and_a_port_that_is_off_send_nothing() {
        let mut rng = Rng::new(1);
        let at = |secs| Time::ZERO + Duration::from_secs(secs);
        let on = Discovery::On { next: at(5), initial: 1 };
        let quiet = |next| DiscoveryStep { next, effect: DiscoveryEffect::None };
        assert_eq!(on.handle(DiscoveryEvent::Timer, at(4), &mut rng), quiet(on));
        for event in [DiscoveryEvent::Stop, DiscoveryEvent::Solicitation, DiscoveryEvent::Timer] {
            assert_eq!(Discovery::Off.handle(event, at(4), &mut rng), quiet(Discovery::Off));
        }
        // What comes sooner than any answer stays.
        let soon = Discovery::On { next: at(4), initial: 0 };
        assert_eq!(soon.handle(DiscoveryEvent::Solicitation, at(4), &mut rng), quiet(soon));
    }
}
