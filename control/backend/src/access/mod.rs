//! Who gets in, as what: users and tokens in a file, sessions in memory, and how often a password may be tried.
//!
//! [`Sessions`] and [`Attempts`] are pure: time and secrets are arguments. Only [`Store`] touches a disk.

mod attempts;
mod password;
mod secret;
mod sessions;
mod store;

pub use attempts::{Attempts, Source};
pub use password::{MIN_PASSWORD, PasswordHash};
pub use secret::Secret;
pub(crate) use secret::is_same;
pub use sessions::{Opened, Session, Sessions};
pub use store::{AccessFile, Store, StoreError, Token, User};

use std::fmt;

use serde::{Deserialize, Serialize};

/// What somebody may do. Ordered: an admin may all that a viewer may.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks only.
    Viewer,
    /// Changes settings as well.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        })
    }
}
