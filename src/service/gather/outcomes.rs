//! What other systems know of what became of deployments: incidents, and the catalogue that says whose they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{super::App, datadog::ENV_FIELDS};
use crate::{
    catalog,
    datadog::{Age, CatalogService, Datadog, Error, Incident as DatadogIncident, IncidentState, Severity},
    deployment::{
        failures::BURN_WINDOW,
        incident::{Activity, IncidentId, Keeper, Span, Telling},
        ledger::{Environment, Settings},
    },
    pagerduty::{Catalogue, CataloguedService},
    risk::{facts::Unknown, runtime},
    slo::{self, Objective, Slo, Target, Window},
};

/// The catalogue changes by hand.
const CATALOGUE: Age = Age::within(Duration::from_secs(900)).or_at_worst(Duration::from_secs(86_400));
/// Fields in which people write what happened; files that they name are evidence.
const NOTES: [&str; 2] = ["summary", "root_cause"];

/// SLOs are made by hand.
const SLOS: Age = Age::within(Duration::from_secs(900)).or_at_worst(Duration::from_secs(86_400));
/// SLOs of one service that are looked at around a deployment.
const SLOS_MAX: usize = 25;

/// How far back incidents are read while the service runs; what is older no longer changes.
pub(in super::super) const INCIDENTS_KEPT: TimeDelta = TimeDelta::days(30);

/// Incidents that people may still name.
const NAMED: TimeDelta = TimeDelta::days(90);
/// How old the list may be in which a name is looked for.
const NAMES: Age = Age::within(Duration::from_secs(60)).or_at_worst(Duration::from_secs(600));

/// What the catalogue says of services and teams, for PagerDuty's incidents; nothing where there is no Datadog.
///
/// # Errors
/// It is not known for now, in words.
pub(in super::super) async fn catalogue(app: &App) -> Result<Catalogue, String> {
    let mut services: Vec<CataloguedService> = listed(app).await?.iter().map(catalogued).collect();
    // Both lists may have a service: one row has all that is known of it.
    services.sort_by(|a, b| a.name.cmp(&b.name));
    services.dedup_by(|other, kept| {
        let same = other.name == kept.name;
        if same {
            kept.team = kept.team.take().or_else(|| other.team.take());
            kept.pagerduty_url = kept.pagerduty_url.take().or_else(|| other.pagerduty_url.take());
        }
        same
    });
    let teams = services.iter().filter_map(|service| service.team.clone()).collect();
    Ok(Catalogue { services, teams })
}

/// Services of the catalogue with what they claim of repositories, and whose they are.
///
/// # Errors
/// It is not known for now, in words.
pub(in super::super) async fn services(app: &App) -> Result<(Vec<catalog::Service>, BTreeMap<String, String>), String> {
    let listed = listed(app).await?;
    let teams = listed.iter().filter_map(|one| Some((one.name.clone(), one.owner.clone()?))).collect();
    Ok((catalog::merged(listed.iter().map(super::datadog::service)), teams))
}

/// Both lists of the catalogue; nothing where there is no Datadog.
async fn listed(app: &App) -> Result<Vec<CatalogService>, String> {
    let Some(datadog) = &app.datadog else { return Ok(Vec::new()) };
    let datadog = datadog.patient(super::datadog::PATIENCE);
    let (definitions, entities) =
        futures_util::future::join(datadog.service_definitions(CATALOGUE), datadog.service_entities(false, CATALOGUE))
            .await;
    let mut services = Vec::new();
    for list in [definitions, entities] {
        match list {
            Ok(list) => services.extend(list.value.iter().cloned()),
            // Without a right to it there is none; that does not pass.
            Err(Error::Forbidden { .. } | Error::NotFound) => {}
            Err(error) => return Err(format!("the catalogue of services is not known: {error}")),
        }
    }
    Ok(services)
}

fn catalogued(service: &CatalogService) -> CataloguedService {
    CataloguedService {
        name: service.name.clone(),
        team: service.owner.clone(),
        pagerduty_url: service.pagerduty_url.clone(),
    }
}

