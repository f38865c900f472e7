//! What the tests of whole `manifold` processes share.

pub(crate) mod frames;
pub(crate) mod golden;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod replay;
pub(crate) mod sent;
pub(crate) mod summary;
