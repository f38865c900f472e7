//! The table of rules in the crate's documentation, and that of faults in `faults`: every rule and fault is in
//! it once, and where it says there is a test of it.

use std::collections::BTreeMap;
use std::path::Path;

/// Rules are `r1` to `r103`, and `r66b`.
const LAST: usize = 103;

/// Faults are `f1` to `f44`.
const LAST_FAULT: usize = 44;

/// The rules of a table's cell: `r1-r3, r66b`.
fn rules_of(cell: &str) -> Vec<String> {
    let number = |rule: &str| rule.trim_start_matches('r').parse::<usize>().unwrap();
    let range = |item: &str| match item.split_once('-') {
        Some((first, last)) => (number(first)..=number(last)).map(|n| format!("r{n}")).collect(),
        None => vec![item.to_owned()],
    };
    cell.split(", ").flat_map(range).collect()
}

/// Whether `source` has a test function with `rule` among the rules, or faults, that its name begins with.
fn has_test_of(source: &str, rule: &str) -> bool {
    let letter = &rule[..1];
    let is_rule =
        |word: &&str| word.starts_with(letter) && word[1..].starts_with(|c: char| c.is_ascii_digit());
    source.lines().filter_map(|line| line.trim_start().strip_prefix("fn ")).any(|name| {
        let mut words = name.split(['_', '(']).take_while(is_rule);
        words.any(|word| word == rule)
    })
}

/// The text of `name`, one of this folder or a path from the workspace's root.
fn source_of(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = if name.contains('/') { root } else { root.join("control/igmp/tests/rules") };
    let path = folder.join(name).with_extension("rs");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_fault_is_in_the_table_and_has_a_test_where_it_says() {
    let mut seen = Vec::new();
    for row in include_str!("faults.rs").lines().filter_map(|line| line.strip_prefix("//! | f")) {
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        let [number, _, tests] = cells[..] else { panic!("three columns: {row}") };
        let Ok(number) = number.parse::<usize>() else { continue };
        let fault = format!("f{number}");
        for test in tests.split(", ").map(|test| test.trim_matches('`')) {
            let has_it = match test.split_once("::") {
                Some((file, name)) => source_of(file).contains(&format!("fn {name}(")),
                None => {
                    let source = source_of(test);
                    has_test_of(&source, &fault) || source.contains(&format!("\"{fault} "))
                }
            };
            assert!(has_it, "no test of {fault} in {test}");
        }
        seen.push(number);
    }
    assert_eq!(seen, (1..=LAST_FAULT).collect::<Vec<_>>());
}

#[test]
fn every_rule_is_in_the_table_and_has_a_test_where_it_says() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let rows = include_str!("../../src/lib.rs").lines().filter_map(|line| line.strip_prefix("//! | r"));
    for row in rows.filter(|row| row.starts_with(|c: char| c.is_ascii_digit())) {
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        let [rules, _, source, files] = cells[..] else { panic!("four columns: {row}") };
        assert!(source.contains("RFC "), "{row}");
        let sources: Vec<_> = files.split(", ").map(|file| source_of(file.trim_matches('`'))).collect();
        for rule in rules_of(&format!("r{rules}")) {
            assert!(sources.iter().any(|source| has_test_of(source, &rule)), "no test of {rule} in {files}");
            *seen.entry(rule).or_default() += 1;
        }
    }
    let all = (1..=LAST).map(|n| format!("r{n}")).chain(["r66b".to_owned()]);
    let expected: BTreeMap<_, _> = all.map(|rule| (rule, 1)).collect();
    assert_eq!(seen, expected);
}
