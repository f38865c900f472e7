//! Metrics, alert rules and the board, as Prometheus sees them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::backend::Backend;
use crate::process::{Place, Running, wait_for};
use crate::tools;

fn packaging(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(file)
}

fn promtool(arguments: &[&str], input: &str) {
    let mut child = Command::new(tools::tool("promtool"))
        .args(arguments)
        .current_dir(packaging("prometheus"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&told));
}

fn metrics() -> String {
    let place = Place::new();
    let text = place.settings(&[
        ("wan", "net_null0,no-rx=1", ""),
        ("hall-a", "net_null1,no-rx=1", "static-groups = [\"239.2.2.2\"]"),
    ]);
    let running = Running::start(&place, &text);
    let backend = Backend::start(&place.folder().join("backend"), &place.socket());
    let metrics = wait_for("the group", || {
        let metrics = backend.get("/metrics");
        metrics.contains("manifold_group_members{group=\"239.2.2.2\"} 1").then_some(metrics)
    });
    running.stop();
    metrics
}

#[test]
fn promtool_takes_the_metrics_the_rules_and_their_tests() {
    let metrics = metrics();
    promtool(&["check", "metrics"], &metrics);
    promtool(&["check", "rules", "alerts.yml"], "");
    promtool(&["test", "rules", "tests.yml"], "");

    // What rules and board ask for is there.
    let there: BTreeSet<_> =
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for file in ["prometheus/alerts.yml", "grafana/manifold.json"] {
        let text = fs::read_to_string(packaging(file)).unwrap();
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let asked: BTreeSet<_> = text.split(word).filter(|word| word.starts_with("manifold_")).collect();
        assert!(asked.len() > 5, "{file}");
        for name in asked {
            let family = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(there.contains(family), "{file} asks for {name}");
        }
    }
}

#[test]
fn the_board_is_json_with_a_query_in_every_panel() {
    let text = fs::read_to_string(packaging("grafana/manifold.json")).unwrap();
    let board: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = board["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    for panel in panels {
        assert!(panel["targets"][0]["expr"].as_str().unwrap().contains("manifold_"), "{panel}");
    }
}
