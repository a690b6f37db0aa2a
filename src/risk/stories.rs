//! Facts for tests: a dozen typical changes, and a generator of hostile ones.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{facts::*, patch::Patch};

/// The instant of every story: a Tuesday, 10:00 UTC.
pub(super) fn now() -> DateTime<Utc> {
    "2026-03-10T10:00:00Z".parse().unwrap()
}

pub(super) fn nothing<T>(source: Source) -> Known<T> {
    Err(Unknown::not_connected(source))
}

/// An open, reviewed pull request with passed checks; history, coverage and runtime are not connected.
pub(super) fn pull_request(title: &str, files: Vec<FileChange>) -> Facts {
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
        runtime: nothing(Source::Datadog),
        recent_scores: Vec::new(),
        series: Vec::new(),
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
    }
}

/// A changed file whose lines are made up.
pub(super) fn file(path: &str, added: u64, deleted: u64) -> FileChange {
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
    let rule = |owners: &[&str]| OwnerRule {
        line: 1,
        pattern: "*".into(),
        owners: owners.iter().map(|&owner| owner.into()).collect(),
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

/// Facts of any shape that an adapter could give, and some that none should.
pub(super) fn any_facts() -> impl Strategy<Value = Facts> {
    let change =
        (any_title(), vec(any_file(), 0..7), 0..3u64, any_revert(), any_author(), any::<bool>(), option::of(0..90i64));
    let people = (any_review(), known(any_ownership(), Source::Codeowners), known(any_checks(), Source::Checks));
    let rest =
        (any_history(), any_coverage(), known(any_runtime(), Source::Datadog), any_declared(), vec(0..=100u8, 0..80));
    (change, people, rest).prop_map(|(change, (review, ownership, checks), rest)| {
        let (title, files, withheld, revert, author, draft, age) = change;
        let (history, coverage, runtime, declared, recent_scores) = rest;
        let mut facts = pull_request(&title, files);
        facts.change.files_total += withheld;
        facts.change.author = author;
        facts.change.draft = draft;
        facts.change.created_at = age.map(|days| now() - TimeDelta::days(days));
        facts.change.revert = revert;
        Facts { review, ownership, checks, history, coverage, runtime, declared, recent_scores, ..facts }
    })
}

fn known<T: std::fmt::Debug>(value: impl Strategy<Value = T>, source: Source) -> impl Strategy<Value = Known<T>> {
    option::weighted(0.7, value).prop_map(move |value| value.ok_or(Unknown::not_connected(source)))
}

const PATHS: &[&str] = &[
    "src/cart.rs",
    "src/pay/charge.rs",
    "src/pay/refund.py",
    "web/auth/login.ts",
    "web/auth/login.test.ts",
    "tests/cart.rs",
    "migrations/0042_orders.sql",
    "db/migrate/20260310_orders.rb",
    "infra/main.tf",
    ".github/workflows/ci.yml",
    "Cargo.toml",
    "Cargo.lock",
    "package.json",
    "docs/cart.md",
    "README",
    "vendor/a/b.c",
    "assets/logo.png",
    "",
    "/",
    "\u{202e}//..",
];

fn any_title() -> impl Strategy<Value = String> {
    let titles =
        select(vec!["fix: cart", "feat!: pay", "Revert \"x\"", "Bump a from 1.2.3 to 2.0.0", "perf", "docs", ""]);
    prop_oneof![titles.prop_map(str::to_owned), any::<String>()]
}

fn any_author() -> impl Strategy<Value = Author> {
    let kind = select(vec![AuthorKind::Human, AuthorKind::Bot, AuthorKind::Ghost]);
    (select(vec!["ada", "dependabot[bot]", "renovate[bot]"]), kind)
        .prop_map(|(login, kind)| Author { login: login.into(), kind })
}

fn any_file() -> impl Strategy<Value = FileChange> {
    let lines = || prop_oneof![4 => 0..40u64, 2 => 40..3_000u64, 1 => Just(u64::MAX)];
    let statuses = vec![FileStatus::Added, FileStatus::Modified, FileStatus::Removed, FileStatus::Renamed];
    let texts = vec!["DROP TABLE orders;", "CREATE INDEX i ON orders (a);", "remove_column :orders, :note", "x", "  "];
    (select(PATHS), lines(), lines(), select(statuses), select(texts), 0..10u8).prop_map(
        |(path, added, deleted, status, text, form)| {
            let mut file = match form {
                0 | 1 => text_file(path, text),
                2 => FileChange { patch: nothing(Source::Diff), ..file(path, 0, 0) },
                _ => file(path, added.min(300), deleted.min(300)),
            };
            (file.added, file.deleted) = if form > 5 { (added, deleted) } else { (file.added, file.deleted) };
            FileChange { status, binary: form == 3, submodule: form == 4, ..file }
        },
    )
}

fn any_revert() -> impl Strategy<Value = Known<Option<Revert>>> {
    let proven = prop_oneof![Just(Ok(true)), Just(Ok(false)), Just(nothing(Source::Diff))];
    known(option::weighted(0.3, proven.prop_map(|proven| Revert { of: "#41".into(), proven })), Source::Diff)
}

fn any_review() -> impl Strategy<Value = Known<Review>> {
    let verdict = select(vec![ReviewVerdict::Approved, ReviewVerdict::Approved, ReviewVerdict::ChangesRequested]);
    let kind = select(vec![AuthorKind::Human, AuthorKind::Human, AuthorKind::Bot, AuthorKind::Ghost]);
    let teams = prop_oneof![Just(Ok(vec![])), Just(Ok(vec!["acme/pay".to_owned()])), Just(nothing(Source::Reviews))];
    let login = select(vec!["ada", "grace", "lin", "Grace", "mary"]);
    let since = prop_oneof![
        Just(None),
        Just(Some(Ok(vec![]))),
        Just(Some(Ok(vec![PATHS[0].to_owned()]))),
        Just(Some(nothing(Source::Reviews)))
    ];
    let opinions = (login, verdict, kind, any::<bool>(), any::<bool>(), teams, since).prop_map(
        |(login, verdict, kind, current, can_write, on_behalf_of, changed_since)| {
            let commit = Some(if current { "a" } else { "c" }.repeat(40));
            Opinion { kind, commit, can_write, on_behalf_of, changed_since, ..opinion(login, verdict) }
        },
    );
    let review = (vec(opinions, 0..4), 0..3u64, 0..3u64).prop_map(|(opinions, comments, unresolved_threads)| Review {
        opinions,
        comments,
        unresolved_threads,
        requested: Vec::new(),
        circumstances: Circumstances::default(),
    });
    known(review, Source::Reviews)
}

fn any_ownership() -> impl Strategy<Value = Ownership> {
    let owner = select(vec!["@ada", "@grace", "@lin", "@acme/pay", "@acme/web", "lin@example.com", "@", ""]);
    vec((select(PATHS), vec(owner, 0..3)), 0..8).prop_map(|rules| {
        let rules: Vec<(&str, &[&str])> = rules.iter().map(|(path, owners)| (*path, owners.as_slice())).collect();
        owned(&rules).unwrap()
    })
}

fn any_checks() -> impl Strategy<Value = Checks> {
    let names = || vec(select(vec!["build", "lint"]).prop_map(str::to_owned), 0..3);
    (names(), names()).prop_map(|(failed, pending)| Checks { failed, pending, passed: u64::MAX })
}

fn any_history() -> impl Strategy<Value = Known<History>> {
    let rate = || prop_oneof![4 => -4.0..4.0f64, 1 => any::<f64>()];
    let count = || prop_oneof![4 => 0..200u64, 1 => any::<u64>()];
    let rates = (rate(), rate()).prop_map(|(mean, highest)| Rates { mean, highest });
    let failures =
        option::of(count().prop_map(|changes| Failures { name: "src/a.rs".into(), changes, rolled_back: 1 }));
    let series = (count(), count(), count());
    let knower = Knower { name: "@ada".into(), commit: None, files: vec!["src/a.rs".into()] };
    let missing = CoChange { path: "a.md".into(), with: "src/a.rs".into(), together: 5, of: 6 };
    let lists = (vec(Just(knower), 0..2), vec(Just(missing), 0..3), vec((0..=255u8, count()), 0..4));
    let figures = (vec(count(), 9), vec(rate(), 5), option::of(rate()), option::of(rate()));
    known(
        (rates, failures, series, lists, figures).prop_map(|(rates, failures, series, lists, figures)| {
            let (counts, numbers, rollback_days, change_days) = figures;
            History {
                lines: counts[0] % 2 == 0,
                changes: counts[0],
                rolled_back: counts[1],
                base_rate: numbers[0],
                fix_rate: numbers[1],
                changes_7d: counts[2],
                rollbacks_7d: counts[2],
                files: rates,
                directories: rates,
                extensions: rates,
                topics: rates,
                worst_file: failures.clone(),
                worst_directory: failures.clone(),
                worst_word: failures,
                rollbacks_recent: numbers[2],
                rollback_days,
                authorless: false,
                existing: counts[3],
                familiar: counts[4],
                unfamiliar: Vec::new(),
                author_changes: counts[5],
                directories_touched: counts[6],
                directories_familiar: counts[7],
                developers: counts[8],
                others_14d: counts[8],
                knowers: lists.0,
                churn: numbers[3],
                change_days,
                missing: lists.1,
                series: Series { changes: series.0, added: series.1, deleted: series.2 },
                outcomes: lists
                    .2
                    .iter()
                    .map(|(score, changes)| Outcomes { score: *score, changes: *changes, failed: 1 })
                    .collect(),
                recent: lists.2,
            }
        }),
        Source::History,
    )
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
        worst_directory: Some(Failures { name: "src".into(), changes: 120, rolled_back: 9 }),
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
        }],
        churn: 7.5,
        change_days: Some(1.5),
        missing: vec![CoChange { path: "docs/cart.md".into(), with: "src/cart.rs".into(), together: 6, of: 8 }],
        series: Series { changes: 1, added: 40, deleted: 3 },
        outcomes: vec![
            Outcomes { score: 25, changes: 1_900, failed: 11 },
            Outcomes { score: 35, changes: 1_600, failed: 30 },
            Outcomes { score: 55, changes: 300, failed: 15 },
        ],
        recent: vec![(25, 260), (35, 200), (55, 40)],
    }
}

