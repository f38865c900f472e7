//! Who may ask over the socket, whatever the file's mode says by now: root, the user that Manifold runs as, and the members
//! of the socket's group.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;

use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

/// Who may ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peers {
    /// The user that Manifold runs as.
    user: u32,
    /// The socket's group.
    group: u32,
}

/// Whoever connected, as the kernel noted it then.
#[derive(Debug, Clone, Copy)]
struct Peer {
    process: i32,
    user: u32,
    group: u32,
}

impl Peers {
    /// For a socket of this group.
    pub(crate) fn new(group: u32) -> Self {
        Self { user: geteuid().as_raw(), group }
    }

    /// Whether whoever connected may ask.
    ///
    /// # Errors
    /// The kernel does not tell who it is.
    pub(crate) fn admit(&self, stream: &UnixStream) -> io::Result<bool> {
        let told = socket_peercred(stream)?;
        let process = told.pid.as_raw_nonzero().get();
        let peer = Peer { process, user: told.uid.as_raw(), group: told.gid.as_raw() };
        Ok(self.may_ask(peer, |peer| self.is_member(peer)))
    }

    fn may_ask(&self, peer: Peer, is_member: impl FnOnce(Peer) -> bool) -> bool {
        peer.user == 0 || peer.user == self.user || peer.group == self.group || is_member(peer)
    }

    /// Whether the socket's group is one of the peer's further ones: of its process's, or, where that cannot be looked
    /// at, of its user's by /etc/group.
    fn is_member(&self, peer: Peer) -> bool {
        match fs::read_to_string(format!("/proc/{}/status", peer.process)) {
            Ok(status) => process_has(&status, peer.user, self.group),
            Err(_) => {
                let read = |path| fs::read_to_string(path).unwrap_or_default();
                user_has(&read("/etc/passwd"), &read("/etc/group"), peer.user, self.group)
            }
        }
    }
}

/// Whether a process with this /proc/.../status is the user's, and has the group among its further ones.
fn process_has(status: &str, user: u32, group: u32) -> bool {
    let numbers = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().split_ascii_whitespace().filter_map(|word| word.parse::<u32>().ok())
    };
    numbers("Uid:").any(|uid| uid == user) && numbers("Groups:").any(|gid| gid == group)
}

/// Whether the user is among the group's members.
fn user_has(passwd: &str, groups: &str, user: u32, group: u32) -> bool {
    let field = |line: &str, at: usize| line.split(':').nth(at).map(str::to_owned);
    let is = |line: &str, id: u32| field(line, 2).and_then(|text| text.parse().ok()) == Some(id);
    let name = passwd.lines().find(|line| is(line, user)).and_then(|line| field(line, 0));
    let members = groups.lines().find(|line| is(line, group)).and_then(|line| field(line, 3));
    name.zip(members).is_some_and(|(name, members)| members.split(',').any(|member| member == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_own_user_and_the_group_may_ask_and_nobody_else() {
        let peers = Peers { user: 900, group: 50 };
        let may = |user, group, further| peers.may_ask(Peer { process: 7, user, group }, |_| further);
        assert!(may(0, 1, false) && may(900, 1, false) && may(1000, 50, false) && may(1000, 1, true));
        assert!(!may(1000, 1, false));
    }

    #[test]
    fn a_process_has_the_groups_that_the_kernel_tells() {
        let status = "Name:\tx\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t24 50 \nNStgid:\t50\n";
        assert!(process_has(status, 1000, 50));
        assert!(!process_has(status, 1000, 5) && !process_has(status, 1000, 1000));
        assert!(!process_has(status, 1001, 50), "the process is another's by now");
        assert!(!process_has("Uid:\t1000\n", 1000, 50));
    }

    #[test]
    fn a_user_has_the_groups_of_the_file() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        let groups = "adm:x:4:ann\niptv:x:50:bob,ann\nann:x:1000:\n";
        assert!(user_has(passwd, groups, 1000, 50) && user_has(passwd, groups, 1000, 4));
        assert!(!user_has(passwd, groups, 0, 50) && !user_has(passwd, groups, 1001, 50));
        assert!(!user_has(passwd, groups, 1000, 7));
    }

    #[test]
    fn who_connects_is_asked_of_the_kernel() {
        let (here, _there) = UnixStream::pair().unwrap();
        assert!(Peers::new(u32::MAX).admit(&here).unwrap());
    }
}
