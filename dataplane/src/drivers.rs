//! By which driver a kernel interface is served: af_xdp where it can be depended on, else af_packet.

use std::fmt;

use links::{Channels, LinkInfo, LinkKind};
use settings::{Driver, InterfaceName, PortSettings};

use crate::failure::Failure;

/// DPDK's names of them.
pub(crate) const AF_XDP: &str = "net_af_xdp";
pub(crate) const AF_PACKET: &str = "net_af_packet";
pub(crate) const TAP: &str = "net_tap";

/// What `driver = "auto"` comes to with this DPDK, where nothing else is in the way.
pub(crate) const AUTO: Driver = if dpdk::AF_XDP_IS_MENDED { Driver::AfXdp } else { Driver::AfPacket };

/// Bytes of an Ethernet header.
const ETHERNET_HEADER: u32 = 14;

/// A driver, with what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KernelDriver {
    /// A tap.
    AfPacket,
    /// Frames before the kernel sees them, by so many queues: all that the interface has.
    AfXdp {
        /// At least one.
        queues: u16,
    },
}

impl KernelDriver {
    /// The device that DPDK is to attach.
    pub(crate) fn devargs(self, port: &PortSettings, interface: &InterfaceName, workers: u16) -> String {
        match self {
            Self::AfPacket => port.af_packet_args(interface, workers),
            Self::AfXdp { queues } => port.af_xdp_args(interface, queues),
        }
    }
}

/// Which driver a port gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The first to try.
    pub(crate) driver: KernelDriver,
    /// Whether af_packet is to be taken where that one fails.
    pub(crate) falls_back: bool,
    /// Why it is not af_xdp, where the settings leave that open.
    pub(crate) reason: Option<String>,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.driver, &self.reason) {
            (KernelDriver::AfXdp { .. }, _) if self.falls_back => f.write_str("by af_xdp, else by af_packet"),
            (KernelDriver::AfXdp { .. }, _) => f.write_str("by af_xdp"),
            (KernelDriver::AfPacket, Some(reason)) => write!(f, "by af_packet: {reason}"),
            (KernelDriver::AfPacket, None) => f.write_str("by af_packet"),
        }
    }
}

/// The driver for `port` on the interface `link`.
///
/// # Errors
/// The settings name one that cannot serve it: why, and what would cure that.
pub(crate) fn choose(port: &PortSettings, link: &LinkInfo, workers: u16) -> Result<Choice, Failure> {
    let channels = Channels::of(link.index).map_err(|error| error.to_string());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let interface = Interface {
        has_xdp: link.kind != LinkKind::Macvlan,
        has_program: link.has_program,
        channels,
        mtu: link.mtu,
    };
    choose_from(port.driver, AUTO, may_load_programs(&status), workers, interface).map_err(|(why, cure)| {
        let name = &link.name;
        Failure::of_port(
            port,
            format!(
                "af_xdp cannot serve {name}: {why}; {}, or set `driver = \"auto\"`",
                cure.replace("DEV", name)
            ),
        )
    })
}

/// Whether a process of this status may load an XDP program: with CAP_BPF (39) or CAP_SYS_ADMIN (21).
fn may_load_programs(status: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    // Where the kernel does not tell, it is tried.
    effective.is_none_or(|set| set & (1 << 39 | 1 << 21) != 0)
}

/// What an interface offers.
struct Interface {
    /// Its kernel driver runs XDP programs. For others the kernel could, but nobody here asks it to.
    has_xdp: bool,
    /// It runs a program of somebody else's.
    has_program: bool,
    /// Its queues, or why they are not known.
    channels: Result<Channels, String>,
    /// In bytes.
    mtu: u32,
}