fn any_coverage() -> impl Strategy<Value = Known<Coverage>> {
    let figures = (0..100u64, 0..100u64, option::of(any_covered_file()), option::of(0..100u64));
    let coverage = figures.prop_map(|(executable, covered, file, other)| Coverage {
        executable,
        covered,
        report: file.as_ref().map(|_| CoverageReport {
            source: CoverageSource::Upload,
            commit: Some("a1".to_owned()),
            reports: 1,
            at: None,
        }),
        total: other.map(|lines| CoverageTotal { lines, covered, base: None }),
        others: other
            .map(|lines| OtherCoverage { source: CoverageSource::Codecov, executable: lines, covered })
            .into_iter()
            .collect(),
        files: file.into_iter().collect(),
        ..Coverage::default()
    });
    known(coverage, Source::Coverage)
}

fn any_covered_file() -> impl Strategy<Value = CoveredFile> {
    ("[a-z/<`|]{1,20}", 0..200u64, 0..200u64, 0..9u64).prop_map(|(path, lines, lines_covered, length)| CoveredFile {
        path,
        executable: length,
        covered: 0,
        lines,
        lines_covered,
        uncovered: vec![LineBlock { first: lines, last: lines + length, executable: length }],
    })
}

fn any_runtime() -> impl Strategy<Value = Runtime> {
    let number = || known(prop_oneof![4 => -1.0..6.0f64, 1 => any::<f64>()], Source::Datadog);
    let incidents = known(vec(Just("checkout down".to_owned()), 0..2), Source::Datadog);
    (number(), number(), incidents, number(), number()).prop_map(
        |(burn_rate, budget_left, open_incidents, flaky_rate, hours_since_deployment)| Runtime {
            burn_rate,
            budget_left,
            open_incidents,
            flaky_rate,
            hours_since_deployment,
        },
    )
}

fn any_declared() -> impl Strategy<Value = Declared> {
    let globs = select(vec!["**/*.rs", "src/**", "[", "**/pay/**", "*_test.*", "**"]);
    let freezes = vec((-9..9i64, -9..9i64).prop_map(|(from, until)| freeze(from, until)), 0..4);
    let paths = vec((globs.clone(), prop_oneof![4 => -9.0..20.0f64, 1 => any::<f64>()]), 0..3);
    (option::weighted(0.2, globs), paths, freezes).prop_map(|(ignore, paths, freezes)| Declared {
        ignore: ignore.into_iter().map(str::to_owned).collect(),
        sensitive_paths: paths.into_iter().map(|(glob, points)| (glob.to_owned(), points)).collect(),
        freezes,
        services: BTreeMap::new(),
    })
}
