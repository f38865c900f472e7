//! Replays: frames with times in, captures out, on a virtual clock, by the code that forwards live. Each case is
//! judged twice: by what its frames mean, and byte for byte against the captures in `tests/golden`. After a change
//! that is meant, `MANIFOLD_GOLDEN=write cargo test -p tests --test replay` keeps the new ones.

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod forwarding;
mod host;
mod live;
mod load;
mod members;
mod queries;
mod refused;
mod repeat;
mod story;
