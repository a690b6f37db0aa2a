//! The history of a local clone, read once and kept in the user's cache.

use std::ops::ControlFlow;

use chrono::{DateTime, Utc};

use super::progress::Progress;
use crate::{
    clock::Clock,
    git::{self, Lines, Repository, Wanted, cache_file},
    history::Author,
    risk::{
        Model,
        facts::{Change, History, Known, Reason, Source, Unknown},
    },
};

/// What landed on the base before says of a change, as of an instant. What cannot be read is unknown.
pub(super) fn about(
    repository: &Repository,
    base: &str,
    change: &Change,
    model: &Model,
    at: DateTime<Utc>,
) -> Known<History> {
    let unavailable = |why: String| Unknown { source: Source::History, reason: Reason::Unavailable(why) };
    let file = cache_file(repository).map_err(|error| unavailable(error.to_string()))?;
    let mut bar = Progress::stderr();
    let mut progress = |done: u64, total: u64| {
        bar.show(done, total, || format!("reading the history: {done} of {total} changes"));
        ControlFlow::Continue(())
    };
    let wanted = Wanted { tip: base.to_owned(), after: None, lines: Lines::Counted, now: Clock::system().now() };
    let mined = git::mine(repository, &wanted, model, file.as_deref(), &mut progress)
        .map_err(|error| unavailable(error.to_string()))?;
    drop(bar);
    if let Some(error) = mined.unkept {
        anstream::eprintln!("note: the history could not be kept for the next time: {error}");
    }
    // A local change is written by the author of its newest commit.
    Ok(mined.history.about(change, Author::named(&change.author.login), at.timestamp()))
}
