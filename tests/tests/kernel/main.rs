//! Manifold on kernel interfaces, whole: what it refuses, what it changes and gives back, and what is on the wire.
//! Judged from captures, /sys and /proc, not from Manifold's word; its counters are checked against them.

mod running;
mod stage;

mod capabilities;
mod carrier;
mod comeback;
mod explain;
mod guard;
mod hosts;
mod instances;
mod outgoing;
mod record;
mod refused;
mod reload;
mod slow;
mod tagged;
mod upstream;
