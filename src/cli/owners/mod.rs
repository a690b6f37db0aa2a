//! `mergecast owners`: which CODEOWNERS rule is in force for a path, and whom it gives the path to.
//!
//! The rule is GitHub's; whether an owner can approve (write access, a team that can be seen) only GitHub knows.

mod audit;

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde::Serialize;

use super::{ExitCode, output::Terminal, printable, score::explained};
use crate::{
    codeowners::{BYTES_MAX, Codeowners, PLACES, Rule},
    git::{Error, Repository},
};

#[derive(Debug, clap::Args)]
pub(super) struct OwnersArgs {
    /// Paths from the repository's root, of files that need not exist; - reads them from standard input, one a line or
    /// each ended by a NUL
    #[arg(value_name = "PATH", required_unless_present = "audit")]
    paths: Vec<String>,
    /// Repository, or a directory in it
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// Read CODEOWNERS as it stands at this revision [default: in the worktree]
    #[arg(long, value_name = "REF")]
    base: Option<String>,
    /// What is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Look for rules that no longer say what they mean, by the history of the last 90 days; each finding with a patch
    #[arg(long, conflicts_with = "paths")]
    audit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// One path's answer, in the promised shape.
#[derive(Debug, Serialize)]
struct Owned<'a> {
    path: &'a str,
    owners: Vec<String>,
    rule: Option<InForce>,
}

/// The rule in force.
#[derive(Debug, Serialize)]
struct InForce {
    file: &'static str,
    line: u64,
    pattern: String,
}

pub(super) fn run(args: &OwnersArgs, now: DateTime<Utc>, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let found = file(&args.repo, args.base.as_deref())?;
    if args.audit {
        let parsed = found.as_ref().map(|(place, text)| (*place, Codeowners::parse(text)));
        let repository = Repository::open(&args.repo).map_err(|error| explained(error, None))?;
        let text = audit::run(&repository, args.base.as_deref(), found, args.format, now)?;
        terminal.out().write_all(text.as_bytes())?;
        terminal.out().flush()?;
        tell(parsed.as_ref());
        return Ok(ExitCode::Done);
    }
    let found = found.map(|(place, text)| (place, Codeowners::parse(&text)));
    let paths = paths(&args.paths, &mut io::stdin().lock())?;
    let owned = owned(&paths, found.as_ref())?;
    let text = match args.format {
        Format::Text => table(&owned),
        Format::Json => serde_json::to_string_pretty(&owned)? + "\n",
    };
    terminal.out().write_all(text.as_bytes())?;
    terminal.out().flush()?;
    tell(found.as_ref());
    Ok(ExitCode::Done)
}

fn paths(named: &[String], input: &mut dyn Read) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for name in named {
        if name != "-" {
            paths.push(name.clone());
            continue;
        }
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).context("standard input cannot be read")?;
        let text = String::from_utf8_lossy(&bytes);
        let end = if text.contains('\0') { '\0' } else { '\n' };
        let line = |line: &str| if end == '\n' { line.trim_end_matches('\r').to_owned() } else { line.to_owned() };
        paths.extend(text.split(end).map(line).filter(|path| !path.is_empty()));
    }
    Ok(paths)
}

/// Place and text of the CODEOWNERS file of a repository, or of a directory that is none yet.
fn file(directory: &Path, revision: Option<&str>) -> anyhow::Result<Option<(&'static str, String)>> {
    let repository = match Repository::open(directory) {
        Ok(repository) => Some(repository),
        Err(Error::NotARepository(_) | Error::GitMissing) if revision.is_none() && directory.is_dir() => None,
        Err(error) => return Err(explained(error, None)),
    };
    for place in PLACES {
        let is_link = || fs::symlink_metadata(directory.join(place)).is_ok_and(|found| found.is_symlink());
        if revision.is_none() && is_link() {
            bail!("{place} is a symbolic link, not a file\nhint: GitHub does not follow it; put the file itself there");
        }
        let text = match (&repository, revision) {
            (Some(repository), Some(revision)) => repository.base_file(revision, place),
            (Some(repository), None) if repository.is_bare() => repository.base_file("HEAD", place),
            (Some(repository), None) => repository.worktree_file(place),
            (None, _) => Ok(plain_file(&directory.join(place))),
        };
        if let Some(text) = text.map_err(|error| explained(error, repository.as_ref()))? {
            return Ok(Some((place, text)));
        }
    }
    Ok(None)
}

