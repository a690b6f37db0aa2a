//! Deployments that remedy an earlier one: rollbacks, and roll-forwards by editable rules.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

use super::Evidence;
use crate::deployment::change::{Change, ChangeId, Shipped};
use crate::deployment::ledger::{Deployment, Ledger};
use crate::deployment::sighting::WitnessId;

/// Deployments before one, of the same service and environment, among which the build that it brings back is looked for.
const LOOKED_BACK: usize = 100;
/// A build that ran longer ago is not brought back; its name is used again.
const BROUGHT_BACK_WITHIN: TimeDelta = TimeDelta::days(90);

/// A roll-forward that comes later mends something else.
pub const ROLLED_FORWARD_WITHIN: TimeDelta = TimeDelta::days(7);

/// A deployment that remedies an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// The deployment that remedies.
    pub deployment: WitnessId,
    /// When it took effect.
    pub at: DateTime<Utc>,
    /// The deployment that failed.
    pub failed: WitnessId,
    /// How it remedies.
    pub kind: RemedyKind,
}

/// How a deployment remedies an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyKind {
    /// It brings back the build of this deployment.
    Rollback(WitnessId),
    /// It brings a pull request that takes back what the failed one brought.
    Revert {
        /// The pull request that takes back.
        by: ChangeId,
        /// The one that is taken back.
        taken_back: u64,
        /// The patches show it; else only title and text say so.
        proven: bool,
    },
    /// It brings a pull request that is a hotfix by the rules, in place of the one before.
    Hotfix(ChangeId),
}

impl Remedy {
    pub(super) fn evidence(&self) -> Evidence {
        match self.kind {
            RemedyKind::Rollback(_) => Evidence::RolledBack(self.deployment.clone()),
            RemedyKind::Revert { .. } | RemedyKind::Hotfix(_) => Evidence::RolledForward(self.deployment.clone()),
        }
    }

    /// It is a rollback.
    pub fn is_rollback(&self) -> bool {
        matches!(self.kind, RemedyKind::Rollback(_))
    }
}

/// What counts as a roll-forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollforwardRules {
    /// Pull requests that take back another one.
    pub reverts: bool,
    /// A revert counts only if the patches show it.
    pub reverts_proven_only: bool,
    /// Labels of a hotfix, as globs without case.
    pub labels: Vec<String>,
    /// Titles of a hotfix, as globs without case.
    pub titles: Vec<String>,
    /// Branches of a hotfix, as globs without case.
    pub branches: Vec<String>,
    /// Time from the deployment that failed to the one that remedies it, at most.
    pub within: TimeDelta,
}

impl Default for RollforwardRules {
    fn default() -> Self {
        let globs = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Self {
            reverts: true,
            reverts_proven_only: false,
            labels: globs(&["hotfix"]),
            titles: globs(&["hotfix*", "fix(hotfix)*"]),
            branches: globs(&["hotfix/*", "hotfix-*"]),
            within: ROLLED_FORWARD_WITHIN,
        }
    }
}

/// Rollbacks and roll-forwards, in the ledger's order.
pub fn remedies(ledger: &Ledger, shipped: &Shipped, rules: &RollforwardRules) -> Vec<Remedy> {
    let hotfix = Hotfix::of(rules);
    let mut found = Vec::new();
    for sequence in ledger.sequences() {
        let mut brought: BTreeMap<u64, usize> = BTreeMap::new();
        for here in 0..sequence.len() {
            let changes = changes_of(sequence[here], shipped);
            if let Some(remedy) = rollback(&sequence, here) {
                found.push(remedy);
            } else {
                found.extend(rollforward(&sequence, here, changes, &brought, rules, &hotfix));
            }
            for change in changes {
                if let ChangeId::PullRequest(number) = change.id {
                    // What goes out again after a rollback is taken back from where it went out last.
                    brought.insert(number, here);
                }
            }
        }
    }
    found
}

