//! What a signal read, in words. Evidence of one kind becomes one sentence; it speaks of the change, not of people.

use super::{
    Detail, Sentence, coverage,
    figures::{age_in_days, count, counted, decimal, instant, percent, value, weekday},
    health, history, list, name, say,
};
use crate::risk::{
    assessment::Contribution,
    signal::{Evidence, Measure, SchemaEffect},
};

/// Most that is noted of what is worth no points.
const NOTED_MAX: usize = 3;

/// What the signal of a contribution read; empty when it is unknown.
pub(crate) fn reading(contribution: &Contribution, detail: Detail) -> Sentence {
    let Ok(measure) = &contribution.reading else {
        return Sentence::default();
    };
    if measure.evidence.is_empty() {
        return match contribution.signal.id {
            "change_kind" => say!["neither a fix nor one of the other kinds that are undone less often"],
            "entropy" => say!["no line that counts"],
            "directory_defects" | "file_type_defects" | "topic_defects" => {
                say![value(measure.value, contribution.signal.unit), " this repository's rate of rollbacks"]
            }
            _ => say![value(measure.value, contribution.signal.unit)],
        };
    }
    Sentence::joined(sentences(measure, detail.items), "; ")
}

/// What is worth a note although it is worth no points: a draft, the hour, a file that usually changes along.
pub(crate) fn note(contribution: &Contribution, detail: Detail) -> Sentence {
    let Ok(measure) = &contribution.reading else {
        return Sentence::default();
    };
    let noted =
        |evidence: &&Evidence| matches!(evidence, Evidence::Draft | Evidence::MergeTime { .. } | Evidence::CoChange(_));
    let noted = measure.evidence.iter().filter(noted).take(NOTED_MAX);
    Sentence::joined(noted.map(|evidence| single(evidence, detail.items)), "; ")
}

/// The evidence of a measure, one sentence for each kind of evidence, in the order of first appearance.
pub(crate) fn sentences(measure: &Measure, items: usize) -> Vec<Sentence> {
    let mut said = Vec::new();
    let mut seen = Vec::new();
    for evidence in &measure.evidence {
        let kind = std::mem::discriminant(evidence);
        if seen.contains(&kind) {
            continue;
        }
        seen.push(kind);
        let alike = measure.evidence.iter().filter(|other| std::mem::discriminant(*other) == kind);
        said.extend(sentence(evidence, &alike.collect::<Vec<_>>(), measure.value, items));
    }
    said.retain(|sentence| !sentence.is_empty());
    said
}

/// One kind of evidence: `first` of it, and all of it.
fn sentence(first: &Evidence, all: &[&Evidence], value: f64, items: usize) -> Vec<Sentence> {
    match first {
        Evidence::Schema { .. } => schema(all, items),
        Evidence::Sensitive { .. } => sensitive(all, items),
        Evidence::OwnerMissing { .. } => vec![owner_missing(all, items)],
        Evidence::OwnerUnknown { .. } => vec![owner_unknown(all, items)],
        Evidence::Dependency { .. } => vec![dependencies(all, items)],
        Evidence::Uncovered { .. } => vec![uncovered(all, items)],
        Evidence::LargestFile { path, share } if *share >= 1.0 => vec![say!["all changed lines are in ", name(path)]],
        Evidence::LargestFile { path, share } => vec![say![
            percent(value),
            " of an even spread over the files; ",
            percent(*share),
            " of the changed lines are in ",
            name(path)
        ]],
        _ => all.iter().map(|evidence| single(evidence, items)).collect(),
    }
}

