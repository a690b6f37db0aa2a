//! Which services are deployed from which repository, and whose they are: what the catalogue and the policies say. A repository
//! that nobody says anything of is one service, called as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{super::App, repository};
use crate::{
    catalog::{Claims, Repository},
    config::repository::RepositoryPolicy,
    deployment::{ledger::Settings, reckoning::Rules},
    service::gather,
    store::{Store, StoreError},
};

/// Links into a repository without a branch of its own mean this one.
const BRANCH: &str = "main";

/// What was known last, as it is kept: whoever reads the database reckons by the same names.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Names {
    /// By repository, `host/owner/name` in lower case.
    services: BTreeMap<String, BTreeSet<String>>,
    /// By service.
    teams: BTreeMap<String, String>,
}

/// The rules by which outcomes are reckoned: those of the settings, with the names that were known last.
///
/// # Errors
/// Whatever the database fails with.
pub async fn rules(store: &Store, settings: &Rules) -> Result<Rules, StoreError> {
    let Names { services, teams } = store.service_names().await?.unwrap_or_default();
    let rules = settings.clone();
    Ok(Rules { ledger: Settings { services, teams, ..rules.ledger }, ..rules })
}

impl App {
    /// The same for what this process was set up with.
    pub(in super::super) async fn rules(&self) -> Result<Rules, StoreError> {
        rules(&self.store, &self.outcomes.settings).await
    }
}

/// A repository that is covered.
pub(super) struct Covered {
    pub(super) repository_id: i64,
    /// `owner/name`, as GitHub writes it.
    pub(super) full_name: String,
    /// Which files are whose.
    pub(super) claims: Claims,
}

/// Looks at the names anew and keeps them. Gives the repositories that are covered by `owner/name` in lower case; nothing
/// while the catalogue does not answer, and then what was known stays.
pub(super) async fn look(app: &App) -> Result<Option<BTreeMap<String, Covered>>, StoreError> {
    let (catalogue, teams) = match gather::outcomes::services(app).await {
        Ok(known) => known,
        Err(error) => {
            tracing::warn!(error, "which services there are is looked at later");
            return Ok(None);
        }
    };
    let mut all = BTreeMap::new();
    let mut names = Names { services: BTreeMap::new(), teams };
    for (repository_id, full_name) in app.store.covered_repositories().await? {
        let declared = declared(app, repository_id).await?;
        let branches = app.store.mirrored_branches(repository_id).await?;
        let branch = branches.first().map_or(BRANCH, String::as_str);
        let of = Repository { host: app.links.host(), full_name: &full_name, branch };
        let claims = Claims::of(&catalogue, &declared, of);
        let mut services: BTreeSet<String> = claims.services().into_iter().map(str::to_owned).collect();
        if services.is_empty() {
            services.extend(full_name.split_once('/').map(|(_, name)| name.to_owned()));
        }
        names.services.insert(repository(&app.links, &full_name), services);
        all.insert(full_name.to_lowercase(), Covered { repository_id, full_name, claims });
    }
    app.store.save_service_names(&names).await?;
    Ok(Some(all))
}

/// Services that the policies of a repository's branches name, with their patterns.
async fn declared(app: &App, repository_id: i64) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
    let bodies = app.store.last_good_bodies(repository_id).await?;
    let policies = bodies.iter().filter_map(|body| serde_json::from_str::<RepositoryPolicy>(body).ok());
    Ok(policies.flat_map(|policy| policy.declared.services).collect())
}
