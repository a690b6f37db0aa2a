//! Budgets per hour and the rules that stand only in prose.

use chrono::{DateTime, Utc};

/// What is left of an hour's requests.
pub(super) struct Budget {
    pub(super) limit: u64,
    pub(super) used: u64,
    pub(super) resets_at: DateTime<Utc>,
}
