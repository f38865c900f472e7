//! The file of users and API tokens: written by the command line, read by the backend, which sees a change at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::access::secret::{digest, hex};
use crate::access::{PasswordHash, Role, Secret};

const FILE: &str = "access.json";
/// What a token begins with, so that scanners of leaked secrets can know it.
const TOKEN_PREFIX: &str = "manifold_";
/// The most users, and the most tokens.
const MOST: usize = 256;
/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Who may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their password.
    pub password: PasswordHash,
    /// Differs after each `user set`: sessions of an earlier one are over.
    pub generation: String,
}

/// A token for programs. Its secret is kept as a digest only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The name.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// SHA-256 of the whole token, in hexadecimal.
    pub digest: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends, in seconds since 1970; `null`: never.
    pub expires: Option<u64>,
}

/// All that the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessFile {
    /// By name.
    pub users: Vec<User>,
    /// By name.
    pub tokens: Vec<Token>,
}

/// The file cannot be had, or what was asked for cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system says no.
    #[error("{}: {source}; {cure}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
        /// What would cure it.
        cure: &'static str,
    },
    /// What was asked for makes no sense; the text has the cure.
    #[error("{0}")]
    Refused(String),
}

impl AccessFile {
    /// The user of this name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The valid token with this text; `now` is in seconds since 1970.
    pub fn token(&self, text: &str, now: u64) -> Option<&Token> {
        if !text.starts_with(TOKEN_PREFIX) {
            return None;
        }
        // Digests may be compared plainly: nobody can make one that is nearly right.
        let digest = hex(&digest(text));
        self.tokens.iter().find(|token| token.digest == digest && token.expires.is_none_or(|at| now < at))
    }

    /// Makes or replaces a user; their sessions end.
    ///
    /// # Errors
    /// The name or the password will not do, or there are too many.
    pub fn set_user(&mut self, name: &str, role: Role, password: &str) -> Result<(), StoreError> {
        check_name(name)?;
        let password = PasswordHash::new(password).map_err(StoreError::Refused)?;
        self.users.retain(|user| user.name != name);
        if self.users.len() >= MOST {
            return Err(StoreError::Refused(format!("there are {MOST} users; remove one first")));
        }
        let generation = Secret::random().text();
        self.users.push(User { name: name.to_owned(), role, password, generation });
        self.users.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    /// Makes a token, and returns its text, which nobody can tell later.
    ///
    /// # Errors
    /// The name will not do or is taken, or there are too many.
    pub fn create_token(
        &mut self,
        name: &str,
        role: Role,
        now: u64,
        days: Option<u32>,
    ) -> Result<String, StoreError> {
        check_name(name)?;
        if self.tokens.iter().any(|token| token.name == name) {
            let what = format!("there is a token `{name}`; revoke it first, or take another name");
            return Err(StoreError::Refused(what));
        }
        if self.tokens.len() >= MOST {
            return Err(StoreError::Refused(format!("there are {MOST} tokens; revoke one first")));
        }
        let text = format!("{TOKEN_PREFIX}{}", Secret::random().text());
        let expires = days.map(|days| now + u64::from(days) * 86_400);
        let digest = hex(&digest(&text));
        self.tokens.push(Token { name: name.to_owned(), role, digest, created: now, expires });
        self.tokens.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(text)
    }
}

fn check_name(name: &str) -> Result<(), StoreError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        let what =
            format!("`{}` is no name; it takes 1 to 64 letters, digits and . _ - @", name.escape_debug());
        return Err(StoreError::Refused(what));
    }
    Ok(())
}

/// Where the file is, and what was read of it last.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    read: Mutex<Option<(Identity, Arc<AccessFile>)>>,
}

