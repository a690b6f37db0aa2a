//! What deployments brought: the commits between each and the one before it, read from the mirror, and the pull requests that
//! brought them to the main line, asked of GitHub once. Both are kept; what is not known yet is looked for again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{super::App, names::Covered};
use crate::{
    deployment::{
        brought::{Step, steps},
        change::{Commit, FOLLOWS_WITHIN, PullRequest, TakenBack},
        graph::{GraphCommit, landed, of_service},
        ledger::{Settings, reconcile},
    },
    github::{Error, Installation, LandedPull, RepoName},
    risk::{
        facts::{ChangeState, Facts},
        revert::{Claim, claim},
    },
    service::mirrors,
    store::{Between, StoreError},
};

/// Deployments of so long are looked at in every round: the mirror follows within minutes.
const NEW: TimeDelta = TimeDelta::days(3);
/// All are looked at so often, for what was told late.
pub(super) const ALL_EVERY: TimeDelta = TimeDelta::hours(6);
/// How far back all goes.
const ALL: TimeDelta = TimeDelta::days(731);
/// Steps that are read from mirrors in one round.
const STEPS_MAX: usize = 200;
/// Questions to GitHub in one round: a small part of what an installation may ask in an hour, since scores come first.
const QUESTIONS_MAX: usize = 100;
/// Commits of one step that GitHub is asked about because they name no pull request.
const UNNAMED_MAX: usize = 50;

/// Why a step is not done.
enum Stopped {
    /// Enough was asked for now.
    Spent,
    GitHub(Error),
    Store(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// One round, the newest deployments first; `all` looks at old ones too. `false` if it has to go on.
pub(super) async fn round(
    app: &App,
    covered: &BTreeMap<String, Covered>,
    settings: &Settings,
    all: bool,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    if app.mirrors.is_none() {
        return Ok(true);
    }
    let since = now - if all { ALL } else { NEW };
    let sightings = app.store.sightings(since - FOLLOWS_WITHIN).await?;
    let settings = settings.clone();
    let ledger = tokio::task::spawn_blocking(move || reconcile(&sightings, &settings)).await;
    let ledger = ledger.expect("reconciling does not panic, and is not cancelled");
    let mut wanted: Vec<(Option<DateTime<Utc>>, Step)> =
        steps(&ledger).into_iter().map(|one| (one.deployment.at, one.step)).collect();
    wanted.retain(|(at, _)| at.is_some_and(|at| at >= since));
    wanted.sort_unstable_by(|a, b| b.cmp(a));
    let mut work = Work { app, now, questions: 0, read: 0 };
    let mut silent: BTreeSet<i64> = BTreeSet::new();
    let mut done = true;
    for (_, step) in wanted {
        let Some(covered) = covered.get(&step.repository).filter(|one| !silent.contains(&one.repository_id)) else {
            continue;
        };
        if app.store.is_between_known(between(covered, &step)).await? {
            continue;
        }
        match work.step(covered, &step).await {
            Ok(()) => {}
            Err(Stopped::Spent) => {
                done = false;
                break;
            }
            Err(Stopped::Store(error)) => return Err(error),
            Err(Stopped::GitHub(error)) => {
                // A limit or a permission of one installation is none of the others' concern.
                tracing::warn!(%error, repository = covered.full_name, "what a deployment brought is looked at later");
                silent.insert(covered.repository_id);
                done = false;
            }
        }
    }
    Ok(done)
}

fn between<'a>(covered: &Covered, step: &'a Step) -> Between<'a> {
    Between {
        repository_id: covered.repository_id,
        service: &step.service,
        before_sha: &step.before_sha,
        sha: &step.sha,
    }
}

/// What is done in one round.
struct Work<'a> {
    app: &'a App,
    now: DateTime<Utc>,
    questions: usize,
    read: usize,
}

