//! Settings of the program (environment, `mergecast.toml`, flags) and of a repository (`.github/mergecast.yml`).
//!
//! Each is parsed once into one struct; what is unknown or wrong is an error with a way out. Nothing here logs, and no
//! error and no `Debug` output holds a secret.

mod lookup;
mod nearest;
mod outcomes;
mod pages;
pub mod repository;
mod settings;
mod value;

use std::{net::SocketAddr, path::PathBuf};

use chrono::TimeDelta;
use secrecy::SecretString;
use url::Url;

pub use lookup::{ConfigSources, SecretPlace};
pub use nearest::nearest;
pub use settings::{SETTINGS, Setting};

use crate::deployment::reckoning::Rules;
use lookup::Lookup;

/// All settings of the program. Secrets are shown by no formatter.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address that the HTTP server listens on.
    pub listen: SocketAddr,
    /// Database URL as written, such as `sqlite://mergecast.db`.
    pub database: String,
    /// Directory for mirrors of repositories.
    pub data_dir: PathBuf,
    /// Repositories are mirrored, and scores read their histories.
    pub mirrors: bool,
    /// Where people reach this server, without a trailing slash; links to its pages start with it.
    pub public_url: Option<Url>,
    /// How many workers assess changes at the same time, 1-64.
    pub workers: usize,
    /// Pull requests that incidents are put down to get a comment.
    pub outcome_comments: bool,
    /// By which rules outcomes are reckoned.
    pub outcomes: Rules,
    /// Address of its own for `/metrics`.
    pub metrics_listen: Option<SocketAddr>,
    /// How long what is stored is kept.
    pub retention: Retention,
    /// What becomes of a model that outcomes make better.
    pub learning: Learning,
    /// Files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
    /// GitHub: addresses and whatever credentials are set.
    pub github: GitHubConfig,
    /// Datadog.
    pub datadog: DatadogConfig,
    /// Codecov.
    pub codecov: CodecovConfig,
    /// SonarQube Cloud or Server.
    pub sonar: SonarConfig,
    /// PagerDuty.
    pub pagerduty: PagerDutyConfig,
}

/// What becomes of a model that outcomes make better beyond noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Learning {
    /// Nothing is learned while the service runs; `calibrate` still does.
    Off,
    /// It is proposed, and a person puts it in force.
    #[default]
    Propose,
    /// It is put in force.
    Activate,
}

/// How long what is stored is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Webhooks as they came.
    pub deliveries: TimeDelta,
    /// The facts behind a score.
    pub facts: TimeDelta,
}

impl Default for Retention {
    fn default() -> Self {
        Self { deliveries: TimeDelta::days(90), facts: TimeDelta::days(2 * 365) }
    }
}

/// GitHub's addresses and the App's credentials, as far as they are set.
#[derive(Clone, Debug)]
pub struct GitHubConfig {
    /// Number of the App.
    pub app_id: Option<u64>,
    /// Client id of the App.
    pub client_id: Option<String>,
    /// Client secret of the App.
    pub client_secret: Option<SecretString>,
    /// Private key of the App in PEM, with real line breaks.
    pub private_key: Option<SecretString>,
    /// Secret that signs webhooks.
    pub webhook_secret: Option<SecretString>,
    /// The secret before the last rotation, still accepted.
    pub webhook_secret_previous: Option<SecretString>,
    /// Base of the REST API.
    pub api_url: Url,
    /// The GraphQL API.
    pub graphql_url: Url,
    /// Base of the git remotes: `{base}/{owner}/{repo}.git`.
    pub git_url: Url,
    /// Issuer of the tokens that workflows get about themselves.
    pub oidc_issuer: Url,
}

/// What the App cannot do without, found complete by [`Config::github_app`].
#[derive(Clone, Debug)]
pub struct GitHubApp {
    /// Number of the App.
    pub app_id: u64,
    /// Client id of the App.
    pub client_id: Option<String>,
    /// Private key of the App in PEM, with real line breaks.
    pub private_key: SecretString,
    /// Secrets that sign webhooks, the current one first; one, or two during a rotation.
    pub webhook_secrets: Vec<SecretString>,
}

