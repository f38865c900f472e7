//! IPv6 on one interface: its switch in /proc/sys.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::GuardError;

fn path(link: &str) -> PathBuf {
    PathBuf::from(format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6"))
}

/// Whether IPv6 is on; off where the kernel has none.
pub(super) fn is_on(link: &str) -> Result<bool, GuardError> {
    match fs::read_to_string(path(link)) {
        Ok(text) => Ok(text.trim() == "0"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(link, error)),
    }
}

/// Switches it.
pub(super) fn set(link: &str, on: bool) -> Result<(), GuardError> {
    fs::write(path(link), if on { "0" } else { "1" }).map_err(|error| failed(link, error))
}

fn failed(link: &str, source: io::Error) -> GuardError {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            GuardError::NotPermitted { what: format!("switch IPv6 of `{link}`"), capability: "CAP_NET_ADMIN" }
        }
        _ => GuardError::Ipv6 { link: link.to_owned(), source },
    }
}
