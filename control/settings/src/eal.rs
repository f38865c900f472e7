//! The command line of DPDK's environment abstraction layer.

use crate::device::{Device, InterfaceName};
use crate::memory::{MemoryMode, MemoryPlan, frame_size};
use crate::model::{LogLevel, PortSettings, Settings};
use crate::placement::Placement;
use crate::problem::{Place, Problems, SettingsError};

/// Frames in each ring of a kernel interface, which is the driver's default too.
pub const AF_PACKET_FRAMES: u32 = 512;
/// Block size of AF_PACKET rings with frames above 2 KiB: a multiple of the frame size, as the driver takes frames
/// to lie without gaps, and of any page size.
const AF_PACKET_BLOCK: u32 = 65_536;

/// The final command line, program name first: what Manifold sets, then `[eal] args`, then `trailing`, which stood
/// after `--`. Of cores, memory and log level, what the user gives replaces Manifold's. DPDK is told of the control
/// thread's core alone: workers are threads of our own beside it.
///
/// # Errors
/// An argument in `trailing` that Manifold itself sets; the place is "command line".
pub fn eal_args(
    settings: &Settings,
    memory: &MemoryPlan,
    placement: &Placement,
    trailing: &[String],
) -> Result<Vec<String>, SettingsError> {
    let mut problems = Problems::default();
    for argument in trailing {
        if let Err((what, cure)) = check_argument(argument) {
            problems.error(&Place::file("command line"), what, cure);
        }
    }
    if !problems.errors.is_empty() {
        return Err(SettingsError::new(problems.errors));
    }
    let users: Vec<&String> = settings.eal.args.iter().chain(trailing).collect();
    let given = |short: Option<&str>, long: &[&str]| users.iter().any(|a| names(a, short, long));
    let mut args = vec!["manifold".to_owned(), format!("--file-prefix=manifold-{}", settings.proxy.instance)];
    match memory.mode {
        MemoryMode::Hugepages => args.push("--in-memory".to_owned()),
        MemoryMode::NoHugepages => args.push("--no-huge".to_owned()),
    }
    if !given(Some("-m"), &["--socket-mem"]) {
        match memory.node {
            None => args.extend(["-m".to_owned(), memory.megabytes.to_string()]),
            // MiB of each node up to this one.
            Some(node) => {
                args.push(format!("--socket-mem={}{}", "0,".repeat(node as usize), memory.megabytes))
            }
        }
    }
    if !given(Some("-l"), &[]) {
        args.extend(["-l".to_owned(), placement.control.to_string()]);
    }
    if !given(None, &["--log-level"]) {
        args.push(format!("--log-level={}", log_level(settings.log.level)));
    }
    args.extend(device_args(&settings.ports));
    args.extend(users.into_iter().cloned());
    Ok(args)
}

/// What makes DPDK see the ports' devices and no others. Kernel interfaces are attached later, each by the driver that
/// serves it.
fn device_args(ports: &[PortSettings]) -> Vec<String> {
    let mut args = Vec::new();
    if !ports.iter().any(|port| matches!(port.device, Device::Pci(_))) {
        args.push("--no-pci".to_owned());
    }
    for port in ports {
        match &port.device {
            Device::Pci(address) => args.extend(["-a".to_owned(), address.to_string()]),
            Device::Vdev(vdev) => args.push(format!("--vdev={vdev}")),
            Device::Kernel(_) => {}
        }
    }
    args
}

impl PortSettings {
    /// Name and arguments of the device of net_af_packet that serves the interface, as hot-plugging takes them, with a
    /// pair of queues for each worker.
    pub fn af_packet_args(&self, interface: &InterfaceName, workers: u16) -> String {
        let size = frame_size(self);
        let block = if size > 2048 { format!(",blocksz={AF_PACKET_BLOCK}") } else { String::new() };
        let pairs = if workers > 1 { format!(",qpairs={workers}") } else { String::new() };
        let name = &self.name;
        format!(
            "net_af_packet_{name},iface={interface},qdisc_bypass=1{pairs}{block},framesz={size},framecnt={AF_PACKET_FRAMES}"
        )
    }

    /// Name and arguments of the device of net_af_xdp that serves the interface: with all of its queues, or what comes in
    /// by the others is lost.
    pub fn af_xdp_args(&self, interface: &InterfaceName, queues: u16) -> String {
        format!("net_af_xdp_{},iface={interface},queue_count={queues}", self.name)
    }
}

/// DPDK says at `info` what only its developers look for.
fn log_level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn | LogLevel::Info => "warning",
        LogLevel::Debug => "info",
        LogLevel::Trace => "debug",
    }
}

/// An argument that Manifold sets itself: its names, why the user's is refused, and the cure.
struct Reserved {
    short: &'static [&'static str],
    long: &'static [&'static str],
    why: &'static str,
    cure: &'static str,
}

const RESERVED: &[Reserved] = &[
    Reserved {
        short: &["-a", "-b"],
        long: &["--allow", "--block", "--vdev", "--no-pci"],
        why: "which devices DPDK sees follows from the ports",
        cure: "add a [[port]] with that `device`",
    },
    Reserved {
        short: &[],
        long: &["--file-prefix"],
        why: "the file prefix follows from the instance",
        cure: "set `instance` in [proxy]",
    },
    Reserved {
        short: &[],
        long: &["--no-huge", "--in-memory"],
        why: "the kind of memory is a setting",
        cure: "set `hugepages` in [eal] to \"auto\", \"require\" or \"no\"",
    },
    Reserved {
        short: &["-c", "-s", "-S"],
        long: &["--lcores"],
        why: "Manifold says which cores DPDK uses, as a list",
        cure: "set `cores` and `control-core` in [worker], or give -l",
    },
    Reserved {
        short: &[],
        long: &["--proc-type"],
        why: "Manifold is DPDK's primary process",
        cure: "leave it out",
    },
    Reserved {
        short: &["-h"],
        long: &["--help"],
        why: "DPDK would print its help and exit",
        cure: "see https://doc.dpdk.org/guides/linux_gsg/linux_eal_parameters.html",
    },
];

/// Whether the user may give DPDK this argument; if not, what is wrong and the cure.
pub(crate) fn check_argument(argument: &str) -> Result<(), (String, String)> {
    let shown = argument.escape_debug();
    if argument == "--" || argument.contains('\0') {
        return Err((format!("`{shown}` is no argument for DPDK"), "leave it out".to_owned()));
    }
    match RESERVED.iter().find(|r| {
        r.short.iter().any(|short| names(argument, Some(short), &[])) || names(argument, None, r.long)
    }) {
        Some(reserved) => {
            Err((format!("DPDK's argument `{shown}` is refused: {}", reserved.why), reserved.cure.to_owned()))
        }
        None => Ok(()),
    }
}

/// Whether `argument` is that option, with its value attached or not. A long one may be cut short, as getopt_long
/// allows while it stays unambiguous.
fn names(argument: &str, short: Option<&str>, long: &[&str]) -> bool {
    if argument.starts_with("--") {
        let name = argument.split('=').next().unwrap_or_default();
        return name.len() > 3 && long.iter().any(|option| option.starts_with(name));
    }
    short.is_some_and(|option| argument.starts_with(option))
}
