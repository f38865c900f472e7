//! `manifold run` on captures, and what it is asked meanwhile. It takes no privilege.

mod harness;
mod losses;
mod page;
mod reload;
