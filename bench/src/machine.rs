//! Where the figures come from: cores, clock, versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

use crate::error::BenchError;
use crate::hugepages;

mod cores;

pub(crate) use cores::{CorePlace, Cores, bind, nodes, on_core, pin, unbound};

/// The machine, for the report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// The processor's name.
    pub(crate) cpu: String,
    /// Memory, in MiB.
    pub(crate) memory_mb: u64,
    /// Of it hugepages of the default size before the run, in MiB.
    pub(crate) hugepages_mb: u64,
    /// Who says so, if this is a virtual machine.
    pub(crate) hypervisor: Option<String>,
    /// Cores that the kernel's scheduler leaves alone, as it lists them.
    pub(crate) isolated: Option<String>,
    /// What the kernel does about the processor's faults, and where it does nothing.
    pub(crate) mitigations: Vec<String>,
    /// Cores online.
    pub(crate) cores: usize,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// Rate of the time stamp counter; the cores' own clock is another.
    pub(crate) tsc_mhz: Option<f64>,
    /// The core that forwards.
    pub(crate) forwarding_core: u16,
    /// Where the core of everything else is, and where the one that forwards.
    pub(crate) places: [CorePlace; 2],
    /// NUMA nodes.
    pub(crate) nodes: usize,
    /// Runnable processes of the last minute, when the run began.
    pub(crate) load: Option<f64>,
}

impl Machine {
    /// Looks at this one.
    pub(crate) fn look(cores: Cores) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let meminfo = read("/proc/meminfo");
        let kb = |name| hugepages::field_in(&meminfo, name).unwrap_or(0);
        let line = |path: &str| Some(read(path).trim().to_owned()).filter(|text| !text.is_empty());
        let dmi = ["sys_vendor", "product_name"].map(|name| line(&format!("/sys/class/dmi/id/{name}")));
        let is_virtual = cpu_field(&cpuinfo, "flags")
            .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"));
        let name = dmi.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let named = if name.is_empty() { "unnamed".to_owned() } else { name };
        Self {
            memory_mb: kb("MemTotal:") / 1024,
            hugepages_mb: kb("HugePages_Total:") * kb("Hugepagesize:") / 1024,
            hypervisor: is_virtual.then_some(named),
            isolated: line("/sys/devices/system/cpu/isolated"),
            mitigations: mitigations(),
            cpu: cpu_field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            tsc_mhz: tsc_mhz(&cpuinfo),
            forwarding_core: cores.forward,
            places: cores.places(),
            nodes: nodes(),
            load: read("/proc/loadavg").split_whitespace().next().and_then(|load| load.parse().ok()),
        }
    }
}

/// How long the hypervisor kept `core` from running so far, in steps of a hundredth of a second; never, where it does
/// not tell.
pub(crate) fn stolen(core: u16) -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    stolen_in(&stat, core).unwrap_or_default()
}

fn stolen_in(stat: &str, core: u16) -> Option<Duration> {
    let name = format!("cpu{core}");
    let line = stat.lines().find(|line| line.split(' ').next() == Some(name.as_str()))?;
    // Of user, nice, system, idle, iowait, irq, softirq and steal the last.
    let hundredths: u64 = line.split_whitespace().nth(8)?.parse().ok()?;
    Some(Duration::from_millis(hundredths * 10))
}

/// "fault: what is done", of those that this processor has.
fn mitigations() -> Vec<String> {
    let faults = fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten();
    let of = |fault: fs::DirEntry| {
        let text = fs::read_to_string(fault.path()).ok()?;
        let affected = text.trim() != "Not affected";
        affected.then(|| format!("{}: {}", fault.file_name().to_string_lossy(), text.trim()))
    };
    let mut all: Vec<_> = faults.filter_map(of).collect();
    all.sort();
    all
}

/// Now, in UTC.
pub(crate) fn date() -> Option<String> {
    output(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]))
}

/// The distribution's packages that peers are of, each with its version: the installed one, or that which apt would take.
pub(crate) fn packages() -> Vec<String> {
    let version = |package: &str| {
        let installed =
            output(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", package]));
        installed.or_else(|| {
            let said = output(Command::new("apt-cache").args(["show", "--no-all-versions", package]))?;
            said.lines().find_map(|line| line.strip_prefix("Version: ")).map(str::to_owned)
        })
    };
    let all = ["dpdk-dev", "dpdk-doc", "igmpproxy", "smcroute"];
    all.iter().filter_map(|package| Some(format!("{package} {}", version(package)?))).collect()
}

fn cpu_field<'t>(cpuinfo: &'t str, name: &str) -> Option<&'t str> {
    let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

