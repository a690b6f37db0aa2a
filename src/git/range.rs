//! A range of commits -> the change that merging it would make.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Error, Repository, diff, revert};
use crate::{
    history::message,
    risk::facts::{Author, AuthorKind, Change, ChangeState, Commit},
};

/// GitHub gives no more commits of a pull request.
pub(super) const COMMITS_MAX: usize = 250;
/// More of a commit message than anybody writes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Which commits to look at; what is left out is the default branch and HEAD.
#[derive(Clone, Debug, Default)]
pub struct Range {
    /// Where the change would be merged into. What counts is its common ancestor with the head.
    pub base: Option<String>,
    /// Newest commit of the change.
    pub head: Option<String>,
}

/// A change found in a local repository.
#[derive(Clone, Debug)]
pub struct LocalChange {
    /// The change.
    pub change: Change,
    /// What the base was named by.
    pub base_name: String,
    /// When the head was committed, if this is a look back: the base is no branch, so nothing would land on it now.
    pub landed_at: Option<DateTime<Utc>>,
    /// Commit at the tip of the base; CODEOWNERS and the policy are read there.
    pub base_tip: String,
    /// What a person should know besides.
    pub notes: Vec<Note>,
}

/// Something about a local repository that bears on what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The history is cut off, so that commits may be missing.
    Shallow,
    /// Objects are fetched on demand elsewhere; here, what is missing stays missing.
    Partial,
    /// Contents of the range are not here: its paths are known, its lines are not.
    NoContents,
    /// Files differ from the head commit and are not part of what is scored.
    Uncommitted {
        /// How many files.
        files: u64,
    },
}

/// One commit, as far as it is looked at here.
pub(super) struct Entry {
    pub(super) sha: String,
    pub(super) merge: bool,
    pub(super) message: String,
    committed_at: DateTime<Utc>,
    author: String,
    email: String,
}

