//! What the history says of a pull request. It waits for a fetch or a file for a moment only; then it says how far the
//! loading is, and the score is made again when it is over.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use chrono::{DateTime, Utc};

use super::{super::App, Mirrors, fetch, histories::Loaded};
use crate::{
    clock::Stopwatch,
    github::GitAuthor,
    history::Author,
    risk::{
        Model,
        facts::{self, Change, Known, Reason, Source, Unknown},
    },
    store::{MirrorRequest, StoreError},
};

/// How long a score waits for a fetch that has just begun. A small repository is there by then; a large one is not there
/// much later either.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is shown while all is there and only has to be read from its file.
const ALMOST: u8 = 99;

/// A pull request that history is asked about.
pub(in super::super) struct Wanted<'a> {
    pub(in super::super) repository_id: i64,
    pub(in super::super) pull_request: i64,
    /// Name of the repository today, without its owner. Untrusted.
    pub(in super::super) name: &'a str,
    /// Name of the base branch. Untrusted.
    pub(in super::super) branch: &'a str,
    pub(in super::super) base_sha: &'a str,
    pub(in super::super) author: Whose<'a>,
    /// It was merged: the base branch holds it by now.
    pub(in super::super) landed: bool,
}

/// Whose the change is. Nothing of it is kept.
pub(in super::super) enum Whose<'a> {
    /// That of one person, as the head commit has it.
    One(&'a GitAuthor),
    /// That of several people, or of nobody known.
    Several,
    /// GitHub does not tell.
    Untold,
}

/// How a branch's history stands to a base commit.
enum Standing {
    /// It holds the commit.
    Good(Arc<Loaded>),
    /// It does not hold it, or there is none: a fetch is needed.
    Behind(Option<Arc<Loaded>>),
    /// It is being fetched or read.
    Loading(u8),
    /// The remote has no such branch.
    Absent,
    /// The last fetch failed, and the next one is later.
    Failed(String, Option<Arc<Loaded>>),
}

/// What the history of the base branch, as far as it is mirrored at `at`, says of a change, and of these parts of it. Whom
/// to ask bears the names that git has.
pub(in super::super) async fn history(
    app: &App,
    wanted: &Wanted<'_>,
    change: &Change,
    parts: Vec<Vec<String>>,
    at: DateTime<Utc>,
) -> Result<(Known<facts::History>, Vec<facts::Part>), StoreError> {
    let unknown = |reason| (Err(Unknown { source: Source::History, reason }), Vec::new());
    let unavailable = |why: &str| unknown(Reason::Unavailable(why.to_owned()));
    let Some(mirrors) = &app.mirrors else { return Ok(unknown(Reason::NotConnected)) };
    if wanted.landed {
        return Ok(unavailable("it was merged before it could be compared with what was there"));
    }
    if !fetch::is_branch(wanted.branch) {
        return Ok(unavailable("the base branch has a name that git refuses"));
    }
    if matches!(wanted.author, Whose::Untold) {
        return Ok(unavailable("GitHub does not name the author of the head commit"));
    }
    Ok(match settled(app, mirrors, wanted).await? {
        Ok(loaded) => {
            let author = author(mirrors, wanted, &loaded).await;
            // A number that is nobody's.
            let mut history = loaded.history.about(change, author.unwrap_or_default(), at.timestamp());
            if author.is_none() {
                history.authorless = true;
                history.knowers.clear();
                return Ok((Ok(history), Vec::new()));
            }
            let parts = loaded.history.about_parts(change, parts, author.unwrap_or_default(), at.timestamp());
            (Ok(history), parts)
        }
        Err(reason) => unknown(reason),
    })
}

