//! What the tests of whole `manifold` processes share.

pub mod frames;
pub mod golden;
pub mod program;
pub mod replay;
pub mod sent;
pub mod summary;
