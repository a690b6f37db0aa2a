//! The facts of a merge group: all changes of its pull requests as one change, or, where there is only one, what is
//! known of that.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    super::{gather, mirrors, number},
    Work, base_branch,
    members::{Member, members_overridden},
};
use crate::{
    config::repository::RepositoryPolicy,
    coverage::{Apart, Together},
    github::Comparison,
    risk::{
        facts::{
            Author, AuthorKind, Change, ChangeState, Coverage, Facts, FileChange, History, Known, PullCoverage, Reason,
            Revert, Runtime, Source, TargetService, Unknown,
        },
        merge_group::{MergeGroup, ProvenRevert, WayBack},
        patch::{LineKind, Patch},
        paths::{self, PathKind},
    },
    store::{MergeGroupRow, RECENT_SCORES_LIMIT, StoreError},
};

/// How long another system that tells of coverage may take: a queue waits for no more than 20 seconds in all, and other
/// things are asked for as well.
const PATIENCE: Duration = Duration::from_secs(4);
/// No pull request has this number.
const NO_PULL_REQUEST: i64 = 0;
/// How long a queue waits for Datadog; most of what is asked was asked for the pull requests already.
const HEALTH_PATIENCE: Duration = Duration::from_secs(5);

/// What the facts of a group are made of.
pub(super) struct Made<'a> {
    pub work: &'a Work<'a>,
    pub group: &'a MergeGroupRow,
    pub policy: &'a RepositoryPolicy,
    pub members: Known<Vec<Member>>,
    /// The commit that it is compared with: the tip of the base branch, so that everything ahead in the queue counts.
    pub base: String,
}

