//! Learning from outcomes: looking at what became of changes, keeping a challenger that is better beyond noise as a
//! proposal, and putting a model in force or taking it back. What is fitted and how it is judged stands in
//! `outcome::recalibrate`; which outcomes there are, in `service::labels`.

pub(super) mod api;
mod moves;
pub(super) mod nights;
pub(super) mod shadow;

pub use api::MODELS_TOKEN_PREFIX;
use moves::NAME_MAX;
pub use moves::{MoveError, activate, roll_back};

use chrono::{DateTime, Utc};

use super::{champion, labels};
use crate::{
    config::Learning,
    outcome::recalibrate::{
        Assessed, Judgement, Lineage, NoChallenger, Verdict, judge,
        record::{Drift, drift_of},
        shifts,
    },
    report::{
        recalibration::{Version, judgement},
        terminal::Style,
    },
    risk::Model,
    store::{ModelProposal, Moving, Store},
};

/// Which model was in force, in the order of time, with what each version changed.
///
/// # Errors
/// When the database or a model cannot be read.
pub async fn versions(store: &Store) -> anyhow::Result<Vec<Version>> {
    let mut versions = Vec::new();
    for entry in store.model_moves().await? {
        let named = |version: Option<String>| version.unwrap_or_else(|| Model::baseline().version.clone());
        let (before, version) = (named(entry.before), named(entry.after));
        let (old, new) = (champion::stored(store, &before).await?, champion::stored(store, &version).await?);
        versions.push(Version {
            at: entry.at.div_euclid(1_000),
            activated: entry.what == Moving::Activated,
            shifts: shifts(&old, &new),
            version,
            before,
            by: entry.made_by,
        });
    }
    Ok(versions)
}

/// Width of what is kept of a judgement, which nobody's terminal cuts.
const KEPT: Style = Style { color: false, width: 100, unicode: true };
/// Drift is looked for among the changes of so many days.
const DRIFT_DAYS: i64 = 365;

/// What the service keeps of learning while it runs.
pub(super) struct State {
    /// What becomes of a model that outcomes make better.
    setting: Learning,
    shadow: shadow::Shadow,
    last_read: api::LastRead,
}

impl State {
    pub(super) fn new(setting: Learning) -> Self {
        Self { setting, shadow: shadow::Shadow::default(), last_read: api::LastRead::default() }
    }
}

/// What there is to learn from at an instant.
pub struct Lesson {
    /// The model in force.
    pub champion: Model,
    /// The model that no outcome had moved, from which that one descends.
    pub prior: Model,
    /// Outcomes of people's own changes.
    pub teaching: Vec<Assessed>,
    /// Outcomes that cannot be read any more.
    pub unreadable: u64,
    /// Whether the rates that were stated drift away from what happens.
    pub drift: Drift,
    /// The instant.
    pub now: DateTime<Utc>,
}

impl Lesson {
    /// Reads what is known at `now`, of one repository or of all.
    ///
    /// # Errors
    /// When the database or a model cannot be read.
    pub async fn read(store: &Store, repository: Option<i64>, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let champion = champion::in_force(store).await?;
        let prior = match store.model_proposal(&champion.version).await? {
            Some(proposal) => champion::stored(store, &proposal.prior).await?,
            None => champion.clone(),
        };
        let found = labels::outcomes(store, repository, now.timestamp()).await?;
        let drift = drift_of(&found.assessed, now.timestamp() - DRIFT_DAYS * 24 * 60 * 60, now.timestamp());
        let unreadable = found.unreadable;
        Ok(Self { champion, prior, teaching: found.teaching(), unreadable, drift, now })
    }

    /// The model in force, and the one that it descends from.
    pub fn lineage(&self) -> Lineage<'_> {
        Lineage { prior: &self.prior, champion: &self.champion }
    }

    /// Fits a challenger and judges it, which takes seconds to minutes of one processor.
    ///
    /// # Errors
    /// Too few outcomes are known to fit one.
    pub fn judged(&self) -> Result<Judgement, NoChallenger> {
        let version = format!("learned-{}", self.now.format("%Y%m%d-%H%M%S"));
        judge(&self.teaching, self.lineage(), self.now.timestamp(), &version)
    }

    /// Keeps a judged challenger as a proposal, if it is better beyond noise; gives its version.
    ///
    /// # Errors
    /// When the database cannot be written, or another model has its version.
    pub async fn propose(&self, store: &Store, judged: &Judgement) -> anyhow::Result<Option<String>> {
        if judged.verdict != Verdict::Proposed {
            return Ok(None);
        }
        let (challenger, made_at) = (&judged.challenger, self.now.timestamp_millis());
        for model in [&self.champion, &self.prior] {
            // What was scored by it, and what comes after it, can be computed again without this program.
            store.save_model(&model.version, &serde_json::to_string(model)?, made_at).await?;
        }
        let proposal = ModelProposal {
            version: challenger.model.version.clone(),
            prior: self.prior.version.clone(),
            champion: self.champion.version.clone(),
            made_at,
            changes: i64::try_from(challenger.changes).unwrap_or(i64::MAX),
            failed: challenger.failed.round() as i64,
            said: judgement::render(judged, self.lineage(), KEPT),
        };
        if !store.propose_model(&serde_json::to_string(&challenger.model)?, &proposal).await? {
            anyhow::bail!("another model has the version {} already\nhint: try again in a second", proposal.version);
        }
        Ok(Some(proposal.version))
    }
}
