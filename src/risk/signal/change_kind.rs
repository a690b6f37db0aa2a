//! Kind of change: what the title and the paths say that this is.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::{diff::View, facts::FileStatus, paths::PathKind};

pub(super) static SIGNAL: Signal = Signal {
    id: "change_kind",
    label: "kind of change",
    unit: Unit::Flag,
    why: "Switching something on, tuning and second attempts fail more often than repairs, documentation and chores.",
    terms: &[
        Term { id: "change_kind.fix", transform: "1 by conventional type, else by words in the title" },
        Term { id: "change_kind.feature", transform: "1 by conventional type, else by words in the title" },
        Term { id: "change_kind.refactor", transform: "1 by conventional type, else by words in the title" },
        Term { id: "change_kind.docs", transform: "1 by conventional type, else by words in the title" },
        Term { id: "change_kind.tests", transform: "1 by conventional type, else by words in the title" },
        Term { id: "change_kind.chore", transform: "1 by conventional type: chore, build, ci, style, release" },
        Term { id: "change_kind.dependencies", transform: "1 by conventional type deps, else by words in the title" },
        Term {
            id: "change_kind.trivial",
            transform: "1 when words in the title speak of typos, comments, names or format",
        },
        Term { id: "change_kind.performance", transform: "1 by conventional type or by words in the title" },
        Term { id: "change_kind.enablement", transform: "1 when words in the title say that something is switched on" },
        Term {
            id: "change_kind.retry",
            transform: "1 when words in the title say that something is tried, or tried again",
        },
        Term {
            id: "change_kind.concurrency",
            transform: "1 when words in the title speak of threads, locks or waiting",
        },
        Term { id: "change_kind.removal", transform: "1 when words in the title say that something is removed" },
        Term { id: "change_kind.migration", transform: "1 when a changed file is a schema migration, by its path" },
        Term {
            id: "change_kind.configuration",
            transform: "1 when a changed file holds settings or builds, by its path",
        },
        Term { id: "change_kind.docs_only", transform: "1 when every changed file is documentation" },
        Term { id: "change_kind.tests_only", transform: "1 when every changed file is a test" },
    ],
    measure,
};

/// How many kinds there are.
const COUNT: usize = 17;
/// Names of the kinds, in the order of the terms.
const KINDS: [&str; COUNT] = [
    "fix",
    "feature",
    "refactor",
    "docs",
    "tests",
    "chore",
    "dependencies",
    "trivial",
    "performance",
    "enablement",
    "retry",
    "concurrency",
    "removal",
    "migration",
    "configuration",
    "docs_only",
    "tests_only",
];
const FIX: usize = 0;
const FEATURE: usize = 1;
const REFACTOR: usize = 2;
const DOCS: usize = 3;
const TESTS: usize = 4;
const CHORE: usize = 5;
const DEPENDENCIES: usize = 6;
const TRIVIAL: usize = 7;
const PERFORMANCE: usize = 8;
const ENABLEMENT: usize = 9;
const RETRY: usize = 10;
const CONCURRENCY: usize = 11;
const REMOVAL: usize = 12;
const MIGRATION: usize = 13;
const CONFIGURATION: usize = 14;
const DOCS_ONLY: usize = 15;
const TESTS_ONLY: usize = 16;

