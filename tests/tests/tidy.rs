//! The README's rules about the code itself: layers, where `unsafe` may be, how long a file is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crates and the crates of ours that each may use (README, "Code map").
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("dpdk-sys", &[]),
    ("dpdk", &["dpdk-sys", "types"]),
    ("group-table", &["types"]),
    ("forwarding", &["group-table", "types"]),
    ("igmp", &["types"]),
    ("settings", &["types"]),
    ("links", &["types"]),
    ("neighbour", &["types"]),
    ("api", &["types"]),
    ("backend", &["api", "settings", "types"]),
    ("ctl", &["api", "types"]),
    ("control", &["api", "forwarding", "group-table", "igmp", "neighbour", "settings", "types"]),
    (
        "dataplane",
        &["api", "control", "dpdk", "forwarding", "group-table", "igmp", "links", "settings", "types"],
    ),
    ("fuzz-targets", &["forwarding", "group-table", "igmp", "types"]),
    ("fuzz", &["fuzz-targets"]),
    ("lab", &["types"]),
    ("tests", &["api", "lab", "types"]),
    (
        "bench",
        &[
            "api",
            "control",
            "dataplane",
            "dpdk",
            "forwarding",
            "group-table",
            "igmp",
            "lab",
            "settings",
            "types",
        ],
    ),
    ("guard", &["forwarding", "group-table", "igmp", "types"]),
    ("guard-dpdk", &["dpdk", "forwarding", "guard", "types"]),
];

/// Where `unsafe` may be.
const UNSAFE: &[&str] = &["dpdk-build/", "dataplane/dpdk/"];

/// Lines of a source file that is not a test.
const LONGEST: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are in a folder of the project")
        .to_owned()
}

/// Every file below the root that git would know, by its path from there.
fn files(ending: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && name != ".git" && name != "out" {
                    walk(&path, found);
                }
            } else {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root, &mut found);
    found.sort();
    let named = found.into_iter().filter(|p| p.to_string_lossy().ends_with(ending));
    named
        .map(|p| {
            let text = fs::read_to_string(&p).unwrap();
            (p.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), text)
        })
        .collect()
}

/// A manifest's package name, and what stands in its `[...dependencies]`.
fn manifest(text: &str) -> Option<(String, BTreeSet<String>)> {
    let (mut name, mut used, mut section) = (None, BTreeSet::new(), "");
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        } else if section == "package" && line.starts_with("name") {
            name = line.split('"').nth(1).map(str::to_owned);
        } else if section.ends_with("dependencies") && !section.starts_with("workspace") {
            used.extend(line.split(['.', ' ', '=']).next().filter(|w| !w.is_empty()).map(str::to_owned));
        }
    }
    Some((name?, used))
}

#[test]
fn crates_use_each_other_along_the_arrows_only() {
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let manifests: BTreeMap<_, _> =
        files("Cargo.toml").iter().filter_map(|(_, text)| manifest(text)).collect();
    assert_eq!(
        manifests.keys().map(String::as_str).collect::<Vec<_>>(),
        arrows.keys().copied().collect::<Vec<_>>(),
        "a crate is new or gone: say in ARROWS and in the README whom it may use"
    );
    for (name, used) in &manifests {
        for other in used.iter().filter(|other| arrows.contains_key(other.as_str())) {
            assert!(
                arrows[name.as_str()].contains(&other.as_str()),
                "{name} uses {other} against the arrows"
            );
        }
    }
}

#[test]
fn unsafe_has_one_address() {
    for (path, text) in files(".rs") {
        if UNSAFE.iter().any(|at| path.starts_with(at)) || path == "tests/tests/tidy.rs" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code)"] {
                assert!(!code.contains(word), "{path}:{}: {line}", number + 1);
            }
        }
    }
}

#[test]
fn source_files_stay_readable() {
    for (path, text) in files(".rs") {
        let lines = text.lines().count();
        let test = path.contains("/tests/") || path.contains("tests.rs");
        assert!(test || lines <= LONGEST, "{path} has {lines} lines; give each subject a file of its own");
    }
}

#[test]
fn nothing_is_left_for_later() {
    for (path, text) in files(".rs") {
        if path == "tests/tests/tidy.rs" {
            continue;
        }
        for word in ["todo!(", "unimplemented!(", "FIXME", "#[ignore"] {
            assert!(!text.contains(word), "{path} has {word}");
        }
    }
}
