//! Who forwards in the router's namespace: Manifold on its interfaces, or the kernel, told what to do by smcroute or by
//! igmpproxy.
//!
//! The kernel does the work of an interface where a frame was sent, unless it is told otherwise: so its forwarding is moved
//! to the core that Manifold's worker has on its turn. What puts frames in front of a forwarder stays where the
//! sender is: for the kernel into the other core's queue, for Manifold into the memory that it polls.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use api::Client;
use lab::stop;
use rustix::process::Signal;

use crate::error::BenchError;
use crate::figures::Driver;
use crate::machine::Cores;
use crate::manifold;
use crate::side::{PATIENCE, Side, bound_to_us_in};
use crate::source::GROUP;
use crate::wires::{SOURCE, UPSTREAM, UPSTREAM_ADDRESS, Wires, port, port_address};

/// The default of 20 groups that one process may ask for upstream would be the figure.
const MEMBERSHIPS: &str = "100000";

/// Where a forwarder runs, with what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The namespaces.
    pub(crate) wires: &'a Wires,
    /// Client ports, the first of them.
    pub(crate) clients: usize,
    /// Its cores.
    pub(crate) cores: Cores,
    /// A folder for files.
    pub(crate) scratch: &'a Path,
}

/// Who the members are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Members {
    /// Every client port, of one group, from the start.
    Static,
    /// Who asks.
    Asking,
}

/// A Manifold that answers.
#[derive(Debug)]
pub(crate) struct OnInterfaces {
    side: Side,
    client: Client,
}

impl OnInterfaces {
    /// Starts `program` by `driver`.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(
        program: &Path,
        driver: Driver,
        members: Members,
        place: Place<'_>,
    ) -> Result<Self, BenchError> {
        let Place { wires, scratch, .. } = place;
        wires.steer(None)?;
        let config = scratch.join("interfaces.toml");
        let settings = settings(driver, members, place);
        fs::write(&config, &settings).map_err(BenchError::io(config.display()))?;
        let mut command = bound_to_us_in(wires.router(), program);
        // Where DPDK makes a folder that nobody takes away.
        command.env("RUNTIME_DIRECTORY", scratch);
        command.arg("run").arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
        let side = Side::start(&mut command, manifold::NAME, scratch.join("interfaces.log"))?;
        let (side, client) = manifold::answering(side, &scratch.join("run/manifold.sock"), &settings)?;
        let mut running = Self { side, client };
        running.expect(driver)?;
        Ok(running)
    }

    /// Every port has the driver that is to be measured, whoever chose it.
    fn expect(&mut self, driver: Driver) -> Result<(), BenchError> {
        let ports = self.client.ports().map_err(|e| self.side.error(e.to_string()))?.ports;
        let wanted = format!("net_{}", driver.taken());
        match ports.iter().find(|port| port.driver != wanted) {
            None => Ok(()),
            Some(port) => {
                let what = format!("its port {} has {}, not {wanted}", port.name, port.driver);
                Err(self.side.error(what))
            }
        }
    }

    /// Halts it, threads and all.
    ///
    /// # Errors
    /// It has ended, or the system refuses.
    pub(crate) fn halt(&mut self) -> Result<(), BenchError> {
        self.side.expect_running()?;
        self.side.halt()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn resume(&mut self) -> Result<(), BenchError> {
        self.side.resume()
    }

    /// Frames that each client port's driver took, and how many of them were the control thread's.
    ///
    /// # Errors
    /// It does not answer, or otherwise than was expected.
    pub(crate) fn sent(&mut self, clients: usize) -> Result<Vec<(u64, u64)>, BenchError> {
        let counters = self.client.counters().map_err(|e| self.side.error(e.to_string()))?;
        let of = |client| {
            let frames = &counters.ports.iter().find(|counted| counted.port == port(client))?.frames;
            Some((*frames.get("tx-frames")?, *frames.get("injected")?))
        };
        let sent: Option<_> = (1..=clients).map(of).collect();
        sent.ok_or_else(|| self.side.error("its counters are not those that were expected"))
    }

    /// Ends it.
    ///
    /// # Errors
    /// It does not end well.
    pub(crate) fn end(mut self) -> Result<(), BenchError> {
        self.side.process().signal(Signal::TERM)?;
        self.side.expect_end()
    }
}

/// Settings: all defaults, but for the cores, and for who the members are.
fn settings(driver: Driver, members: Members, place: Place<'_>) -> String {
    let driver = driver.name();
    let mut text = format!(
        "[proxy]\ninstance = \"bench-{}\"\nupstream = \"{UPSTREAM}\"\n\n[eal]\nhugepages = \"no\"\n\n\
         [worker]\ncores = [{}]\ncontrol-core = {}\npoll = \"busy\"\n\n\
         [paths]\nrun-dir = \"{}\"\nlive = false\n\n[defaults]\ndriver = \"{driver}\"\n\n\
         [[port]]\nname = \"{UPSTREAM}\"\ndevice = \"{UPSTREAM}\"\naddress = \"{UPSTREAM_ADDRESS}\"\n",
        std::process::id(),
        place.cores.forward,
        place.cores.main,
        place.scratch.join("run").display(),
    );
    let rest = match members {
        Members::Static => format!("static-groups = [\"{GROUP}\"]\n"),
        Members::Asking => "fast-leave = \"single\"\n".to_owned(),
    };
    for client in 1..=place.clients {
        let name = port(client);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n[[port]]\nname = \"{name}\"\ndevice = \"{name}\"\naddress = \"{}\"\n{rest}",
            port_address(client)
        );
    }
    text
}

