//! Git objects of the simulated GitHub: trees held whole, commits with parents, merge bases. Object ids are 40 hex
//! digits derived from content.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

/// Path to entry.
pub(super) type Tree = BTreeMap<String, Entry>;

/// What a tree holds at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: EntryKind,
    /// Content; for a submodule the commit it points at.
    pub(super) bytes: Arc<[u8]>,
    pub(super) sha: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Executable,
    Submodule,
}

impl Entry {
    pub(super) fn file(bytes: &[u8]) -> Self {
        Self { kind: EntryKind::File, bytes: bytes.into(), sha: oid(&[b"blob", bytes]) }
    }

    fn submodule(commit: &str) -> Self {
        Self { kind: EntryKind::Submodule, bytes: commit.as_bytes().into(), sha: commit.to_owned() }
    }

    /// Git's own rule: a NUL byte near the start makes content binary.
    pub(super) fn is_binary(&self) -> bool {
        self.bytes.iter().take(8_000).any(|b| *b == 0)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Git's name for nothing: the `before` of a branch that was just created.
pub(super) const ZERO: &str = "0000000000000000000000000000000000000000";

pub(super) fn oid(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..20])
}

/// One change to a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Edit {
    Write { path: String, content: Vec<u8> },
    Remove { path: String },
    Rename { from: String, to: String },
    Submodule { path: String, commit: String },
    Executable { path: String },
}

/// What one commit changes, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    edits: Vec<Edit>,
    pub(super) message: Option<String>,
    pub(super) author: Option<String>,
    pub(super) id: Option<String>,
}

impl Edits {
    /// Changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates or replaces a file.
    #[must_use]
    pub fn write(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.edits.push(Edit::Write { path: path.into(), content: content.into() });
        self
    }

    /// Deletes a file; one that is not there is left alone.
    #[must_use]
    pub fn remove(mut self, path: impl Into<String>) -> Self {
        self.edits.push(Edit::Remove { path: path.into() });
        self
    }

    /// Moves a file unchanged; a following `write` to the new path changes it as well.
    #[must_use]
    pub fn rename(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.edits.push(Edit::Rename { from: from.into(), to: to.into() });
        self
    }

    /// Points a submodule at a commit.
    #[must_use]
    pub fn submodule(mut self, path: impl Into<String>, commit: impl Into<String>) -> Self {
        self.edits.push(Edit::Submodule { path: path.into(), commit: commit.into() });
        self
    }

    /// Sets the executable bit: a change of mode alone.
    #[must_use]
    pub fn executable(mut self, path: impl Into<String>) -> Self {
        self.edits.push(Edit::Executable { path: path.into() });
        self
    }

    /// The commit message; the default names the number of files.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Who commits; the default is the author of the pull request.
    #[must_use]
    pub fn by(mut self, login: impl Into<String>) -> Self {
        self.author = Some(login.into());
        self
    }

    /// The object id of the commit, where a real repository has the same one; the default is made of its content.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    pub(super) fn apply(&self, tree: &mut Tree) {
        for edit in &self.edits {
            match edit {
                Edit::Write { path, content } => {
                    tree.insert(path.clone(), Entry::file(content));
                }
                Edit::Remove { path } => {
                    tree.remove(path);
                }
                Edit::Rename { from, to } => {
                    if let Some(entry) = tree.remove(from) {
                        tree.insert(to.clone(), entry);
                    }
                }
                Edit::Submodule { path, commit } => {
                    tree.insert(path.clone(), Entry::submodule(commit));
                }
                Edit::Executable { path } => {
                    if let Some(entry) = tree.get_mut(path) {
                        entry.kind = EntryKind::Executable;
                    }
                }
            }
        }
    }

    pub(super) fn default_message(&self) -> String {
        match self.edits.len() {
            1 => "Change one file".to_owned(),
            n => format!("Change {n} files"),
        }
    }
}

impl<P: Into<String>, C: Into<Vec<u8>>, const N: usize> From<[(P, C); N]> for Edits {
    fn from(files: [(P, C); N]) -> Self {
        files.into_iter().fold(Self::new(), |edits, (path, content)| edits.write(path, content))
    }
}

impl<P: Into<String>, C: Into<Vec<u8>>> From<Vec<(P, C)>> for Edits {
    fn from(files: Vec<(P, C)>) -> Self {
        files.into_iter().fold(Self::new(), |edits, (path, content)| edits.write(path, content))
    }
}

/// A commit with its whole tree.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) sha: String,
    pub(super) parents: Vec<String>,
    pub(super) tree: Arc<Tree>,
    pub(super) tree_sha: String,
    pub(super) message: String,
    pub(super) author: String,
    pub(super) at: DateTime<Utc>,
    /// The repository whose fork network holds the commit.
    pub(super) network: u64,
}

