//! The database: there, ours, sound, writable, and nothing given up in it.

use std::time::Duration;

use super::checklist::Finding;
use crate::{
    config::Config,
    store::{GivenUp, Inspection, Integrity, LearningSeen, StoreError, StorePath, inspect},
};

/// How long its pages are read: some gigabytes.
const READING: Duration = Duration::from_secs(15);

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let path: StorePath = match config.database.parse() {
        Ok(path) => path,
        Err(error) => return vec![failed(&error)],
    };
    match inspect(&path, READING).await {
        Ok(None) => {
            let says = format!("there is none at {} yet; serve makes it", config.database);
            vec![Finding::ok("database", says)]
        }
        Ok(Some(found)) => {
            let mut findings = vec![state(&found, &config.database)];
            findings.extend(found.given_up.as_ref().map(given_up));
            findings.extend(found.learning.as_ref().and_then(drift));
            findings
        }
        Err(error) => vec![failed(&error)],
    }
}

fn failed(error: &StoreError) -> Finding {
    let text = error.to_string();
    let (says, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
    let fix = match hint {
        "" => "see MERGECAST_DATABASE, the file's owner and its directory",
        hint => hint,
    };
    Finding::broken("database", says, fix)
}

fn state(found: &Inspection, name: &str) -> Finding {
    if let Integrity::Broken(fault) = &found.integrity {
        let fix = "stop serve, keep a copy of the file, and restore the latest backup";
        return Finding::broken("database", format!("{name} is damaged: {fault}"), fix);
    }
    match &found.writable {
        Ok(()) => {}
        Err(StoreError::Busy) => {
            let fix = "see which process holds it open for so long; one serve for each database";
            return Finding::broken("database", format!("{name} is locked by another process"), fix);
        }
        Err(error) => {
            let fix = "give the user that runs serve the right to write the file and its directory, on a disk that can be written";
            return Finding::broken("database", format!("{name} cannot be written: {error}"), fix);
        }
    }
    let Inspection { schema, schema_known, .. } = found;
    if schema < schema_known {
        let says = format!("{name} has schema {schema} of {schema_known}");
        return Finding::ok("database", format!("{says}; serve brings it up to date when it starts"));
    }
    match found.integrity {
        Integrity::Unfinished => {
            let says =
                format!("{name} can be written; its pages were not read to the end within {} s", READING.as_secs());
            Finding::ok("database", says)
        }
        _ => Finding::ok("database", format!("{name} is sound and can be written, schema {schema}")),
    }
}

/// A line only where something is to be done.
fn drift(learning: &LearningSeen) -> Option<Finding> {
    let says = format!(
        "the rates that {} states and what became of changes have parted by more than chance",
        learning.champion
    );
    let fix = "see how: mergecast calibrate report; and what outcomes would change: mergecast calibrate --dry-run";
    (learning.drifts == Some(true)).then(|| Finding::warn("learning", says, fix))
}

fn given_up(given_up: &GivenUp) -> Finding {
    let GivenUp { deliveries, jobs, latest } = given_up;
    if *deliveries + *jobs == 0 {
        return Finding::ok("work", "nothing was given up");
    }
    let count = |number: i64, one: &str, more: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        number => Some(format!("{number} {more}")),
    };
    let parts = [count(*deliveries, "delivery", "deliveries"), count(*jobs, "pull request", "pull requests")];
    let what = parts.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let latest = latest.as_ref().map(|latest| format!("; the latest: {latest}")).unwrap_or_default();
    let fix = "mend the reason, then have it tried again: a push, or Re-run on the check; mergecast redeliver for deliveries of the last three days";
    Finding::warn("work", format!("{what} given up{latest}"), fix)
}