/// Evidence that stands for itself.
fn single(evidence: &Evidence, items: usize) -> Sentence {
    match evidence {
        Evidence::Lines { added, deleted, beside, discounted } => lines(*added, *deleted, *beside, *discounted),
        Evidence::Spread { files: 0, .. } => say!["no file that counts"],
        Evidence::Spread { files, directories, subsystems } => say![
            counted(*files, "file", "files"),
            " in ",
            counted(*directories, "directory", "directories"),
            ", ",
            counted(*subsystems, "top-level directory", "top-level directories")
        ],
        Evidence::TestsAlong { source, test } => tests_along(*source, *test),
        Evidence::Kind { kind, from } => {
            say![kind_in_words(kind), ", by its ", if *from == "type" { "conventional type" } else { from }]
        }
        Evidence::Reviews { approvals_current, approvals_stale, changes_requested, unresolved_threads } => {
            reviews(*approvals_current, *approvals_stale, *changes_requested, *unresolved_threads)
        }
        Evidence::ReviewsAside { by_bots, dismissed, by_pusher, needed } => {
            aside(*by_bots, *dismissed, *by_pusher, *needed)
        }
        Evidence::ReviewPace { minutes, lines } => say![
            "approved within ",
            counted(*minutes, "minute", "minutes"),
            " of the last push; ",
            counted(*lines, "line", "lines")
        ],
        Evidence::ChecksFailed(names) => say!["failed: "].with(list(names.iter(), items, "checks")),
        Evidence::ChecksPending(names) => say!["not finished: "].with(list(names.iter(), items, "checks")),
        Evidence::Partly { seen, total, of } => {
            let done = if *of == "statements" { " named" } else { " looked at" };
            say!["only ", count(*seen), " of ", count(*total), " ", *of, done]
        }
        Evidence::OpenFor { days } => say!["open for ", age_in_days(*days)],
        Evidence::Draft => say!["a draft"],
        Evidence::MergeTime { at } => say![weekday(at), ", which by itself predicts nothing"],
        Evidence::Frozen { name: freeze, until } => say!["freeze ", name(freeze), " until ", instant(*until)],
        Evidence::Undoes { of, proven: true } => {
            say!["the exact inverse of ", name(of), ", proven by comparing patches"]
        }
        Evidence::Undoes { of, proven: false } => say!["says it undoes ", name(of), ", but is not proven to"],
        Evidence::Relands
        | Evidence::RolledBack { .. }
        | Evidence::NeverRolledBack { .. }
        | Evidence::RollbacksOfLate { .. }
        | Evidence::Familiarity { .. }
        | Evidence::Knows { .. }
        | Evidence::Developers { .. }
        | Evidence::LastChanged { .. }
        | Evidence::CoChange(_)
        | Evidence::Series(_)
        | Evidence::SeriesParts(_) => history::sentence(evidence),
        Evidence::CoveredLines { .. } | Evidence::FewLines | Evidence::Coverage(_) => {
            coverage::sentence(evidence, items)
        }
        Evidence::Burn { rate } => {
            say!["error budget burning at ", decimal(*rate), "x its pace in the worst 2 h of the last 48 h"]
        }
        Evidence::Health(health) => health::sentence(health, items),
        Evidence::Incidents(names) => say!["open: "].with(list(names.iter(), items, "incidents")),
        Evidence::Schema { .. }
        | Evidence::Sensitive { .. }
        | Evidence::OwnerMissing { .. }
        | Evidence::OwnerUnknown { .. }
        | Evidence::Dependency { .. }
        | Evidence::Uncovered { .. }
        | Evidence::LargestFile { .. } => Sentence::default(),
    }
}

fn aside(by_bots: u64, dismissed: u64, by_pusher: u64, needed: u64) -> Sentence {
    let some = |number: u64, said: Sentence| if number > 0 { said } else { Sentence::default() };
    let parts = [
        some(by_bots, say![counted(by_bots, "review by a bot does", "reviews by bots do"), " not count"]),
        some(dismissed, say![count(dismissed), " dismissed"]),
        some(by_pusher, say![count(by_pusher), " by whose account is behind the newest commit, not counted"]),
        some(needed, say!["the branch asks for ", counted(needed, "approval", "approvals")]),
    ];
    Sentence::joined(parts, ", ")
}

