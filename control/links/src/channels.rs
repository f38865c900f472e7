//! How many queues an interface has: what `ethtool -l` shows, asked of the kernel's ethtool family.

use std::io;

use crate::info::LinkError;
use crate::message::attributes;
use crate::netlink::{NLA_F_NESTED, Netlink, attribute};

/// The family whose number the kernel gives; the others' follow from that one.
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const ETHTOOL_MSG_CHANNELS_GET: u8 = 17;
const ETHTOOL_A_CHANNELS_HEADER: u16 = 1;
const ETHTOOL_A_CHANNELS_RX_COUNT: u16 = 6;
const ETHTOOL_A_CHANNELS_TX_COUNT: u16 = 7;
const ETHTOOL_A_CHANNELS_COMBINED_COUNT: u16 = 9;
const ETHTOOL_A_HEADER_DEV_INDEX: u16 = 1;
const EOPNOTSUPP: i32 = 95;

/// The queues in use of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    /// By how many frames come in.
    pub receive: u16,
    /// How many of those have one to send by, too.
    pub pairs: u16,
}

impl Channels {
    const ONE: Self = Self { receive: 1, pairs: 1 };

    /// Of an interface by its index: one pair where its driver tells of none.
    ///
    /// # Errors
    /// The kernel does not tell, or there is no such interface.
    pub fn of(index: u32) -> Result<Self, LinkError> {
        match ask(index) {
            Ok(channels) => Ok(channels),
            Err(error) if error.raw_os_error() == Some(EOPNOTSUPP) => Ok(Self::ONE),
            Err(error) => Err(LinkError::new(format!("read how many queues interface {index} has"), error)),
        }
    }

    /// From an answer. Drivers tell of pairs, of queues for each direction as veth does, or of both.
    fn parse(payload: &[u8]) -> Self {
        let count = |wanted: u16| {
            let value = attributes(payload).find(|(kind, _)| *kind == wanted)?.1;
            Some(u16::try_from(u32::from_ne_bytes(*value.first_chunk()?)).unwrap_or(u16::MAX))
        };
        let count = |wanted| count(wanted).unwrap_or(0);
        let (pairs, receive) = (count(ETHTOOL_A_CHANNELS_COMBINED_COUNT), count(ETHTOOL_A_CHANNELS_RX_COUNT));
        match pairs {
            0 => Self {
                receive: receive.max(1),
                pairs: receive.min(count(ETHTOOL_A_CHANNELS_TX_COUNT)).max(1),
            },
            _ => Self { receive: pairs.saturating_add(receive), pairs },
        }
    }
}

fn ask(index: u32) -> io::Result<Channels> {
    let mut socket = Netlink::open_generic()?;
    let name = attribute(CTRL_ATTR_FAMILY_NAME, b"ethtool\0");
    let family = first(&mut socket, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, &name, |payload| {
        let id = attributes(payload).find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID)?.1;
        Some(u16::from_ne_bytes(*id.first_chunk()?))
    })?;
    let device = attribute(ETHTOOL_A_HEADER_DEV_INDEX, &index.to_ne_bytes());
    let header = attribute(ETHTOOL_A_CHANNELS_HEADER | NLA_F_NESTED, &device);
    first(&mut socket, family, ETHTOOL_MSG_CHANNELS_GET, &header, |payload| Some(Channels::parse(payload)))
}

/// What `parse` makes of the answer to a request of a generic family.
fn first<T>(
    socket: &mut Netlink,
    family: u16,
    command: u8,
    body: &[u8],
    parse: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<T> {
    // Command, version, and two octets that are reserved.
    let request = [&[command, 1, 0, 0], body].concat();
    let mut found = None;
    socket.ask(family, &request, |payload| {
        if let Some(payload) = payload.get(4..) {
            found = found.take().or_else(|| parse(payload));
        }
    })?;
    found.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(counts: &[(u16, u32)]) -> (u16, u16) {
        let bytes: Vec<u8> = counts.iter().flat_map(|(kind, n)| attribute(*kind, &n.to_ne_bytes())).collect();
        let Channels { receive, pairs } = Channels::parse(&bytes);
        (receive, pairs)
    }

    #[test]
    fn pairs_are_told_of_by_the_pair_or_by_direction() {
        const MOST: (u16, u32) = (5, 64);
        assert_eq!(channels(&[MOST, (9, 4)]), (4, 4));
        assert_eq!(channels(&[(2, 8), (6, 2), (7, 2)]), (2, 2), "veth");
        assert_eq!(channels(&[(6, 2), (7, 1)]), (2, 1));
        assert_eq!(channels(&[(6, 2), (9, 4)]), (6, 4));
        assert_eq!(channels(&[]), (1, 1));
        assert_eq!(channels(&[(9, 0), (6, 0)]), (1, 1));
        assert_eq!(channels(&[(9, 1 << 20)]), (u16::MAX, u16::MAX));
        assert_eq!(Channels::parse(&[1, 2, 3]), Channels::ONE, "cut short");
    }

    #[test]
    fn the_kernel_answers() {
        let loopback = crate::inspect("lo").unwrap().index;
        assert_eq!(Channels::of(loopback).unwrap(), Channels::ONE);
        assert!(Channels::of(u32::MAX).unwrap_err().to_string().starts_with("cannot read how many queues"));
    }
}