fn choose_from(
    wanted: Driver,
    auto: Driver,
    may_load: bool,
    workers: u16,
    interface: Interface,
) -> Result<Choice, (String, &'static str)> {
    let Interface { has_xdp, has_program, channels, mtu } = interface;
    let most = u32::from(dpdk::PAGE_FRAME_ROOM) - ETHERNET_HEADER;
    let unfit = match &channels {
        _ if !may_load => Some((
            "it takes CAP_BPF or CAP_SYS_ADMIN, and this process has neither".to_owned(),
            "run as root or with CAP_BPF",
        )),
        _ if !has_xdp => {
            Some(("a macvlan runs no XDP program of its own".to_owned(), "take the interface below it"))
        }
        _ if has_program => Some((
            "it runs an XDP program of somebody else's".to_owned(),
            "take it off with `ip link set dev DEV xdp off`",
        )),
        Ok(Channels { receive, pairs }) if receive > pairs => Some((
            format!("it has {receive} receive queues, and {pairs} of them with one to send by"),
            "give it as many of each with `ethtool -L DEV`",
        )),
        Ok(_) | Err(_) if mtu > most => Some((
            format!("its MTU is {mtu}, and af_xdp takes {most} at most"),
            "lower it with `ip link set dev DEV mtu`",
        )),
        Ok(_) | Err(_) => None,
    };
    // What speaks against it where nobody named it.
    let doubt = match &channels {
        _ if auto != Driver::AfXdp => Some(
            "the af_xdp of this DPDK waits for slow peers and opens no interface twice; that of `make fast` does neither"
                .to_owned(),
        ),
        Err(error) => Some(error.clone()),
        Ok(Channels { pairs, .. }) if *pairs < workers => {
            Some(format!("its queues are {pairs}, and the workers {workers}"))
        }
        Ok(_) => None,
    };
    let af_packet = |reason| Choice { driver: KernelDriver::AfPacket, falls_back: false, reason };
    let af_xdp = |falls_back| {
        let queues = channels.as_ref().map_or(1, |channels| channels.pairs);
        Choice { driver: KernelDriver::AfXdp { queues }, falls_back, reason: None }
    };
    match (wanted, unfit) {
        (Driver::AfPacket, _) => Ok(af_packet(None)),
        (Driver::AfXdp, None) => Ok(af_xdp(false)),
        (Driver::AfXdp, Some(why)) => Err(why),
        (Driver::Auto, unfit) => {
            match unfit.map(|(why, _)| why).filter(|_| auto == Driver::AfXdp).or(doubt) {
                None => Ok(af_xdp(true)),
                reason => Ok(af_packet(reason)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XDP: Driver = Driver::AfXdp;

    fn chosen(
        (wanted, auto): (Driver, Driver),
        may_load: bool,
        workers: u16,
        queues: Result<(u16, u16), &str>,
        mtu: u32,
    ) -> Result<Choice, String> {
        let (has_xdp, has_program) = (true, false);
        let channels = queues.map(|(receive, pairs)| Channels { receive, pairs }).map_err(str::to_owned);
        let interface = Interface { has_xdp, has_program, channels, mtu };
        choose_from(wanted, auto, may_load, workers, interface).map_err(|(why, _)| why)
    }

    #[test]
    fn what_the_settings_name_is_taken_or_refused() {
        let tap = chosen((Driver::AfPacket, XDP), true, 1, Ok((1, 1)), 1500).unwrap();
        assert_eq!(tap.to_string(), "by af_packet");
        let named = |queues, mtu| chosen((XDP, Driver::AfPacket), true, 2, queues, mtu);
        let bare = chosen((XDP, XDP), false, 1, Ok((1, 1)), 1500).unwrap_err();
        assert!(bare.starts_with("it takes CAP_BPF"), "{bare}");
        assert_eq!(named(Err("unknown"), 1500).unwrap().to_string(), "by af_xdp");
        let two = named(Ok((2, 2)), 1500).unwrap();
        assert_eq!((two.driver, two.falls_back), (KernelDriver::AfXdp { queues: 2 }, false));
        assert_eq!(named(Ok((1, 1)), 9000).unwrap_err(), "its MTU is 9000, and af_xdp takes 3506 at most");
        let unpaired = "it has 2 receive queues, and 1 of them with one to send by";
        assert_eq!(named(Ok((2, 1)), 1500).unwrap_err(), unpaired);
        let odd = |has_xdp, has_program| {
            let interface = Interface { has_xdp, has_program, channels: Err(String::new()), mtu: 1500 };
            choose_from(XDP, XDP, true, 1, interface).unwrap_err()
        };
        assert!(odd(false, false).0.starts_with("a macvlan"));
        let (why, cure) = odd(true, true);
        assert_eq!(why, "it runs an XDP program of somebody else's");
        assert!(cure.contains("xdp off"));
    }

    #[test]
    fn auto_is_af_xdp_where_nothing_is_in_the_way() {
        let auto = |may_load, workers, queues, mtu| {
            chosen((Driver::Auto, XDP), may_load, workers, queues, mtu).unwrap().to_string()
        };
        assert_eq!(auto(true, 1, Ok((1, 1)), 1500), "by af_xdp, else by af_packet");
        assert_eq!(auto(true, 2, Ok((4, 4)), 3506), "by af_xdp, else by af_packet");
        let plain = chosen((Driver::Auto, Driver::AfPacket), true, 1, Ok((1, 1)), 1500).unwrap();
        let reasons = [
            (plain.to_string(), "the af_xdp of this DPDK waits"),
            (auto(true, 2, Ok((1, 1)), 1500), "its queues are 1, and the workers 2"),
            (auto(true, 1, Ok((2, 1)), 1500), "it has 2 receive queues"),
            (auto(true, 1, Ok((1, 1)), 3507), "its MTU is 3507, and af_xdp takes 3506 at most"),
            (auto(true, 1, Err("no answer"), 1500), "no answer"),
            (auto(false, 1, Ok((1, 1)), 1500), "it takes CAP_BPF"),
        ];
        let taken = Interface {
            has_xdp: true,
            has_program: true,
            channels: Ok(Channels { receive: 1, pairs: 1 }),
            mtu: 1500,
        };
        let taken = choose_from(Driver::Auto, XDP, true, 1, taken).unwrap().to_string();
        assert_eq!(taken, "by af_packet: it runs an XDP program of somebody else's");
        for (told, reason) in reasons {
            assert!(told.starts_with(&format!("by af_packet: {reason}")), "{told}");
        }
    }

    #[test]
    fn a_program_is_loaded_with_the_capability_for_it() {
        let may = |effective: &str| may_load_programs(&format!("Name:\tx\nCapEff:\t{effective}\n"));
        assert!(may("0000008000000000") && may("0000000000200000") && may("000001ffffffffff"));
        assert!(!may("0000000000003000"), "CAP_NET_ADMIN and CAP_NET_RAW");
        assert!(may_load_programs(""));
    }
}
