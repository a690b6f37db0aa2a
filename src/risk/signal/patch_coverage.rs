//! Patch coverage: the share of changed executable lines that tests ran.

use super::{CoverageNote, Evidence, Measure, Reading, Signal, Term, Unit, share};
use crate::risk::{
    diff::View,
    facts::{Coverage, Reason, Source, Unknown},
};

pub(super) static SIGNAL: Signal = Signal {
    id: "patch_coverage",
    label: "patch coverage",
    unit: Unit::Ratio,
    why: "Changed lines that no test ran reach production unobserved.",
    terms: &[Term {
        id: "patch_coverage.uncovered",
        transform: "1 - share of changed executable lines that tests ran; 0 below 10 such lines",
    }],
    measure,
};

/// With fewer lines a percentage says more about rounding than about tests.
const FEW_LINES: u64 = 10;
/// Blocks that are evidence; more would be a list to skip.
const BLOCKS_MAX: usize = 10;

fn measure(view: &View<'_>) -> Reading {
    let coverage = view.facts.coverage.as_ref().map_err(Clone::clone)?;
    let covered = coverage.covered.min(coverage.executable);
    if coverage.executable < FEW_LINES {
        // That so few lines can run, or none, would be said of a part.
        if coverage.unread > 0 {
            let seen = view.facts.change.files_total.saturating_sub(coverage.unread);
            let reason = Reason::Partial { seen, total: view.facts.change.files_total };
            return Err(Unknown { source: Source::Diff, reason });
        }
        if let Some(why) = missing(coverage) {
            return Err(Unknown { source: Source::Coverage, reason: Reason::Unusable(why) });
        }
    }
    // Nothing to run is nothing left unrun.
    let ratio = if coverage.executable == 0 { 1.0 } else { share(covered, coverage.executable) };
    let uncovered = if coverage.executable < FEW_LINES { 0.0 } else { 1.0 - ratio };
    let mut evidence = vec![Evidence::CoveredLines { executable: coverage.executable, covered }];
    // Facts from before details were kept are told as they were then.
    if coverage.report.is_some() || !coverage.pull_requests.is_empty() {
        evidence.extend((1..FEW_LINES).contains(&coverage.executable).then_some(Evidence::FewLines));
        evidence.extend(blocks(coverage));
        evidence.extend(notes(coverage).into_iter().map(Evidence::Coverage));
    }
    Measure::single(ratio, uncovered, evidence)
}

/// Why the reports may have nothing of changed lines that can run.
fn missing(coverage: &Coverage) -> Option<String> {
    match coverage.absent.as_slice() {
        [] if coverage.ambiguous > 0 => {
            Some("the reports have files of which nobody can say which they are".to_owned())
        }
        [] => None,
        [one] => Some(format!("the reports do not know {one}, which is changed")),
        [first, ..] => {
            let others = coverage.absent.len() - 1;
            Some(format!("the reports do not know {first} and {others} more of the changed files"))
        }
    }
}

/// The largest blocks of changed lines that no test ran; among equals in the order of files and lines.
fn blocks(coverage: &Coverage) -> Vec<Evidence> {
    let mut blocks: Vec<_> =
        coverage.files.iter().flat_map(|file| file.uncovered.iter().map(move |block| (file, block))).collect();
    blocks.sort_by(|(a, one), (b, other)| {
        (other.executable.cmp(&one.executable)).then_with(|| a.path.cmp(&b.path)).then(one.first.cmp(&other.first))
    });
    let evidence = blocks.into_iter().take(BLOCKS_MAX).map(|(file, block)| Evidence::Uncovered {
        path: file.path.clone(),
        first: block.first,
        last: block.last,
        lines: block.executable,
    });
    evidence.collect()
}

