//! What is said where work is given up: the check runs of a job end as neutral, with the reference under which the log tells
//! more.

use super::{
    App,
    assess::{Outcome, PULL_REQUEST, PullRequestJob, repository, unfinished},
    check_run::{Head, RUNS, Writer},
    commands,
    merge_group::{self, MERGE_GROUP},
    number,
};
use crate::{
    config::repository::RepositoryPolicy,
    report::{self, check_run::NAME},
    risk::assessment::Conclusion,
    store::{Job, StoreError},
};

/// Completes the check run of a job that is given up as neutral, with the reference under which the log tells more.
/// Gives why that could not be done.
pub(super) async fn say_failure(app: &App, job: &Job, reference: &str) -> Option<Outcome> {
    if job.kind == MERGE_GROUP {
        let wanted = serde_json::from_str(&job.payload).ok()?;
        return merge_group::say_failure(app, &wanted, reference).await.err();
    }
    if job.kind != PULL_REQUEST {
        return None;
    }
    let wanted = serde_json::from_str::<PullRequestJob>(&job.payload).ok()?;
    let failed = fail_runs(app, &wanted, reference).await;
    let woken = async {
        let asked = commands::waiting(app, wanted.repository_id, number(wanted.number)).await?;
        commands::wake(app, wanted.repository_id, number(wanted.number), &asked).await
    };
    failed.err().or(woken.await.err().map(Outcome::from))
}

/// Whether the policy of any branch asks for owners' approvals.
async fn are_owners_asked_for(app: &App, repository_id: i64) -> Result<bool, StoreError> {
    let policies = app.store.last_good_bodies(repository_id).await?;
    let mut policies = policies.iter().filter_map(|body| serde_json::from_str::<RepositoryPolicy>(body).ok());
    Ok(policies.any(|policy| policy.owners_check))
}

async fn fail_runs(app: &App, wanted: &PullRequestJob, reference: &str) -> Result<(), Outcome> {
    let repo = repository(&wanted.repository)?;
    let installation = app.github.installation(wanted.installation_id);
    let mut heads: Vec<(String, String)> = unfinished(app, wanted.repository_id, number(wanted.number))
        .await?
        .into_iter()
        .map(|row| (row.head_sha, row.name))
        .collect();
    // Where nothing was begun, the head that the event named still deserves an answer, unless it already has one.
    if let (true, Some(head)) = (heads.is_empty(), &wanted.head_sha)
        && app.store.check_run(wanted.repository_id, head, NAME).await?.is_none()
    {
        heads.push((head.clone(), NAME.to_owned()));
    }
    // Who waits for the owners' run is answered too. Which branch it would be merged into may not be known by now.
    if let Some((head, _)) =
        heads.iter().find(|(head, _)| wanted.head_sha.as_ref().is_none_or(|newest| newest == head)).cloned()
        && app.store.check_run(wanted.repository_id, &head, report::owners::NAME).await?.is_none()
        && are_owners_asked_for(app, wanted.repository_id).await?
    {
        heads.push((head, report::owners::NAME.to_owned()));
    }
    for (sha, name) in heads {
        let Some(name) = RUNS.into_iter().find(|run| *run == name) else { continue };
        let newest = wanted.head_sha.as_ref().is_none_or(|head| *head == sha);
        let head = Head { name, repository_id: wanted.repository_id, pull_request: Some(number(wanted.number)), sha };
        let text = match name {
            NAME => report::check_run::failure(reference, "Mergecast could not score this change"),
            _ => report::owners::failure(reference),
        };
        let run = if newest {
            Some(Writer::open(app, &installation, &repo, &head, None, reference).await?)
        } else {
            Writer::find(app, &installation, &repo, &head, Some(&[]), reference).await?
        };
        match run {
            Some(mut run) => run.complete(&text, Conclusion::Neutral).await?,
            None => app.store.forget_check_run(head.repository_id, &head.sha, name).await?,
        }
    }
    Ok(())
}