fn tests_along(source: u64, test: u64) -> Sentence {
    let source_lines = counted(source, "source line", "source lines");
    match (source, test) {
        (0, 0) => say!["no source line changed"],
        (0, _) => say![counted(test, "test line", "test lines"), " changed, no source line"],
        (_, 0) => say![source_lines, " changed, no test line along"],
        _ => say![source_lines, " and ", count(test), " in tests changed"],
    }
}

fn lines(added: u64, deleted: u64, beside: u64, discounted: u64) -> Sentence {
    let mut counted_lines = say![counted(added, "line", "lines"), " added, ", count(deleted), " deleted"];
    if beside > 0 {
        counted_lines = counted_lines.then(", and ").then(count(beside)).then(" more in tests and docs");
    }
    if discounted == 0 {
        return counted_lines;
    }
    counted_lines
        .then(" (")
        .then(count(discounted))
        .then(" more not counted: generated, vendored, lock file, ignored or white space)")
}

fn reviews(current: u64, stale: u64, changes_requested: u64, threads: u64) -> Sentence {
    let approvals = match current {
        0 => say!["no approval of the newest commit"],
        _ => say![counted(current, "approval", "approvals"), " of the newest commit"],
    };
    let mut all = vec![approvals];
    if stale > 0 {
        all.push(say![count(stale), " of an earlier commit"]);
    }
    if changes_requested > 0 {
        all.push(say!["changes requested by ", counted(changes_requested, "reviewer", "reviewers")]);
    }
    if threads > 0 {
        all.push(say![counted(threads, "unresolved thread", "unresolved threads")]);
    }
    Sentence::joined(all, ", ")
}

fn schema(all: &[&Evidence], items: usize) -> Vec<Sentence> {
    let effects = [
        (SchemaEffect::Destructive, "destroys data or breaks running code: "),
        (SchemaEffect::Locking, "takes a lock that blocks writers: "),
        (SchemaEffect::Additive, "changes the schema: "),
    ];
    let statement = |evidence: &Evidence| match evidence {
        Evidence::Schema { path, line, statement, .. } => {
            say![name(statement), " (", name(path), " line ", count(*line), ")"]
        }
        _ => Sentence::default(),
    };
    let of_effect = |(wanted, words): (SchemaEffect, &'static str)| {
        let has_it = |one: &&&Evidence| matches!(one, Evidence::Schema { effect, .. } if *effect == wanted);
        let found: Vec<&Evidence> = all.iter().filter(has_it).copied().collect();
        let said = some_of(&found, items, ("statement", "statements"), statement);
        (!found.is_empty()).then(|| say![words].with(said))
    };
    effects.into_iter().filter_map(of_effect).collect()
}

fn sensitive(all: &[&Evidence], items: usize) -> Vec<Sentence> {
    let mut areas: Vec<(&str, Vec<&Evidence>)> = Vec::new();
    for evidence in all {
        let Evidence::Sensitive { area, .. } = evidence else { continue };
        match areas.iter_mut().find(|(known, _)| known == area) {
            Some((_, files)) => files.push(evidence),
            None => areas.push((area, vec![evidence])),
        }
    }
    let file = |evidence: &Evidence| match evidence {
        Evidence::Sensitive { path, .. } => say![name(path)],
        _ => Sentence::default(),
    };
    let of_area = |(area, files): &(&str, Vec<&Evidence>)| {
        let head = area_in_words(area).map_or_else(|| say![name(area)], |words| say![words]);
        head.then(": ").with(some_of(files, items, ("file", "files"), file))
    };
    let shown = items.max(1) * 2;
    let mut said: Vec<_> = areas.iter().take(shown).map(of_area).collect();
    if areas.len() > shown {
        said.push(say![counted((areas.len() - shown) as u64, "more area", "more areas")]);
    }
    said
}

