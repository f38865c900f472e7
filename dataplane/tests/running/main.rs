//! `manifold run` on captures, and what it is asked meanwhile. It takes no privilege.

mod harness;
mod page;
mod reload;
