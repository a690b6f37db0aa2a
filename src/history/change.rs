//! A landed change as one that is to be scored: what was known before it landed.

use super::Landed;
use crate::risk::facts::{Author, AuthorKind, Change, ChangeState, FileChange, FileStatus, Reason, Source, Unknown};

impl Landed {
    /// The change as it stood before it landed. What lines say is not known, only how many there are.
    pub fn change(&self) -> Change {
        let patch = Unknown { source: Source::Diff, reason: Reason::NotApplicable };
        let file = |file: &super::LandedFile| FileChange {
            path: file.path.clone(),
            previous_path: file.previous_path.clone(),
            status: if file.previous_path.is_some() { FileStatus::Renamed } else { FileStatus::Modified },
            added: file.added,
            deleted: file.deleted,
            patch: Err(patch.clone()),
            binary: false,
            submodule: false,
        };
        Change {
            pull_request: None,
            merge_group: None,
            title: self.title.clone(),
            author: Author { login: String::new(), kind: if self.bot { AuthorKind::Bot } else { AuthorKind::Human } },
            head_sha: self.sha.clone(),
            base_sha: String::new(),
            base_ref: String::new(),
            from_fork: false,
            draft: false,
            state: ChangeState::Merged,
            created_at: None,
            labels: Vec::new(),
            commits: Vec::new(),
            commits_total: 0,
            files: self.files.iter().map(file).collect(),
            files_total: self.files_total,
            revert: Err(Unknown { source: Source::Diff, reason: Reason::NotApplicable }),
        }
    }
}
