//! What has to hold for every policy file. Input: the file.

use mergecast::{
    config::repository::{RepositoryPolicy, parse_policy},
    risk::policy::{PolicyError, Threshold},
};

/// Mistakes that are told, and one that says how many more there are.
const ERRORS: usize = 21;
/// Longest message about one mistake, in bytes: the parser's own words and pieces of the file, cut.
const MESSAGE: usize = 4_096;
const PATTERNS: usize = 200;
const FREEZES: usize = 100;
const POINTS: f64 = 30.0;

pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = parse_policy(&text);
    assert_eq!(read, parse_policy(&text), "the same file is the same policy");
    match read {
        Ok(policy) => within_bounds(&policy),
        Err(errors) => told(&text, &errors),
    }
}

/// What is in force stays within what the documentation promises, and can be stored.
fn within_bounds(read: &RepositoryPolicy) {
    match read.policy.threshold {
        Threshold::Score(score) => assert!(score <= 100),
        Threshold::TopShareBp(share) => assert!(share <= 10_000),
    }
    let floors = read.policy.floors;
    let floors = [floors.destructive_migration, floors.active_incident, floors.budget_exhausted];
    assert!(floors.into_iter().flatten().all(|floor| floor <= 100));
    assert!(read.policy.origin.errors.is_empty());
    let declared = &read.declared;
    assert!(declared.ignore.len() <= PATTERNS && declared.sensitive_paths.len() <= PATTERNS);
    assert!(declared.sensitive_paths.values().all(|points| (0.0..=POINTS).contains(points)));
    assert!(declared.freezes.len() <= FREEZES && declared.freezes.iter().all(|freeze| freeze.from < freeze.until));
    assert!(declared.services.keys().eq(read.services.keys()), "a service without settings, or the other way round");
    assert!(declared.services.values().all(|paths| paths.len() <= PATTERNS));
    let stored = serde_json::to_string(read).expect("a policy is plain data");
    assert_eq!(&serde_json::from_str::<RepositoryPolicy>(&stored).expect("what was stored is read"), read);
}

/// A mistake is told, shortly, with a line that the file has; nothing else is told.
fn told(text: &str, errors: &[PolicyError]) {
    assert!((1..=ERRORS).contains(&errors.len()));
    // To YAML a carriage return by itself ends a line too.
    let lines = text.split(['\n', '\r']).count() as u64;
    for PolicyError { line, message } in errors {
        assert!(!message.is_empty() && message.len() <= MESSAGE, "{} bytes", message.len());
        assert!(line.is_none_or(|line| 1 <= line && line <= lines + 1), "line {line:?} of {lines}");
    }
}
