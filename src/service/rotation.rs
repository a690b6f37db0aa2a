//! Secrets that change while the service runs: read again when their files change, or when somebody asks for it.
//!
//! What cannot be used changes nothing, and one line of the log says so. Nothing is stored and nothing shown.

use std::{
    fmt,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use secrecy::SecretString;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{App, CoverageSettings, gather::coverage::Remotes, metrics, sources::DatadogKeys};
use crate::github::AppCredentials;

/// What can change.
pub struct Secrets {
    /// The App's key, under the App's id.
    pub credentials: AppCredentials,
    /// Secrets that sign webhooks: the one in force, and during a rotation the one before.
    pub webhook: Vec<SecretString>,
    /// Datadog's keys; without any, those before stay.
    pub datadog: Option<DatadogKeys>,
    /// The other systems that know of coverage, with their tokens.
    pub coverage: CoverageSettings,
}

/// Where secrets come from.
#[derive(Clone)]
pub struct SecretSource {
    /// Files to watch.
    pub files: Vec<PathBuf>,
    /// Reads them again, all of them or none. What it fails with is logged and holds no secret.
    pub read: Arc<dyn Fn() -> anyhow::Result<Secrets> + Send + Sync>,
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSource").field("files", &self.files).finish_non_exhaustive()
    }
}

/// The secrets that sign webhooks, now.
pub(super) struct Rotating {
    webhook: RwLock<Arc<[SecretString]>>,
    /// Somebody wants them read again.
    pub(super) asked: Notify,
}

impl Rotating {
    pub(super) fn new(webhook: Vec<SecretString>) -> Self {
        Self { webhook: RwLock::new(webhook.into()), asked: Notify::new() }
    }

    pub(super) fn webhook(&self) -> Arc<[SecretString]> {
        Arc::clone(&self.webhook.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads secrets again when asked to or when a file of theirs is another one than when this was called, until `stop`.
pub(super) fn watch(app: Arc<App>, source: SecretSource, stop: CancellationToken) -> impl Future<Output = ()> {
    let seen = stamps(&source.files);
    watch_from(app, source, seen, stop)
}

async fn watch_from(app: Arc<App>, source: SecretSource, mut seen: Vec<Option<Stamp>>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let asked = tokio::select! {
            () = stop.cancelled() => break,
            () = app.secrets.asked.notified() => true,
            () = tokio::time::sleep(app.timing.secrets) => false,
        };
        // Before they are read: what changes meanwhile is seen the next time.
        let now = stamps(&source.files);
        if asked || now != seen {
            seen = now;
            read(&app, &source);
        }
    }
}

fn read(app: &App, source: &SecretSource) {
    let result = (source.read)().and_then(|secrets| {
        app.github.replace_key(&secrets.credentials)?;
        if let (Some(datadog), Some(keys)) = (&app.datadog, secrets.datadog)
            && let Err(error) = datadog.replace_keys(keys)
        {
            // What is for GitHub does not wait for it.
            tracing::error!(%error, "Datadog's keys could not be replaced; those before stay in force");
        }
        match Remotes::new(&secrets.coverage) {
            Ok(remotes) => *app.remotes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(remotes),
            Err(error) => {
                tracing::error!(%error, "the tokens for coverage could not be replaced; those before stay in force")
            }
        }
        *app.secrets.webhook.write().unwrap_or_else(PoisonError::into_inner) = secrets.webhook.into();
        Ok(())
    });
    match result {
        Ok(()) => {
            metrics::secrets_read("ok");
            tracing::info!("the secrets were read again and are in force");
        }
        Err(error) => {
            metrics::secrets_read("failed");
            tracing::error!(
                error = format!("{error:#}"),
                "the secrets could not be read again; those before stay in force"
            );
        }
    }
}

/// What tells one version of a file from the next: written in place, or replaced as a whole behind a link.
#[derive(PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed_s: i64,
    changed_ns: i64,
    bytes: u64,
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| stamp(file)).collect()
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    Some(Stamp {
        inode: metadata.ino(),
        changed_s: metadata.ctime(),
        changed_ns: metadata.ctime_nsec(),
        bytes: metadata.len(),
    })
}
