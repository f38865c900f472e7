//! Real interfaces, in network namespaces that the tests make and remove.

mod common;
mod guard;
mod inspect;
mod watch;
