//! Kernel interfaces as Manifold's ports.
//!
//! An af_packet port is a tap: the kernel still sees every frame, answers ARP for the box's other addresses and
//! delivers to its sockets. So an interface becomes a port only if it is of a kind that we take and nobody else's
//! ([`usable`]); while it is a port the kernel's own stack is kept away from it ([`Guard`]); and its carrier comes
//! from rtnetlink ([`LinkWatch`]), for the drivers always say "up".
//!
//! Who calls it: the proxy at start and for each port that is added or removed, and its control thread for events.
//! Nothing here is for the hot path. Everything works on the network namespace of the calling thread, so one process
//! keeps to one namespace. The order for a port is [`inspect`], [`usable`], [`Guard::add`], [`set_up`], then DPDK.
//!
//! Not seen here: a macvlan or VLAN on top that was moved to another network namespace. The kernel doesn't tell.

mod channels;
mod guard;
mod info;
mod kind;
mod lock;
mod message;
mod netlink;
#[cfg(any(test, feature = "recorded"))]
pub mod recorded;
mod refusal;
mod watch;

pub use channels::Channels;
pub use guard::{Guard, GuardError, Recovery};
pub use info::{DefaultRoute, IpNet, LinkError, LinkInfo, Master, inspect, list, set_up};
pub use kind::{KindAttributes, LinkKind, TunType};
pub use lock::{InstanceLock, LockError};
pub use refusal::{Refusal, RefusalReason, acceptable, refusals, usable};
pub use watch::{LinkChange, LinkEvent, LinkWatch};
