//! Annotations: few, on changed files that the head still has, each with a cause and a next step.
//!
//! GitHub never takes one back, so each is worded to stay true whatever the reviewers do next.

use std::collections::BTreeMap;

use super::{
    Subject,
    check_run::{Annotation, AnnotationLevel},
    sentences::{
        Detail, Sentence,
        figures::{count, counted},
        list, name, say,
    },
};
use crate::risk::{
    facts::{Facts, Failures, FileChange, FileStatus, OwnerRule},
    owners::{OwnedFile, Standing},
    patch::LineKind,
    signal::{Evidence, SchemaEffect, Thing},
};

/// Most annotations of one check run: as many as GitHub takes in one request.
pub const ANNOTATIONS_MAX: usize = 50;

/// Most annotations about owners; statements of a migration come first.
const OWNERS_MAX: usize = 10;
/// Most annotations about lines that no test ran.
const UNCOVERED_MAX: usize = 5;
/// People who are named beside a file.
const KNOWERS_MAX: usize = 3;
/// A block of fewer lines is not worth a remark.
const UNCOVERED_LINES: u64 = 3;

/// What is remarked on one place, with the signal that says so.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// Id of the signal.
    pub(super) signal: &'static str,
    /// The remark.
    pub(super) annotation: Annotation,
}

