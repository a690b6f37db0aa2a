//! `owner/name` of a repository, in the characters that GitHub allows: safe as path segments of a URL.

use std::fmt;

/// Longest name of an owner or a repository, in characters.
const MAX_LEN: usize = 100;

/// A repository's owner and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoName {
    owner: String,
    name: String,
}

impl RepoName {
    /// `None` if either part has a character that GitHub does not allow there.
    pub fn new(owner: &str, name: &str) -> Option<Self> {
        let owner_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let name_ok = |c: char| owner_ok(c) || c == '.';
        let fits = |s: &str| !s.is_empty() && s.len() <= MAX_LEN;
        let good = fits(owner)
            && fits(name)
            && owner.chars().all(owner_ok)
            && name.chars().all(name_ok)
            && !matches!(name, "." | "..");
        good.then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// Reads `owner/name`.
    pub fn parse(full_name: &str) -> Option<Self> {
        let (owner, name) = full_name.split_once('/')?;
        Self::new(owner, name)
    }

    /// Login of the user or organisation.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Name without the owner.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_github_allows_is_a_repository_name() {
        for good in ["acme/shop", "a/b", "acme-inc/.github", "emu_corp/x.y_z-1", "acme/..."] {
            assert_eq!(RepoName::parse(good).map(|r| r.to_string()).as_deref(), Some(good));
        }
        let long = format!("a/{}", "b".repeat(101));
        for bad in
            ["", "acme", "/", "a/", "/b", "a/..", "a/.", "../b", "a/b/c", "a/b?c", "a/b%2f", "ä/b", "a b/c", &long]
        {
            assert_eq!(RepoName::parse(bad), None, "{bad}");
        }
    }
}
