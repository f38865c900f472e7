//! How many buffers a thread keeps at hand of each pool that frames' buffers come from.

/// Of the pool that the ports have together.
pub const POOL_CACHE: u32 = 256;
/// Of a pool of pages, which a port on af_xdp has to itself.
pub const PAGE_POOL_CACHE: u32 = 64;