impl Made<'_> {
    /// The facts of a group of one pull request whose present head was assessed: the same commits are the same change,
    /// and its reviews and checks are known. `None` for any other group.
    pub(super) async fn of_one(&self) -> Result<Option<Facts>, StoreError> {
        let Ok([member @ Member { number: pull, head_sha, .. }]) = self.members.as_deref() else { return Ok(None) };
        let Some(mut facts) = self.own_facts(member).await? else { return Ok(None) };
        facts.at = self.work.app.clock.now();
        facts.declared = self.policy.declared.clone();
        facts.recent_scores = self.recent_scores(number(*pull)).await?;
        facts.in_production = gather::in_production(self.work.app, self.group.repository_id, facts.at).await?;
        let opinions = facts.review.as_mut().map(|review| review.opinions.as_mut_slice()).unwrap_or_default();
        for opinion in opinions.iter_mut().filter(|opinion| opinion.commit.as_ref() == Some(head_sha)) {
            opinion.commit = Some(self.group.head_sha.clone());
        }
        let change = &mut facts.change;
        change.pull_request = None;
        change.merge_group = Some(self.merge_group().await?);
        change.head_sha.clone_from(&self.group.head_sha);
        change.base_sha.clone_from(&self.base);
        // Where the pull request left the branch is not where the group does.
        change.merge_base_sha = None;
        (change.state, change.draft) = (ChangeState::Open, false);
        facts.coverage = self.coverage_of_one(&facts, *pull, head_sha).await?;
        Ok(Some(facts))
    }

    /// The facts of the whole group.
    pub(super) async fn of_all(&self, compared: Comparison, from_fork: bool) -> Result<Facts, StoreError> {
        let (files, files_total) = self.files(compared.files, compared.complete).await?;
        let mut merge_group = self.merge_group().await?;
        merge_group.reverts = self.reverts(&files).await?;
        merge_group.ways_back = self.ways_back().await?;
        let change = Change {
            pull_request: None,
            title: title(&merge_group),
            merge_group: Some(merge_group),
            author: Author { login: "merge queue".to_owned(), kind: AuthorKind::Human },
            head_sha: self.group.head_sha.clone(),
            merge_base_sha: Some(compared.merge_base_sha.clone()),
            base_sha: compared.merge_base_sha,
            base_ref: base_branch(self.group).to_owned(),
            from_fork,
            draft: false,
            state: ChangeState::Open,
            created_at: None,
            labels: Vec::new(),
            commits: compared.commits,
            commits_total: compared.commits_total,
            files,
            files_total,
            revert: Ok(None),
        };
        let at = self.work.app.clock.now();
        let history = self.history(&change, at).await?;
        let coverage = self.coverage(&change).await?;
        let (services, runtime) = self.health(&change, at).await;
        Ok(Facts {
            at,
            repository: self.work.repo.to_string(),
            change,
            review: only_of_one(Source::Reviews),
            ownership: only_of_one(Source::Codeowners),
            checks: only_of_one(Source::Checks),
            declared: self.policy.declared.clone(),
            history,
            coverage,
            services,
            runtime,
            remediation: None,
            recent_scores: self.recent_scores(NO_PULL_REQUEST).await?,
            in_production: gather::in_production(self.work.app, self.group.repository_id, at).await?,
            // The overrides of its pull requests stand beside them.
            overridden: None,
            // What the installation lacks is said where people read it: on the pull requests.
            series: Vec::new(),
            parts: Vec::new(),
            lacking: None,
        })
    }

    /// Coverage of a group of one pull request: what is known of that one's head, whose changed lines are the group's, else
    /// what reports of the group's own commit say.
    async fn coverage_of_one(&self, facts: &Facts, pull: u64, head_sha: &str) -> Result<Known<Coverage>, StoreError> {
        if let Ok(coverage) = &facts.coverage {
            return Ok(Ok(of_head(coverage.clone(), pull, head_sha)));
        }
        if let Err(unknown) = self.own_coverage(&facts.change).await? {
            return Ok(Err(unknown));
        }
        // There are reports. The base branch may have moved, and lines with it: they are numbered as in the group's tree.
        let Work { installation, repo, .. } = self.work;
        match installation.compare(repo, &self.base, &self.group.head_sha).await {
            Ok(Comparison { files, merge_base_sha, .. }) => {
                let known = Some(merge_base_sha.clone());
                let change = Change { files, base_sha: merge_base_sha, merge_base_sha: known, ..facts.change.clone() };
                self.own_coverage(&change).await
            }
            Err(error) => Ok(Err(Unknown { source: Source::Coverage, reason: error.reason() })),
        }
    }

    /// Coverage of the whole: by reports of its own commit, else by those of its pull requests where they add up.
    async fn coverage(&self, change: &Change) -> Result<Known<Coverage>, StoreError> {
        let own = match self.own_coverage(change).await? {
            Err(unknown) => unknown,
            known => return Ok(known),
        };
        let Ok(members) = &self.members else { return Ok(Err(own)) };
        let mut together = Together::default();
        for member in members {
            let added = match self.own_facts(member).await? {
                Some(facts) => together.add(member.number, &facts),
                None => Err(Apart::Unknown(member.number, Reason::Awaited { newest: None })),
            };
            if let Err(apart) = added {
                return Ok(Err(apart.of_group(own)));
            }
        }
        Ok(together.sum().ok_or(own))
    }

    /// Coverage by reports of the group's own commit.
    async fn own_coverage(&self, change: &Change) -> Result<Known<Coverage>, StoreError> {
        let wanted = gather::coverage::Wanted {
            repository_id: self.group.repository_id,
            repository: &self.work.repo,
            change,
            ignored: &self.policy.declared.ignore,
            policy: &self.policy.coverage,
            patience: PATIENCE,
        };
        gather::coverage::coverage(self.work.app, &wanted).await
    }

    /// The services of the whole, and how they fare. The queue waits, so Datadog is not waited for as long as elsewhere.
    async fn health(&self, change: &Change, at: DateTime<Utc>) -> (Vec<TargetService>, Known<Runtime>) {
        let (repository, policy) = (&self.work.repo, self.policy);
        let asked = gather::Asked { repository, change, policy, before: &[], pushed: false };
        let health = gather::health(self.work.app, asked, at);
        tokio::time::timeout(HEALTH_PATIENCE, health).await.unwrap_or_else(|_| {
            let reason = Reason::Unavailable("it did not answer in time".to_owned());
            (Vec::new(), Err(Unknown { source: Source::Datadog, reason }))
        })
    }

    /// What the history of the base branch says of the whole. It has as many authors as pull requests.
    async fn history(&self, change: &Change, at: DateTime<Utc>) -> Result<Known<History>, StoreError> {
        let wanted = mirrors::Wanted {
            repository_id: self.group.repository_id,
            pull_request: NO_PULL_REQUEST,
            name: self.work.repo.name(),
            branch: base_branch(self.group),
            base_sha: &self.base,
            author: mirrors::Whose::Several,
            landed: false,
        };
        mirrors::history(self.work.app, &wanted, change, Vec::new(), at).await.map(|(history, _)| history)
    }

    /// Changed files, and how many there are. What GitHub left out of a long list is taken from what is known of the pull
    /// requests, where nothing is missing there.
    async fn files(&self, mut files: Vec<FileChange>, complete: bool) -> Result<(Vec<FileChange>, u64), StoreError> {
        let mut whole = complete;
        if !complete && let Some(known) = self.known_files().await? {
            let listed: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
            files.extend(known.into_iter().filter(|file| !listed.contains(&file.path)));
            whole = true;
        }
        // How many are left out nobody says.
        let total = files.len() as u64 + u64::from(!whole);
        Ok((files, total))
    }

    /// The files of all pull requests, each once; `None` unless all of all are known.
    async fn known_files(&self) -> Result<Option<Vec<FileChange>>, StoreError> {
        let Ok(members) = &self.members else { return Ok(None) };
        let (mut seen, mut files) = (BTreeSet::new(), Vec::new());
        for member in members {
            let change = match self.own_facts(member).await? {
                Some(facts) if facts.change.files.len() as u64 >= facts.change.files_total => facts.change,
                _ => return Ok(None),
            };
            files.extend(change.files.into_iter().filter(|file| seen.insert(file.path.clone())));
        }
        Ok(Some(files))
    }

    /// What is known of a pull request by itself, at its present head.
    async fn own_facts(&self, member: &Member) -> Result<Option<Facts>, StoreError> {
        let Some(scored) = &member.scored else { return Ok(None) };
        let row = self.work.app.store.assessment(&scored.assessment).await?;
        Ok(row.and_then(|row| serde_json::from_str(&row.facts).ok()))
    }

    /// The proven reverts among the pull requests, with those of `files` that could trigger a floor and are changed by the
    /// revert alone: then the group changes them as it does.
    async fn reverts(&self, files: &[FileChange]) -> Result<Vec<ProvenRevert>, StoreError> {
        let migrations: Vec<&FileChange> = files.iter().filter(|file| may_migrate(&file.path)).collect();
        let members = self.members.as_deref().unwrap_or_default();
        let mut reverts = Vec::new();
        for member in members.iter().filter(|_| !migrations.is_empty()) {
            let Some(Facts { change, .. }) = self.own_facts(member).await? else { continue };
            let proven = matches!(change.revert, Ok(Some(Revert { proven: Ok(true), .. })));
            let same = |file: &&&FileChange| change.files.iter().any(|own| is_same(own, file));
            let files: Vec<String> = migrations.iter().filter(same).map(|file| file.path.clone()).collect();
            if proven && !files.is_empty() {
                reverts.push(ProvenRevert { number: member.number, files });
            }
        }
        Ok(reverts)
    }

    /// The proven reverts among the pull requests, and those of which somebody has said that they mend an incident.
    async fn ways_back(&self) -> Result<Vec<WayBack>, StoreError> {
        let mut ways_back = Vec::new();
        for member in self.members.as_deref().unwrap_or_default() {
            let revert = self.own_facts(member).await?.map(|facts| facts.change.revert);
            let proven = matches!(revert, Some(Ok(Some(Revert { proven: Ok(true), .. }))));
            let remediation = match proven {
                true => None,
                false => self.work.app.store.remediation(self.group.repository_id, number(member.number)).await?,
            };
            if proven || remediation.is_some() {
                ways_back.push(WayBack { number: member.number, remediation });
            }
        }
        Ok(ways_back)
    }

    async fn merge_group(&self) -> Result<MergeGroup, StoreError> {
        let overridden = match &self.members {
            Ok(members) => members_overridden(self.work.app, self.group, members).await?,
            Err(_) => Vec::new(),
        };
        Ok(MergeGroup {
            head_ref: self.group.head_ref.clone(),
            members: self
                .members
                .as_ref()
                .map(|members| members.iter().map(Member::in_group).collect())
                .map_err(Clone::clone),
            overridden,
            reverts: Vec::new(),
            ways_back: Vec::new(),
        })
    }

    async fn recent_scores(&self, except: i64) -> Result<Vec<u8>, StoreError> {
        self.work.app.store.recent_scores(self.group.repository_id, except, RECENT_SCORES_LIMIT).await
    }
}

