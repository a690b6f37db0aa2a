//! How long one assessment takes, from facts in memory to the explained score with all ways down, for changes of 6, 100 and
//! 340 files. Everything but Datadog is known.

use std::{collections::BTreeMap, hint::black_box, sync::Arc};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mergecast::{
    outcome::recalibrate::shadow_score,
    risk::{Model, assess, facts::*, patch::Patch, policy::Policy},
};

fn assessments(criterion: &mut Criterion) {
    let (model, policy) = (Model::baseline(), Policy::default());
    let mut group = criterion.benchmark_group("assess");
    for files in [6, 100, 340] {
        let facts = facts(files);
        group.throughput(Throughput::Elements(files));
        group.bench_with_input(BenchmarkId::new("files", files), &facts, |bencher, facts| {
            bencher.iter(|| assess(black_box(facts), model, &policy));
        });
        // What a proposed model costs that runs in shadow: its score from readings that were made already.
        let shown = assess(&facts, model, &policy);
        group.bench_with_input(
            BenchmarkId::new("in shadow, files", facts.change.files.len()),
            &facts,
            |bencher, facts| {
                bencher.iter(|| shadow_score(black_box(model), &shown, facts));
            },
        );
    }
    group.finish();
}

/// A pull request with 40 added and 12 deleted lines a file, one migration, nobody's approval and owners for all files.
fn facts(files: u64) -> Facts {
    let at = "2026-03-10T10:00:00Z".parse().expect("a valid time");
    let mut files: Vec<FileChange> = (0..files).map(file).collect();
    // As GitHub lists them.
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let (history, coverage) = (history(&files), coverage(&files));
    let rule = OwnerRule { line: 1, pattern: "*".into(), owners: vec!["@acme/shop".into(), "@grace".into()] };
    let rule = Arc::new(rule);
    let owned = files.iter().map(|file| (file.path.clone(), rule.clone())).collect();
    Facts {
        at,
        repository: "acme/shop".into(),
        change: Change {
            pull_request: Some(7),
            merge_group: None,
            title: "feat: gift cards".into(),
            author: Author { login: "ada".into(), kind: AuthorKind::Human },
            head_sha: "a".repeat(40),
            base_sha: "b".repeat(40),
            merge_base_sha: None,
            base_ref: "main".into(),
            from_fork: false,
            draft: false,
            state: ChangeState::Open,
            created_at: Some(at),
            labels: Vec::new(),
            commits: Vec::new(),
            commits_total: 3,
            files_total: files.len() as u64,
            files,
            revert: Ok(None),
        },
        review: Ok(Review {
            opinions: Vec::new(),
            comments: 0,
            unresolved_threads: 0,
            requested: Vec::new(),
            circumstances: Default::default(),
        }),
        ownership: Ok(Ownership { file: Some("CODEOWNERS".into()), owned, ..Ownership::default() }),
        checks: Ok(Checks { failed: vec!["build".into()], pending: Vec::new(), passed: 9 }),
        declared: Declared {
            sensitive_paths: BTreeMap::from([("infra/**".into(), 6.0), ("**/auth/**".into(), 6.0)]),
            ..Declared::default()
        },
        history: Ok(history),
        coverage: Ok(coverage),
        services: Vec::new(),
        runtime: Err(Unknown::not_connected(Source::Datadog)),
        remediation: None,
        in_production: Vec::new(),
        recent_scores: (0..500).map(|n| (n % 60) as u8 + 10).collect(),
        overridden: None,
        series: Vec::new(),
        parts: Vec::new(),
        lacking: None,
    }
}

/// All that is known of files of which every fifth failed before, of an author who knows none of the first ten.
fn history(files: &[FileChange]) -> History {
    let path = |file: &FileChange| file.path.clone();
    let failed = |file: &FileChange| Failures { name: file.path.clone(), changes: 9, rolled_back: 2 };
    let listed: Vec<String> = files.iter().take(History::LISTED).map(path).collect();
    let knower = |name: &str| Knower { name: name.to_owned(), commit: None, files: listed.clone(), files_total: 10 };
    History {
        lines: true,
        changes: 9_000,
        rolled_back: 160,
        base_rate: 0.018,
        worst_file: files.first().map(failed),
        failed_files: files.iter().step_by(5).take(History::FAILED).map(failed).collect(),
        existing: files.len() as u64,
        unfamiliar: listed.clone(),
        developers: 40,
        knowers: ["@grace", "@linus", "@nora"].map(knower).to_vec(),
        missing: vec![CoChange { path: "docs/gift.md".into(), with: listed[0].clone(), together: 8, of: 9 }],
        outcomes: (10..80).map(|score| Outcomes { score, changes: 100, failed: 2 }).collect(),
        recent: (10..60).map(|score| (score, 10)).collect(),
        ..History::default()
    }
}

/// Of each file half of the changed lines ran, in ten blocks.
fn coverage(files: &[FileChange]) -> Coverage {
    let block = |number: u64| LineBlock { first: 4 * number + 1, last: 4 * number + 2, executable: 2 };
    let covered = |file: &FileChange| CoveredFile {
        path: file.path.clone(),
        executable: 40,
        covered: 20,
        lines: 400,
        lines_covered: 300,
        uncovered: (0..10).map(block).collect(),
    };
    let report = CoverageReport { source: CoverageSource::Upload, commit: Some("a".repeat(40)), reports: 2, at: None };
    Coverage {
        executable: 40 * files.len() as u64,
        covered: 20 * files.len() as u64,
        report: Some(report),
        files: files.iter().take(100).map(covered).collect(),
        ..Coverage::default()
    }
}

fn file(number: u64) -> FileChange {
    let (path, added, deleted) = match number {
        0 => ("migrations/0042_gift_cards.sql".to_owned(), 3, 0),
        _ => (format!("services/part_{}/src/module_{number}.rs", number % 9), 40, 12),
    };
    let old = (0..deleted).map(|line| format!("-    let before_{line} = compute(input, {line});\n"));
    let new = (0..added).map(|line| match number {
        0 => format!("+ALTER TABLE gift_cards ADD COLUMN note_{line} text;\n"),
        _ => format!("+    let after_{line} = compute(input, {line} + {number});\n"),
    });
    let lines: String = old.chain(new).collect();
    FileChange {
        path,
        previous_path: None,
        status: FileStatus::Modified,
        added,
        deleted,
        patch: Ok(Patch(format!("@@ -1,{deleted} +1,{added} @@\n{lines}").into())),
        binary: false,
        submodule: false,
    }
}

criterion_group!(benches, assessments);
criterion_main!(benches);
