//! Datadog -> facts: which services a change is for, and how they fare. Each question has its own fate: what is not
//! answered is unknown with the reason, and what was answered before stands with its age.

mod deployments;
mod mapping;
mod slos;

use std::{future::Future, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join;

use self::mapping::Mapping;
use crate::{
    catalog,
    config::repository::RepositoryPolicy,
    datadog::{Age, Cached, Datadog, Error, Incident, IncidentState, Severity},
    risk::{
        facts::{
            Absence, Asked, Change, FlakyPipeline, FlakySuite, Known, OpenIncident, Reason, Runtime, Source,
            TargetService, Told, Unknown,
        },
        runtime::{self, Answers, nothing},
    },
};

/// How long a score waits for one question, with all that the client waits for its limits.
const PATIENCE: Duration = Duration::from_secs(15);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

const INCIDENTS: Age = Age::within(MINUTE).or_at_worst(Duration::from_secs(600));
const TEST_RUNS: Age = Age::within(HOUR).or_at_worst(DAY);
/// What lies weeks back.
const PAST: Age = Age::within(Duration::from_secs(6 * 3_600)).or_at_worst(Duration::from_secs(12 * 3_600));

/// The time over which a service's deployments are judged.
const JUDGED: TimeDelta = TimeDelta::days(90);
/// Where an incident says its environment, if the organisation has made a property for it. Datadog has none of its own.
const ENV_FIELDS: [&str; 4] = ["env", "envs", "environment", "environments"];
/// Services of one change of which each is asked about; of the others there is only what is asked once for all.
const SERVICES_MAX: usize = 10;
const SUITES: usize = 5;

/// A change whose services are looked for.
pub(in super::super) struct Wanted<'a> {
    /// Host of GitHub's pages.
    pub(in super::super) host: &'a str,
    /// `owner/name`.
    pub(in super::super) full_name: &'a str,
    pub(in super::super) change: &'a Change,
    pub(in super::super) policy: &'a RepositoryPolicy,
    /// The services that these very files had before: they stand while the catalogue is not answered.
    pub(in super::super) before: &'a [TargetService],
    /// Its head was not scored before.
    pub(in super::super) pushed: bool,
}

/// The services of a change and how they fare at `now`. Without Datadog the policy file alone says which they are.
pub(in super::super) async fn health(
    datadog: Option<&Datadog>,
    wanted: &Wanted<'_>,
    now: DateTime<Utc>,
) -> (Vec<TargetService>, Known<Runtime>) {
    let Some(datadog) = datadog else {
        return (mapping::declared(wanted), Err(Unknown::not_connected(Source::Datadog)));
    };
    let datadog = &datadog.patient(PATIENCE);
    let mapping = mapping::read(datadog, wanted).await;
    let runtime = read(datadog, &mapping, wanted, now).await;
    (mapping.services, Ok(runtime))
}

/// The same for a local range, in a repository whose remote has this address.
pub async fn health_of_range(
    datadog: Option<&Datadog>,
    address: Option<&str>,
    change: &Change,
    policy: &RepositoryPolicy,
    now: DateTime<Utc>,
) -> (Vec<TargetService>, Known<Runtime>) {
    let (host, full_name) = address.and_then(catalog::repository_of).unwrap_or_default();
    let wanted = Wanted { host: &host, full_name: &full_name, change, policy, before: &[], pushed: true };
    health(datadog, &wanted, now).await
}

/// Incidents that are not over on any of these services.
pub(in super::super) async fn open_incidents(
    datadog: &Datadog,
    services: &[TargetService],
    now: DateTime<Utc>,
) -> Known<Vec<OpenIncident>> {
    let answer = answered(datadog.patient(PATIENCE).open_incidents(INCIDENTS)).await?;
    Ok(incidents(datadog, &answer.value, services, now))
}