fn notes(coverage: &Coverage) -> Vec<CoverageNote> {
    let mut notes = Vec::new();
    let (lines, covered) = coverage.files.iter().fold((0u64, 0u64), |(lines, covered), file| {
        (lines.saturating_add(file.lines), covered.saturating_add(file.lines_covered))
    });
    if lines > 0 {
        notes.push(CoverageNote::Files { files: coverage.files.len() as u64, lines, covered: covered.min(lines) });
    }
    if !coverage.absent.is_empty() {
        notes.push(CoverageNote::Absent(coverage.absent.clone()));
    }
    notes.extend(coverage.total.clone().filter(|total| total.lines > 0).map(CoverageNote::Total));
    notes.extend(coverage.report.clone().map(CoverageNote::From));
    notes.extend((coverage.unread > 0).then_some(CoverageNote::Unread(coverage.unread)));
    notes.extend((coverage.ambiguous > 0).then_some(CoverageNote::Ambiguous(coverage.ambiguous)));
    notes.extend(coverage.others.iter().cloned().map(CoverageNote::Elsewhere));
    notes.extend(coverage.passed_over.iter().cloned().map(CoverageNote::PassedOver));
    notes.extend(coverage.carried.iter().cloned().map(CoverageNote::Carried));
    notes.extend((!coverage.flags.is_empty()).then(|| CoverageNote::Flags(coverage.flags.clone())));
    notes.extend(coverage.own_count.clone().map(CoverageNote::OwnCount));
    notes.extend(
        (!coverage.pull_requests.is_empty()).then(|| CoverageNote::PullRequests(coverage.pull_requests.clone())),
    );
    notes.extend(coverage.gate.clone().map(CoverageNote::Gate));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{CoverageReport, CoverageSource, CoveredFile, Facts, LineBlock},
        stories::pull_request,
    };

    #[test]
    fn few_lines_say_nothing() {
        let check = |executable: u64, covered: u64, value: f64, term: f64| {
            let mut facts = pull_request("x", Vec::new());
            facts.coverage = Ok(Coverage { executable, covered, ..Coverage::default() });
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert_eq!((measure.value, measure.terms[0]), (value, term), "{executable} {covered}");
        };
        check(0, 0, 1.0, 0.0);
        check(9, 0, 0.0, 0.0);
        check(10, 0, 0.0, 1.0);
        check(20, 15, 0.75, 0.25);
        check(10, 99, 1.0, 0.0);
        // What the reports do not know is no line that ran.
        let mut facts = pull_request("x", Vec::new());
        let unknown = |facts: &Facts| (SIGNAL.measure)(&View::of(facts)).is_err();
        facts.coverage = Ok(Coverage { absent: vec!["a.rs".into()], ..Coverage::default() });
        assert!(unknown(&facts));
        facts.coverage = Ok(Coverage { ambiguous: 1, ..Coverage::default() });
        assert!(unknown(&facts));
        facts.coverage = Ok(Coverage { executable: 10, absent: vec!["a.rs".into()], ..Coverage::default() });
        assert!(!unknown(&facts), "of the others enough is known");
    }

    #[test]
    fn what_is_known_of_a_part_is_said_of_a_part() {
        let check = |executable: u64, expected: Option<f64>| {
            let mut facts = pull_request("x", Vec::new());
            facts.change.files_total = 3;
            let report =
                CoverageReport { source: CoverageSource::Upload, commit: Some("a1".into()), reports: 1, at: None };
            facts.coverage =
                Ok(Coverage { executable, covered: 5, unread: 2, report: Some(report), ..Coverage::default() });
            match (SIGNAL.measure)(&View::of(&facts)) {
                Ok(measure) => {
                    assert_eq!(Some(measure.value), expected, "{executable}");
                    assert!(measure.evidence.contains(&Evidence::Coverage(CoverageNote::Unread(2))));
                }
                Err(unknown) => assert_eq!(
                    (unknown.reason, expected),
                    (Reason::Partial { seen: 1, total: 3 }, None),
                    "{executable}"
                ),
            }
        };
        check(0, None);
        check(9, None);
        check(10, Some(0.5));
    }

    #[test]
    fn the_largest_blocks_come_first_and_few_lines_are_said() {
        let file = |path: &str, blocks: &[(u64, u64)]| CoveredFile {
            path: path.into(),
            executable: 9,
            covered: 0,
            lines: 50,
            lines_covered: 20,
            uncovered: blocks
                .iter()
                .map(|&(first, last)| LineBlock { first, last, executable: last - first + 1 })
                .collect(),
        };
        let report = CoverageReport { source: CoverageSource::Upload, commit: Some("a1".into()), reports: 1, at: None };
        let mut facts = pull_request("x", Vec::new());
        facts.coverage = Ok(Coverage {
            executable: 9,
            report: Some(report),
            files: vec![file("b.rs", &[(1, 3), (9, 9)]), file("a.rs", &[(5, 7), (20, 29)])],
            ..Coverage::default()
        });
        let evidence = (SIGNAL.measure)(&View::of(&facts)).unwrap().evidence;
        assert!(evidence.contains(&Evidence::FewLines));
        let blocks: Vec<_> = evidence
            .iter()
            .filter_map(|one| match one {
                Evidence::Uncovered { path, first, last, .. } => Some((path.as_str(), *first, *last)),
                _ => None,
            })
            .collect();
        assert_eq!(blocks, [("a.rs", 20, 29), ("a.rs", 5, 7), ("b.rs", 1, 3), ("b.rs", 9, 9)]);
        assert!(evidence.contains(&Evidence::Coverage(CoverageNote::Files { files: 2, lines: 100, covered: 40 })));
    }
}