/// A version of the file: each is a new one, renamed into place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Store {
    /// Of a folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), read: Mutex::new(None) }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// What the file holds now; nothing where there is none. Reads it only when it is another than last time.
    ///
    /// # Errors
    /// It cannot be read, others than its owner may read it, or it is broken. Then nobody gets in.
    pub fn current(&self) -> Result<Arc<AccessFile>, StoreError> {
        let path = self.path();
        let failed = |cure| {
            let path = path.clone();
            move |source| StoreError::Io { path, source, cure }
        };
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(failed("let this user enter the folder")(error)),
        };
        let identity =
            Identity { inode: meta.ino(), size: meta.size(), changed: (meta.ctime(), meta.ctime_nsec()) };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = read.as_ref().filter(|(known, _)| *known == identity) {
            return Ok(Arc::clone(file));
        }
        if meta.mode() & 0o077 != 0 {
            let source = io::Error::new(ErrorKind::PermissionDenied, "others than its owner may read it");
            return Err(failed("run `chmod 600` on it, and set the passwords anew")(source));
        }
        if meta.size() > MAX_FILE_BYTES {
            let source = io::Error::new(ErrorKind::InvalidData, "is larger than 1 MiB");
            return Err(failed("move it away, and set users anew")(source));
        }
        let text = fs::read_to_string(&path).map_err(failed("run as the file's owner, or as root"))?;
        let file: AccessFile = serde_json::from_str(&text)
            .map_err(|error| failed("move it away, and set users anew")(error.into()))?;
        let file = Arc::new(file);
        *read = Some((identity, Arc::clone(&file)));
        Ok(file)
    }

    /// Changes the file: one at a time, all or nothing, and no crash leaves half of it.
    ///
    /// # Errors
    /// `change` refuses, or the file cannot be read or written; then it is as it was.
    pub fn update<T>(
        &self,
        change: impl FnOnce(&mut AccessFile) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = self.path();
        let failed = |cure| {
            let path = path.clone();
            move |source| StoreError::Io { path, source, cure }
        };
        let elsewhere = "run as root or as the service's user, or name another place in state-dir";
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(failed(elsewhere))?;
        let folder = File::open(&self.folder).map_err(failed(elsewhere))?;
        // The folder itself is the lock: it is there as long as the file.
        flock(&folder, FlockOperation::LockExclusive).map_err(|e| failed("try again")(e.into()))?;
        let mut file = self.current()?.as_ref().clone();
        let result = change(&mut file)?;
        let text = serde_json::to_string_pretty(&file).map_err(|e| failed("report it")(e.into()))?;
        self.write(&folder, &text).map_err(failed(elsewhere))?;
        Ok(result)
    }

    fn write(&self, folder: &File, text: &str) -> io::Result<()> {
        let temporary = self.folder.join(format!(".{FILE}.new"));
        // What a crash left; the lock says that nobody is at it.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let owner = folder.metadata()?;
        if rustix::process::geteuid().is_root() {
            // Root sets the password, the service's user reads it.
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, self.path())?;
        folder.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&folder.path().join("state"));
        (folder, store)
    }

    #[test]
    fn a_user_is_kept_for_the_owner_alone_and_a_running_store_sees_it() {
        let (_folder, store) = store();
        let running = Store::new(&store.folder);
        assert_eq!(*running.current().unwrap(), AccessFile::default());
        store.update(|file| file.set_user("ann", Role::Admin, "correct horse")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&store.path()), mode(&store.folder)), (0o600, 0o700));
        let first = running.current().unwrap();
        assert!(PasswordHash::verify(first.user("ann").map(|user| &user.password), "correct horse"));
        store.update(|file| file.set_user("ann", Role::Viewer, "correct horse")).unwrap();
        let second = running.current().unwrap();
        assert_ne!(first.users[0].generation, second.users[0].generation, "sessions end");
        assert_eq!((second.users.len(), second.users[0].role), (1, Role::Viewer));
        assert!(Arc::ptr_eq(&second, &running.current().unwrap()), "read once");
    }

    #[test]
    fn a_token_opens_until_it_ends_and_is_not_kept() {
        let (_folder, store) = store();
        let text = store.update(|file| file.create_token("prom", Role::Viewer, 1000, Some(1))).unwrap();
        assert!(text.starts_with("manifold_") && text.len() == 73, "{text}");
        assert!(!fs::read_to_string(store.path()).unwrap().contains(&text[9..]));
        let file = store.current().unwrap();
        assert_eq!(file.token(&text, 1000 + 86_399).unwrap().name, "prom");
        assert_eq!(file.token(&text, 1000 + 86_400), None);
        assert_eq!(file.token(&text[..72], 1000), None);
        assert_eq!(file.token("", 1000), None);
        let again = store.update(|file| file.create_token("prom", Role::Viewer, 1000, None)).unwrap_err();
        assert!(again.to_string().contains("revoke it first"), "{again}");
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let (_folder, store) = store();
        store.update(|file| file.set_user("ann", Role::Admin, "correct horse")).unwrap();
        let before = fs::read(store.path()).unwrap();
        for (name, password) in [("", "correct horse"), ("a b", "correct horse"), ("bob", "short")] {
            assert!(store.update(|file| file.set_user(name, Role::Admin, password)).is_err());
        }
        assert_eq!(fs::read(store.path()).unwrap(), before);
    }

    #[test]
    fn a_crash_leaves_the_old_file_and_the_next_change_passes() {
        let (_folder, store) = store();
        store.update(|file| file.set_user("ann", Role::Admin, "correct horse")).unwrap();
        fs::write(store.folder.join(".access.json.new"), "{\"us").unwrap();
        assert!(store.current().unwrap().user("ann").is_some());
        store.update(|file| file.set_user("bob", Role::Viewer, "correct horse")).unwrap();
        assert_eq!(store.current().unwrap().users.len(), 2);
    }

    #[test]
    fn a_file_that_others_read_or_that_is_broken_lets_nobody_in() {
        let (_folder, store) = store();
        store.update(|file| file.set_user("ann", Role::Admin, "correct horse")).unwrap();
        fs::set_permissions(store.path(), fs::Permissions::from_mode(0o640)).unwrap();
        let error = Store::new(&store.folder).current().unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        fs::write(store.path(), "{}").unwrap();
        fs::set_permissions(store.path(), fs::Permissions::from_mode(0o600)).unwrap();
        let error = store.current().unwrap_err().to_string();
        assert!(error.contains("missing field `users`") && error.contains("set users anew"), "{error}");
    }

    #[test]
    fn changes_at_once_are_all_kept() {
        let (_folder, store) = store();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    let name = format!("t{n}");
                    store.update(|file| file.create_token(&name, Role::Viewer, 0, None)).unwrap();
                });
            }
        });
        assert_eq!(store.current().unwrap().tokens.len(), 8);
    }
}
