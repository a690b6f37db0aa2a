//! Datadog -> facts: which services a change is for, and how they fare. Each question has its own fate: what is not
//! answered is unknown with the reason, and what was answered before stands with its age.

mod slos;

use std::{future::Future, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join;

use crate::{
    catalog::{self, Claims, Repository},
    config::repository::RepositoryPolicy,
    datadog::{Age, Cached, Datadog, Deployment, Error, Incident, IncidentState, Severity},
    risk::{
        facts::{
            Absence, Change, ChangeFailRate, FlakyPipeline, FlakySuite, Known, LatestDeployment, OpenIncident, Runtime,
            Source, TargetService, Unknown,
        },
        runtime::{self, Answers, nothing},
    },
    slo,
};

/// How long a score waits for one question, with all that the client waits for its limits.
const PATIENCE: Duration = Duration::from_secs(15);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The catalogue changes by hand.
const CATALOGUE: Age = Age::within(HOUR).or_at_worst(DAY);
/// A push may have brought a definition along, which Datadog reads from the repository.
const CATALOGUE_AFTER_PUSH: Age = Age::within(Duration::from_secs(300)).or_at_worst(DAY);
const INCIDENTS: Age = Age::within(MINUTE).or_at_worst(Duration::from_secs(600));
const DEPLOYMENTS: Age = Age::within(MINUTE).or_at_worst(Duration::from_secs(600));
const TEST_RUNS: Age = Age::within(HOUR).or_at_worst(DAY);
/// What lies weeks back.
const PAST: Age = Age::within(Duration::from_secs(6 * 3_600)).or_at_worst(DAY);

/// Deployments so recent may still be baking.
const RECENT: TimeDelta = TimeDelta::hours(3);
/// The time over which a service's deployments are judged.
const JUDGED: TimeDelta = TimeDelta::days(90);
/// Where an incident says its environment, if the organisation has made a property for it. Datadog has none of its own.
const ENV_FIELDS: [&str; 4] = ["env", "envs", "environment", "environments"];
/// Services of one change that are looked at; a change to more is one of everything.
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
        return (targets(&[], wanted), Err(Unknown::not_connected(Source::Datadog)));
    };
    let datadog = &datadog.patient(PATIENCE);
    let age = if wanted.pushed { CATALOGUE_AFTER_PUSH } else { CATALOGUE };
    let (catalogue, past) = join(answered(catalogue(datadog, age)), deployments(datadog, JUDGED, PAST)).await;
    let mut known = catalogue.as_deref().unwrap_or_default().to_vec();
    if let Ok(past) = &past {
        deployed_from(&mut known, &past.value);
    }
    let services = targets(&known, wanted);
    let unmapped = match catalogue {
        Err(missing) => missing,
        Ok(_) => nothing(Absence::Service),
    };
    let runtime = read(datadog, &services, wanted, past, unmapped, now).await;
    (services, Ok(runtime))
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
    let wanted = Wanted { host: &host, full_name: &full_name, change, policy, pushed: true };
    health(datadog, &wanted, now).await
}

