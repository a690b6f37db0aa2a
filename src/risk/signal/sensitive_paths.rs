//! Sensitive paths: changed files in areas where mistakes cost more, and below the policy's own patterns.

use globset::GlobSet;

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::{
    diff::{self, View},
    facts::FileStatus,
    paths::{self, Area},
};

pub(super) static SIGNAL: Signal = Signal {
    id: "sensitive_paths",
    label: "sensitive areas",
    unit: Unit::Count,
    why: "Some files reach further than others when they are wrong.",
    terms: &[
        Term {
            id: "sensitive_paths.infrastructure",
            transform: "1 when a description of machines or deployments changes",
        },
        Term { id: "sensitive_paths.auth", transform: "1 when a file about access or secrets changes" },
        Term { id: "sensitive_paths.payments", transform: "1 when a file about money changes" },
        Term { id: "sensitive_paths.ci", transform: "1 when continuous integration changes" },
        Term { id: "sensitive_paths.dependencies", transform: "1 when a dependency manifest changes" },
        Term {
            id: "sensitive_paths.policy",
            transform: "largest of the extra points that the policy gives to the patterns matched, as log-odds: points * ln2 / 15",
        },
    ],
    measure,
};

/// More than the scale of the score has no meaning.
const MOST_EXTRA_POINTS: f64 = 100.0;
const LOG_ODDS_PER_POINT: f64 = std::f64::consts::LN_2 / 15.0;

fn measure(view: &View<'_>) -> Reading {
    let patterns = Patterns::of(view);
    let mut found = [false; Area::ALL.len()];
    let (mut files, mut extra) = (0_u64, 0.0_f64);
    let mut evidence = Vec::new();
    for (file, scan) in view.files().filter(|(file, _)| file.status != FileStatus::Unchanged) {
        let mut areas = paths::areas_of(&file.path, scan.kind);
        // What is moved out of a sensitive place was sensitive.
        if let Some(previous) = &file.previous_path {
            areas.extend(paths::areas_of(previous, paths::kind_of(previous)));
            areas.sort();
            areas.dedup();
        }
        for area in &areas {
            found[*area as usize] = true;
            evidence.push(Evidence::Sensitive { path: file.path.clone(), area: area.word().to_owned() });
        }
        let matched = patterns.heaviest([Some(file.path.as_str()), file.previous_path.as_deref()]);
        if let Some((pattern, points)) = matched {
            extra = extra.max(points);
            evidence.push(Evidence::Sensitive { path: file.path.clone(), area: pattern.to_owned() });
        }
        files += u64::from(!areas.is_empty() || matched.is_some());
    }
    if let Some(unknown) = view.incomplete().filter(|_| files == 0) {
        return Err(unknown);
    }
    evidence.extend(view.partly());
    let mut terms: Vec<f64> = found.into_iter().map(flag).collect();
    terms.push(extra * LOG_ODDS_PER_POINT);
    Ok(Measure { value: files as f64, terms, evidence })
}

/// The policy's patterns with their extra points.
struct Patterns<'a> {
    set: GlobSet,
    points: Vec<(&'a str, f64)>,
}

impl<'a> Patterns<'a> {
    fn of(view: &View<'a>) -> Self {
        let points: Vec<(&str, f64)> = view
            .facts
            .declared
            .sensitive_paths
            .iter()
            .filter(|(pattern, points)| points.is_finite() && diff::is_glob(pattern))
            .map(|(pattern, points)| (pattern.as_str(), points.clamp(0.0, MOST_EXTRA_POINTS)))
            .collect();
        Self { set: diff::globs(points.iter().map(|(pattern, _)| *pattern)), points }
    }

    fn heaviest(&self, paths: [Option<&str>; 2]) -> Option<(&'a str, f64)> {
        if self.points.is_empty() {
            return None;
        }
        let matches = paths.into_iter().flatten().flat_map(|path| self.set.matches(path));
        matches.map(|index| self.points[index]).max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::FileChange,
        stories::{file, pull_request},
    };

    #[test]
    fn areas_and_patterns() {
        let check = |paths: &[&str], expected: [f64; 6], files: f64| {
            let mut facts = pull_request("x", paths.iter().map(|path| file(path, 3, 1)).collect());
            let patterns = [("infra/**", 6.0), ("**/hot/**", 15.0), ("[", 50.0), ("nan/**", f64::NAN), ("top/**", 9e9)];
            facts.declared.sensitive_paths = patterns.iter().map(|(glob, x)| ((*glob).to_owned(), *x)).collect();
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert_eq!(measure.value, files, "{paths:?}");
            let near = measure.terms.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(near, "{paths:?} {:?}", measure.terms);
        };
        let ln2 = std::f64::consts::LN_2;
        check(&["src/a.rs"], [0.0; 6], 0.0);
        check(&["main.tf", "src/auth/a.rs", "src/billing/a.rs"], [1.0, 1.0, 1.0, 0.0, 0.0, 0.0], 3.0);
        check(&[".github/workflows/a.yml", "package.json"], [0.0, 0.0, 0.0, 1.0, 1.0, 0.0], 2.0);
        check(&["src/hot/a.rs", "infra/a.py"], [1.0, 0.0, 0.0, 0.0, 0.0, ln2], 2.0);
        check(&["nan/a.rs", "[", "hot/a.rs"], [0.0, 0.0, 0.0, 0.0, 0.0, ln2], 1.0);
        check(&["top/a.rs"], [0.0, 0.0, 0.0, 0.0, 0.0, 100.0 * ln2 / 15.0], 1.0);
        check(&["tests/auth/a.rs", "docs/auth.md", "Cargo.lock"], [0.0; 6], 0.0);
        check(&[], [0.0; 6], 0.0);
    }

    #[test]
    fn what_leaves_a_sensitive_place_was_sensitive() {
        let moved = FileChange { previous_path: Some("src/auth/a.rs".into()), ..file("src/misc/a.rs", 1, 1) };
        let facts = pull_request("x", vec![moved]);
        assert_eq!((SIGNAL.measure)(&View::of(&facts)).unwrap().terms[1], 1.0);
    }
}
