//! The guard's work in time: `cargo bench -p guard`.

use criterion::{Criterion, criterion_group, criterion_main};

fn paths(c: &mut Criterion) {
    for work in guard::all() {
        let mut turn = (work.prepare)();
        c.bench_function(work.name, |b| b.iter(&mut turn));
    }
}

criterion_group!(benches, paths);
criterion_main!(benches);
