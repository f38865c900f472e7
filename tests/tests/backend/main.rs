//! `manifold-backend` beside a running Manifold: what other people's tools say of it.

#[path = "../support/backend.rs"]
#[allow(dead_code, reason = "the kernel tests use the rest of it")]
mod backend;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "the tests of bad input use the rest of it")]
mod process;
#[path = "../support/program.rs"]
#[allow(dead_code, reason = "the tests of bad input use the rest of it")]
mod program;
#[path = "../support/tools.rs"]
mod tools;

mod openapi;
mod prometheus;
mod units;
