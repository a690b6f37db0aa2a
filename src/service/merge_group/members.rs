//! The pull requests of a merge group: what each scored by itself, whose override counts, and the answer that they give
//! where their changes could not be read together.

use serde::{Deserialize, Serialize};

use super::{
    super::{App, assess::Outcome, check_run::Writer, number},
    Work, base_branch,
};
use crate::{
    config::repository::RepositoryPolicy,
    github::QueueEntry,
    report::merge_group::{Standing, from_members},
    risk::{
        assessment::{Conclusion, Mode},
        facts::Known,
        merge_group::{GroupMember, MemberScore},
        overrides::{Made, standing},
    },
    store::{AssessmentRow, MergeGroupRow, StoreError},
};

/// A pull request of a group, with its assessment if this very head was assessed.
pub(super) struct Member {
    pub number: u64,
    pub head_sha: String,
    pub scored: Option<OwnScore>,
}

/// An assessment in short: the facts of a long queue are not held in memory at once.
pub(super) struct OwnScore {
    pub assessment: String,
    pub score: u8,
    conclusion: Conclusion,
}

impl Member {
    /// The pull request as the facts of its group name it.
    pub(super) fn in_group(&self) -> GroupMember {
        let own = |own: &OwnScore| MemberScore {
            assessment: own.assessment.clone(),
            score: own.score,
            conclusion: own.conclusion,
        };
        GroupMember { number: self.number, head_sha: self.head_sha.clone(), scored: self.scored.as_ref().map(own) }
    }
}

/// A pull request of a group as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    number: u64,
    head_sha: String,
}

/// Those of a group's pull requests whose override stands on their present heads.
pub(super) async fn members_overridden(
    app: &App,
    group: &MergeGroupRow,
    members: &[Member],
) -> Result<Vec<u64>, StoreError> {
    let mut overridden = Vec::new();
    for member in members {
        let ledger = app.store.override_ledger(group.repository_id, number(member.number)).await?;
        let holds = |made: &&Made| made.terms.holds(&member.head_sha, base_branch(group), app.clock.now());
        overridden.extend(standing(&ledger).filter(holds).map(|_| member.number));
    }
    Ok(overridden)
}

