//! The forwarder as a whole.

mod bench;
mod faults;
mod model;
mod punts;
mod rules;
mod unfinished;
