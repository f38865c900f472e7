//! What the fuzzer calls with its bytes, kept as ordinary functions so that ordinary tests call them, too:
//! with every input that once failed, and with random changes of those.
//!
//! | target | input | module |
//! |---|---|---|
//! | `wire` | a frame, or an IGMP message | [`wire`] |
//! | `classify` | frames with their lengths, and how they come in | [`classify`] |
//! | `proxy` | operations as text | [`proxy`] |
//!
//! Each function panics when something is wrong, and else returns. Called by `fuzz/` (libFuzzer) and by this
//! crate's tests.

pub mod classify;
mod frames;
pub mod mutate;
pub mod proxy;
pub mod seeds;
pub mod wire;
