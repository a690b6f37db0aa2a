//! `mergecast score`: a range of commits in a local repository, scored without network or settings, unless these name
//! Datadog's keys.

use std::{io::Write, iter, path::PathBuf, sync::Arc};

use anyhow::anyhow;
use chrono::{DateTime, SubsecRound, Utc};
use clap::ValueEnum;
use sha2::{Digest, Sha256};

use super::{ExitCode, local_coverage, local_history, output::Terminal, printable, runtime};
use crate::{
    codeowners::{Codeowners, PLACES},
    config::{
        nearest,
        repository::{self, RepositoryPolicy, parse_policy},
    },
    datadog::Datadog,
    git::{Error, LocalChange, Note, Range, Repository},
    report::{self, Subject},
    risk::{
        Model, assess,
        facts::{Facts, FileChange, History, Known, OwnerRule, Ownership, Reason, Source, Unknown},
        policy::PolicyError,
    },
    service::health_of_range,
};

#[derive(Debug, clap::Args)]
pub(super) struct ScoreArgs {
    /// Repository, or a directory in it
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// Where the range would be merged into [default: the default branch]
    #[arg(long, value_name = "REF")]
    base: Option<String>,
    /// Newest commit of the range [default: HEAD]
    #[arg(long, value_name = "REF")]
    head: Option<String>,
    /// Coverage report of the head commit (LCOV, Cobertura, JaCoCo, Clover, Go, llvm-cov; also gz); may be given again
    #[arg(long, value_name = "FILE")]
    coverage: Vec<PathBuf>,
    /// What is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Exit with 3 if the score is N or more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    fail_at: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
    Sarif,
}

pub(super) fn run(
    args: &ScoreArgs,
    now: DateTime<Utc>,
    datadog: Option<&Datadog>,
    terminal: &mut Terminal,
) -> anyhow::Result<ExitCode> {
    let range = Range { base: args.base.clone(), head: args.head.clone() };
    let repository = Repository::open(&args.repo).map_err(|error| explained(error, None))?;
    let local = repository.change(&range).map_err(|error| explained(error, Some(&repository)))?;
    let policy = policy(&repository, &local.base_tip);
    let notes = local.notes.clone();
    let mut facts = facts(&repository, local, &policy, now);
    let mut coverage_notes = Vec::new();
    if !args.coverage.is_empty() {
        let ignored = &facts.declared.ignore;
        let (coverage, notes) = local_coverage::of(&args.coverage, &repository, &facts.change, ignored)?;
        (facts.coverage, coverage_notes) = (Ok(coverage), notes);
    }

    let origin = repository.origin();
    let health = health_of_range(datadog, origin.as_deref(), &facts.change, &policy, now);
    (facts.services, facts.runtime) = runtime()?.block_on(health);

    let model = Model::baseline();
    let assessment = assess(&facts, model, &policy.policy);
    let facts_text = serde_json::to_string(&facts)?;
    let facts_digest = hex::encode(Sha256::digest(&facts_text));
    let id = id(&facts_digest);
    let subject = Subject {
        id: &id,
        facts: &facts,
        assessment: &assessment,
        model_version: &model.version,
        model_fitted_at: model.fitted_at,
        facts_digest: &facts_digest,
        previous_score: None,
        policy: &policy.policy,
        public_url: None,
        repository_url: None,
        commands: false,
    };
    let text = match args.format {
        Format::Text => report::terminal::render(&subject, terminal.style()),
        Format::Json => serde_json::to_string_pretty(&report::json::render(&subject))? + "\n",
        Format::Sarif => serde_json::to_string_pretty(&report::sarif::render(&subject))? + "\n",
        Format::Markdown => markdown(&subject),
    };
    terminal.out().write_all(text.as_bytes())?;
    terminal.out().flush()?;
    tell(&notes, &facts);
    coverage_notes.iter().for_each(|note| anstream::eprintln!("note: {}", printable(note)));
    let scored = report::is_scored(&subject);
    match args.fail_at {
        Some(limit) if scored && assessment.score >= limit => {
            anstream::eprintln!("The score {} is at or above --fail-at {limit}", assessment.score);
            Ok(ExitCode::FailAt)
        }
        _ => Ok(ExitCode::Done),
    }
}

