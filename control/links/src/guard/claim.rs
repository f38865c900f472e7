//! An instance's name, claimed in its network namespace for as long as the process lives.
//!
//! The tables of nft are the namespace's, whatever run directory an instance has, so two of one name would have one
//! table. The claim is a table too, one without rules that a netlink socket owns (Linux 5.12): nobody without
//! CAP_NET_ADMIN can make it, nobody else can change it, `flush ruleset` passes over it, and the kernel drops it with the
//! socket, however the process ends. The instance's own table, with the drops, stays behind after a crash.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use super::GuardError;
use crate::info::LinkError;
use crate::message::attributes;
use crate::netlink::{Netlink, attribute};

/// What a claim's table is called, before the instance's name, which has no dot.
const TABLE_PREFIX: &str = "manifold.";
const SUBSYSTEM: u16 = 10;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const GET_TABLE: u16 = SUBSYSTEM << 8 | 1;
const NFPROTO_NETDEV: u8 = 5;
const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const TABLE_USERDATA: u16 = 6;
const FLAG_OWNER: u32 = 2;
/// `nft list ruleset` shows a comment of at most so many bytes, with the zero at its end.
const COMMENT_MAX: usize = 128;
/// Stands between the process and the directory.
const AND_RUN_DIR: &str = ", run directory ";
/// Whoever cleans up behind a crashed run has its name for a moment; this often, and this long between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// A name that is claimed until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    /// `None` on a kernel that knows no owners: there, two instances of one name are not told apart.
    _owner: Option<OwnedFd>,
}

impl Claim {
    /// Claims the name for this process.
    ///
    /// # Errors
    /// [`GuardError::NameInUse`], or the kernel forbids it.
    pub(super) fn take(instance: &str, run_dir: &Path) -> Result<Self, GuardError> {
        let failed =
            |source| GuardError::Link(LinkError::new("claim the instance's name (nf_tables)", source));
        let comment = comment(std::process::id(), run_dir);
        let mut holder = None;
        for again in 0..TRIES {
            if again > 0 {
                thread::sleep(PAUSE);
            }
            let mut netlink = Netlink::open_filter().map_err(failed)?;
            match netlink.create_in_batch(SUBSYSTEM, NEW_TABLE, &owned_table(instance, &comment)) {
                Ok(()) => return Ok(Self { _owner: Some(netlink.into_fd()) }),
                Err(error) => match Errno::from_io_error(&error) {
                    // A table of another's is not to be touched, which is told as a lack of privilege is.
                    Some(Errno::PERM | Errno::EXIST) => holder = look(instance).map_err(failed)?,
                    // What the drops themselves take is told when they are set.
                    Some(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Self { _owner: None }),
                    _ => return Err(failed(error)),
                },
            }
        }
        let holder = holder.unwrap_or_else(|| "it ends and starts again".to_owned());
        Err(GuardError::NameInUse { instance: instance.to_owned(), holder })
    }
}

/// Who has the name, if that is an instance with another run directory. Nobody, where the kernel does not tell.
pub(super) fn holder_elsewhere(instance: &str, run_dir: &Path) -> Option<String> {
    let holder = look(instance).ok().flatten()?;
    (!is_of(&holder, run_dir)).then_some(holder)
}

/// Whether that is what an instance with the run directory says of itself.
fn is_of(holder: &str, run_dir: &Path) -> bool {
    let pid = holder.strip_prefix("process ").and_then(|rest| rest.split_once(AND_RUN_DIR)?.0.parse().ok());
    pid.is_some_and(|pid| comment(pid, run_dir) == holder)
}

/// What the present claim says of its holder; `None` without one.
fn look(instance: &str) -> io::Result<Option<String>> {
    let mut found = None;
    let asked = Netlink::open_filter()?.ask(GET_TABLE, &table(instance), |payload| {
        let userdata =
            attributes(payload.get(4..).unwrap_or_default()).find(|(kind, _)| *kind == TABLE_USERDATA);
        found = Some(
            userdata.and_then(|(_, value)| told(value)).unwrap_or_else(|| "it does not say where".to_owned()),
        );
    });
    match asked {
        Ok(()) => Ok(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The head of a request about the instance's claim.
fn table(instance: &str) -> Vec<u8> {
    let mut body = vec![NFPROTO_NETDEV, 0, 0, 0];
    body.extend(attribute(TABLE_NAME, format!("{TABLE_PREFIX}{instance}\0").as_bytes()));
    body
}

fn owned_table(instance: &str, comment: &str) -> Vec<u8> {
    let mut body = table(instance);
    body.extend(attribute(TABLE_FLAGS, &FLAG_OWNER.to_be_bytes()));
    // As nft writes comments: of the type 0, with their length, ended by a zero.
    let mut userdata = vec![0, (comment.len() + 1) as u8];
    userdata.extend_from_slice(comment.as_bytes());
    userdata.push(0);
    body.extend(attribute(TABLE_USERDATA, &userdata));
    body
}

/// Who holds a claim, for people, and as long as nft shows it.
fn comment(pid: u32, run_dir: &Path) -> String {
    let run_dir = run_dir.canonicalize().unwrap_or_else(|_| run_dir.to_owned());
    let mut text = format!("process {pid}{AND_RUN_DIR}{}", run_dir.display());
    // A quote would end it in what nft prints; a line's end and the like are no better.
    text = text.replace(|c: char| c == '"' || c.is_control(), "?");
    text.truncate(text.floor_char_boundary(COMMENT_MAX - 1));
    text
}

/// The comment in a table's user data.
fn told(userdata: &[u8]) -> Option<String> {
    let (head, rest) = userdata.split_at_checked(2)?;
    let text = rest.get(..usize::from(head[1]).checked_sub(1)?)?;
    (head[0] == 0).then(|| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_claim_says_is_read_again_however_long_its_directory() {
        for length in [1, 90, 104, 105, 200, 4000] {
            let dir = format!("/{}", "ü".repeat(length));
            let said = comment(4_000_000, Path::new(&dir));
            assert!(
                said.len() < COMMENT_MAX && said.starts_with("process 4000000, run directory /ü"),
                "{said}"
            );
            let body = owned_table("main", &said);
            let userdata = attributes(&body[4..]).find(|(kind, _)| *kind == TABLE_USERDATA).unwrap().1;
            assert_eq!(told(userdata).as_ref(), Some(&said));
            assert!(is_of(&said, Path::new(&dir)) && !is_of(&said, Path::new("/ü-other")), "{said}");
        }
        assert!(!is_of("process 7, run directory /run/tv", Path::new("/run/t")));
        assert!(!is_of("process 7, run directory /run/t", Path::new("/run/tv")));
        assert_eq!(comment(7, Path::new("/a\"b\nc")), "process 7, run directory /a?b?c");
        for damaged in [&[][..], &[0], &[0, 0], &[0, 9, b'x'], &[1, 2, b'x', 0]] {
            assert_eq!(told(damaged), None, "{damaged:?}");
        }
    }
}
