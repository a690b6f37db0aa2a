//! The commits that one commit has and another one has not: what a deployment brings.

use chrono::DateTime;

use super::{Error, Repository};
use crate::{deployment::graph::GraphCommit, history::message};

/// What stands before each commit: no path is empty, so this is nothing else.
const BEGIN: [&[u8]; 2] = [b"", b""];
/// Fields of a commit before its files.
const FIELDS: usize = 4;

impl Repository {
    /// Commits that `sha` leads to and `before` does not, newest first, at most `most`. Contents are not needed. In a shallow
    /// clone, and where the two have nothing to do with each other, it may be all there is.
    ///
    /// # Errors
    /// One of them is not here, or git fails.
    pub fn between(&self, before: &str, sha: &str, most: usize) -> Result<Vec<GraphCommit>, Error> {
        let (before, sha) = (self.commit(before)?, self.commit(sha)?);
        let (most, excluded) = (format!("--max-count={most}"), format!("^{before}"));
        let printed = self.git.run(&[
            "log",
            "-z",
            "--topo-order",
            "--name-only",
            "--no-renames",
            "--no-ext-diff",
            "--format=%x00%x00%H%x00%P%x00%at%x00%B",
            &most,
            &sha,
            &excluded,
            "--",
        ])?;
        let name = self.remote_name();
        commits(&printed, name.as_deref()).ok_or(Error::Answer("log"))
    }
}

/// Reads what git prints; `None` if that is something else.
fn commits(printed: &[u8], name: Option<&str>) -> Option<Vec<GraphCommit>> {
    let mut parts: Vec<&[u8]> = printed.split(|byte| *byte == 0).collect();
    if parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    let mut commits = Vec::new();
    let mut rest = parts.as_slice();
    while !rest.is_empty() {
        rest = rest.strip_prefix(&BEGIN)?;
        let fields = rest.get(..FIELDS)?;
        rest = &rest[FIELDS..];
        let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        let until = rest.iter().position(|part| part.is_empty()).unwrap_or(rest.len());
        let files = rest[..until].iter().enumerate().map(|(place, file)| {
            // A line break stands before the first.
            text(if place == 0 { file.strip_prefix(b"\n").unwrap_or(file) } else { file })
        });
        let authored: i64 = text(fields[2]).trim().parse().ok()?;
        commits.push(GraphCommit {
            sha: text(fields[0]),
            parents: text(fields[1]).split_whitespace().map(str::to_owned).collect(),
            authored_at: DateTime::from_timestamp(authored, 0).unwrap_or_default(),
            pull_request: message::read(&text(fields[3]), name).pull_request,
            files: files.collect(),
        });
        rest = &rest[until..];
    }
    Some(commits)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::Fixture;
    use super::*;
    use crate::deployment::graph::landed;

    #[test]
    fn what_lies_between_two_commits_comes_with_its_pull_requests() {
        let fixture = Fixture::new();
        fixture.write("a", "1");
        let before = fixture.commit("Start");
        fixture.git(&["switch", "-q", "-c", "topic"]);
        fixture.write("sub/with space", "1").write("b\nbreak", "2");
        let written = fixture.commit("Work\n\nWith a text\n\n");
        fixture.git(&["switch", "-q", "main"]);
        fixture.write("c", "1");
        let squashed = fixture.commit("Squashed (#8)");
        fixture.git(&["merge", "-q", "--no-ff", "-m", "Merge pull request #7 from acme/topic\n\nWork", "topic"]);
        let tip = fixture.git(&["rev-parse", "HEAD"]);
        fixture.write("d", "1");
        let later = fixture.commit("Later");
        let repository = Repository::open(fixture.path()).unwrap();
        let found = landed(repository.between(&before, &tip, 9).unwrap(), &tip, &BTreeMap::new());
        let mut found: Vec<_> =
            found.iter().map(|one| (one.sha.as_str(), one.pull_request, one.merge, one.files.clone())).collect();
        found.sort_by_key(|(sha, ..)| [&tip, &squashed, &written].iter().position(|known| known == sha));
        let files = |files: &[&str]| files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                (tip.as_str(), Some(7), true, vec![]),
                (squashed.as_str(), Some(8), false, files(&["c"])),
                (written.as_str(), Some(7), false, files(&["b\nbreak", "sub/with space"])),
            ]
        );
        assert_eq!(repository.between(&tip, &tip, 9).unwrap(), []);
        // Backwards there is nothing, and of many the newest.
        assert_eq!(repository.between(&later, &tip, 9).unwrap(), []);
        let one = repository.between(&before, &later, 1).unwrap();
        assert_eq!(one.iter().map(|one| one.sha.as_str()).collect::<Vec<_>>(), [later.as_str()]);
        assert!(matches!(repository.between(&"0".repeat(40), &tip, 9), Err(Error::UnknownRevision(_))));
    }
}
