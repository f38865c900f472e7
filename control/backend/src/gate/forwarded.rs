//! Whose request it is when a proxy stands in front. Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    length: u8,
}

impl Network {
    /// Whether the address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |length: u8, all: u8| u32::from(all - length);
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differ = first.to_bits() ^ address.to_bits();
                differ.checked_shr(bits(self.length, 32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differ = first.to_bits() ^ address.to_bits();
                differ.checked_shr(bits(self.length, 128)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = ();

    /// An address, or one with the length of a prefix. One that names everybody is none.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, length)| (a, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(all), str::parse).map_err(|_| ())?;
        let network = Self { first: address, length };
        (address == address.to_canonical() && (1..=all).contains(&length)).then_some(network).ok_or(())
    }
}

/// The client of a request that came from `peer`: of the addresses that proxies wrote, the right-most that is none of
/// theirs. What stands left of it is the client's own word. Whom a proxy names by what is no address is nobody in particular,
/// 0.0.0.0: not the proxy, which may be this machine.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    let lines = headers.get_all(FOR).iter().rev();
    let mut hops = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(',')).map(address_of);
    while is_trusted(client) {
        match hops.next() {
            Some(Some(address)) => client = address,
            Some(None) => return Ipv4Addr::UNSPECIFIED.into(),
            None => break,
        }
    }
    client
}

/// Whether a proxy that is trusted says that the browser came to it over TLS.
pub(crate) fn is_tls(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> bool {
    let last = headers.get_all(PROTO).iter().next_back().and_then(|line| line.to_str().ok());
    let last = last.and_then(|line| line.rsplit(',').next()).map(str::trim);
    last.is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
        && trusted.iter().any(|network| network.contains(peer))
}

/// An address as proxies write it: with a port or without, in brackets or without.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn networks(all: &[&str]) -> Vec<Network> {
        all.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_network_is_an_address_or_a_prefix() {
        let [net] = networks(&["10.1.0.0/16"])[..] else { panic!() };
        assert!(net.contains(ip("10.1.255.9")) && net.contains(ip("::ffff:10.1.0.1")));
        assert!(!net.contains(ip("10.2.0.1")) && !net.contains(ip("fd00::1")));
        let [one, six] = networks(&["127.0.0.1", "fd00:1::/32"])[..] else { panic!() };
        assert!(one.contains(ip("127.0.0.1")) && !one.contains(ip("127.0.0.2")));
        assert!(six.contains(ip("fd00:1:2::3")) && !six.contains(ip("fd00:2::")));
        for bad in [
            "",
            "0.0.0.0/0",
            "::/0",
            "10.0.0.0/33",
            "10.0.0.0/",
            "/8",
            "proxy",
            "::ffff:10.0.0.1",
            "10.0.0.1:80",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn the_client_is_the_right_most_that_is_no_proxy() {
        let trusted = networks(&["127.0.0.1", "10.0.0.0/24"]);
        let of = |peer: &str, lines: &[&str]| client(ip(peer), &headers("x-forwarded-for", lines), &trusted);
        assert_eq!(of("127.0.0.1", &["192.0.2.7"]), ip("192.0.2.7"));
        assert_eq!(
            of("127.0.0.1", &["203.0.113.9, 192.0.2.7"]),
            ip("192.0.2.7"),
            "what is left of it is forged"
        );
        assert_eq!(of("127.0.0.1", &["203.0.113.9", "192.0.2.7,10.0.0.5"]), ip("192.0.2.7"), "two proxies");
        assert_eq!(of("127.0.0.1", &["192.0.2.7:4711"]), ip("192.0.2.7"));
        assert_eq!(of("127.0.0.1", &["[2001:db8::1]:4711"]), ip("2001:db8::1"));
        assert_eq!(of("127.0.0.1", &["[2001:db8::1]"]), ip("2001:db8::1"));
        assert_eq!(of("127.0.0.1", &["::ffff:192.0.2.7"]), ip("192.0.2.7"));
        assert_eq!(of("192.0.2.66", &["192.0.2.7"]), ip("192.0.2.66"), "a stranger is not believed");
        assert_eq!(of("::ffff:192.0.2.66", &["192.0.2.7"]), ip("::ffff:192.0.2.66"));
        // Nothing to go by.
        assert_eq!(of("127.0.0.1", &[]), ip("127.0.0.1"));
        // Named by what is no address: nobody, and not this machine.
        assert_eq!(of("127.0.0.1", &["203.0.113.9, unknown"]), ip("0.0.0.0"));
        assert_eq!(of("127.0.0.1", &["203.0.113.9, "]), ip("0.0.0.0"));
        assert_eq!(of("127.0.0.1", &["10.0.0.5, 10.0.0.6"]), ip("10.0.0.5"));
        assert_eq!(
            client(ip("127.0.0.1"), &headers("x-forwarded-for", &["192.0.2.7"]), &[]),
            ip("127.0.0.1")
        );
    }

    #[test]
    fn tls_in_front_is_believed_of_proxies_alone() {
        let trusted = networks(&["127.0.0.1"]);
        let of =
            |peer: &str, lines: &[&str]| is_tls(ip(peer), &headers("x-forwarded-proto", lines), &trusted);
        assert!(of("127.0.0.1", &["https"]) && of("127.0.0.1", &["http, HTTPS"]));
        assert!(!of("127.0.0.1", &["https, http"]) && !of("127.0.0.1", &["https", "http"]));
        assert!(!of("127.0.0.1", &[]) && !of("192.0.2.7", &["https"]));
    }
}