fn facts(repository: &Repository, local: LocalChange, policy: &RepositoryPolicy, now: DateTime<Utc>) -> Facts {
    let not_here = |source| Unknown { source, reason: Reason::NotApplicable };
    let said = local_history::about(repository, &local, &policy.declared, Model::baseline(), now);
    let (history, parts) = said.map_or_else(|unknown| (Err(unknown), Vec::new()), |(said, parts)| (Ok(said), parts));
    let recent_scores = history.as_ref().map(recent_scores).unwrap_or_default();
    Facts {
        at: now.trunc_subsecs(0),
        repository: repository.name().to_owned(),
        review: Err(not_here(Source::Reviews)),
        ownership: ownership(repository, &local.base_tip, &local.change.files),
        checks: Err(not_here(Source::Checks)),
        declared: policy.declared.clone(),
        history,
        coverage: Err(Unknown::not_connected(Source::Coverage)),
        services: Vec::new(),
        runtime: Err(Unknown::not_connected(Source::Datadog)),
        remediation: None,
        recent_scores,
        in_production: Vec::new(),
        series: Vec::new(),
        parts,
        lacking: None,
        overridden: None,
        change: local.change,
    }
}

/// Nobody has scored these changes here: what history and diff alone made of the latest ones stands for the App's scores.
fn recent_scores(history: &History) -> Vec<u8> {
    let each = |(score, changes): &(u8, u64)| iter::repeat_n(*score, usize::try_from(*changes).unwrap_or_default());
    history.recent.iter().flat_map(each).collect()
}

/// Owners by the CODEOWNERS file of the base.
fn ownership(repository: &Repository, base: &str, files: &[FileChange]) -> Known<Ownership> {
    let unavailable = |why: String| Unknown { source: Source::Codeowners, reason: Reason::Unavailable(why) };
    for place in PLACES {
        let file = repository.base_file(base, place).map_err(|error| unavailable(error.to_string()))?;
        let Some(text) = file else { continue };
        let parsed = Codeowners::parse(&text);
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let rules = parsed.owner_rules(&paths);
        let rules = rules.map_err(|_| unavailable("its patterns are too intertwined to be matched".to_owned()))?;
        let owned = paths.iter().zip(rules).filter_map(|(path, rule)| {
            let rule = rule?;
            let rule = OwnerRule { line: rule.line, pattern: rule.pattern, owners: rule.owners };
            Some(((*path).to_owned(), Arc::new(rule)))
        });
        return Ok(Ownership {
            file: Some(place.to_owned()),
            owned: owned.collect(),
            invalid_lines: parsed.mistakes().iter().map(|mistake| mistake.line).collect(),
            ..Ownership::default()
        });
    }
    Ok(Ownership::default())
}

/// The policy of the base; with mistakes in it the defaults, and the mistakes listed.
fn policy(repository: &Repository, base: &str) -> RepositoryPolicy {
    let mistaken = |errors| {
        let mut policy = RepositoryPolicy::default();
        policy.policy.origin.errors = errors;
        policy
    };
    match repository.base_file(base, repository::PATH) {
        Ok(Some(text)) => parse_policy(&text).unwrap_or_else(mistaken),
        Ok(None) => RepositoryPolicy::default(),
        Err(error) => mistaken(vec![PolicyError { line: None, message: error.to_string() }]),
    }
}

