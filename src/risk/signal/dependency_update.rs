//! Dependency update: how far versions move, by the manifests' changed lines and the titles that update bots write.

use std::collections::{HashMap, hash_map::Entry};

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::{
    diff::View,
    facts::{AuthorKind, FileStatus},
    paths::PathKind,
};

mod manifest;
mod title;
mod version;

use version::Step;

pub(super) static SIGNAL: Signal = Signal {
    id: "dependency_update",
    label: "dependency update",
    unit: Unit::Count,
    why: "Versions that move bring others' changes in; how far they move says more than the lines it takes.",
    terms: &[
        Term { id: "dependency_update.major", transform: "1 when the largest step may break compatibility" },
        Term { id: "dependency_update.minor", transform: "1 when the largest step adds to it" },
        Term { id: "dependency_update.patch", transform: "1 when the largest step repairs" },
        Term { id: "dependency_update.lock_only", transform: "1 when only lock files change and no step is known" },
        Term { id: "dependency_update.development", transform: "1 when all that moves is needed for development only" },
    ],
    measure,
};

/// Packages shown; a group update may move hundreds.
const PACKAGES_SHOWN: usize = 20;

/// A dependency that moves from one version to another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Move {
    package: String,
    from: Option<String>,
    to: Option<String>,
    /// Unknown where the versions are none, such as digests.
    step: Option<Step>,
    development: bool,
}

fn measure(view: &View<'_>) -> Reading {
    if let Some(unknown) = view.unread() {
        return Err(unknown);
    }
    let Some(moves) = moves(view) else {
        return Ok(Measure { value: 0.0, terms: vec![0.0; 5], evidence: Vec::new() });
    };
    let step = moves.iter().filter_map(|moved| moved.step).max();
    let lock_only = step.is_none() && changes_only(view, |kind| kind == PathKind::Lock);
    // What only runs in continuous integration does not reach production.
    let development = !moves.is_empty() && moves.iter().all(|moved| moved.development)
        || changes_only(view, |kind| kind == PathKind::Ci);
    let terms = vec![
        flag(step == Some(Step::Major)),
        flag(step == Some(Step::Minor)),
        flag(step == Some(Step::Patch)),
        flag(lock_only),
        flag(development),
    ];
    let unknown_step = if lock_only { "lock-only" } else { "unknown" };
    let value = moves.len().max(1) as f64;
    let mut moves = moves;
    // The longest step first, since it decides.
    moves.sort_by(|a, b| b.step.cmp(&a.step).then_with(|| a.package.cmp(&b.package)));
    if moves.is_empty() && lock_only {
        moves.extend(view.files().map(|(file, _)| Move::of_lock(&file.path)));
    }
    let show = |moved: Move| Evidence::Dependency {
        package: moved.package,
        from: moved.from,
        to: moved.to,
        step: moved.step.map_or(unknown_step, Step::word),
        development: moved.development,
    };
    Ok(Measure { value, terms, evidence: moves.into_iter().take(PACKAGES_SHOWN).map(show).collect() })
}

impl Move {
    /// A lock file stands for what moves inside of it.
    fn of_lock(path: &str) -> Self {
        Self { package: path.to_owned(), from: None, to: None, step: None, development: false }
    }
}

/// What moves, as far as it can be read; `None` when the change is no dependency update.
fn moves(view: &View<'_>) -> Option<Vec<Move>> {
    let change = &view.facts.change;
    let bot = change.author.kind == AuthorKind::Bot;
    let versions_only = view.incomplete().is_none() && changes_only(view, is_about_versions);
    let titled = title::read(&change.title).filter(|_| bot || versions_only);
    // A person's change of nothing but manifests may as well be a new script: a version has to move.
    let in_manifests = if bot || versions_only { in_manifests(view) } else { Vec::new() };
    let locks = versions_only && changes_only(view, |kind| kind == PathKind::Lock);
    if titled.is_none() && !locks && (in_manifests.is_empty() || !versions_only) {
        return None;
    }
    let Some(titled) = titled else { return Some(in_manifests) };
    if in_manifests.is_empty() {
        return Some(titled.moves);
    }
    // The files say exactly what the title abridges; what the title knows of their use still holds.
    let development = titled.moves.iter().all(|moved| moved.development) && !titled.moves.is_empty();
    Some(
        in_manifests.into_iter().map(|moved| Move { development: moved.development || development, ..moved }).collect(),
    )
}

