//! When services were deployed, and how often that failed.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join, join_all};

use super::{JUDGED, MINUTE, PAST, When, answered, is_on};
use crate::{
    datadog::{Age, Cached, Datadog, Deployment, Incident},
    risk::{
        facts::{Absence, ChangeFailRate, Known, LatestDeployment, TargetService},
        runtime::{self, nothing},
    },
    slo,
};

/// Deployments of all services in the last hours, which are known to the minute. What is known of each service's weeks is
/// younger than these hours, so that none is in neither list.
const RECENT: TimeDelta = TimeDelta::hours(12);
const DEPLOYMENTS: Age = Age::within(MINUTE).or_at_worst(std::time::Duration::from_secs(600));

/// What was read of the deployments of services.
pub(super) struct Deployed {
    /// The newest of each.
    pub(super) newest: Known<Vec<LatestDeployment>>,
    /// How often deployments of each that was looked at failed.
    pub(super) change_fail_rates: Vec<Known<ChangeFailRate>>,
    /// When this was told.
    pub(super) told: Vec<When>,
}

/// Reads the deployments of services. Those of the last hours are asked for once for all; the weeks before, for each that is
/// looked at.
pub(super) async fn of_services(
    datadog: &Datadog,
    services: &[TargetService],
    looked: &[TargetService],
    now: DateTime<Utc>,
) -> Deployed {
    if !datadog.site().has_dora() {
        let none = nothing(Absence::Deployments);
        let change_fail_rates = looked.iter().map(|_| Err(none.clone())).collect();
        return Deployed { newest: Err(none), change_fail_rates, told: Vec::new() };
    }
    let of_each = looked.iter().map(|service| answered(datadog.deployments_of(&service.name, JUDGED, PAST)));
    let recent = answered(datadog.recent_deployments(RECENT, DEPLOYMENTS));
    let (of_each, (recent, begun)) = join(join_all(of_each), join(recent, answered(begun(datadog, now)))).await;
    let mut told: Vec<When> = of_each.iter().flatten().map(When::slow).collect();
    told.extend(begun.iter().map(When::slow));
    told.extend(recent.iter().map(When::of));
    let rate = |(service, past): (&TargetService, &Known<Cached<Vec<Deployment>>>)| {
        let past = past.as_ref().map_err(Clone::clone)?;
        let begun = begun.as_ref().map_err(Clone::clone)?;
        fail_rate(service, &past.value, &begun.value, now).ok_or_else(|| nothing(Absence::Deployments))
    };
    let change_fail_rates = looked.iter().zip(&of_each).map(rate).collect();
    let newest = recent.and_then(|recent| newest_of_each(services, &recent.value, &of_each));
    Deployed { newest, change_fail_rates, told }
}

/// The newest deployment of each service: among those of the last hours, else among those of its weeks, which are in the
/// order of the services as far as there are any.
fn newest_of_each(
    services: &[TargetService],
    recent: &[Deployment],
    past: &[Known<Cached<Vec<Deployment>>>],
) -> Known<Vec<LatestDeployment>> {
    let mut all = Vec::new();
    for (at, service) in services.iter().enumerate() {
        let newest = match (own(recent, service).max_by_key(|one| one.at()), past.get(at)) {
            (Some(newest), _) => Some(newest),
            (None, Some(past)) => {
                let past = past.as_ref().map_err(Clone::clone)?;
                own(&past.value, service).max_by_key(|one| one.at())
            }
            (None, None) => None,
        };
        all.extend(newest.map(|one| LatestDeployment {
            service: service.name.clone(),
            at: one.at(),
            version: one.version.clone(),
        }));
    }
    Ok(all)
}

/// Deployments of a service to its environment.
fn own<'a>(deployments: &'a [Deployment], service: &'a TargetService) -> impl Iterator<Item = &'a Deployment> {
    let env = |one: &&Deployment| service.env.is_none() || one.env.is_none() || one.env == service.env;
    deployments.iter().filter(|one| one.service == service.name).filter(env)
}

/// Incidents of the time over which deployments are judged.
async fn begun(datadog: &Datadog, now: DateTime<Utc>) -> Result<Cached<Vec<Incident>>, crate::datadog::Error> {
    // To the day, so that the question stays the same for one.
    let day = now.timestamp().div_euclid(slo::DAY_S) * slo::DAY_S;
    let since = DateTime::from_timestamp(day, 0).unwrap_or(now) - JUDGED;
    datadog.incidents_since(since, PAST).await
}

/// `None` without deployments.
fn fail_rate(
    service: &TargetService,
    past: &[Deployment],
    begun: &[Incident],
    now: DateTime<Utc>,
) -> Option<ChangeFailRate> {
    let deployed: Vec<_> = own(past, service).map(Deployment::at).collect();
    let of_service = begun.iter().filter(|one| !one.is_test && is_on(one, service));
    let began: Vec<_> = of_service.filter_map(|one| one.began(now)).collect();
    (!deployed.is_empty()).then(|| runtime::change_fail_rate(service.name.clone(), &deployed, &began))
}
