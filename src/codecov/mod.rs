//! Codecov, by its API v2: what it knows of a commit's coverage, line by line.
//!
//! Codecov carries parts of a report forward from earlier commits. Such parts are told apart by their uploads and never
//! count as coverage of this commit. docs/coverage.md says which of its documents this rests on.

pub mod sim;

use std::collections::BTreeMap;

use futures_util::future::join_all;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::{
    coverage::{Line, Report, Totals},
    remote::{Remote, RemoteError},
    risk::facts::{CarriedCoverage, FlagCoverage, OwnCount},
};

/// Pages of uploads that are read; a page has up to 100.
const PAGES_MAX: u32 = 5;
/// Up to so many files are asked for one by one, more as one report.
const ONE_BY_ONE: usize = 10;
/// Flags whose coverage is asked for, a request each.
const FLAGS_MAX: usize = 10;

/// Codecov, as one token sees it.
#[derive(Clone, Debug)]
pub struct Codecov(Remote);

/// What Codecov says of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitCoverage {
    /// Lines of the wanted files, by path.
    pub report: Report,
    /// All lines of the commit; `None` where a part of them was carried forward.
    pub totals: Option<Totals>,
    /// Uploads that are of this very commit.
    pub uploads: u64,
    /// Parts that were carried forward and are not in `report`.
    pub carried: Vec<CarriedCoverage>,
    /// All lines of the commit by flag, in the order of their names; those that were carried forward among them, as such.
    pub flags: Vec<FlagCoverage>,
    /// What Codecov itself counts for the pull request, if it stands on this commit there too.
    pub own_count: Option<OwnCount>,
}

#[derive(Deserialize)]
struct Commit {
    state: Option<String>,
    totals: Option<Counted>,
}

/// Codecov's sums. Lines whose branches ran in part are no hits in them.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
struct Counted {
    lines: u64,
    hits: u64,
}

#[derive(Deserialize)]
struct Pull {
    base_totals: Option<Counted>,
    head_totals: Option<Counted>,
    #[serde(default)]
    patch: Option<Patch>,
}

#[derive(Clone, Copy, Deserialize)]
struct Patch {
    hits: u64,
    misses: u64,
    partials: u64,
}

#[derive(Deserialize)]
struct FlagReport {
    totals: Counted,
}

#[derive(Deserialize)]
struct Page<T> {
    next: Option<String>,
    results: Vec<T>,
}

#[derive(Deserialize)]
struct Upload {
    #[serde(default)]
    flags: Option<Vec<String>>,
    #[serde(default)]
    upload_type: Option<String>,
    #[serde(default)]
    upload_extras: Option<Extras>,
    #[serde(default)]
    state: Option<String>,
}

#[derive(Deserialize)]
struct Extras {
    #[serde(default)]
    carriedforward_from: Option<String>,
}

#[derive(Deserialize)]
struct CoverageReport {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    /// Line numbers with 0 for a line that ran, 1 for one that did not, 2 for one whose branches ran in part.
    line_coverage: Vec<(u32, u8)>,
}

impl Upload {
    fn is_carried(&self) -> bool {
        self.upload_type.as_deref() == Some("carriedforward")
    }
}