/// What says that a change is of a kind.
type Found = [Option<&'static str>; COUNT];

fn measure(view: &View<'_>) -> Reading {
    let mut from: Found = [None; COUNT];
    by_title(&view.facts.change.title, &mut from);
    by_paths(view, &mut from);
    let evidence =
        (0..COUNT).filter_map(|kind| from[kind].map(|from| Evidence::Kind { kind: KINDS[kind], from })).collect();
    let terms: Vec<f64> = from.iter().map(|from| flag(from.is_some())).collect();
    Ok(Measure { value: flag(from.iter().any(Option::is_some)), terms, evidence })
}

/// Of the kinds that may take points off at most one counts, lest words be piled up in a title: the conventional type,
/// else the one that words say most surely. Words that add points count each: nobody piles those up.
fn by_title(title: &str, from: &mut Found) {
    let spoken_of = spoken_of(title);
    for kind in [PERFORMANCE, ENABLEMENT, RETRY, CONCURRENCY, REMOVAL] {
        from[kind] = spoken_of[kind].then_some("title");
    }
    let Some(kind) = conventional_type(title) else {
        const SUREST: [usize; 8] = [TRIVIAL, DOCS, TESTS, DEPENDENCIES, FIX, REFACTOR, FEATURE, CHORE];
        if let Some(kind) = SUREST.into_iter().find(|kind| spoken_of[*kind]) {
            from[kind] = Some("title");
        }
        return;
    };
    let kind = match kind.as_str() {
        "fix" | "bugfix" | "hotfix" => FIX,
        "feat" | "feature" => FEATURE,
        "perf" => PERFORMANCE,
        "refactor" | "refact" => REFACTOR,
        "docs" | "doc" => DOCS,
        "test" | "tests" => TESTS,
        "deps" => DEPENDENCIES,
        "chore" | "build" | "ci" | "style" | "release" => CHORE,
        _ => return,
    };
    from[kind] = Some("type");
}

/// `fix` of `fix(parser)!: accept x`, lower case. Only known types are: "Note: this breaks" has none.
pub(super) fn conventional_type(title: &str) -> Option<String> {
    const LONGEST: usize = 100;
    let (head, _) = title.trim_start().split_once(':')?;
    if head.len() > LONGEST {
        return None;
    }
    let head = head.strip_suffix('!').unwrap_or(head);
    let name = match head.split_once('(') {
        Some((name, scope)) if scope.ends_with(')') => name,
        Some(_) => return None,
        None => head,
    };
    let name = name.to_ascii_lowercase();
    let known = [
        "fix", "bugfix", "hotfix", "feat", "feature", "perf", "refactor", "refact", "chore", "build", "ci", "style",
        "deps", "release", "docs", "doc", "test", "tests", "revert",
    ];
    known.contains(&name.as_str()).then_some(name)
}

/// The kinds that words of the title speak of.
fn spoken_of(title: &str) -> [bool; COUNT] {
    let mut spoken_of = [false; COUNT];
    let mut previous = String::new();
    for word in title.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        if let Some(kind) = kind_of_word(&previous, &word) {
            spoken_of[kind] = true;
        }
        previous = word;
    }
    spoken_of
}

/// The kind that a word speaks of, with the word before it where one alone does not say enough.
fn kind_of_word(previous: &str, word: &str) -> Option<usize> {
    Some(match word {
        "fix" | "fixes" | "fixed" | "fixing" | "bug" | "bugs" | "bugfix" | "hotfix" | "crash" | "crashes"
        | "regression" | "repair" => FIX,
        "add" | "adds" | "added" | "adding" | "implement" | "implements" | "implemented" | "introduce"
        | "introduces" | "feature" | "support" => FEATURE,
        "perf" | "performance" | "faster" | "speedup" | "optimize" | "optimise" | "optimizes" | "optimized"
        | "optimization" | "optimisation" | "latency" => PERFORMANCE,
        "up" if previous == "speed" => PERFORMANCE,
        "refactor" | "refactors" | "refactored" | "refactoring" | "restructure" | "extract" | "simplify" | "move"
        | "moves" | "rename" | "renames" | "cleanup" => REFACTOR,
        "up" if matches!(previous, "clean" | "cleans") => REFACTOR,
        "enable" if previous == "re" => RETRY,
        "enable" | "enables" | "enabled" | "enabling" | "rollout" | "activate" | "ungate" | "unflag" | "launch" => {
            ENABLEMENT
        }
        "on" if matches!(previous, "turn" | "turns" | "switch") => ENABLEMENT,
        "to" if matches!(previous, "switch" | "switches" | "default") => ENABLEMENT,
        "out" if matches!(previous, "roll" | "rolls") => ENABLEMENT,
        "default" if previous == "by" => ENABLEMENT,
        "try" | "tries" | "attempt" | "temporarily" | "temporary" | "workaround" | "hack" | "again" | "retry"
        | "reenable" | "reapply" | "reland" => RETRY,
        "async" | "thread" | "threads" | "threading" | "concurrent" | "concurrency" | "lock" | "locks" | "locking"
        | "parallel" | "race" | "races" | "atomic" | "mutex" => CONCURRENCY,
        "remove" | "removes" | "removed" | "removing" | "delete" | "deletes" | "deleted" | "drop" | "drops"
        | "deprecate" | "deprecates" => REMOVAL,
        "bump" | "bumps" | "upgrade" | "upgrades" | "deps" | "dependency" | "dependencies" => DEPENDENCIES,
        "typo" | "typos" | "comment" | "comments" | "format" | "formatting" | "lint" | "nit" | "nits"
        | "whitespace" | "spelling" | "unused" => TRIVIAL,
        "docs" | "doc" | "documentation" | "readme" | "changelog" => DOCS,
        "test" | "tests" | "flaky" | "flake" | "flakes" => TESTS,
        _ => return None,
    })
}