impl Entry {
    /// First line of the message.
    pub(super) fn headline(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

impl Repository {
    /// Reads the change that merging `range.head` into `range.base` would make.
    ///
    /// # Errors
    /// A revision is unknown, the two have no common ancestor, or objects are missing.
    pub fn change(&self, range: &Range) -> Result<LocalChange, Error> {
        let head = self.head(range.head.as_deref())?;
        let base_name = match &range.base {
            Some(base) => base.clone(),
            None => self.default_branch()?,
        };
        let base_tip = self.commit(&base_name)?;
        let base = self.merge_base(&base_tip, &head).map_err(|error| match error {
            Error::NoMergeBase { shallow, .. } => Error::NoMergeBase {
                base: short_name(&base_name).to_owned(),
                head: range.head.clone().unwrap_or_else(|| "HEAD".to_owned()),
                shallow,
            },
            other => other,
        })?;
        let (commits, commits_total) = self.commits(&base, &head)?;
        let (found, contents) = match diff::files(&self.git, &base, &head) {
            Err(Error::MissingObjects) => (diff::paths(&self.git, &base, &head)?, false),
            found => (found?, true),
        };
        let revert = revert::revert(self, &base, &commits, commits_total, &found.files);
        // A merge commit says where a branch came from, not what it is for.
        let landed_at = commits.last().filter(|_| !self.is_branch(&base_name)).map(|head| head.committed_at);
        let newest = commits.iter().rev().find(|commit| !commit.merge).or(commits.last());
        let change = Change {
            pull_request: None,
            merge_group: None,
            title: self.title(range, &commits, commits_total),
            author: newest.map_or(Author { login: String::new(), kind: AuthorKind::Ghost }, author),
            head_sha: head,
            merge_base_sha: Some(base.clone()),
            base_sha: base,
            base_ref: short_name(&base_name).to_owned(),
            from_fork: false,
            draft: false,
            state: ChangeState::Open,
            created_at: None,
            labels: Vec::new(),
            commits: commits.iter().map(commit).collect(),
            commits_total,
            files: found.files,
            files_total: found.total,
            revert,
        };
        let mut notes = self.notes(range)?;
        if !contents {
            notes.push(Note::NoContents);
        }
        Ok(LocalChange { change, base_name, landed_at, base_tip, notes })
    }

    /// The headline of a single commit. Several have no title in common, and one headline would speak for all of them.
    fn title(&self, range: &Range, commits: &[Entry], total: u64) -> String {
        let own: Vec<&Entry> = commits.iter().filter(|commit| !commit.merge).collect();
        match own.as_slice() {
            [] => commits.last().map(|commit| commit.headline().to_owned()).unwrap_or_default(),
            [only] => only.headline().to_owned(),
            _ => match self.head_name(range) {
                Some(name) => format!("{total} commits on {name}"),
                None => format!("{total} commits"),
            },
        }
    }

    /// Whether a revision names a branch, here or at a remote.
    fn is_branch(&self, revision: &str) -> bool {
        let named = self.git.run(&["rev-parse", "--symbolic-full-name", "--end-of-options", revision]);
        named.is_ok_and(|named| {
            let named = String::from_utf8_lossy(&named);
            named.lines().any(|name| name.starts_with("refs/heads/") || name.starts_with("refs/remotes/"))
        })
    }

    /// The branch that is scored, if the head was named by one.
    fn head_name(&self, range: &Range) -> Option<String> {
        let head = range.head.as_deref().unwrap_or("HEAD");
        let output = self.git.run(&["rev-parse", "--abbrev-ref", "--end-of-options", head]).ok()?;
        let output = String::from_utf8_lossy(&output);
        let name = output.lines().rfind(|line| !line.starts_with("--"))?.trim();
        (!name.is_empty() && name != "HEAD").then(|| name.to_owned())
    }

    fn head(&self, head: Option<&str>) -> Result<String, Error> {
        head.map_or_else(|| self.checked_out(), |head| self.commit(head))
    }

    /// Object id of the commit that HEAD names.
    ///
    /// # Errors
    /// It names none: there is no commit at all ([`Error::NoCommits`]), or only HEAD's branch is missing
    /// ([`Error::NoSuchHead`]).
    pub fn checked_out(&self) -> Result<String, Error> {
        match self.commit("HEAD") {
            Err(Error::UnknownRevision(head)) => Err(match (self.references()?.is_empty(), self.symbolic("HEAD")) {
                (true, _) => Error::NoCommits,
                (false, Some(branch)) => Error::NoSuchHead(short_name(&branch).to_owned()),
                (false, None) => Error::UnknownRevision(head),
            }),
            answer => answer,
        }
    }

    fn merge_base(&self, base: &str, head: &str) -> Result<String, Error> {
        let none = || Error::NoMergeBase { base: base.to_owned(), head: head.to_owned(), shallow: self.shallow };
        match self.git.run(&["merge-base", "--end-of-options", base, head]) {
            Ok(output) => {
                let output = String::from_utf8_lossy(&output);
                output.lines().next().map(str::to_owned).ok_or_else(none)
            }
            // Without a common ancestor git fails and says nothing.
            Err(Error::Failed { complaint, .. }) if complaint.is_empty() => Err(none()),
            Err(error) => Err(error),
        }
    }

    /// The newest commits of the range, oldest first, and how many there are in all.
    fn commits(&self, base: &str, head: &str) -> Result<(Vec<Entry>, u64), Error> {
        let range = format!("{base}..{head}");
        let counted = self.git.run(&["rev-list", "--count", "--end-of-options", &range])?;
        let total = String::from_utf8_lossy(&counted).trim().parse().map_err(|_| Error::Answer("rev-list"))?;
        let most = format!("--max-count={COMMITS_MAX}");
        let format = "--format=tformat:%H%x00%P%x00%ct%x00%aN%x00%aE%x00%B";
        let listed = self.git.run(&[
            "log",
            "-z",
            "--no-color",
            "--no-show-signature",
            &most,
            format,
            "--end-of-options",
            &range,
        ])?;
        let mut commits = parse_log(&listed)?;
        commits.reverse();
        Ok((commits, total))
    }

    fn notes(&self, range: &Range) -> Result<Vec<Note>, Error> {
        let mut notes = Vec::new();
        if self.shallow {
            notes.push(Note::Shallow);
        }
        if self.partial {
            notes.push(Note::Partial);
        }
        let files = if self.bare || range.head.is_some() { 0 } else { self.uncommitted()? };
        if files > 0 {
            notes.push(Note::Uncommitted { files });
        }
        Ok(notes)
    }

    /// Files that are staged, changed or untracked. By their size and times only: `git status` would read contents
    /// through filters, which are programs that the configuration names.
    fn uncommitted(&self) -> Result<u64, Error> {
        let asked: [&[&str]; 3] = [
            &["diff-index", "--cached", "--name-only", "-z", "--ignore-submodules=all", "HEAD"],
            &["diff-files", "--name-only", "-z", "--ignore-submodules=all"],
            &["ls-files", "--others", "--exclude-standard", "-z"],
        ];
        let mut names = BTreeSet::new();
        for arguments in asked {
            // A git directory without its worktree has none of these.
            let Ok(output) = self.git.run(arguments) else { continue };
            names.extend(output.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec));
        }
        Ok(names.len() as u64)
    }
}

fn parse_log(listed: &[u8]) -> Result<Vec<Entry>, Error> {
    const UNREADABLE: Error = Error::Answer("log");
    let listed = listed.strip_suffix(b"\0").unwrap_or(listed);
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    let fields: Vec<&[u8]> = listed.split(|byte| *byte == 0).collect();
    fields
        .chunks(6)
        .map(|commit| {
            let &[sha, parents, time, author, email, message] = commit else { return Err(UNREADABLE) };
            let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
            let seconds = text(time).parse::<i64>().map_err(|_| UNREADABLE)?;
            Ok(Entry {
                sha: text(sha),
                merge: parents.contains(&b' '),
                message: text(&message[..message.len().min(MESSAGE_BYTES_MAX)]),
                // A date that no calendar has is the beginning of time.
                committed_at: DateTime::from_timestamp(seconds, 0).unwrap_or_default(),
                author: text(author),
                email: text(email),
            })
        })
        .collect()
}

fn commit(entry: &Entry) -> Commit {
    Commit { sha: entry.sha.clone(), headline: entry.headline().to_owned(), committed_at: entry.committed_at }
}

fn author(entry: &Entry) -> Author {
    let bot = message::is_bot(&entry.author, &entry.email);
    Author { login: entry.author.clone(), kind: if bot { AuthorKind::Bot } else { AuthorKind::Human } }
}

/// A reference without `refs/heads/` or `refs/remotes/origin/`.
fn short_name(reference: &str) -> &str {
    let short = reference.strip_prefix("refs/heads/");
    short.or_else(|| reference.strip_prefix("refs/remotes/origin/")).unwrap_or(reference)
}
