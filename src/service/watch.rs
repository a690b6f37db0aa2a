//! The watch over services: a burn that starts or ends, an incident that opens or ends. Open pull requests are scored
//! again where that changes the level of their score or a floor; their check runs say so, and nobody is told otherwise.
//!
//! Silence is no news: what Datadog does not answer now counts as it did when the score was made.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    App,
    assess::{PullRequestJob, pull_request_key},
    gather, route,
};
use crate::{
    risk::{
        assess,
        assessment::{Assessment, FloorRule, Level},
        facts::Facts,
        policy::Policy,
    },
    store::AssessmentRow,
};

/// Between two rounds. Datadog is asked less often: answers are kept for some minutes.
const EVERY: Duration = Duration::from_secs(60);
/// Pull requests that one round looks at; the next one goes on behind them.
const PULLS_MAX: usize = 500;
/// Scores that one round asks for. An incident on a service that everybody changes is no reason to hold up people's
/// events, which use the same limits at GitHub.
const SCORES_MAX: usize = 20;
/// After which a score is asked for once more that should have come to something else long since.
const AGAIN: TimeDelta = TimeDelta::hours(1);

/// Where the watch is, and what it has asked for.
#[derive(Default)]
pub(super) struct Watched(Mutex<State>);

#[derive(Default)]
struct State {
    after: (i64, i64),
    asked: HashMap<(i64, i64), Asked>,
}

/// A score that was asked for.
struct Asked {
    at: DateTime<Utc>,
    /// The assessment that stood then.
    assessment: String,
    /// What it should come to.
    standing: Standing,
}

/// What people act on.
type Standing = (Level, Vec<(FloorRule, bool)>);

impl Watched {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the same was asked for a short while ago, and nothing came of it yet.
    fn has_asked(&self, pull: (i64, i64), assessment: &str, standing: &Standing, now: DateTime<Utc>) -> bool {
        self.state().asked.get(&pull).is_some_and(|asked| {
            asked.assessment == assessment && asked.standing == *standing && now < asked.at + AGAIN
        })
    }

    fn note(&self, pull: (i64, i64), asked: Asked) {
        let mut state = self.state();
        let now = asked.at;
        state.asked.retain(|_, asked| now < asked.at + AGAIN);
        state.asked.insert(pull, asked);
    }
}

/// Looks at the open pull requests.
pub(super) async fn round(app: &App) -> anyhow::Result<Duration> {
    if app.datadog.is_none() {
        return Ok(EVERY);
    }
    let after = app.watched.state().after;
    let pulls = app.store.pulls_with_services(after, PULLS_MAX).await?;
    let mut asked = 0;
    for pull in &pulls {
        if asked == SCORES_MAX {
            break;
        }
        app.watched.state().after = *pull;
        let (repository_id, pull_request) = *pull;
        let Some(last) = app.store.latest_assessment(repository_id, pull_request).await? else { continue };
        let Some(standing) = news(app, &last).await? else { continue };
        let now = app.clock.now();
        if app.watched.has_asked(*pull, &last.id, &standing, now) || !ask(app, *pull, &last).await? {
            continue;
        }
        app.watched.note(*pull, Asked { at: now, assessment: last.id, standing });
        asked += 1;
        tracing::info!(pr.number = pull_request, "the health of its services changes a score, which is made again");
    }
    if pulls.len() < PULLS_MAX && asked < SCORES_MAX {
        app.watched.state().after = (0, 0);
    }
    if asked > 0 {
        app.jobs.notify_waiters();
    }
    Ok(EVERY)
}

/// Where a score would stand by the health of the services of now, if that is somewhere else.
async fn news(app: &App, last: &AssessmentRow) -> anyhow::Result<Option<Standing>> {
    let read = (serde_json::from_str::<Facts>(&last.facts), serde_json::from_str::<Policy>(&last.policy));
    let (Ok(before), Ok(policy)) = read else { return Ok(None) };
    let now = gather::as_of_now(app, last.repository_id, &before).await?;
    let model = app.champion().await?;
    let stands = |facts: &Facts| standing(&assess(facts, &model, &policy));
    Ok(Some(stands(&now)).filter(|now| *now != stands(&before)))
}

/// Asks for a score; says whether it will be made. The job of a pull request that rested for long is forgotten: then it is
/// made anew from what is known.
async fn ask(app: &App, (repository_id, pull_request): (i64, i64), last: &AssessmentRow) -> anyhow::Result<bool> {
    if app.store.is_out_of_reach(repository_id).await? {
        return Ok(false);
    }
    let now = app.clock.now_ms();
    if app.store.request_job_again(&pull_request_key(repository_id, pull_request), now).await? {
        return Ok(true);
    }
    let name = app.store.repository_name(repository_id).await?.unwrap_or_else(|| last.repository.clone());
    let covered = app.store.repository_named(&name).await?.filter(|covered| covered.repository_id == repository_id);
    let (Some(covered), Ok(number)) = (covered, u64::try_from(pull_request)) else { return Ok(false) };
    let Ok(installation_id) = u64::try_from(covered.installation_id) else { return Ok(false) };
    let job = PullRequestJob {
        installation_id,
        repository_id,
        repository: covered.repository,
        number,
        head_sha: Some(last.head_sha.clone()),
        updated_at: None,
        undoes: None,
    };
    app.store.request_job(&route::request(&job, now), now).await?;
    Ok(true)
}

fn standing(assessment: &Assessment) -> Standing {
    let floors = assessment.floors.iter().map(|floor| (floor.rule, floor.exempt_because.is_none()));
    (assessment.level, floors.collect())
}
