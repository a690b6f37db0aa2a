//! What was built: a commit, a version, or both. Two sources name the same build in different ways.

use serde::{Deserialize, Serialize};

/// Nobody shortens an object id further.
const SHA_DIGITS_MIN: usize = 7;

/// What a deployment puts into an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Build {
    /// Commit, in lower case, at least 7 hexadecimal digits. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_sha: Option<String>,
    /// Version or tag. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Build {
    /// Reads what a source says; what is no commit is none.
    pub fn of(commit_sha: Option<&str>, version: Option<&str>) -> Self {
        let commit_sha = commit_sha.map(str::trim).filter(|sha| is_sha(sha)).map(str::to_ascii_lowercase);
        let version = version.map(str::trim).filter(|version| !version.is_empty()).map(str::to_owned);
        Self { commit_sha, version }
    }

    /// Whether both are the same build; `None` where they share nothing that tells. Commits are surer than versions, since
    /// a version such as `latest` is given again.
    pub fn is(&self, other: &Self) -> Option<bool> {
        match ((&self.commit_sha, &self.version), (&other.commit_sha, &other.version)) {
            ((Some(one), _), (Some(other), _)) => {
                Some(one.starts_with(other.as_str()) || other.starts_with(one.as_str()))
            }
            // A version that is the commit says more than another version does not.
            ((Some(commit), _), (None, Some(version))) | ((None, Some(version)), (Some(commit), _))
                if names(version, commit) =>
            {
                Some(true)
            }
            ((_, Some(one)), (_, Some(other))) => Some(bare(one) == bare(other)),
            _ => None,
        }
    }

    /// Adds what `other` knows besides. Of two commits that are the same the longer one is kept.
    pub(super) fn learn(&mut self, other: &Self) {
        match (&mut self.commit_sha, &other.commit_sha) {
            (Some(own), Some(longer)) if longer.len() > own.len() && longer.starts_with(own.as_str()) => {
                own.clone_from(longer);
            }
            (own @ None, told) => own.clone_from(told),
            _ => {}
        }
        if self.version.is_none() {
            self.version.clone_from(&other.version);
        }
    }
}

/// A version without what stands before its number: `v1.2` is `1.2`.
fn bare(version: &str) -> &str {
    let rest = version.strip_prefix(['v', 'V']).unwrap_or(version);
    if rest.starts_with(|c: char| c.is_ascii_digit()) { rest } else { version }
}

/// Whether a version is a commit's id under another name, such as `sha-1a2b3c4`.
fn names(version: &str, commit: &str) -> bool {
    let sha = version.rsplit(['-', '@', '+', '_']).next().unwrap_or(version).to_ascii_lowercase();
    is_sha(&sha) && (commit.starts_with(&sha) || sha.starts_with(commit))
}

fn is_sha(text: &str) -> bool {
    (SHA_DIGITS_MIN..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_told_by_its_commit_before_its_version() {
        let check = |one: (Option<&str>, Option<&str>), other: (Option<&str>, Option<&str>), same: Option<bool>| {
            let (one, other) = (Build::of(one.0, one.1), Build::of(other.0, other.1));
            assert_eq!((one.is(&other), other.is(&one)), (same, same), "{one:?} {other:?}");
        };
        check((Some("0A1b2c3d4e"), None), (Some("0a1b2c3"), None), Some(true));
        check((Some("0a1b2c3d"), Some("latest")), (Some("1a1b2c3d"), Some("latest")), Some(false));
        check((Some("0a1b2c3d"), Some("v2")), (None, Some("2")), Some(true));
        check((None, Some("v2")), (None, Some("3")), Some(false));
        check((None, Some("vendor")), (None, Some("endor")), Some(false));
        check((Some("0a1b2c3d4e"), None), (None, Some("sha-0a1b2c3")), Some(true));
        check((Some("0a1b2c3d4e"), Some("v1.2.3")), (None, Some("0a1b2c3")), Some(true));
        // Another naming is no contradiction.
        check((Some("0a1b2c3d4e"), None), (None, Some("2024.1")), None);
        check((None, None), (Some("0a1b2c3d4e"), Some("2")), None);
        // Too short, or no commit at all.
        check((Some("0a1b2c"), None), (Some("0a1b2c"), None), None);
        check((Some("main-branch"), None), (Some("main-branch"), None), None);
    }
}