/// How services fare.
async fn read(datadog: &Datadog, mapping: &Mapping, wanted: &Wanted<'_>, now: DateTime<Utc>) -> Runtime {
    let Mapping { services, missing, told } = mapping;
    let looked = &services[..services.len().min(SERVICES_MAX)];
    let repository = format!("{}/{}", wanted.host, wanted.full_name);
    let (slos, (open, ((pipelines, suites), deployed))) = join(
        slos::of_services(datadog, looked, &wanted.policy.services),
        join(
            answered(datadog.open_incidents(INCIDENTS)),
            join(
                join(
                    answered(datadog.flaky_rates(&repository, TEST_RUNS)),
                    answered(datadog.flakiest_suites(&repository, SUITES, TEST_RUNS)),
                ),
                deployments::of_services(datadog, services, looked, now),
            ),
        ),
    )
    .await;
    let mut ages = Ages::default();
    told.iter().for_each(|when| ages.note(Asked::Catalogue, when));
    slos.as_of.iter().for_each(|at| ages.note(Asked::Slos, &When { at: *at, counts: true }));
    deployed.told.iter().for_each(|when| ages.note(Asked::Deployments, when));
    let some = if services.is_empty() { Err(missing.clone().unwrap_or(nothing(Absence::Service))) } else { Ok(()) };
    let open = ages.of(Asked::Incidents, open, When::of);
    let incidents = some.clone().and(open).map(|open| incidents(datadog, &open, services, now));
    let mut change_fail_rates = deployed.change_fail_rates;
    let mut slos_unread = slos.unread;
    if looked.len() < services.len() {
        let (seen, total) = (looked.len() as u64, services.len() as u64);
        let unread = Unknown { source: Source::Datadog, reason: Reason::Partial { seen, total } };
        slos_unread.push(unread.clone());
        change_fail_rates.push(Err(unread));
    }
    if let Err(unmapped) = &some {
        slos_unread.push(unmapped.clone());
        change_fail_rates.push(Err(unmapped.clone()));
    }
    let pipeline = |one: &crate::datadog::FlakyRate| FlakyPipeline {
        pipeline: one.pipeline.clone(),
        runs: one.runs,
        flaky_runs: one.flaky_runs,
    };
    let pipelines = ages.of(Asked::TestRuns, pipelines, When::slow).map(|all| all.iter().map(pipeline).collect());
    let suite = |one: &crate::datadog::FlakySuite| FlakySuite { suite: one.suite.clone(), flakes: one.flakes };
    let suites = suites.map(|suites| suites.value.iter().map(suite).collect()).unwrap_or_default();
    let answers = Answers {
        slos: slos.health,
        slos_unread,
        incidents,
        deployments: some.and(deployed.newest),
        pipelines,
        suites,
        change_fail_rates,
        unmapped: missing.clone().filter(|_| !services.is_empty()),
        as_of: ages.as_of,
        told: runtime::oldest_of_each(ages.told),
    };
    runtime::runtime(answers, now)
}

/// When something was told.
pub(super) struct When {
    at: DateTime<Utc>,
    /// Whether all that Datadog said is as old as this.
    counts: bool,
}

impl When {
    fn of<T>(answer: &Cached<T>) -> Self {
        Self { at: answer.as_of, counts: true }
    }

    /// Of what is asked seldom because it moves slowly. It counts only once it should have been asked again and was not
    /// answered: else every score would look as old as its list of weeks.
    fn slow<T>(answer: &Cached<T>) -> Self {
        Self { at: answer.as_of, counts: answer.stale.is_some() }
    }
}

/// When answers were given.
#[derive(Default)]
struct Ages {
    /// The oldest that counts.
    as_of: Option<DateTime<Utc>>,
    told: Vec<Told>,
}

impl Ages {
    fn note(&mut self, what: Asked, when: &When) {
        self.told.push(Told { what, at: when.at });
        if when.counts {
            self.as_of = self.as_of.into_iter().chain([when.at]).min();
        }
    }

    fn of<T>(
        &mut self,
        what: Asked,
        answer: Known<Cached<T>>,
        when: fn(&Cached<T>) -> When,
    ) -> Known<std::sync::Arc<T>> {
        answer.map(|answer| {
            self.note(what, &when(&answer));
            answer.value
        })
    }
}

/// The answer, or why there is none.
async fn answered<T>(answer: impl Future<Output = Result<T, Error>>) -> Known<T> {
    answer.await.map_err(|error| {
        match error {
            // As long as nobody changes the key or the site, so is every answer; the check run says it.
            Error::Forbidden { .. } | Error::NotFound => tracing::debug!(%error, "Datadog does not tell"),
            _ => tracing::warn!(%error, "a question to Datadog was not answered"),
        }
        Unknown { source: Source::Datadog, reason: error.reason() }
    })
}

fn incidents(
    datadog: &Datadog,
    open: &[Incident],
    services: &[TargetService],
    now: DateTime<Utc>,
) -> Vec<OpenIncident> {
    let of_change = |incident: &Incident| -> Vec<String> {
        let own = services.iter().filter(|service| is_on(incident, service));
        own.map(|service| service.name.clone()).collect()
    };
    let told = open.iter().filter(|incident| incident.is_open() && !incident.is_test).filter_map(|incident| {
        let services = Some(of_change(incident)).filter(|own| !own.is_empty())?;
        Some(OpenIncident {
            id: incident.id.clone(),
            number: incident.number,
            title: incident.title.clone(),
            severity: match incident.severity {
                Severity::Sev(number) => Some(number),
                Severity::Unknown => None,
            },
            active: incident.state == IncidentState::Active,
            since: incident.began(now),
            url: incident.number.and_then(|number| datadog.site().incident_page(number)).map(String::from),
            services,
        })
    });
    told.collect()
}

/// Whether an incident is on a service, in its environment as far as both name one.
fn is_on(incident: &Incident, service: &TargetService) -> bool {
    let mut envs = ENV_FIELDS.iter().flat_map(|name| incident.field(name)).peekable();
    let env = service.env.as_deref();
    let here = envs.peek().is_none() || env.is_none_or(|env| envs.any(|told| told.eq_ignore_ascii_case(env)));
    here && incident.services.iter().any(|name| name.eq_ignore_ascii_case(&service.name))
}
