//! Both services under a real systemd: `make install` on a small Debian, booted in a container of systemd-nspawn, with real
//! hosts at its interfaces. What a person does after installing, and what the units promise.
//!
//! `make test-systemd` runs it. Making the system takes minutes, once; see `.ci/systemd-root`.
#![cfg(feature = "systemd")]

mod machine;
#[path = "../support/program.rs"]
#[allow(dead_code, reason = "the tests of bad input use the rest of it")]
mod program;
mod services;
#[path = "../support/tools.rs"]
mod tools;
