//! The history of a local clone, read once and kept in the user's cache.

use std::ops::ControlFlow;

use chrono::{DateTime, Utc};

use super::progress::Progress;
use crate::{
    git::{self, Fresh, Lines, LocalChange, Repository, Wanted, cache_file, forget_others},
    history::Author,
    risk::{
        Model,
        facts::{Declared, History, Known, Part, Reason, Source, Unknown},
        parts,
    },
};

/// People of whom it is told that they know the files.
const KNOWERS_MAX: usize = 5;

/// What landed on the base before says of a change and of the parts that it could be taken apart into: as of now, or of when it landed if this is a look back. What cannot be
/// read is unknown.
pub(super) fn about(
    repository: &Repository,
    local: &LocalChange,
    declared: &Declared,
    model: &Model,
    now: DateTime<Utc>,
) -> Known<(History, Vec<Part>)> {
    let unavailable = |why: String| Unknown { source: Source::History, reason: Reason::Unavailable(why) };
    let file = cache_file(repository, &local.base_name).map_err(|error| unavailable(error.to_string()))?;
    let mut bar = Progress::stderr();
    let mut progress = |done: u64, total: u64| {
        bar.show(done, total, || format!("reading the history: {done} of {total} changes"));
        ControlFlow::Continue(())
    };
    let blind = repository.lacks_contents(&local.base_tip).map_err(|error| unavailable(error.to_string()))?;
    let lines = if blind { Lines::Skipped } else { Lines::Counted };
    let wanted = Wanted { tip: local.base_tip.clone(), after: None, lines };
    let mined = git::mine(repository, &wanted, model, file.as_deref(), &mut progress)
        .map_err(|error| unavailable(error.to_string()))?;
    drop(bar);
    if let Some(error) = mined.unkept {
        anstream::eprintln!("note: the history could not be kept for the next time: {error}");
    }
    if let Some(file) = file.filter(|_| mined.fresh != Fresh::Unchanged) {
        forget_others(&file);
    }
    // A local change is written by the author of its newest commit.
    let author = Author::named(&local.change.author.login);
    let at = local.landed_at.unwrap_or(now);
    let mut history = mined.history.about(&local.change, author, at.timestamp());
    // Nobody can be asked here whether they may approve.
    history.knowers.truncate(KNOWERS_MAX);
    let parts = parts::parts(&local.change, declared);
    Ok((history, mined.history.about_parts(&local.change, parts, author, at.timestamp())))
}
