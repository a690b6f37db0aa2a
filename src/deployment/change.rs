//! Which changes a deployment brought: commits since the deployment before it, as pull requests.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::ledger::Deployment;
use super::sighting::WitnessId;

/// A deployment brings nothing that can be told if the one before it is older (Datadog's rule).
pub const FOLLOWS_WITHIN: TimeDelta = TimeDelta::days(60);
/// Commits of one deployment that are looked at, the newest of them (Datadog's rule).
pub const COMMITS_MAX: usize = 5_000;

/// A commit between two deployments, as the graph has it. It has no author on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its id.
    pub sha: String,
    /// When it was written, by its author's clock.
    pub authored_at: DateTime<Utc>,
    /// It has several parents: it brings what they bring, and is no work of its own.
    pub merge: bool,
    /// The pull request that brought it to the main line.
    pub pull_request: Option<u64>,
    /// Files that it changes. Untrusted.
    pub files: Vec<String>,
}

/// A pull request as it was merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Title. Untrusted.
    pub title: String,
    /// Labels. Untrusted.
    pub labels: Vec<String>,
    /// Its branch. Untrusted.
    pub branch: String,
    /// When each of its own commits was written. A squash merge leaves one commit of them on the main line.
    pub authored_at: Vec<DateTime<Utc>>,
    /// When it was opened.
    pub opened_at: Option<DateTime<Utc>>,
    /// When it was merged.
    pub merged_at: Option<DateTime<Utc>>,
    /// Pull requests that it takes back.
    pub takes_back: Vec<TakenBack>,
}

/// A pull request that another one takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TakenBack {
    /// Its number.
    pub number: u64,
    /// The patches show it; else only title and text say so.
    pub proven: bool,
}

/// A change that a deployment brought: a pull request, or a commit that none brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it is called.
    pub id: ChangeId,
    /// The pull request, where it is one that is known.
    pub pull_request: Option<PullRequest>,
    /// When each of its commits was written, oldest first.
    pub authored_at: Vec<DateTime<Utc>>,
    /// Files that it changes. Untrusted.
    pub files: BTreeSet<String>,
}

/// A change within its repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeId {
    /// By the number of its pull request.
    PullRequest(u64),
    /// By its commit.
    Commit(String),
}

/// What deployments brought, by the deployment.
pub type Shipped = BTreeMap<WitnessId, Vec<Change>>;

/// The changes of a deployment: `between` holds the commits that it has and the deployment before it has not, newest
/// first. Merges are left out. Nothing is told where the deployment before is too old to say what is new.
pub fn changes(
    deployment: &Deployment,
    before: &Deployment,
    between: &[Commit],
    pull_requests: &BTreeMap<u64, PullRequest>,
) -> Vec<Change> {
    let apart = deployment.at.zip(before.at).map(|(at, before)| at - before);
    if apart.is_none_or(|apart| apart > FOLLOWS_WITHIN) {
        return Vec::new();
    }
    let mut changes: BTreeMap<ChangeId, Change> = BTreeMap::new();
    for commit in between.iter().filter(|commit| !commit.merge).take(COMMITS_MAX) {
        let id = match commit.pull_request {
            Some(number) => ChangeId::PullRequest(number),
            None => ChangeId::Commit(commit.sha.clone()),
        };
        let pull_request = commit.pull_request.and_then(|number| pull_requests.get(&number));
        let change = changes.entry(id.clone()).or_insert_with(|| Change {
            id,
            // The commits that were squashed stand in for the one that is left of them.
            authored_at: pull_request.map_or_else(Vec::new, |pull| pull.authored_at.clone()),
            pull_request: pull_request.cloned(),
            files: BTreeSet::new(),
        });
        if pull_request.is_none_or(|pull| pull.authored_at.is_empty()) {
            change.authored_at.push(commit.authored_at);
        }
        change.files.extend(commit.files.iter().cloned());
    }
    let mut changes: Vec<Change> = changes.into_values().collect();
    for change in &mut changes {
        change.authored_at.sort_unstable();
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::ledger::{Settings, reconcile};
    use crate::deployment::sighting::{Sighting, Source};

    fn hour(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_750_000_000 + hour * 3_600, 0).unwrap()
    }

    fn commit(sha: &str, authored: i64, pull_request: Option<u64>) -> Commit {
        let files = vec![format!("src/{sha}.rs")];
        Commit { sha: sha.into(), authored_at: hour(authored), merge: false, pull_request, files }
    }

    fn pull(number: u64, authored: &[i64]) -> PullRequest {
        PullRequest {
            number,
            title: String::new(),
            labels: Vec::new(),
            branch: String::new(),
            authored_at: authored.iter().copied().map(hour).collect(),
            opened_at: None,
            merged_at: None,
            takes_back: Vec::new(),
        }
    }

    fn shipped(before: i64, at: i64, between: &[Commit]) -> Vec<(ChangeId, Vec<DateTime<Utc>>)> {
        let deployed = |id: &str, at| {
            let said = Sighting { service: Some("pay".into()), ..Sighting::new(Source::Api, id, hour(at)) };
            reconcile(&[said], &Settings::default()).deployments.remove(0)
        };
        let pulls = BTreeMap::from([(1, pull(1, &[3, 1, 2])), (2, pull(2, &[]))]);
        let changes = changes(&deployed("new", at), &deployed("old", before), between, &pulls);
        changes.into_iter().map(|change| (change.id, change.authored_at)).collect()
    }

    #[test]
    fn commits_come_out_as_the_changes_that_brought_them() {
        let merge = Commit { merge: true, ..commit("m", 9, Some(2)) };
        let between = [commit("squashed", 9, Some(1)), merge, commit("b", 8, Some(2)), commit("a", 7, Some(2))];
        let direct = commit("direct", 6, None);
        let found = shipped(0, 10, &[&between[..], &[direct]].concat());
        assert_eq!(
            found,
            [
                // A squash merge keeps the times of the commits that it swallowed.
                (ChangeId::PullRequest(1), vec![hour(1), hour(2), hour(3)]),
                (ChangeId::PullRequest(2), vec![hour(7), hour(8)]),
                (ChangeId::Commit("direct".into()), vec![hour(6)]),
            ]
        );
    }

    #[test]
    fn too_much_and_too_old_is_not_told() {
        let day = 24;
        let one = [commit("a", 1, None)];
        assert_eq!((shipped(0, 60 * day, &one).len(), shipped(0, 60 * day + 1, &one).len()), (1, 0));
        let many: Vec<Commit> = (0..6_000).map(|number| commit(&format!("{number:07}"), 1, None)).collect();
        let found = shipped(0, 10, &many);
        assert_eq!(found.len(), COMMITS_MAX);
        assert_eq!(found.last().unwrap().0, ChangeId::Commit("0004999".into()));
    }
}