/// The author of the change as the history knows people; `None` if it has no single one.
async fn author(mirrors: &Mirrors, wanted: &Wanted<'_>, loaded: &Loaded) -> Option<Author> {
    let Whose::One(GitAuthor { name, email }) = wanted.author else { return None };
    if loaded.mailmap.is_none() {
        return Some(Author::named(name));
    }
    let (place, own, email) = (mirrors.place(wanted.repository_id), name.clone(), email.clone());
    let mapped = tokio::task::spawn_blocking(move || fetch::mapped(&place, &own, &email)).await.ok().flatten();
    Some(Author::named(mapped.as_deref().unwrap_or(name)))
}

/// The history to answer from, or why there is none.
async fn settled(app: &App, mirrors: &Mirrors, wanted: &Wanted<'_>) -> Result<Result<Arc<Loaded>, Reason>, StoreError> {
    let Wanted { repository_id, pull_request, base_sha, .. } = *wanted;
    let watch = Stopwatch::start();
    let mut asked = None;
    let mut waits = false;
    loop {
        let mut changed = std::pin::pin!(mirrors.changed.notified());
        // From here on nothing that happens is missed.
        changed.as_mut().enable();
        let standing = standing(app, mirrors, wanted, asked).await?;
        let answer = match &standing {
            Standing::Good(loaded) => Some(Ok(loaded.clone())),
            Standing::Absent => Some(Err(absent())),
            _ => None,
        };
        if let Some(answer) = answer {
            app.store.wait_is_over(repository_id, pull_request).await?;
            return Ok(answer);
        }
        if asked.is_none() && matches!(standing, Standing::Behind(_)) {
            if app.store.has_waited(repository_id, pull_request, base_sha).await?
                && let Standing::Behind(Some(loaded)) = standing
            {
                // A fetch did not bring the base commit: the branch was pushed anew without it.
                app.store.wait_is_over(repository_id, pull_request).await?;
                return Ok(Ok(loaded));
            }
            asked = Some(ask(app, mirrors, wanted).await?);
            continue;
        }
        let left = match &standing {
            Standing::Failed(..) => Duration::ZERO,
            _ => patience_left(mirrors, repository_id, &watch),
        };
        if left.is_zero() && waits {
            return Ok(match standing {
                Standing::Good(loaded) | Standing::Behind(Some(loaded)) | Standing::Failed(_, Some(loaded)) => {
                    Ok(loaded)
                }
                Standing::Behind(None) => Err(Reason::Loading { percent: 0 }),
                Standing::Loading(percent) => Err(Reason::Loading { percent }),
                Standing::Absent => Err(absent()),
                Standing::Failed(why, None) => Err(Reason::Unavailable(why)),
            });
        }
        if left.is_zero() {
            // Then looked once more: what ended before this was noted tells nobody.
            app.store.wait_for_history(repository_id, pull_request, base_sha, app.clock.now_ms()).await?;
            waits = true;
            continue;
        }
        let _ = tokio::time::timeout(left, changed).await;
    }
}

fn absent() -> Reason {
    Reason::Unavailable("the base branch is not at the remote".to_owned())
}

/// Scores that come while a long fetch runs do not wait for it at all.
fn patience_left(mirrors: &Mirrors, repository_id: i64, watch: &Stopwatch) -> Duration {
    let repositories = mirrors.repositories();
    let running = repositories.get(&repository_id).and_then(|each| each.running.as_ref());
    let runs = running.map_or(Duration::ZERO, |running| running.begun.elapsed());
    PATIENCE.saturating_sub(watch.elapsed().max(runs))
}

/// Asks for a fetch; gives how many had begun before.
async fn ask(app: &App, mirrors: &Mirrors, wanted: &Wanted<'_>) -> Result<u64, StoreError> {
    let now = app.clock.now_ms();
    let begun = mirrors.repositories().get(&wanted.repository_id).map_or(0, |each| each.begun);
    let Wanted { repository_id, branch, .. } = *wanted;
    let request = MirrorRequest { repository_id, branch: Some(branch), run_at: now, urgent: true };
    app.store.ask_mirror(&request, now).await?;
    mirrors.wake();
    Ok(begun)
}

