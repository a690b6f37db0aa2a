//! What has to hold for every coverage report. Input: the report.

use mergecast::{
    coverage::{FILES_MAX, LINE_MAX, LINES_MAX, Placed, Report, Tree, measure, parse},
    risk::facts::{FileChange, FileStatus},
    risk::patch::Patch,
};

/// Longest refusal, in bytes: our own words only.
const MESSAGE: usize = 200;

pub(crate) fn check(data: &[u8]) {
    let read = parse(data);
    assert_eq!(read, parse(data), "the same bytes are the same report");
    match read {
        Ok((_, report)) => within_bounds(&report),
        Err(refused) => assert!(refused.to_string().len() <= MESSAGE, "{refused}"),
    }
}

fn within_bounds(report: &Report) {
    let totals = report.totals();
    assert!(totals.covered <= totals.lines && totals.lines <= LINES_MAX as u64);
    assert!((1..=FILES_MAX).contains(&report.files()));
    for path in report.paths() {
        let parts: Vec<&str> = path.split('/').collect();
        assert!(!parts.iter().any(|part| matches!(*part, "" | "." | "..")), "{path:?} leads somewhere");
        let lines = report.lines(path).expect("a path has lines");
        assert!(lines.is_sorted_by(|one, next| one.number < next.number), "{path:?} has lines twice");
        assert!(lines.iter().all(|line| (1..=LINE_MAX).contains(&line.number)));
    }
    let unpacked = Report::unpack(&report.pack()).expect("what was packed is unpacked");
    assert_eq!((unpacked.totals(), unpacked.files()), (totals, report.files()));
    let mut twice = report.clone();
    twice.merge(report.clone()).expect("the same lines are no more lines");
    assert_eq!(twice.totals(), totals, "a report that is taken in twice changes nothing");
    // Every path is its own file; whatever changes in it, no more ran than can run.
    let tree = Tree::of(report.paths().map(str::to_owned));
    let mut placed = Placed::default();
    placed.take(&tree, report).expect("it is no more than the report");
    let files: Vec<FileChange> = report.paths().take(20).map(changed).collect();
    let measured = measure(&placed, &files, &[]);
    assert!(measured.covered <= measured.executable);
    for file in &measured.files {
        assert!(file.covered <= file.executable && file.executable <= file.lines);
        let unrun: u64 = file.uncovered.iter().map(|block| block.executable).sum();
        assert!(unrun <= file.executable - file.covered);
    }
}

fn changed(path: &str) -> FileChange {
    let patch = "@@ -0,0 +1,4 @@\n+one\n+}\n+two\n+three\n@@ -9,0 +12,1 @@\n+four\n";
    FileChange {
        path: path.to_owned(),
        previous_path: None,
        status: FileStatus::Modified,
        added: 5,
        deleted: 0,
        patch: Ok(Patch(patch.into())),
        binary: false,
        submodule: false,
    }
}
