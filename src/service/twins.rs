//! Pull requests that share a head commit share its check run: GitHub has one for each commit and name. While one of them
//! is held back the run says so, or a second pull request for the same commit would lead past the gate.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    App,
    assess::{Outcome, pull_request_key},
    check_run::RUNS,
    number,
    stored::Stored,
};
use crate::{
    config::repository::RepositoryPolicy,
    github::{Installation, PullRequest, RepoName},
    risk::{
        assessment::Conclusion,
        facts::{ChangeState, Facts},
        owners,
    },
    store::{AssessmentRow, OnHead, StoreError},
};

/// Another open pull request with the head of `pull` that is held back, as it was assessed last; the one with the highest
/// score if there are several. Costs a request only where the database knows of one.
pub(super) async fn held(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
) -> Result<Option<Stored>, Outcome> {
    let repository_id = number(pull.repository_id);
    let mut rows = app.store.others_on_head(repository_id, &pull.head_sha, number(pull.number)).await?;
    rows.retain(|row| row.conclusion == Conclusion::ActionRequired.word());
    let rows = still_open(installation, repo, pull, rows).await?;
    let Some(strictest) = rows.into_iter().max_by_key(|row| row.score) else { return Ok(None) };
    let Some(row) = app.store.assessment(&strictest.assessment).await? else { return Ok(None) };
    Ok(Stored::load(&app.store, row, app.links.clone()).await.ok())
}

/// Another open pull request with the head of `pull` whose owners have not approved where that is asked for: as it was
/// assessed last, by that assessment's id; the first if there are several. Costs a request only where the database knows
/// of one.
pub(super) async fn lacking_owners(
    app: &App,
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
) -> Result<Option<(String, Facts)>, Outcome> {
    let repository_id = number(pull.repository_id);
    let others = app.store.others_on_head(repository_id, &pull.head_sha, number(pull.number)).await?;
    let (mut rows, mut facts) = (Vec::new(), BTreeMap::new());
    for row in others {
        let stored = app.store.assessment(&row.assessment).await?;
        let read = stored.and_then(|stored| serde_json::from_str::<Facts>(&stored.facts).ok());
        let Some(read) = read.filter(|read| matches!(owners::verdict(read), owners::Verdict::Missing(_))) else {
            continue;
        };
        let policy = app.store.last_good_policy(repository_id, &read.change.base_ref).await?;
        let policy = policy.and_then(|row| serde_json::from_str::<RepositoryPolicy>(&row.body).ok());
        if policy.is_some_and(|policy| policy.owners_check) {
            facts.insert(row.pull_request, read);
            rows.push(row);
        }
    }
    let open = still_open(installation, repo, pull, rows).await?;
    let first = open.into_iter().next();
    Ok(first.and_then(|row| Some((row.assessment, facts.remove(&row.pull_request)?))))
}

/// Those that are open on the head of `pull` still.
async fn still_open(
    installation: &Installation,
    repo: &RepoName,
    pull: &PullRequest,
    mut rows: Vec<OnHead>,
) -> Result<Vec<OnHead>, Outcome> {
    if rows.is_empty() {
        return Ok(rows);
    }
    // Whether they are open still, GitHub knows best: the event may be on its way.
    let listed = installation.pulls_of_commit(repo, &pull.head_sha).await?;
    let here = |base: Option<u64>| base == Some(pull.repository_id);
    let open: BTreeSet<i64> = listed
        .into_iter()
        .filter(|each| each.state == ChangeState::Open && each.head_sha == pull.head_sha)
        .filter(|each| here(each.base_repository_id))
        .map(|each| number(each.number))
        .collect();
    rows.retain(|row| open.contains(&row.pull_request));
    Ok(rows)
}

/// Has the others on the head of `last` scored again, if the run there speaks for a pull request that is no longer open
/// on it.
pub(super) async fn hand_over(app: &App, last: &AssessmentRow) -> Result<(), StoreError> {
    let (id, sha) = (last.repository_id, last.head_sha.as_str());
    let others = match last.pull_request {
        Some(pull) => app.store.others_on_head(id, sha, pull).await?,
        None => return Ok(()),
    };
    if others.is_empty() {
        return Ok(());
    }
    let mut speaks = false;
    for name in RUNS {
        let run = app.store.check_run(id, sha, name).await?;
        if run.and_then(|run| run.external_id).as_ref() == Some(&last.id) {
            app.store.reopen_check_run(id, sha, name).await?;
            speaks = true;
        }
    }
    if !speaks {
        return Ok(());
    }
    for other in others {
        app.store.request_job_again(&pull_request_key(id, other.pull_request), app.clock.now_ms()).await?;
    }
    app.jobs.notify_waiters();
    Ok(())
}
