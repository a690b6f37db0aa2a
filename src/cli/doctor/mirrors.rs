//! The mirrors of repositories, which histories are read from: whether there can be any, how many there are, which failed.

use std::{io, path::Path, time::Duration};

use chrono::DateTime;

use super::{
    super::serve::is_of_another_github,
    checklist::Finding,
    machine::{existing, size},
};
use crate::{
    config::Config,
    service::MirrorSettings,
    store::{MirrorsSeen, inspect},
};

const CHECK: &str = "mirrors";

/// Whether mirrors can be kept, and how those that are there are.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    if !config.mirrors {
        return vec![Finding::ok(CHECK, "off: MERGECAST_MIRRORS says so, and scores are made without history")];
    }
    if is_of_another_github(config) {
        let fix = "set GITHUB_GIT_URL to the address below which this GitHub's repositories are cloned";
        return vec![Finding::warn(CHECK, "none are kept: git remotes would be looked for at github.com", fix)];
    }
    let settings = MirrorSettings::new(config.data_dir.clone(), config.github.git_url.clone());
    let directory = settings.directory();
    let asked = directory.clone();
    let written = tokio::task::spawn_blocking(move || writable(&asked)).await;
    if let Ok(Err(error)) = written {
        let fix =
            "give the user that runs serve the right to write there, or set MERGECAST_DATA_DIR to a place where it has";
        return vec![Finding::warn(CHECK, format!("{} cannot be written: {error}", directory.display()), fix)];
    }
    // The pages of the database are looked at elsewhere.
    let path = config.database.parse();
    let seen = match path {
        Ok(path) => inspect(&path, Duration::ZERO).await.ok().flatten().and_then(|found| found.mirrors),
        Err(_) => None,
    };
    vec![match seen {
        None => Finding::ok(CHECK, format!("{} can be written", directory.display())),
        Some(seen) => state(&seen, &directory),
    }]
}

fn state(seen: &MirrorsSeen, directory: &Path) -> Finding {
    let counts = seen.counts;
    let bytes = size(counts.bytes.unsigned_abs());
    let fetched = seen.fetched_at.and_then(DateTime::from_timestamp_millis);
    let fetched =
        fetched.map_or_else(String::new, |at| format!(", the last fetch {}", at.format("%Y-%m-%d %H:%M UTC")));
    let mut says =
        format!("{} ready, {} loading, {bytes} at {}{fetched}", counts.ready, counts.loading, directory.display());
    let Some((repository, why)) = &seen.failure else { return Finding::ok(CHECK, says) };
    says.push_str(&format!("; {} failed, such as {repository}: {why}", counts.failed));
    Finding::warn(CHECK, says, way_out(why))
}

/// What helps against the failures that people can do something about; each is tried again by itself.
fn way_out(why: &str) -> &'static str {
    match why {
        _ if why.contains("disk is full") => "make room, or move MERGECAST_DATA_DIR to another disk",
        _ if why.contains("refuses") => "see that the installation grants contents: read and covers the repository",
        _ if why.contains("cannot be reached") => {
            "see that this machine reaches GITHUB_GIT_URL, by a proxy or directly"
        }
        _ if why.contains("no such repository") => {
            "see that GITHUB_GIT_URL is the address that repositories are cloned from"
        }
        _ if why.contains("git") => "see that git is installed, 2.31 or newer",
        _ => "it is tried again by itself; deleting the mirror's directory costs only the time to fetch it again",
    }
}

/// Tries to write where the mirrors lie, or will.
fn writable(directory: &Path) -> io::Result<()> {
    let place = if directory.is_dir() { directory.to_owned() } else { existing(directory) };
    tempfile::Builder::new().prefix(".mergecast-doctor").tempfile_in(place).map(drop)
}
