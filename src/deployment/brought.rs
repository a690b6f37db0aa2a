//! What deployments brought, put together from what was read of the graph and of pull requests.

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;

use super::change::{Commit, FOLLOWS_WITHIN, PullRequest, Shipped, changes};
use super::ledger::{Deployment, Ledger};

/// From one deployed commit of a service to the next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// Repository, `owner/name` in lower case. Untrusted.
    pub repository: String,
    /// Service. Untrusted.
    pub service: String,
    /// The commit that was deployed before, as far as it is told. Untrusted.
    pub before_sha: String,
    /// The commit that was deployed. Untrusted.
    pub sha: String,
}

/// A step, and the deployments that it leads from and to.
#[derive(Clone, Debug)]
pub struct Stepped<'a> {
    /// The step.
    pub step: Step,
    /// The deployment before.
    pub before: &'a Deployment,
    /// The deployment.
    pub deployment: &'a Deployment,
}

/// The steps of a ledger, each service and environment by itself, in order of time. There is none where a deployment does not
/// say its commit, comes from another repository than the one before it, or follows it too late to say what is new.
pub fn steps(ledger: &Ledger) -> Vec<Stepped<'_>> {
    let mut all = Vec::new();
    for sequence in ledger.sequences() {
        all.extend(sequence.windows(2).filter_map(|pair| step(pair[0], pair[1])));
    }
    all
}

fn step<'a>(before: &'a Deployment, deployment: &'a Deployment) -> Option<Stepped<'a>> {
    let (repository, earlier) = (deployment.repository.as_ref()?, before.repository.as_ref());
    let apart = deployment.at? - before.at?;
    if earlier.is_some_and(|earlier| earlier != repository) || !(TimeDelta::zero()..=FOLLOWS_WITHIN).contains(&apart) {
        return None;
    }
    let step = Step {
        repository: repository.split_once('/')?.1.to_owned(),
        service: deployment.service.clone(),
        before_sha: before.build.commit_sha.clone()?,
        sha: deployment.build.commit_sha.clone()?,
    };
    Some(Stepped { step, before, deployment })
}

/// What was read of commits and pull requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// Commits of steps, newest first.
    pub steps: HashMap<Step, Vec<Commit>>,
    /// Pull requests, by repository (`owner/name` in lower case) and number.
    pub pull_requests: HashMap<String, BTreeMap<u64, PullRequest>>,
}

impl Graph {
    /// What each deployment brought, as far as its step was read.
    pub fn shipped(&self, ledger: &Ledger) -> Shipped {
        let none = BTreeMap::new();
        let of = |stepped: Stepped<'_>| {
            let Stepped { step, before, deployment } = stepped;
            let commits = self.steps.get(&step)?;
            let pulls = self.pull_requests.get(&step.repository).unwrap_or(&none);
            Some((deployment.id.clone(), changes(deployment, before, commits, pulls)))
        };
        steps(ledger).into_iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::deployment::{
        change::ChangeId,
        ledger::{Settings, reconcile},
        sighting::{Sighting, Source},
    };

    fn deployed(id: &str, day: i64, sha: &str, repository: &str) -> Sighting {
        Sighting {
            service: Some("pay".into()),
            env: Some("prod".into()),
            commit_sha: Some(sha.repeat(40)),
            repository: Some(format!("https://github.com/{repository}")),
            ..Sighting::new(Source::Api, id, DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + day))
        }
    }

    #[test]
    fn each_deployment_brings_what_lies_behind_it_and_the_one_before() {
        let told = [
            deployed("1", 0, "a", "acme/Pay"),
            deployed("2", 1, "b", "acme/pay"),
            deployed("3", 2, "a", "acme/pay"),
            deployed("4", 3, "c", "acme/other"),
            deployed("5", 64, "d", "acme/other"),
            Sighting { commit_sha: None, version: Some("2".into()), ..deployed("6", 65, "e", "acme/other") },
        ];
        let ledger = reconcile(&told, &Settings::default());
        let found: Vec<(String, String)> = steps(&ledger)
            .into_iter()
            .map(|one| (one.deployment.id.id.clone(), format!("{} {}", one.step.repository, &one.step.sha[..1])))
            .collect();
        let expected = [("2", "acme/pay b"), ("3", "acme/pay a")].map(|(id, to)| (id.to_owned(), to.to_owned()));
        assert_eq!(found, expected);

        let commit = |sha: &str| Commit {
            sha: sha.to_owned(),
            authored_at: DateTime::UNIX_EPOCH,
            merge: false,
            pull_request: None,
            files: Vec::new(),
        };
        let forward = steps(&ledger)[0].step.clone();
        let graph = Graph { steps: HashMap::from([(forward, vec![commit("x")])]), ..Graph::default() };
        let shipped = graph.shipped(&ledger);
        // The way back was not read, so it is not known that it brought nothing.
        let only: Vec<_> = shipped.iter().map(|(id, changes)| (id.id.as_str(), changes[0].id.clone())).collect();
        assert_eq!(only, [("2", ChangeId::Commit("x".into()))]);
    }
}