/// The remarks for a check run, gravest first, at most [`ANNOTATIONS_MAX`].
pub(super) fn findings(subject: &Subject<'_>) -> Vec<Finding> {
    let files = still_there(subject.facts);
    let mut statements = Vec::new();
    let mut owned: Vec<(&'static str, &str)> = Vec::new();
    let mut unrun = Vec::new();
    let mut hot = Vec::new();
    for contribution in &subject.assessment.contributions {
        let Ok(measure) = &contribution.reading else { continue };
        for evidence in &measure.evidence {
            match evidence {
                Evidence::Schema { path, line, effect, statement } if files.contains_key(path.as_str()) => {
                    statements.extend(schema(contribution.signal.id, path, *line, *effect, statement));
                }
                Evidence::OwnerMissing { path, .. } => owned.push((contribution.signal.id, path)),
                Evidence::Uncovered { path, first, last, lines }
                    if *lines >= UNCOVERED_LINES
                        && unrun.len() < UNCOVERED_MAX
                        && files.contains_key(path.as_str()) =>
                {
                    unrun.push(uncovered(contribution.signal.id, path, (*first, *last), *lines));
                }
                Evidence::RolledBack { thing: Thing::File, failures } => {
                    hot.extend(hot_file(contribution.signal.id, subject.facts, &files, failures));
                }
                _ => {}
            }
        }
    }
    let owners = by_rule(subject.facts, &files, &owned);
    statements.sort_by_key(|finding| std::cmp::Reverse(finding.annotation.level));
    statements.truncate(ANNOTATIONS_MAX - owners.len() - unrun.len() - hot.len());
    statements.extend(hot);
    statements.extend(unrun);
    statements.extend(owners);
    statements
}

fn schema(signal: &'static str, path: &str, line: u64, effect: SchemaEffect, statement: &str) -> Option<Finding> {
    let (title, next) = match effect {
        SchemaEffect::Destructive => (
            "Destroys data or breaks running code",
            " destroys data or breaks code that still runs against the old schema. Deploy code that no longer needs it \
             first, take a backup, and drop it in a later change",
        ),
        SchemaEffect::Locking => (
            "Takes a lock that blocks writers",
            " holds a lock that blocks writers while it runs. Use the form that does not lock, such as CREATE INDEX \
             CONCURRENTLY or NOT VALID followed by VALIDATE, or set a short lock time-out",
        ),
        SchemaEffect::Additive => return None,
    };
    let message = say![name(statement)].then(next);
    let line = line.max(1);
    let place = Place { path, first: line, last: line };
    Some(Finding { signal, annotation: annotation(place, AnnotationLevel::Warning, title, &message) })
}

/// The remarks about files that lack an owner's approval, by rule, at most [`OWNERS_MAX`] of them.
pub(super) fn owners(facts: &Facts, missing: &[OwnedFile<'_>]) -> Vec<Annotation> {
    let files = still_there(facts);
    let lacks = |file: &&OwnedFile<'_>| matches!(file.standing, Standing::Missing(_));
    let owned: Vec<(&'static str, &str)> =
        missing.iter().filter(lacks).map(|file| ("owner_review", file.path)).collect();
    by_rule(facts, &files, &owned).into_iter().map(|finding| finding.annotation).collect()
}

/// Changed files that the head has, by path.
fn still_there(facts: &Facts) -> BTreeMap<&str, &FileChange> {
    let files = facts.change.files.iter().filter(|file| file.status != FileStatus::Removed && !file.submodule);
    files.map(|file| (file.path.as_str(), file)).collect()
}

/// The blocks come largest first.
fn uncovered(signal: &'static str, path: &str, (first, last): (u64, u64), lines: u64) -> Finding {
    let message = say![
        "By the coverage reports so far, no test ran ",
        counted(lines, "changed line", "changed lines"),
        " here. A test that takes this path shows what it does before it is deployed"
    ];
    let place = Place { path, first: first.max(1), last: last.max(1) };
    Finding { signal, annotation: annotation(place, AnnotationLevel::Notice, "Not run by any test", &message) }
}

/// The touched file with most rollbacks, where its author had not changed it before.
fn hot_file(
    signal: &'static str,
    facts: &Facts,
    files: &BTreeMap<&str, &FileChange>,
    failures: &Failures,
) -> Option<Finding> {
    let (file, history) = (files.get(failures.name.as_str())?, facts.history.as_ref().ok()?);
    if failures.rolled_back == 0 || history.authorless || !history.unfamiliar.contains(&file.path) {
        return None;
    }
    let knowing = history.knowers.iter().filter(|knower| knower.files.contains(&file.path)).map(|knower| &knower.name);
    let knowing: Vec<&String> = knowing.take(KNOWERS_MAX).collect();
    let next = match knowing.is_empty() {
        true => say!["A second look, and a test that shows what it does, are worth more here than elsewhere"],
        false => say!["A review by somebody who has is worth more here than elsewhere: "].with(list(
            knowing.into_iter(),
            KNOWERS_MAX,
            "people",
        )),
    };
    let earlier = counted(failures.changes, "earlier change", "earlier changes");
    let message = say![
        count(failures.rolled_back),
        " of ",
        earlier,
        " to this file were rolled back, and the author of this one had not changed it before. "
    ]
    .with(next);
    let line = first_changed_line(file);
    let place = Place { path: &file.path, first: line, last: line };
    Some(Finding { signal, annotation: annotation(place, AnnotationLevel::Notice, "Has failed before", &message) })
}

/// One remark for each rule of CODEOWNERS, at the first file that it owns.
fn by_rule(facts: &Facts, files: &BTreeMap<&str, &FileChange>, owned: &[(&'static str, &str)]) -> Vec<Finding> {
    let Ok(ownership) = &facts.ownership else {
        return Vec::new();
    };
    let mut rules: Vec<(&OwnerRule, &'static str, Vec<&FileChange>)> = Vec::new();
    for (signal, path) in owned {
        let (Some(rule), Some(file)) = (ownership.owned.get(*path), files.get(path)) else { continue };
        match rules.iter_mut().find(|(known, ..)| known.line == rule.line) {
            Some((.., paths)) => paths.push(file),
            None => rules.push((rule, signal, vec![file])),
        }
    }
    let codeowners = ownership.file.as_deref().unwrap_or("CODEOWNERS");
    let remark = |(rule, signal, paths): (&OwnerRule, &'static str, Vec<&FileChange>)| {
        let first = paths.first()?;
        let line = first_changed_line(first);
        let place = Place { path: &first.path, first: line, last: line };
        let message = owned_by(rule, codeowners, paths.len());
        Some(Finding { signal, annotation: annotation(place, AnnotationLevel::Notice, "Has owners to ask", &message) })
    };
    rules.into_iter().take(OWNERS_MAX).filter_map(remark).collect()
}

fn owned_by(rule: &OwnerRule, codeowners: &str, files: usize) -> Sentence {
    let head = say![name(codeowners), " line ", count(rule.line), " (", name(&rule.pattern), ") gives this file to "]
        .with(list(rule.owners.iter(), Detail::FULL.items, "owners"));
    let head = match files {
        1 => head,
        _ => head.then(", and ").then(count(files - 1)).then(" more of the changed files"),
    };
    head.then(". The approval of one of them counts when it is of what the file holds now")
}

/// Lines of a changed file.
struct Place<'a> {
    path: &'a str,
    first: u64,
    last: u64,
}

fn annotation(place: Place<'_>, level: AnnotationLevel, title: &str, message: &Sentence) -> Annotation {
    Annotation {
        path: place.path.to_owned(),
        start_line: place.first,
        end_line: place.last,
        level,
        title: title.to_owned(),
        message: message.markdown(Detail::FULL),
    }
}

/// The first added line or, where lines are only taken away, the line beside them, so that the remark stands inside
/// the diff; the first line where the patch is not known.
fn first_changed_line(file: &FileChange) -> u64 {
    let Ok(patch) = &file.patch else { return 1 };
    let added = patch.lines().find(|line| line.kind == LineKind::Added);
    let above = || patch.lines().take_while(|line| line.kind == LineKind::Context).last();
    let below = || patch.lines().find(|line| line.kind == LineKind::Context);
    added.or_else(above).or_else(below).map_or(1, |line| line.number.max(1))
}

#[cfg(test)]
mod tests {
    use super::{
        super::stories::{Story, all},
        *,
    };
    use crate::risk::{self, Model, facts::History, policy::Policy};

    /// What is remarked on earlier failures in the story whose author does not know a file that failed before.
    fn remarks(edit: &dyn Fn(&mut Facts, &mut History)) -> Vec<String> {
        let mut facts = all().into_iter().find(|story| story.name == "open-incident").unwrap().facts;
        let mut history = facts.history.clone().unwrap();
        edit(&mut facts, &mut history);
        facts.history = Ok(history);
        let assessment = risk::assess(&facts, Model::baseline(), &Policy::default());
        let story = Story { assessment, facts, ..all().remove(0) };
        let found = findings(&story.subject()).into_iter().filter(|finding| finding.signal == "prior_defects");
        found.map(|finding| finding.annotation.message).collect()
    }

    #[test]
    fn a_file_that_failed_before_is_remarked_where_it_is_new_to_the_author() {
        insta::assert_snapshot!(remarks(&|_, _| {}).concat(), @"2 of 9 earlier changes to this file were rolled back, and the author of this one had not changed it before. A review by somebody who has is worth more here than elsewhere: `@grace`");
        insta::assert_snapshot!(remarks(&|_, history| history.knowers.clear()).concat(), @"2 of 9 earlier changes to this file were rolled back, and the author of this one had not changed it before. A second look, and a test that shows what it does, are worth more here than elsewhere");
        assert_eq!(remarks(&|_, history| history.unfamiliar.clear()), [""; 0]);
        assert_eq!(remarks(&|_, history| history.worst_file.as_mut().unwrap().rolled_back = 0), [""; 0]);
        assert_eq!(remarks(&|_, history| history.authorless = true), [""; 0]);
        assert_eq!(remarks(&|facts, _| facts.change.files[0].status = FileStatus::Removed), [""; 0]);
    }
}
