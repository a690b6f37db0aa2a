//! A mirror and the histories read off it for each repository: asked for here, kept up to date by tasks of their own, so
//! that no score waits for one longer than a moment.

mod access;
mod answer;
mod fetch;
mod histories;
mod keep;
mod read;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::sync::Notify;
use url::Url;

use super::App;
use crate::{
    clock::Stopwatch,
    deployment::graph::GraphCommit,
    store::{MirrorRequest, StoreError},
};
pub(super) use answer::{Wanted, Whose, history};
pub(super) use keep::keep;

use histories::Histories;

/// How mirrors are kept.
#[derive(Clone, Debug)]
pub struct MirrorSettings {
    /// Directory of the program's data; mirrors lie below `mirrors` in it.
    pub data_dir: PathBuf,
    /// Base of the git remotes: `{base}/{owner}/{repo}.git`.
    pub git_url: Url,
    /// Mirrors that are fetched at the same time.
    pub at_once: usize,
}

impl MirrorSettings {
    /// Two at a time: one large repository does not hold up the others, and two cores are busy with them at most.
    pub fn new(data_dir: PathBuf, git_url: Url) -> Self {
        Self { data_dir, git_url, at_once: 2 }
    }

    /// Where the mirrors lie.
    pub fn directory(&self) -> PathBuf {
        self.data_dir.join("mirrors")
    }
}

/// The mirrors of this process.
pub(super) struct Mirrors {
    settings: MirrorSettings,
    tokens: access::Tokens,
    repositories: Mutex<HashMap<i64, Repository>>,
    histories: Mutex<Histories>,
    /// A fetch or a history has moved on.
    changed: Notify,
    /// Something is due sooner than was known.
    sooner: Notify,
}

/// What this process does with one repository.
#[derive(Default)]
struct Repository {
    /// Fetches begun.
    begun: u64,
    /// The last fetch that went well, counted as they began.
    done: u64,
    running: Option<Arc<Running>>,
    /// Pull requests are told of the fetch that ended.
    telling: bool,
    /// Histories that are read from their files, by branch.
    loading: Vec<String>,
}

/// A fetch with the reading that follows it.
struct Running {
    percent: AtomicU8,
    begun: Stopwatch,
}

/// Where the files of one repository lie; by its id, so that no name from outside becomes a path.
#[derive(Clone, Debug)]
struct Place {
    mirror: PathBuf,
    histories: PathBuf,
}

impl Mirrors {
    pub(super) fn new(settings: MirrorSettings) -> Self {
        Self {
            settings,
            tokens: access::Tokens::default(),
            repositories: Mutex::default(),
            histories: Mutex::default(),
            changed: Notify::new(),
            sooner: Notify::new(),
        }
    }

    /// Whether nothing is being fetched, read or told.
    pub(super) fn rest(&self) -> bool {
        let at_rest = |each: &Repository| each.running.is_none() && !each.telling && each.loading.is_empty();
        self.repositories().values().all(at_rest)
    }

    /// Has the keeper look for what is due.
    pub(super) fn wake(&self) {
        self.sooner.notify_one();
    }

    /// How much of a repository's first fetch is done, 0-100; `None` unless one is under way.
    pub(super) fn percent(&self, repository_id: i64) -> Option<u8> {
        let repositories = self.repositories();
        let running = repositories.get(&repository_id)?.running.as_ref()?;
        Some(running.percent.load(Ordering::Relaxed))
    }

    fn place(&self, repository_id: i64) -> Place {
        let directory = self.settings.directory();
        Place {
            mirror: directory.join(format!("{repository_id}.git")),
            histories: directory.join(format!("{repository_id}.history")),
        }
    }

    fn repositories(&self) -> MutexGuard<'_, HashMap<i64, Repository>> {
        self.repositories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn histories(&self) -> MutexGuard<'_, Histories> {
        self.histories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a fetch; `None` while one is under way.
    fn begin(&self, repository_id: i64) -> Option<Arc<Running>> {
        let mut repositories = self.repositories();
        let repository = repositories.entry(repository_id).or_default();
        if repository.running.is_some() {
            return None;
        }
        let running = Arc::new(Running { percent: AtomicU8::new(0), begun: Stopwatch::start() });
        repository.begun += 1;
        repository.running = Some(running.clone());
        Some(running)
    }