/// Datadog's keys and address.
#[derive(Clone, Debug)]
pub struct DatadogConfig {
    /// API key.
    pub api_key: Option<SecretString>,
    /// Application key.
    pub app_key: Option<SecretString>,
    /// Site, one of Datadog's own.
    pub site: String,
    /// Incidents get a link to the score of their cause.
    pub incident_links: bool,
    /// Field of incidents that is written where Datadog refuses links.
    pub incident_field: Option<String>,
    /// DORA Metrics is told of deployments and failures.
    pub dora_events: bool,
    /// Base of the API, derived from the site unless set.
    pub api_url: Url,
}

/// Codecov's token and address.
#[derive(Clone, Debug)]
pub struct CodecovConfig {
    /// API token.
    pub token: Option<SecretString>,
    /// Base of the API.
    pub api_url: Url,
}

/// Sonar's token and address.
#[derive(Clone, Debug)]
pub struct SonarConfig {
    /// User token.
    pub token: Option<SecretString>,
    /// Base of the server.
    pub url: Url,
}

/// What PagerDuty's webhooks are taken by.
#[derive(Clone, Debug)]
pub struct PagerDutyConfig {
    /// Secret that signs them.
    pub webhook_secret: Option<SecretString>,
    /// Environment that its incidents are in.
    pub env: Option<String>,
}

/// A setting that cannot be used. It is shown as one sentence and, on a line of its own, the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}\nhint: {hint}")]
pub struct ConfigError {
    /// What is wrong, with the name of the setting and where it was given; never a secret's value.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl ConfigError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl Config {
    /// Reads every setting: flag before environment before file before default.
    ///
    /// # Errors
    /// The file cannot be read or holds an unknown key; a value cannot be used; a secret is given both as itself and as
    /// a file, or its file cannot be read.
    pub fn load(sources: ConfigSources<'_>) -> Result<Self, ConfigError> {
        let lookup = Lookup::new(sources)?;
        Ok(Self {
            listen: lookup.required("MERGECAST_LISTEN", value::address)?,
            database: lookup.required("MERGECAST_DATABASE", value::database)?,
            data_dir: lookup.required("MERGECAST_DATA_DIR", |text| Ok(PathBuf::from(text)))?,
            mirrors: lookup.required("MERGECAST_MIRRORS", value::switch)?,
            public_url: lookup.optional("MERGECAST_PUBLIC_URL", value::web_url)?,
            workers: lookup.required("MERGECAST_WORKERS", value::workers)?,
            outcome_comments: lookup.required("MERGECAST_OUTCOME_COMMENTS", value::switch)?,
            outcomes: outcomes::rules(
                lookup.required("MERGECAST_PRODUCTION", outcomes::production)?,
                lookup.required("MERGECAST_HOTFIXES", outcomes::hotfixes)?,
                lookup.required("MERGECAST_REVERTS", outcomes::reverts)?,
                lookup.required("MERGECAST_ATTRIBUTION_WINDOW", outcomes::window)?,
                lookup.required("MERGECAST_SLO_BURN_FAILS", value::switch)?,
            ),
            metrics_listen: lookup.optional("MERGECAST_METRICS_LISTEN", value::address)?,
            retention: Retention {
                deliveries: lookup.required("MERGECAST_RETENTION_DELIVERIES", |text| value::age(text, 7))?,
                facts: lookup.required("MERGECAST_RETENTION_FACTS", |text| value::age(text, 30))?,
            },
            learning: lookup.required("MERGECAST_LEARNING", value::learning)?,
            github: github(&lookup)?,
            datadog: datadog(&lookup)?,
            codecov: CodecovConfig {
                token: lookup.secret("CODECOV_TOKEN")?,
                api_url: lookup.required("CODECOV_API_URL", value::web_url)?,
            },
            sonar: SonarConfig {
                token: lookup.secret("SONAR_TOKEN")?,
                url: lookup.required("SONAR_URL", value::web_url)?,
            },
            pagerduty: PagerDutyConfig {
                webhook_secret: lookup.secret("PAGERDUTY_WEBHOOK_SECRET")?,
                env: lookup.optional("PAGERDUTY_ENV", |text| Ok(text.trim().to_owned()))?,
            },
            secret_files: lookup.secret_files(),
        })
    }

