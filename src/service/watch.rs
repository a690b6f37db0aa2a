//! The watch over services: a burn that starts or ends, an incident that opens or ends. Open pull requests are scored
//! again where that changes the level of their score or a floor; their check runs say so, and nobody is told otherwise.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{App, assess::pull_request_key, gather};
use crate::{
    risk::{
        Model, assess,
        assessment::{Assessment, FloorRule, Level},
        facts::Facts,
        policy::Policy,
    },
    store::AssessmentRow,
};

/// Between two rounds. Datadog is asked less often: answers are kept for some minutes.
const EVERY: Duration = Duration::from_secs(60);
/// Pull requests that one round looks at; the next one goes on behind them.
const PULLS_MAX: usize = 200;
/// Scores that one round asks for. An incident on a service that everybody changes is no reason to hold up people's
/// events, which use the same limits at GitHub.
const SCORES_MAX: usize = 20;

/// Where the watch is.
#[derive(Default)]
pub(super) struct Watched(Mutex<(i64, i64)>);

impl Watched {
    fn after(&self) -> (i64, i64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn move_to(&self, pull: (i64, i64)) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pull;
    }
}

/// Looks at the open pull requests that are for some service.
pub(super) async fn round(app: &App) -> anyhow::Result<Duration> {
    if app.datadog.is_none() {
        return Ok(EVERY);
    }
    let after = app.watched.after();
    let pulls = app.store.pulls_with_services(after, PULLS_MAX).await?;
    let mut asked = 0;
    for (repository_id, pull_request) in &pulls {
        if asked == SCORES_MAX {
            break;
        }
        app.watched.move_to((*repository_id, *pull_request));
        let Some(last) = app.store.latest_assessment(*repository_id, *pull_request).await? else { continue };
        if is_outdated(app, &last).await? {
            let key = pull_request_key(*repository_id, *pull_request);
            app.store.request_job_again(&key, app.clock.now_ms()).await?;
            asked += 1;
            tracing::info!(pr.number = pull_request, "the health of its services changes a score, which is made again");
        }
    }
    if pulls.len() < PULLS_MAX && asked < SCORES_MAX {
        app.watched.move_to((0, 0));
    }
    if asked > 0 {
        app.jobs.notify_waiters();
    }
    Ok(EVERY)
}

/// Whether the health of the services of now would give another level or other floors.
async fn is_outdated(app: &App, last: &AssessmentRow) -> anyhow::Result<bool> {
    let read = (serde_json::from_str::<Facts>(&last.facts), serde_json::from_str::<Policy>(&last.policy));
    let (Ok(before), Ok(policy)) = read else { return Ok(false) };
    let mut now = before.clone();
    now.runtime = gather::health_now(app, last.repository_id, &before).await?;
    let stands = |facts: &Facts| standing(&assess(facts, Model::baseline(), &policy));
    Ok(stands(&before) != stands(&now))
}

/// What people act on.
fn standing(assessment: &Assessment) -> (Level, Vec<(FloorRule, bool)>) {
    let floors = assessment.floors.iter().map(|floor| (floor.rule, floor.exempt_because.is_none()));
    (assessment.level, floors.collect())
}
