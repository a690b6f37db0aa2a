//! Reads back what Datadog knows of deployments, oldest first, and then goes on with what is new. How far it is stands in the
//! database after every answer, so a process that ends early is followed by one that goes on there.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::App;
use crate::{
    datadog::{Datadog, Deployment, Error, Event},
    deployment::sighting::Sighting,
    store::{Backfill, StoreError, Teller},
};

/// Between two rounds once all is read.
const EVERY: Duration = Duration::from_secs(300);
/// The shortest wait for a limit: what is let through by then is more than one call.
const BREATH: Duration = Duration::from_secs(5);
/// How far it is read back: Datadog keeps deployments for two years.
const BACK: TimeDelta = TimeDelta::days(730);
/// What came in by then is read again, since some is told late: Datadog takes events that are 18 h old.
const LATE: TimeDelta = TimeDelta::hours(24);
/// Between two looks at what came late.
const LATE_EVERY: TimeDelta = TimeDelta::minutes(30);
/// Each answer begins so long before the end of the last one. Whether Datadog looks at beginnings or ends is not documented;
/// a rollout that takes longer can be missed while it is read back, and is found where it is new.
const OVERLAP: TimeDelta = TimeDelta::hours(1);
/// Events are read window by window: within one they are paged, newest first. Seconds, the longest and the shortest.
pub(super) const WINDOWS_S: [i64; 2] = [2 * 86_400, 600];
/// Answers of one source in one round; others have a turn in between.
const ANSWERS: usize = 20;

pub(in super::super) const DEPLOYMENTS: &str = "datadog.deployments";
const EVENTS: &str = "datadog.events";
/// What is read back.
pub(in super::super) const SOURCES: [&str; 2] = [DEPLOYMENTS, EVENTS];

/// What the ids of deployments begin with that were told from here.
pub(in super::super) const OWN: &str = "mergecast-deployment-";

/// How a round of a source ended.
enum Stopped {
    /// All is read that there is by now.
    Read,
    /// More is there.
    More,
    /// Datadog does not answer now.
    Refused(Error),
    /// It gives the same again and again.
    Stuck,
    Store(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// One round.
pub(in super::super) async fn round(app: &App) -> anyhow::Result<Duration> {
    let Some(datadog) = app.datadog.as_ref().filter(|_| app.reads_deployments) else { return Ok(EVERY) };
    // Nobody waits for it: when a limit is spent it comes back.
    let datadog = datadog.patient(Duration::ZERO);
    let late = app.deployments.late.is_due(app.clock.now(), LATE_EVERY);
    let mut next = EVERY;
    if datadog.site().has_dora() {
        next = next.min(after(app, DEPLOYMENTS, read_deployments(app, &datadog, late).await)?);
    }
    Ok(next.min(after(app, EVENTS, read_events(app, &datadog, late).await)?))
}

/// When the next round of a source is due.
fn after(app: &App, source: &'static str, stopped: Stopped) -> Result<Duration, StoreError> {
    match stopped {
        Stopped::Read => Ok(EVERY),
        Stopped::More => Ok(BREATH),
        Stopped::Refused(Error::RateLimited { until }) => {
            Ok((until - app.clock.now()).to_std().unwrap_or(BREATH).clamp(BREATH, EVERY))
        }
        Stopped::Refused(error) => {
            tracing::warn!(%error, source, "deployments could not be read back; it goes on where it is");
            Ok(EVERY)
        }
        Stopped::Stuck => {
            tracing::error!(
                source,
                "more deployments have one time than Datadog gives at once; what is newer is not read"
            );
            Ok(EVERY)
        }
        Stopped::Store(error) => Err(error),
    }
}

async fn read_deployments(app: &App, datadog: &Datadog, late: bool) -> Stopped {
    let mut reading = match Reading::of(app, DEPLOYMENTS, late).await {
        Ok(reading) => reading,
        Err(error) => return error.into(),
    };
    for _ in 0..ANSWERS {
        let now = app.clock.now();
        let part = match datadog.oldest_deployments(reading.from, now).await {
            Ok(part) => part,
            Err(error) => return Stopped::Refused(error),
        };
        let newest = part.records.iter().map(Deployment::at).max();
        // What Mergecast told there is no witness of its own.
        let told =
            part.records.iter().filter(|one| !one.id.starts_with(OWN)).map(Deployment::sighting).collect::<Vec<_>>();
        let (reached, from) = match newest.filter(|_| part.more) {
            None => (now, now),
            Some(newest) => {
                // Where a thousand fit into the overlap it is given up, or it would never move on.
                let back = (newest - OVERLAP).max(reading.from);
                (newest, if back > reading.from { back } else { newest })
            }
        };
        if part.more && from <= reading.from {
            return Stopped::Stuck;
        }
        if let Err(error) = reading.keep(app, &told, reached, from).await {
            return error.into();
        }
        if !part.more {
            return Stopped::Read;
        }
    }
    Stopped::More
}

async fn read_events(app: &App, datadog: &Datadog, late: bool) -> Stopped {
    let mut reading = match Reading::of(app, EVENTS, late).await {
        Ok(reading) => reading,
        Err(error) => return error.into(),
    };
    for _ in 0..ANSWERS {
        let now = app.clock.now();
        let to = (reading.from + app.deployments.window()).min(now);
        let events = match datadog.deployment_events(reading.from, to).await {
            Ok(events) => events,
            Err(error) => {
                // Too many for one window, or for what the limit leaves: the next one is shorter.
                if matches!(error, Error::Contract { .. } | Error::RateLimited { .. }) {
                    app.deployments.shorter();
                }
                return Stopped::Refused(error);
            }
        };
        app.deployments.longer();
        let told: Vec<Sighting> = events.iter().filter_map(Event::sighting).collect();
        if let Err(error) = reading.keep(app, &told, to, to).await {
            return error.into();
        }
        if to >= now {
            return Stopped::Read;
        }
    }
    Stopped::More
}

/// How far a source is, and from where on it is asked next.
struct Reading {
    source: &'static str,
    backfill: Backfill,
    from: DateTime<Utc>,
}

impl Reading {
    async fn of(app: &App, source: &'static str, late: bool) -> Result<Self, StoreError> {
        let now = app.clock.now();
        let known = app.store.backfill(source).await?;
        let backfill = known.unwrap_or(Backfill { began: now - BACK, reached: now - BACK, records: 0 });
        // While it is behind it only goes on; what came late is looked for now and again, so that it never falls behind for it.
        let is_behind = now - backfill.reached > LATE;
        let back = if late && !is_behind { LATE } else { OVERLAP };
        Ok(Self { source, backfill, from: (backfill.reached - back).max(backfill.began) })
    }

    /// Keeps what was told, and then that all before `reached` is.
    async fn keep(
        &mut self,
        app: &App,
        told: &[Sighting],
        reached: DateTime<Utc>,
        from: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        app.store.save_sightings(told, Teller::default()).await?;
        self.backfill.records += told.len() as u64;
        self.backfill.reached = self.backfill.reached.max(reached);
        self.from = from;
        app.store.backfilled(self.source, self.backfill).await?;
        let Backfill { began, reached, records } = self.backfill;
        let (done, all) = ((reached - began).num_seconds(), (app.clock.now() - began).num_seconds().max(1));
        let percent = done * 100 / all;
        tracing::info!(source = self.source, percent, records, %reached, "deployments are read back");
        Ok(())
    }
}