/// How services that are known already fare at `now`.
pub(in super::super) async fn health_of(
    datadog: &Datadog,
    services: &[TargetService],
    wanted: &Wanted<'_>,
    now: DateTime<Utc>,
) -> Runtime {
    let datadog = &datadog.patient(PATIENCE);
    let past = deployments(datadog, JUDGED, PAST).await;
    read(datadog, services, wanted, past, nothing(Absence::Service), now).await
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

async fn read(
    datadog: &Datadog,
    services: &[TargetService],
    wanted: &Wanted<'_>,
    past: Known<Cached<Vec<Deployment>>>,
    unmapped: Unknown,
    now: DateTime<Utc>,
) -> Runtime {
    let looked = &services[..services.len().min(SERVICES_MAX)];
    let repository = format!("{}/{}", wanted.host, wanted.full_name);
    let settings = &wanted.policy.services;
    let (slos, ((open, recent), ((pipelines, suites), begun))) = join(
        slos::of_services(datadog, looked, settings),
        join(
            join(answered(datadog.open_incidents(INCIDENTS)), deployments(datadog, RECENT, DEPLOYMENTS)),
            join(
                join(
                    answered(datadog.flaky_rates(&repository, TEST_RUNS)),
                    answered(datadog.flakiest_suites(&repository, SUITES, TEST_RUNS)),
                ),
                answered(begun(datadog, now)),
            ),
        ),
    )
    .await;
    let mut ages = Ages::default();
    let mapped = |known: bool| if known { Ok(()) } else { Err(unmapped.clone()) };
    let some = mapped(!services.is_empty());
    let slos = some.clone().and(slos).map(|read| {
        read.into_iter()
            .map(|(health, as_of)| {
                as_of.into_iter().for_each(|at| ages.note(at));
                health
            })
            .collect()
    });
    let open = ages.of(open);
    let incidents = some.clone().and(open).map(|open| incidents(datadog, &open, services, now));
    let (recent, past) = (ages.of(recent), ages.of(past));
    let newest = some.clone().and(newest_of_each(looked, slice(&recent), slice(&past)));
    let pipelines = ages.of(pipelines).map(|all| {
        let pipeline = |one: &crate::datadog::FlakyRate| FlakyPipeline {
            pipeline: one.pipeline.clone(),
            runs: one.runs,
            flaky_runs: one.flaky_runs,
        };
        all.iter().map(pipeline).collect()
    });
    let suite = |one: &crate::datadog::FlakySuite| FlakySuite { suite: one.suite.clone(), flakes: one.flakes };
    let suites = suites.map(|suites| suites.value.iter().map(suite).collect()).unwrap_or_default();
    let change_fail_rates = some.and(past).and_then(|past| Ok(fail_rates(looked, &past, &ages.of(begun)?, now)));
    let answers = Answers { slos, incidents, deployments: newest, pipelines, suites, change_fail_rates, as_of: ages.0 };
    runtime::runtime(answers, now)
}

/// When the oldest answer was given.
#[derive(Default)]
struct Ages(Option<DateTime<Utc>>);

impl Ages {
    fn note(&mut self, at: DateTime<Utc>) {
        self.0 = Some(self.0.map_or(at, |known| known.min(at)));
    }

    fn of<T>(&mut self, answer: Known<Cached<T>>) -> Known<std::sync::Arc<T>> {
        answer.map(|answer| {
            self.note(answer.as_of);
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

/// The services of the changed files.
fn targets(catalogue: &[catalog::Service], wanted: &Wanted<'_>) -> Vec<TargetService> {
    let branch = wanted.change.base_ref.as_str();
    let repository = Repository { host: wanted.host, full_name: wanted.full_name, branch };
    let claims = Claims::of(catalogue, &wanted.policy.declared.services, repository);
    let files = wanted.change.files.iter().map(|file| (file.path.as_str(), file.previous_path.as_deref()));
    let mut targets = claims.targets(files);
    for target in &mut targets {
        target.env = wanted.policy.services.get(&target.name).and_then(|settings| settings.env.clone());
    }
    targets
}

/// Services as definitions and entities describe them; a service may have both. One of the two is enough.
async fn catalogue(datadog: &Datadog, age: Age) -> Result<Vec<catalog::Service>, Error> {
    let (definitions, entities) = join(datadog.service_definitions(age), datadog.service_entities(false, age)).await;
    let read = match (definitions, entities) {
        (Ok(definitions), Ok(entities)) => [definitions.value, entities.value].to_vec(),
        (Ok(one), Err(error)) | (Err(error), Ok(one)) => {
            tracing::debug!(%error, "one of Datadog's two lists of services was not answered");
            vec![one.value]
        }
        (Err(error), Err(_)) => return Err(error),
    };
    Ok(read.iter().flat_map(|services| services.iter().map(service)).collect())
}

fn service(one: &crate::datadog::CatalogService) -> catalog::Service {
    let link = |link: &crate::datadog::CatalogLink| catalog::Link {
        name: link.name.clone(),
        kind: link.kind.clone(),
        url: link.url.clone(),
    };
    let location = |location: &crate::datadog::CodeLocation| catalog::CodeLocation {
        repository: location.repository.clone(),
        paths: location.paths.clone(),
    };
    catalog::Service {
        name: one.name.clone(),
        source_patterns: one.source_patterns.clone(),
        links: one.links.iter().map(link).collect(),
        code_locations: one.code_locations.iter().map(location).collect(),
        deployed_from: Vec::new(),
    }
}

/// Notes which repositories the deployments of each service came from.
fn deployed_from(services: &mut [catalog::Service], deployments: &[Deployment]) {
    for service in services.iter_mut().filter(|service| !service.source_patterns.is_empty()) {
        let own = deployments.iter().filter(|one| one.service == service.name);
        service.deployed_from = own.filter_map(|one| one.repository.clone()).collect();
        service.deployed_from.sort_unstable();
        service.deployed_from.dedup();
    }
}

/// Deployments of all services; a site without DORA Metrics knows none.
async fn deployments(datadog: &Datadog, window: TimeDelta, age: Age) -> Known<Cached<Vec<Deployment>>> {
    if !datadog.site().has_dora() {
        return Err(nothing(Absence::Deployments));
    }
    answered(datadog.recent_deployments(window, age)).await
}

/// Incidents of the time over which deployments are judged.
async fn begun(datadog: &Datadog, now: DateTime<Utc>) -> Result<Cached<Vec<Incident>>, Error> {
    // To the day, so that the question stays the same for one.
    let day = now.timestamp().div_euclid(slo::DAY_S) * slo::DAY_S;
    let since = DateTime::from_timestamp(day, 0).unwrap_or(now) - JUDGED;
    datadog.incidents_since(since, PAST).await
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

/// The newest deployment of each service: among those of the last hours, which are known to the minute, else among those of
/// the last weeks.
fn newest_of_each(
    services: &[TargetService],
    recent: Result<&[Deployment], &Unknown>,
    past: Result<&[Deployment], &Unknown>,
) -> Known<Vec<LatestDeployment>> {
    let recent = recent.map_err(Clone::clone)?;
    let mut all = Vec::new();
    for service in services {
        let newest = match own(recent, service).max_by_key(|one| one.at()) {
            Some(newest) => Some(newest),
            None => own(past.map_err(Clone::clone)?, service).max_by_key(|one| one.at()),
        };
        let newest = newest.map(|one| LatestDeployment {
            service: service.name.clone(),
            at: one.at(),
            version: one.version.clone(),
        });
        all.extend(newest);
    }
    Ok(all)
}

fn slice(answer: &Known<std::sync::Arc<Vec<Deployment>>>) -> Result<&[Deployment], &Unknown> {
    answer.as_ref().map(|all| all.as_slice())
}

/// Deployments of a service to its environment.
fn own<'a>(deployments: &'a [Deployment], service: &'a TargetService) -> impl Iterator<Item = &'a Deployment> {
    let env = |one: &&Deployment| service.env.is_none() || one.env.is_none() || one.env == service.env;
    deployments.iter().filter(|one| one.service == service.name).filter(env)
}

fn fail_rates(
    services: &[TargetService],
    past: &[Deployment],
    begun: &[Incident],
    now: DateTime<Utc>,
) -> Vec<ChangeFailRate> {
    let rate = |service: &TargetService| {
        let deployed: Vec<_> = own(past, service).map(Deployment::at).collect();
        let of_service = begun.iter().filter(|one| !one.is_test && is_on(one, service));
        let began: Vec<_> = of_service.filter_map(|one| one.began(now)).collect();
        (!deployed.is_empty()).then(|| runtime::change_fail_rate(service.name.clone(), &deployed, &began))
    };
    services.iter().filter_map(rate).collect()
}
