//! A change that is made in several pieces: where a piece is made, and what it adds to the whole.

use std::{collections::BTreeSet, sync::Arc};

use globset::GlobSet;
use serde::{Deserialize, Serialize};

use super::{
    diff::View,
    facts::{AuthorKind, Declared, SeriesFile, SeriesPart},
    paths,
    patterns::globs,
};

/// Files of one piece at most: a change of more is one of everything, and belongs to nothing.
pub(super) const FILES_MAX: u64 = 500;

/// Where a change is made: pieces in the same place belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A service: the policy file declares it, or the change is known to be for it.
    Service(String),
    /// A part of the system with files of no declared service.
    Subsystem(String),
}

/// One piece of what may be a series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Where it is made.
    pub reach: Reach,
    /// Effective added lines, as for the size of a change.
    pub added: u64,
    /// Effective deleted lines.
    pub deleted: u64,
}

/// Where a piece is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Services, and parts of the system.
    pub places: BTreeSet<Place>,
    /// Files that count.
    pub files: Arc<[SeriesFile]>,
    /// Files that usually change along and are not among them.
    pub companions: BTreeSet<String>,
}

impl Piece {
    /// A change as a piece of a series. `None` for a program's: it makes one change for each thing that it finds, and
    /// nobody splits it.
    pub fn of(view: &View<'_>) -> Option<Self> {
        let facts = view.facts;
        if facts.change.author.kind == AuthorKind::Bot {
            return None;
        }
        let (added, deleted) = (view.diff().added, view.diff().deleted);
        if facts.change.files_total > FILES_MAX {
            return Some(Self { added, deleted, ..Self::default() });
        }
        let files = view.counted().map(|(file, scan)| SeriesFile { path: file.path.clone(), lines: scan.lines() });
        let missing = facts.history.iter().flat_map(|history| &history.missing);
        let reach = Reach {
            places: places(view),
            files: files.collect(),
            companions: missing.map(|companion| companion.path.clone()).collect(),
        };
        Some(Self { reach, added, deleted })
    }

    /// Whether two pieces are made in the same place, or one changes a file that usually changes with the other's.
    pub fn belongs_to(&self, other: &Self) -> bool {
        let (one, other) = (&self.reach, &other.reach);
        !one.places.is_disjoint(&other.places) || one.misses_any_of(other) || other.misses_any_of(one)
    }

    /// The piece as part of another's series.
    pub fn part(&self, number: u64, merged: bool) -> SeriesPart {
        let files = Arc::clone(&self.reach.files);
        SeriesPart { number, added: self.added, deleted: self.deleted, merged, files }
    }
}

impl Reach {
    fn misses_any_of(&self, other: &Self) -> bool {
        other.files.iter().any(|file| self.companions.contains(&file.path))
    }
}

fn places(view: &View<'_>) -> BTreeSet<Place> {
    let services = view.facts.services.iter().map(|service| Place::Service(service.name.clone()));
    let declared = Places::of(&view.facts.declared);
    services.chain(view.counted().flat_map(|(file, _)| declared.of_file(&file.path))).collect()
}

/// Tells the places of files by the services that a policy file declares.
pub(super) struct Places<'a>(Vec<(&'a str, GlobSet)>);

impl<'a> Places<'a> {
    pub(super) fn of(declared: &'a Declared) -> Self {
        let service =
            |(name, paths): (&'a String, &Vec<String>)| (name.as_str(), globs(paths.iter().map(String::as_str)));
        Self(declared.services.iter().map(service).collect())
    }

    /// The services of a file; where there is none, the part of the system that it is in.
    pub(super) fn of_file(&self, path: &str) -> Vec<Place> {
        let own = self.0.iter().filter(|(_, globs)| globs.is_match(path));
        let mut places: Vec<Place> = own.map(|(name, _)| Place::Service((*name).to_owned())).collect();
        if places.is_empty() {
            places.push(Place::Subsystem(paths::subsystem_of(path).to_owned()));
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{CoChange, Facts, History, TargetService},
        stories::{file, pull_request},
    };

    fn change(paths: &[&str]) -> Facts {
        let mut facts = pull_request("x", paths.iter().map(|path| file(path, 10, 2)).collect());
        facts.declared.services.insert("pay".into(), vec!["apps/pay/**".into(), "db/pay/*.sql".into()]);
        facts
    }

    fn piece(paths: &[&str]) -> Piece {
        Piece::of(&View::of(&change(paths))).unwrap()
    }

    #[test]
    fn pieces_belong_together_by_service_and_elsewhere_by_part_of_the_system() {
        let check = |one: &[&str], other: &[&str], expected: bool| {
            assert_eq!(piece(one).belongs_to(&piece(other)), expected, "{one:?} {other:?}");
            assert_eq!(piece(other).belongs_to(&piece(one)), expected, "{other:?} {one:?}");
        };
        check(&["apps/pay/a/x.rs"], &["apps/pay/b/y.rs"], true);
        check(&["apps/pay/a/x.rs"], &["db/pay/1.sql"], true);
        check(&["apps/web/a/x.rs"], &["apps/web/b/y.rs"], true);
        check(&["apps/web/a/x.rs"], &["apps/docs/y.rs"], false);
        check(&["apps/web/a/x.rs"], &["docs/a.md", "apps/web/a/z.rs"], true);
        check(&["apps/pay/a/x.rs"], &["apps/web/a/x.rs"], false);
        check(&["a/Cargo.lock"], &["a/Cargo.lock"], false);
        check(&[], &["a.rs"], false);
        let everywhere: Vec<String> = (0..=FILES_MAX).map(|n| format!("d/{n}.rs")).collect();
        let everywhere: Vec<&str> = everywhere.iter().map(String::as_str).collect();
        check(&everywhere, &["d/b.rs"], false);
    }

    #[test]
    fn pieces_belong_together_that_are_for_one_service_or_usually_change_together() {
        let mut api = change(&["api/a.rs"]);
        assert!(!Piece::of(&View::of(&api)).unwrap().belongs_to(&piece(&["web/a.ts"])));
        let missing = CoChange { path: "web/a.ts".into(), with: "api/a.rs".into(), together: 5, of: 6 };
        api.history = Ok(History { missing: vec![missing], ..History::default() });
        let api = Piece::of(&View::of(&api)).unwrap();
        assert!(api.belongs_to(&piece(&["web/a.ts"])) && piece(&["web/a.ts"]).belongs_to(&api));
        assert!(!api.belongs_to(&piece(&["web/b.ts"])));
        let target = |paths: &[&str]| {
            let mut facts = change(paths);
            let service = TargetService { name: "shop".into(), env: None, files: Vec::new(), files_total: 0 };
            facts.services = vec![service];
            Piece::of(&View::of(&facts)).unwrap()
        };
        assert!(target(&["api/a.rs"]).belongs_to(&target(&["web/b.ts"])));
    }

    #[test]
    fn a_programs_change_is_no_piece() {
        let mut facts = pull_request("x", vec![file("src/a.rs", 10, 2), file("Cargo.lock", 90, 9)]);
        let files = Arc::from([SeriesFile { path: "src/a.rs".to_owned(), lines: 12 }]);
        let part = Piece::of(&View::of(&facts)).unwrap().part(7, false);
        assert_eq!(part, SeriesPart { number: 7, added: 10, deleted: 2, merged: false, files });
        facts.change.author.kind = AuthorKind::Bot;
        assert_eq!(Piece::of(&View::of(&facts)), None);
    }
}
