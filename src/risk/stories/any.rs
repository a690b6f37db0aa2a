//! Facts of any kind, hostile ones too, for properties.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{file, freeze, nothing, now, opinion, owned, pull_request, text_file};
use crate::risk::facts::*;

/// Facts of any shape that an adapter could give, and some that none should.
pub(in crate::risk) fn any_facts() -> impl Strategy<Value = Facts> {
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
    let knower = Knower { name: "@ada".into(), commit: None, files: vec!["src/a.rs".into()], files_total: 1 };
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
                failed_files: failures.clone().into_iter().collect(),
                worst_directory: failures.clone(),
                worst_extension: failures.clone(),
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
                series_files: if series.0 % 2 == 0 { Vec::new() } else { beside(series.1) },
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

fn beside(lines: u64) -> Vec<SeriesFile> {
    PATHS.iter().step_by(3).map(|path| SeriesFile { path: (*path).to_owned(), lines }).collect()
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
            ..Runtime::unknown(&Unknown::not_connected(Source::Datadog))
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