fn by_paths(view: &View<'_>, from: &mut Found) {
    let changed = || view.files().filter(|(file, _)| file.status != FileStatus::Unchanged);
    let any = |kinds: &[PathKind]| changed().any(|(_, scan)| kinds.contains(&scan.kind)).then_some("paths");
    from[MIGRATION] = any(&[PathKind::Migration]);
    from[CONFIGURATION] = any(&[PathKind::Config, PathKind::Manifest]);
    // A file that was not given could be anything.
    if view.incomplete().is_some() {
        return;
    }
    let only = |kind: PathKind| changed().next().is_some() && changed().all(|(_, scan)| scan.kind == kind);
    from[DOCS_ONLY] = only(PathKind::Docs).then_some("paths");
    from[TESTS_ONLY] = only(PathKind::Test).then_some("paths");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::stories::{file, pull_request};

    #[test]
    fn kinds_by_title_and_paths() {
        let check = |title: &str, paths: &[&str], expected: &str| {
            let facts = pull_request(title, paths.iter().map(|path| file(path, 3, 1)).collect());
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            let kinds = KINDS.iter().zip(&measure.terms).filter(|(_, term)| **term > 0.0).map(|(kind, _)| *kind);
            assert_eq!(kinds.collect::<Vec<_>>().join(" "), expected, "{title} {paths:?}");
        };
        let source = &["src/a.rs"];
        check("fix(parser)!: accept x", source, "fix");
        check("Fix crash on start", source, "fix");
        check("Prefix the suffix", source, "");
        check("feat: add x", source, "feature");
        check("Add support for y", source, "feature");
        check("docs: how to fix a build", source, "docs");
        check("feat: enable faster joins", source, "feature performance enablement");
        check("Fix the default colour", source, "fix");
        check("Fix a typo, rename, clean up and enable faster joins", source, "trivial performance enablement");
        check("perf: faster joins", source, "performance");
        check("Speed up joins", source, "performance");
        check("refactor: move x", source, "refactor");
        check("Enable the new cache by default", source, "enablement");
        check("Turn on tracing", source, "enablement");
        check("Try again to lock the table", source, "retry concurrency");
        check("Re-enable joins", source, "retry");
        check("Remove the old API", source, "removal");
        check("Fix typo in comment", source, "trivial");
        check("chore(deps): bump x", source, "chore");
        check("Bump x from 1 to 2", source, "dependencies");
        check("Fix flaky tests", source, "tests");
        check("Note: this breaks", source, "");
        check("feat", source, "");
        check("fix(", source, "fix");
        check("x", &["db/migrations/1_a.sql"], "migration");
        check("x", &["Makefile", "src/a.rs"], "configuration");
        check("x", &["README.md", "docs/a.png"], "docs_only");
        check("x", &["README.md", "src/a.rs"], "");
        check("x", &["tests/a.rs", "src/b_test.go"], "tests_only");
        check("x", &["README.md", "tests/a.rs"], "");
        check("", &[], "");
        check(&"fix ".repeat(10_000), source, "fix");
        check("\u{202e}xif ∆∆ ﬁx", source, "");
    }

    #[test]
    fn absent_files_could_be_anything() {
        let mut facts = pull_request("x", vec![file("README.md", 1, 0)]);
        facts.change.files_total = 2;
        assert_eq!((SIGNAL.measure)(&View::of(&facts)).unwrap().terms, [0.0; COUNT]);
    }
}
