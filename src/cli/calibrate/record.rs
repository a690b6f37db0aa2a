//! `mergecast calibrate report`: how right scores have been, from what became of the changes.

use std::{fs, io::Write, path::PathBuf};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::ValueEnum;

use super::super::output::Terminal;
use crate::{
    clock::Clock,
    outcome::recalibrate::{
        rates,
        record::{Asked, record},
    },
    report::recalibration::{html, json, record as words},
    service,
    store::Store,
};

/// The last quarter, unless another day is given.
const SINCE: TimeDelta = TimeDelta::days(90);

#[derive(Debug, clap::Args)]
pub(super) struct RecordArgs {
    /// Changes assessed from this day on (UTC) [default: 90 days ago]
    #[arg(long, value_name = "DATE", value_parser = day)]
    since: Option<DateTime<Utc>>,
    /// Score from which on a change is called high
    #[arg(long, value_name = "SCORE", default_value_t = 70, value_parser = clap::value_parser!(u8).range(1..=100))]
    threshold: u8,
    /// Changes of this repository only
    #[arg(long, value_name = "OWNER/NAME")]
    repo: Option<String>,
    /// What is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Write the report with charts to this file, for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Database URL, such as sqlite://mergecast.db
    #[arg(long, value_name = "URL")]
    pub(super) database: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn day(text: &str) -> Result<DateTime<Utc>, String> {
    let day: NaiveDate = text.parse().map_err(|_| "a day looks like 2026-03-01".to_owned())?;
    Ok(day.and_time(NaiveTime::MIN).and_utc())
}

pub(super) async fn run(
    store: &Store,
    clock: &Clock,
    args: &RecordArgs,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let repository = super::repository(store, args.repo.as_deref()).await?;
    let now = clock.now();
    let since = args.since.unwrap_or(now - SINCE);
    let model = service::in_force(store).await?;
    let found = service::outcomes(store, repository, now.timestamp()).await?;
    let asked = Asked { since: since.timestamp(), now: now.timestamp(), threshold: args.threshold };
    let read = record(&found.assessed, &model, rates(&found.assessed, &model, now.timestamp()), asked);
    let versions = service::versions(store).await?;
    if let Some(file) = &args.html {
        let page = html::render(&read, &model.version, &versions);
        fs::write(file, page).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let text = match args.format {
        Format::Text => words::render(&read, &model.version, &versions, terminal.style()),
        Format::Json => serde_json::to_string_pretty(&json::render(&read, &model.version, &versions))? + "\n",
    };
    terminal.out().write_all(text.as_bytes())?;
    terminal.out().flush()?;
    if found.unreadable > 0 {
        anstream::eprintln!("{} outcomes are left out: the facts behind them were forgotten", found.unreadable);
    }
    Ok(())
}
