//! What became of deployments: all that was told, read from the database and reckoned anew. Nothing here asks anybody.

mod brought;
mod comment;
mod names;
mod round;
mod teach;
mod tell;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

pub use names::rules;
pub(super) use round::round;
pub use tell::Telling;

use super::{
    App, Links, Stored,
    gather::{self, outcomes::Named},
};
use crate::{
    deployment::{
        brought::{Graph, Step},
        change::{ChangeId, Shipped},
        incident::{IncidentId, Keeper},
        ledger::reconcile,
        reckoning::{self, Reckoning, Rules, reckon_on},
        sighting::WitnessId,
    },
    report::incidents::{Before, BeforeMerge},
    risk::assessment::Because,
    store::{ReadBetween, Store, StoreError, Teller},
};

/// So long before a window what was told still decides about it: a build that is brought back ran at most 90 days before,
/// and changes follow a deployment that is at most 60 days older.
const BEFORE: TimeDelta = TimeDelta::days(150);

/// Incidents that people may still name.
const NAMED: TimeDelta = TimeDelta::days(90);

/// All that is known of what became of the deployments since `from`, as of `now`.
///
/// # Errors
/// Whatever the database fails with.
pub async fn reckoned(
    store: &Store,
    rules: &Rules,
    from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Reckoning, StoreError> {
    let since = from.checked_sub_signed(BEFORE).unwrap_or(from);
    let told = reckoning::Told {
        sightings: store.sightings(since).await?,
        tellings: store.tellings(since).await?,
        corrections: store.corrections(DateTime::UNIX_EPOCH).await?,
        burns: store.burns().await?.into_iter().map(|(burn, _)| burn).collect(),
        shipped: Shipped::new(),
    };
    let (rules, graph) = (rules.clone(), graph(store).await?);
    // A million deployments take seconds: others are answered meanwhile.
    let reckoned = tokio::task::spawn_blocking(move || {
        let ledger = reconcile(&told.sightings, &rules.ledger);
        let shipped = graph.shipped(&ledger);
        reckon_on(ledger, reckoning::Told { shipped, ..told }, &rules, now)
    });
    Ok(reckoned.await.expect("reckoning does not panic, and is not cancelled"))
}

/// What was read of commits and pull requests.
async fn graph(store: &Store) -> Result<Graph, StoreError> {
    let mut graph = Graph::default();
    for read in store.all_between().await? {
        let ReadBetween { repository, service, before_sha, sha, commits } = read;
        graph.steps.insert(Step { repository: repository.to_lowercase(), service, before_sha, sha }, commits);
    }
    for (repository, pull) in store.all_landed().await? {
        graph.pull_requests.entry(repository.to_lowercase()).or_default().insert(pull.number, pull);
    }
    Ok(graph)
}

/// The incident that people call so: one that was told of, by its id, or one at Datadog. What was told over the API is known
/// to those alone who speak for the same repository or account.
///
/// # Errors
/// Whatever the database fails with.
pub(super) async fn incident_named(app: &App, name: &str, asking: Teller) -> Result<Named, StoreError> {
    let own: Vec<String> = [
        asking.repository_id.map(|id| format!("repository-{id}/{name}")),
        asking.installation_id.map(|id| format!("installation-{id}/{name}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let is_it = |incident: &IncidentId| match incident.keeper {
        Keeper::Api => own.iter().any(|own| incident.id.eq_ignore_ascii_case(own)),
        Keeper::Datadog | Keeper::Pagerduty => incident.id.eq_ignore_ascii_case(name),
    };
    let told = app.store.tellings(app.clock.now() - NAMED).await?;
    let known = told.into_iter().map(|one| one.incident).find(is_it);
    match known {
        Some(incident) => Ok(Named::Known(incident)),
        None => Ok(gather::outcomes::incident_named(app, name).await),
    }
}

/// A repository of GitHub's as the ledger names it: `host/owner/name` in lower case.
pub(super) fn repository(links: &Links, full_name: &str) -> String {
    format!("{}/{full_name}", links.host()).to_lowercase()
}

/// What was said of pull requests before they were merged: of all that came with a candidate for an incident of the window.
///
/// # Errors
/// Whatever the database fails with.
pub(super) async fn before_merge(
    app: &App,
    reckoning: &Reckoning,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<BeforeMerge, StoreError> {
    let began: BTreeMap<&IncidentId, DateTime<Utc>> =
        reckoning.incidents.iter().map(|incident| (&incident.id, incident.began_at)).collect();
    let within = |incident: &IncidentId| began.get(incident).is_some_and(|at| from <= *at && *at < to);
    let candidates: BTreeSet<&WitnessId> = reckoning
        .attributions
        .iter()
        .filter(|attribution| within(&attribution.incident))
        .flat_map(|attribution| attribution.candidates.iter().map(|candidate| &candidate.deployment))
        .collect();
    let mut before = BeforeMerge::new();
    for deployment in reckoning.ledger.live().filter(|deployment| candidates.contains(&deployment.id)) {
        let Some(repository) = &deployment.repository else { continue };
        let changes = deployment.witnesses.iter().find_map(|witness| reckoning.shipped.get(witness));
        for change in changes.into_iter().flatten() {
            let ChangeId::PullRequest(number) = change.id else { continue };
            if let Some(known) = scored(app, repository, number).await? {
                before.insert((repository.clone(), number), known);
            }
        }
    }
    Ok(before)
}

/// The last score of a pull request. It is not scored once it is merged, so that is what was said before.
async fn scored(app: &App, repository: &str, number: u64) -> Result<Option<Before>, StoreError> {
    let own = repository.strip_prefix(app.links.host()).and_then(|rest| rest.strip_prefix('/'));
    let (Some(name), Ok(number)) = (own, i64::try_from(number)) else { return Ok(None) };
    let Some(row) = app.store.by_repository_pr(name, number).await? else { return Ok(None) };
    let (assessment, score, level) = (row.id.clone(), row.score, row.level.clone());
    let stored = Stored::load(&app.store, row, app.links.clone()).await.ok();
    let flagged = stored.map(|stored| stored.assessment().verdict.because == Because::AtOrAboveThreshold);
    Ok(Some(Before { assessment, score, level, flagged }))
}

/// What is kept of it in this process.
pub(super) struct Desk {
    /// By which rules it is reckoned, names apart.
    settings: Rules,
    /// What is told to others.
    telling: Telling,
    /// Environment that PagerDuty's incidents are in.
    pub(super) pagerduty_env: Option<String>,
    /// Whoever reckons for somebody who asks: one at a time takes one core at most, however often it is asked.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// When others were told.
    told: Last,
    /// When all that deployments brought was looked at.
    read: Last,
    /// When what deployments teach was noted.
    taught: Last,
}

impl Desk {
    pub(super) fn new(settings: Rules, telling: Telling, pagerduty_env: Option<String>) -> Self {
        let (turn, told, read, taught) = Default::default();
        Self { settings, telling, pagerduty_env, turn, told, read, taught }
    }
}

/// When something was done last.
#[derive(Default)]
pub(super) struct Last(Mutex<Option<DateTime<Utc>>>);

impl Last {
    /// Whether it is time again; then it counts as done.
    pub(super) fn is_due(&self, now: DateTime<Utc>, every: TimeDelta) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now - last >= every);
        if due {
            *last = Some(now);
        }
        due
    }

    /// It was not done to its end: it is due again.
    fn goes_on(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
