//! What is kept of those who removed the App, or took a repository from it, is erased after a while.

use std::time::Duration;

use chrono::TimeDelta;

use super::{App, mirrors};
use crate::{
    clock::Stopwatch,
    store::{Erasing, StoreError},
};

/// How long everything is kept after the App was removed. Long enough that a removal by mistake, or an installation that
/// is moved between accounts, loses nothing; a month is also what people are used to be given to change their minds.
pub const KEPT_AFTER_REMOVAL: TimeDelta = TimeDelta::days(30);

/// Time between two looks. A day is what the promise is measured in; an hour keeps each look small.
const EVERY: Duration = Duration::from_secs(3_600);
/// Time until a look goes on that was ended by [`LONGEST`].
const SOON: Duration = Duration::from_secs(60);
/// How long one look may take: some thousand repositories. What waits for the writer then gets ahead.
const LONGEST: Duration = Duration::from_secs(60);
/// Repositories and installations read at a time.
const AT_ONCE: usize = 100;
/// Rows erased in one transaction, so that none holds up the writer for long.
const ROWS: usize = 200;

/// Erases all that is due, or what can be erased in [`LONGEST`].
pub(super) async fn round(app: &App) -> anyhow::Result<Duration> {
    let before = (app.clock.now() - KEPT_AFTER_REMOVAL).timestamp_millis();
    let watch = Stopwatch::start();
    // The row of an installation goes after those of its repositories.
    for what in [What::Repository, What::Installation] {
        loop {
            let mut gone = 0;
            for id in what.due(app, before).await? {
                gone += usize::from(what.erase(app, id, before).await?);
                if watch.elapsed() >= LONGEST {
                    return Ok(SOON);
                }
            }
            // Those that stay wait for something else, and would be given again.
            if gone == 0 {
                break;
            }
        }
    }
    Ok(app.clock.jitter(EVERY))
}

/// What is erased.
#[derive(Clone, Copy)]
enum What {
    Repository,
    Installation,
}

impl What {
    async fn due(self, app: &App, before: i64) -> Result<Vec<i64>, StoreError> {
        match self {
            Self::Repository => app.store.repositories_to_erase(before, AT_ONCE).await,
            Self::Installation => app.store.installations_to_erase(before, AT_ONCE).await,
        }
    }

    /// Erases all of one; `true` if it is gone.
    async fn erase(self, app: &App, id: i64, before: i64) -> Result<bool, StoreError> {
        // Before its row goes, which is what this is found by. It may yet come back, and then it is made anew.
        if matches!(self, Self::Repository) && !mirrors::erase(app, id).await {
            return Ok(false);
        }
        let mut rows = 0;
        loop {
            let erasing = match self {
                Self::Repository => app.store.erase_repository(id, before, ROWS).await?,
                Self::Installation => app.store.erase_installation(id, before, ROWS).await?,
            };
            match erasing {
                Erasing::Rows(some) => rows += some,
                Erasing::Kept => return Ok(false),
                Erasing::Done => break,
            }
        }
        let days = KEPT_AFTER_REMOVAL.num_days();
        match self {
            Self::Repository => {
                tracing::info!(repository.id = id, rows, "erased: the App was removed from it over {days} days ago");
            }
            Self::Installation => {
                tracing::info!(installation.id = id, rows, "erased: it was removed over {days} days ago");
            }
        }
        Ok(true)
    }
}
