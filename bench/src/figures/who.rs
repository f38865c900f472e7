//! Who can be on a side of a figure.

/// How testpmd forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// macswap, from the source to one sink: rewrites a header, looks nothing up.
    Macswap,
    /// From the source to a bonding device of mode 3 over the sinks: the same buffer to each of them with one
    /// bump of its reference count, no parsing and no look-up.
    Bonding,
    /// Frees what it receives: what the source alone costs.
    Receive,
}

/// Whose DPDK a program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Build {
    /// The distribution's.
    Packaged,
    /// The one of `make fast`.
    Own,
}

/// How DPDK takes a kernel interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// A packet socket with rings.
    AfPacket,
    /// An XDP program and socket.
    AfXdp,
    /// Whichever Manifold takes by itself, which is to be an XDP socket.
    Auto,
}

impl Driver {
    /// As settings call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AfPacket => "af_packet",
            Self::AfXdp => "af_xdp",
            Self::Auto => "auto",
        }
    }

    /// The one that is then taken, as DPDK and the kernel call it.
    pub(crate) fn taken(self) -> &'static str {
        match self {
            Self::AfPacket => "af_packet",
            Self::AfXdp | Self::Auto => "af_xdp",
        }
    }
}

/// What runs on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Manifold.
    Manifold(Build),
    /// DPDK's testpmd.
    Testpmd(Mode, Build),
    /// DPDK's ipv4_multicast example.
    Ipv4Multicast,
    /// Manifold on kernel interfaces.
    OnInterfaces(Driver, Build),
    /// The kernel's multicast forwarding, on the same interfaces.
    Kernel,
    /// Manifold's forwarder on plain buffers, while its table is written so many times a second.
    Forwarder {
        /// Writes a second.
        updates: u32,
    },
}