/// Datadog's incidents that were entered at `since` or later, as they stand.
///
/// # Errors
/// Why they are not known.
pub(in super::super) async fn incidents(
    datadog: &Datadog,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Vec<Telling>, Error> {
    let answer = datadog.incidents_since(since, Age::NOW).await?;
    Ok(answer.value.iter().filter_map(|incident| telling(incident, now)).collect())
}

/// What Datadog tells of an incident. It is said when the incident was changed last: asked for again, the same is the same.
fn telling(incident: &DatadogIncident, now: DateTime<Utc>) -> Option<Telling> {
    let spans: Vec<Span> = incident.active.iter().map(|&(from, to)| Span { from, to }).collect();
    let ends = spans.iter().filter_map(|span| span.to.or(Some(span.from))).max();
    // The index of the search may lag behind, and know of an end before it knows of the change.
    let said = [incident.modified, incident.created, incident.resolved, ends];
    let said_at = said.into_iter().flatten().filter(|at| *at <= now).max()?;
    let began_at = incident.began(now);
    let id = IncidentId { keeper: Keeper::Datadog, id: incident.id.clone() };
    let notes: Vec<&str> = NOTES.iter().flat_map(|name| incident.field(name)).map(String::as_str).collect();
    Some(Telling {
        title: incident.title.clone(),
        note: notes.join("\n"),
        services: incident.services.iter().cloned().collect(),
        teams: incident.teams.iter().cloned().collect(),
        env: environment(incident),
        severity: match incident.severity {
            Severity::Sev(number) => Some(number),
            Severity::Unknown => None,
        },
        began_at,
        detected_at: incident.detected.or(incident.declared),
        activity: activity(incident, spans, began_at),
        test: incident.is_test,
        ..Telling::new(id, said_at)
    })
}

/// The spans in which it was active. Where Datadog has none of them, what is between beginning and end, which is the most
/// that it can have been; of one that goes on, that it does.
fn activity(incident: &DatadogIncident, spans: Vec<Span>, began: Option<DateTime<Utc>>) -> Activity {
    if !spans.is_empty() {
        return Activity::Spans(spans);
    }
    let from = incident.declared.or(began);
    match (from, incident.resolved, incident.state) {
        (Some(from), Some(to), _) if to >= from => Activity::Spans(vec![Span { from, to: Some(to) }]),
        (Some(from), _, IncidentState::Active) => Activity::Spans(vec![Span { from, to: None }]),
        _ => Activity::Untold,
    }
}

/// The environment, where it names exactly one.
fn environment(incident: &DatadogIncident) -> Option<String> {
    let mut named: BTreeSet<&String> = ENV_FIELDS.iter().flat_map(|name| incident.field(name)).collect();
    named.pop_first().filter(|_| named.is_empty()).cloned()
}

/// The SLOs of a service that promise something, in an environment as far as they name one.
///
/// # Errors
/// Why they are not known.
pub(in super::super) async fn slos(
    datadog: &Datadog,
    service: &str,
    environment: Option<&Environment>,
    settings: &Settings,
) -> Result<Vec<Slo>, Error> {
    let answer = datadog.slos_of(service, SLOS).await?;
    let is_there = |slo: &&Slo| {
        let mut envs = slo.tags.iter().filter_map(|tag| tag.strip_prefix("env:")).peekable();
        envs.peek().is_none() || envs.any(|env| Some(&settings.environment(env)) == environment)
    };
    let promising = answer.value.iter().filter(|slo| slo.primary().is_some());
    Ok(promising.filter(is_there).take(SLOS_MAX).cloned().collect())
}

/// The burn rate of an SLO over [`BURN_WINDOW`] before and after an instant; what is not known of it is none.
///
/// # Errors
/// Datadog does not answer.
pub(in super::super) async fn burn_around(
    datadog: &Datadog,
    slo: &Slo,
    at: DateTime<Utc>,
) -> Result<(Option<f64>, Option<f64>), Error> {
    let Some(Objective { target, .. }) = slo.primary() else { return Ok((None, None)) };
    let (at_s, span_s) = (at.timestamp(), BURN_WINDOW.num_seconds());
    let before = burned(datadog, slo, target, Window::before(at_s, span_s)).await?;
    let after = burned(datadog, slo, target, Window::before(at_s + span_s, span_s)).await?;
    Ok((before, after))
}

async fn burned(datadog: &Datadog, slo: &Slo, target: Target, window: Window) -> Result<Option<f64>, Error> {
    let history = datadog.slo_history_in(&slo.id, window, Some(target), Age::NOW).await?;
    Ok(slo::measure(&history.value, target).ok().map(|measured| measured.average.rate))
}

/// What became of a name that somebody gave.
pub(in super::super) enum Named {
    /// It is this incident.
    Known(IncidentId),
    /// Nobody knows an incident that is called so.
    Unknown,
    /// That cannot be told now.
    Untold(Unknown),
}

/// The incident at Datadog that people call so.
pub(in super::super) async fn incident_named(app: &App, name: &str) -> Named {
    let Some(datadog) = &app.datadog else { return Named::Unknown };
    // To the day, so that the question stays the same for one.
    let today = app.clock.now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    match super::datadog::answered(datadog.patient(super::datadog::PATIENCE).incidents_since(today - NAMED, NAMES))
        .await
    {
        Ok(answer) => {
            let is_it = |incident: &&DatadogIncident| runtime::names(name, &incident.id, incident.number);
            let id = |incident: &DatadogIncident| IncidentId { keeper: Keeper::Datadog, id: incident.id.clone() };
            answer.value.iter().find(is_it).map_or(Named::Unknown, |incident| Named::Known(id(incident)))
        }
        Err(missing) => Named::Untold(missing),
    }
}
