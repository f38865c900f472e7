//! The live layer on the disk: broken files at a start and at a reload, and writes that crashes and full disks meet.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use settings::{Edit, load, load_layers, reload, write_live};

const MAIN: &str = "[proxy]\nupstream = \"wan\"\n\
    [[port]]\nname = \"wan\"\ndevice = \"3b:00.0\"\naddress = \"10.0.0.2/24\"\n\
    [[port]]\nname = \"hall\"\ndevice = \"3b:00.1\"\naddress = \"10.1.0.1/24\"\n";

struct Files {
    _dir: tempfile::TempDir,
    main: PathBuf,
    live: PathBuf,
}

fn files() -> Files {
    let dir = tempfile::tempdir().unwrap();
    let (main, live) = (dir.path().join("m.toml"), dir.path().join("live.toml"));
    fs::write(&main, format!("{MAIN}[paths]\nlive = {live:?}\n")).unwrap();
    Files { _dir: dir, main, live }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn switch_off() -> Edit {
    Edit { port: None, key: "enabled".to_owned(), value: Some("false".to_owned()) }
}

/// Truncated, older or newer than this Manifold, of another machine, or no text at all: each with what is said of it.
#[test]
fn f39_a_broken_live_layer_does_not_stop_a_start_and_is_an_error_at_a_reload() {
    let files = files();
    let alone = load(&files.main).unwrap();
    let older = "[proxy]\nconnection = \"wan\"\n";
    let foreign = "[proxy]\nupstream = \"uplink\"\n[[port]]\nname = \"lobby\"\nany-ttl = true\n";
    let large = vec![b'#'; (1 << 20) + 1];
    let cases: [(&[u8], &str); 9] = [
        (b"[proxy]\nenabled = fal", ":2:11: not TOML: "),
        (b"[[port]]\nname = \"hall\"\nfast-leave = \"trac", ":3:19: not TOML: "),
        (older.as_bytes(), ":2:1: unknown key `connection` in [proxy]; "),
        (foreign.as_bytes(), ":2:12: `upstream` is \"uplink\", which is no port; "),
        (
            b"[eal]\nargs = []\n",
            ":1:2: `eal` in the file's top level: only the administrator's file may have it; ",
        ),
        (
            b"[[port]]\nname = \"hall\"\naddress = \"10.0.0.2/24\"\n",
            ":3:11: ports \"wan\" and \"hall\" have one address; ",
        ),
        (b"\0\0\0\0", ":1:5: not TOML: "),
        (b"# one\n\xff\xfe\n", ": is not UTF-8 text in line 2; "),
        (&large, ": is larger than 1 MiB; "),
    ];
    for (bytes, said) in cases {
        fs::write(&files.live, bytes).unwrap();
        let error = reload(&files.main).unwrap_err().to_string();
        let place = files.live.display();
        assert!(error.starts_with(&format!("{place}{said}")), "{error}");

        let (settings, layer) = load_layers(&files.main).unwrap();
        let warnings: Vec<_> = settings.warnings.iter().map(ToString::to_string).collect();
        assert!(
            warnings.contains(&format!(
                "{place}: the live layer does not pass, and NOTHING OF IT IS IN FORCE: the administrator's settings run \
                 alone; mend or remove the file and reload; the first change by socket sets it aside as {place}.broken"
            )),
            "{warnings:?}"
        );
        assert!(error.lines().all(|line| warnings.iter().any(|warning| warning == line)), "{warnings:?}");
        assert_eq!(layer.text(), None);
        assert_eq!(settings::Settings { warnings: Vec::new(), ..settings }, alone);
        assert_eq!(fs::read(&files.live).unwrap(), bytes, "a start writes nothing");
    }
    fs::remove_file(&files.live).unwrap();
    fs::create_dir(&files.live).unwrap();
    assert!(reload(&files.main).is_err());
    assert_eq!(load(&files.main).unwrap().warnings.len(), 2);
}

#[test]
fn f39_a_broken_administrators_file_is_an_error_whatever_the_live_layer_says() {
    let files = files();
    fs::write(&files.live, "[proxy]\nenabled = false\n").unwrap();
    fs::write(&files.main, "[proxy]\nupstream = ").unwrap();
    for error in [load(&files.main).unwrap_err(), reload(&files.main).unwrap_err()] {
        assert!(
            error.to_string().starts_with(&format!("{}:2:12: not TOML: ", files.main.display())),
            "{error}"
        );
    }
}

#[test]
fn f39_a_broken_live_layer_is_kept_when_the_first_change_is_written() {
    let files = files();
    let broken = files.live.with_file_name("live.toml.broken");
    fs::write(&broken, "an earlier one").unwrap();
    fs::write(&files.live, "[proxy]\nenabled = fal").unwrap();
    let (_, layer) = load_layers(&files.main).unwrap();
    let (_, mut layer) = layer.edit(&[switch_off()]).unwrap();
    assert_eq!(layer.store().unwrap(), Some(broken.clone()));
    assert_eq!(fs::read_to_string(&broken).unwrap(), "[proxy]\nenabled = fal");
    assert!(!reload(&files.main).unwrap().0.proxy.enabled);
    // From then on the file is Manifold's own.
    assert_eq!(layer.store().unwrap(), None);
    assert_eq!(names(files.live.parent().unwrap()), ["live.toml", "live.toml.broken", "m.toml"]);
}

#[test]
fn f39_a_file_broken_by_hand_while_manifold_runs_costs_nothing_that_was_set() {
    let files = files();
    fs::write(&files.live, "[[port]]\nname = \"hall\"\nany-ttl = true\n").unwrap();
    let (_, layer) = load_layers(&files.main).unwrap();
    for by_hand in ["[proxy", "[proxy]\nenabled = true # not reloaded\n"] {
        fs::write(&files.live, by_hand).unwrap();
        let (settings, mut next) = layer.edit(&[switch_off()]).unwrap();
        assert!(settings.port("hall").unwrap().1.any_ttl, "changes begin from what is in force");
        let kept = next.store().unwrap().expect("kept");
        assert_eq!(fs::read_to_string(kept).unwrap(), by_hand);
        assert_eq!(reload(&files.main).unwrap().0, settings);
    }
    // One that is gone is written again; a folder in its place moves away.
    fs::remove_file(&files.live).unwrap();
    let (_, mut next) = layer.edit(&[switch_off()]).unwrap();
    assert_eq!(next.store().unwrap(), None);
    fs::remove_file(&files.live).unwrap();
    fs::create_dir(&files.live).unwrap();
    assert!(next.store().unwrap().is_some());
    assert!(reload(&files.main).is_ok());
}

#[test]
fn an_edit_of_the_administrators_that_the_live_layer_hides_is_told_with_the_cure() {
    let files = files();
    let live = "[proxy]\nenabled = true\n[[port]]\nname = \"hall\"\nany-ttl = true\n";
    fs::write(&files.live, live).unwrap();
    let (_, before) = load_layers(&files.main).unwrap();
    assert!(before.hides(&before).is_empty(), "nothing was edited");
    let main = fs::read_to_string(&files.main).unwrap();
    let defaults = "[defaults]\nany-ttl = true\nignore-v1 = true\n";
    fs::write(&files.main, main.replace("[proxy]\n", "[proxy]\nenabled = false\n") + defaults).unwrap();
    let (settings, after) = reload(&files.main).unwrap();
    assert!(settings.proxy.enabled);
    let said = after.hides(&before);
    let [enabled, ttl] = &said[..] else { panic!("{said:?}") };
    assert!(enabled.contains("live.toml:2: `enabled` is set here"), "{enabled}");
    assert!(enabled.ends_with("`manifoldctl unset enabled`"), "{enabled}");
    assert!(ttl.ends_with("`manifoldctl unset --port hall any-ttl`"), "{ttl}");
}

#[test]
fn keys_are_the_same_while_neither_file_has_others() {
    let files = files();
    fs::write(&files.live, "[proxy]\nenabled = true\n").unwrap();
    let (_, before) = load_layers(&files.main).unwrap();
    let main = fs::read_to_string(&files.main).unwrap();
    let is_same = |main: &str| {
        fs::write(&files.main, main).unwrap();
        reload(&files.main).unwrap().1.has_same_keys(&before)
    };
    assert!(is_same(&format!("# Since Monday.\n{main}\n")), "only a comment");
    assert!(!is_same(&main.replace("[proxy]\n", "[proxy]\nenabled = false\n")), "below a live key");
    assert!(!is_same(&format!("{main}[defaults]\nmtu = 1500\n")), "what it is without the key");
    assert!(is_same(&main));
    fs::write(&files.live, "[proxy]\nenabled = true\nupstream = \"wan\"\n").unwrap();
    assert!(!is_same(&main), "a key came to the live layer");
}

/// To open one waits for somebody who writes to it.
#[test]
fn f39_a_fifo_in_place_of_a_file_is_refused_and_not_waited_for() {
    let fifo = |path: &Path| {
        fs::remove_file(path).ok();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let files = files();
    let (_, mut layer) = load_layers(&files.main).unwrap();
    fifo(&files.live);
    let message = format!("{}: is no regular file; put the settings into a file", files.live.display());
    assert_eq!(reload(&files.main).expect_err("refused").to_string(), message);
    layer = layer.edit(&[switch_off()]).unwrap().1;
    layer.store().unwrap().expect("the FIFO is put aside");
    assert!(fs::read_to_string(&files.live).unwrap().contains("enabled = false"));

    fifo(&files.main);
    let message = format!("{}: is no regular file; put the settings into a file", files.main.display());
    assert_eq!(load(&files.main).expect_err("refused").to_string(), message);
}

#[test]
fn the_folder_is_made_and_the_file_can_be_read_by_all() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("var/lib/live.toml");
    write_live(&live, "a = 1\n").unwrap();
    write_live(&live, "a = 2\n").unwrap();
    assert_eq!(fs::read_to_string(&live).unwrap(), "a = 2\n");
    assert_eq!(fs::metadata(&live).unwrap().permissions().mode() & 0o7777, 0o644);
    assert_eq!(names(live.parent().unwrap()), ["live.toml"]);
}

#[test]
fn what_a_crash_left_is_in_nobodys_way_and_is_not_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let (live, new, victim) = (dir.path().join("l"), dir.path().join("l.new"), dir.path().join("victim"));
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, &new).unwrap();
    write_live(&live, "a = 1\n").unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    fs::write(&new, "half of a fi").unwrap();
    write_live(&live, "a = 2\n").unwrap();
    assert_eq!(fs::read_to_string(&live).unwrap(), "a = 2\n");
    assert_eq!(names(dir.path()), ["l", "victim"]);
}

