//! Facts for tests: a dozen typical changes, and a generator of hostile ones.

mod any;

pub(super) use any::any_facts;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{facts::*, patch::Patch};

/// The instant of every story: a Tuesday, 10:00 UTC.
pub(super) fn now() -> DateTime<Utc> {
    "2026-03-10T10:00:00Z".parse().unwrap()
}

pub(super) fn nothing<T>(source: Source) -> Known<T> {
    Err(Unknown::not_connected(source))
}

/// An open, reviewed pull request with passed checks; history, coverage and runtime are not connected.
pub(crate) fn pull_request(title: &str, files: Vec<FileChange>) -> Facts {
    Facts {
        at: now(),
        repository: "acme/shop".into(),
        change: Change {
            pull_request: Some(7),
            merge_group: None,
            title: title.into(),
            author: Author { login: "ada".into(), kind: AuthorKind::Human },
            head_sha: "a".repeat(40),
            base_sha: "b".repeat(40),
            merge_base_sha: None,
            base_ref: "main".into(),
            from_fork: false,
            draft: false,
            state: ChangeState::Open,
            created_at: Some(now() - TimeDelta::days(1)),
            labels: Vec::new(),
            commits: vec![Commit { sha: "a".repeat(40), headline: title.into(), committed_at: now() }],
            commits_total: 1,
            files_total: files.len() as u64,
            files,
            revert: Ok(None),
        },
        review: Ok(Review {
            opinions: vec![opinion("grace", ReviewVerdict::Approved)],
            comments: 1,
            unresolved_threads: 0,
            requested: Vec::new(),
            circumstances: Circumstances::default(),
        }),
        ownership: Ok(Ownership::default()),
        checks: Ok(Checks { failed: Vec::new(), pending: Vec::new(), passed: 4 }),
        declared: Declared::default(),
        history: nothing(Source::History),
        coverage: nothing(Source::Coverage),
        services: Vec::new(),
        runtime: nothing(Source::Datadog),
        remediation: None,
        recent_scores: Vec::new(),
        in_production: Vec::new(),
        series: Vec::new(),
        parts: Vec::new(),
        lacking: None,
        overridden: None,
    }
}

/// An opinion on the current head by somebody with write access.
pub(super) fn opinion(reviewer: &str, verdict: ReviewVerdict) -> Opinion {
    Opinion {
        reviewer: reviewer.into(),
        kind: AuthorKind::Human,
        verdict,
        commit: Some("a".repeat(40)),
        at: now(),
        can_write: true,
        on_behalf_of: Ok(Vec::new()),
        teams_unknown: Vec::new(),
        changed_since: None,
        compared_until: None,
    }
}

/// A changed file whose lines are made up.
pub(crate) fn file(path: &str, added: u64, deleted: u64) -> FileChange {
    let lines = (0..deleted.min(50)).map(|line| format!("-old_{line}();\n"));
    let body: String = lines.chain((0..added.min(5_000)).map(|line| format!("+new_{line}();\n"))).collect();
    changed(path, added, deleted, format!("@@ -1,{deleted} +1,{added} @@\n{body}"))
}

/// One of very many changed files, whose patch the source does not give.
fn withheld(number: u64) -> FileChange {
    let path = format!("part{}/src/module_{number}.rs", number % 20);
    FileChange { added: 100, deleted: 40, patch: nothing(Source::Diff), ..file(&path, 0, 0) }
}

/// A new file that holds `text`.
pub(super) fn text_file(path: &str, text: &str) -> FileChange {
    let added = text.lines().count() as u64;
    let body: String = text.lines().map(|line| format!("+{line}\n")).collect();
    changed(path, added, 0, format!("@@ -0,0 +1,{added} @@\n{body}"))
}

fn changed(path: &str, added: u64, deleted: u64, patch: String) -> FileChange {
    FileChange {
        path: path.into(),
        previous_path: None,
        status: FileStatus::Modified,
        added,
        deleted,
        patch: Ok(Patch(patch.into())),
        binary: false,
        submodule: false,
    }
}

