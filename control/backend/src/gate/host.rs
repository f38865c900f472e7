//! Which Host and Origin a request may name. Pure.

use std::net::IpAddr;

/// The host in `host`, `host:port`, `[v6]` or `[v6]:port`; `None` where it is none of these.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let plain = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    (plain && !host.is_empty()).then_some(host)
}

/// Whether a request that came to `local` may name this host. A stranger's page can make its own name point here (DNS
/// rebinding), and browsers would then let it read what it gets; it cannot make an address or `localhost` its own.
pub(crate) fn is_allowed_host(authority: &str, local: IpAddr, hosts: &[String]) -> bool {
    let Some(host) = host_of(authority) else { return false };
    if let Ok(address) = host.parse::<IpAddr>()
        && address.to_canonical() == local.to_canonical()
    {
        return true;
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    (host == "localhost" && local.is_loopback()) || hosts.contains(&host)
}

/// Whether browsers trust this host without TLS: it is the machine that they run on.
pub(crate) fn is_this_machine(authority: &str) -> bool {
    host_of(authority).is_some_and(|host| {
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    })
}

/// Whether a request that changes something comes from a page of ours, or from no page. Both headers are the
/// browser's own, which no page can set.
pub(crate) fn is_own_origin(origin: Option<&str>, fetch_site: Option<&str>, authority: &str) -> bool {
    let own_site = fetch_site.is_none_or(|site| site == "same-origin");
    let own_origin = origin.is_none_or(|origin| {
        // A proxy in front may have taken TLS off: the scheme is not ours to know.
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
    });
    own_site && own_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ours_and_names_only_when_listed() {
        let (loopback, lan) = ("127.0.0.1".parse().unwrap(), "192.168.1.5".parse().unwrap());
        let hosts = ["iptv.example.net".to_owned(), "203.0.113.7".to_owned()];
        for good in ["127.0.0.1:8480", "127.0.0.1", "localhost:8480", "LOCALHOST", "iptv.example.net:443"] {
            assert!(is_allowed_host(good, loopback, &hosts), "{good}");
        }
        for good in ["192.168.1.5:8480", "IPTV.example.net", "iptv.example.net.", "203.0.113.7:8443"] {
            assert!(is_allowed_host(good, lan, &hosts), "{good}");
        }
        for bad in [
            "",
            ":8480",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost",
            "10.0.0.1",
            "192.168.1.5:x",
            "192.168.1.5:",
            "a@192.168.1.5",
            "[192.168.1.5",
            "iptv.example.net/x",
        ] {
            assert!(!is_allowed_host(bad, lan, &hosts), "{bad}");
        }
        assert!(is_allowed_host("[::1]:8480", "::1".parse().unwrap(), &[]));
        assert!(is_allowed_host("10.0.0.1", "::ffff:10.0.0.1".parse().unwrap(), &[]));
        assert!(!is_allowed_host("[::1]x", "::1".parse().unwrap(), &[]));
    }

    #[test]
    fn browsers_trust_the_machine_that_they_run_on() {
        for this in ["localhost", "LocalHost:8480", "127.0.0.1:8480", "127.9.9.9", "[::1]:8480"] {
            assert!(is_this_machine(this), "{this}");
        }
        for other in ["192.168.1.5:8480", "iptv.example", "localhost.example", "[2001:db8::1]", ""] {
            assert!(!is_this_machine(other), "{other}");
        }
    }

    #[test]
    fn what_changes_something_comes_from_our_page_or_from_none() {
        let own = |origin, site| is_own_origin(origin, site, "127.0.0.1:8480");
        assert!(own(None, None));
        assert!(own(Some("http://127.0.0.1:8480"), Some("same-origin")));
        assert!(own(Some("https://127.0.0.1:8480"), None));
        for (origin, site) in [
            (Some("http://evil.example"), None),
            (Some("null"), None),
            (Some(""), None),
            (Some("http://127.0.0.1:8481"), None),
            (Some("http://127.0.0.1:8480"), Some("same-site")),
            (None, Some("cross-site")),
            (None, Some("none")),
        ] {
            assert!(!own(origin, site), "{origin:?} {site:?}");
        }
    }
}
