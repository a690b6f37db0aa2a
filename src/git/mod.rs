//! A local repository through the git binary: a range of commits becomes a change.
//!
//! It reads only: no network (also not for the missing objects of a partial clone), no hook, no external diff driver,
//! text conversion or file-system monitor that a repository's configuration may name, no write. Only `mirror` fetches.

mod authors;
mod contents;
mod diff;
mod kept;
mod log;
mod mailmap;
mod mine;
pub mod mirror;
mod process;
mod range;
mod revert;
mod tree;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use authors::Authored;
pub use kept::{cache_file, forget_others};
pub use log::{Lines, Log, Wanted};
pub use mine::{Fresh, Mined, mine};
pub use range::{LocalChange, Note, Range};

use process::Git;

/// A repository on disk, worktree or bare.
#[derive(Clone, Debug)]
pub struct Repository {
    git: Git,
    name: String,
    bare: bool,
    shallow: bool,
    partial: bool,
    /// What its own pull requests call it, where that is told.
    called: Option<String>,
}

/// Why a repository could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The git binary is not installed, or not in `PATH`.
    #[error("git is not installed, or not in PATH")]
    GitMissing,
    /// The git binary could not be started or read from.
    #[error("git could not be run: {0}")]
    Io(io::Error),
    /// There is no repository at this directory.
    #[error("{0} is not in a git repository")]
    NotARepository(PathBuf),
    /// The repository belongs to another user, and git refuses to read it.
    #[error("the repository at {0} belongs to another user")]
    ForeignOwner(PathBuf),
    /// The repository holds no commit yet.
    #[error("the repository has no commit yet")]
    NoCommits,
    /// There are commits, but the branch that HEAD names has none. Untrusted text.
    #[error("HEAD names the branch {0:?}, which does not exist")]
    NoSuchHead(String),
    /// A revision names no commit here. Untrusted text.
    #[error("{0:?} names no commit in this repository")]
    UnknownRevision(String),
    /// No default branch could be found.
    #[error("the default branch of this repository is not known")]
    NoDefaultBranch,
    /// Two revisions have no common ancestor, as far as this clone knows.
    #[error("{base} and {head} have no common ancestor in this clone")]
    NoMergeBase {
        /// Base revision.
        base: String,
        /// Head revision.
        head: String,
        /// The clone is cut off, so that the ancestor may merely be missing here.
        shallow: bool,
    },
    /// Objects of the range are not in this partial clone.
    #[error("objects of the range are not in this partial clone")]
    MissingObjects,
    /// A commit is not on the first-parent history that was asked for: the branch was pushed anew, or the commit is gone.
    #[error("commit {0} is not on the main line")]
    NotOnMainLine(String),
    /// Whoever watched the progress wanted no more.
    #[error("reading the history was stopped")]
    Stopped,
    /// git failed in some other way; its first line of complaint. Untrusted text.
    #[error("git {command} failed: {complaint}")]
    Failed {
        /// Which subcommand.
        command: String,
        /// What git said, one line of at most 300 characters.
        complaint: String,
    },
    /// git answered in a way that this version of Mergecast does not understand.
    #[error("git {0} gave an answer that is not understood")]
    Answer(&'static str),
}

/// The version of the git program: its first two numbers.
///
/// # Errors
/// It cannot be run, or says something else.
pub fn version() -> Result<(u32, u32), Error> {
    let said = Git::at(Path::new(".")).run(&["version"])?;
    let said = String::from_utf8_lossy(&said);
    let mut numbers = said.trim_start_matches("git version ").split(['.', ' ']).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err(Error::Io(std::io::Error::other("it does not tell its version"))),
    }
}

