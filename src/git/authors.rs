//! Who changed what lately, and who ever did: commits as people made them, merges left out.

use std::collections::BTreeSet;
use std::io::BufRead;

use chrono::{DateTime, Utc};

use super::{Error, Repository};

/// Begins a commit; no path begins so.
const MARK: u8 = 1;

/// One commit by its author, with the paths that it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authored {
    /// Name, by `.mailmap` where there is one. Untrusted.
    pub name: String,
    /// E-mail address, likewise. Untrusted.
    pub email: String,
    /// Paths, in git's order. Bytes that are not UTF-8 are replaced.
    pub paths: Vec<String>,
}

impl Repository {
    /// The commits of a revision's history since an instant that are no merges, newest first.
    ///
    /// # Errors
    /// The revision is unknown, or git fails.
    pub fn authored_since(&self, revision: &str, since: DateTime<Utc>) -> Result<Vec<Authored>, Error> {
        let commit = self.commit(revision)?;
        // Not as a number: git takes short ones for something else.
        let since = format!("--since={}", since.format("%Y-%m-%dT%H:%M:%SZ"));
        let mut arguments = vec!["log", "-z", "--no-merges", "--no-renames", "--name-only", "--no-ext-diff"];
        arguments.extend(["--format=tformat:%x01%aN%x00%aE", &since, &commit]);
        let (mut output, running) = self.git.start(&arguments)?;
        let mut commits: Vec<Authored> = Vec::new();
        let mut email_next = false;
        while let Some(token) = token(&mut output)? {
            let token = token.strip_prefix(b"\n").unwrap_or(&token);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match token {
                [MARK, name @ ..] => {
                    commits.push(Authored { name: text(name), ..Authored::default() });
                    email_next = true;
                }
                token => {
                    let Some(last) = commits.last_mut() else { continue };
                    if std::mem::take(&mut email_next) {
                        last.email = text(token);
                    } else if !token.is_empty() {
                        last.paths.push(text(token));
                    }
                }
            }
        }
        running.finish()?;
        Ok(commits)
    }

    /// Name and e-mail address of everybody who wrote a commit of a revision's history.
    ///
    /// # Errors
    /// The revision is unknown, or git fails.
    pub fn authors(&self, revision: &str) -> Result<BTreeSet<(String, String)>, Error> {
        let commit = self.commit(revision)?;
        let (mut output, running) = self.git.start(&["log", "-z", "--format=tformat:%aN%x01%aE", &commit])?;
        let mut authors = BTreeSet::new();
        while let Some(token) = token(&mut output)? {
            let text = String::from_utf8_lossy(&token);
            if let Some((name, email)) = text.split_once('\u{1}') {
                authors.insert((name.to_owned(), email.to_owned()));
            }
        }
        running.finish()?;
        Ok(authors)
    }
}

/// What stands before the next NUL.
fn token(output: &mut impl BufRead) -> Result<Option<Vec<u8>>, Error> {
    let mut token = Vec::new();
    output.read_until(0, &mut token).map_err(Error::Io)?;
    if token.is_empty() {
        return Ok(None);
    }
    if token.last() == Some(&0) {
        token.pop();
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::git::tests::Fixture;

    #[test]
    fn commits_are_read_with_their_authors_and_paths() {
        let fixture = Fixture::new();
        fixture.write("a b", "1\n").write("dir/c", "1\n").commit("Start\n\nof it");
        fixture.write("a b", "2\n").commit("Count");
        let repository = Repository::open(fixture.path()).unwrap();
        let long_ago = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(1);
        let commits = repository.authored_since("main", long_ago).unwrap();
        let paths: Vec<&[String]> = commits.iter().map(|commit| commit.paths.as_slice()).collect();
        assert_eq!(paths, [&["a b".to_owned()][..], &["a b".to_owned(), "dir/c".to_owned()]]);
        assert!(commits.iter().all(|commit| commit.email.contains('@') && !commit.name.is_empty()), "{commits:?}");
        let authors = repository.authors("main").unwrap();
        assert_eq!(authors, [(commits[0].name.clone(), commits[0].email.clone())].into());
        let far = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(36_500);
        assert_eq!(repository.authored_since("main", far).unwrap(), []);
        assert_eq!(repository.paths("main").unwrap(), ["a b", "dir/c"]);
    }
}
