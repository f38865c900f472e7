//! `manifold check`, as a person runs it.

use std::path::Path;
use std::process::{Command, Output};

fn check(args: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_manifold")).arg("check").args(args).arg("-c").arg(file).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn explain_prints_a_settings_file_that_says_where_each_value_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let [file, live, printed] =
        ["manifold.toml", "live.toml", "printed.toml"].map(|name| folder.path().join(name));
    let settings = format!(
        "[proxy]\nupstream = \"wan\"\n[paths]\nlive = {:?}\n[defaults]\nrobustness = 3\n\
         [[port]]\nname = \"wan\"\ndevice = \"eth0\"\n\
         [[port]]\nname = \"hall-a\"\ndevice = \"eth1\"\n",
        live.display()
    );
    std::fs::write(&file, settings).unwrap();
    std::fs::write(&live, "[[port]]\nname = \"hall-a\"\naddress = \"10.1.0.1/24\"\n").unwrap();

    let explained = check(&["--explain"], &file);
    assert!(explained.status.success(), "{explained:?}");
    let out = text(&explained.stdout);
    let from = |key: &str, source: &str| {
        let line = out.lines().find(|line| line.starts_with(key) && line.contains(source));
        assert!(line.is_some(), "no `{key}` from {source} in:\n{out}");
    };
    from("upstream = \"wan\"", "manifold.toml:2");
    from("robustness = 3", "[defaults] ");
    from("address = \"10.1.0.1/24\"", "live.toml:3");
    from("query-interval = \"125s\"", "default");

    // What was printed means the same, with all of it in one file.
    std::fs::write(&printed, out).unwrap();
    let again = check(&["--settings-only"], &printed);
    assert!(again.status.success(), "{}", text(&again.stderr));
    let ports = |output: &Output| text(&output.stdout).lines().filter(|l| l.contains("(client)")).count();
    assert_eq!(ports(&again), 1);

    let both = check(&["--explain", "--settings-only"], &file);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn explain_of_settings_that_do_not_pass_names_the_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifold.toml");
    std::fs::write(&file, "[proxy]\nupstrem = \"wan\"\n").unwrap();
    let explained = check(&["--explain"], &file);
    assert_eq!(explained.status.code(), Some(2));
    assert!(explained.stdout.is_empty());
    assert!(text(&explained.stderr).contains("manifold.toml:2:1"), "{explained:?}");
}

#[test]
fn a_core_may_be_named_that_a_process_is_not_started_on() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let cores = sched_getaffinity(None).unwrap();
    let mut given = (0..CpuSet::MAX_CPU).filter(|core| cores.is_set(*core));
    let (first, last) = (given.next().unwrap(), given.next_back());
    let Some(named) = last else {
        eprintln!("a_core_may_be_named_that_a_process_is_not_started_on: skipped, it takes two cores");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifold.toml");
    let settings = format!(
        "[proxy]\nupstream = \"wan\"\n[worker]\ncores = [{named}]\n[eal]\nhugepages = \"no\"\n\
         [[port]]\nname = \"wan\"\ndevice = \"net_null0\"\n[[port]]\nname = \"hall-a\"\ndevice = \"net_null1\"\n"
    );
    std::fs::write(&file, settings).unwrap();
    // As `isolcpus=` has every process begin: off the worker's core.
    let checked = std::thread::spawn(move || {
        let mut narrow = CpuSet::new();
        narrow.set(first);
        sched_setaffinity(None, &narrow).unwrap();
        check(&[], &file)
    });
    let checked = checked.join().unwrap();
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let placed = format!("control on core {first}, workers on [{named}]\n");
    assert!(text(&checked.stdout).contains(&placed), "{}", text(&checked.stdout));
}
