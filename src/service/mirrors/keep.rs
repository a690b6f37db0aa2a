//! Fetches the mirrors that are due, a few at a time and each in a task of its own, and has scores made again that could
//! not wait for one.

use std::{collections::HashMap, sync::Arc, sync::atomic::Ordering, time::Duration};

use chrono::TimeDelta;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use super::{
    super::{App, assess::pull_request_key, heads, installations, metrics},
    Mirrors, Running, access,
    fetch::{self, Done, Kind, Trouble, Work},
};
use crate::{
    clock::Stopwatch,
    store::{DueMirror, MirrorRequest, StoreError},
};

/// The longest sleep between looks at the store; notifications end it earlier.
const POLL: Duration = Duration::from_secs(1);
/// First wait after a failure; doubled each time.
const BACKOFF: Duration = Duration::from_secs(60);
/// The longest wait between tries.
const BACKOFF_LIMIT: Duration = Duration::from_secs(3_600);
/// A branch that no pull request asked for in this long is mirrored no more.
const BRANCH_AGE: TimeDelta = TimeDelta::days(90);
/// Pull requests told of a fetch at a time.
const TOLD_AT_ONCE: usize = 100;
/// How long to wait before looking whether an installation's rate limit is free again.
const PAUSE: Duration = Duration::from_millis(500);

