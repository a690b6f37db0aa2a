//! Deliveries that GitHub could not hand over: found in its log and asked for again. GitHub never does so by itself, and
//! keeps the log for three days. A delivery that it did hand over and that is not in the database is missing too: the
//! database was put back from a copy since.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{App, number};
use crate::{
    github::{EVENTS, Error, GitHub, HookDelivery},
    store::{LogWalk, MissedDelivery, RecoveryState, Store, StoreError},
};

/// How far back deliveries can be asked for; a GitHub Enterprise Server keeps more, which is not relied upon.
pub const KEPT: TimeDelta = TimeDelta::days(3);

/// Time between two looks. An idle App pays one request each time, twelve an hour in all; what was lost while the service
/// ran is back within minutes.
const EVERY: Duration = Duration::from_secs(300);
/// Time between two looks while there is more to read or to ask for.
const SOON: Duration = Duration::from_secs(60);
/// The log may tell of a delivery a little late, and the clocks may differ: each look reads this much once more.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// Pages of a hundred read in one round. At one round a minute that is 3,600 requests an hour of the App's own 5,000; the
/// service's other requests as the App are a few.
const PAGES: usize = 60;
/// Deliveries asked for in one round. A write counts 5 of the 900 points that GitHub allows in a minute: this is half.
const ASKS: usize = 90;
/// How long a delivery that was asked for may take to come; doubled each time.
const ASK_AGAIN: Duration = Duration::from_secs(600);
/// How often that is doubled: every 160 minutes, so that what was lost in a long outage comes soon after its end.
const DOUBLED: u32 = 4;

/// Reads the log back to the last time known good and asks for what is missing.
pub(super) async fn round(app: &App) -> anyhow::Result<Duration> {
    match look(app).await {
        Ok(wait) => Ok(wait),
        Err(Failure::GitHub(Error::RateLimited { until, .. })) => {
            tracing::info!(%until, "looking for lost deliveries waits for the App's rate limit");
            Ok((until - app.clock.now()).to_std().unwrap_or_default().max(SOON))
        }
        Err(error) => Err(error.into()),
    }
}

/// Why a look ended early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("GitHub's log of deliveries")]
    GitHub(#[from] Error),
    #[error("the database")]
    Store(#[from] StoreError),
}

async fn look(app: &App) -> Result<Duration, Failure> {
    let now = app.clock.now();
    let state = app.store.recovery().await?;
    let more = read(app, state, now).await?;
    let expired = app.store.forget_missed((now - KEPT).timestamp_millis()).await?;
    if expired > 0 {
        tracing::error!(deliveries = expired, "deliveries were lost: GitHub could not hand them over in three days");
    }
    ask(app, now).await?;
    let next = app.store.missed_counts().await?.next_ask_at;
    let due = next.map(|at| Duration::from_millis((at - now.timestamp_millis()).max(0).unsigned_abs()));
    Ok(if more { SOON } else { due.map_or(EVERY, |due| due.clamp(SOON, EVERY)) })
}

/// Takes note of what is missing; `true` if the log holds more than one round reads.
async fn read(app: &App, state: RecoveryState, now: DateTime<Utc>) -> Result<bool, Failure> {
    let good_until = state.good_until.and_then(DateTime::from_timestamp_millis);
    let oldest = good_until.map_or(now - KEPT, |at| (at - OVERLAP).max(now - KEPT));
    let (started, cursor) = match state.walk {
        Some(walk) => (walk.started, Some(walk.cursor)),
        None => (now.timestamp_millis(), None),
    };
    let log = match Log::read(&app.github, cursor.as_deref(), oldest, PAGES).await {
        // A cursor that GitHub no longer takes: the reading begins anew.
        Err(Error::NotFound | Error::Gone | Error::Invalid { .. }) if cursor.is_some() => {
            app.store.save_recovery(state.good_until, None, now.timestamp_millis()).await?;
            return Ok(true);
        }
        log => log?,
    };
    let missing = missing(&app.store, &log, app.started_at + OVERLAP).await?;
    let forgotten = missing.iter().filter(|each| each.delivered).count();
    if forgotten > 0 {
        tracing::warn!(
            deliveries = forgotten,
            "deliveries that were answered are not in the database: asking for them"
        );
    }
    let missing: Vec<MissedDelivery> = missing.into_iter().map(missed).collect();
    app.store.save_missed(&missing, now.timestamp_millis()).await?;
    let walk = log.next.map(|cursor| LogWalk { started, cursor });
    let good_until = if walk.is_some() { state.good_until } else { Some(started) };
    app.store.save_recovery(good_until, walk.as_ref(), now.timestamp_millis()).await?;
    Ok(walk.is_some())
}

/// What the log tells of and the database does not have. What was handed over before this database took its first was
/// another one's, and so is what is handed over from `until` on: the database is not put back under a running process.
async fn missing<'a>(store: &Store, log: &'a Log, until: DateTime<Utc>) -> Result<Vec<&'a HookDelivery>, StoreError> {
    let since = store.deliveries_since().await?.unwrap_or(i64::MAX);
    let answered = since..until.timestamp_millis();
    let mut missing = Vec::new();
    for each in log.wanted() {
        let ours = !each.delivered || answered.contains(&each.delivered_at.timestamp_millis());
        if ours && !store.has_delivery(&each.guid).await? {
            missing.push(each);
        }
    }
    Ok(missing)
}