impl Work<'_> {
    async fn step(&mut self, covered: &Covered, step: &Step) -> Result<(), Stopped> {
        let Some(repo) = RepoName::parse(&covered.full_name) else { return Ok(()) };
        let Some(due) = self.app.store.repository_named(&covered.full_name).await? else { return Ok(()) };
        let ends = (step.before_sha.as_str(), step.sha.as_str());
        let Some(graph) = mirrors::between(self.app, covered.repository_id, repo.name(), ends).await else {
            return Ok(());
        };
        self.read += 1;
        if self.read > STEPS_MAX {
            return Err(Stopped::Spent);
        }
        let installation = self.app.github.installation(due.installation_id.unsigned_abs());
        let asked = Asked { installation, repo, repository_id: covered.repository_id };
        let commits = self.commits(&asked, graph, step, covered).await?;
        self.app.store.save_between(between(covered, step), &commits, self.now).await?;
        Ok(())
    }

    /// The commits of the service, each with the pull request that brought it.
    async fn commits(
        &mut self,
        asked: &Asked,
        graph: Vec<GraphCommit>,
        step: &Step,
        covered: &Covered,
    ) -> Result<Vec<Commit>, Stopped> {
        let Some(tip) = graph.first().map(|commit| commit.sha.clone()) else { return Ok(Vec::new()) };
        let named = landed(graph.clone(), &tip, &BTreeMap::new());
        let unnamed = of_service(named, &step.service, &covered.claims).into_iter();
        let unnamed = unnamed.filter(|commit| !commit.merge && commit.pull_request.is_none());
        let mut rebased = BTreeMap::new();
        for commit in unnamed.take(UNNAMED_MAX) {
            if let Some(number) = self.brought_by(asked, &commit.sha).await? {
                rebased.insert(commit.sha, number);
            }
        }
        let whole = landed(graph, &tip, &rebased);
        let mut of: BTreeMap<u64, usize> = BTreeMap::new();
        for number in whole.iter().filter(|commit| !commit.merge).filter_map(|commit| commit.pull_request) {
            *of.entry(number).or_default() += 1;
        }
        let mut commits = of_service(whole, &step.service, &covered.claims);
        let numbers: BTreeSet<u64> = commits.iter().filter_map(|commit| commit.pull_request).collect();
        let mut strangers = BTreeSet::new();
        for number in numbers {
            let alone = of.get(&number).copied() == Some(1);
            if !self.pull_request(asked, number, alone).await? {
                strangers.insert(number);
            }
        }
        for commit in &mut commits {
            commit.pull_request = commit.pull_request.filter(|number| !strangers.contains(number));
        }
        Ok(commits)
    }

    /// Sees to it that a pull request is kept; `false` if what is called so is none that was merged. Of a commit that is `alone`
    /// the pull request may have had several.
    async fn pull_request(&mut self, asked: &Asked, number: u64, alone: bool) -> Result<bool, Stopped> {
        if let Some(merged) = self.app.store.is_landed(asked.repository_id, number).await? {
            return Ok(merged);
        }
        let found = self.ask(asked.installation.landed_pull(&asked.repo, number)).await?;
        let Some(pull) = found.filter(|pull| pull.merged_at.is_some()) else {
            // An issue, or of another repository; a commit that was deployed comes of nothing that is still open.
            self.app.store.save_stranger(asked.repository_id, number, self.now).await?;
            return Ok(false);
        };
        let authored_at = match alone {
            true => self.ask(asked.installation.commits_written(&asked.repo, number)).await?.unwrap_or_default(),
            false => Vec::new(),
        };
        let takes_back = self.taken_back(asked, &pull).await?.into_iter().collect();
        let LandedPull { number, title, labels, branch, created_at, merged_at, .. } = pull;
        let opened_at = created_at;
        let pull = PullRequest { number, title, labels, branch, authored_at, opened_at, merged_at, takes_back };
        self.app.store.save_landed(asked.repository_id, &pull, self.now).await?;
        Ok(true)
    }

    /// The pull request that this one says it takes back, and whether the patches showed that before it was merged.
    async fn taken_back(&mut self, asked: &Asked, pull: &LandedPull) -> Result<Option<TakenBack>, Stopped> {
        let number = match claim(&pull.title, &pull.body) {
            Some(Claim::PullRequest(number)) => Some(number),
            Some(Claim::Commit(sha)) => match asked.full(self.app, &sha).await {
                Some(sha) => self.brought_by(asked, &sha).await?,
                None => None,
            },
            None => None,
        };
        let Some(number) = number else { return Ok(None) };
        let proven = self.is_proven(asked, pull.number).await?;
        Ok(Some(TakenBack { number, proven }))
    }

    async fn is_proven(&self, asked: &Asked, number: u64) -> Result<bool, StoreError> {
        let Ok(number) = i64::try_from(number) else { return Ok(false) };
        let row = self.app.store.latest_assessment(asked.repository_id, number).await?;
        let facts = row.and_then(|row| serde_json::from_str::<Facts>(&row.facts).ok());
        let revert = facts.and_then(|facts| facts.change.revert.ok().flatten());
        Ok(revert.is_some_and(|revert| revert.proven == Ok(true)))
    }

    /// The merged pull request that a commit belongs to.
    async fn brought_by(&mut self, asked: &Asked, sha: &str) -> Result<Option<u64>, Stopped> {
        let found = self.ask(asked.installation.pulls_of_commit(&asked.repo, sha)).await?.unwrap_or_default();
        Ok(found.into_iter().find(|pull| pull.state == ChangeState::Merged).map(|pull| pull.number))
    }

    /// Asks GitHub; `None` for what it does not know.
    async fn ask<T>(&mut self, question: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Stopped> {
        self.questions += 1;
        if self.questions > QUESTIONS_MAX {
            return Err(Stopped::Spent);
        }
        match question.await {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::NotFound | Error::Invalid { .. }) => Ok(None),
            Err(error) => Err(Stopped::GitHub(error)),
        }
    }
}

/// Of whom it is asked.
struct Asked {
    installation: Installation,
    repo: RepoName,
    repository_id: i64,
}

impl Asked {
    /// A commit's whole id, where the mirror has it.
    async fn full(&self, app: &App, sha: &str) -> Option<String> {
        mirrors::commit(app, self.repository_id, sha).await
    }
}
