//! The Linux bridge as a switch that snoops and asks: what stands at many ends of a router's cable.

use crate::{AccessNet, Host, LabError};
use std::time::Duration;
use types::Ipv4Net;

/// How a bridge asks, as RFC 2236 and RFC 3376 name it. The kernel takes hundredths of a second, and no query interval
/// below a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BridgeQuerier {
    /// IGMP version of its queries: 2 or 3.
    pub version: u8,
    /// Its address; its queries' source.
    pub address: Ipv4Net,
    /// Query Interval, and the startup one.
    pub interval: Duration,
    /// Query Response Interval.
    pub response: Duration,
    /// Last Member Query Interval; two such queries follow a Leave.
    pub last_member: Duration,
}

impl BridgeQuerier {
    /// One that asks every 1.5 s for answers within a second, and takes a second to believe a Leave.
    pub const fn brisk(version: u8, address: Ipv4Net) -> Self {
        Self {
            version,
            address,
            interval: Duration::from_millis(1500),
            response: Duration::from_secs(1),
            last_member: Duration::from_millis(500),
        }
    }
}

impl AccessNet {
    /// Has the bridge snoop, and ask. Its first query goes out at once; some time after it, streams go only where they
    /// are asked for, or where another querier is.
    ///
    /// # Errors
    /// When the kernel does not know the version, or finds an interval too short.
    pub fn start_querier(&self, querier: &BridgeQuerier) -> Result<(), LabError> {
        let BridgeQuerier { version, address, interval, response, last_member } = querier;
        let [interval, response, last_member] =
            [interval, response, last_member].map(|length| length.as_millis() / 10);
        // A second start with another version finds the address where it is.
        self.netns().ip(&format!("addr replace {address} dev {}", self.bridge()))?;
        self.configure(&format!("mcast_querier 0 mcast_snooping 1 mcast_igmp_version {version}"))?;
        self.configure(&format!(
            "mcast_query_use_ifaddr 1 mcast_query_interval {interval} mcast_query_response_interval {response} \
             mcast_startup_query_interval {interval} mcast_startup_query_count 2 \
             mcast_last_member_interval {last_member} mcast_last_member_count 2"
        ))?;
        self.configure("mcast_querier 1")
    }

    /// Has the bridge fall silent; it still snoops.
    ///
    /// # Errors
    /// When the bridge is gone.
    pub fn stop_querier(&self) -> Result<(), LabError> {
        self.configure("mcast_querier 0")
    }

    /// Has the bridge pass nothing between this host and others that are isolated, so that they do not hear each
    /// other's reports.
    ///
    /// # Errors
    /// When the host is not on this bridge.
    pub fn isolate(&self, host: &Host) -> Result<(), LabError> {
        self.netns().ip(&format!("link set {} type bridge_slave isolated on", host.name())).map(|_| ())
    }

    fn configure(&self, options: &str) -> Result<(), LabError> {
        self.netns().ip(&format!("link set {} type bridge {options}", self.bridge())).map(|_| ())
    }
}
