//! What bears on how much reviews are worth, besides who gave them: of the reviews and of the branch, never of the reviewer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Known;

/// The circumstances of a pull request's reviews; all unread in facts that were gathered before they were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circumstances {
    /// Review threads, resolved ones too.
    pub threads: u64,
    /// Those of them that a bot or the author of the change opened.
    #[serde(default, skip_serializing_if = "is_none")]
    pub threads_aside: u64,
    /// Reviews without an opinion by bots and by the author of the change, among the first hundred: beyond that they are
    /// taken for other people's.
    #[serde(default, skip_serializing_if = "is_none")]
    pub comments_aside: u64,
    /// Reviewers whose latest review was dismissed.
    pub dismissed: u64,
    /// Reviews with a verdict by bots and Apps, which count for nothing.
    pub by_bots: u64,
    /// Account behind the newest commit, as far as GitHub knows one: who pushed is not told. Untrusted.
    pub last_pusher: Option<String>,
    /// When the head was pushed, by GitHub's clock; `None` where no webhook told of it since the pull request was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_at: Option<DateTime<Utc>>,
    /// What the base branch asks of reviews; `None` where that was not asked.
    pub rules: Option<Known<ReviewRules>>,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Circumstances {
    /// Nothing of it was read, or there is nothing to tell.
    pub fn is_unread(&self) -> bool {
        *self == Self::default()
    }
}

/// What rulesets ask of reviews on a branch; of several rules the strictest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewRules {
    /// Approvals that are needed.
    pub approvals: u64,
    /// Owners have to approve their files.
    pub code_owners: bool,
    /// A push dismisses approvals.
    pub dismiss_stale: bool,
    /// Somebody other than who pushed last has to approve.
    pub last_push_by_others: bool,
    /// Review threads have to be resolved.
    pub threads_resolved: bool,
}
