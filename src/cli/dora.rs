//! `mergecast dora`: the DORA metrics from the database, for a person or a program. It asks nobody else.

use std::io::Write;

use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clap::ValueEnum;

use super::{ExitCode, output::Terminal};
use crate::{
    config::Config,
    deployment::{dora::Scope, overview::overview},
    report::dora,
    service::{outcome_rules, reckoned},
    store::{Store, StoreError, StoreOptions},
};

/// Figures are of so many days unless told otherwise: twelve whole weeks at least, in which every band can show.
const DAYS: i64 = 90;
/// Longest window: as long as Datadog keeps deployments.
const DAYS_MAX: i64 = 731;

#[derive(Debug, clap::Args)]
pub(super) struct DoraArgs {
    /// Of one service
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Of the services of one team
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// Of one production environment
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// Since a day such as 2026-03-01, or for a while such as 90d
    #[arg(long, value_name = "SINCE", default_value = "90d", value_parser = Since::parse)]
    since: Since,
    /// What is printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Database URL, such as sqlite://mergecast.db
    #[arg(long, value_name = "URL")]
    pub(super) database: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Where a window begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Day(NaiveDate),
    Days(i64),
}

impl Since {
    fn parse(text: &str) -> Result<Self, String> {
        let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok());
        if let Some(days) = days.filter(|days| (1..=DAYS_MAX).contains(days)) {
            return Ok(Self::Days(days));
        }
        NaiveDate::parse_from_str(text, "%Y-%m-%d").map(Self::Day).map_err(|_| {
            format!("it is a day such as 2026-03-01, or {DAYS}d for the last {DAYS} days, at most {DAYS_MAX}d")
        })
    }

    fn at(self, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
        let from = match self {
            Self::Day(day) => day.and_hms_opt(0, 0, 0).context("the day has no beginning")?.and_utc(),
            Self::Days(days) => now - TimeDelta::days(days),
        };
        if from >= now || now - from > TimeDelta::days(DAYS_MAX) {
            bail!("--since must lie in the past, at most {DAYS_MAX} days back");
        }
        Ok(from)
    }
}

/// Prints the metrics.
///
/// # Errors
/// When the database cannot be read, or the window cannot be one.
pub(super) async fn run(
    config: &Config,
    args: &DoraArgs,
    now: DateTime<Utc>,
    terminal: &mut Terminal,
) -> anyhow::Result<ExitCode> {
    let from = args.since.at(now)?;
    let store = Store::open(StoreOptions::existing(config.database.parse()?)).await?;
    let found = async {
        let rules = outcome_rules(&store, &config.outcomes).await?;
        Ok::<_, StoreError>((reckoned(&store, &rules, from, now).await?, rules))
    };
    let found = found.await;
    store.close().await;
    let (reckoning, rules) = found?;
    let scope = Scope {
        service: args.service.clone(),
        team: args.team.clone(),
        environment: args.env.as_ref().map(|name| rules.ledger.environment(name).name),
        from,
        to: now,
    };
    let overview = overview(&reckoning, &scope);
    let text = match args.format {
        Format::Text => dora::text(&overview, now, terminal.style()),
        Format::Json => serde_json::to_string_pretty(&dora::json(&overview, now))? + "\n",
    };
    write!(terminal.out(), "{text}")?;
    Ok(ExitCode::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_on_a_day_or_some_days_ago() {
        let now = DateTime::from_timestamp(1_780_272_000, 0).unwrap() + TimeDelta::hours(7);
        let at = |text: &str| Since::parse(text).and_then(|since| since.at(now).map_err(|error| error.to_string()));
        assert_eq!(at("7d"), Ok(now - TimeDelta::days(7)));
        assert_eq!(at("2026-05-01").unwrap().to_rfc3339(), "2026-05-01T00:00:00+00:00");
        assert_eq!(at("2026-06-01"), Ok(now - TimeDelta::hours(7)));
        for wrong in ["", "0d", "-1d", "732d", "7", "tomorrow", "2026-06-02", "2020-01-01", "2026-02-30"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
