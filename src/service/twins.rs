//! Pull requests that share a head commit share its check run: GitHub has one for each commit and name. While one of them
//! is held back the run says so, or a second pull request for the same commit would lead past the gate.

use std::collections::BTreeSet;

use super::{
    App,
    assess::{Outcome, pull_request_key},
    number,
    stored::Stored,
};
use crate::{
    github::{Installation, PullRequest, RepoName},
    report::check_run::NAME,
    risk::{assessment::Conclusion, facts::ChangeState},
    store::{AssessmentRow, StoreError},
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
    if rows.is_empty() {
        return Ok(None);
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
    let Some(strictest) = rows.into_iter().max_by_key(|row| row.score) else { return Ok(None) };
    let Some(row) = app.store.assessment(&strictest.assessment).await? else { return Ok(None) };
    Ok(Stored::load(&app.store, row, app.links.clone()).await.ok())
}

/// Has the others on the head of `last` scored again, if the run there speaks for a pull request that is no longer open
/// on it.
pub(super) async fn hand_over(app: &App, last: &AssessmentRow) -> Result<(), StoreError> {
    let (id, sha) = (last.repository_id, last.head_sha.as_str());
    let others = match last.pull_request {
        Some(pull) => app.store.others_on_head(id, sha, pull).await?,
        None => return Ok(()),
    };
    let speaks = others.is_empty()
        || app.store.check_run(id, sha, NAME).await?.and_then(|run| run.external_id).as_ref() != Some(&last.id);
    if speaks {
        return Ok(());
    }
    app.store.reopen_check_run(id, sha, NAME).await?;
    for other in others {
        app.store.request_job_again(&pull_request_key(id, other.pull_request), app.clock.now_ms()).await?;
    }
    app.jobs.notify_waiters();
    Ok(())
}