    /// The secrets that are set, by their variable, and where each was found; their values are not looked at.
    ///
    /// # Errors
    /// The settings file cannot be read.
    pub fn secret_places(sources: ConfigSources<'_>) -> Result<Vec<(&'static str, SecretPlace)>, ConfigError> {
        let lookup = Lookup::new(sources)?;
        let secrets = SETTINGS.iter().filter(|setting| setting.secret);
        Ok(secrets.filter_map(|setting| Some((setting.env, lookup.place(setting)?))).collect())
    }

    /// The credentials that `serve` cannot do without.
    ///
    /// # Errors
    /// Names every one that is missing.
    pub fn github_app(&self) -> Result<GitHubApp, ConfigError> {
        let github = &self.github;
        let (Some(app_id), Some(private_key), Some(webhook_secret)) =
            (github.app_id, &github.private_key, &github.webhook_secret)
        else {
            let given = [github.app_id.is_some(), github.private_key.is_some(), github.webhook_secret.is_some()];
            let names = ["GITHUB_APP_ID", "GITHUB_PRIVATE_KEY", "GITHUB_WEBHOOK_SECRET"];
            let missing: Vec<&str> =
                names.into_iter().zip(given).filter(|(_, given)| !given).map(|(name, _)| name).collect();
            return Err(ConfigError::new(
                format!("The GitHub App's credentials are incomplete: {} not set", missing.join(", ")),
                "set them in the environment or in mergecast.toml; a secret can also be given as a file, \
                 for example GITHUB_PRIVATE_KEY_FILE=key.pem",
            ));
        };
        let webhook_secrets = [Some(webhook_secret), github.webhook_secret_previous.as_ref()];
        Ok(GitHubApp {
            app_id,
            client_id: github.client_id.clone(),
            private_key: private_key.clone(),
            webhook_secrets: webhook_secrets.into_iter().flatten().cloned().collect(),
        })
    }
}

fn github(lookup: &Lookup<'_>) -> Result<GitHubConfig, ConfigError> {
    let api_url = lookup.required("GITHUB_API_URL", value::web_url)?;
    let graphql_url = match lookup.optional("GITHUB_GRAPHQL_URL", value::web_url)? {
        Some(url) => url,
        None => value::graphql_of(&api_url),
    };
    Ok(GitHubConfig {
        app_id: lookup.optional("GITHUB_APP_ID", value::app_id)?,
        client_id: lookup.optional("GITHUB_CLIENT_ID", |text| Ok(text.to_owned()))?,
        client_secret: lookup.secret("GITHUB_CLIENT_SECRET")?,
        private_key: lookup.secret("GITHUB_PRIVATE_KEY")?.map(|key| value::private_key(&key)).transpose()?,
        webhook_secret: lookup.secret("GITHUB_WEBHOOK_SECRET")?,
        webhook_secret_previous: lookup.secret("GITHUB_WEBHOOK_SECRET_PREVIOUS")?,
        api_url,
        graphql_url,
        git_url: lookup.required("GITHUB_GIT_URL", value::git_url)?,
        oidc_issuer: lookup.required("GITHUB_OIDC_ISSUER", value::web_url)?,
    })
}

fn datadog(lookup: &Lookup<'_>) -> Result<DatadogConfig, ConfigError> {
    let site = lookup.required("DD_SITE", value::datadog_site)?;
    let api_url = match lookup.optional("DD_API_URL", value::web_url)? {
        Some(url) => url,
        None => Url::parse(&format!("https://api.{site}")).expect("a known site makes a URL"),
    };
    Ok(DatadogConfig {
        api_key: lookup.secret("DD_API_KEY")?,
        app_key: lookup.secret("DD_APP_KEY")?,
        site,
        incident_links: lookup.required("DD_INCIDENT_LINKS", value::switch)?,
        incident_field: lookup.optional("DD_INCIDENT_FIELD", |text| Ok(text.trim().to_owned()))?,
        dora_events: lookup.required("DD_DORA_EVENTS", value::switch)?,
        api_url,
    })
}

#[cfg(test)]
mod tests;
