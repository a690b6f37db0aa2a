//! Owners' approvals of a merge group: what those of its pull requests came to, as they stood when they were queued. The
//! first conclusion is final, as it is for the queue; what is not known holds nothing back.

use super::{
    super::{
        assess::Outcome,
        check_run::{Head, Said, Writer, say},
        owners::conclusion,
    },
    Work, base_branch,
};
use crate::{
    config::repository::RepositoryPolicy,
    github::Conclusion as GitHubConclusion,
    report,
    risk::{
        assessment::Conclusion,
        facts::Facts,
        owners::{Verdict, verdict},
    },
    store::{CheckRunState, MergeGroupRow, StoreError},
};

impl Work<'_> {
    /// Writes the check run of the group's owners, where its branch's policy asks for one.
    pub(super) async fn answer_for_owners(&self) -> Result<(), Outcome> {
        let Some(group) = self.group().await? else { return Ok(()) };
        let store = &self.app.store;
        let Some(head) = self.owners_head() else { return Ok(()) };
        if store.pull_request_of_head(head.repository_id, &head.sha).await?.is_some() {
            return Ok(());
        }
        if group.gone().is_some() {
            return self.end(head.name, &report::owners::gone()).await;
        }
        let row = store.check_run(head.repository_id, &head.sha, head.name).await?;
        if row.as_ref().is_some_and(|row| row.state == CheckRunState::Completed) {
            return Ok(());
        }
        if row.is_none() && !self.are_owners_asked_for(&group).await? {
            return Ok(());
        }
        let members = self.members_verdicts().await?;
        let said = Said {
            text: report::owners::of_group(&members),
            conclusion: whole(&members),
            external_id: &group.assessment.clone().unwrap_or_else(|| self.app.clock.new_id()),
        };
        say(self.app, &self.installation, &self.repo, &head, self.listed(), said).await
    }

    /// Completes what was begun as neutral, with the reference under which the log tells more. A queue that waits for the run is
    /// answered also where nothing was begun.
    pub(super) async fn fail_for_owners(&self, reference: &str) -> Result<(), Outcome> {
        let (Some(group), Some(head)) = (self.group().await?, self.owners_head()) else { return Ok(()) };
        if group.gone().is_some() {
            return self.end(head.name, &report::owners::failure(reference)).await;
        }
        let row = self.app.store.check_run(head.repository_id, &head.sha, head.name).await?;
        let waits = match &row {
            Some(row) => row.state != CheckRunState::Completed,
            None => self.are_owners_asked_for(&group).await?,
        };
        if !waits {
            return Ok(());
        }
        let mut run = Writer::open(self.app, &self.installation, &self.repo, &head, self.listed(), reference).await?;
        if run.completed() {
            return Ok(());
        }
        run.complete(&report::owners::failure(reference), Conclusion::Neutral).await
    }

    /// Whether a queue may wait for the run: the branch's policy asks for it.
    async fn are_owners_asked_for(&self, group: &MergeGroupRow) -> Result<bool, StoreError> {
        let policy = self.app.store.last_good_policy(self.wanted.repository_id, base_branch(group)).await?;
        let policy = policy.and_then(|row| serde_json::from_str::<RepositoryPolicy>(&row.body).ok());
        Ok(policy.is_some_and(|policy| policy.owners_check))
    }

    fn owners_head(&self) -> Option<Head> {
        self.head().named(report::owners::NAME)
    }

    /// What owners' approvals came to for each pull request, as it was assessed at the head that the queue named.
    async fn members_verdicts(&self) -> Result<Vec<(u64, Option<Verdict>)>, StoreError> {
        let mut verdicts = Vec::new();
        for member in self.kept_members().await?.unwrap_or_default() {
            let row = match &member.scored {
                Some(own) => self.app.store.assessment(&own.assessment).await?,
                None => None,
            };
            let facts = row.and_then(|row| serde_json::from_str::<Facts>(&row.facts).ok());
            verdicts.push((member.number, facts.map(|facts| verdict(&facts))));
        }
        Ok(verdicts)
    }
}

/// Fails where one fails; passes where all do.
fn whole(members: &[(u64, Option<Verdict>)]) -> GitHubConclusion {
    let each: Vec<GitHubConclusion> =
        members.iter().map(|(_, verdict)| verdict.as_ref().map_or(GitHubConclusion::Neutral, conclusion)).collect();
    if each.contains(&GitHubConclusion::Failure) {
        GitHubConclusion::Failure
    } else if !each.is_empty() && each.iter().all(|one| *one == GitHubConclusion::Success) {
        GitHubConclusion::Success
    } else {
        GitHubConclusion::Neutral
    }
}
