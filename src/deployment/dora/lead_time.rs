//! Change lead time: which commits ran in production for the first time with a deployment, and how long they took.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::deployment::change::{Change, ChangeId, Shipped};
use crate::deployment::ledger::{Deployment, Ledger};

/// What a deployment brought to its service and environment for the first time.
pub(super) struct Brought<'a> {
    pub(super) deployment: &'a Deployment,
    pub(super) changes: Vec<First<'a>>,
}

/// A change that ran for the first time.
pub(super) struct First<'a> {
    change: &'a Change,
    deployment: &'a Deployment,
    /// Of each of its commits that had not run before; below 0 where clocks differ.
    pub(super) lead_times: Vec<TimeDelta>,
}

/// What each deployment to production brought, of those of which it is known. A commit counts when it runs first: to deploy
/// it again, or to bring it back after a rollback, is no new lead time.
pub(super) fn brought<'a>(ledger: &'a Ledger, shipped: &'a Shipped) -> Vec<Brought<'a>> {
    let mut all = Vec::new();
    for sequence in ledger.sequences() {
        let mut ran: BTreeMap<&ChangeId, BTreeSet<DateTime<Utc>>> = BTreeMap::new();
        for deployment in sequence {
            let Some(changes) = deployment.witnesses.iter().find_map(|witness| shipped.get(witness)) else { continue };
            let Some(at) = deployment.at else { continue };
            let mut firsts = Vec::new();
            for change in changes {
                let before = ran.get(&change.id);
                let is_new = |written: &&DateTime<Utc>| before.is_none_or(|before| !before.contains(*written));
                let lead_times: Vec<TimeDelta> =
                    change.authored_at.iter().filter(is_new).map(|written| at - *written).collect();
                if !lead_times.is_empty() {
                    firsts.push(First { change, deployment, lead_times });
                }
            }
            for change in changes {
                ran.entry(&change.id).or_default().extend(&change.authored_at);
            }
            all.push(Brought { deployment, changes: firsts });
        }
    }
    all
}

impl First<'_> {
    /// The stages that are known of its pull request, none of which is negative.
    pub(super) fn stages(&self) -> impl Iterator<Item = (&'static str, TimeDelta)> {
        let pull = self.change.pull_request.as_ref();
        let written = self.change.authored_at.first().copied();
        let (opened, merged) = (pull.and_then(|pull| pull.opened_at), pull.and_then(|pull| pull.merged_at));
        let (began, at) = (self.deployment.started_at, self.deployment.at);
        let stages = [
            ("coding", written, opened),
            ("review", opened, merged),
            ("waiting", merged, began),
            ("deploying", began, at),
        ];
        let is_pull = pull.is_some();
        let took = stages.into_iter().filter_map(|(name, from, to)| Some((name, to? - from?)));
        took.filter(move |(_, took)| is_pull && *took >= TimeDelta::zero())
    }
}