/// The kernel's delay loop is timed by the time stamp counter where that is constant, and "bogomips" is twice
/// its rate in MHz then.
fn tsc_mhz(cpuinfo: &str) -> Option<f64> {
    let constant = cpu_field(cpuinfo, "flags")?.split_whitespace().any(|flag| flag == "constant_tsc");
    let bogomips: f64 = cpu_field(cpuinfo, "bogomips")?.parse().ok()?;
    constant.then_some(bogomips / 2.0)
}

/// Where a program is: the file of that path, or the first of that name on the search path.
///
/// # Errors
/// There is none; the message ends with `cure`.
pub(crate) fn find_program(program: &Path, cure: &str) -> Result<PathBuf, BenchError> {
    let is_path = program.components().count() > 1;
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = if is_path {
        Some(program.to_owned())
    } else {
        std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
    };
    let found = found.filter(|path| path.is_file());
    found.ok_or_else(|| BenchError::machine(format!("there is no program {}", program.display()), cure))
}

/// Version of the installed DPDK, or of the one that is described in `folder`, as "22.11.11".
pub(crate) fn dpdk_version(folder: Option<&Path>) -> Option<String> {
    let mut command = Command::new("pkg-config");
    if let Some(folder) = folder {
        // Without one of its own the installed DPDK's would be found.
        folder.join("libdpdk.pc").is_file().then_some(())?;
        // Before the usual folders, not in their place: what it requires is described there.
        command.env("PKG_CONFIG_PATH", folder);
    }
    output(command.args(["--modversion", "libdpdk"]))
}

/// Whether this DPDK calls a bonding device's parts `member`, as from 23.11 on, or `slave`.
pub(crate) fn bonding_keyword(version: Option<&str>) -> &'static str {
    let mut parts = version.unwrap_or_default().split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let release = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if release >= (23, 11) { "member" } else { "slave" }
}

/// The commit of the tree that `folder` is in, with a `+` when files differ from it.
pub(crate) fn commit(folder: &Path) -> Option<String> {
    let git = |args: &[&str]| output(Command::new("git").arg("-C").arg(folder).args(args));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some();
    Some(if changed { commit + "+" } else { commit })
}

/// What a program prints, without the space around it; `None` when it fails or prints nothing.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_rate_is_read_where_it_is_constant() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.6\nflags\t\t: fpu constant_tsc\nbogomips\t: 5192.26\n";
        assert_eq!(tsc_mhz(cpuinfo), Some(2596.13));
        assert_eq!(cpu_field(cpuinfo, "model name"), Some("Some CPU @ 2.6"));
        assert_eq!(tsc_mhz(&cpuinfo.replace("constant_tsc", "tsc")), None);
        assert_eq!(tsc_mhz("BogoMIPS\t: 50.00\n"), None);
    }

    #[test]
    fn what_was_stolen_is_each_cores_own() {
        let stat =
            "cpu  1 2 3 4 5 6 7 80 0 0\ncpu1 1 2 3 4 5 6 7 8 9 10\ncpu10 0 0 0 0 0 0 0 1 0 0\nintr 1\n";
        assert_eq!(stolen_in(stat, 1), Some(Duration::from_millis(80)));
        assert_eq!([0, 10].map(|core| stolen_in(stat, core)), [None, Some(Duration::from_millis(10))]);
    }

    #[test]
    fn programs_are_found_by_path_and_by_name() {
        let shell = find_program(Path::new("sh"), "install a shell").unwrap();
        assert_eq!(find_program(&shell, "").unwrap(), shell);
        for missing in ["/nonexistent/sh", "no-such-program"] {
            let error = find_program(Path::new(missing), "install it").unwrap_err().to_string();
            assert_eq!(error, format!("there is no program {missing}; install it"));
        }
    }

    #[test]
    fn a_dpdk_of_ones_own_has_its_version_and_what_it_requires_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(dpdk_version(Some(folder.path())), None, "not the installed one's");
        let described = |requires| {
            let text = format!("Name: DPDK\nDescription: -\nVersion: 99.11.3\nRequires: {requires}\n");
            fs::write(folder.path().join("libdpdk.pc"), text).unwrap();
            dpdk_version(Some(folder.path()))
        };
        // The installed DPDK's own half is what certainly is there.
        assert_eq!(described("libdpdk-libs").as_deref(), Some("99.11.3"));
        assert_eq!(described("no-such-library"), None);
    }

    #[test]
    fn bonding_is_asked_for_in_the_words_of_its_release() {
        assert_eq!(bonding_keyword(Some("22.11.11")), "slave");
        assert_eq!(bonding_keyword(Some("23.07.0")), "slave");
        assert_eq!(bonding_keyword(Some("23.11")), "member");
        assert_eq!(bonding_keyword(Some("25.03.1")), "member");
        assert_eq!(bonding_keyword(None), "slave");
    }
}
