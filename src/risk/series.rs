//! A change that is made in several pieces: where a piece is made, and how many lines it adds to the whole.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    diff::View,
    facts::{AuthorKind, Facts, SeriesPart},
    paths,
    patterns::globs,
};

/// Places of one piece at most: a piece in more of them is a change of everything, and belongs to nothing.
const PLACES_MAX: usize = 200;

/// Where a change is made: pieces in the same place belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A service that the policy file declares.
    Service(String),
    /// A directory with files of no declared service.
    Directory(String),
}

/// One piece of what may be a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it is made.
    pub places: BTreeSet<Place>,
    /// Effective added lines, as for the size of a change.
    pub added: u64,
    /// Effective deleted lines.
    pub deleted: u64,
}

impl Piece {
    /// A change as a piece of a series. `None` for a program's: it makes one change for each thing that it finds, and
    /// nobody splits it.
    pub fn of(facts: &Facts) -> Option<Self> {
        if facts.change.author.kind == AuthorKind::Bot {
            return None;
        }
        let view = View::of(facts);
        let services: Vec<_> = facts
            .declared
            .services
            .iter()
            .map(|(name, paths)| (name, globs(paths.iter().map(String::as_str))))
            .collect();
        let mut places = BTreeSet::new();
        for (file, _) in view.counted() {
            let mut own = services.iter().filter(|(_, globs)| globs.is_match(&file.path)).peekable();
            if own.peek().is_none() {
                places.insert(Place::Directory(paths::directory_of(&file.path).to_owned()));
            }
            places.extend(own.map(|(name, _)| Place::Service((*name).clone())));
        }
        if places.len() > PLACES_MAX {
            places.clear();
        }
        Some(Self { places, added: view.diff().added, deleted: view.diff().deleted })
    }

    /// Whether two pieces are made in the same place.
    pub fn belongs_to(&self, other: &Self) -> bool {
        !self.places.is_disjoint(&other.places)
    }

    /// The piece as part of another's series.
    pub fn part(&self, number: u64, merged: bool) -> SeriesPart {
        SeriesPart { number, added: self.added, deleted: self.deleted, merged }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::stories::{file, pull_request};

    fn piece(paths: &[&str]) -> Piece {
        let mut facts = pull_request("x", paths.iter().map(|path| file(path, 10, 2)).collect());
        facts.declared.services.insert("pay".into(), vec!["apps/pay/**".into(), "db/pay/*.sql".into()]);
        Piece::of(&facts).unwrap()
    }

    #[test]
    fn pieces_belong_together_by_service_and_elsewhere_by_directory() {
        let check = |one: &[&str], other: &[&str], expected: bool| {
            assert_eq!(piece(one).belongs_to(&piece(other)), expected, "{one:?} {other:?}");
            assert_eq!(piece(other).belongs_to(&piece(one)), expected, "{other:?} {one:?}");
        };
        check(&["apps/pay/a/x.rs"], &["apps/pay/b/y.rs"], true);
        check(&["apps/pay/a/x.rs"], &["db/pay/1.sql"], true);
        check(&["apps/web/a/x.rs"], &["apps/web/b/y.rs"], false);
        check(&["apps/web/a/x.rs"], &["docs/a.md", "apps/web/a/z.rs"], true);
        check(&["apps/pay/a/x.rs"], &["apps/web/a/x.rs"], false);
        check(&["a/Cargo.lock"], &["a/Cargo.lock"], false);
        check(&[], &["a.rs"], false);
        let everywhere: Vec<String> = (0..=PLACES_MAX).map(|n| format!("d{n}/a.rs")).collect();
        let everywhere: Vec<&str> = everywhere.iter().map(String::as_str).collect();
        check(&everywhere, &["d1/b.rs"], false);
    }

    #[test]
    fn a_programs_change_is_no_piece() {
        let mut facts = pull_request("x", vec![file("src/a.rs", 10, 2)]);
        let part = Piece::of(&facts).unwrap().part(7, false);
        assert_eq!(part, SeriesPart { number: 7, added: 10, deleted: 2, merged: false });
        facts.change.author.kind = AuthorKind::Bot;
        assert_eq!(Piece::of(&facts), None);
    }
}