/// An id made of the facts, in the form of a UUID: the same facts have the same id.
fn id(facts_digest: &str) -> String {
    let part = |range: std::ops::Range<usize>| &facts_digest[range];
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

/// The check run as one Markdown document.
fn markdown(subject: &Subject<'_>) -> String {
    let text = report::check_run::render(subject);
    let glossary = text.text.map(|text| format!("\n{}\n", text.trim_end())).unwrap_or_default();
    format!("# Mergecast\n\n{}\n{glossary}", text.summary.trim_end())
}

/// What a person should know besides the data.
fn tell(notes: &[Note], facts: &Facts) {
    for note in notes {
        match note {
            Note::Shallow => anstream::eprintln!("note: this clone is shallow, so commits may be missing"),
            Note::Partial => anstream::eprintln!("note: this clone is partial; nothing was fetched for the score"),
            Note::NoContents => {
                anstream::eprintln!("note: contents of the range are not in this clone, so its lines are unknown");
                anstream::eprintln!("hint: git fetch --refetch --no-filter gets them");
            }
            Note::Uncommitted { files: 1 } => anstream::eprintln!("note: 1 file is not committed and not scored"),
            Note::Uncommitted { files } => anstream::eprintln!("note: {files} files are not committed and not scored"),
        }
    }
    let change = &facts.change;
    if change.files.is_empty() && change.commits.is_empty() {
        anstream::eprintln!("note: there is no commit that {} does not have already", printable(&change.base_ref));
        anstream::eprintln!("hint: name an earlier commit, for example --base HEAD~1");
    }
}

/// The error as a sentence with its way out.
pub(super) fn explained(error: Error, repository: Option<&Repository>) -> anyhow::Error {
    let hint = match &error {
        Error::GitMissing => "install git 2.31 or newer".to_owned(),
        Error::NotARepository(_) => "go into a repository, or name one with --repo".to_owned(),
        Error::ForeignOwner(path) => {
            format!("if you trust it: git config --global --add safe.directory {}", path.display())
        }
        Error::NoCommits => "commit something first".to_owned(),
        Error::NoSuchHead(_) => {
            "git branch --all lists the branches; git symbolic-ref HEAD refs/heads/NAME names another".to_owned()
        }
        Error::UnknownRevision(revision) => near_names(revision, repository),
        Error::NoDefaultBranch => "name the branch that this would be merged into with --base".to_owned(),
        Error::NoMergeBase { shallow: true, .. } => {
            "this clone is shallow; git fetch --unshallow gets the rest".to_owned()
        }
        Error::NoMergeBase { .. } => "name a commit that both have in their history with --base".to_owned(),
        Error::MissingObjects => "git fetch --refetch --no-filter gets them".to_owned(),
        Error::NotOnMainLine(_) | Error::Stopped => "run it again to read the history from its beginning".to_owned(),
        Error::Io(_) | Error::Failed { .. } | Error::Answer(_) => {
            "git fsck says whether the repository is whole".to_owned()
        }
    };
    anyhow!("{}\nhint: {hint}", capitalised(&error.to_string()))
}

/// Branches and tags that may have been meant.
fn near_names(revision: &str, repository: Option<&Repository>) -> String {
    const SHOWN_MAX: usize = 5;
    let names = repository.and_then(|repository| repository.references().ok()).unwrap_or_default();
    let mut near = Vec::new();
    // A branch that exists only at origin is a frequent cause.
    near.extend(names.iter().filter(|name| name.rsplit_once('/').is_some_and(|(_, last)| last == revision)));
    let mut left: Vec<&str> = names.iter().map(String::as_str).filter(|name| !near.iter().any(|n| n == name)).collect();
    while near.len() < SHOWN_MAX {
        let Some(found) = nearest(revision, left.iter().copied()) else { break };
        left.retain(|name| *name != found);
        near.extend(names.iter().find(|name| *name == found));
    }
    near.truncate(SHOWN_MAX);
    let near: Vec<&str> = near.into_iter().map(String::as_str).collect();
    match near.as_slice() {
        [] => "git branch --all lists the branches".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