/// Asks for those that are due, one after the other.
async fn ask(app: &App, now: DateTime<Utc>) -> Result<(), Failure> {
    let due = app.store.missed_due(now.timestamp_millis(), ASKS).await?;
    let total = due.len();
    for missed in due {
        let asked = app.github.redeliver(missed.attempt_id.unsigned_abs()).await;
        let again_at = match &asked {
            // A lost answer may have been a yes; what does not come is asked for again later.
            Ok(()) | Err(Error::AnswerLost { .. }) => Some(again_at(&missed, now)),
            Err(Error::NotFound | Error::Gone | Error::Invalid { .. } | Error::Forbidden { .. }) => None,
            Err(error) => return Err(error.clone().into()),
        };
        if again_at.is_none() {
            let (id, event, refused) = (&missed.delivery_id, &missed.event, asked.err());
            tracing::warn!(delivery.id = %id, event, ?refused, "GitHub will not send the lost delivery again");
        }
        app.store.missed_asked(&missed.delivery_id, again_at).await?;
    }
    if total > 0 {
        tracing::info!(deliveries = total, "GitHub was asked to send lost deliveries again");
    }
    Ok(())
}

/// Until GitHub no longer has it.
fn again_at(missed: &MissedDelivery, now: DateTime<Utc>) -> i64 {
    let wait = ASK_AGAIN * 2_u32.pow(u32::try_from(missed.asked).unwrap_or(0).min(DOUBLED));
    (now + wait).timestamp_millis()
}

fn missed(lost: &HookDelivery) -> MissedDelivery {
    MissedDelivery {
        delivery_id: lost.guid.clone(),
        attempt_id: number(lost.id),
        event: lost.event.clone(),
        action: lost.action.clone(),
        delivered_at: lost.delivered_at.timestamp_millis(),
        status: lost.status.clone(),
        asked: 0,
    }
}

/// A stretch of GitHub's log, grouped by delivery.
#[derive(Default)]
struct Log {
    /// Of each delivery the newest attempt that succeeded; where none did, the newest.
    newest: HashMap<String, HookDelivery>,
    /// Attempts read.
    attempts: usize,
    /// Where older ones begin that were wanted and not read.
    next: Option<String>,
}

impl Log {
    /// Reads the log from `cursor` (or from now) back to `oldest`, at most `pages` of it.
    async fn read(github: &GitHub, cursor: Option<&str>, oldest: DateTime<Utc>, pages: usize) -> Result<Self, Error> {
        let mut log = Self::default();
        log.read_on(github, cursor.map(str::to_owned), oldest, pages).await?;
        Ok(log)
    }

    /// Adds what follows from `cursor` on.
    async fn read_on(
        &mut self,
        github: &GitHub,
        mut cursor: Option<String>,
        oldest: DateTime<Utc>,
        pages: usize,
    ) -> Result<(), Error> {
        for _ in 0..pages {
            let page = github.hook_deliveries(cursor.as_deref()).await?;
            let reached = page.deliveries.iter().any(|each| each.delivered_at < oldest);
            for attempt in page.deliveries.into_iter().filter(|each| each.delivered_at >= oldest) {
                self.add(attempt);
            }
            cursor = page.next.filter(|_| !reached);
            if cursor.is_none() {
                break;
            }
        }
        self.next = cursor;
        Ok(())
    }

    fn add(&mut self, attempt: HookDelivery) {
        self.attempts += 1;
        let rank = |each: &HookDelivery| (each.delivered, each.id);
        if self.newest.get(&attempt.guid).is_none_or(|known| rank(known) < rank(&attempt)) {
            self.newest.insert(attempt.guid.clone(), attempt);
        }
    }

    /// Those that something would have followed from.
    fn wanted(&self) -> impl Iterator<Item = &HookDelivery> {
        self.newest.values().filter(|each| is_read(each))
    }
}