impl Codecov {
    /// Codecov at `url`.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn new(url: &Url, token: SecretString) -> Result<Self, RemoteError> {
        Remote::new(url, token).map(Self)
    }

    /// What it says of a commit, of these files and of the pull request that stands on it; `None` while it has no complete
    /// report of that very commit.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn commit(
        &self,
        repo: (&str, &str),
        sha: &str,
        files: &[&str],
        pull_request: Option<u64>,
    ) -> Result<Option<CommitCoverage>, RemoteError> {
        let Some(commit) = self.complete(repo, sha).await? else { return Ok(None) };
        let uploads = self.uploads(repo, sha).await?;
        let (carried, own): (Vec<&Upload>, Vec<&Upload>) = uploads.iter().partition(|upload| upload.is_carried());
        if own.is_empty() && !carried.is_empty() {
            // All of it is of earlier commits.
            return Ok(None);
        }
        let flags = if carried.is_empty() { vec![None] } else { own_flags(&own).ok_or(RemoteError::Contract)? };
        let mut report = Report::default();
        for flag in flags {
            let part = self.lines(repo, sha, files, flag).await?;
            report.merge(part).map_err(|_| RemoteError::Contract)?;
        }
        // What is only shown is done without where it cannot be read.
        let own_count = match (pull_request, commit.totals) {
            (Some(number), Some(totals)) => self.own_count(repo, number, totals).await.unwrap_or_default(),
            _ => None,
        };
        let totals = commit.totals.filter(|_| carried.is_empty());
        Ok(Some(CommitCoverage {
            report,
            totals: totals.map(|totals| Totals { lines: totals.lines, covered: totals.hits }),
            uploads: own.len() as u64,
            carried: carried.iter().map(|upload| told(upload)).collect(),
            flags: self.flags(repo, sha, &uploads).await.unwrap_or_default(),
            own_count,
        }))
    }

    /// All lines of a commit, where all of its report is its own.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn totals(&self, repo: (&str, &str), sha: &str) -> Result<Option<Totals>, RemoteError> {
        let Some(commit) = self.complete(repo, sha).await? else { return Ok(None) };
        if self.uploads(repo, sha).await?.iter().any(Upload::is_carried) {
            return Ok(None);
        }
        Ok(commit.totals.map(|totals| Totals { lines: totals.lines, covered: totals.hits }))
    }

    /// Whether the token may read something: the owner's repositories.
    ///
    /// # Errors
    /// Why it may not.
    pub async fn check(&self) -> Result<(), RemoteError> {
        let _: Option<serde::de::IgnoredAny> = self.0.get(&["api", "v2", "github", ""], &[("page_size", "1")]).await?;
        Ok(())
    }

    async fn complete(&self, repo: (&str, &str), sha: &str) -> Result<Option<Commit>, RemoteError> {
        let commit: Option<Commit> = self.0.get(&path(repo, &["commits", sha, ""]), &[]).await?;
        Ok(commit.filter(|commit| commit.state.as_deref() == Some("complete")))
    }

    /// What Codecov counts for a pull request. It does not say of which commit: unless its head counts what the commit
    /// counts, it is taken to be of another.
    async fn own_count(
        &self,
        repo: (&str, &str),
        number: u64,
        commit: Counted,
    ) -> Result<Option<OwnCount>, RemoteError> {
        let number = number.to_string();
        let pull: Option<Pull> = self.0.get(&path(repo, &["pulls", &number, ""]), &[]).await?;
        let pair = |counted: Counted| (counted.lines, counted.hits);
        Ok(pull.filter(|pull| pull.head_totals == Some(commit)).map(|pull| OwnCount {
            patch: pull.patch.map(|patch| (patch.hits + patch.misses + patch.partials, patch.hits)),
            head: pair(commit),
            base: pull.base_totals.map(pair),
        }))
    }

    /// All lines by flag, where the parts have names.
    async fn flags(&self, repo: (&str, &str), sha: &str, uploads: &[Upload]) -> Result<Vec<FlagCoverage>, RemoteError> {
        // A flag that was uploaded anew is no longer carried forward.
        let mut names: BTreeMap<&str, bool> = BTreeMap::new();
        for upload in uploads {
            for flag in upload.flags.iter().flatten() {
                *names.entry(flag).or_insert(true) &= upload.is_carried();
            }
        }
        let ask = |(name, carried): (&str, bool)| {
            let name = name.to_owned();
            async move {
                let query = [("sha", sha), ("flag", &name)];
                let told: Option<FlagReport> = self.0.get(&path(repo, &["totals", ""]), &query).await?;
                let flag = |told: FlagReport| {
                    let Counted { lines, hits } = told.totals;
                    FlagCoverage { name: name.clone(), lines, covered: hits, carried }
                };
                Ok::<_, RemoteError>(told.map(flag))
            }
        };
        let told = join_all(names.into_iter().take(FLAGS_MAX).map(ask)).await;
        let told: Result<Vec<Option<FlagCoverage>>, RemoteError> = told.into_iter().collect();
        Ok(told?.into_iter().flatten().collect())
    }

    async fn uploads(&self, repo: (&str, &str), sha: &str) -> Result<Vec<Upload>, RemoteError> {
        let mut all = Vec::new();
        for page in 1..=PAGES_MAX {
            let query = [("page", page.to_string()), ("page_size", "100".to_owned())];
            let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
            let answer: Option<Page<Upload>> =
                self.0.get(&path(repo, &["commits", sha, "uploads", ""]), &query).await?;
            let Some(answer) = answer else { break };
            all.extend(answer.results);
            if answer.next.is_none() {
                break;
            }
        }
        // One that failed at Codecov has no lines.
        all.retain(|upload| upload.state.as_deref() != Some("error"));
        Ok(all)
    }

    async fn lines(
        &self,
        repo: (&str, &str),
        sha: &str,
        files: &[&str],
        flag: Option<&str>,
    ) -> Result<Report, RemoteError> {
        let mut found: Vec<File> = Vec::new();
        let asked: Vec<Option<&str>> =
            if files.len() > ONE_BY_ONE { vec![None] } else { files.iter().map(|file| Some(*file)).collect() };
        for file in asked {
            let query = [Some(("sha", sha)), file.map(|file| ("path", file)), flag.map(|flag| ("flag", flag))];
            let query: Vec<(&str, &str)> = query.into_iter().flatten().collect();
            let answer: Option<CoverageReport> = self.0.get(&path(repo, &["report", ""]), &query).await?;
            // A path is a beginning of paths to Codecov.
            let wanted = |found: &File| files.contains(&found.name.as_str());
            found.extend(answer.into_iter().flat_map(|answer| answer.files).filter(wanted));
        }
        let lines = |file: &File| {
            let line = |&(number, kind): &(u32, u8)| Line { number, hits: u32::from(kind != 1) };
            file.line_coverage.iter().map(line).collect::<Vec<_>>()
        };
        Report::of(found.iter().map(|file| (file.name.as_str(), lines(file)))).map_err(|_| RemoteError::Contract)
    }
}

/// The flags of a commit's own uploads; `None` if one has none, so that its lines cannot be told from carried ones.
fn own_flags<'a>(own: &[&'a Upload]) -> Option<Vec<Option<&'a str>>> {
    let mut flags: Vec<Option<&str>> = Vec::new();
    for upload in own {
        let first = upload.flags.as_ref().and_then(|flags| flags.first())?;
        if !flags.contains(&Some(first.as_str())) {
            flags.push(Some(first));
        }
    }
    Some(flags)
}

fn told(upload: &Upload) -> CarriedCoverage {
    let flags = upload.flags.clone().unwrap_or_default().join(", ");
    CarriedCoverage {
        name: if flags.is_empty() { "a part without a name".to_owned() } else { flags },
        commit: upload.upload_extras.as_ref().and_then(|extras| extras.carriedforward_from.clone()),
    }
}

/// Path below one repository. Codecov's addresses end with a slash.
fn path<'a>((owner, name): (&'a str, &'a str), rest: &[&'a str]) -> Vec<&'a str> {
    [&["api", "v2", "github", owner, "repos", name][..], rest].concat()
}

#[cfg(test)]
mod tests;