fn owner_missing(all: &[&Evidence], items: usize) -> Sentence {
    let file = |evidence: &Evidence| match evidence {
        Evidence::OwnerMissing { path, rule } => {
            let owners = list(rule.owners.iter(), items.min(2), "owners");
            say![name(path), " ("].with(owners).then(", CODEOWNERS line ").then(count(rule.line)).then(")")
        }
        _ => Sentence::default(),
    };
    let lacking = if all.len() == 1 {
        " without its owners' approval of what it holds now"
    } else {
        " without their owners' approval of what they hold now"
    };
    let head = say![counted(all.len() as u64, "file", "files"), lacking];
    if items == 0 { head } else { head.then(": ").with(some_of(all, items, ("file", "files"), file)) }
}

fn owner_unknown(all: &[&Evidence], items: usize) -> Sentence {
    let file = |evidence: &Evidence| match evidence {
        Evidence::OwnerUnknown { path, rule } => {
            say![name(path), " ("].with(list(rule.owners.iter(), items.min(2), "owners")).then(")")
        }
        _ => Sentence::default(),
    };
    let head = say![counted(all.len() as u64, "file", "files"), " whose owners could not be told from the approvals"];
    if items == 0 { head } else { head.then(": ").with(some_of(all, items, ("file", "files"), file)) }
}

fn dependencies(all: &[&Evidence], items: usize) -> Sentence {
    let package = |evidence: &Evidence| match evidence {
        Evidence::Dependency { package, from, to, step, development } => {
            let mut said = say![name(package)];
            if let Some(from) = from {
                said = said.then(" ").then(name(from));
            }
            if let Some(to) = to {
                said = said.then(" → ").then(name(to));
            }
            said.then(" (").then(*step).then(if *development { ", development only)" } else { ")" })
        }
        _ => Sentence::default(),
    };
    some_of(all, items, ("dependency", "dependencies"), package)
}

fn uncovered(all: &[&Evidence], items: usize) -> Sentence {
    let block = |evidence: &Evidence| match evidence {
        Evidence::Uncovered { path, first, last, .. } if first == last => say![name(path), " line ", count(*first)],
        Evidence::Uncovered { path, first, last, .. } => {
            say![name(path), " lines ", count(*first), " to ", count(*last)]
        }
        _ => Sentence::default(),
    };
    say!["not run: "].with(some_of(all, items, ("block", "blocks"), block))
}

/// At most `items` of `all` and how many more there are; a count alone, of one or of many, where none may be shown.
fn some_of(
    all: &[&Evidence],
    items: usize,
    (one, many): (&'static str, &'static str),
    sentence: impl Fn(&Evidence) -> Sentence,
) -> Sentence {
    if items == 0 {
        return say![counted(all.len() as u64, one, many)];
    }
    let shown = Sentence::joined(all.iter().take(items).map(|evidence| sentence(evidence)), ", ");
    if all.len() > items { shown.then(" and ").then(count(all.len() - items)).then(" more") } else { shown }
}

/// The areas that this program knows by itself; any other is a pattern from the policy.
pub(super) fn area_in_words(area: &str) -> Option<&'static str> {
    ["infrastructure", "auth", "payments", "ci", "dependencies"]
        .into_iter()
        .find(|known| *known == area)
        .map(|known| if known == "ci" { "CI" } else { known })
}

/// A kind of change as a noun phrase.
pub(super) fn kind_in_words(kind: &'static str) -> &'static str {
    match kind {
        "fix" => "a fix",
        "feature" => "a feature",
        "performance" => "a performance change",
        "refactor" => "a refactoring",
        "enablement" => "switches something on",
        "docs" => "documentation",
        "tests" => "tests",
        "chore" => "a chore",
        "dependencies" => "a dependency update",
        "trivial" => "trivial",
        "retry" => "a try, or another one",
        "concurrency" => "about threads, locks or waiting",
        "removal" => "a removal",
        "migration" => "a schema migration",
        "configuration" => "settings or build files",
        "docs_only" => "documentation only",
        "tests_only" => "tests only",
        other => other,
    }
}