/// Keeps the mirrors until `stop`.
pub(in super::super) async fn keep(app: Arc<App>, tasks: TaskTracker, stop: CancellationToken) {
    let Some(mirrors) = &app.mirrors else { return };
    if let Err(error) = begin(&app, mirrors).await {
        tracing::error!(%error, "mirrors of an earlier run could not be looked through");
    }
    while !stop.is_cancelled() {
        if let Err(error) = start_due(&app, mirrors, &tasks, &stop).await {
            tracing::error!(%error, "mirrors that are due could not be looked for");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = mirrors.sooner.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// What an earlier process left: scores that wait are told of the next fetch, and mirrors that nobody knows are deleted.
async fn begin(app: &App, mirrors: &Mirrors) -> Result<(), StoreError> {
    let now = app.clock.now_ms();
    for repository_id in app.store.repositories_waiting().await? {
        let request = MirrorRequest { repository_id, branch: None, run_at: now, urgent: true };
        app.store.ask_mirror(&request, now).await?;
    }
    let directory = mirrors.settings.directory();
    let ids = tokio::task::spawn_blocking(move || fetch::on_disk(&directory)).await.unwrap_or_default();
    for repository_id in ids {
        if app.store.mirror(repository_id).await?.is_none() {
            tracing::info!(repository.id = repository_id, "a mirror that nothing is known of is deleted");
            super::erase(app, repository_id).await;
        }
    }
    Ok(())
}

async fn start_due(
    app: &Arc<App>,
    mirrors: &Mirrors,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let running = || mirrors.repositories().values().filter(|each| each.running.is_some()).count();
    let most = mirrors.settings.at_once;
    // Those that run are due as well until they end.
    for due in app.store.mirrors_due(app.clock.now_ms(), 2 * most).await? {
        if running() >= most {
            break;
        }
        if let Some(running) = mirrors.begin(due.repository_id) {
            let span = tracing::info_span!("mirror", repository = %due.repository, repository.id = due.repository_id);
            tasks.spawn(one(app.clone(), due, running, stop.clone()).instrument(span));
        }
    }
    Ok(())
}

/// Brings one mirror up to date and notes how that went.
async fn one(app: Arc<App>, due: DueMirror, running: Arc<Running>, stop: CancellationToken) {
    let Some(mirrors) = &app.mirrors else { return };
    let watch = Stopwatch::start();
    let result = refresh(&app, mirrors, &due, &running, &stop).await;
    let took = watch.elapsed();
    let went_well = match result {
        Ok(done) => {
            metrics::mirror_fetched("ok", took);
            match keep_done(&app, mirrors, &due, &done).await {
                Ok(()) => {
                    tracing::info!(took_ms = took.as_millis() as u64, bytes = done.bytes, "the mirror is up to date");
                    true
                }
                Err(error) => {
                    tracing::error!(%error, "a fetch could not be noted and is made again");
                    false
                }
            }
        }
        Err(Trouble { kind: Kind::Stopped, .. }) => false,
        Err(trouble) => {
            metrics::mirror_fetched(trouble.word, took);
            if let Err(error) = failed(&app, &due, &trouble).await {
                tracing::error!(%error, "a failed fetch could not be noted and is made again");
            }
            false
        }
    };
    mirrors.end(due.repository_id, went_well, went_well);
    if went_well {
        tokio::select! {
            // Those that were not told are told after the next start.
            () = stop.cancelled() => {}
            told = tell(&app, &due) => if let Err(error) = told {
                tracing::error!(%error, "scores that wait for a history could not be asked for");
            }
        }
        mirrors.told(due.repository_id);
    }
}

/// Fetches, and once more where another token or another mirror may help.
async fn refresh(
    app: &Arc<App>,
    mirrors: &Mirrors,
    due: &DueMirror,
    running: &Arc<Running>,
    stop: &CancellationToken,
) -> Result<Done, Trouble> {
    let mut last = None;
    for _ in 0..2 {
        let work = prepare(app, mirrors, due).await?;
        let place = work.place.clone();
        let trouble = match blocking(work, running.clone(), stop.clone()).await {
            Ok(done) => return Ok(done),
            Err(trouble) => trouble,
        };
        match trouble.kind {
            Kind::Token => mirrors.tokens.drop_of(due.repository_id),
            Kind::Corrupt => {
                tracing::warn!(why = %trouble.why, "the mirror is made anew");
                mirrors.histories().forget(due.repository_id);
                // What cannot be deleted shows in the next try.
                let _ = tokio::task::spawn_blocking(move || fetch::delete(&place)).await;
            }
            Kind::Stopped | Kind::Elsewhere | Kind::Other => return Err(trouble),
        }
        last = Some(trouble);
    }
    Err(last.expect("two tries were made"))
}

async fn prepare(app: &App, mirrors: &Mirrors, due: &DueMirror) -> Result<Work, Trouble> {
    let other = |word, why: String| Trouble { kind: Kind::Other, word, why };
    let id = due.repository_id;
    let Some((owner, name)) = access::name(&due.repository) else {
        return Err(other("name", "the repository's name is none that GitHub would give".to_owned()));
    };
    let branches = app.store.mirrored_branches(id).await.map_err(|error| other("database", error.to_string()))?;
    let model = app.champion().await.map_err(|error| other("database", error.to_string()))?;
    let base = mirrors.settings.git_url.clone();
    let token = if fetch::takes_token(&base) {
        let token = access::token(app, &mirrors.tokens, due.installation_id, id).await;
        Some(token.map_err(|error| other("token", format!("no token to read it: {error}")))?)
    } else {
        None
    };
    let known: HashMap<_, _> = {
        let mut histories = mirrors.histories();
        branches.iter().filter_map(|branch| Some((branch.clone(), histories.get(id, branch)?))).collect()
    };
    Ok(Work { place: mirrors.place(id), base, owner, name, token, model, branches, known })
}

async fn blocking(work: Work, running: Arc<Running>, stop: CancellationToken) -> Result<Done, Trouble> {
    let working = tokio::task::spawn_blocking(move || {
        let told = |percent| running.percent.store(percent, Ordering::Relaxed);
        fetch::run(&work, &told, &|| stop.is_cancelled())
    });
    working.await.unwrap_or_else(|_| {
        let why = "a defect in Mergecast ended the work (panic)".to_owned();
        Err(Trouble { kind: Kind::Other, word: "defect", why })
    })
}

async fn keep_done(app: &App, mirrors: &Mirrors, due: &DueMirror, done: &Done) -> Result<(), StoreError> {
    {
        let mut histories = mirrors.histories();
        let branches: Vec<&str> = done.histories.iter().map(|(branch, _)| branch.as_str()).collect();
        histories.retain(due.repository_id, &branches);
        for (branch, loaded) in &done.histories {
            histories.keep(due.repository_id, branch, loaded.clone());
        }
    }
    let now = app.clock.now();
    let before = (now - BRANCH_AGE).timestamp_millis();
    let bytes = i64::try_from(done.bytes).unwrap_or(i64::MAX);
    app.store.mirror_fetched(due, &done.rows(), bytes, before, now.timestamp_millis()).await
}

async fn failed(app: &App, due: &DueMirror, trouble: &Trouble) -> Result<(), StoreError> {
    let doublings = u32::try_from(due.attempts.clamp(0, 16)).unwrap_or(0);
    let wait = app.clock.jitter(BACKOFF.saturating_mul(1 << doublings).min(BACKOFF_LIMIT));
    let now = app.clock.now_ms();
    tracing::warn!(why = %trouble.why, wait_s = wait.as_secs(), "the mirror could not be brought up to date");
    app.store.mirror_failed(due, &trouble.why, now + wait.as_millis() as i64).await?;
    if trouble.kind == Kind::Elsewhere && due.attempts == 0 {
        // GitHub's list tells what it is called now, or that it is gone.
        let request = installations::request(due.installation_id.unsigned_abs(), now);
        app.store.request_job(&request, now).await?;
        app.jobs.notify_waiters();
    }
    Ok(())
}

/// Has the scores made again that were made without this fetch, behind whatever people did and within half of the rate
/// limit.
async fn tell(app: &App, due: &DueMirror) -> Result<(), StoreError> {
    loop {
        let waiting = app.store.waiting(due.repository_id, TOLD_AT_ONCE).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        for pull in waiting {
            while access::kept_until(app, due.installation_id).is_some() {
                tokio::time::sleep(PAUSE).await;
            }
            heads::room(app).await?;
            let key = pull_request_key(due.repository_id, pull);
            app.store.tell_waiting(due.repository_id, pull, &key, app.clock.now_ms()).await?;
            app.jobs.notify_waiters();
        }
    }
}