impl Repository {
    /// Finds the repository that `directory` is in.
    ///
    /// # Errors
    /// git is missing, or there is no repository that may be read.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let git = Git::at(directory);
        let output = git.run(&["rev-parse", "--absolute-git-dir", "--is-bare-repository", "--is-shallow-repository"]);
        let output = output.map_err(|error| match error {
            Error::Failed { complaint, .. } if complaint.contains("dubious ownership") => {
                Error::ForeignOwner(directory.to_owned())
            }
            Error::Failed { .. } => Error::NotARepository(directory.to_owned()),
            other => other,
        })?;
        let answer = String::from_utf8_lossy(&output);
        // The directory's name may hold anything, line breaks too; the two flags come last.
        let mut lines = answer.trim_end_matches('\n').rsplitn(3, '\n');
        let (Some(shallow), Some(bare), Some(git_dir)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(Error::Answer("rev-parse"));
        };
        let (bare, shallow) = (bare == "true", shallow == "true");
        let top = top(Path::new(git_dir), bare, &git);
        let git = if top.is_dir() { Git::at(&top) } else { git };
        let partial =
            git.run(&["config", "--get-regexp", r"^(extensions\.partialclone|remote\..*\.promisor)$"]).is_ok();
        Ok(Self { git, name: name(&top, bare), bare, shallow, partial, called: None })
    }

    /// The same repository, known by the name that it has where it came from, without its owner: a mirror has no address
    /// that tells.
    pub fn called(self, name: &str) -> Self {
        Self { called: Some(name.to_owned()), ..self }
    }

    /// Name of the repository's directory.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has no worktree.
    pub fn is_bare(&self) -> bool {
        self.bare
    }

    /// Whether its history is cut off.
    pub fn is_shallow(&self) -> bool {
        self.shallow
    }

    /// Text of a file as it stands at a revision; `None` when there is no such file. Bytes that are not UTF-8 are
    /// replaced.
    ///
    /// # Errors
    /// The revision is unknown, or the object is missing.
    pub fn base_file(&self, revision: &str, path: &str) -> Result<Option<String>, Error> {
        let commit = self.commit(revision)?;
        let listed = self.git.run(&["ls-tree", "-z", "--full-tree", &commit, "--", path])?;
        let listed = String::from_utf8_lossy(&listed);
        let Some((entry, _)) = listed.split_once('\t') else { return Ok(None) };
        let mut fields = entry.split(' ');
        // A directory, a link or a submodule of that name is not the file that is asked for.
        let (Some("100644" | "100755"), Some("blob"), Some(object)) = (fields.next(), fields.next(), fields.next())
        else {
            return Ok(None);
        };
        let text = self.git.run(&["cat-file", "blob", object]).map_err(|error| match error {
            // The tree says that it exists.
            Error::Failed { .. } if self.partial => Error::MissingObjects,
            other => other,
        })?;
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }

    /// Paths of all files at a revision. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// The revision is unknown, or a tree is missing.
    pub fn files(&self, revision: &str) -> Result<Vec<String>, Error> {
        let commit = self.commit(revision)?;
        let listed = self.git.run(&["ls-tree", "-r", "-z", "--full-tree", "--name-only", &commit])?;
        let paths = listed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok(paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect())
    }

    /// A revision that names the default branch: what `origin` says, `init.defaultBranch`, `main`, `master`, here or
    /// at `origin`; in a bare repository what its HEAD points at.
    ///
    /// # Errors
    /// None of these exists.
    pub fn default_branch(&self) -> Result<String, Error> {
        let mut candidates = Vec::new();
        candidates.extend(self.symbolic("refs/remotes/origin/HEAD"));
        if self.bare {
            candidates.extend(self.symbolic("HEAD"));
        }
        let configured = self.git.config("init.defaultBranch");
        let names: Vec<&str> = configured.as_deref().into_iter().chain(["main", "master"]).collect();
        for prefix in ["refs/heads/", "refs/remotes/origin/"] {
            candidates.extend(names.iter().map(|name| format!("{prefix}{name}")));
        }
        candidates.into_iter().find(|name| self.commit(name).is_ok()).ok_or(Error::NoDefaultBranch)
    }

    /// Short names of branches and tags, at most 5,000.
    ///
    /// # Errors
    /// git fails.
    pub fn references(&self) -> Result<Vec<String>, Error> {
        let output = self.git.run(&[
            "for-each-ref",
            "--count=5000",
            "--format=%(refname:short)",
            "refs/heads",
            "refs/remotes",
            "refs/tags",
        ])?;
        Ok(String::from_utf8_lossy(&output).lines().map(str::to_owned).collect())
    }

    /// Object id of the commit that a revision names.
    fn commit(&self, revision: &str) -> Result<String, Error> {
        let unknown = || Error::UnknownRevision(revision.to_owned());
        // An empty text, or one with a NUL, cannot even be asked for.
        if revision.is_empty() || revision.contains('\0') {
            return Err(unknown());
        }
        let asked = format!("{revision}^{{commit}}");
        let output = self.git.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &asked]);
        match output {
            Ok(output) => {
                let id = String::from_utf8_lossy(&output).trim().to_owned();
                // `^main` is answered with `^id`: a revision, but not one commit.
                let whole = id.bytes().all(|byte| byte.is_ascii_hexdigit());
                if whole { Ok(id) } else { Err(unknown()) }
            }
            Err(Error::Failed { .. }) => Err(unknown()),
            Err(error) => Err(error),
        }
    }

    /// Object id of the tree that holds nothing, in this repository's hash.
    fn empty_tree(&self) -> Result<String, Error> {
        let output = self.git.run(&["hash-object", "-t", "tree", "--stdin"])?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// Address of the remote `origin`, if there is one. It may hold a password.
    pub fn origin(&self) -> Option<String> {
        let output = self.git.run(&["config", "--get", "remote.origin.url"]).ok()?;
        Some(String::from_utf8_lossy(&output).trim().to_owned()).filter(|address| !address.is_empty())
    }

    fn symbolic(&self, reference: &str) -> Option<String> {
        let output = self.git.run(&["symbolic-ref", "--quiet", reference]).ok()?;
        Some(String::from_utf8_lossy(&output).trim().to_owned())
    }
}

/// The worktree, or the git directory where there is none.
fn top(git_dir: &Path, bare: bool, git: &Git) -> PathBuf {
    match git.run(&["rev-parse", "--show-toplevel"]) {
        Ok(output) if !bare => PathBuf::from(String::from_utf8_lossy(&output).trim_end_matches('\n').to_owned()),
        _ => git_dir.to_owned(),
    }
}

/// Name of the worktree's directory, or of a bare repository's without `.git`.
fn name(top: &Path, bare: bool) -> String {
    let name = top.file_name().unwrap_or_default().to_string_lossy();
    let name = if bare { name.strip_suffix(".git").unwrap_or(&name) } else { &name };
    if name.is_empty() { "repository".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests;
