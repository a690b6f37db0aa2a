//! The metrics of software delivery performance that DORA defines, of deployments to production in a window of time.
//! docs/dora.md has each definition with its source. A person is in none of them.

mod frequency;
mod lead_time;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use frequency::{Band, Frequency};
use lead_time::{Brought, brought};

use super::change::Shipped;
use super::failures::{Evidence, Outcome, Remedy};
use super::ledger::{Deployment, Ledger};
use super::sighting::{Rollout, WitnessId};

/// All that the metrics are made of.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Deployments.
    pub ledger: &'a Ledger,
    /// What they brought.
    pub shipped: &'a Shipped,
    /// What became of them.
    pub outcomes: &'a [Outcome],
    /// Which of them remedied which.
    pub remedies: &'a [Remedy],
}

/// Of which deployments the metrics are. Only deployments to production are counted, whatever is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Of one service; of all if `None`.
    pub service: Option<String>,
    /// Of one team; of all if `None`.
    pub team: Option<String>,
    /// In one production environment, by its name in the ledger; in all if `None`.
    pub environment: Option<String>,
    /// They took effect at this time or later.
    pub from: DateTime<Utc>,
    /// They took effect before.
    pub to: DateTime<Utc>,
}

impl Scope {
    /// Of everything between two instants.
    pub fn all(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self { service: None, team: None, environment: None, from, to }
    }

    /// Whether a deployment is one of those that are counted.
    pub(super) fn holds(&self, deployment: &Deployment) -> bool {
        deployment.is_live() && self.covers(deployment)
    }

    /// Whether it is one that was to reach production.
    fn covers(&self, deployment: &Deployment) -> bool {
        deployment.environment.as_ref().is_some_and(|environment| environment.production)
            && deployment.at.is_some_and(|at| self.from <= at && at < self.to)
            && self.is_asked(deployment)
    }

    /// Whether service, team and environment are those that are asked for. Names are compared without case.
    pub(super) fn is_asked(&self, deployment: &Deployment) -> bool {
        let is = |asked: &Option<String>, told: Option<&String>| {
            asked.as_ref().is_none_or(|asked| told.is_some_and(|told| told.to_lowercase() == asked.to_lowercase()))
        };
        is(&self.service, Some(&deployment.service))
            && is(&self.team, deployment.team.as_ref())
            && is(&self.environment, deployment.environment.as_ref().map(|environment| &environment.name))
    }
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of how many; never fewer.
    pub of: u64,
}

impl Share {
    /// From 0 to 1; `None` of nothing.
    pub fn ratio(self) -> Option<f64> {
        (self.of > 0).then(|| self.count as f64 / self.of as f64)
    }
}

/// How durations are spread, in seconds. Between two of them a percentile lies in proportion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many there are, at least 1.
    pub sample: u64,
    /// Half of them are shorter.
    pub p50_s: f64,
    /// Three quarters are.
    pub p75_s: f64,
    /// 90 % are.
    pub p90_s: f64,
    /// 95 % are.
    pub p95_s: f64,
}

impl Spread {
    /// `None` of none.
    pub fn of(durations: impl IntoIterator<Item = TimeDelta>) -> Option<Self> {
        let mut seconds: Vec<i64> = durations.into_iter().map(|one| one.num_seconds()).collect();
        seconds.sort_unstable();
        let last = seconds.len().checked_sub(1)?;
        let at = |share: f64| {
            let place = share * last as f64;
            let (below, above) = (seconds[place.floor() as usize] as f64, seconds[place.ceil() as usize] as f64);
            below + (above - below) * place.fract()
        };
        Some(Self { sample: seconds.len() as u64, p50_s: at(0.5), p75_s: at(0.75), p90_s: at(0.9), p95_s: at(0.95) })
    }
}

/// Change lead time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeadTime {
    /// From when a commit was written to when it ran in production first, commit by commit.
    pub commits: Option<Spread>,
    /// Commits that were written after they ran, by clocks that differ; they are left out.
    pub negative: u64,
    /// Deployments of which it is not known what they brought.
    pub untold: u64,
    /// Of a pull request, from its first commit until it was opened.
    pub coding: Option<Spread>,
    /// Until it was merged.
    pub review: Option<Spread>,
    /// Until its first deployment began.
    pub waiting: Option<Spread>,
    /// Until that had taken effect.
    pub deploying: Option<Spread>,
}

/// How often deployments failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeFail {
    /// Deployments that failed, of those whose outcome is known.
    pub rate: Share,
    /// Deployments whose outcome is not known yet.
    pub pending: u64,
    /// Those of them of which it already shows that they failed.
    pub failing: u64,
    /// Of those that failed, how many had an incident; the four overlap.
    pub by_incident: u64,
    /// An SLO that burned.
    pub by_burn: u64,
    /// A rollback.
    pub by_rollback: u64,
    /// A roll-forward.
    pub by_rollforward: u64,
}

/// Failed deployment recovery time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// Of failed deployments that have recovered.
    pub spread: Option<Spread>,
    /// Failed deployments that have not, or of which it is not known.
    pub untold: u64,
}

