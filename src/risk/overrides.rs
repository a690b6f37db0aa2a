//! Overrides: who may let a change pass in spite of its score, until when, and what ends that.
//!
//! An override is bound to what was seen: one head commit, one base branch. Its state is read off a ledger that is only
//! added to. Pure: times come in with what happened.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// What a person may do in a repository, in GitHub's words, from nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing.
    None,
    /// May look.
    Read,
    /// May sort issues.
    Triage,
    /// May push.
    Write,
    /// May manage without access to sensitive actions.
    Maintain,
    /// May do everything.
    Admin,
}

/// Who may override a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverridePolicy {
    /// Least permission on the repository.
    pub who: Permission,
    /// Whether the author may override the score of their own change.
    pub by_author: bool,
    /// Seconds after which an override ends, at most and unless less is asked for.
    pub expires_s: u64,
}

impl Default for OverridePolicy {
    fn default() -> Self {
        Self { who: Permission::Write, by_author: false, expires_s: 4 * 3_600 }
    }
}

/// A permission on a repository, in GitHub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// May push.
    Write,
    /// May manage without access to sensitive actions.
    Maintain,
    /// May do everything.
    Admin,
}

impl Permission {
    /// The least role that has it.
    pub fn role(self) -> Role {
        match self {
            Self::Write => Role::Write,
            Self::Maintain => Role::Maintain,
            Self::Admin => Role::Admin,
        }
    }

    /// GitHub's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }
}

/// An override as it was made. Texts come from outside and are untrusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Its identifier in the ledger.
    pub id: String,
    /// Login of who answers for it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// First instant at which it holds no longer.
    pub until: DateTime<Utc>,
    /// The commit that it is for.
    pub head_sha: String,
    /// The branch that the commit may be merged into.
    pub base_ref: String,
    /// The score that it was made at.
    pub score: u8,
}

impl Override {
    /// Whether it holds for this commit, to be merged into this branch, at that instant.
    pub fn holds(&self, head_sha: &str, base_ref: &str, at: DateTime<Utc>) -> bool {
        self.head_sha == head_sha && self.base_ref == base_ref && at < self.until
    }
}

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An override was made.
    Made(Made),
    /// An override ended.
    Ended {
        /// Which one.
        id: String,
        /// When.
        at: DateTime<Utc>,
        /// By what.
        end: End,
        /// Login of who ended it, if somebody did. Untrusted.
        by: Option<String>,
    },
}

/// An override with when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The override.
    pub terms: Override,
    /// When it was asked for, by GitHub's clock where GitHub told it: pushes from then on end it.
    pub asked_at: DateTime<Utc>,
}

/// What ends an override.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Somebody took it back.
    Cancelled,
    /// Another commit was pushed.
    Pushed,
    /// It is to be merged into another branch.
    Retargeted,
    /// Its time was over.
    Expired,
    /// Another override took its place.
    Replaced,
}

impl End {
    const ALL: [Self; 5] = [Self::Cancelled, Self::Pushed, Self::Retargeted, Self::Expired, Self::Replaced];

    /// The word in the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Pushed => "pushed",
            Self::Retargeted => "retargeted",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
        }
    }

    /// The end that a word in the ledger means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.word() == word)
    }
}

/// The override of a pull request that has not ended, by its ledger in the order of time: the one made last, if nothing
/// has ended it. One that was replaced does not come back.
pub fn standing(ledger: &[Entry]) -> Option<&Made> {
    let made = ledger.iter().rev().find_map(|entry| match entry {
        Entry::Made(made) => Some(made),
        Entry::Ended { .. } => None,
    })?;
    let ended = ledger.iter().any(|entry| matches!(entry, Entry::Ended { id, .. } if *id == made.terms.id));
    (!ended).then_some(made)
}

/// Something that may end an override.
#[derive(Clone, Copy, Debug)]
pub enum Happening<'a> {
    /// This commit was pushed, at that instant by GitHub's clock.
    Pushed {
        /// The new head.
        head_sha: &'a str,
        /// When, if GitHub told.
        at: Option<DateTime<Utc>>,
    },
    /// The base branch was changed, at that instant by GitHub's clock.
    Retargeted {
        /// When, if GitHub told.
        at: Option<DateTime<Utc>>,
    },
    /// The pull request was looked at.
    Seen {
        /// Its head.
        head_sha: &'a str,
        /// Its base branch.
        base_ref: &'a str,
        /// Now.
        now: DateTime<Utc>,
    },
    /// Time passed.
    Clock {
        /// Now.
        now: DateTime<Utc>,
    },
}