pub(super) fn owned(rules: &[(&str, &[&str])]) -> Known<Ownership> {
    let rule = |owners: &[&str]| {
        let owners = owners.iter().map(|&owner| owner.into()).collect();
        Arc::new(OwnerRule { line: 1, pattern: "*".into(), owners })
    };
    Ok(Ownership {
        file: Some(".github/CODEOWNERS".into()),
        owned: rules.iter().map(|&(path, owners)| (path.into(), rule(owners))).collect(),
        ..Ownership::default()
    })
}

pub(super) fn healthy() -> Runtime {
    Runtime {
        burn_rate: Ok(0.4),
        budget_left: Ok(0.8),
        open_incidents: Ok(Vec::new()),
        flaky_rate: Ok(0.01),
        hours_since_deployment: Ok(30.0),
        ..Runtime::unknown(&Unknown::not_connected(Source::Datadog))
    }
}

/// Typical changes by name.
pub(super) fn stories() -> Vec<(&'static str, Facts)> {
    let small = || vec![file("src/cart.rs", 12, 4), file("src/cart_test.rs", 20, 0)];
    let large = || (0..24).map(|n| file(&format!("part{}/src/module_{n}.rs", n % 5), 60, 25)).collect::<Vec<_>>();
    let migration = || {
        vec![
            file("src/orders.rs", 40, 10),
            file("src/orders_test.rs", 30, 0),
            text_file("migrations/0042_orders.sql", "ALTER TABLE orders DROP COLUMN note;\n"),
        ]
    };
    let bump = |to: &str| {
        let patch = format!("@@ -1,3 +1,3 @@\n [dependencies]\n-serde = \"1.0.200\"\n+serde = \"{to}\"\n");
        vec![changed("Cargo.toml", 1, 1, patch), file("Cargo.lock", 2, 2)]
    };
    let by_bot = |mut facts: Facts| {
        facts.change.author = Author { login: "dependabot[bot]".into(), kind: AuthorKind::Bot };
        facts
    };
    let with = |mut facts: Facts, edit: &dyn Fn(&mut Facts)| {
        edit(&mut facts);
        facts
    };
    vec![
        ("documentation", pull_request("docs: explain the cart", vec![file("docs/cart.md", 30, 4)])),
        ("small tested fix", pull_request("fix: count items once", small())),
        (
            "small, nobody asked",
            with(pull_request("Count items once", small()), &|f| f.review.as_mut().unwrap().opinions.clear()),
        ),
        ("feature without tests", pull_request("feat: gift cards", vec![file("src/gift.rs", 200, 5)])),
        ("large and spread", pull_request("Rework the order flow", large())),
        ("destructive migration", pull_request("Drop order notes", migration())),
        ("dependency patch", by_bot(pull_request("Bump serde from 1.0.200 to 1.0.201", bump("1.0.201")))),
        ("dependency major", by_bot(pull_request("Bump serde from 1.0.200 to 2.0.0", bump("2.0.0")))),
        (
            "proven revert",
            with(pull_request("Revert \"Drop order notes\"", migration()), &|f| {
                f.change.revert = Ok(Some(Revert { of: "#41".into(), proven: Ok(true) }));
            }),
        ),
        (
            "owners not asked",
            with(pull_request("feat: gift cards", small()), &|f| {
                f.ownership = owned(&[("src/cart.rs", &["@grace", "@lin"]), ("src/cart_test.rs", &["@lin"])]);
                f.review.as_mut().unwrap().opinions.clear();
            }),
        ),
        (
            "failing checks",
            with(pull_request("ci: cache builds", vec![file(".github/workflows/ci.yml", 9, 3)]), &|f| {
                f.checks.as_mut().unwrap().failed.push("build".into());
            }),
        ),
        (
            "burning service",
            with(pull_request("fix: count items once", small()), &|f| {
                f.runtime = Ok(Runtime { burn_rate: Ok(4.2), ..healthy() });
            }),
        ),
        (
            "open incident",
            with(pull_request("fix: count items once", small()), &|f| {
                f.runtime = Ok(Runtime { open_incidents: Ok(vec!["checkout down".into()]), ..healthy() });
            }),
        ),
        (
            "hot files, new author",
            with(pull_request("Speed up the cart", small()), &|f| {
                f.history = Ok(hot_files());
                f.coverage = Ok(Coverage { executable: 40, covered: 10, ..Coverage::default() });
                f.runtime = Ok(healthy());
            }),
        ),
        (
            "frozen",
            with(pull_request("fix: count items once", small()), &|f| {
                f.declared.freezes = vec![freeze(-2, 3), freeze(3, 5), freeze(9, 10)];
            }),
        ),
        (
            "local range",
            with(pull_request("Count items once", small()), &|f| {
                f.change.pull_request = None;
                f.change.created_at = None;
                f.review = Err(Unknown { source: Source::Reviews, reason: Reason::NotApplicable });
                f.checks = Err(Unknown { source: Source::Checks, reason: Reason::NotApplicable });
            }),
        ),
        ("three thousand files", pull_request("Rework everything", (0..3_000).map(withheld).collect())),
        ("empty", pull_request("Nothing", Vec::new())),
    ]
}

