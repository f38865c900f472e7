//! The proxy's rules, each as a test named after it, through the public interface and in virtual time.
//!
//! Frames are written and read here byte by byte, so that the crate's own wire code has a second opinion.

mod bench;
mod discovery;
mod election;
mod elsewhere;
mod fast_leave;
mod faults;
mod host;
mod joins;
mod leaves;
mod lifecycle;
mod links;
mod load;
mod loosening;
mod macs;
mod pace;
mod policies;
mod properties;
mod queries;
mod raw;
mod scale;
mod statics;
mod table;
mod v3;
mod validity;
mod version1;
