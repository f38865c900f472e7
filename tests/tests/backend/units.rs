//! The systemd units.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program;

#[test]
fn systemd_takes_the_units() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
    let folder = tempfile::tempdir().unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]);
    for (name, variable) in [("manifold", "MANIFOLD_BIN"), ("manifold-backend", "MANIFOLD_BACKEND_BIN")] {
        let unit = format!("{name}.service");
        let text = fs::read_to_string(packaging.join(&unit)).unwrap();
        let installed = format!("=/usr/bin/{name} ");
        assert!(text.contains(&installed), "`make install` puts another PREFIX in its place");
        let binary = program::binary(name, variable);
        fs::write(folder.path().join(&unit), text.replace(&installed, &format!("={} ", binary.display())))
            .unwrap();
        verify.arg(folder.path().join(&unit));
    }
    let output = verify.output().expect("systemd-analyze");
    let told = String::from_utf8_lossy(&output.stderr);
    // It warns on standard error of what it would pass over.
    let ours: Vec<_> = told.lines().filter(|line| line.contains("manifold")).collect();
    assert!(output.status.success() && ours.is_empty(), "{told}");
}

#[test]
fn make_install_puts_everything_in_its_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().unwrap();
    // Stands in for a release build: what is installed is not what is looked at here.
    let target = folder.path().join("target");
    fs::create_dir_all(target.join("release")).unwrap();
    for name in ["manifold", "manifoldctl", "manifold-backend"] {
        fs::write(target.join("release").join(name), "#!/bin/true\n").unwrap();
    }
    let place = folder.path().join("place");
    let output = Command::new("make")
        .args(["-C".as_ref(), root.as_os_str(), "install".as_ref()])
        .args([format!("DESTDIR={}", place.display()), "PREFIX=/opt/manifold".to_owned()])
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .expect("make");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for file in [
        "opt/manifold/bin/manifold",
        "opt/manifold/bin/manifoldctl",
        "opt/manifold/bin/manifold-backend",
        "usr/lib/sysusers.d/manifold.conf",
        "etc/manifold/manifold.toml.example",
        "etc/manifold/backend.toml.example",
        "opt/manifold/share/manifold/alerts.yml",
        "opt/manifold/share/manifold/manifold.json",
    ] {
        assert!(place.join(file).is_file(), "{file}");
    }
    for unit in ["manifold.service", "manifold-backend.service"] {
        let text = fs::read_to_string(place.join("opt/manifold/lib/systemd/system").join(unit)).unwrap();
        assert!(text.contains("ExecStart=/opt/manifold/bin/manifold"), "{text}");
        assert!(!text.contains("/usr/bin/manifold"), "{text}");
    }
}
