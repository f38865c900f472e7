//! One network namespace, and commands inside it.

use crate::LabError;
use std::io::Write;
use std::process::{Command, Stdio};
use types::{Ipv4Net, MacAddr};

/// A network namespace by name. The [`crate::Lab`] that made it removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes the namespace, with loopback up and IPv6 off: what is on its wires is what somebody sent on
    /// purpose.
    pub(crate) fn create(name: String) -> Result<Self, LabError> {
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let ns = Self { name };
        ns.ip("link set lo up")?;
        for scope in ["all", "default"] {
            // Absent where the kernel has no IPv6.
            if ns.run("test", &["-e", &format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6")]).is_ok() {
                ns.sysctl(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "1")?;
            }
        }
        Ok(ns)
    }

    /// The name that `ip netns` knows it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run in the namespace; `ip netns exec` becomes the program, so its process id is the
    /// program's.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs a program in the namespace to its end and returns its standard output.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<String, LabError> {
        run(self.command(program).args(args))
    }

    /// Runs `ip` in the namespace, with the words of `args`.
    ///
    /// # Errors
    /// When it fails.
    pub fn ip(&self, args: &str) -> Result<String, LabError> {
        run(Command::new("ip").args(["-n", &self.name]).args(args.split_whitespace()))
    }

    /// Sets `/proc/sys/<path>` as the namespace sees it.
    ///
    /// # Errors
    /// When there is no such setting, or it refuses the value.
    pub fn sysctl(&self, path: &str, value: &str) -> Result<(), LabError> {
        let mut command = self.command("tee");
        command.arg(format!("/proc/sys/{path}")).stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let what = || format!("set {path} in {}", self.name);
        let mut child = command.spawn().map_err(LabError::io(what()))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(value.as_bytes()).map_err(LabError::io(what()))?;
        }
        let output = child.wait_with_output().map_err(LabError::io(what()))?;
        finish(&command, output).map(|_| ())
    }

    /// The MAC address of one of its interfaces.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn mac(&self, interface: &str) -> Result<MacAddr, LabError> {
        let text = self.run("cat", &[&format!("/sys/class/net/{interface}/address")])?;
        text.trim()
            .parse()
            .map_err(|_| LabError::Unexpected { what: format!("address of {interface}"), text })
    }

    /// Gives an interface an IPv4 address and sends multicast that way; the reverse path filter is off, because
    /// a client has no route back to a source behind the router.
    ///
    /// # Errors
    /// When the interface is not there.
    pub fn address(&self, interface: &str, address: Ipv4Net) -> Result<(), LabError> {
        self.ip(&format!("addr add {address} dev {interface}"))?;
        self.ip(&format!("route add 224.0.0.0/4 dev {interface}"))?;
        for scope in ["all", interface] {
            self.sysctl(&format!("net/ipv4/conf/{scope}/rp_filter"), "0")?;
        }
        Ok(())
    }

    /// Has the kernel compute checksums itself on an interface: a veth leaves a sender's UDP checksum to a NIC
    /// that is not there.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn checksums_by_kernel(&self, interface: &str) -> Result<(), LabError> {
        self.run("ethtool", &["-K", interface, "tx", "off"]).map(|_| ())
    }
}

/// Runs a command to its end and returns its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String, LabError> {
    let output = command.stdin(Stdio::null()).output().map_err(LabError::io(line(command)))?;
    finish(command, output)
}

fn finish(command: &Command, output: std::process::Output) -> Result<String, LabError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Command {
        command: line(command),
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
