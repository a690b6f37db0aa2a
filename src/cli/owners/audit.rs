//! `mergecast owners --audit`: what a CODEOWNERS file no longer says as it is meant, with a patch for each.

use std::{collections::BTreeSet, fmt::Write as _};

use anyhow::anyhow;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{Format, printable};
use crate::{
    codeowners::{
        PLACES,
        audit::{Finding, FindingKind, Person, Subject, Touch, audit},
    },
    git::{Error, Repository},
};

/// How far back changes are looked at.
const LATELY: TimeDelta = TimeDelta::days(90);

/// One finding, in the shape of the JSON.
#[derive(Serialize)]
struct Told {
    kind: &'static str,
    line: Option<u64>,
    pattern: Option<String>,
    path: Option<String>,
    owner: Option<String>,
    /// What was counted, in words.
    detail: String,
    /// A unified diff for `git apply`.
    patch: Option<String>,
}

/// All findings, in the shape of the JSON.
#[derive(Serialize)]
struct Report {
    file: &'static str,
    exists: bool,
    since: DateTime<Utc>,
    findings: Vec<Told>,
    /// Owners that are teams: who is in them is not known here.
    teams_not_looked_at: usize,
}

/// Looks at the file of a repository as it stands at a revision, or in the worktree with the history of HEAD.
pub(super) fn run(
    repository: &Repository,
    base: Option<&str>,
    found: Option<(&'static str, String)>,
    format: Format,
    now: DateTime<Utc>,
) -> anyhow::Result<String> {
    let explained = |error: Error| super::explained(error, Some(repository));
    let revision = base.unwrap_or("HEAD");
    let paths = repository.paths(revision).map_err(explained)?;
    let since = now - LATELY;
    let lately = repository.authored_since(revision, since).map_err(explained)?;
    let lately: Vec<Touch> = lately
        .into_iter()
        .map(|one| Touch { by: Person { name: one.name, email: one.email }, paths: one.paths })
        .collect();
    let ever = repository.authors(revision).map_err(explained)?;
    let ever: BTreeSet<Person> = ever.into_iter().map(|(name, email)| Person { name, email }).collect();
    let (exists, (file, text)) = (found.is_some(), found.unwrap_or((PLACES[0], String::new())));
    let subject = Subject { text: &text, paths: &paths, lately: &lately, ever: &ever };
    let (findings, teams) = audit(&subject).map_err(|_| anyhow!("the patterns are too intertwined to be matched"))?;
    let findings = findings.iter().map(|finding| told(finding, &text, file, exists)).collect();
    let report = Report { file, exists, since, findings, teams_not_looked_at: teams };
    match format {
        Format::Json => Ok(serde_json::to_string_pretty(&report)? + "\n"),
        Format::Text => Ok(words(&report, repository.is_shallow())),
    }
}

fn told(finding: &Finding, text: &str, file: &str, exists: bool) -> Told {
    let (kind, path, owner) = match &finding.kind {
        FindingKind::UnownedHot { path, .. } => ("unowned_hot_path", Some(path.clone()), None),
        FindingKind::MatchesNothing => ("matches_nothing", None, None),
        FindingKind::Hidden => ("hidden", None, None),
        FindingKind::Ghost { owner } => ("ghost_owner", None, Some(owner.clone())),
        FindingKind::Broad { .. } => ("over_broad", None, None),
        FindingKind::Drift { .. } => ("drift", None, None),
    };
    Told {
        kind,
        line: finding.rule.as_ref().map(|rule| rule.line),
        pattern: finding.rule.as_ref().map(|rule| rule.pattern.clone()),
        path,
        owner,
        detail: detail(&finding.kind),
        patch: finding.edit.as_ref().map(|edit| edit.patch(text, file, exists)),
    }
}

fn detail(kind: &FindingKind) -> String {
    match kind {
        FindingKind::UnownedHot { changes, .. } => format!("nobody owns it, and it changed {changes} times in 90 days"),
        FindingKind::MatchesNothing => "its pattern matches no file".to_owned(),
        FindingKind::Hidden => "later lines take every file that its pattern matches".to_owned(),
        FindingKind::Ghost { .. } => "no commit is by this owner, as far as names and addresses tell".to_owned(),
        FindingKind::Broad { files, of } => format!("it is in force for {files} of {of} files"),
        FindingKind::Drift { by_owners, changes } => {
            format!("its owners made {by_owners} of the {changes} changes to its files in 90 days")
        }
    }
}

fn words(report: &Report, shallow: bool) -> String {
    let mut out = String::new();
    for one in &report.findings {
        let about = match (&one.path, one.line, &one.pattern) {
            (Some(path), ..) => path.clone(),
            (None, Some(line), Some(pattern)) => format!("{}:{line} {pattern}", report.file),
            _ => report.file.to_owned(),
        };
        let owner = one.owner.as_ref().map(|owner| format!(", {owner}")).unwrap_or_default();
        let _ = writeln!(out, "{}{}: {}", printable(&about), printable(&owner), one.detail);
        for line in one.patch.iter().flat_map(|patch| patch.lines()) {
            let _ = writeln!(out, "    {}", printable(line));
        }
        out.push('\n');
    }
    let number = report.findings.len();
    let since = report.since.format("%Y-%m-%d");
    let _ = writeln!(out, "{number} {}, by changes since {since}", if number == 1 { "finding" } else { "findings" });
    if report.teams_not_looked_at > 0 {
        let teams = report.teams_not_looked_at;
        let _ = writeln!(
            out,
            "Of {teams} owning {} only GitHub knows the members",
            if teams == 1 { "team" } else { "teams" }
        );
    }
    if shallow {
        out.push_str("This clone is shallow: owners may have changed things before its beginning\n");
    }
    out
}
