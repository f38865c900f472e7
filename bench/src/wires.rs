//! The namespaces of the figures on kernel interfaces: a source, a router, and one namespace where all client ports' cables
//! end.
//!
//! What arrives at a client's end is counted there by its veth and dropped by nftables at the ingress hook, the cheapest
//! end that a frame can have without a program of ours in the way. The ends have generic receive offload on, so that each has a
//! ring of its own: without it all copies of the kernel's forwarding go through one queue of its core, which holds 1,000
//! frames and loses copies wherever it forwards more than 33 frames to 30 ports in one go (a sixth of the rate at 8 ports was
//! left, seen here).

use std::fs;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use lab::{Host, Lab, Netns, Process, stop};
use types::Ipv4Net;

use crate::error::BenchError;
use crate::side::{PATIENCE, bound_to_us_in};

/// The router's interface towards the source.
pub(crate) const UPSTREAM: &str = "wan";
/// The router's address there, and the source's.
pub(crate) const UPSTREAM_ADDRESS: &str = "10.0.0.1/24";
pub(crate) const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Counters that did not move for so long will not.
const SETTLED: Duration = Duration::from_millis(25);

/// The namespaces and cables. Dropping it takes them away.
#[derive(Debug)]
pub(crate) struct Wires {
    source: Host,
    router: Netns,
    clients: Netns,
    /// Is in the clients' namespace, through which its counters are read.
    resident: Process,
    number: usize,
    // Goes last: it removes what the others are.
    _lab: Lab,
}

impl Wires {
    /// Makes them, with `number` client ports.
    ///
    /// # Errors
    /// As the lab's.
    pub(crate) fn new(number: usize) -> Result<Self, BenchError> {
        let lab = Lab::new()?;
        let (router, clients) = (lab.netns("router")?, lab.netns("clients")?);
        // Neither the router nor a client has a route back to the source.
        for scope in ["all", "default"] {
            router.sysctl(&format!("net/ipv4/conf/{scope}/rp_filter"), "0")?;
        }
        let source = Host::attach(&lab, "source", net(SOURCE)?, (&router, UPSTREAM))?;
        let mut ends = Vec::new();
        for client in 1..=number {
            let end = end(client);
            lab.veth((&clients, &end), (&router, &port(client)))?;
            clients.run("ethtool", &["-K", &end, "gro", "on"])?;
            ends.push(end);
        }
        clients.address(&end(1), net(host(1))?)?;
        let rules = format!(
            "add table netdev ends; add chain netdev ends arrivals {{ type filter hook ingress devices = {{ {} }} priority 0; \
             policy drop; }}",
            ends.join(", ")
        );
        clients.run("nft", &[&rules])?;
        let mut sleep = bound_to_us_in(&clients, "sleep".as_ref());
        sleep.arg("infinity").stdin(Stdio::null()).stdout(Stdio::null());
        let resident = Process::spawn(&mut sleep, "sleep")?;
        let wires = Self { source, router, clients, resident, number, _lab: lab };
        // Until it has become what it is to be, it is in our namespace.
        match stop::poll(PATIENCE, || Ok(wires.received(number).ok().map(|_| ())))? {
            Some(()) => Ok(wires),
            None => Err(BenchError::machine("the clients' counters cannot be read", "report it")),
        }
    }

    /// The source's namespace.
    pub(crate) fn source(&self) -> &Netns {
        self.source.netns()
    }

    /// The router's.
    pub(crate) fn router(&self) -> &Netns {
        &self.router
    }

    /// The clients'.
    pub(crate) fn clients(&self) -> &Netns {
        &self.clients
    }

    /// Client ports.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Where the kernel deals with what comes from the source: on `core`, or, as it does by itself, where it was sent.
    ///
    /// # Errors
    /// The kernel cannot.
    pub(crate) fn steer(&self, core: Option<u16>) -> Result<(), BenchError> {
        let order = format!("echo {} > /sys/class/net/{UPSTREAM}/queues/rx-0/rps_cpus", mask(core));
        self.router.run("sh", &["-c", &order])?;
        Ok(())
    }

    /// Frames that have arrived at the first `number` ends, and when that was read.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub(crate) fn received(&self, number: usize) -> Result<(Instant, Vec<u64>), BenchError> {
        let path = format!("/proc/{}/net/dev", self.resident.id());
        let asked = Instant::now();
        let text = fs::read_to_string(&path).map_err(BenchError::io(&path))?;
        let at = asked + asked.elapsed() / 2;
        let counts: Option<Vec<_>> = (1..=number).map(|client| received_in(&text, &end(client))).collect();
        let counts =
            counts.ok_or_else(|| BenchError::machine(format!("{path} lacks an end"), "report it"))?;
        Ok((at, counts))
    }

    /// The same, once nothing more arrives.
    ///
    /// # Errors
    /// The kernel does not tell, or there is no end of it.
    pub(crate) fn settled(&self, number: usize) -> Result<Vec<u64>, BenchError> {
        let give_up = Instant::now() + PATIENCE;
        let (_, mut last) = self.received(number)?;
        while Instant::now() < give_up {
            stop::pause(SETTLED)?;
            let (_, now) = self.received(number)?;
            if now == last {
                return Ok(now);
            }
            last = now;
        }
        Err(BenchError::machine("frames arrive though nobody sends", "report it"))
    }
}

/// The router's interface towards the client of that number, from 1 on.
pub(crate) fn port(client: usize) -> String {
    format!("c{client}")
}

/// The router's address there.
pub(crate) fn port_address(client: usize) -> String {
    format!("10.1.{client}.1/24")
}

/// A host at the far end.
pub(crate) fn host(client: usize) -> Ipv4Addr {
    // Ports are fewer than 64.
    Ipv4Addr::new(10, 1, client as u8, 2)
}

/// The far end's interface.
fn end(client: usize) -> String {
    format!("e{client}")
}

fn net(address: Ipv4Addr) -> Result<Ipv4Net, BenchError> {
    Ipv4Net::new(address, 24).ok_or_else(|| BenchError::machine("no network of 24 bits", "report it"))
}

/// As the kernel writes sets of cores: hexadecimal, in words of 32.
fn mask(core: Option<u16>) -> String {
    let Some(core) = core else { return "0".to_owned() };
    format!("{:x}{}", 1u32 << (core % 32), ",00000000".repeat(usize::from(core / 32)))
}

/// Frames that `interface` has received, by the text of `/proc/net/dev`.
fn received_in(text: &str, interface: &str) -> Option<u64> {
    let numbers =
        text.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    numbers.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_written_as_the_kernel_reads_them() {
        assert_eq!(mask(None), "0");
        assert_eq!(mask(Some(1)), "2");
        assert_eq!(mask(Some(31)), "80000000");
        assert_eq!(mask(Some(33)), "2,00000000");
    }

    #[test]
    fn frames_are_found_by_interface() {
        let text = "Inter-|   Receive\n face |bytes    packets errs\n    lo: 5 6 0\n    e1: 600 10 0\n   e11: 60 1 0\n";
        assert_eq!((received_in(text, "e1"), received_in(text, "e11")), (Some(10), Some(1)));
        assert_eq!(received_in(text, "e"), None);
    }
}
