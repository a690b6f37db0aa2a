//! From the commit graph to the changes that landed: which pull request brought each commit between two deployments,
//! however it was merged, and which commits are of a service.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::change::Commit;
use crate::catalog::Claims;

/// A commit, as the graph has it. It has no author on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphCommit {
    /// Its id.
    pub sha: String,
    /// Its parents; the first is what it was made on.
    pub parents: Vec<String>,
    /// When it was written, by its author's clock.
    pub authored_at: DateTime<Utc>,
    /// The pull request that its own message names: of a merge the one that it merged, of any other the one that was
    /// squashed into it.
    pub pull_request: Option<u64>,
    /// Files that it changes; none of a merge. Untrusted.
    pub files: Vec<String>,
}

/// Gives each commit the pull request that brought it to the main line which ends at `tip`. `rebased` tells it of commits
/// that a rebase merge left, in which nothing says so.
///
/// Of several that could be meant, what a commit itself says counts, then the merge that brought it there first.
pub fn landed(commits: Vec<GraphCommit>, tip: &str, rebased: &BTreeMap<String, u64>) -> Vec<Commit> {
    let places: HashMap<&str, usize> =
        commits.iter().enumerate().map(|(place, commit)| (commit.sha.as_str(), place)).collect();
    let mut brought: Vec<Option<u64>> = vec![None; commits.len()];
    let mut seen: HashSet<usize> = HashSet::new();
    // Lines that are still to be walked, each with the pull request that merged it. The main line is the first; of what
    // was merged into one line, the oldest is on top.
    let mut lines: Vec<(&str, Option<u64>)> = vec![(tip, None)];
    while let Some((end, merged_by)) = lines.pop() {
        let mut next = Some(end);
        while let Some(place) = next.and_then(|sha| places.get(sha).copied()).filter(|place| seen.insert(*place)) {
            let commit = &commits[place];
            let says = commit.pull_request.or_else(|| rebased.get(&commit.sha).copied());
            let number = says.or(merged_by);
            brought[place] = number;
            lines.extend(commit.parents.iter().skip(1).map(|parent| (parent.as_str(), number)));
            next = commit.parents.first().map(String::as_str);
        }
    }
    let commit = |(commit, pull_request): (GraphCommit, Option<u64>)| Commit {
        sha: commit.sha,
        authored_at: commit.authored_at,
        merge: commit.parents.len() > 1,
        pull_request,
        files: commit.files,
    };
    commits.into_iter().zip(brought).map(commit).collect()
}

/// The commits that change files of a service: all of them where nothing says which files those are.
pub fn of_service(commits: Vec<Commit>, service: &str, claims: &Claims) -> Vec<Commit> {
    if !claims.knows(service) {
        return commits;
    }
    let is_its = |commit: &Commit| commit.files.iter().any(|file| claims.is_of(service, file));
    commits.into_iter().filter(is_its).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Repository;

    /// Commits written one a line, newest first: `id < parents # number`.
    fn graph(text: &str) -> Vec<GraphCommit> {
        let commit = |line: &str| {
            let (rest, number) = line.split_once('#').unwrap_or((line, ""));
            let (id, parents) = rest.split_once('<').unwrap_or((rest, ""));
            GraphCommit {
                sha: id.trim().to_owned(),
                parents: parents.split_whitespace().map(str::to_owned).collect(),
                authored_at: DateTime::UNIX_EPOCH,
                pull_request: number.trim().parse().ok(),
                files: vec![format!("apps/{}/main.rs", id.trim())],
            }
        };
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(commit).collect()
    }

    fn check(text: &str, rebased: &[(&str, u64)], expected: &[(&str, Option<u64>)]) {
        let rebased = rebased.iter().map(|(sha, number)| ((*sha).to_owned(), *number)).collect();
        let commits = graph(text);
        let tip = commits[0].sha.clone();
        let landed = landed(commits, &tip, &rebased);
        let found: Vec<_> = landed.iter().map(|one| (one.sha.as_str(), one.pull_request)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_way_of_merging_leads_to_the_pull_request() {
        // A squash, a merge of two commits, a rebase of two, and a commit that nobody asked about.
        check(
            "s < m # 4
             m < r2 b2 # 3
             b2 < b1
             b1 < base
             r2 < r1
             r1 < d
             d < base",
            &[("r1", 2), ("r2", 2)],
            &[
                ("s", Some(4)),
                ("m", Some(3)),
                ("b2", Some(3)),
                ("b1", Some(3)),
                ("r2", Some(2)),
                ("r1", Some(2)),
                ("d", None),
            ],
        );
    }

    #[test]
    fn a_commit_belongs_to_the_merge_that_brought_it_first() {
        // 6 was begun on the branch of 5, which was merged before it; within 7 another one was merged and one squashed.
        check(
            "m7 < m6 c3 # 7
             c3 < c2
             c2 < c1 n1 # 8
             n1 < c1
             c1 < base # 9
             m6 < m5 b2 # 6
             b2 < b1
             m5 < base b1 # 5
             b1 < base",
            &[],
            &[
                ("m7", Some(7)),
                ("c3", Some(7)),
                ("c2", Some(8)),
                ("n1", Some(8)),
                ("c1", Some(9)),
                ("m6", Some(6)),
                ("b2", Some(6)),
                ("m5", Some(5)),
                ("b1", Some(5)),
            ],
        );
    }

    #[test]
    fn only_files_of_the_service_count_where_they_are_known() {
        let declared = BTreeMap::from([("pay".to_owned(), vec!["apps/s/**".to_owned()])]);
        let repository = Repository { host: "github.com", full_name: "acme/shop", branch: "main" };
        let claims = Claims::of(&[], &declared, repository);
        let landed = || landed(graph("s < d # 4\nd < base"), "s", &BTreeMap::new());
        let of =
            |service: &str| of_service(landed(), service, &claims).into_iter().map(|one| one.sha).collect::<Vec<_>>();
        assert_eq!((of("pay"), of("cart")), (vec!["s".to_owned()], vec!["s".to_owned(), "d".to_owned()]));
    }
}
