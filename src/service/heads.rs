//! Heads of open pull requests that nobody told of: GitHub's list is compared with our check runs, and what has none is
//! scored. So is what would be merged into a branch whose CODEOWNERS file was pushed to: other people may have to approve
//! it now. Nobody waits for this, so people's events go first and half of the rate limit is left alone.

use std::time::Duration;

use chrono::TimeDelta;

use super::{App, assess::PullRequestJob, installations, number, route};
use crate::{
    github::{Error, Installation, OpenPull, OpenPulls, RepoName},
    report::check_run::NAME,
    store::{CheckRunState, CoveredRepository, DueRepository, StoreError},
};

/// Each repository is looked at this often. An idle one with up to a hundred open pull requests so costs half a request
/// an hour; an organisation of 5,000 repositories 2,500 of the 12,500 points that GitHub then gives it, and before them
/// come lost deliveries, which are found for twelve requests an hour in all.
const EVERY: TimeDelta = TimeDelta::hours(2);
/// Time between two rounds, which cost nothing while no repository is due.
const ROUND: Duration = Duration::from_secs(60);
/// Pages of a hundred pull requests read in one round of one installation: after an outage 5,000 repositories are looked
/// at in an hour and a half, whatever the limit would allow.
const PAGES: usize = 60;
/// Jobs that may wait before more are asked for: what people did since then is at most so many jobs behind.
const AHEAD: i64 = 8;
/// A job that is put off for no longer than this is ahead as well: the places of a minute's writes are handed out. What
/// waits longer waits for what [`Installation::kept_until`] knows, for one pull request, or for the end of an override.
const SOON_MS: i64 = 60_000;
/// How long to wait before looking whether there is room again.
const ROOM: Duration = Duration::from_millis(50);

pub(super) async fn round(app: &App) -> anyhow::Result<Duration> {
    // After an outage everything is due once, what was looked at before it included.
    let before = (app.clock.now() - EVERY).timestamp_millis().max(app.resumed_at);
    for id in app.store.installations_to_sweep(before).await? {
        match installation(app, id, before).await {
            Ok(()) => {}
            Err(End::Until(why)) => {
                tracing::debug!(installation.id = id, why = %why, "looking for missed heads pauses");
            }
            Err(End::Store(error)) => return Err(error.into()),
        }
    }
    Ok(app.clock.jitter(ROUND))
}

