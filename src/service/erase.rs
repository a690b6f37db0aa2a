//! What is kept of those who removed the App, or took a repository from it, is erased after a while.

use std::time::Duration;

use chrono::TimeDelta;

use super::App;

/// How long everything is kept after the App was removed. Long enough that a removal by mistake, or an installation that
/// is moved between accounts, loses nothing; a month is also what people are used to be given to change their minds.
pub const KEPT_AFTER_REMOVAL: TimeDelta = TimeDelta::days(30);

/// Time between two looks. A day is what the promise is measured in; an hour keeps each look small.
const EVERY: Duration = Duration::from_secs(3_600);
/// Repositories and installations looked at in one go.
const AT_ONCE: usize = 100;
/// Rows erased in one transaction, so that none holds up the writer for long.
const ROWS: usize = 200;

pub(super) async fn round(app: &App) -> anyhow::Result<Duration> {
    let before = (app.clock.now() - KEPT_AFTER_REMOVAL).timestamp_millis();
    for repository in app.store.repositories_to_erase(before, AT_ONCE).await? {
        let mut rows = 0;
        loop {
            match app.store.erase_repository(repository, before, ROWS).await? {
                0 => break,
                erased => rows += erased,
            }
        }
        tracing::info!(
            repository.id = repository,
            rows,
            "erased: the App was removed from it {KEPT_AFTER_REMOVAL} ago"
        );
    }
    for installation in app.store.installations_to_erase(before, AT_ONCE).await? {
        let mut rows = 0;
        loop {
            match app.store.erase_installation(installation, before, ROWS).await? {
                0 => break,
                erased => rows += erased,
            }
        }
        tracing::info!(installation.id = installation, rows, "erased: it was removed {KEPT_AFTER_REMOVAL} ago");
    }
    Ok(app.clock.jitter(EVERY))
}