    /// Ends a fetch; `telling` keeps the repository busy until [`Mirrors::told`].
    fn end(&self, repository_id: i64, went_well: bool, telling: bool) {
        let mut repositories = self.repositories();
        let repository = repositories.entry(repository_id).or_default();
        repository.running = None;
        repository.telling = telling;
        if went_well {
            repository.done = repository.begun;
        }
        drop(repositories);
        self.changed.notify_waiters();
        self.sooner.notify_one();
    }

    fn told(&self, repository_id: i64) {
        self.repositories().entry(repository_id).or_default().telling = false;
    }
}

/// All that an installation covers is to be mirrored.
pub(super) async fn covered(app: &App, installation_id: i64) -> Result<(), StoreError> {
    let Some(mirrors) = &app.mirrors else { return Ok(()) };
    app.store.ask_mirrors_of(installation_id, app.clock.now_ms()).await?;
    mirrors.wake();
    Ok(())
}

/// A branch was pushed to; whether that is of interest. Pushes come in bursts, and one fetch brings all of one.
pub(super) async fn pushed(app: &App, repository_id: i64, branch: &str) -> Result<bool, StoreError> {
    let Some(mirrors) = &app.mirrors else { return Ok(false) };
    if !app.store.is_mirrored(repository_id, branch).await? {
        return Ok(false);
    }
    let now = app.clock.now_ms();
    let run_at = now + app.timing.burst.as_millis() as i64;
    app.store.ask_mirror(&MirrorRequest { repository_id, branch: None, run_at, urgent: false }, now).await?;
    mirrors.wake();
    Ok(true)
}

/// Paths of all files at a commit, where the repository's mirror has it.
pub(super) async fn files(app: &App, repository_id: i64, commit: &str) -> Option<Vec<String>> {
    let place = app.mirrors.as_ref()?.place(repository_id);
    let commit = commit.to_owned();
    let listed = tokio::task::spawn_blocking(move || read::files(&place.mirror, &commit)).await;
    listed.ok().flatten()
}

/// Commits that `sha` has and `before` has not, newest first, where the repository's mirror knows both. `name` is what the
/// repository calls itself, without its owner.
pub(super) async fn between(
    app: &App,
    repository_id: i64,
    name: &str,
    (before, sha): (&str, &str),
) -> Option<Vec<GraphCommit>> {
    let place = app.mirrors.as_ref()?.place(repository_id);
    let (name, before, sha) = (name.to_owned(), before.to_owned(), sha.to_owned());
    let read = tokio::task::spawn_blocking(move || read::between(&place.mirror, &name, &before, &sha)).await;
    read.ok().flatten()
}

/// The whole id of a commit that may be shortened, where the repository's mirror has it.
pub(super) async fn commit(app: &App, repository_id: i64, sha: &str) -> Option<String> {
    let place = app.mirrors.as_ref()?.place(repository_id);
    let sha = sha.to_owned();
    tokio::task::spawn_blocking(move || read::commit(&place.mirror, &sha)).await.ok().flatten()
}

/// Deletes the mirror of a repository and what was read off it; `false` if that has to wait.
pub(super) async fn erase(app: &App, repository_id: i64) -> bool {
    let Some(mirrors) = &app.mirrors else { return true };
    let Some(running) = mirrors.begin(repository_id) else { return false };
    mirrors.histories().forget(repository_id);
    mirrors.tokens.drop_of(repository_id);
    let place = mirrors.place(repository_id);
    let deleted = tokio::task::spawn_blocking(move || fetch::delete(&place)).await;
    drop(running);
    match deleted {
        Ok(Ok(())) => {
            mirrors.repositories().remove(&repository_id);
            true
        }
        Ok(Err(error)) => {
            tracing::error!(repository.id = repository_id, %error, "a mirror could not be deleted and stays for now");
            mirrors.end(repository_id, false, false);
            false
        }
        Err(_) => {
            mirrors.end(repository_id, false, false);
            false
        }
    }
}
