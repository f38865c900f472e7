//! The table of rules in the crate's documentation: every rule is in it once, and where it says there is a
//! test named after it.

use std::collections::BTreeMap;
use std::path::Path;

/// Rules are `r1` to `r103`, and `r66b`.
const LAST: usize = 103;

/// The rules of a table's cell: `r1-r3, r66b`.
fn rules_of(cell: &str) -> Vec<String> {
    let number = |rule: &str| rule.trim_start_matches('r').parse::<usize>().unwrap();
    let range = |item: &str| match item.split_once('-') {
        Some((first, last)) => (number(first)..=number(last)).map(|n| format!("r{n}")).collect(),
        None => vec![item.to_owned()],
    };
    cell.split(", ").flat_map(range).collect()
}

/// Whether `source` has a test function with `rule` among the rules that its name begins with.
fn has_test_of(source: &str, rule: &str) -> bool {
    let is_rule = |word: &&str| word.starts_with('r') && word[1..].starts_with(|c: char| c.is_ascii_digit());
    source.lines().filter_map(|line| line.trim_start().strip_prefix("fn ")).any(|name| {
        let mut words = name.split(['_', '(']).take_while(is_rule);
        words.any(|word| word == rule)
    })
}

#[test]
fn every_rule_is_in_the_table_and_has_a_test_where_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let rows = include_str!("../../src/lib.rs").lines().filter_map(|line| line.strip_prefix("//! | r"));
    for row in rows.filter(|row| row.starts_with(|c: char| c.is_ascii_digit())) {
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        let [rules, _, source, files] = cells[..] else { panic!("four columns: {row}") };
        assert!(source.contains("RFC "), "{row}");
        let sources: Vec<_> = files
            .split(", ")
            .map(|file| match file.trim_matches('`') {
                path if path.contains('/') => root.join(path),
                name => root.join("control/igmp/tests/rules").join(name).with_extension("rs"),
            })
            .map(|path| std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
            .collect();
        for rule in rules_of(&format!("r{rules}")) {
            assert!(sources.iter().any(|source| has_test_of(source, &rule)), "no test of {rule} in {files}");
            *seen.entry(rule).or_default() += 1;
        }
    }
    let all = (1..=LAST).map(|n| format!("r{n}")).chain(["r66b".to_owned()]);
    let expected: BTreeMap<_, _> = all.map(|rule| (rule, 1)).collect();
    assert_eq!(seen, expected);
}