/// Kinds of files that an update of dependencies touches.
fn is_about_versions(kind: PathKind) -> bool {
    matches!(kind, PathKind::Manifest | PathKind::Lock | PathKind::Vendored)
}

fn changes_only(view: &View<'_>, is: impl Fn(PathKind) -> bool) -> bool {
    let mut files = view.files().filter(|(file, _)| file.status != FileStatus::Unchanged).peekable();
    files.peek().is_some() && files.all(|(_, scan)| is(scan.kind))
}

fn in_manifests(view: &View<'_>) -> Vec<Move> {
    let mut moves: Vec<Move> = Vec::new();
    // Workspaces name the same package in many manifests.
    let mut known: HashMap<(String, Option<String>), usize> = HashMap::new();
    for (file, scan) in view.files() {
        let (PathKind::Manifest, Ok(patch)) = (scan.kind, &file.patch) else { continue };
        for moved in manifest::moves(&file.path, patch) {
            match known.entry((moved.package.clone(), moved.to.clone())) {
                Entry::Occupied(index) => moves[*index.get()].development &= moved.development,
                Entry::Vacant(slot) => {
                    slot.insert(moves.len());
                    moves.push(moved);
                }
            }
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{Facts, FileChange},
        patch::Patch,
        stories::{file, pull_request},
    };

    fn manifest(path: &str, from: &str, to: &str) -> FileChange {
        let patch = format!("@@ -1,2 +1,2 @@\n [dependencies]\n-serde = \"{from}\"\n+serde = \"{to}\"");
        FileChange { patch: Ok(Patch(patch.into())), ..file(path, 1, 1) }
    }

    fn update(author: AuthorKind, title: &str, files: Vec<FileChange>) -> Facts {
        let mut facts = pull_request(title, files);
        facts.change.author.kind = author;
        facts
    }

    #[test]
    fn updates() {
        use AuthorKind::{Bot, Human};
        let check = |facts: Facts, expected: [f64; 5], packages: usize| {
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert_eq!(measure.terms, expected, "{}", facts.change.title);
            assert_eq!(measure.evidence.len(), packages, "{}", facts.change.title);
        };
        let (major, minor, patch, lock, development) = (
            [1.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 1.0, 0.0],
            [1.0, 0.0, 0.0, 0.0, 1.0],
        );
        let lock_file = || file("Cargo.lock", 5, 5);
        let cargo = |from: &str, to: &str| vec![manifest("Cargo.toml", from, to), lock_file()];
        check(update(Bot, "Bump serde from 1.0.0 to 1.0.1", cargo("1.0.0", "1.0.1")), patch, 1);
        // The manifest is believed, not the title.
        check(update(Bot, "Bump serde from 1.0.0 to 1.0.1", cargo("1.0.0", "2.0.0")), major, 1);
        check(update(Human, "Keep up", cargo("1.0.0", "1.1.0")), minor, 1);
        check(update(Human, "Bump serde from 1.0.0 to 1.1.0", vec![lock_file()]), minor, 1);
        check(update(Human, "Refresh", vec![lock_file()]), lock, 1);
        check(update(Bot, "Lock file maintenance", vec![lock_file()]), lock, 1);
        check(
            update(Bot, "Bump actions/checkout from 3 to 4", vec![file(".github/workflows/ci.yml", 1, 1)]),
            development,
            1,
        );
        check(update(Bot, "build(deps-dev): bump serde from 1.0 to 2.0", cargo("1.0", "2.0")), development, 1);
        check(
            update(
                Bot,
                "Bump the all group with 3 updates",
                vec![manifest("a/Cargo.toml", "1.0.0", "1.1.0"), manifest("b/Cargo.toml", "1.0.0", "1.1.0")],
            ),
            minor,
            1,
        );
        // A person may call anything a bump, and source along with it is no mere update.
        let none = [0.0; 5];
        check(update(Human, "Bump serde from 1.0.0 to 2.0.0", vec![file("src/a.rs", 9, 1)]), none, 0);
        check(update(Human, "Update", vec![manifest("Cargo.toml", "1.0.0", "2.0.0"), file("src/a.rs", 9, 1)]), none, 0);
        check(update(Human, "Scripts", vec![file("package.json", 3, 1)]), none, 0);
        check(update(Human, "", Vec::new()), none, 0);
        let mut partial = update(Human, "x", vec![lock_file()]);
        partial.change.files_total = 9;
        check(partial, none, 0);
    }
}
