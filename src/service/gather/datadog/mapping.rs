//! Which services a change is for.

use std::time::Duration;

use futures_util::future::join;

use super::{DAY, HOUR, JUDGED, PAST, Wanted, When, answered};
use crate::{
    catalog::{self, Claims, Repository},
    datadog::{Age, Cached, CatalogService, Datadog, Deployment},
    risk::facts::{Known, Reason, TargetService, Unknown},
};

/// The catalogue changes by hand.
const CATALOGUE: Age = Age::within(HOUR).or_at_worst(DAY);
/// A push may have brought a definition along, which Datadog reads from the repository.
const CATALOGUE_AFTER_PUSH: Age = Age::within(Duration::from_secs(300)).or_at_worst(DAY);

/// The services of a change, as far as they are known.
pub(super) struct Mapping {
    pub(super) services: Vec<TargetService>,
    /// Why there may be more.
    pub(super) missing: Option<Unknown>,
    /// When the catalogue was read.
    pub(super) told: Vec<When>,
}

/// Asks the catalogue. It has two lists, of definitions and of entities; a service may be in both.
pub(super) async fn read(datadog: &Datadog, wanted: &Wanted<'_>) -> Mapping {
    let age = if wanted.pushed { CATALOGUE_AFTER_PUSH } else { CATALOGUE };
    let lists = join(answered(datadog.service_definitions(age)), answered(datadog.service_entities(false, age)));
    let ((definitions, entities), deployed) = join(lists, newest(datadog)).await;
    let missing = [definitions.as_ref().err(), entities.as_ref().err()].into_iter().flatten().find(|one| {
        // A list that the site does not have holds nothing back.
        !matches!(one.reason, Reason::Nothing(_))
    });
    let missing = missing.cloned();
    let lists = [definitions.ok(), entities.ok()];
    let told = lists.iter().flatten().map(When::slow).collect();
    let mut known = catalog::merged(lists.iter().flatten().flat_map(|list| list.value.iter().map(service)));
    if let Ok(deployed) = deployed {
        deployed_from(&mut known, &deployed.value);
    }
    let services = targets(&known, wanted);
    match missing {
        Some(missing) => Mapping { told, ..beside(services, wanted.before, missing) },
        None => Mapping { services, missing: None, told },
    }
}

/// The services that the policy file alone names.
pub(super) fn declared(wanted: &Wanted<'_>) -> Vec<TargetService> {
    targets(&[], wanted)
}

/// What was read, with what was known before where something is missing.
fn beside(mut services: Vec<TargetService>, before: &[TargetService], missing: Unknown) -> Mapping {
    let news: Vec<_> = before.iter().filter(|one| services.iter().all(|known| known.name != one.name)).collect();
    services.extend(news.into_iter().cloned());
    services.sort_by(|a, b| a.name.cmp(&b.name));
    Mapping { services, missing: Some(missing).filter(|_| before.is_empty()), told: Vec::new() }
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

fn service(one: &CatalogService) -> catalog::Service {
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

/// The newest deployments, which name repositories where the catalogue does not.
async fn newest(datadog: &Datadog) -> Known<Cached<Vec<Deployment>>> {
    if !datadog.site().has_dora() {
        return Err(crate::risk::runtime::nothing(crate::risk::facts::Absence::Deployments));
    }
    answered(datadog.newest_deployments(JUDGED, PAST)).await
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
