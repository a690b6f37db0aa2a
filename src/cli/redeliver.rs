//! `mergecast redeliver`: finds the webhooks that GitHub could not deliver and asks for them again, now.
//!
//! The running App does so by itself after its start and every few minutes; this is for those who do not want to wait,
//! or want to see what was lost.

use std::{io::Write, time::Duration};

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::ValueEnum;
use serde_json::json;

use super::{ExitCode, output::Terminal, printable};
use crate::{
    clock::Clock,
    config::Config,
    github::{AppCredentials, GitHub, Options, Urls},
    service::{self, Asked, DELIVERIES_KEPT, Recovered},
    store::{Store, StoreOptions},
};

/// GitHub allows only so many requests a minute; after each lot the rest waits for the next one.
const PACE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(super) struct RedeliverArgs {
    /// How far back to look: a duration such as 4h, or an instant such as 2026-03-03T10:00:00Z; GitHub keeps three days
    #[arg(long, value_name = "DURATION|INSTANT", default_value = "3d")]
    since: Since,
    /// What is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Database URL, such as sqlite://mergecast.db
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Ago(TimeDelta),
    At(DateTime<Utc>),
}

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "not a duration such as 30m, 4h or 2d, nor an instant such as 2026-03-03T10:00:00Z".to_owned();
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.to_utc()));
        }
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let seconds = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
        let (_, seconds) = seconds.into_iter().find(|(letter, _)| *letter == unit).ok_or_else(wrong)?;
        let count: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
        TimeDelta::try_seconds(i64::from(count) * seconds).map(Self::Ago).ok_or_else(wrong)
    }
}

impl RedeliverArgs {
    pub(super) fn flags(&self) -> Vec<(&'static str, String)> {
        self.database.clone().map(|url| ("MERGECAST_DATABASE", url)).into_iter().collect()
    }
}

/// Asks for what was lost and says what that is. Ends with failure if GitHub refuses to send any of it again.
///
/// # Errors
/// When a setting is missing, the database cannot be read, or GitHub's log cannot.
pub(super) async fn run(config: &Config, args: &RedeliverArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    let now = clock.now();
    let since = match args.since {
        Since::Ago(ago) => now - ago,
        Since::At(at) => at,
    };
    if since > now {
        bail!("--since lies in the future\nhint: name an instant of the last three days");
    }
    if since < now - DELIVERIES_KEPT - TimeDelta::seconds(1) {
        anstream::eprintln!("GitHub keeps deliveries for three days; what is older cannot be had any more");
    }
    let github = github(config, clock)?;
    let store = Store::open(StoreOptions::existing(config.database.parse()?)).await?;
    let pace = async || {
        anstream::eprintln!("GitHub's limits: going on in {} s", PACE.as_secs());
        tokio::time::sleep(PACE).await;
    };
    let recovered = service::redeliver(&github, &store, now, since, pace).await;
    store.close().await;
    let recovered = recovered?;
    match args.format {
        Format::Text => text(&recovered, terminal.out())?,
        Format::Json => writeln!(terminal.out(), "{}", serde_json::to_string_pretty(&json(&recovered))?)?,
    }
    let refused = recovered.lost.iter().any(|asked| asked.refused.is_some());
    Ok(if refused { ExitCode::Failed } else { ExitCode::Done })
}

fn github(config: &Config, clock: Clock) -> anyhow::Result<GitHub> {
    let app = config.github_app()?;
    let credentials = AppCredentials { app_id: app.app_id, client_id: app.client_id, private_key_pem: app.private_key };
    let urls = Urls { api: config.github.api_url.clone(), graphql: config.github.graphql_url.clone() };
    GitHub::new(credentials, urls, clock, Options::default()).context("the GitHub App's credentials cannot be used")
}

fn text(recovered: &Recovered, out: &mut impl Write) -> std::io::Result<()> {
    let Recovered { since, attempts, lost } = recovered;
    for Asked { delivery, refused } in lost {
        let event = match &delivery.action {
            Some(action) => format!("{}.{action}", delivery.event),
            None => delivery.event.clone(),
        };
        let outcome = match refused {
            None => "asked for again".to_owned(),
            Some(why) => format!("not asked for again: {why}"),
        };
        let at = instant(delivery.delivered_at);
        let line = format!("{at}  {}  {event}  {}: {outcome}", delivery.guid, delivery.status);
        writeln!(out, "{}", printable(&line))?;
    }
    let asked = lost.iter().filter(|asked| asked.refused.is_none()).count();
    let (since, found) = (instant(*since), lost.len());
    writeln!(out, "{attempts} attempts since {since}, {found} deliveries lost, {asked} asked for again")
}

fn json(recovered: &Recovered) -> serde_json::Value {
    let lost = recovered.lost.iter().map(|Asked { delivery, refused }| {
        json!({
            "delivery_id": delivery.guid,
            "attempt_id": delivery.id,
            "event": delivery.event,
            "action": delivery.action,
            "delivered_at": instant(delivery.delivered_at),
            "status": delivery.status,
            "asked": refused.is_none(),
            "refused": refused,
        })
    });
    json!({
        "schema": "mergecast.redelivery/1",
        "since": instant(recovered.since),
        "attempts": recovered.attempts,
        "lost": lost.collect::<Vec<_>>(),
    })
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_duration_or_an_instant() {
        let check = |text: &str, expected: Option<Since>| assert_eq!(text.parse().ok(), expected, "{text}");
        check("90s", Some(Since::Ago(TimeDelta::seconds(90))));
        check("30m", Some(Since::Ago(TimeDelta::minutes(30))));
        check("4h", Some(Since::Ago(TimeDelta::hours(4))));
        check("3d", Some(Since::Ago(TimeDelta::days(3))));
        check("2026-03-03T11:00:00+01:00", Some(Since::At(DateTime::from_timestamp(1_772_532_000, 0).unwrap())));
        for wrong in ["", "4", "h", "-4h", "4w", "4 h", "4é", "yesterday", "2026-03-03", "99999999999d"] {
            check(wrong, None);
        }
        assert_eq!("4294967295d".parse(), Ok::<_, String>(Since::Ago(TimeDelta::days(4_294_967_295))));
    }
}