impl Work<'_> {
    pub(super) async fn members(&self, entries: &Known<Vec<QueueEntry>>) -> Result<Known<Vec<Member>>, StoreError> {
        let entries = match entries {
            Ok(entries) => entries,
            Err(unknown) => return Ok(Err(unknown.clone())),
        };
        let mut members = Vec::with_capacity(entries.len());
        for QueueEntry { number, head_sha, .. } in entries {
            members.push(self.member(*number, Some(head_sha)).await?);
        }
        Ok(Ok(members))
    }

    /// A pull request with its newest assessment, if that is of `head_sha`; without one, of whichever head.
    async fn member(&self, pull: u64, head_sha: Option<&String>) -> Result<Member, StoreError> {
        let row = self.app.store.latest_assessment(self.wanted.repository_id, number(pull)).await?;
        let row = row.filter(|row| head_sha.is_none_or(|head_sha| row.head_sha == *head_sha));
        let head_sha = head_sha.cloned().or_else(|| row.as_ref().map(|row| row.head_sha.clone()));
        let own = |row: AssessmentRow| OwnScore {
            assessment: row.id,
            score: row.score,
            // A word that this version does not know is no promise.
            conclusion: Conclusion::from_word(&row.conclusion).unwrap_or(Conclusion::Neutral),
        };
        let scored = row.map(own);
        Ok(Member { number: pull, head_sha: head_sha.unwrap_or_default(), scored })
    }

    pub(super) async fn keep_members(&self, entries: &[QueueEntry]) -> Result<(), StoreError> {
        let kept: Vec<Kept> =
            entries.iter().map(|entry| Kept { number: entry.number, head_sha: entry.head_sha.clone() }).collect();
        let text = serde_json::to_string(&kept).expect("numbers and texts are plain data");
        self.app.store.merge_group_members(self.wanted.repository_id, &self.wanted.head_sha, &text).await
    }

    /// The pull requests as the queue itself told them; `None` where it did not.
    pub(super) async fn kept_members(&self) -> Result<Option<Vec<Member>>, StoreError> {
        let kept = self.group().await?.and_then(|group| group.members);
        let Some(kept) = kept.and_then(|text| serde_json::from_str::<Vec<Kept>>(&text).ok()) else { return Ok(None) };
        let mut members = Vec::new();
        for Kept { number, head_sha } in kept {
            members.push(self.member(number, Some(&head_sha)).await?);
        }
        Ok(Some(members))
    }

    /// Concludes from what the pull requests scored by themselves. Only what the queue itself has said can hold anything
    /// back: the name of the group's branch is a hint, and an outage never blocks.
    pub(super) async fn answer_from_members(
        &self,
        run: Writer<'_>,
        group: &MergeGroupRow,
        why: &str,
    ) -> Result<(), Outcome> {
        // The reading that failed may have got so far as to keep them.
        let kept = self.kept_members().await?;
        let (certain, mut members) = (kept.is_some(), kept.unwrap_or_default());
        if let Some(pull) = hint(group).filter(|_| !certain) {
            members.push(self.member(pull, None).await?);
        }
        let overridden = members_overridden(self.app, group, &members).await?;
        let conclusion = self.conclusion(base_branch(group), &members, certain, &overridden).await?;
        let own = |member: &Member| (member.number, member.scored.as_ref().map(|scored| scored.score));
        let standing = Standing { members: members.iter().map(own).collect(), certain, why, conclusion, overridden };
        let head = &group.head_sha;
        tracing::info!(%head, why, conclusion = conclusion.word(), "merge group answered from its members");
        let highest = members.iter().filter_map(|member| member.scored.as_ref()).max_by_key(|scored| scored.score);
        let mut run = match highest {
            Some(scored) => run.showing(&scored.assessment),
            None => run,
        };
        run.complete(&from_members(&standing), conclusion).await
    }

    async fn conclusion(
        &self,
        base_ref: &str,
        members: &[Member],
        certain: bool,
        overridden: &[u64],
    ) -> Result<Conclusion, StoreError> {
        let policy = self.app.store.last_good_policy(self.wanted.repository_id, base_ref).await?;
        let policy = policy.and_then(|row| serde_json::from_str::<RepositoryPolicy>(&row.body).ok());
        let enforced = policy.is_some_and(|policy| policy.policy.mode == Mode::Enforce);
        // An override counts for its own pull request and no other.
        let unexcused: Vec<_> = members.iter().filter(|member| !overridden.contains(&member.number)).collect();
        let concluded = |conclusion: Conclusion| {
            move |member: &&Member| member.scored.as_ref().is_some_and(|own| own.conclusion == conclusion)
        };
        Ok(if !certain || members.is_empty() {
            Conclusion::Neutral
        } else if enforced && unexcused.iter().any(concluded(Conclusion::ActionRequired)) {
            Conclusion::ActionRequired
        } else if overridden.is_empty() && unexcused.iter().all(concluded(Conclusion::Success)) {
            Conclusion::Success
        } else {
            Conclusion::Neutral
        })
    }
}

/// The pull request that the name of a group's branch speaks of: `…/pr-12-{commit}`.
fn hint(group: &MergeGroupRow) -> Option<u64> {
    let start = format!("refs/heads/gh-readonly-queue/{}/pr-", base_branch(group));
    group.head_ref.strip_prefix(&start)?.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_branch_is_read_and_nothing_else() {
        let check = |base_ref: &str, head_ref: &str, expected: Option<u64>| {
            let group = MergeGroupRow {
                repository_id: 1,
                head_sha: String::new(),
                head_ref: head_ref.to_owned(),
                base_sha: String::new(),
                base_ref: base_ref.to_owned(),
                seen_at: 0,
                begun_at: None,
                destroyed: None,
                doubted: false,
                members: None,
                assessment: None,
            };
            assert_eq!(hint(&group), expected, "{base_ref} {head_ref}");
        };
        check("refs/heads/main", "refs/heads/gh-readonly-queue/main/pr-104-929f82", Some(104));
        check("refs/heads/a/pr-7-b", "refs/heads/gh-readonly-queue/a/pr-7-b/pr-104-929f82", Some(104));
        check("refs/heads/main", "refs/heads/gh-readonly-queue/other/pr-104-929f82", None);
        check("refs/heads/main", "refs/heads/gh-readonly-queue/main/pr--1", None);
        check("refs/heads/main", "refs/heads/gh-readonly-queue/main/pr-99999999999999999999999-a", None);
        check("", "", None);
    }
}
