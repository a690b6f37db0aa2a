//! `mergecast replay`: computes stored assessments again from their facts, policy and model.
//!
//! The same bytes come out as when the change was scored; what does not is named, and the exit code says so.

use std::io::Write;

use anyhow::Context;

use super::{ExitCode, serve};
use crate::{
    config::Config,
    report,
    service::{FactsForgotten, Stored},
    store::{Store, StoreOptions},
};

/// Assessments read at a time.
const PAGE: usize = 100;

/// Replays one assessment (its JSON goes to standard output) or all of them (a line for each that differs).
///
/// # Errors
/// When the database, the assessment, its facts or its model cannot be read.
pub(super) async fn run(config: &Config, id: Option<&str>) -> anyhow::Result<ExitCode> {
    let store = Store::open(StoreOptions::existing(config.database.parse()?)).await?;
    let code = match id {
        Some(id) => one(config, &store, id).await,
        None => all(config, &store).await,
    };
    store.close().await;
    code
}

async fn one(config: &Config, store: &Store, id: &str) -> anyhow::Result<ExitCode> {
    let row = store.assessment(id).await?;
    let row = row.with_context(|| {
        format!("no assessment has the id {id:?}\nhint: `mergecast replay --all` goes through all of them")
    })?;
    let stored = Stored::load(store, row, serve::links(config)).await?;
    let json = serde_json::to_string_pretty(&report::json::render(&stored.subject()))?;
    writeln!(anstream::stdout(), "{json}")?;
    Ok(verdict(&stored))
}

async fn all(config: &Config, store: &Store) -> anyhow::Result<ExitCode> {
    let (mut count, mut different, mut forgotten, mut after) = (0_u64, 0_u64, 0_u64, None::<String>);
    loop {
        let ids = store.all_ids(after.as_deref(), PAGE).await?;
        for id in &ids {
            let row = store.assessment(id).await?.context("an assessment vanished")?;
            let stored = match Stored::load(store, row, serve::links(config)).await {
                Err(error) if error.is::<FactsForgotten>() => {
                    forgotten += 1;
                    continue;
                }
                loaded => loaded?,
            };
            count += 1;
            if verdict(&stored) != ExitCode::Done {
                different += 1;
            }
        }
        match ids.last() {
            Some(last) => after = Some(last.clone()),
            None => break,
        }
    }
    writeln!(anstream::stdout(), "{count} assessments replayed, {different} differ")?;
    if forgotten > 0 {
        anstream::eprintln!("{forgotten} are older than facts are kept and cannot be replayed; their scores stay");
    }
    Ok(if different == 0 { ExitCode::Done } else { ExitCode::Failed })
}

/// Whether the same bytes came out; what did not is told on standard error.
fn verdict(stored: &Stored) -> ExitCode {
    if stored.is_same() {
        return ExitCode::Done;
    }
    let (row, now) = (stored.row(), stored.assessment());
    let (was, is) = (row.conclusion.as_str(), now.verdict.conclusion.word());
    if (row.score, was) == (now.score, is) {
        anstream::eprintln!("{}: the same score in other words or by other parts", row.id);
    } else {
        anstream::eprintln!("{}: stored as {} ({was}), comes out as {} ({is})", row.id, row.score, now.score);
    }
    ExitCode::Failed
}
