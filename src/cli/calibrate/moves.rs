//! Which model is in force: putting one there, taking it back, and the ledger of both.

use std::io::Write;

use anyhow::bail;
use chrono::DateTime;

use super::super::{output::Terminal, printable};
use crate::{
    clock::Clock,
    outcome::recalibrate::{Turn, succession},
    risk::Model,
    service,
    store::{ModelMove, Moving, Store},
};

/// Longest name in the ledger, in characters.
const NAME_MAX: usize = 100;

/// Puts a stored model in force. Scores that are made from then on are made with it; those made before stay.
pub(super) async fn activate(store: &Store, clock: &Clock, version: &str, by: &str) -> anyhow::Result<()> {
    // One that cannot be read would be no model to score with.
    let model = service::stored_model(store, version).await?;
    let before = store.model_in_force().await?;
    if before.as_deref().unwrap_or(&Model::baseline().version) == model.version {
        bail!("{} is in force already", printable(version));
    }
    note(store, clock, Moving::Activated, before, Some(model.version.clone()), by).await?;
    anstream::eprintln!("{} is in force; each pull request is scored with it at its next event", model.version);
    anstream::eprintln!("hint: `mergecast calibrate --rollback` takes it back");
    Ok(())
}

/// Puts the model in force again that was before the last activation which still holds.
pub(super) async fn roll_back(store: &Store, clock: &Clock, by: &str) -> anyhow::Result<()> {
    let moves = store.model_moves().await?;
    let turns = moves.iter().map(|entry| match (entry.what, &entry.after) {
        (Moving::Activated, Some(version)) => Turn::Activated(version),
        (Moving::Activated, None) | (Moving::RolledBack, _) => Turn::RolledBack,
    });
    let versions = succession(turns);
    let Some((last, earlier)) = versions.split_last() else {
        bail!("The model that the program ships is in force; there is nothing to take back");
    };
    let after = earlier.last().map(|version| (*version).to_owned());
    note(store, clock, Moving::RolledBack, Some((*last).to_owned()), after.clone(), by).await?;
    let now = after.as_deref().unwrap_or(&Model::baseline().version);
    anstream::eprintln!("{} is in force again; {} is kept and can be activated", printable(now), printable(last));
    Ok(())
}

async fn note(
    store: &Store,
    clock: &Clock,
    what: Moving,
    before: Option<String>,
    after: Option<String>,
    by: &str,
) -> anyhow::Result<()> {
    if by.is_empty() || by.chars().count() > NAME_MAX || by.chars().any(char::is_control) {
        bail!("The name must have 1 to {NAME_MAX} printable characters");
    }
    let (move_id, at, made_by) = (clock.new_id(), clock.now_ms(), by.to_owned());
    if !store.move_model(&ModelMove { move_id, what, at, made_by, before, after }).await? {
        bail!(
            "Somebody else has just put another model in force\nhint: look at `mergecast calibrate --proposals` again"
        );
    }
    Ok(())
}

/// Prints the ledger and the proposals that are not in force.
pub(super) async fn list(store: &Store, terminal: &mut Terminal) -> anyhow::Result<()> {
    let (moves, proposals) = (store.model_moves().await?, store.model_proposals().await?);
    let in_force = store.model_in_force().await?;
    let shipped = &Model::baseline().version;
    let day = |ms: i64| DateTime::from_timestamp_millis(ms).unwrap_or_default().format("%Y-%m-%d %H:%M");
    let name = |version: &Option<String>| printable(version.as_deref().unwrap_or(shipped));
    let out = terminal.out();
    writeln!(out, "In force: {}", name(&in_force))?;
    for entry in &moves {
        let what = match entry.what {
            Moving::Activated => "activated",
            Moving::RolledBack => "rolled back to",
        };
        let (after, before) = (name(&entry.after), name(&entry.before));
        writeln!(out, "{}  {what} {after}, in place of {before}, by {}", day(entry.at), printable(&entry.made_by))?;
    }
    for one in proposals.iter().filter(|one| in_force.as_deref() != Some(one.version.as_str())) {
        let (version, champion) = (printable(&one.version), printable(&one.champion));
        let (changes, failed) = (one.changes, one.failed);
        writeln!(
            out,
            "{}  proposed {version} against {champion}: {changes} outcomes, {failed} failed",
            day(one.made_at)
        )?;
    }
    Ok(())
}
