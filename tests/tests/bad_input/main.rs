//! Bad settings, bad machines, bad clients: each refusal is one message on standard error that says where there is
//! a where, what is wrong and what would cure it; exit status 2 for the settings, 1 for the machine; and nothing
//! half-started is left behind. What the settings' messages are in full is tested beside the settings; here it is
//! that the process says them and ends so.

#[path = "../support/process.rs"]
mod process;
#[path = "../support/program.rs"]
mod program;

mod clean;
mod interfaces;
mod machine;
#[cfg(feature = "own-dpdk")]
mod own_dpdk;
mod settings;
mod socket;
