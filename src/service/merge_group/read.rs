//! Reads the changes of a merge group together, for as long as its queue may wait.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    super::{assess::Outcome, gather},
    Work, base_branch, facts,
};
use crate::{
    github::{self, Comparison, MergeQueue, QueueEntry, Retry},
    risk::{
        facts::{Facts, Known, Reason, Source, Unknown},
        policy::Policy,
    },
    store::MergeGroupRow,
};

/// Pause before GitHub is asked again for what it did not give.
const PAUSE: TimeDelta = TimeDelta::seconds(4);

/// What came of reading.
pub(super) enum Reading {
    /// The changes of all pull requests as one.
    Together { facts: Box<Facts>, policy: Policy },
    /// They could not be had in time, and why.
    Apart { why: String },
}

impl Work<'_> {
    /// Reads until the time is over. An error is a pause after which to try again, or the database's.
    pub(super) async fn read(&self, group: &MergeGroupRow) -> Result<Reading, Outcome> {
        let until = self.until(group);
        let late = || Reading::Apart { why: "GitHub did not answer in time".to_owned() };
        match (until - self.app.clock.now()).to_std() {
            Ok(left) if !left.is_zero() => {
                tokio::time::timeout(left, self.read_until(group, until)).await.unwrap_or_else(|_| Ok(late()))
            }
            _ => Ok(late()),
        }
    }

    async fn read_until(&self, group: &MergeGroupRow, until: DateTime<Utc>) -> Result<Reading, Outcome> {
        let queue = self.installation.merge_queue(&self.repo, base_branch(group), &group.head_sha).await;
        if let Err(error) = &queue {
            self.pause(error, until)?;
        }
        let entries = entries(&queue);
        if let Ok(entries) = &entries {
            self.keep_members(entries).await?;
        }
        let file = queue.as_ref().map(|queue| queue.policy.clone()).unwrap_or_else(|error| Err(refused(error)));
        let policy = gather::policy(self.app, group.repository_id, &self.repo, base_branch(group), &file).await?;
        let members = self.members(&entries).await?;
        let base = queue.ok().and_then(|queue| queue.base_tip).unwrap_or_else(|| group.base_sha.clone());
        let made = facts::Made { work: self, group, policy: &policy, members, base };
        if let Some(facts) = made.of_one().await? {
            return Ok(Reading::Together { facts: Box::new(facts), policy: policy.policy });
        }
        match self.installation.compare(&self.repo, &made.base, &group.head_sha).await {
            Ok(Comparison { files, .. }) if files.is_empty() => {
                Ok(Reading::Apart { why: "GitHub shows no change against the base branch".to_owned() })
            }
            Ok(compared) => {
                let from_fork = entries.is_ok_and(|entries| entries.iter().any(|entry| entry.from_fork));
                let facts = made.of_all(compared, from_fork).await?;
                Ok(Reading::Together { facts: Box::new(facts), policy: policy.policy })
            }
            Err(error) => {
                self.pause(&error, until)?;
                Ok(Reading::Apart { why: error.to_string() })
            }
        }
    }

    /// An error where trying again in time may help.
    fn pause(&self, error: &github::Error, until: DateTime<Utc>) -> Result<(), Outcome> {
        let at = match error.retry() {
            Retry::Never => return Ok(()),
            Retry::At(at) => at,
            Retry::Backoff | Retry::LookFirst => self.app.clock.now() + PAUSE,
        };
        if at < until { Err(Outcome::Wait { until: at, why: error.to_string() }) } else { Ok(()) }
    }
}

/// The pull requests of the group, or why they are not known.
fn entries(queue: &Result<MergeQueue, github::Error>) -> Known<Vec<QueueEntry>> {
    match queue {
        Err(error) => Err(refused(error)),
        Ok(MergeQueue { group: Ok(Some(entries)), .. }) => Ok(entries.clone()),
        Ok(MergeQueue { group: Err(unknown), .. }) => Err(unknown.clone()),
        Ok(MergeQueue { group: Ok(None), .. }) => {
            let reason = Reason::Unavailable("the group is not in it".to_owned());
            Err(Unknown { source: Source::MergeQueue, reason })
        }
    }
}

fn refused(error: &github::Error) -> Unknown {
    Unknown { source: Source::MergeQueue, reason: error.reason() }
}
