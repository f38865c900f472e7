//! Simulated networks: one proxy, hosts of every version, rival and provider's routers, links that lose,
//! double and delay. Virtual time, and all chance from a seed that a failure prints.
//!
//! `MANIFOLD_SEEDS=100000 cargo test -p igmp --test simulation` runs more networks, `MANIFOLD_SEED=7` the
//! seventh alone.
//!
//! | module | what |
//! |---|---|
//! | `plan` | a network and its settings from a seed |
//! | `host`, `router` | who else is on the links, as the RFCs describe them |
//! | `world` | puts all together and lets time pass; `moves` is what happens in it |
//! | `ledger`, `provider` | what the proxy owes, from what it was given |
//! | `truth` | whether who listens is served, from the hosts' own view |
//! | `fault` | wrong proxies, which the checks must see |

mod chance;
mod entry;
mod fault;
mod frames;
mod host;
mod ledger;
mod moves;
mod plan;
mod provider;
mod router;
mod truth;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use fault::Fault;
use world::World;

/// Networks that an ordinary run of the tests simulates.
const NETWORKS: u64 = 2000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect(variable))
}

fn run(seed: u64, fault: Option<Fault>) -> u64 {
    let mut world = World::new(seed, fault);
    world.run();
    world.digest
}

#[test]
fn in_every_network_members_are_served_and_nobody_else() {
    if let Some(seed) = number("MANIFOLD_SEED") {
        run(seed, None);
        return;
    }
    let networks = number("MANIFOLD_SEEDS").unwrap_or(NETWORKS);
    let threads = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                for seed in (first..networks).step_by(threads as usize) {
                    run(seed, None);
                }
            });
        }
    });
}

#[test]
fn a_seed_repeats_its_run() {
    for seed in 0..20 {
        assert_eq!(run(seed, None), run(seed, None), "seed {seed}");
    }
}

#[test]
fn the_checks_see_every_wrong_proxy() {
    let unseen: Vec<_> = Fault::ALL
        .into_iter()
        .filter(|fault| {
            (0..200).all(|seed| catch_unwind(AssertUnwindSafe(|| run(seed, Some(*fault)))).is_ok())
        })
        .collect();
    assert_eq!(unseen, [], "not seen in 200 networks");
}
