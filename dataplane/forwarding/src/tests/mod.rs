//! The forwarder as a whole.

pub(crate) mod bench;
mod beside;
mod faults;
mod fetching;
mod model;
mod punts;
mod rules;
mod sending;
mod unfinished;