/// Whether and why `happening` ends an override. News that is older than the override (webhooks come late and out of
/// order) does not; GitHub tells whole seconds, and of the same second it does.
pub fn ended_by(made: &Made, happening: Happening<'_>) -> Option<End> {
    let terms = &made.terms;
    let is_news = |at: Option<DateTime<Utc>>| at.is_none_or(|at| at.timestamp() >= made.asked_at.timestamp());
    match happening {
        // Its own commit pushed later: there was another in between.
        Happening::Pushed { head_sha, at } if terms.head_sha == head_sha => {
            at.is_some_and(|at| at.timestamp() > made.asked_at.timestamp()).then_some(End::Pushed)
        }
        Happening::Pushed { at, .. } => is_news(at).then_some(End::Pushed),
        Happening::Retargeted { at } => is_news(at).then_some(End::Retargeted),
        Happening::Seen { head_sha, .. } if terms.head_sha != head_sha => Some(End::Pushed),
        Happening::Seen { base_ref, .. } if terms.base_ref != base_ref => Some(End::Retargeted),
        Happening::Seen { now, .. } | Happening::Clock { now } => (now >= terms.until).then_some(End::Expired),
    }
}

/// Somebody asks for an override.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Identifier of the override, if it comes to one.
    pub id: &'a str,
    /// Login of who asks.
    pub by: &'a str,
    /// What they may do in the repository now.
    pub role: Role,
    /// Whether the pull request is theirs.
    pub is_author: bool,
    /// Why.
    pub reason: &'a str,
    /// For how many seconds; `None` for as long as the policy allows.
    pub span_s: Option<u64>,
    /// When they asked, by GitHub's clock where GitHub told it.
    pub asked_at: DateTime<Utc>,
    /// The commit that they asked on; a comment does not name one.
    pub asked_on: Option<&'a str>,
}

/// The pull request as GitHub has it now.
#[derive(Clone, Copy, Debug)]
pub struct Current<'a> {
    /// Its head.
    pub head_sha: &'a str,
    /// Its base branch.
    pub base_ref: &'a str,
    /// Neither closed nor merged.
    pub open: bool,
}

/// The assessment that the check run shows.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The commit that was assessed.
    pub head_sha: &'a str,
    /// The branch that it would be merged into.
    pub base_ref: &'a str,
    /// When this commit was assessed first: before that, nobody saw what they would override.
    pub first_at: DateTime<Utc>,
    /// Its score.
    pub score: u8,
    /// Whether the score is at or above the threshold.
    pub held: bool,
}

/// Why an override is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Who asks may not.
    Role {
        /// Who may.
        needs: Permission,
    },
    /// It is their own change.
    Author {
        /// Who may, other than the author.
        needs: Permission,
    },
    /// It is closed or merged.
    NotOpen,
    /// It has not been scored.
    NotScored,
    /// The score is for another commit or another base branch than those of now.
    Moved,
    /// It was asked for before the score of this commit could be seen.
    Unseen,
    /// Nothing is held against it.
    NotHeld,
    /// It was asked for so long ago that it would be over by now.
    Late,
}

/// An override that may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The override.
    pub made: Made,
    /// It was asked for longer than the policy allows, and was cut.
    pub cut: bool,
}

/// Whether the override may be made, at `now`. The order of refusals is such that nothing is told of a change to those
/// who may do nothing about it.
pub fn permit(
    ask: &Ask<'_>,
    policy: OverridePolicy,
    current: Current<'_>,
    shown: Option<Shown<'_>>,
    now: DateTime<Utc>,
) -> Result<Grant, Refusal> {
    if ask.role < policy.who.role() {
        return Err(Refusal::Role { needs: policy.who });
    }
    if ask.is_author && !policy.by_author {
        return Err(Refusal::Author { needs: policy.who });
    }
    if !current.open {
        return Err(Refusal::NotOpen);
    }
    let shown = shown.ok_or(Refusal::NotScored)?;
    let asked_on = ask.asked_on.unwrap_or(current.head_sha);
    if shown.head_sha != current.head_sha || asked_on != current.head_sha || shown.base_ref != current.base_ref {
        return Err(Refusal::Moved);
    }
    if shown.first_at.timestamp() > ask.asked_at.timestamp() {
        return Err(Refusal::Unseen);
    }
    if !shown.held {
        return Err(Refusal::NotHeld);
    }
    let span_s = ask.span_s.unwrap_or(policy.expires_s).min(policy.expires_s);
    let span = TimeDelta::try_seconds(i64::try_from(span_s).unwrap_or(i64::MAX)).unwrap_or(TimeDelta::MAX);
    // A command that was delivered late does not last longer for it.
    let from = ask.asked_at.min(now);
    let until = from.checked_add_signed(span).unwrap_or(DateTime::<Utc>::MAX_UTC);
    if until <= now {
        return Err(Refusal::Late);
    }
    let terms = Override {
        id: ask.id.to_owned(),
        by: ask.by.to_owned(),
        reason: ask.reason.to_owned(),
        made_at: now,
        until,
        head_sha: current.head_sha.to_owned(),
        base_ref: current.base_ref.to_owned(),
        score: shown.score,
    };
    let cut = ask.span_s.is_some_and(|asked| asked > span_s);
    Ok(Grant { made: Made { terms, asked_at: ask.asked_at }, cut })
}

#[cfg(test)]
mod tests;
