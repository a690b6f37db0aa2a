//! `mergecast serve`: the App, until it is told to stop.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    clock::Clock,
    config::Config,
    github::{AppCredentials, GitHub, Options, Urls},
    service::{Links, Service, Settings, Timing},
    store::{Store, StoreOptions},
};

/// Runs until SIGINT or SIGTERM, then ends what is under way and returns.
///
/// # Errors
/// When a setting is missing, the database cannot be opened, or the address cannot be had.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let settings = settings(config).await?;
    let store = settings.store.clone();
    let service = Service::start(settings).await?;
    interrupted().await?;
    tracing::info!("stopping: no new work is taken, what is under way is finished");
    service.stop().await;
    store.close().await;
    Ok(())
}

async fn settings(config: &Config) -> anyhow::Result<Settings> {
    let app = config.github_app()?;
    let clock = Clock::system();
    let credentials = AppCredentials { app_id: app.app_id, client_id: app.client_id, private_key_pem: app.private_key };
    let urls = Urls { api: config.github.api_url.clone(), graphql: config.github.graphql_url.clone() };
    let github = GitHub::new(credentials, urls, clock.clone(), Options::default())
        .context("the GitHub App's credentials cannot be used")?;
    Ok(Settings {
        listen: config.listen,
        store: Store::open(StoreOptions::new(config.database.parse()?)).await?,
        github,
        app_id: app.app_id,
        webhook_secrets: app.webhook_secrets,
        links: links(config),
        workers: config.workers,
        clock,
        timing: Timing::default(),
    })
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
    let mut terminated = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("SIGINT cannot be listened for"),
        _ = terminated.recv() => Ok(()),
    }
}

/// An address with a port that is free now.
pub(super) async fn free_port(host: IpAddr) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((host, 0)).await.context("no port is free")?;
    Ok(listener.local_addr()?)
}
