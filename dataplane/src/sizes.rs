//! How much waits between a worker and the control thread, and how often a worker looks up from its frames: what the
//! bench's worker, or its peers, have, too.

/// IGMP frames a second that one port may send to the control thread; a group's whole membership of a
/// large access network answers within one response interval below this.
pub const PUNTS_PER_SECOND: u32 = 100_000;
/// And at once, after a pause.
pub const PUNT_BURST: u32 = 4096;
/// Frames of one port and worker that may wait for the control thread.
pub const PUNT_RING: usize = 1024;
/// Frames of the control thread that may wait to be sent.
pub const INJECT_RING: usize = 1024;
/// Frames of the control thread sent in one pass.
pub const INJECTED_A_PASS: usize = 32;
/// Bursts of one queue in one pass at most, the next only after a full one: the busiest queue need not wait after each for
/// a look at all of the others, which mostly have nothing. Fewer where that would make passes long.
pub const BURSTS_A_PASS: usize = 4;
/// Bursts, or passes without any, between looks at the stop flag and announcements of quiescence.
pub const HOUSEKEEPING: u32 = 32;
