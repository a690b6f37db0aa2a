//! `mergecast backtest`: every change of a history scored as it would have been, and judged by what became of it.

use std::{
    fs::{self, File},
    io::Write,
    panic,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, anyhow};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::ValueEnum;

use super::{ExitCode, fixes::fixes_beside, model_file, output::Terminal, progress::Progress, score::explained};
use crate::{
    git::{Error, Lines, Repository, Wanted},
    outcome::backtest::{Backtest, Judged, RankBy, Report},
    report::backtest::{csv, html, json, text},
    risk::Model,
    stream,
};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("history").required(true).args(["repo", "stream"])))]
pub(super) struct BacktestArgs {
    /// Repository whose main line is replayed, with a worktree or bare
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// File with a history: one JSON object for each change (.jsonl, .jsonl.gz)
    #[arg(long, value_name = "FILE")]
    stream: Option<PathBuf>,
    /// Score changes from this day on (UTC); earlier ones are history
    #[arg(long, value_name = "DATE", value_parser = day)]
    since: Option<DateTime<Utc>>,
    /// Judge the newest N changes only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Model to score with [default: the one that is shipped]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// What ranks changes: whole points, many of which are equal, or the stated probability, which hardly ever is
    #[arg(long, value_name = "BY", default_value = "score")]
    rank_by: By,
    /// Write every scored change to this file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the report with charts to this file, for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// What is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Score,
    Probability,
}

pub(super) fn run(args: &BacktestArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    // Said now and not after minutes of work.
    for file in [&args.csv, &args.html].into_iter().flatten() {
        File::options().append(true).create(true).open(file).with_context(|| cannot_write(file))?;
    }
    let model = args.model.as_deref().map(model_file::read).transpose()?;
    let mut judged = judged(args, model.as_ref().unwrap_or(Model::baseline()))?;
    judged.rank_by = match args.rank_by {
        By::Score => RankBy::Score,
        By::Probability => RankBy::Probability,
    };
    // On two cores: the intervals take as long as a part of the reading.
    let report = thread::scope(|scope| {
        let compared = scope.spawn(|| judged.compare());
        let report = judged.measure();
        Report { compared: compared.join().unwrap_or_else(|panic| panic::resume_unwind(panic)), ..report }
    });
    if let Some(file) = &args.csv {
        fs::write(file, csv::render(&judged)).with_context(|| cannot_write(file))?;
    }
    if let Some(file) = &args.html {
        fs::write(file, html::render(&report)).with_context(|| cannot_write(file))?;
    }
    let text = match args.format {
        Format::Text => text::render(&report, terminal.style()),
        Format::Json => serde_json::to_string_pretty(&json::render(&report))? + "\n",
    };
    terminal.out().write_all(text.as_bytes())?;
    terminal.out().flush()?;
    Ok(ExitCode::Done)
}

/// Replays the history that the arguments name.
fn judged(args: &BacktestArgs, model: &Model) -> anyhow::Result<Judged> {
    let limit = args.limit.map(|limit| limit as usize);
    match (&args.stream, &args.repo) {
        (Some(file), _) => from_stream(file, model, args.since, limit),
        (None, Some(directory)) => from_repository(directory, model, args.since, limit),
        (None, None) => Err(anyhow!("no history is named\nhint: name one with --repo or --stream")),
    }
}

fn from_stream(
    file: &Path,
    model: &Model,
    since: Option<DateTime<Utc>>,
    limit: Option<usize>,
) -> anyhow::Result<Judged> {
    let mut changes = stream::open(file)?;
    let mut backtest = Backtest::new(&stem(file), model, since).with_fixes(fixes_beside(file)?.unwrap_or_default());
    let mut progress = Progress::stderr();
    while let Some(landed) = changes.next() {
        backtest.take(&landed?);
        let (read, bytes) = changes.progress();
        progress.show(read, bytes, || "of the file scored".to_owned());
    }
    Ok(backtest.judged(limit))
}

fn from_repository(
    directory: &Path,
    model: &Model,
    since: Option<DateTime<Utc>>,
    limit: Option<usize>,
) -> anyhow::Result<Judged> {
    let repository = Repository::open(directory).map_err(|error| explained(error, None))?;
    let explained = |error| explained(error, Some(&repository));
    if repository.is_shallow() {
        anstream::eprintln!("note: this clone is shallow, so most of its history is missing");
        anstream::eprintln!("hint: git fetch --unshallow gets the rest");
    }
    let tip = main_line(&repository).map_err(explained)?;
    let lines = lines_of(&repository, &tip).map_err(explained)?;
    let wanted = Wanted { tip, after: None, lines };
    let changes = repository.landed(&wanted).map_err(explained)?;
    let total = changes.total();
    let mut backtest = Backtest::new(repository.name(), model, since);
    let mut progress = Progress::stderr();
    for (done, landed) in (1..).zip(changes) {
        backtest.take(&landed.map_err(explained)?);
        progress.show(done, total, || format!("of {total} changes scored"));
    }
    Ok(backtest.judged(limit))
}

/// Whether lines can be counted. What a partial clone lacks is told.
fn lines_of(repository: &Repository, tip: &str) -> Result<Lines, Error> {
    if !repository.is_partial() {
        return Ok(Lines::Counted);
    }
    let lines = if repository.lacks_contents(tip)? {
        anstream::eprintln!(
            "note: this clone is partial and lacks contents, so lines are unknown and nothing is compared"
        );
        Lines::Skipped
    } else {
        anstream::eprintln!("note: this clone is partial; lines of files whose contents are missing count as 0");
        Lines::Counted
    };
    anstream::eprintln!("hint: git fetch --refetch --no-filter gets the rest");
    Ok(lines)
}

/// The default branch; where none is known, what is checked out.
fn main_line(repository: &Repository) -> Result<String, Error> {
    match repository.default_branch() {
        Err(Error::NoDefaultBranch) => repository.checked_out(),
        found => found,
    }
}

/// The file's name up to its first dot.
fn stem(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("stream");
    stem.to_owned()
}

fn cannot_write(file: &Path) -> String {
    format!("{} cannot be written", file.display())
}

/// A day, or an instant as RFC 3339 has it.
fn day(text: &str) -> Result<DateTime<Utc>, String> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::MIN).and_utc());
    day.or_else(|_| DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()))
        .map_err(|_| "a day such as 2026-03-01, or an instant such as 2026-03-01T12:00:00Z, is expected".to_owned())
}
