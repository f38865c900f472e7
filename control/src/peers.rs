//! Who may ask over the socket, whatever the file's mode says by now: root, the user that Manifold runs as, and the members
//! of the socket's group.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::process::geteuid;

use crate::socket_file::SocketFile;

/// Who may ask.
#[derive(Debug)]
pub(crate) struct Peers {
    /// The user that Manifold runs as.
    user: u32,
    file: Arc<SocketFile>,
}

/// Whoever connected, as the kernel noted it then.
#[derive(Debug, Clone, Copy)]
struct Peer {
    /// 0 for a process that this one's namespace does not show.
    process: i32,
    user: u32,
    group: u32,
}

impl Peers {
    /// Of the socket with this file.
    pub(crate) fn new(file: Arc<SocketFile>) -> Self {
        Self { user: geteuid().as_raw(), file }
    }

    /// Whether whoever connected may ask.
    ///
    /// # Errors
    /// The kernel does not tell who it is.
    pub(crate) fn admit(&self, stream: &UnixStream) -> io::Result<bool> {
        let told = getsockopt(stream, PeerCredentials)?;
        let peer = Peer { process: told.pid(), user: told.uid(), group: told.gid() };
        let group = self.file.group();
        // While the file is as it was made, connect() lets in nobody else: that holds for processes that cannot be looked
        // at, too (another PID namespace, hidepid).
        Ok(may_ask(peer, self.user, group, || self.file.is_as_made() || is_member(peer, group)))
    }
}

fn may_ask(peer: Peer, user: u32, group: u32, is_let_in: impl FnOnce() -> bool) -> bool {
    peer.user == 0 || peer.user == user || peer.group == group || is_let_in()
}

/// Whether the group is one of the peer's further ones: of its process's, or, where that cannot be looked at, of its
/// user's by /etc/group.
fn is_member(peer: Peer, group: u32) -> bool {
    match fs::read_to_string(format!("/proc/{}/status", peer.process)) {
        Ok(status) => process_has(&status, peer.user, group),
        Err(_) => {
            let read = |path| fs::read_to_string(path).unwrap_or_default();
            user_has(&read("/etc/passwd"), &read("/etc/group"), peer.user, group)
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
        // As the kernel tells of a process in another PID namespace.
        let peer = |user, group| Peer { process: 0, user, group };
        let may = |user, group, let_in| may_ask(peer(user, group), 900, 50, || let_in);
        assert!(may(0, 1, false) && may(900, 1, false) && may(1000, 50, false) && may(1000, 1, true));
        assert!(!may(1000, 1, false));
        assert!(
            !is_member(peer(u32::MAX - 1, 1), 50),
            "a process that is not seen, of a user that is not known"
        );
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
        let folder = tempfile::tempdir().unwrap();
        let (_listener, file) = SocketFile::listen(&folder.path().join("s.sock"), None).unwrap();
        let (here, _there) = UnixStream::pair().unwrap();
        assert!(Peers::new(Arc::new(file)).admit(&here).unwrap());
    }
}
