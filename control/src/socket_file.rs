//! The socket's place in the file system: who may connect, what it may replace, and what remains of it.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::{Client, ClientError};
use rustix::fs::{Mode, fchmod, lgetxattr};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};

/// Owner and group; everybody else has no business here.
const MODE: u32 = 0o660;
/// Connections that may wait to be taken.
const BACKLOG: i32 = 64;
/// For whoever listens at the path to say so: one that is stopped doesn't, and is there all the same.
const PROBE: Duration = Duration::from_millis(200);

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {}: {source}; {cure}", path.display())]
pub struct ServerError {
    path: PathBuf,
    source: io::Error,
    cure: &'static str,
}

impl ServerError {
    pub(crate) fn new(path: &Path, source: io::Error, cure: &'static str) -> Self {
        Self { path: path.to_owned(), source, cure }
    }
}

/// The file of a socket that we made; gone when dropped, unless another one is in its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    group: u32,
}

impl SocketFile {
    /// Listens at `path` for root and the users of `group`. On an error nothing is left there.
    pub(crate) fn listen(path: &Path, group: Option<&str>) -> Result<(UnixListener, Self), ServerError> {
        let failed = |cure| move |source| ServerError::new(path, source, cure);
        let elsewhere = "set [socket] path to a place that can be written, at most 107 bytes long";
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(failed("make its folder, or set [socket] path to a place that can be written"))?;
        }
        let group = group
            .map(group_id)
            .transpose()
            .map_err(failed("name a group of /etc/group in [socket] group, or leave it out"))?;
        remove_stale(path)?;
        let listener = bound(path).map_err(failed(elsewhere))?;
        let meta = std::fs::symlink_metadata(path).map_err(failed(elsewhere))?;
        let file =
            Self { path: path.to_owned(), identity: identity(&meta), group: group.unwrap_or(meta.gid()) };
        if group.is_some() {
            chown(path, None, group).map_err(failed("run as root, or leave [socket] group out"))?;
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))
            .map_err(failed("check the permissions of its folder"))?;
        Ok((listener, file))
    }

    /// The group whose members may connect.
    pub(crate) fn group(&self) -> u32 {
        self.group
    }

    /// Whether the file still lets in whom it was made for, and nobody else.
    pub(crate) fn is_as_made(&self) -> bool {
        let meta = std::fs::symlink_metadata(&self.path);
        // Room for less than any list takes: without one, the answer is that there is none.
        let lists = lgetxattr(&self.path, "system.posix_acl_access", &mut [0_u8]);
        meta.is_ok_and(|meta| {
            identity(&meta) == self.identity && meta.gid() == self.group && meta.mode() & 0o777 == MODE
        }) && matches!(lists, Err(Errno::NODATA | Errno::OPNOTSUPP))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|meta| identity(&meta) == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(meta: &std::fs::Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// Clears the path of a socket whose process died, and of nothing else.
fn remove_stale(path: &Path) -> Result<(), ServerError> {
    let failed = |source, cure| ServerError::new(path, source, cure);
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error, "check the permissions of its folder")),
        Ok(meta) if !meta.file_type().is_socket() => {
            let source = io::Error::new(ErrorKind::AlreadyExists, "something else than a socket is there");
            return Err(failed(source, "move it away, or set [socket] path to another place"));
        }
        Ok(_) => {}
    }
    match Client::connect_within(path, PROBE) {
        Err(ClientError::Stale(_)) => {
            std::fs::remove_file(path).map_err(|e| failed(e, "check the permissions of its folder"))
        }
        Err(ClientError::NoSocket(_)) => Ok(()),
        Ok(_) | Err(_) => {
            let source = io::Error::new(ErrorKind::AddrInUse, "another process listens there");
            Err(failed(source, "stop it, or set [socket] path to another place"))
        }
    }
}

/// A listening socket whose file nobody but its owner may use yet.
fn bound(path: &Path) -> io::Result<UnixListener> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Linux gives the file the socket's own mode, less the umask.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, BACKLOG).inspect_err(|_| drop(std::fs::remove_file(path)))?;
    Ok(socket.into())
}

/// The id of a group of users, by /etc/group or as a number.
fn group_id(name: &str) -> io::Result<u32> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let groups = std::fs::read_to_string("/etc/group")?;
    let id = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    });
    id.ok_or_else(|| io::Error::new(ErrorKind::NotFound, format!("there is no group `{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_lets_in_others_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let (_listener, file) = SocketFile::listen(&path, None).unwrap();
        let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(file.is_as_made());
        set(0o666);
        assert!(!file.is_as_made());
        set(MODE);
        assert!(file.is_as_made());
        std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        assert!(!file.is_as_made(), "what is not seen any more may be anything");
        let other = SocketFile::listen(&path, None).unwrap();
        assert!(!file.is_as_made() && other.1.is_as_made(), "another one is in its place");
    }
}
