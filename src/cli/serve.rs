//! `mergecast serve`: the App, until it is told to stop.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use anyhow::Context;
use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::datadog;
use crate::{
    clock::Clock,
    config::{Config, ConfigError, GitHubApp},
    datadog::Keys,
    github::{AppCredentials, GitHub, Options, Urls},
    service::{
        CoverageSettings, Links, MirrorSettings, Operations, PagerDutySettings, RemoteSettings, SecretSource, Secrets,
        Service, Settings, Telling, Timing,
    },
    store::{Store, StoreOptions},
};

/// Audience of workflow tokens for a server that has no public address.
const AUDIENCE: &str = "mergecast";

/// Reads the settings once more.
pub(super) type Reread = Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// Runs until SIGINT or SIGTERM, then ends what is under way and returns. SIGHUP has the secrets read again.
///
/// # Errors
/// When a setting is missing, the database cannot be opened, or the address cannot be had.
pub(super) async fn run(config: &Config, reread: Reread) -> anyhow::Result<()> {
    // Before anything that takes a while: without a handler the signal would end the process.
    let mut hangups = signal(SignalKind::hangup()).context("SIGHUP cannot be listened for")?;
    let mut interrupted = std::pin::pin!(interruption()?);
    let settings = settings(config, reread).await?;
    let store = settings.store.clone();
    let service = Service::start(settings).await?;
    loop {
        tokio::select! {
            () = &mut interrupted => break,
            _ = hangups.recv() => service.reread_secrets(),
        }
    }
    tracing::info!("stopping: no new work is taken, what is under way is finished");
    service.stop().await;
    store.close().await;
    Ok(())
}

async fn settings(config: &Config, reread: Reread) -> anyhow::Result<Settings> {
    let app_id = config.github_app()?.app_id;
    let Secrets { credentials, webhook, pagerduty, .. } = secrets(config)?;
    let clock = Clock::system();
    // The database waits for the disk, keys and metrics for entropy and the clock: at once they take as long as the longest.
    let database = StoreOptions { owner: true, ..StoreOptions::new(config.database.parse()?) };
    let store = tokio::spawn(Store::open(database));
    tokio::task::spawn_blocking(Service::prepare);
    let urls = Urls { api: config.github.api_url.clone(), graphql: config.github.graphql_url.clone() };
    let github = GitHub::new(credentials, urls, clock.clone(), Options::default())
        .context("the GitHub App's credentials cannot be used")?;
    let datadog = datadog::client(config, &clock)?;
    Ok(Settings {
        listen: config.listen,
        store: store.await??,
        github,
        app_id,
        webhook_secrets: webhook,
        links: links(config),
        workers: config.workers,
        clock,
        timing: Timing::default(),
        operations: Operations {
            metrics_listen: config.metrics_listen,
            retention: config.retention,
            secrets: Some(SecretSource {
                files: config.secret_files.clone(),
                read: Arc::new(move || secrets(&reread()?)),
            }),
            mirrors: mirrors(config),
            coverage: coverage(config),
            datadog,
            reads_deployments: true,
            outcomes: config.outcomes.clone(),
            telling: Telling {
                incident_links: config.datadog.incident_links,
                incident_field: config.datadog.incident_field.clone(),
                dora_events: config.datadog.dora_events,
                comments: config.outcome_comments,
            },
            pagerduty: PagerDutySettings { secrets: pagerduty, env: config.pagerduty.env.clone() },
            learning: config.learning,
        },
    })
}

fn secrets(config: &Config) -> anyhow::Result<Secrets> {
    let GitHubApp { app_id, client_id, private_key, webhook_secrets } = config.github_app()?;
    Ok(Secrets {
        credentials: AppCredentials { app_id, client_id, private_key_pem: private_key },
        webhook: webhook_secrets,
        pagerduty: config.pagerduty.webhook_secret.iter().cloned().collect(),
        datadog: datadog_keys(config),
        coverage: coverage(config),
    })
}

fn datadog_keys(config: &Config) -> Option<Keys> {
    Some(Keys { api: config.datadog.api_key.clone()?, app: config.datadog.app_key.clone()? })
}

/// Where coverage comes from. Workflow tokens are taken that were made for this very server, by its public address: one that
/// was made for another server must not open this one.
fn coverage(config: &Config) -> CoverageSettings {
    let audience = links(config).public_url.unwrap_or_else(|| AUDIENCE.to_owned());
    let remote = |token: &Option<SecretString>, url: &url::Url| {
        token.clone().map(|token| RemoteSettings { url: url.clone(), token })
    };
    CoverageSettings {
        oidc: Some((config.github.oidc_issuer.clone(), audience)),
        codecov: remote(&config.codecov.token, &config.codecov.api_url),
        sonar: remote(&config.sonar.token, &config.sonar.url),
    }
}

/// How repositories are mirrored; `None` where that is not wanted, and, with a warning, where it cannot be.
fn mirrors(config: &Config) -> Option<MirrorSettings> {
    if !config.mirrors {
        return None;
    }
    if is_of_another_github(config) {
        tracing::warn!("no history is read: GITHUB_API_URL is not GitHub.com's, and GITHUB_GIT_URL is; set it as well");
        return None;
    }
    Some(MirrorSettings::new(config.data_dir.clone(), config.github.git_url.clone()))
}

/// Whether git remotes are looked for at GitHub.com while the API is another server's: its token is no business of
/// GitHub.com, and what has the same name there is another repository.
pub(super) fn is_of_another_github(config: &Config) -> bool {
    let host = |url: &url::Url| url.host_str().map(str::to_ascii_lowercase);
    let com = Some("github.com".to_owned());
    host(&config.github.git_url) == com && host(&config.github.api_url) != Some("api.github.com".to_owned())
}

/// Where links lead. Git remotes live below the address of GitHub's pages, unless they are files.
pub(super) fn links(config: &Config) -> Links {
    let without_slash = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
    let git = &config.github.git_url;
    Links {
        public_url: config.public_url.as_ref().map(without_slash),
        github_url: git.scheme().starts_with("http").then(|| without_slash(git)),
    }
}

/// Returns when the process is asked to end.
pub(super) async fn interrupted() -> anyhow::Result<()> {
    interruption()?.await;
    Ok(())
}

/// Listens from now on for being asked to end; what it gives is over when that has happened.
fn interruption() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminated = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut pressed = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    Ok(async move {
        tokio::select! {
            _ = pressed.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

/// An address with a port that is free now.
pub(super) async fn free_port(host: IpAddr) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((host, 0)).await.context("no port is free")?;
    Ok(listener.local_addr()?)
}