fn plain_file(path: &Path) -> Option<String> {
    let found = fs::symlink_metadata(path).ok()?;
    let bytes = if found.is_file() { fs::read(path).ok()? } else { return None };
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn owned<'a>(paths: &'a [String], found: Option<&(&'static str, Codeowners)>) -> anyhow::Result<Vec<Owned<'a>>> {
    let rules = match found {
        Some((_, file)) => {
            let names: Vec<&str> = paths.iter().map(|path| from_root(path)).collect();
            file.matching_rules(&names).map_err(|_| anyhow!("the patterns are too intertwined to be matched"))?
        }
        None => vec![None; paths.len()],
    };
    let file = found.map_or(PLACES[0], |(place, _)| *place);
    let in_force = |rule: Rule| (rule.owners, InForce { file, line: rule.line, pattern: rule.pattern });
    Ok(paths
        .iter()
        .zip(rules)
        .map(|(path, rule)| match rule.map(in_force) {
            Some((owners, rule)) => Owned { path, owners, rule: Some(rule) },
            None => Owned { path, owners: Vec::new(), rule: None },
        })
        .collect())
}

/// Paths are relative to the root, however a shell or a tool wrote them.
fn from_root(path: &str) -> &str {
    let mut path = path;
    while let Some(rest) = path.strip_prefix("./").or_else(|| path.strip_prefix('/')) {
        path = rest;
    }
    path
}

/// Path, owners and the rule that says so, in columns.
fn table(owned: &[Owned<'_>]) -> String {
    let rows: Vec<[String; 3]> = owned
        .iter()
        .map(|each| {
            let owners = if each.owners.is_empty() { "(unowned)".to_owned() } else { each.owners.join(" ") };
            let rule = match &each.rule {
                Some(rule) => format!("{}:{} {}", rule.file, rule.line, rule.pattern),
                None => "no rule matches".to_owned(),
            };
            [each.path, &owners, &rule].map(|text| printable(text).replace('\n', "\u{fffd}"))
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (paths, owners) = (width(0), width(1));
    rows.iter().map(|[path, owner, rule]| format!("{path:paths$}  {owner:owners$}  {rule}\n")).collect()
}

/// What a person should know besides the data.
fn tell(found: Option<&(&'static str, Codeowners)>) {
    let Some((place, file)) = found else {
        anstream::eprintln!("note: there is no CODEOWNERS file, so nobody owns anything");
        anstream::eprintln!("hint: GitHub looks for {}, in this order", PLACES.join(", "));
        return;
    };
    if file.too_large() {
        let megabytes = BYTES_MAX / 1024 / 1024;
        anstream::eprintln!("note: {place} has {megabytes} MB or more, and GitHub does not load such a file");
    }
    for mistake in file.mistakes() {
        let (line, column, kind) = (mistake.line, mistake.column, mistake.kind.name());
        anstream::eprintln!("note: {place} line {line}, column {column}: {kind}, so GitHub skips the line");
        if let Some(suggestion) = &mistake.suggestion {
            anstream::eprintln!("hint: {}", printable(suggestion));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_however_they_are_written() {
        let check = |input: &str, expected: &[&str]| {
            let named = ["a".to_owned(), "-".to_owned(), "z".to_owned()];
            let read = paths(&named, &mut input.as_bytes()).unwrap();
            let read: Vec<&str> = read.iter().map(String::as_str).collect();
            assert_eq!(read, [&["a"], expected, &["z"]].concat(), "{input:?}");
        };
        check("", &[]);
        check("b\nc d\r\n\n", &["b", "c d"]);
        check("b\nc\0d\r\0", &["b\nc", "d\r"]);
        for (path, expected) in [("./src/a", "src/a"), ("/src/a", "src/a"), (".//a", "a"), (".x", ".x"), ("a/", "a/")] {
            assert_eq!(from_root(path), expected);
        }
    }

    #[test]
    fn what_a_table_shows_is_harmless() {
        let rule = InForce { file: PLACES[0], line: 7, pattern: "\u{1b}[31m".to_owned() };
        let owned = [
            Owned { path: "a\nb", owners: Vec::new(), rule: Some(rule) },
            Owned { path: "é", owners: vec!["@x".to_owned(), "@y".to_owned()], rule: None },
        ];
        let expected = "a\u{fffd}b  (unowned)  .github/CODEOWNERS:7 \u{fffd}[31m\né    @x @y      no rule matches\n";
        assert_eq!(table(&owned), expected);
    }
}
