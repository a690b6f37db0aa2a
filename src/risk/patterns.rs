//! The policy's path patterns, compiled once for a policy.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::facts::Declared;

/// More than the scale of the score has no meaning.
const MOST_EXTRA_POINTS: f64 = 100.0;

/// The patterns of a repository's policy.
pub(super) struct Patterns {
    ignored: GlobSet,
    sensitive: GlobSet,
    /// Each sensitive pattern with its extra points.
    points: Vec<(String, f64)>,
}

/// What patterns are compiled from.
type Text = (Vec<String>, BTreeMap<String, f64>);

/// Those compiled last: a repository's own, and the empty ones of changes that landed.
const KEPT: usize = 4;

thread_local! {
    /// To compile them takes longer than to match a hundred files.
    static COMPILED: RefCell<Vec<(Text, Rc<Patterns>)>> = const { RefCell::new(Vec::new()) };
}

impl Patterns {
    /// The patterns of a policy.
    pub(super) fn of(declared: &Declared) -> Rc<Self> {
        COMPILED.with_borrow_mut(|compiled| {
            let same = |((ignore, sensitive), _): &(Text, Rc<Self>)| {
                *ignore == declared.ignore && *sensitive == declared.sensitive_paths
            };
            if let Some(at) = compiled.iter().position(same) {
                return Rc::clone(&compiled[at].1);
            }
            let patterns = Rc::new(Self::compile(declared));
            compiled.truncate(KEPT - 1);
            let text = (declared.ignore.clone(), declared.sensitive_paths.clone());
            compiled.insert(0, (text, Rc::clone(&patterns)));
            patterns
        })
    }

    fn compile(declared: &Declared) -> Self {
        let points: Vec<(String, f64)> = declared
            .sensitive_paths
            .iter()
            .filter(|(pattern, points)| points.is_finite() && is_glob(pattern))
            .map(|(pattern, points)| (pattern.clone(), points.clamp(0.0, MOST_EXTRA_POINTS)))
            .collect();
        let sensitive = globs(points.iter().map(|(pattern, _)| pattern.as_str()));
        Self { ignored: globs(declared.ignore.iter().map(String::as_str)), sensitive, points }
    }

    pub(super) fn is_ignored(&self, path: &str) -> bool {
        !self.ignored.is_empty() && self.ignored.is_match(path)
    }

    /// Number of the pattern that gives most extra points to one of a file's paths.
    pub(super) fn heaviest(&self, paths: [Option<&str>; 2]) -> Option<usize> {
        if self.points.is_empty() {
            return None;
        }
        let matches = paths.into_iter().flatten().flat_map(|path| self.sensitive.matches(path));
        matches.max_by(|a, b| self.points[*a].1.total_cmp(&self.points[*b].1))
    }

    /// A pattern with its extra points, by its number.
    pub(super) fn sensitive(&self, index: usize) -> (&str, f64) {
        let (pattern, points) = &self.points[index];
        (pattern, *points)
    }
}

/// Compiles path globs, in which `*` stays within one directory and `**` does not. A glob that is none matches
/// nothing: reading the policy has already said so.
pub(crate) fn globs<'a>(patterns: impl Iterator<Item = &'a str>) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for glob in patterns.filter_map(glob) {
        set.add(glob);
    }
    set.build().unwrap_or_else(|_| GlobSet::empty())
}

/// Whether a pattern can be compiled.
pub(crate) fn is_glob(pattern: &str) -> bool {
    glob(pattern).is_some()
}

fn glob(pattern: &str) -> Option<Glob> {
    GlobBuilder::new(pattern).literal_separator(true).build().ok()
}
