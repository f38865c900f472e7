//! Every input that is kept, and a short run of random changes of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fuzz_targets::mutate::Mutator;
use fuzz_targets::{classify, proxy, seeds, wire};

/// Inputs of the random run, for each target; `MANIFOLD_FUZZ_INPUTS` says how many others.
const INPUTS: u64 = 4000;

fn inputs() -> u64 {
    std::env::var("MANIFOLD_FUZZ_INPUTS").map_or(INPUTS, |text| text.parse().expect("a number"))
}

/// The kept inputs of a target, each run once, then changed and run again.
fn hold(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/regressions").join(target);
    let known = seeds::read_folder(&folder).unwrap();
    assert!(!known.is_empty(), "no inputs for {target}");
    for (path, input) in &known {
        println!("{}", path.display());
        run(input);
    }
    let known: Vec<_> = known.into_iter().map(|(_, input)| input).collect();
    for number in 0..inputs() {
        let input = Mutator::new(number).input(&known);
        if catch_unwind(AssertUnwindSafe(|| run(&input))).is_err() {
            panic!(
                "input {number} of {target}: {:?}",
                String::from_utf8_lossy(&input).escape_debug().to_string()
            );
        }
    }
}

#[test]
fn wire_holds() {
    hold("wire", wire::run);
}

#[test]
fn classify_holds() {
    hold("classify", classify::run);
}

#[test]
fn proxy_holds() {
    hold("proxy", proxy::run);
}
