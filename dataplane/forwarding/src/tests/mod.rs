//! The forwarder as a whole.

mod bench;
mod faults;
mod punts;
mod rules;
mod unfinished;
