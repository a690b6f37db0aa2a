//! What a repository's history says, in sentences.

use super::{
    Sentence,
    figures::{age_in_days, count, counted, decimal},
    name, say,
};
use crate::risk::{
    facts::{CoChange, Failures, Series},
    signal::{Evidence, Thing},
};

/// Pull requests of a series that are named.
const PARTS_NAMED_MAX: usize = 4;

/// The sentence of evidence from history; empty for other evidence.
pub(super) fn sentence(evidence: &Evidence) -> Sentence {
    match evidence {
        Evidence::Relands => say!["brings back what was taken out"],
        Evidence::RolledBack { thing, failures } => rolled_back(*thing, failures),
        Evidence::NeverRolledBack { files: 0 } => say!["no touched file existed before"],
        Evidence::NeverRolledBack { .. } => say!["no earlier change to these files was rolled back"],
        Evidence::RollbacksOfLate { rollbacks, usual } => say![
            counted(*rollbacks, "rollback", "rollbacks"),
            " in this repository in the last 7 days; ",
            decimal(*usual),
            " would be usual for as many changes"
        ],
        Evidence::Familiarity { files, own, known } => familiarity(*files, *own, *known),
        Evidence::Knows { name: who, files } => {
            say![name(who), " has, ", counted(*files, "file", "files"), " in the last 90 days"]
        }
        Evidence::Developers { people: 0, .. } => say!["nobody has changed these files before"],
        Evidence::Developers { people, others_14d } => say![
            counted(*people, "person has", "people have"),
            " changed these files, ",
            count(*others_14d),
            " besides the author in the last 14 days"
        ],
        Evidence::LastChanged { days: None, .. } => say!["no touched file existed before"],
        Evidence::LastChanged { days: Some(days), .. } => say!["last changed ", age_in_days(*days), " ago"],
        Evidence::CoChange(CoChange { path, with, together, of }) => say![
            name(path),
            " changed along in ",
            count(*together),
            " of the last ",
            counted(*of, "change", "changes"),
            " to ",
            name(with),
            " and is untouched here"
        ],
        Evidence::Series(Series { changes, added, deleted }) => say![
            counted(*changes, "change", "changes"),
            " by the same author in the same place in the last 24 hours, ",
            count(added.saturating_add(*deleted)),
            " lines, counted with this one"
        ],
        Evidence::SeriesParts(parts) => {
            let lines = parts.iter().map(|part| part.added.saturating_add(part.deleted)).fold(0, u64::saturating_add);
            // As code, so that GitHub makes no link of it.
            let named = parts.iter().take(PARTS_NAMED_MAX).map(|part| say![name(&format!("#{}", part.number))]);
            let more = parts.len().saturating_sub(PARTS_NAMED_MAX);
            let named = Sentence::joined(named, ", ");
            let named = if more == 0 { named } else { named.then(" and ").then(count(more)).then(" more") };
            say!["together with "]
                .with(named)
                .then(" by the same author, pushed within a day in the same place: ")
                .then(count(lines))
                .then(" lines, counted with this one")
        }
        _ => Sentence::default(),
    }
}

fn rolled_back(thing: Thing, failures: &Failures) -> Sentence {
    let Failures { name: which, changes, rolled_back } = failures;
    let changes = counted(*changes, "earlier change", "earlier changes");
    match thing {
        Thing::File => say![count(*rolled_back), " of ", changes, " to ", name(which), " rolled back"],
        Thing::Directory if which.is_empty() => say![count(*rolled_back), " of ", changes, " at the top rolled back"],
        Thing::Directory => say![count(*rolled_back), " of ", changes, " to files in ", name(which), " rolled back"],
        Thing::FileType if which.is_empty() => {
            say![count(*rolled_back), " of ", changes, " to files without extension rolled back"]
        }
        Thing::FileType => {
            say![count(*rolled_back), " of ", changes, " to ", name(&format!(".{which}")), " files rolled back"]
        }
        Thing::Word => say![count(*rolled_back), " of ", changes, " about ", name(which), " rolled back"],
    }
}

fn familiarity(files: u64, own: u64, known: u64) -> Sentence {
    match (files, known) {
        (0, _) => say!["no touched file existed before"],
        (1, 0) => say!["the author has not changed the one file that was there before"],
        _ if own >= files => say!["the author has changed all of these files before"],
        _ if known >= files => say!["the author, or somebody who has approved, has changed all of these files before"],
        _ => say![
            "the author has not changed ",
            count(files - known),
            " of these ",
            counted(files, "file", "files"),
            " before"
        ],
    }
}
