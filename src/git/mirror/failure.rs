//! Why a mirror could not be fetched, read from git's words, which are the only thing that it tells.

use std::io;

use super::super::Error;

/// Longest complaint that is kept, in characters.
const COMPLAINT_MAX: usize = 300;

/// Why a mirror could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The git program is not installed.
    #[error("git is not installed, or not in PATH")]
    GitMissing,
    /// The git program is too old.
    #[error("the git program is too old for mirrors without file contents")]
    GitTooOld,
    /// The remote's address is none that a token may go to.
    #[error("the address of git remotes is neither https nor a directory")]
    Address,
    /// The remote knows no such repository, or hides it.
    #[error("the remote knows no such repository, or hides it")]
    NotFound,
    /// The remote sends elsewhere: the repository has another name.
    #[error("the remote sends elsewhere: the repository has another name or place")]
    Moved,
    /// The token is refused.
    #[error("the remote refuses the token")]
    Unauthorized,
    /// The token is good and may not read this.
    #[error("the remote refuses access")]
    Forbidden,
    /// The remote cannot be reached, or broke off; what it said. Untrusted text.
    #[error("the remote cannot be reached: {0}")]
    Network(String),
    /// It took too long.
    #[error("git did not end in time")]
    Deadline,
    /// The work was told to stop.
    #[error("it was stopped")]
    Stopped,
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The mirror's files are damaged: it is to be deleted and made anew; what git said. Untrusted text.
    #[error("the mirror is damaged: {0}")]
    Corrupt(String),
    /// The mirror's directory cannot be used.
    #[error("the mirror's directory cannot be used: {0}")]
    Io(io::Error),
    /// git failed in some other way; what it said. Untrusted text.
    #[error("git failed: {0}")]
    Failed(String),
}

impl MirrorError {
    /// A word for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::GitMissing | Self::GitTooOld => "git",
            Self::Address => "address",
            Self::NotFound => "not_found",
            Self::Moved => "moved",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Network(_) => "network",
            Self::Deadline => "deadline",
            Self::Stopped => "stopped",
            Self::DiskFull => "disk_full",
            Self::Corrupt(_) => "corrupt",
            Self::Io(_) => "directory",
            Self::Failed(_) => "other",
        }
    }

    /// Reads a failed command's standard error (`LC_ALL=C`). In this order: a full disk also breaks connections, and a
    /// broken connection also leaves half a pack.
    pub(super) fn read(said: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let complaint = || complaint(said);
        if has(&["No space left on device", "Disk quota exceeded"]) {
            Self::DiskFull
        } else if has(&["could not read Username", "Authentication failed", "error: 401"]) {
            Self::Unauthorized
        } else if has(&["error: 403"]) {
            Self::Forbidden
        } else if has(&["error: 301", "error: 302", "error: 303", "error: 307", "error: 308", "redirect"]) {
            Self::Moved
        } else if has(&["' not found", "error: 404", "error: 410", "does not appear to be a git repository"])
            || (said.contains("Repository") && said.contains("not found"))
        {
            Self::NotFound
        } else if has(NETWORK) {
            Self::Network(complaint())
        } else if has(CORRUPT) {
            Self::Corrupt(complaint())
        } else if has(&["unknown option", "usage: git"]) {
            Self::GitTooOld
        } else {
            Self::Failed(complaint())
        }
    }
}

/// What curl and git say of connections, TLS, gateways and servers that give up.
const NETWORK: &[&str] = &[
    "Could not resolve",
    "Failed to connect",
    "Couldn't connect",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Operation too slow",
    "Operation timed out",
    "Empty reply",
    "error: 429",
    "error: 5",
    "early EOF",
    "hung up unexpectedly",
    "unexpected disconnect",
    "RPC failed",
    "SSL",
    "certificate",
    "GnuTLS",
    "Recv failure",
    "Send failure",
    "transfer closed",
    "Could not read from remote repository",
];

/// What git says of objects and references that are not as they must be.
const CORRUPT: &[&str] = &[
    "not a git repository",
    "bad object",
    "lazy fetching disabled",
    "index file",
    "differ in contents",
    "unable to rename temporary",
    "corrupt",
    "missing blob",
    "missing tree",
    "missing commit",
    "unable to read tree",
    "unable to parse",
    "did not send all necessary objects",
    "is empty",
    "inflate",
    "bad config",
    "not a valid object",
    "invalid sha1",
    "bad ref",
    "broken ref",
    "reference broken",
    "unable to resolve reference",
    "packfile",
];

/// The first line that complains, without what remotes add.
fn complaint(said: &str) -> String {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("hint:"));
    let first = lines.clone().find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    let line = first.or_else(|| lines.next()).unwrap_or("without a word");
    line.trim_start_matches("fatal: ").trim_start_matches("error: ").chars().take(COMPLAINT_MAX).collect()
}

impl From<io::Error> for MirrorError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io(error),
        }
    }
}

impl From<Error> for MirrorError {
    fn from(error: Error) -> Self {
        match error {
            Error::GitMissing => Self::GitMissing,
            Error::Io(error) => error.into(),
            Error::Stopped => Self::Stopped,
            Error::NotARepository(_)
            | Error::NoCommits
            | Error::NoSuchHead(_)
            | Error::MissingObjects
            | Error::UnknownRevision(_) => Self::Corrupt(error.to_string()),
            Error::Failed { complaint, .. } => match Self::read(&complaint) {
                // Only the disk was asked.
                Self::Failed(why) | Self::Network(why) => Self::Corrupt(why),
                other => other,
            },
            other => Self::Failed(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_is_told_apart() {
        let check = |said: &str, word: &str| assert_eq!(MirrorError::read(said).word(), word, "{said}");
        check("fatal: could not read Username for 'https://h': terminal prompts disabled", "unauthorized");
        check("fatal: Authentication failed for 'https://h/a/b.git/'", "unauthorized");
        check("fatal: unable to access 'https://h/a/b.git/': The requested URL returned error: 403", "forbidden");
        check("fatal: unable to access 'https://h/a/b.git/': The requested URL returned error: 301", "moved");
        check("remote: Repository not found.\nfatal: repository 'https://h/a/b.git/' not found", "not_found");
        check(
            "fatal: '/srv/a/b.git' does not appear to be a git repository\nfatal: Could not read from remote",
            "not_found",
        );
        check("fatal: unable to access 'https://h/': Could not resolve host: h", "network");
        check("fatal: unable to access 'https://h/': The requested URL returned error: 502", "network");
        check("error: RPC failed; curl 18 transfer closed\nfatal: early EOF", "network");
        check("fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output", "disk_full");
        check("error: inflate: data stream error (incorrect header check)", "corrupt");
        check("fatal: bad object refs/heads/main", "corrupt");
        check("warning: lazy fetching disabled; some objects may not be available\nfatal: it is Tuesday", "corrupt");
        check("error: unknown option `filter'\nusage: git fetch", "git");
        check("fatal: it is Tuesday", "other");
        assert_eq!(MirrorError::read("hint: x\nfatal: it is Tuesday\n").to_string(), "git failed: it is Tuesday");
    }
}