/// A freeze that starts and ends so many hours from now.
pub(super) fn freeze(from: i64, until: i64) -> Freeze {
    let hour = |hours| now() + TimeDelta::hours(hours);
    Freeze { name: "sale".into(), from: hour(from), until: hour(until) }
}

/// Two files of which one has failed before, new to the author, in a repository of some age.
fn hot_files() -> History {
    History {
        lines: true,
        changes: 4_120,
        rolled_back: 66,
        base_rate: 0.018,
        fix_rate: 0.31,
        changes_7d: 45,
        rollbacks_7d: 2,
        files: Rates { mean: 0.9, highest: 1.4 },
        directories: Rates { mean: 0.6, highest: 0.6 },
        extensions: Rates { mean: 0.05, highest: 0.05 },
        topics: Rates { mean: 0.2, highest: 0.7 },
        worst_file: Some(Failures { name: "src/cart.rs".into(), changes: 9, rolled_back: 2 }),
        failed_files: Vec::new(),
        worst_directory: Some(Failures { name: "src".into(), changes: 120, rolled_back: 9 }),
        worst_extension: Some(Failures { name: "rs".into(), changes: 400, rolled_back: 12 }),
        worst_word: Some(Failures { name: "cart".into(), changes: 31, rolled_back: 3 }),
        rollbacks_recent: 1.6,
        rollback_days: Some(12.0),
        authorless: false,
        existing: 2,
        familiar: 0,
        unfamiliar: vec!["src/cart.rs".into(), "tests/cart.rs".into()],
        author_changes: 0,
        directories_touched: 2,
        directories_familiar: 0,
        developers: 11,
        others_14d: 3,
        knowers: vec![Knower {
            name: "@grace".into(),
            commit: None,
            files: vec!["src/cart.rs".into(), "tests/cart.rs".into()],
            files_total: 2,
        }],
        churn: 7.5,
        change_days: Some(1.5),
        missing: vec![CoChange { path: "docs/cart.md".into(), with: "src/cart.rs".into(), together: 6, of: 8 }],
        series: Series { changes: 1, added: 40, deleted: 3 },
        series_files: vec![SeriesFile { path: "src/totals.rs".into(), lines: 43 }],
        outcomes: vec![
            Outcomes { score: 25, changes: 1_900, failed: 11 },
            Outcomes { score: 35, changes: 1_600, failed: 30 },
            Outcomes { score: 55, changes: 300, failed: 15 },
        ],
        recent: vec![(25, 260), (35, 200), (55, 40)],
    }
}