/// The kernel, and who tells it what to forward. It forwards until that process ends.
#[derive(Debug)]
pub(crate) struct Kernel<'a> {
    side: Side,
    wires: &'a Wires,
}

impl<'a> Kernel<'a> {
    /// One route, from the source to every client port, by `smcrouted`.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn static_route(smcrouted: &Path, place: Place<'a>) -> Result<Self, BenchError> {
        let Place { wires, clients, scratch, .. } = place;
        let ports: Vec<_> = (1..=clients).map(port).collect();
        let mut text = format!("phyint {UPSTREAM} enable\n");
        for port in &ports {
            let _ = writeln!(text, "phyint {port} enable");
        }
        let _ = writeln!(text, "mroute from {UPSTREAM} group {GROUP} source {SOURCE} to {}", ports.join(" "));
        let config = scratch.join("smcroute.conf");
        fs::write(&config, text).map_err(BenchError::io(config.display()))?;
        let mut command = bound_to_us_in(wires.router(), smcrouted);
        command.args(["-n", "-N", "-f"]).arg(&config);
        command.arg("-u").arg(scratch.join("smcroute.sock")).arg("-P").arg(scratch.join("smcroute.pid"));
        let kernel = Self::start(place, command, "smcroute")?;
        let routed = stop::poll(PATIENCE, || Ok(kernel.forwarded().ok().map(|_| ())))?;
        routed.ok_or_else(|| kernel.side.error("the kernel has no route"))?;
        Ok(kernel)
    }

    /// Routes for whoever asks, by `igmpproxy`, which believes a host that leaves upstream at once.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn asked(igmpproxy: &Path, place: Place<'a>) -> Result<Self, BenchError> {
        let Place { wires, clients, scratch, .. } = place;
        wires.router().sysctl("net/ipv4/igmp_max_memberships", MEMBERSHIPS)?;
        let mut text = format!("quickleave\nphyint {UPSTREAM} upstream ratelimit 0 threshold 1\n");
        wires.router().ip(&format!("addr add {UPSTREAM_ADDRESS} dev {UPSTREAM}"))?;
        for client in 1..=wires.number() {
            let port = port(client);
            let _ = if client <= clients {
                wires.router().ip(&format!("addr add {} dev {port}", port_address(client)))?;
                writeln!(text, "phyint {port} downstream ratelimit 0 threshold 1")
            } else {
                writeln!(text, "phyint {port} disabled")
            };
        }
        let config = scratch.join("igmpproxy.conf");
        fs::write(&config, text).map_err(BenchError::io(config.display()))?;
        // Where the kernel forwards there is room beside: the other core is the host's.
        let mut command = bound_to_us_in(wires.router(), "taskset".as_ref());
        command.args(["-c", &place.cores.forward.to_string()]).arg(igmpproxy).arg("-n").arg(&config);
        let mut kernel = Self::start(place, command, "igmpproxy")?;
        // It is ready when it has made the kernel a multicast router with an interface for each port.
        let routing = stop::poll(PATIENCE, || {
            let interfaces = wires.router().run("cat", &["/proc/net/ip_mr_vif"])?;
            Ok((interfaces.lines().count() > clients + 1).then_some(()))
        })?;
        routing.ok_or_else(|| kernel.side.error("the kernel does not route multicast"))?;
        kernel.side.expect_running()?;
        Ok(kernel)
    }

    fn start(
        place: Place<'a>,
        mut command: std::process::Command,
        name: &'static str,
    ) -> Result<Self, BenchError> {
        let Place { wires, cores, scratch, .. } = place;
        wires.steer(Some(cores.forward))?;
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let side = Side::start(&mut command, name, scratch.join(format!("{name}.log")))?;
        Ok(Self { side, wires })
    }

    /// Frames that the kernel has forwarded by its only route.
    ///
    /// # Errors
    /// There is no route.
    pub(crate) fn forwarded(&self) -> Result<u64, BenchError> {
        let text = self.wires.router().run("ip", &["-s", "mroute", "show"])?;
        forwarded_in(&text).ok_or_else(|| self.side.error(format!("the kernel's routes are `{text}`")))
    }

    /// Ends it, and takes its addresses away.
    ///
    /// # Errors
    /// It had ended before.
    pub(crate) fn end(mut self) -> Result<(), BenchError> {
        self.side.expect_running()?;
        self.side.process().signal(Signal::TERM)?;
        self.side.process().wait(PATIENCE)?;
        for port in std::iter::once(UPSTREAM.to_owned()).chain((1..=self.wires.number()).map(port)) {
            self.wires.router().ip(&format!("addr flush dev {port}"))?;
        }
        Ok(())
    }
}

/// The frames of the only route in what `ip -s mroute show` prints.
fn forwarded_in(text: &str) -> Option<u64> {
    let (routes, rest) = text.split_once('\n')?;
    let one = routes.contains("State: resolved") && !rest.contains("State:");
    one.then(|| rest.split_whitespace().next()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_routes_frames_are_counted() {
        let route = "(10.0.0.2,239.1.1.1)             Iif: wan        Oifs: c1 c2  State: resolved\n";
        let text = format!("{route}  4000 packets, 184000 bytes, Age 0.29\n");
        assert_eq!(forwarded_in(&text), Some(4000));
        assert_eq!(forwarded_in(&format!("{text}{route}")), None, "there are two");
        assert_eq!(forwarded_in(""), None);
    }
}
