//! Ports with what goes through them each second. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use api::{PortView, PortsReply};
use serde::Serialize;
use settings::without_arguments;

use crate::rest::Traffic;

/// What is further apart than this is no rate of the moment.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);

/// By how much a counter grows each second; `None` where it began anew.
pub(crate) fn rate(before: u64, after: u64, time: Duration) -> Option<f64> {
    let grown = after.checked_sub(before)?;
    // To a tenth, which is as exact as the times are.
    (time > Duration::ZERO && time <= LONGEST)
        .then(|| (grown as f64 / time.as_secs_f64() * 10.0).round() / 10.0)
}

/// The event `ports`: all of them.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct PortsMessage {
    /// When this was so, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// In the order of the settings.
    pub ports: Vec<PortLive>,
}

/// A port, and what goes through it. `null`: not known yet.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct PortLive {
    /// As GET /api/v1/ports tells it to viewers.
    #[serde(flatten)]
    pub port: PortView,
    /// Frames received each second.
    pub rx_frames_per_s: Option<f64>,
    /// Bytes received each second.
    pub rx_bytes_per_s: Option<f64>,
    /// Frames sent each second.
    pub tx_frames_per_s: Option<f64>,
    /// Bytes sent each second.
    pub tx_bytes_per_s: Option<f64>,
    /// Frames that workers dropped each second.
    pub drops_per_s: Option<f64>,
    /// Frames lost outside the workers each second.
    pub losses_per_s: Option<f64>,
}

/// The ports as last heard.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    at: Option<(Instant, u64)>,
    ports: Vec<PortLive>,
}

impl Ports {
    /// Takes what was heard at `now`, which is `unix_ms` by the wall clock.
    pub(crate) fn hear(&mut self, reply: &PortsReply, now: Instant, unix_ms: u64) {
        let time = self.at.map_or(Duration::ZERO, |(at, _)| now.duration_since(at));
        let before: HashMap<&str, &PortView> =
            self.ports.iter().map(|live| (live.port.name.as_str(), &live.port)).collect();
        let ports = reply.ports.iter().map(|port| {
            let before = before.get(port.name.as_str());
            let of = |figure: fn(&PortView) -> u64| {
                before.and_then(|before| rate(figure(before), figure(port), time))
            };
            PortLive {
                rx_frames_per_s: of(|port| port.rx_frames),
                rx_bytes_per_s: of(|port| port.rx_bytes),
                tx_frames_per_s: of(|port| port.tx_frames),
                tx_bytes_per_s: of(|port| port.tx_bytes),
                drops_per_s: of(|port| port.drops),
                losses_per_s: of(|port| port.losses),
                // Everybody hears it.
                port: PortView { device: without_arguments(&port.device), ..port.clone() },
            }
        });
        self.ports = ports.collect();
        self.at = Some((now, unix_ms));
    }

    /// The event, once there is something to tell.
    pub(crate) fn message(&self) -> Option<PortsMessage> {
        let (_, at_unix_ms) = self.at?;
        Some(PortsMessage { at_unix_ms, ports: self.ports.clone() })
    }

    /// All ports together; `None` while no rate is known.
    pub(crate) fn traffic(&self) -> Option<Traffic> {
        let sum = |figure: fn(&PortLive) -> Option<f64>| {
            self.ports.iter().filter_map(figure).reduce(|sum, rate| sum + rate)
        };
        Some(Traffic {
            rx_frames_per_s: sum(|port| port.rx_frames_per_s)?,
            tx_frames_per_s: sum(|port| port.tx_frames_per_s)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_moment_and_of_a_counter_that_grows() {
        let second = Duration::from_secs(1);
        assert_eq!(rate(10, 25, second), Some(15.0));
        assert_eq!(rate(10, 11, Duration::from_secs(3)), Some(0.3));
        assert_eq!(rate(10, 10, second), Some(0.0));
        assert_eq!(rate(10, 9, second), None, "it began anew");
        assert_eq!(rate(10, 11, Duration::ZERO), None);
        assert_eq!(rate(10, 11, 6 * second), None, "too long ago");
    }

    fn reply(ports: &[(&str, u64)]) -> PortsReply {
        let ports = ports.iter().map(|(name, frames)| {
            serde_json::from_value(serde_json::json!({
                "name": name, "device": "eth1", "driver": "net_af_packet", "role": "client", "link": "up",
                "mac": "02:00:00:00:00:01", "address": null, "querier": null, "groups": 0,
                "rx_frames": frames, "rx_bytes": frames * 100, "tx_frames": 0, "tx_bytes": 0, "drops": 0,
            }))
        });
        PortsReply { ports: ports.collect::<Result<_, _>>().unwrap() }
    }

    #[test]
    fn ports_have_rates_from_the_second_time_on() {
        let (mut ports, now) = (Ports::default(), Instant::now());
        assert_eq!(ports.message(), None);
        ports.hear(&reply(&[("a", 100)]), now, 1);
        assert_eq!(ports.message().unwrap().ports[0].rx_frames_per_s, None);
        assert_eq!(ports.traffic(), None);
        ports.hear(&reply(&[("b", 5), ("a", 150)]), now + Duration::from_millis(500), 501);
        let message = ports.message().unwrap();
        assert_eq!((message.at_unix_ms, message.ports[1].rx_frames_per_s), (501, Some(100.0)));
        assert_eq!(message.ports[0].rx_frames_per_s, None, "a new one");
        assert_eq!(ports.traffic(), Some(Traffic { rx_frames_per_s: 100.0, tx_frames_per_s: 0.0 }));
    }
}