/// `asked`: how many fetches had begun when one was asked for. One that began later has what the remote had then.
async fn standing(
    app: &App,
    mirrors: &Mirrors,
    wanted: &Wanted<'_>,
    asked: Option<u64>,
) -> Result<Standing, StoreError> {
    let Wanted { repository_id, branch, base_sha, .. } = *wanted;
    let (running, done) = {
        let repositories = mirrors.repositories();
        let repository = repositories.get(&repository_id);
        let running = repository.and_then(|each| each.running.as_ref());
        (running.map(|each| each.percent.load(Ordering::Relaxed)), repository.map_or(0, |each| each.done))
    };
    let loaded = mirrors.histories().get(repository_id, branch);
    if let Some(loaded) = &loaded {
        if asked.is_some_and(|begun| done > begun) || loaded.tip == base_sha || holds(mirrors, wanted).await {
            return Ok(Standing::Good(loaded.clone()));
        }
        if asked.is_none() {
            return Ok(Standing::Behind(Some(loaded.clone())));
        }
    }
    if running.is_none()
        && let Some(failure) = app.store.mirror(repository_id).await?.and_then(|row| row.failure)
    {
        return Ok(Standing::Failed(failure, loaded));
    }
    if loaded.is_some() {
        return Ok(Standing::Behind(loaded));
    }
    if let Some(percent) = running {
        return Ok(Standing::Loading(percent));
    }
    match asked {
        Some(begun) if done > begun => Ok(Standing::Absent),
        Some(_) => Ok(Standing::Loading(0)),
        None if app.store.history_tip(repository_id, branch).await?.is_some() => {
            Ok(load(mirrors, wanted, app.champion().await?).await)
        }
        None => Ok(Standing::Behind(None)),
    }
}

/// Reads a history from its file, if that does not take long; else the next fetch reads it.
async fn load(mirrors: &Mirrors, wanted: &Wanted<'_>, model: Arc<Model>) -> Standing {
    let Wanted { repository_id, branch, base_sha, .. } = *wanted;
    let Some(_alone) = Loading::begin(mirrors, repository_id, branch) else { return Standing::Loading(ALMOST) };
    let (place, own, base) = (mirrors.place(repository_id), wanted.name.to_owned(), branch.to_owned());
    let watch = Stopwatch::start();
    let reading =
        tokio::task::spawn_blocking(move || fetch::load(&place, &model, &base, &own, &|| watch.elapsed() >= PATIENCE));
    let Ok(Some(loaded)) = reading.await else { return Standing::Behind(None) };
    let loaded = Arc::new(loaded);
    mirrors.histories().keep(repository_id, branch, loaded.clone());
    if loaded.tip == base_sha || holds(mirrors, wanted).await {
        Standing::Good(loaded)
    } else {
        Standing::Behind(Some(loaded))
    }
}

/// Whether the mirror holds the base commit.
async fn holds(mirrors: &Mirrors, wanted: &Wanted<'_>) -> bool {
    let (place, commit) = (mirrors.place(wanted.repository_id), wanted.base_sha.to_owned());
    tokio::task::spawn_blocking(move || fetch::contains(&place, &commit)).await.unwrap_or(false)
}

/// A history is being read from its file; nobody else need do the same.
struct Loading<'a> {
    mirrors: &'a Mirrors,
    repository_id: i64,
    branch: &'a str,
}

impl<'a> Loading<'a> {
    /// `None` while somebody reads it.
    fn begin(mirrors: &'a Mirrors, repository_id: i64, branch: &'a str) -> Option<Self> {
        let mut repositories = mirrors.repositories();
        let loading = &mut repositories.entry(repository_id).or_default().loading;
        if loading.iter().any(|each| each == branch) {
            return None;
        }
        loading.push(branch.to_owned());
        Some(Self { mirrors, repository_id, branch })
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if let Some(repository) = self.mirrors.repositories().get_mut(&self.repository_id) {
            repository.loading.retain(|each| each != self.branch);
        }
        self.mirrors.changed.notify_waiters();
    }
}
