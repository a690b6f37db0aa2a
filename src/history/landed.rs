//! One change as it landed on the main line.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::risk::facts::{
    self, AuthorKind, Change, ChangeState, Commit, FileChange, FileStatus, Reason, Revert, Source, Unknown,
};

/// Who wrote a change, as a number that only says "the same again": the hash of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Author(pub u64);

impl Author {
    /// The author of this name, by `.mailmap` where there is one. Case and white space around it do not matter.
    pub fn named(name: &str) -> Self {
        Self(number_of(name))
    }
}

/// A text as a number. Case and white space around it do not matter.
pub(super) fn number_of(text: &str) -> u64 {
    let digest = Sha256::digest(text.trim().to_lowercase());
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// How a change names an earlier one that it undoes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Claim {
    /// A commit of the main line, by object id or its beginning (7 digits and more, lower case).
    Commit(String),
    /// A pull request of this repository, by number.
    PullRequest(u64),
    /// A change by its title, without the number that GitHub appends.
    Title(String),
    /// A revision of Phabricator, by the number in `Differential Revision: D12`.
    Revision(u64),
}

/// One changed file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandedFile {
    /// Path after the change (before it, for a deleted file). Untrusted.
    pub path: String,
    /// Path before a rename.
    pub previous_path: Option<String>,
    /// The change removes the file, as far as the source tells.
    pub removed: bool,
    /// Added lines; 0 for binary files.
    pub added: u64,
    /// Deleted lines; 0 for binary files.
    pub deleted: u64,
}

/// A change of the main line: one commit of its first-parent history, merges compared with their first parent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landed {
    /// Object id, lower case.
    pub sha: String,
    /// Commit time, unix seconds. Clocks differ: it may lie before that of the change before.
    pub at: i64,
    /// Who wrote it: of a merge, the author of the merged branch's tip.
    pub author: Author,
    /// What the author may be asked by: login with `@`, or name. The latest of each author is kept. Untrusted.
    pub contact: Option<String>,
    /// Object id of the commit that the author wrote, where that is another one: the tip of the branch that was merged.
    pub written: Option<String>,
    /// Number of the pull request, where the message tells it.
    pub pull_request: Option<u64>,
    /// Number of the Phabricator revision, where the message tells it.
    pub revision: Option<u64>,
    /// First line of the message; of a merged pull request, its title. Untrusted.
    pub title: String,
    /// Written by a program.
    pub bot: bool,
    /// Takes back earlier changes.
    pub revert: bool,
    /// Brings back what was taken back.
    pub reland: bool,
    /// A merge commit.
    pub merge: bool,
    /// The earlier changes that it says it undoes.
    pub undoes: Vec<Claim>,
    /// Whether lines were counted; else they are 0 for want of knowledge.
    pub lines: bool,
    /// Changed files, as many as were read.
    pub files: Vec<LandedFile>,
    /// How many files changed.
    pub files_total: u64,
    /// Added lines of all files.
    pub added: u64,
    /// Deleted lines of all files.
    pub deleted: u64,
}

impl Landed {
    /// When it landed; the epoch if its time is beyond the calendar.
    pub fn landed_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.at, 0).unwrap_or_default()
    }

    /// The change as it can be scored. Numbers of lines are all that is known of its files' content, and of its author
    /// only whether it is a program.
    pub fn change(&self) -> Change {
        let headline = self.title.clone();
        Change {
            pull_request: self.pull_request,
            merge_group: None,
            title: self.title.clone(),
            author: facts::Author {
                login: String::new(),
                kind: if self.bot { AuthorKind::Bot } else { AuthorKind::Human },
            },
            head_sha: self.sha.clone(),
            base_sha: String::new(),
            merge_base_sha: None,
            base_ref: String::new(),
            from_fork: false,
            draft: false,
            state: ChangeState::Merged,
            created_at: None,
            labels: Vec::new(),
            commits: vec![Commit { sha: self.sha.clone(), headline, committed_at: self.landed_at() }],
            commits_total: 1,
            files: self.files.iter().map(LandedFile::change).collect(),
            files_total: self.files_total,
            revert: Ok(self.revert.then(|| Revert {
                of: self.undoes.first().map(Claim::to_string).unwrap_or_default(),
                proven: Err(not_kept()),
            })),
        }
    }
}

impl LandedFile {
    fn change(&self) -> FileChange {
        FileChange {
            path: self.path.clone(),
            previous_path: self.previous_path.clone(),
            status: if self.previous_path.is_some() { FileStatus::Renamed } else { FileStatus::Modified },
            added: self.added,
            deleted: self.deleted,
            patch: Err(not_kept()),
            binary: false,
            submodule: false,
        }
    }
}

/// The history of a main line keeps numbers of lines, not the lines.
fn not_kept() -> Unknown {
    Unknown { source: Source::Diff, reason: Reason::NotApplicable }
}

impl fmt::Display for Claim {
    /// As people write it: `0a1b2c3`, `#41`, a title, `D12`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(sha) => formatter.write_str(sha),
            Self::PullRequest(number) => write!(formatter, "#{number}"),
            Self::Title(title) => formatter.write_str(title),
            Self::Revision(number) => write!(formatter, "D{number}"),
        }
    }
}