/// Whether the event and its action are among those that are read: what is ignored need not come again.
fn is_read(delivery: &HookDelivery) -> bool {
    let row = EVENTS.iter().find(|row| row.name == delivery.event);
    row.is_some_and(|row| {
        row.actions.is_empty() || delivery.action.as_deref().is_none_or(|action| row.actions.contains(&action))
    })
}

/// What was found by hand and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// From when on the log was read.
    pub since: DateTime<Utc>,
    /// Attempts that were read.
    pub attempts: usize,
    /// Deliveries that had not come or were given up, oldest first.
    pub lost: Vec<Asked>,
}

/// A delivery that had not come, or is to come again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// GitHub's newest attempt at it.
    pub delivery: HookDelivery,
    /// Why GitHub would not send it again; `None` if it will.
    pub refused: Option<String>,
}

/// Reads the log back to `since`, at most three days, and asks for everything in it that has not come, however often it
/// was asked for before, and for what came and was given up. `pace` is awaited before each request beyond the
/// first ninety and those after them.
///
/// # Errors
/// When GitHub does not let the log be read, or the database fails.
pub async fn redeliver(
    github: &GitHub,
    store: &Store,
    now: DateTime<Utc>,
    since: DateTime<Utc>,
    mut pace: impl AsyncFnMut(),
) -> anyhow::Result<Recovered> {
    let since = since.max(now - KEPT);
    let mut log = Log::read(github, None, since, PAGES).await?;
    while let Some(cursor) = log.next.take() {
        pace().await;
        log.read_on(github, Some(cursor), since, PAGES).await?;
    }
    let mut wanted = missing(store, &log, now).await?;
    for each in log.wanted() {
        // Its next arrival takes it up again.
        if store.is_buried(&each.guid).await? {
            wanted.push(each);
        }
    }
    wanted.sort_by_key(|each| (each.delivered_at, each.id));
    let mut lost = Vec::new();
    for delivery in wanted {
        if !lost.is_empty() && lost.len() % ASKS == 0 {
            pace().await;
        }
        store.save_missed(&[missed(delivery)], now.timestamp_millis()).await?;
        let refused = github.redeliver(delivery.id).await.err().map(|error| error.to_string());
        let again_at = (now + ASK_AGAIN).timestamp_millis();
        store.missed_asked(&delivery.guid, Some(again_at)).await?;
        lost.push(Asked { delivery: delivery.clone(), refused });
    }
    Ok(Recovered { since, attempts: log.attempts, lost })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(id: u64, guid: &str, event: &str, action: Option<&str>, delivered: bool) -> HookDelivery {
        HookDelivery {
            id,
            guid: guid.to_owned(),
            delivered_at: DateTime::UNIX_EPOCH,
            delivered,
            status: String::new(),
            event: event.to_owned(),
            action: action.map(str::to_owned),
        }
    }

    #[test]
    fn one_attempt_speaks_for_each_delivery_that_something_follows_from() {
        let check = |attempts: &[HookDelivery], expected: &[(&str, u64)]| {
            let mut log = Log::default();
            attempts.iter().cloned().for_each(|each| log.add(each));
            let mut wanted: Vec<_> = log.wanted().map(|each| (each.guid.as_str(), each.id)).collect();
            wanted.sort_unstable();
            assert_eq!(wanted, expected);
        };
        let opened = |id, guid, delivered| attempt(id, guid, "pull_request", Some("opened"), delivered);
        check(&[opened(2, "a", false), opened(1, "b", false)], &[("a", 2), ("b", 1)]);
        check(&[opened(3, "a", false), opened(2, "a", false)], &[("a", 3)]);
        check(&[opened(3, "a", true), opened(2, "a", false)], &[("a", 3)]);
        check(&[opened(3, "a", false), opened(2, "a", true)], &[("a", 2)]);
        check(&[opened(1, "a", true), opened(2, "a", true)], &[("a", 2)]);
        check(&[attempt(1, "a", "star", Some("created"), false)], &[]);
        check(&[attempt(1, "a", "pull_request", Some("assigned"), false)], &[]);
        check(&[attempt(1, "a", "push", None, false)], &[("a", 1)]);
    }

    #[test]
    fn the_pauses_between_requests_for_one_delivery_grow() {
        let wait = |asked| {
            let missed = MissedDelivery { asked, ..missed(&attempt(1, "a", "push", None, false)) };
            again_at(&missed, DateTime::UNIX_EPOCH) / 60_000
        };
        assert_eq!([0, 1, 2, 3, 4, 5, 900].map(wait), [10, 20, 40, 80, 160, 160, 160]);
    }
}