/// Says of which pull request's head coverage is, where that is not the group's own commit.
fn of_head(mut coverage: Coverage, number: u64, head_sha: &str) -> Coverage {
    if let Some(report) = &coverage.report {
        let commit = report.commit.clone().unwrap_or_else(|| head_sha.to_owned());
        coverage.pull_requests = vec![PullCoverage { number, source: report.source, commit }];
    }
    coverage
}

fn title(group: &MergeGroup) -> String {
    let Ok(members) = &group.members else { return "Merge group".to_owned() };
    let numbers: Vec<String> = members.iter().map(|member| format!("#{}", member.number)).collect();
    format!("Merge group of {}", numbers.join(", "))
}

fn may_migrate(path: &str) -> bool {
    paths::kind_of(path) == PathKind::Migration || paths::has_extension(path, "sql")
}

/// Whether two changes of a file are the same, perhaps at another place in it.
fn is_same(one: &FileChange, other: &FileChange) -> bool {
    let (Ok(left), Ok(right)) = (&one.patch, &other.patch) else { return false };
    let what =
        |file: &FileChange| (file.path.clone(), file.previous_path.clone(), file.status, file.added, file.deleted);
    let lines = |patch: &Patch| {
        let changed = patch.lines().filter(|line| line.kind != LineKind::Context);
        changed.map(|line| (line.kind, line.text.to_owned())).collect::<Vec<_>>()
    };
    what(one) == what(other) && lines(left) == lines(right)
}

/// Reviews, owners and checks belong to one pull request each, and were judged with it.
fn only_of_one<T>(source: Source) -> Known<T> {
    Err(Unknown { source, reason: Reason::NotApplicable })
}
