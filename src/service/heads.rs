//! Heads of open pull requests that nobody told of: GitHub's list is compared with our check runs, and what has none is
//! scored. So is what would be merged into a branch whose CODEOWNERS file was pushed to, as other people may have to
//! approve it now, and what was scored under another policy than its branch has since a push. Nobody waits for this, so
//! people's events go first and half of the rate limit is left alone.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;

use super::{App, assess::PullRequestJob, gather, installations, number, route};
use crate::{
    github::{Error, Installation, OpenPull, OpenPulls, RepoName, Retry},
    report::check_run::NAME,
    risk::policy::Policy,
    store::{CheckRunState, CoveredRepository, DueRepository, Pushed, StoreError},
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
        let mut policies = Policies::default();
        while let Some(page) = page(app, &installation, &due, &mut pages).await? {
            let pushed = app.store.rules_pushed(due.repository_id).await?;
            for pull in &page.pulls {
                let rules = match pushed.get(&pull.base_ref) {
                    None => Rules::Same,
                    Some(Pushed::Owners) => Rules::Other,
                    Some(Pushed::Policy) => {
                        policies.of(app, &installation, due.repository_id, &page.repository, &pull.base_ref).await?
                    }
                };
                if !is_known(app, due.repository_id, pull, &rules).await? {
                    turn(app, &installation).await?;
                    want(app, &due, &page.repository, pull).await?;
                }
            }
            // Kept after the page was worked on: what was not is read again.
            let Some(next) = page.next else {
                app.store.repository_swept(due.repository_id, app.clock.now_ms()).await?;
                app.store.rules_followed(due.repository_id, began).await?;
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

/// What the branch of a pull request says since it was scored.
#[derive(Clone)]
enum Rules {
    /// What it said.
    Same,
    /// Perhaps something else.
    Other,
    /// A policy with this digest.
    Policy(Option<String>),
}

/// Policies of branches that were pushed to, each read once in a sweep of a repository.
#[derive(Default)]
struct Policies(BTreeMap<String, Rules>);

impl Policies {
    async fn of(
        &mut self,
        app: &App,
        installation: &Installation,
        repository_id: i64,
        name: &RepoName,
        branch: &str,
    ) -> Result<Rules, End> {
        if let Some(known) = self.0.get(branch) {
            return Ok(known.clone());
        }
        left_alone(installation)?;
        let rules = match installation.branch_policy(name, branch).await {
            Ok(file) => {
                Rules::Policy(gather::policy(app, repository_id, name, branch, &file).await?.policy.origin.digest)
            }
            Err(error) if error.retry() == Retry::Never => Rules::Other,
            Err(error) => return Err(End::Until(error.to_string())),
        };
        self.0.insert(branch.to_owned(), rules.clone());
        Ok(rules)
    }
}

/// Whether a head has its check run, by what its base branch says now, or a job that sees to it.
async fn is_known(app: &App, repository_id: i64, pull: &OpenPull, rules: &Rules) -> Result<bool, End> {
    let run = app.store.check_run(repository_id, &pull.head_sha, NAME).await?;
    let same = match rules {
        Rules::Same => true,
        Rules::Other => false,
        Rules::Policy(digest) => {
            let last = app.store.latest_assessment(repository_id, number(pull.number)).await?;
            let under = last.and_then(|row| serde_json::from_str::<Policy>(&row.policy).ok());
            under.is_some_and(|policy| policy.origin.digest == *digest)
        }
    };
    if same && run.is_some_and(|run| run.state == CheckRunState::Completed) {
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
