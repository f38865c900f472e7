//! The CPU time that a control group grants. A thread that polls has used its share up before the period is over, and is
//! stopped until the next one begins: what comes in meanwhile is lost once the driver's ring is full.

use std::fs;
use std::path::{Component, Path, PathBuf};

use settings::{Poll, WorkerSettings};

/// What the threads beside the workers take where none of them polls, in hundredths of a core: in a period of 100 ms two
/// pages that are told of 1,000 groups on 30 ports.
const BESIDE: u64 = 25;
/// Where a unit, a pod and a container say how much they are granted.
const RAISE: &str = "raise the limit (CPUQuota= of a unit, `limits.cpu` of a pod, `--cpus` of a container)";

/// What the process takes of the machine's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    workers: u64,
    /// Hundredths of a core.
    beside: u64,
    poll: Poll,
}

impl Demand {
    /// With workers on these cores, and the control thread on that one.
    pub(crate) fn new(settings: &WorkerSettings, control: u16, workers: &[u16]) -> Self {
        let beside = match settings.control_poll {
            // What shares a worker's core takes none besides.
            Poll::Busy | Poll::Adaptive if workers.contains(&control) => 0,
            Poll::Busy => 100,
            Poll::Adaptive => BESIDE,
        };
        Self { workers: workers.len() as u64, beside, poll: settings.poll }
    }

    /// A warning where a limit is below this.
    fn warning(self, limit: &Limit) -> Option<String> {
        let needed = 100 * self.workers + self.beside;
        let Limit { file, quota_us, period_us } = limit;
        let granted = quota_us.saturating_mul(100) / period_us;
        if granted >= needed {
            return None;
        }
        let stopped_ms = (period_us * (needed - granted) / needed).div_ceil(1000);
        let who = match (self.workers, self.beside) {
            (1, 0) => "the worker takes".to_owned(),
            (1, _) => "the worker and the threads beside it take".to_owned(),
            (workers, 0) => format!("{workers} workers take"),
            (workers, _) => format!("{workers} workers and the threads beside them take"),
        };
        let fewer = if self.workers > 1 { ", name fewer cores in [worker] `cores`" } else { "" };
        let (when, sleep) = match self.poll {
            Poll::Busy => {
                ("", ", or set `poll = \"adaptive\"` there, which takes less while little comes in")
            }
            Poll::Adaptive => (" as soon as frames come without pauses", ""),
        };
        Some(format!(
            "{} of CPU time are granted by {}, {who} {}: they may be stopped for {stopped_ms} ms of every {} ms{when}, and \
             frames are lost; {RAISE}{fewer}{sleep}",
            cores(granted),
            file.display(),
            cores(needed),
            period_us.div_ceil(1000)
        ))
    }
}

/// As a person reads it.
fn cores(hundredths: u64) -> String {
    let (whole, part) = (hundredths / 100, hundredths % 100);
    format!("{whole}.{part:02} cores")
}

/// So much time in every period, for all threads of a group together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Limit {
    /// The file that says so.
    file: PathBuf,
    quota_us: u64,
    period_us: u64,
}

/// The control groups that the kernel tells a process of, under the root of its files.
#[derive(Clone, Copy)]
pub(crate) struct Groups<'a>(&'a Path);

impl Groups<'static> {
    /// This process's.
    pub(crate) fn of_machine() -> Self {
        Self::under(Path::new("/"))
    }
}

impl<'a> Groups<'a> {
    /// Those that the files under `root` tell of.
    pub(crate) fn under(root: &'a Path) -> Self {
        Self(root)
    }

    /// A warning where this process, with all others of its groups at rest, is granted less than it takes.
    pub(crate) fn warning(self, demand: Demand) -> Option<String> {
        demand.warning(&self.tightest()?)
    }

    /// The lowest limit of the process's own group and of those that it is in, as far as they are seen from here.
    fn tightest(self) -> Option<Limit> {
        let mounts = self.read("proc/self/mountinfo")?;
        let groups = self.read("proc/self/cgroup")?;
        let limits = mounts.lines().filter_map(Mount::parse).flat_map(|mount| {
            let own = groups.lines().find_map(|line| mount.kind.own_group(line));
            own.map_or_else(Vec::new, |own| self.limits(&mount, own))
        });
        // By what each grants of a second.
        limits.min_by_key(|limit| limit.quota_us.saturating_mul(1_000_000) / limit.period_us)
    }