impl Commit {
    pub(super) fn headline(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

/// What a new commit is made of.
pub(super) struct NewCommit {
    pub(super) network: u64,
    pub(super) parents: Vec<String>,
    pub(super) tree: Tree,
    pub(super) message: String,
    pub(super) author: String,
    pub(super) at: DateTime<Utc>,
    pub(super) id: Option<String>,
}

/// Every commit of every repository.
#[derive(Default)]
pub(super) struct Objects {
    commits: HashMap<String, Arc<Commit>>,
    made: u64,
}

impl Objects {
    pub(super) fn commit(&mut self, new: NewCommit) -> String {
        self.made += 1;
        let mut hash = Sha256::new();
        for (path, entry) in &new.tree {
            hash.update(path.as_bytes());
            hash.update([0, entry.kind as u8]);
            hash.update(entry.sha.as_bytes());
        }
        let tree_sha = hex::encode(&hash.finalize()[..20]);
        let parents = new.parents.concat();
        // The count keeps equal commits apart, as a clock that stands still would not.
        let made = oid(&[
            &new.network.to_be_bytes(),
            &self.made.to_be_bytes(),
            parents.as_bytes(),
            tree_sha.as_bytes(),
            new.message.as_bytes(),
            new.author.as_bytes(),
        ]);
        let sha = new.id.unwrap_or(made);
        let commit = Commit {
            sha: sha.clone(),
            parents: new.parents,
            tree: Arc::new(new.tree),
            tree_sha,
            message: new.message,
            author: new.author,
            at: new.at,
            network: new.network,
        };
        self.commits.insert(sha.clone(), Arc::new(commit));
        sha
    }

    pub(super) fn get(&self, sha: &str) -> Option<&Arc<Commit>> {
        self.commits.get(sha)
    }

    /// The commit that `sha` names in the network, also abbreviated to at least seven digits.
    pub(super) fn find(&self, network: u64, sha: &str) -> Option<&Arc<Commit>> {
        if let Some(commit) = self.commits.get(sha) {
            return (commit.network == network).then_some(commit);
        }
        let short = (7..40).contains(&sha.len()) && sha.bytes().all(|b| b.is_ascii_hexdigit());
        if !short {
            return None;
        }
        self.commits.values().find(|c| c.network == network && c.sha.starts_with(sha))
    }

    pub(super) fn tree(&self, sha: &str) -> Arc<Tree> {
        self.commits.get(sha).map(|c| Arc::clone(&c.tree)).unwrap_or_default()
    }

    fn reachable(&self, sha: &str) -> HashSet<&str> {
        let mut seen = HashSet::new();
        let mut todo = VecDeque::from([sha]);
        while let Some(sha) = todo.pop_front() {
            if let Some(commit) = self.commits.get(sha)
                && seen.insert(commit.sha.as_str())
            {
                todo.extend(commit.parents.iter().map(String::as_str));
            }
        }
        seen
    }

    pub(super) fn contains(&self, tip: &str, sha: &str) -> bool {
        self.reachable(tip).contains(sha)
    }

    /// The nearest commit that both can reach; the base itself when they share nothing.
    pub(super) fn merge_base(&self, base: &str, head: &str) -> String {
        let of_base = self.reachable(base);
        let mut seen = HashSet::new();
        let mut todo = VecDeque::from([head]);
        while let Some(sha) = todo.pop_front() {
            if of_base.contains(sha) {
                return sha.to_owned();
            }
            if let Some(commit) = self.commits.get(sha)
                && seen.insert(sha)
            {
                todo.extend(commit.parents.iter().map(String::as_str));
            }
        }
        base.to_owned()
    }

    /// Commits that `head` has and `base` has not, oldest first.
    pub(super) fn between(&self, base: &str, head: &str) -> Vec<Arc<Commit>> {
        let of_base = self.reachable(base);
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        let mut todo = VecDeque::from([head]);
        while let Some(sha) = todo.pop_front() {
            if of_base.contains(sha) || !seen.insert(sha) {
                continue;
            }
            if let Some(commit) = self.commits.get(sha) {
                found.push(Arc::clone(commit));
                todo.extend(commit.parents.iter().map(String::as_str));
            }
        }
        found.reverse();
        found
    }

    /// How `head` stands to `base`, in GitHub's word: `identical`, `ahead`, `behind` or `diverged`.
    pub(super) fn standing(&self, base: &str, head: &str) -> &'static str {
        match (self.between(base, head).is_empty(), self.between(head, base).is_empty()) {
            (true, true) => "identical",
            (false, true) => "ahead",
            (true, false) => "behind",
            (false, false) => "diverged",
        }
    }

    /// `sha` and its first-parent ancestors, newest first.
    pub(super) fn first_parents(&self, sha: &str) -> Vec<Arc<Commit>> {
        let mut found = Vec::new();
        let mut next = self.commits.get(sha);
        while let Some(commit) = next {
            found.push(Arc::clone(commit));
            next = commit.parents.first().and_then(|p| self.commits.get(p));
        }
        found
    }
}