pub(super) fn changes_of<'a>(deployment: &Deployment, shipped: &'a Shipped) -> &'a [Change] {
    deployment.witnesses.iter().find_map(|witness| shipped.get(witness)).map_or(&[], Vec::as_slice)
}

/// An earlier build is deployed again, in place of one that was newer: the deployment that failed is the first one after
/// that of the build that is brought back (Datadog's rule). To deploy the newer build again after a rollback goes forward.
fn rollback(sequence: &[&Deployment], here: usize) -> Option<Remedy> {
    let (deployment, before) = (sequence[here], sequence.get(here.checked_sub(1)?)?);
    let at = deployment.at?;
    if before.build.is(&deployment.build) != Some(false) {
        return None;
    }
    let from = here.saturating_sub(LOOKED_BACK);
    let is_near = |one: &Deployment| one.at.is_some_and(|earlier| at - earlier <= BROUGHT_BACK_WITHIN);
    let runs =
        |place: usize, one: &Deployment| is_near(sequence[place]) && sequence[place].build.is(&one.build) == Some(true);
    let restored = (from..here).rev().find(|place| runs(*place, deployment))?;
    let first = (from..here).find(|place| runs(*place, deployment))?;
    let first_before = (from..here).find(|place| runs(*place, before))?;
    if first > first_before {
        return None;
    }
    let kind = RemedyKind::Rollback(sequence[restored].id.clone());
    Some(Remedy { deployment: deployment.id.clone(), at, failed: sequence[restored + 1].id.clone(), kind })
}

/// `brought` holds which deployment before `here` brought a pull request last.
fn rollforward(
    sequence: &[&Deployment],
    here: usize,
    changes: &[Change],
    brought: &BTreeMap<u64, usize>,
    rules: &RollforwardRules,
    hotfix: &Hotfix,
) -> Vec<Remedy> {
    let deployment = sequence[here];
    let Some(at) = deployment.at else { return Vec::new() };
    let in_time = |failed: usize| sequence[failed].at.is_some_and(|failed| at - failed <= rules.within);
    let remedy = |failed: usize, kind: RemedyKind| {
        in_time(failed).then(|| Remedy {
            deployment: deployment.id.clone(),
            at,
            failed: sequence[failed].id.clone(),
            kind,
        })
    };
    let mut found = Vec::new();
    for change in changes {
        let Some(pull) = &change.pull_request else { continue };
        let reverts =
            pull.takes_back.iter().filter(|back| rules.reverts && (back.proven || !rules.reverts_proven_only));
        found.extend(reverts.filter_map(|back| {
            let kind = RemedyKind::Revert { by: change.id.clone(), taken_back: back.number, proven: back.proven };
            remedy(*brought.get(&back.number)?, kind)
        }));
    }
    if found.is_empty()
        && let Some(before) = here.checked_sub(1)
    {
        let mended = changes.iter().find(|change| hotfix.fits(change));
        found.extend(mended.and_then(|change| remedy(before, RemedyKind::Hotfix(change.id.clone()))));
    }
    found
}

/// The rules for hotfixes, ready to be asked.
struct Hotfix {
    labels: GlobSet,
    titles: GlobSet,
    branches: GlobSet,
}

impl Hotfix {
    fn of(rules: &RollforwardRules) -> Self {
        Self { labels: set(&rules.labels), titles: set(&rules.titles), branches: set(&rules.branches) }
    }

    fn fits(&self, change: &Change) -> bool {
        change.pull_request.as_ref().is_some_and(|pull| {
            pull.labels.iter().any(|label| self.labels.is_match(label))
                || self.titles.is_match(&pull.title)
                || self.branches.is_match(&pull.branch)
        })
    }
}

/// A pattern that is none matches nothing.
fn set(patterns: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        if let Ok(glob) = GlobBuilder::new(pattern).case_insensitive(true).build() {
            set.add(glob);
        }
    }
    set.build().unwrap_or_else(|_| GlobSet::empty())
}