    /// Those of a group and all above it that the mount shows.
    fn limits(self, mount: &Mount<'_>, own: &str) -> Vec<Limit> {
        let Ok(below) = Path::new(own).strip_prefix(mount.root) else { return Vec::new() };
        // A group that is outside of what a cgroup namespace shows.
        if below.components().any(|part| part == Component::ParentDir) {
            return Vec::new();
        }
        let groups = below.ancestors().map(|group| Path::new(mount.place).join(group));
        groups.filter_map(|group| self.limit(mount.kind, &group)).collect()
    }

    fn limit(self, kind: Kind, group: &Path) -> Option<Limit> {
        let read = |name: &str| self.read(group.join(name));
        // No number where nothing is limited: "max", or -1.
        let (name, quota, period) = match kind {
            Kind::Unified => {
                let text = read("cpu.max")?;
                let (quota, period) = text.trim().split_once(' ')?;
                ("cpu.max", quota.parse().ok()?, period.parse().ok()?)
            }
            Kind::Cpu => {
                let number = |name: &str| read(name)?.trim().parse().ok();
                ("cpu.cfs_quota_us", number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
            }
        };
        (period > 0).then(|| Limit { file: group.join(name), quota_us: quota, period_us: period })
    }

    fn read(self, file: impl AsRef<Path>) -> Option<String> {
        let file = file.as_ref();
        fs::read_to_string(self.0.join(file.strip_prefix("/").unwrap_or(file))).ok()
    }
}

/// A hierarchy of groups that may limit CPU time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// cgroup v2.
    Unified,
    /// cgroup v1 with the controller `cpu`.
    Cpu,
}

impl Kind {
    /// The process's group, where a line of /proc/self/cgroup is this hierarchy's: `0::/a/b`, `4:cpu,cpuacct:/a/b`.
    fn own_group(self, line: &str) -> Option<&str> {
        let (number, rest) = line.split_once(':')?;
        let (controllers, group) = rest.split_once(':')?;
        let is_it = match self {
            Self::Unified => number == "0" && controllers.is_empty(),
            Self::Cpu => controllers.split(',').any(|name| name == "cpu"),
        };
        is_it.then_some(group)
    }
}

/// Where a hierarchy is to be seen, and from which group on.
struct Mount<'a> {
    kind: Kind,
    root: &'a str,
    place: &'a str,
}