/// Why one installation's part of a round ended early.
enum End {
    /// Its rate limit or GitHub is not to be asked more now.
    Until(String),
    Store(StoreError),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn installation(app: &App, id: i64, before: i64) -> Result<(), End> {
    let installation = app.github.installation(id.unsigned_abs());
    let mut pages = PAGES;
    for mut due in app.store.repositories_to_sweep(id, before, PAGES).await? {
        let began = app.clock.now_ms();
        while let Some(page) = page(app, &installation, &due, &mut pages).await? {
            let changed = app.store.owners_changed(due.repository_id).await?;
            for pull in &page.pulls {
                if !is_known(app, due.repository_id, pull, changed.contains(&pull.base_ref)).await? {
                    turn(app, &installation).await?;
                    want(app, &due, &page.repository, pull).await?;
                }
            }
            // Kept after the page was worked on: what was not is read again.
            let Some(next) = page.next else {
                app.store.repository_swept(due.repository_id, app.clock.now_ms()).await?;
                app.store.owners_followed(due.repository_id, began).await?;
                break;
            };
            app.store.swept_to(due.repository_id, &next, began).await?;
            due.cursor = Some(next);
        }
    }
    Ok(())
}

/// The next page of a repository; `None` if there is nothing to be had of it now.
async fn page(
    app: &App,
    installation: &Installation,
    due: &DueRepository,
    pages: &mut usize,
) -> Result<Option<OpenPulls>, End> {
    left_alone(installation)?;
    *pages = pages.checked_sub(1).ok_or_else(|| End::Until("enough for one round".to_owned()))?;
    let id = due.repository_id;
    let Some(name) = RepoName::parse(&due.repository) else {
        app.store.repository_swept(id, app.clock.now_ms()).await?;
        return Ok(None);
    };
    match installation.open_pulls(&name, due.cursor.as_deref()).await {
        Ok(page) if number(page.repository_id) == id => {
            let seen = CoveredRepository {
                repository_id: id,
                repository: page.repository.to_string(),
                archived: page.archived,
            };
            app.store.repository_seen(due.installation_id, &seen).await?;
            Ok((!page.archived).then_some(page))
        }
        // Its name is another one's, it is gone, or the installation is suspended: GitHub's list tells.
        Ok(_) | Err(Error::NotFound | Error::Gone | Error::Suspended) => {
            app.store.repository_swept(id, app.clock.now_ms()).await?;
            let now = app.clock.now_ms();
            app.store.request_job(&installations::request(due.installation_id.unsigned_abs(), now), now).await?;
            app.jobs.notify_waiters();
            Ok(None)
        }
        // A cursor that GitHub no longer takes, or what may not be read.
        Err(error @ (Error::Contract { .. } | Error::Invalid { .. } | Error::Forbidden { .. })) => {
            tracing::warn!(repository = %due.repository, %error, "its open pull requests could not be listed");
            app.store.repository_swept(id, app.clock.now_ms()).await?;
            Ok(None)
        }
        Err(error) => Err(End::Until(error.to_string())),
    }
}

/// Whether a head has its check run, by the owners that its base branch names now, or a job that sees to it.
async fn is_known(app: &App, repository_id: i64, pull: &OpenPull, owners_changed: bool) -> Result<bool, End> {
    let run = app.store.check_run(repository_id, &pull.head_sha, NAME).await?;
    if !owners_changed && run.is_some_and(|run| run.state == CheckRunState::Completed) {
        return Ok(true);
    }
    let key = super::assess::pull_request_key(repository_id, number(pull.number));
    Ok(app.store.is_job_queued(&key).await?)
}

fn left_alone(installation: &Installation) -> Result<(), End> {
    let until = |until| Err(End::Until(format!("half of the rate limit is left alone until {until}")));
    installation.kept_until().map_or(Ok(()), until)
}

/// Waits until few jobs are ahead. A round does not wait for jobs that themselves wait for the clock.
async fn turn(app: &App, installation: &Installation) -> Result<(), End> {
    loop {
        left_alone(installation)?;
        let now = app.clock.now_ms();
        if app.store.jobs_due(now + SOON_MS).await? < AHEAD {
            return Ok(());
        }
        if app.store.jobs_due(now).await? == 0 {
            return Err(End::Until("the jobs ahead are put off".to_owned()));
        }
        tokio::time::sleep(ROOM).await;
    }
}

/// Waits until few jobs are due: what nobody waits for goes behind whatever people did.
pub(super) async fn room(app: &App) -> Result<(), StoreError> {
    while app.store.jobs_due(app.clock.now_ms()).await? >= AHEAD {
        tokio::time::sleep(ROOM).await;
    }
    Ok(())
}

async fn want(app: &App, due: &DueRepository, name: &RepoName, pull: &OpenPull) -> Result<(), End> {
    let job = PullRequestJob {
        installation_id: due.installation_id.unsigned_abs(),
        repository_id: due.repository_id,
        repository: name.to_string(),
        number: pull.number,
        head_sha: Some(pull.head_sha.clone()),
        updated_at: Some(pull.updated_at),
        undoes: None,
    };
    let now = app.clock.now_ms();
    tracing::info!(repository = %name, pr.number = pull.number, head = %pull.head_sha, "a head is looked at again, or was missed");
    app.store.request_job(&route::request(&job, now), now).await?;
    app.jobs.notify_waiters();
    Ok(())
}
