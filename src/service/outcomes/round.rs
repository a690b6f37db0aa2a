//! What Datadog knows of what became of deployments, asked for as time passes: incidents, as they stand; and how SLOs burned
//! around each deployment, once the time after it is over. While no deployment is known, nothing is asked.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{super::App, brought, names};
use crate::{
    datadog::{Datadog, Error},
    deployment::{
        failures::{BURN_WINDOW, BurnWindow, Watch},
        ledger::{Deployment, Settings, reconcile},
    },
    service::gather,
    store::{Backfill, StoreError, Teller},
};

/// Between two rounds. An incident that ends is known so much later, which is short beside the hours of an outcome.
const EVERY: Duration = Duration::from_secs(120);
/// How long one round may wait for Datadog's limits: the next one goes on where this one ended.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Incidents are read back over so long at first, if there are not too many; else over the second of these.
const READ_BACK: [TimeDelta; 2] = [TimeDelta::days(731), TimeDelta::days(90)];
/// What the store calls how far incidents were read.
const INCIDENTS: &str = "datadog.incidents";

/// Deployments whose SLOs are looked at took effect within so long: what was not answered by then stays unknown.
const LOOKED_BACK: TimeDelta = TimeDelta::days(3);
/// Between two questions for a burn that Datadog did not know: its figures come in late.
const ASKED_AGAIN: TimeDelta = TimeDelta::hours(1);
/// Questions for burns in one round, two for each SLO of a deployment: Datadog takes 150 in ten seconds, and scores ask too.
const QUESTIONS_MAX: usize = 200;

/// Looks at incidents and SLOs.
///
/// # Errors
/// Whatever the database fails with; what Datadog does not answer is asked for again in the next round.
pub(in super::super) async fn round(app: &App) -> anyhow::Result<Duration> {
    if !app.store.is_any_deployment_told().await? {
        return Ok(EVERY);
    }
    let now = app.clock.now();
    let covered = names::look(app).await?;
    let settings = app.rules().await?.ledger;
    if let Some(covered) = covered {
        let all = app.outcomes.read.is_due(now, brought::ALL_EVERY);
        if !brought::round(app, &covered, &settings, all, now).await? && all {
            app.outcomes.read.goes_on();
        }
    }
    if let Some(datadog) = &app.datadog {
        let datadog = datadog.patient(PATIENCE);
        incidents(app, &datadog, now).await?;
        burns(app, &datadog, &settings, now).await?;
    }
    super::teach::round(app, now).await?;
    super::tell::round(app, now).await?;
    Ok(EVERY)
}

/// Keeps what is told of incidents; the first time of all that there are, then of those that may still change.
async fn incidents(app: &App, datadog: &Datadog, now: DateTime<Utc>) -> Result<(), StoreError> {
    let known = app.store.backfill(INCIDENTS).await?;
    let spans = match known {
        // What was entered while nobody looked, too.
        Some(known) => vec![now - known.reached.min(now) + gather::outcomes::INCIDENTS_KEPT],
        None => READ_BACK.to_vec(),
    };
    for span in spans {
        let since = now - span;
        match gather::outcomes::incidents(datadog, since, now).await {
            Ok(tellings) => {
                let new = app.store.save_tellings(&tellings, Teller::default()).await?;
                let records = known.map_or(0, |known| known.records) + new;
                let began = known.map_or(since, |known| known.began);
                app.store.backfilled(INCIDENTS, Backfill { began, reached: now, records }).await?;
                if new > 0 {
                    tracing::info!(new, "Datadog tells news of incidents");
                }
                return Ok(());
            }
            // More than are read at once.
            Err(Error::Contract { .. }) => {}
            Err(error) => {
                silent(&error, "incidents");
                return Ok(());
            }
        }
    }
    tracing::warn!("there are more incidents of the last days than are read");
    Ok(())
}

/// Asks how SLOs burned around the deployments of which that can be told by now.
async fn burns(app: &App, datadog: &Datadog, settings: &Settings, now: DateTime<Utc>) -> Result<(), StoreError> {
    let sightings = app.store.sightings(now - LOOKED_BACK).await?;
    let ledger = reconcile(&sightings, settings);
    let over = now - BURN_WINDOW - Watch::default().margin;
    let is_due = |one: &&Deployment| one.at.is_some_and(|at| now - LOOKED_BACK <= at && at <= over);
    let mut questions = 0;
    for deployment in ledger.live().filter(is_due) {
        match around(app, datadog, deployment, settings, now).await? {
            Ok(asked) => questions += asked,
            Err(error) => {
                // A limit, a permission, an outage: what follows would end the same way.
                silent(&error, "SLOs around deployments");
                return Ok(());
            }
        }
        if questions >= QUESTIONS_MAX {
            break;
        }
    }
    Ok(())
}

/// Asks for the SLOs around one deployment; says how many questions that took.
async fn around(
    app: &App,
    datadog: &Datadog,
    deployment: &Deployment,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Result<usize, Error>, StoreError> {
    let Some(at) = deployment.at else { return Ok(Ok(0)) };
    let mut known = Vec::new();
    for witness in &deployment.witnesses {
        known.extend(app.store.burns_around(witness).await?);
    }
    let slos =
        match gather::outcomes::slos(datadog, &deployment.service, deployment.environment.as_ref(), settings).await {
            Ok(slos) => slos,
            Err(error) => return Ok(Err(error)),
        };
    let rests = |id: &str| {
        known.iter().any(|(burn, asked)| {
            burn.slo == id && (burn.before.is_some() && burn.after.is_some() || now - *asked < ASKED_AGAIN)
        })
    };
    let mut questions = 0;
    for slo in slos.iter().filter(|slo| !rests(&slo.id)) {
        let (before, after) = match gather::outcomes::burn_around(datadog, slo, at).await {
            Ok(burned) => burned,
            Err(error) => return Ok(Err(error)),
        };
        questions += 2;
        let burn = BurnWindow { deployment: deployment.id.clone(), slo: slo.id.clone(), before, after };
        if burn.led_to_burn() {
            tracing::info!(deployment = %deployment.id, slo = slo.id, ?before, ?after, "an SLO burned after a deployment");
        }
        app.store.save_burn(&burn, now).await?;
    }
    Ok(Ok(questions))
}

fn silent(error: &Error, what: &'static str) {
    match error {
        // As long as nobody changes the key or the site, so is every answer; `mergecast doctor` says it.
        Error::Forbidden { .. } | Error::NotFound => tracing::debug!(%error, what, "Datadog does not tell"),
        _ => tracing::warn!(%error, what, "a question to Datadog was not answered and is asked again"),
    }
}