#[test]
fn what_cannot_be_written_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live.toml");
    write_live(&live, "a = 1\n").unwrap();
    // Not even root can put a file in the place of this one.
    fs::create_dir(dir.path().join("live.toml.new")).unwrap();
    assert!(write_live(&live, "a = 2\n").is_err());
    assert_eq!(fs::read_to_string(&live).unwrap(), "a = 1\n");
    let folder = dir.path().join("taken");
    fs::write(&folder, "").unwrap();
    assert!(write_live(&folder.join("live.toml"), "a = 1\n").is_err());
}

const CHILD: &str = "SETTINGS_TEST_LIVE_FILE";

/// Runs this test program's test `name` again by a shell that says `before`, with `live` as the file to write.
fn again(name: &str, before: &str, live: &Path) -> Output {
    let program = std::env::current_exe().unwrap();
    Command::new("sh")
        .args(["-c", &format!("{before}; exec \"$0\" --exact {name} --nocapture")])
        .arg(program)
        .env(CHILD, live)
        .output()
        .unwrap()
}

/// More than the file that `ulimit -f 1` allows, whether the shell counts 512 bytes or 1024.
fn long_text() -> String {
    "a = 1 # as long as it takes\n".repeat(100)
}

#[test]
fn f39_a_full_disk_leaves_the_old_file_and_nothing_beside_it() {
    if let Some(live) = std::env::var_os(CHILD) {
        let error = write_live(Path::new(&live), &long_text()).unwrap_err();
        println!("refused: {error}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live.toml");
    write_live(&live, "a = 1\n").unwrap();
    // With the signal ignored, a write beyond the limit fails as it does on a full disk: after the first part.
    let name = "f39_a_full_disk_leaves_the_old_file_and_nothing_beside_it";
    let output = again(name, "trap '' XFSZ; ulimit -f 1", &live);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("refused: File too large"), "{said}");
    assert_eq!(fs::read_to_string(&live).unwrap(), "a = 1\n");
    assert_eq!(names(dir.path()), ["live.toml"]);
}

#[test]
fn f39_killed_while_it_writes_leaves_the_old_file_and_the_next_write_goes_through() {
    if let Some(live) = std::env::var_os(CHILD) {
        let _ = write_live(Path::new(&live), &long_text());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live.toml");
    write_live(&live, "a = 1\n").unwrap();
    // The signal comes in the midst of the write, and ends the process there.
    let name = "f39_killed_while_it_writes_leaves_the_old_file_and_the_next_write_goes_through";
    let output = again(name, "ulimit -c 0; ulimit -f 1", &live);
    assert!(output.status.signal().is_some(), "{output:?}");
    assert_eq!(fs::read_to_string(&live).unwrap(), "a = 1\n");
    assert_eq!(names(dir.path()), ["live.toml", "live.toml.new"], "it was writing");
    write_live(&live, "a = 2\n").unwrap();
    assert_eq!(fs::read_to_string(&live).unwrap(), "a = 2\n");
    assert_eq!(names(dir.path()), ["live.toml"]);
}
