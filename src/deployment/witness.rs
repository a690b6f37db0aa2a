//! Witnesses: all that one source said under one id, folded into its last word.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use super::build::Build;
use super::sighting::{Rollout, Sighting, WitnessId};

/// A rollout is not taken to be longer, so that a wrong beginning does not reach over other deployments.
const ROLLOUT_AT_MOST: TimeDelta = TimeDelta::hours(24);
/// Clocks differ by so much without anybody noticing.
const CLOCKS_DIFFER_BY: TimeDelta = TimeDelta::minutes(5);

/// What a source says of a deployment, in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) id: WitnessId,
    /// When it was heard of first; `None` where it was asked for.
    pub(super) received_at: Option<DateTime<Utc>>,
    /// When it was first told that it took effect when it did; `None` where that was asked for.
    pub(super) told_at: Option<DateTime<Utc>>,
    pub(super) service: Option<String>,
    pub(super) env: Option<String>,
    pub(super) production: bool,
    pub(super) team: Option<String>,
    pub(super) build: Build,
    pub(super) repository: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) finished_at: Option<DateTime<Utc>>,
    /// When it was said first: all that is known of its time where nothing else is told.
    pub(super) said_at: DateTime<Utc>,
    pub(super) rollout: Rollout,
    pub(super) automated: Option<bool>,
}

/// What is wrong with the times that a source tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skew {
    /// It ended before it began.
    Backwards,
    /// It was told before it happened.
    Ahead,
}

impl Witness {
    /// When it took effect, by this source.
    pub(super) fn at(&self) -> DateTime<Utc> {
        match (self.started_at, self.finished_at) {
            // One of the two is wrong. The beginning is written down by itself, the end often reckoned.
            (Some(started), Some(finished)) if finished < started => started,
            (started, finished) => finished.or(started).unwrap_or(self.said_at),
        }
    }

    /// From when to when it may have happened.
    pub(super) fn span(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let at = self.at();
        let (from, to) = (self.started_at.unwrap_or(at), self.finished_at.unwrap_or(at));
        let (from, to) = (from.min(to), from.max(to));
        (from.max(to - ROLLOUT_AT_MOST), to)
    }

    pub(super) fn skew(&self) -> Option<Skew> {
        let backwards = self.started_at.zip(self.finished_at).is_some_and(|(started, finished)| finished < started);
        let ahead = self.told_at.is_some_and(|told| self.at() - told > CLOCKS_DIFFER_BY);
        if backwards { Some(Skew::Backwards) } else { ahead.then_some(Skew::Ahead) }
    }
}

/// Folds sightings: of each record the last word stands, field by field. What is said twice is said once, and what is said
/// at the same time is put in an order of its own, so that arrival decides nothing.
pub(super) fn fold<'a>(sightings: impl IntoIterator<Item = &'a Sighting>) -> Vec<Witness> {
    let mut said: BTreeMap<&WitnessId, Vec<&Sighting>> = BTreeMap::new();
    for sighting in sightings {
        said.entry(&sighting.witness).or_default().push(sighting);
    }
    said.into_values().map(last_word).collect()
}

fn last_word(mut said: Vec<&Sighting>) -> Witness {
    // By what is said, not by when it came.
    let content = |one: &Sighting| Sighting { received_at: None, ..one.clone() };
    said.sort_by(|a, b| a.said_at.cmp(&b.said_at).then_with(|| content(a).cmp(&content(b))));
    let text = |field: fn(&Sighting) -> &Option<String>| {
        let told = said.iter().rev().filter_map(|one| field(one).as_deref());
        told.map(str::trim).find(|text| !text.is_empty()).map(str::to_owned)
    };
    let commit = text(|one| &one.commit_sha);
    let version = text(|one| &one.version);
    let over = said.iter().rev().map(|one| one.rollout).find(|rollout| *rollout != Rollout::InProgress);
    let mut witness = Witness {
        id: said[0].witness.clone(),
        told_at: None,
        received_at: said.iter().map(|one| one.received_at).min().flatten(),
        service: text(|one| &one.service),
        env: text(|one| &one.env),
        production: said.iter().any(|one| one.production),
        team: text(|one| &one.team),
        build: Build::of(commit.as_deref(), version.as_deref()),
        repository: text(|one| &one.repository),
        cluster: text(|one| &one.cluster),
        started_at: said.iter().rev().find_map(|one| believable(one.started_at?)),
        finished_at: said.iter().rev().find_map(|one| believable(one.finished_at?)),
        said_at: said.iter().find_map(|one| believable(one.said_at)).unwrap_or_default(),
        rollout: over.unwrap_or(Rollout::InProgress),
        automated: said.iter().rev().find_map(|one| one.automated),
    };
    let at = witness.at();
    let tells = |one: &&&Sighting| [one.finished_at, one.started_at, Some(one.said_at)].contains(&Some(at));
    witness.told_at = said.iter().filter(tells).map(|one| one.received_at).min().flatten();
    witness
}

/// A time that somebody may have meant; what is further off is none, and cannot overflow what is reckoned with it.
pub(super) fn believable(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (1970..=2200).contains(&at.year()).then_some(at)
}
