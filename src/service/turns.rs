//! Work that comes round: looking for lost deliveries, reading what is installed, sweeping heads, erasing, watching services,
//! reading deployments, what became of them, and learning. Each kind has a task of its own, so that none holds up another, and
//! a turn that says when it is due next.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{App, deployments::backfill, erase, heads, installations, learning, outcomes, recover, watch};

/// The longest sleep between looks at the clock; notifications end it earlier.
const POLL: Duration = Duration::from_secs(1);
/// Until a round is tried again that failed. GitHub or the database has trouble then, and more requests are no help.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// A kind of work that comes round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Deliveries that GitHub could not hand over.
    Deliveries,
    /// Where the App is installed.
    Installations,
    /// Heads of open pull requests that were not scored.
    Heads,
    /// Data of those who removed the App.
    Erase,
    /// Services whose health may have changed since pull requests were scored.
    Services,
    /// Deployments that others keep.
    Deployments,
    /// What outcomes teach.
    Learning,
    /// What became of deployments.
    Outcomes,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Deliveries,
        Self::Installations,
        Self::Heads,
        Self::Erase,
        Self::Services,
        Self::Deployments,
        Self::Learning,
        Self::Outcomes,
    ];
}

/// When the rounds are due. Without tasks that work on them, none ever is.
#[derive(Default)]
pub(super) struct Turns([Turn; 8]);

#[derive(Default)]
struct Turn {
    state: Mutex<State>,
    sooner: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// In milliseconds since 1970; `None` while nobody works on it.
    due: Option<i64>,
    under_way: bool,
    /// It was asked for while it was under way.
    again: bool,
}

impl Turns {
    /// Whether no round is under way or due at `now`.
    pub(super) fn rest(&self, now: i64) -> bool {
        let rests = |turn: &Turn| {
            let state = turn.state();
            !state.under_way && state.due.is_none_or(|due| due > now)
        };
        self.0.iter().all(rests)
    }

    /// Has a round made now, or once more after the one that is under way.
    pub(super) fn soon(&self, kind: Kind, now: i64) {
        let turn = self.of(kind);
        let mut state = turn.state();
        state.again = state.under_way;
        state.due = state.due.map(|due| due.min(now));
        drop(state);
        turn.sooner.notify_one();
    }

    /// Has every task look at the clock.
    pub(super) fn wake(&self) {
        self.0.iter().for_each(|turn| turn.sooner.notify_one());
    }

    fn of(&self, kind: Kind) -> &Turn {
        &self.0[kind as usize]
    }
}

impl Turn {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a round if it is due.
    fn begin(&self, now: i64) -> bool {
        let mut state = self.state();
        state.under_way = state.due.is_some_and(|due| due <= now);
        state.under_way
    }

    fn end(&self, now: i64, next: i64) {
        let mut state = self.state();
        let due = if state.again { now } else { next };
        *state = State { due: Some(due), under_way: false, again: false };
    }
}

/// Starts the tasks; each makes its first round at once.
pub(super) fn start(app: &Arc<App>, tasks: &TaskTracker, stop: &CancellationToken) {
    for kind in Kind::ALL {
        app.turns.of(kind).state().due = Some(app.clock.now_ms());
        tasks.spawn(rounds(app.clone(), kind, stop.clone()));
    }
}

async fn rounds(app: Arc<App>, kind: Kind, stop: CancellationToken) {
    let turn = app.turns.of(kind);
    while !stop.is_cancelled() {
        if turn.begin(app.clock.now_ms()) {
            // A round that is cut off is as one that a crash ended: what it left undone, the next one does.
            tokio::select! {
                () = stop.cancelled() => return,
                next = round(&app, kind) => turn.end(app.clock.now_ms(), next),
            }
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = turn.sooner.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Makes one round; gives when the next one is due, in milliseconds since 1970.
async fn round(app: &App, kind: Kind) -> i64 {
    let made = match kind {
        Kind::Deliveries => recover::round(app).await,
        Kind::Installations => installations::round(app).await,
        Kind::Heads => heads::round(app).await,
        Kind::Erase => erase::round(app).await,
        Kind::Services => watch::round(app).await,
        Kind::Deployments => backfill::round(app).await,
        Kind::Learning => learning::nights::round(app).await,
        Kind::Outcomes => outcomes::round(app).await,
    };
    match made {
        Ok(wait) => app.clock.now_ms() + wait.as_millis() as i64,
        Err(error) => {
            tracing::error!(round = ?kind, error = %format!("{error:#}"), "a round failed and is made again");
            app.clock.now_ms() + app.clock.jitter(AFTER_FAILURE).as_millis() as i64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_asked_for_while_it_runs_is_made_once_more() {
        let turns = Turns::default();
        assert!(turns.rest(i64::MAX), "nobody works on it");
        turns.soon(Kind::Heads, 5);
        assert!(turns.rest(i64::MAX));
        let turn = turns.of(Kind::Heads);
        turn.state().due = Some(10);
        assert!(turns.rest(9) && !turns.rest(10));
        assert!(!turn.begin(9) && turn.begin(10));
        assert!(!turns.rest(9), "under way");
        turns.soon(Kind::Heads, 11);
        turn.end(12, 100);
        assert!(!turns.rest(12) && turn.begin(12));
        turn.end(13, 100);
        assert!(turns.rest(99) && !turns.rest(100));
        turns.soon(Kind::Heads, 50);
        assert!(!turns.rest(50));
    }
}
