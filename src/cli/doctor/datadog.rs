//! Datadog: whether it takes the keys, and what of it they may read.

use super::checklist::Finding;
use crate::{
    clock::Clock,
    config::Config,
    datadog::{Access, Age, Datadog, Error, Keys, Options, Site, SourceCheck},
};

const CHECK: &str = "Datadog";

pub(super) async fn check(config: &Config, clock: &Clock) -> Vec<Finding> {
    let (api, app) = match (&config.datadog.api_key, &config.datadog.app_key) {
        (Some(api), Some(app)) => (api.clone(), app.clone()),
        (None, None) => {
            let says = "off: burn rates, incidents, deployments and flaky tests do not enter the score";
            return vec![Finding::ok(CHECK, says)];
        }
        (api, _) => {
            let missing = if api.is_none() { "DD_API_KEY" } else { "DD_APP_KEY" };
            let says = format!("off: {missing} is not set, and one key alone reads nothing");
            return vec![Finding::warn(CHECK, says, format!("set {missing} as well"))];
        }
    };
    let options = Options { deadline: super::EXCHANGE, patience: super::EXCHANGE, tries: 1 };
    let site = Site::new(&config.datadog.site);
    let datadog = match Datadog::new(&config.datadog.api_url, site, Keys { api, app }, clock.clone(), options) {
        Ok(datadog) => datadog,
        Err(error) => return vec![Finding::warn(CHECK, error, "copy both keys anew, each as one line")],
    };
    let checklist = datadog.checklist(Age::NOW).await.value;
    let mut findings = vec![keys(config, &checklist.keys.api, &checklist.keys.app)];
    if checklist.keys.api.is_ok() && checklist.keys.app.is_ok() {
        findings.extend(checklist.sources.iter().map(|one| source(config, one)));
    }
    findings
}

fn keys(config: &Config, api: &Result<(), Error>, app: &Result<(), Error>) -> Finding {
    let site = &config.datadog.site;
    match (api, app) {
        (Ok(()), Ok(())) => Finding::ok(CHECK, format!("{site} takes both keys")),
        (Err(Error::Unauthorized), _) => {
            let fix = "compare DD_API_KEY with the organisation's API keys, and DD_SITE with the address of its pages";
            Finding::warn(CHECK, format!("{site} refuses the API key"), fix)
        }
        (_, Err(Error::Unauthorized)) => {
            let fix = "compare DD_APP_KEY with the organisation's application keys";
            Finding::warn(CHECK, format!("{site} takes the API key and refuses the application key"), fix)
        }
        (Err(error), _) | (_, Err(error)) => {
            let host = config.datadog.api_url.host_str().unwrap_or("Datadog");
            Finding::warn(
                CHECK,
                error,
                format!("see that this machine reaches {host}; until then its facts are unknown"),
            )
        }
    }
}

fn source(config: &Config, check: &SourceCheck) -> Finding {
    let (label, without) = (check.source.label(), check.source.without());
    match &check.access {
        Access::Available => Finding::ok(CHECK, format!("{label}: available")),
        Access::Forbidden if !check.source.is_used() => Finding::ok(CHECK, format!("{label}: forbidden; {without}")),
        Access::Unknown(error) if !check.source.is_used() => Finding::ok(CHECK, format!("{label}: {error}; {without}")),
        Access::NotOnThisSite => {
            Finding::ok(CHECK, format!("{label}: not enabled on {}, so {without}", config.datadog.site))
        }
        Access::Forbidden => {
            let permission = check.source.permission();
            let fix =
                format!("give the application key the scope {permission}, and its owner a role with that permission");
            Finding::warn(CHECK, format!("{label}: forbidden, so {without}"), fix)
        }
        Access::Unknown(error) => {
            Finding::warn(CHECK, format!("{label}: {error}; meanwhile {without}"), "run mergecast doctor again later")
        }
    }
}
