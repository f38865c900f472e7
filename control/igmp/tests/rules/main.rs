//! The proxy's rules, each as a test named after it, through the public interface and in virtual time.
//!
//! Frames are written and read here byte by byte, so that the crate's own wire code has a second opinion.

mod bench;
mod faults;

mod host;
mod joins;
mod leaves;
mod lifecycle;

mod pace;
mod properties;
mod queries;
mod raw;
mod scale;
mod statics;
mod v3;
mod validity;
