//! Sensitive paths: changed files in areas where mistakes cost more, and below the policy's own patterns.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::{
    diff::View,
    facts::FileStatus,
    paths::{Area, Areas},
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

const LOG_ODDS_PER_POINT: f64 = std::f64::consts::LN_2 / 15.0;

fn measure(view: &View<'_>) -> Reading {
    let mut found = Areas::default();
    let (mut files, mut extra) = (0_u64, 0.0_f64);
    let mut evidence = Vec::new();
    for (file, scan) in view.files().filter(|(file, _)| file.status != FileStatus::Unchanged) {
        found.extend(scan.areas);
        let matched = view.heaviest(scan);
        extra = extra.max(matched.map_or(0.0, |(_, points)| points));
        let areas = scan.areas.iter().map(|area| area.word().to_owned());
        let places = areas.chain(matched.map(|(pattern, _)| pattern.to_owned()));
        let before = evidence.len();
        evidence.extend(places.map(|area| Evidence::Sensitive { path: file.path.clone(), area }));
        files += u64::from(evidence.len() > before);
    }
    if let Some(unknown) = view.incomplete().filter(|_| files == 0) {
        return Err(unknown);
    }
    evidence.extend(view.partly());
    let mut terms: Vec<f64> = Area::ALL.iter().map(|area| flag(found.contains(*area))).collect();
    terms.push(extra * LOG_ODDS_PER_POINT);
    Ok(Measure { value: files as f64, terms, evidence })
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