impl<'a> Mount<'a> {
    /// From a line of /proc/self/mountinfo: `32 25 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup rw`.
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, place) = (mount.next()?, mount.next()?);
        let mut filesystem = filesystem.split(' ');
        let (kind, options) = (filesystem.next()?, filesystem.nth(1)?);
        let kind = match kind {
            "cgroup2" => Kind::Unified,
            "cgroup" if options.split(',').any(|option| option == "cpu") => Kind::Cpu,
            _ => return None,
        };
        Some(Self { kind, root, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &str = "24 1 0:22 / /sys rw - sysfs sysfs rw\n\
                           32 24 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup rw,nsdelegate\n";

    /// A machine with these files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    fn tightest(files: &[(&str, &str)]) -> Option<(String, u64, u64)> {
        let root = machine(files);
        let limit = Groups::under(root.path()).tightest()?;
        Some((limit.file.display().to_string(), limit.quota_us, limit.period_us))
    }

    #[test]
    fn the_lowest_limit_of_a_group_and_those_above_it_counts() {
        let found = |own: &str, above: &str| {
            tightest(&[
                ("proc/self/mountinfo", UNIFIED),
                ("proc/self/cgroup", "0::/system.slice/manifold.service\n"),
                ("sys/fs/cgroup/cgroup.procs", ""),
                ("sys/fs/cgroup/system.slice/cpu.max", above),
                ("sys/fs/cgroup/system.slice/manifold.service/cpu.max", own),
                ("sys/fs/cgroup/user.slice/cpu.max", "1000 100000\n"),
            ])
        };
        let slice = "/sys/fs/cgroup/system.slice";
        let own = format!("{slice}/manifold.service/cpu.max");
        assert_eq!(found("max 100000\n", "max 100000\n"), None);
        assert_eq!(found("150000 100000\n", "max 100000\n"), Some((own.clone(), 150_000, 100_000)));
        // By what a second has of them, whatever the period is.
        assert_eq!(found("30000 10000\n", "250000 100000\n").unwrap().0, format!("{slice}/cpu.max"));
        assert_eq!(found("20000 10000\n", "250000 100000\n").unwrap().0, own);
        assert_eq!(found("1000 0\n", "of no meaning"), None);
        assert_eq!(found("18446744073709551615 1\n", "max 1\n").unwrap().1, u64::MAX);
    }

    #[test]
    fn a_containers_limit_is_where_its_own_files_begin() {
        let limit = "50000 100000\n";
        // With a cgroup namespace.
        let own = [
            ("proc/self/mountinfo", UNIFIED),
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/cpu.max", limit),
        ];
        assert_eq!(tightest(&own).unwrap().0, "/sys/fs/cgroup/cpu.max");
        // Its process went to a group outside.
        let outside = [own[0], ("proc/self/cgroup", "0::/../other\n"), own[2]];
        assert_eq!(tightest(&outside), None);
        // cgroup v1 without one: the mount begins at the container's group; v2 is there without the controller.
        let v1 = "40 30 0:30 /docker/12ab /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct\n\
                  41 30 0:31 /docker/12ab /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n\
                  42 30 0:32 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw\n";
        let of_v1 = |quota: &str| {
            tightest(&[
                ("proc/self/mountinfo", v1),
                ("proc/self/cgroup", "5:cpuset:/docker/12ab\n4:cpu,cpuacct:/docker/12ab\n0::/docker/12ab\n"),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", quota),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ])
        };
        let file = "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us".to_owned();
        assert_eq!(of_v1("50000\n"), Some((file, 50_000, 100_000)));
        assert_eq!(of_v1("-1\n"), None);
    }

    #[test]
    fn where_the_kernel_tells_nothing_nothing_is_doubted() {
        assert_eq!(tightest(&[]), None);
        assert_eq!(
            tightest(&[("proc/self/mountinfo", "nonsense\n- -\n"), ("proc/self/cgroup", "0\n")]),
            None
        );
    }

    /// What is told of workers on these cores, with the control thread on that one.
    fn told(worker: &str, control: u16, workers: &[u16], quota_us: u64) -> Option<String> {
        let text = format!(
            "[worker]\n{worker}\n[proxy]\nupstream = \"a\"\n[[port]]\nname = \"a\"\ndevice = \"a\"\n"
        );
        let settings = settings::parse(&text, "test").unwrap();
        let file = "/sys/fs/cgroup/cpu.max".into();
        Demand::new(&settings.worker, control, workers).warning(&Limit { file, quota_us, period_us: 100_000 })
    }

    #[test]
    fn a_limit_below_what_the_threads_take_is_told_of_with_its_cure() {
        let busy = "poll = \"busy\"";
        assert_eq!(
            told(busy, 0, &[1, 2], 150_000).unwrap(),
            "1.50 cores of CPU time are granted by /sys/fs/cgroup/cpu.max, 2 workers and the threads beside them take 2.25 \
             cores: they may be stopped for 34 ms of every 100 ms, and frames are lost; raise the limit (CPUQuota= of a \
             unit, `limits.cpu` of a pod, `--cpus` of a container), name fewer cores in [worker] `cores`, or set `poll = \
             \"adaptive\"` there, which takes less while little comes in"
        );
        let adaptive = told("poll = \"adaptive\"", 0, &[1], 100_000).unwrap();
        assert!(adaptive.contains(", the worker and the threads beside it take 1.25 cores: "), "{adaptive}");
        assert!(
            adaptive.contains(" 20 ms of every 100 ms as soon as frames come without pauses, "),
            "{adaptive}"
        );
        assert!(!adaptive.contains("fewer") && !adaptive.contains("`poll"), "neither would help: {adaptive}");
    }

    #[test]
    fn a_limit_that_leaves_every_thread_what_it_takes_is_none() {
        let busy = "poll = \"busy\"";
        assert_eq!(told(busy, 0, &[1, 2], 225_000), None);
        assert!(told(busy, 0, &[1, 2], 224_000).is_some());
        // A pod of one core has one core's time, and all its threads share it.
        assert_eq!(told(busy, 1, &[1], 100_000), None);
        assert!(told(busy, 1, &[1], 99_000).unwrap().contains(", the worker takes 1.00 cores: they"));
        let both = "poll = \"busy\"\ncontrol-poll = \"busy\"";
        assert_eq!(told(both, 0, &[1], 200_000), None);
        assert!(told(both, 0, &[1], 199_000).unwrap().contains("take 2.00 cores: "));
    }
}
