//! Reading on where contents are missing, as in a partial clone: paths are always told, lines where both contents of a
//! file are here.

use std::collections::{HashMap, HashSet};

use super::{
    FILES_MAX, Lines, Step,
    output::{Entry, Record, Records},
    worker::{Asked, Pair, is_missing, pair},
};
use crate::git::{Error, contents};

/// A commit with more files than these is not compared file by file; its lines stay 0.
const PATHS_MAX: usize = 1_000;

/// Reads these commits, whatever contents are missing.
pub(super) fn read(asked: &Asked, steps: &[Step]) -> Result<Vec<Pair>, Error> {
    // Trees alone: only a file that moved as it was is seen as moved.
    let mut pairs = all(asked, steps, "--raw", "-M100%")?;
    let missing = missing(asked, &pairs)?;
    let is_whole = |record: &Record| record.files.iter().all(|file| here(file, &missing));
    let whole: Vec<bool> = pairs.iter().map(|pair| is_whole(&pair.commit)).collect();
    let again: Vec<Step> =
        steps.iter().zip(&whole).filter(|(_, whole)| **whole).map(|(step, _)| step.alone()).collect();
    let mut read = all(asked, &again, asked.format(), "-M50%")?.into_iter();
    let blobs = pairs.iter().flat_map(|pair| &pair.commit.files).flat_map(|file| &file.blobs).collect::<HashSet<_>>();
    // In a clone without contents, counting the few files that are checked out would tell nothing.
    let mostly_here = missing.len() * 2 < blobs.len();
    for ((pair, step), whole) in pairs.iter_mut().zip(steps).zip(whole) {
        if whole {
            let again = read.next().ok_or(Error::Answer("diff-tree"))?;
            pair.commit = again.commit;
        } else if mostly_here && asked.lines == Lines::Counted {
            count(asked, step, &mut pair.commit, &missing)?;
        }
        pair.commit.files.truncate(FILES_MAX);
    }
    Ok(pairs)
}

fn all(asked: &Asked, steps: &[Step], format: &str, renames: &str) -> Result<Vec<Pair>, Error> {
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let (output, running) = asked.start(steps, format, renames)?;
    let mut records = Records::whole(output);
    let mut pairs = Vec::with_capacity(steps.len());
    for step in steps {
        let Some((read, _)) = pair(&mut records, step)? else { break };
        pairs.push(read);
    }
    // Without trees nothing can be told.
    running.finish().map_err(|error| if is_missing(&error) { Error::MissingObjects } else { error })?;
    if pairs.len() == steps.len() { Ok(pairs) } else { Err(Error::Answer("diff-tree")) }
}

/// Object ids of the contents that are not here.
fn missing(asked: &Asked, pairs: &[Pair]) -> Result<HashSet<String>, Error> {
    let files = pairs.iter().flat_map(|pair| &pair.commit.files);
    let wanted: HashSet<&str> = files.flat_map(|file| &file.blobs).map(String::as_str).collect();
    contents::missing(&asked.git, wanted)
}

fn here(file: &Entry, missing: &HashSet<String>) -> bool {
    file.blobs.iter().all(|id| !missing.contains(id))
}

/// Counts the lines of those files of a commit whose contents are here.
fn count(asked: &Asked, step: &Step, commit: &mut Record, missing: &HashSet<String>) -> Result<(), Error> {
    let is_counted = |file: &&Entry| file.previous_path.is_none() && here(file, missing);
    let paths: Vec<&str> = commit.files.iter().filter(is_counted).map(|file| file.path.as_str()).collect();
    if paths.is_empty() || paths.len() > PATHS_MAX {
        return Ok(());
    }
    let parent = step.parent.as_ref().unwrap_or(&asked.empty_tree);
    let mut arguments = vec![
        "diff-tree",
        "-r",
        "-z",
        "--numstat",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        parent,
        &step.sha,
        "--",
    ];
    arguments.extend(&paths);
    let (mut output, running) = asked.git.feed(&arguments, &[("GIT_ATTR_SOURCE", &asked.empty_tree)], Vec::new())?;
    let mut listed = Vec::new();
    std::io::Read::read_to_end(&mut output, &mut listed).map_err(Error::Io)?;
    running.finish()?;
    let mut counts = HashMap::new();
    for line in listed.split(|byte| *byte == 0) {
        let line = String::from_utf8_lossy(line);
        let mut fields = line.splitn(3, '\t');
        if let (Some(added), Some(deleted), Some(path)) = (fields.next(), fields.next(), fields.next()) {
            let number = |field: &str| field.parse::<u64>().unwrap_or(0);
            counts.insert(path.to_owned(), (number(added), number(deleted)));
        }
    }
    for file in &mut commit.files {
        let (added, deleted) = counts.get(&file.path).copied().unwrap_or_default();
        (file.added, file.deleted) = (added, deleted);
        commit.added = commit.added.saturating_add(added);
        commit.deleted = commit.deleted.saturating_add(deleted);
    }
    Ok(())
}
