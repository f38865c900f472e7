//! The control side through its own interfaces: the agent in virtual time on a worker's real table and
//! masks, the control thread on real rings, the socket with clients of every sort.

mod bench;
mod configuration;
mod elsewhere;
mod events;
mod explain;
mod load;
mod logged;
mod masks;
mod members;
mod neighbours;
mod outlet;
mod record;
mod server;
mod show;
mod thread;
mod told;
