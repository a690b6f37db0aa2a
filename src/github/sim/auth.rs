//! Logins of the simulated GitHub: who a request comes from, and what it may do.

use chrono::{DateTime, Utc};

use super::state::Permissions;

/// An installation token.
pub(super) struct Token {
    pub(super) installation: u64,
    pub(super) expires_at: DateTime<Utc>,
    /// What it was narrowed to, or all that the installation grants.
    pub(super) permissions: Permissions,
    /// Lower-case full names; `None` for every repository of the installation.
    pub(super) repositories: Option<Vec<String>>,
}
