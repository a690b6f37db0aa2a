//! Which model is in force: putting one there, taking it back, and the ledger of both.

use std::io::Write;

use chrono::DateTime;

use super::super::{output::Terminal, printable};
use crate::{
    clock::Clock,
    outcome::recalibrate::Verdict,
    risk::Model,
    service,
    store::{Moving, ShadowSeen, Store},
};

/// Puts a stored model in force. Scores that are made from then on are made with it; those made before stay.
pub(super) async fn activate(store: &Store, clock: &Clock, version: &str, by: &str) -> anyhow::Result<()> {
    service::activate(store, clock, version, by).await?;
    anstream::eprintln!("{} is in force; each pull request is scored with it at its next event", printable(version));
    anstream::eprintln!("hint: `mergecast calibrate --rollback` takes it back");
    Ok(())
}

/// Puts the model in force again that was before the last activation which still holds.
pub(super) async fn roll_back(store: &Store, clock: &Clock, by: &str) -> anyhow::Result<()> {
    let (before, now) = service::roll_back(store, clock, by).await?;
    anstream::eprintln!("{} is in force again; {} is kept and can be activated", printable(&now), printable(&before));
    Ok(())
}

/// Looks by night that are read to find the last challenge: there is one a month.
const LOOKS: usize = 40;

/// Prints the ledger, the proposals that are not in force, and whether the way back is advised.
pub(super) async fn list(store: &Store, terminal: &mut Terminal) -> anyhow::Result<()> {
    let (moves, proposals) = (store.model_moves().await?, store.model_proposals().await?);
    let in_force = store.model_in_force().await?;
    let shipped = &Model::baseline().version;
    let day = |ms: i64| DateTime::from_timestamp_millis(ms).unwrap_or_default().format("%Y-%m-%d %H:%M");
    let name = |version: &Option<String>| printable(version.as_deref().unwrap_or(shipped));
    let champion = in_force.as_ref().unwrap_or(shipped);
    let open = store.open_proposal(champion).await?;
    let looks = store.judgements(LOOKS).await?;
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
            "{}  proposed {version} against {champion}: {changes} outcomes, {failed} failed{}",
            day(one.made_at),
            if open.as_ref() == Some(&one.version) { "; open" } else { "" }
        )?;
        let ShadowSeen { assessments, higher, lower, .. } = store.shadow(&one.version).await?;
        if assessments > 0 {
            writeln!(
                out,
                "{:16}  in shadow beside {assessments} scores: {higher} would have a higher level, {lower} a lower one",
                ""
            )?;
        }
    }
    let challenged = looks.iter().find(|look| !look.verdict.is_empty() && look.champion == *champion);
    if let Some(look) = challenged.filter(|look| look.verdict == Verdict::Back.word()) {
        let why = "is no better on what it has not seen than the model that no outcome has moved";
        writeln!(out, "{}  back advised: {} {why}; see `mergecast calibrate`", day(look.made_at), printable(champion))?;
    }
    Ok(())
}