/// The metrics of a scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dora {
    /// Of what.
    pub scope: Scope,
    /// Deployment frequency.
    pub frequency: Frequency,
    /// Change lead time.
    pub lead_time: LeadTime,
    /// Change fail rate.
    pub change_fail: ChangeFail,
    /// Failed deployment recovery time.
    pub recovery: Recovery,
    /// Rework rate: deployments that were not planned but remedy an earlier one, of all.
    pub rework: Share,
    /// Deployments that bring back an earlier build, of all.
    pub rollback: Share,
    /// Deployments that a program started, of those of which that is known.
    pub automated: Share,
    /// From the beginning of a failed deployment until somebody or something noticed.
    pub detection: Option<Spread>,
    /// Rollouts to production that went well, of those that are over: what failed on its way is in no other figure.
    pub pipeline_success: Share,
}

/// The metrics of a scope.
pub fn dora(record: Record<'_>, scope: &Scope) -> Dora {
    let deployments: Vec<&Deployment> = record.ledger.live().filter(|one| scope.holds(one)).collect();
    let ids: BTreeSet<&WitnessId> = deployments.iter().map(|deployment| &deployment.id).collect();
    let outcomes: Vec<&Outcome> = record.outcomes.iter().filter(|one| ids.contains(&one.deployment)).collect();
    let remedies: Vec<&Remedy> = record.remedies.iter().filter(|one| ids.contains(&one.deployment)).collect();
    let of = deployments.len() as u64;
    let distinct = |remedies: &mut dyn Iterator<Item = &&Remedy>| {
        remedies.map(|remedy| &remedy.deployment).collect::<BTreeSet<_>>().len() as u64
    };
    let automated: Vec<bool> = deployments.iter().filter_map(|one| one.automated).collect();
    let failed: Vec<&&Outcome> = outcomes.iter().filter(|one| one.failed() == Some(true)).collect();
    let recovered: Vec<TimeDelta> = failed.iter().filter_map(|one| one.recovery).collect();
    Dora {
        scope: scope.clone(),
        frequency: frequency::frequency(deployments.iter().filter_map(|one| one.at), scope.from, scope.to),
        lead_time: lead_time(record, scope),
        change_fail: change_fail(&outcomes),
        recovery: Recovery { untold: (failed.len() - recovered.len()) as u64, spread: Spread::of(recovered) },
        rework: Share { count: distinct(&mut remedies.iter()), of },
        rollback: Share { count: distinct(&mut remedies.iter().filter(|one| one.is_rollback())), of },
        automated: Share {
            count: automated.iter().filter(|automated| **automated).count() as u64,
            of: automated.len() as u64,
        },
        detection: Spread::of(failed.iter().filter_map(|one| one.detection)),
        pipeline_success: pipeline_success(record.ledger, scope),
    }
}

fn pipeline_success(ledger: &Ledger, scope: &Scope) -> Share {
    let mut share = Share::default();
    for deployment in ledger.deployments.iter().filter(|one| scope.covers(one)) {
        share.of += u64::from(deployment.rollout != Rollout::InProgress);
        share.count += u64::from(deployment.rollout == Rollout::Succeeded);
    }
    share
}

fn change_fail(outcomes: &[&Outcome]) -> ChangeFail {
    let mut figures = ChangeFail::default();
    for outcome in outcomes {
        match outcome.failed() {
            None => {
                figures.pending += 1;
                figures.failing += u64::from(!outcome.evidence.is_empty());
            }
            Some(failed) => {
                figures.rate.of += 1;
                figures.rate.count += u64::from(failed);
                let has = |is: fn(&Evidence) -> bool| u64::from(outcome.evidence.iter().any(is));
                figures.by_incident += has(|one| matches!(one, Evidence::Incident(_)));
                figures.by_burn += has(|one| matches!(one, Evidence::Burn(_)));
                figures.by_rollback += has(|one| matches!(one, Evidence::RolledBack(_)));
                figures.by_rollforward += has(|one| matches!(one, Evidence::RolledForward(_)));
            }
        }
    }
    figures
}

fn lead_time(record: Record<'_>, scope: &Scope) -> LeadTime {
    let brought: Vec<Brought> =
        brought(record.ledger, record.shipped).into_iter().filter(|one| scope.holds(one.deployment)).collect();
    let told: BTreeSet<&WitnessId> = brought.iter().map(|one| &one.deployment.id).collect();
    let deployments = record.ledger.live().filter(|one| scope.holds(one));
    let untold = deployments.filter(|one| !told.contains(&one.id)).count() as u64;
    let (mut commits, mut negative) = (Vec::new(), 0);
    let mut stages: BTreeMap<&str, Vec<TimeDelta>> = BTreeMap::new();
    for one in &brought {
        for change in &one.changes {
            for took in &change.lead_times {
                if *took < TimeDelta::zero() {
                    negative += 1;
                } else {
                    commits.push(*took);
                }
            }
            for (stage, took) in change.stages() {
                stages.entry(stage).or_default().push(took);
            }
        }
    }
    let mut stage = |name: &str| Spread::of(stages.remove(name).unwrap_or_default());
    LeadTime {
        coding: stage("coding"),
        review: stage("review"),
        waiting: stage("waiting"),
        deploying: stage("deploying"),
        commits: Spread::of(commits),
        negative,
        untold,
    }
}

#[cfg(test)]
mod tests;
