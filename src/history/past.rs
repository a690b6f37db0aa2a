//! Changes that landed: their names, so that a later one can say which it undoes, and what they touched.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Claim, Landed, Place, landed::number_of, message};

/// Digits of an object id that are told apart: 64 bits.
const DIGITS: usize = 16;
/// Changes of which it is known how many lines they changed in each file: more than one person lands in two days.
const LINES_KEPT: usize = 2_000;

/// A file that a change touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Touched {
    /// Number of the path that it had after the change.
    pub(super) path: u32,
    /// Number of the file, which stays when it is renamed.
    pub(super) file: u32,
}

/// One change that landed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Past {
    pub(super) at: i64,
    /// Number of the author.
    pub(super) author: u32,
    /// The touched files; none where the change is too large to say something of single files.
    pub(super) files: Box<[Touched]>,
    /// Lines added and deleted in each of those, of the latest changes only.
    pub(super) lines_in: Box<[u32]>,
    /// Numbers of those that were taken back.
    pub(super) failed: Vec<u32>,
    /// Numbers of the title's words.
    pub(super) words: Box<[u32]>,
    /// Lines added and deleted outside of tests, docs and what machines write.
    pub(super) lines: (u32, u32),
    /// When it was rolled back.
    pub(super) undone_at: Option<i64>,
    /// What history and diff alone made of it, where that was asked for; 0-100.
    pub(super) score: Option<u8>,
    /// A person's change to files that takes nothing back: such changes are what rates are about.
    pub(super) counted: bool,
}

impl Past {
    /// Notes that files failed which have not before. Gives those that had, and those.
    pub(super) fn fail(&mut self, which: impl Fn(u32) -> bool) -> (Vec<Touched>, Vec<Touched>) {
        let before: Vec<Touched> = self.files.iter().filter(|each| self.failed.contains(&each.file)).copied().collect();
        let mut now: Vec<Touched> = Vec::new();
        for each in self.files.iter().filter(|each| which(each.file)) {
            if !self.failed.contains(&each.file) {
                self.failed.push(each.file);
                now.push(*each);
            }
        }
        (before, now)
    }
}

/// Changes in the order in which they landed, and what they are called.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pasts {
    list: Vec<Past>,
    by_sha: BTreeMap<u64, Place>,
    by_pull_request: BTreeMap<u64, Place>,
    by_revision: BTreeMap<u64, Place>,
    by_title: BTreeMap<u64, Place>,
}

impl Pasts {
    pub(super) fn len(&self) -> Place {
        Place::try_from(self.list.len()).unwrap_or(Place::MAX)
    }

    pub(super) fn get(&self, place: Place) -> &Past {
        &self.list[place as usize]
    }

    pub(super) fn get_mut(&mut self, place: Place) -> &mut Past {
        &mut self.list[place as usize]
    }

    /// From the newest to the oldest.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Past> {
        self.list.iter().rev()
    }

    pub(super) fn list(&self) -> &[Past] {
        &self.list
    }

    pub(super) fn push(&mut self, landed: &Landed, past: Past) {
        let place = self.len();
        self.list.push(past);
        if let Some(old) = self.list.len().checked_sub(LINES_KEPT + 1) {
            self.list[old].lines_in = Box::default();
        }
        if let Some((id, _)) = id(&landed.sha) {
            self.by_sha.insert(id, place);
        }
        // Where a number comes again (an imported history has its own), the latest is meant: most reverts come within days.
        // What takes back or brings back bears the number of what it is about.
        if !landed.revert && !landed.reland {
            if let Some(number) = landed.pull_request {
                self.by_pull_request.insert(number, place);
            }
            if let Some(number) = landed.revision {
                self.by_revision.insert(number, place);
            }
        }
        self.by_title.insert(title(&landed.title), place);
    }

    /// The earlier changes that claims name. One change may be named in several ways: where object ids name any, they
    /// are believed, then numbers, then titles.
    pub(super) fn named(&self, claims: &[Claim]) -> Vec<Place> {
        let sure = |claim: &Claim| match claim {
            Claim::Commit(_) => 0,
            Claim::PullRequest(_) | Claim::Revision(_) => 1,
            Claim::Title(_) => 2,
        };
        let by = |sureness: u8| {
            let alike = claims.iter().filter(|claim| sure(claim) == sureness);
            let mut places: Vec<Place> = alike.filter_map(|claim| self.find(claim)).collect();
            places.sort_unstable();
            places.dedup();
            places
        };
        (0..3).map(by).find(|places| !places.is_empty()).unwrap_or_default()
    }

    fn find(&self, claim: &Claim) -> Option<Place> {
        match claim {
            Claim::Commit(sha) => {
                let (low, left) = id(sha)?;
                let high = low | (1_u64.checked_shl(left * 4).map_or(u64::MAX, |bit| bit - 1));
                let mut found = self.by_sha.range(low..=high).map(|(_, place)| *place);
                let first = found.next();
                // Two that begin alike are none.
                if found.next().is_some() { None } else { first }
            }
            Claim::PullRequest(number) => self.by_pull_request.get(number).copied(),
            Claim::Revision(number) => self.by_revision.get(number).copied(),
            Claim::Title(text) => self.by_title.get(&title(text)).copied(),
        }
    }
}

/// The first sixteen digits of an object id, and how many digits it is short of that. Fewer than seven name nothing.
fn id(sha: &str) -> Option<(u64, u32)> {
    let digits = sha.get(..sha.len().min(DIGITS))?;
    if digits.len() < 7 {
        return None;
    }
    let short = u32::try_from(DIGITS - digits.len()).ok()?;
    Some((u64::from_str_radix(digits, 16).ok()? << (short * 4), short))
}

/// A title as a number, bare as claims name it.
fn title(text: &str) -> u64 {
    number_of(message::bare_title(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past() -> Past {
        Past {
            at: 0,
            author: 0,
            files: [].into(),
            lines_in: [].into(),
            failed: Vec::new(),
            words: [].into(),
            lines: (0, 0),
            undone_at: None,
            score: None,
            counted: true,
        }
    }

    #[test]
    fn claims_find_what_they_name() {
        let mut pasts = Pasts::default();
        let landed = |sha: &str, title: &str, number| Landed {
            sha: sha.repeat(40 / sha.len()),
            title: title.to_owned(),
            pull_request: Some(number),
            ..Landed::default()
        };
        pasts.push(&landed("a1", "Add cache (#4)", 4), past());
        pasts.push(&landed("a1b2", "Fix cache (#5)", 5), past());
        pasts.push(&Landed { revert: true, ..landed("c3", "Revert \"Fix cache\" (#5)", 5) }, past());
        pasts.push(&landed("d4", "fix(cart): Round up (#9)", 9), past());
        let check = |claim: Claim, expected: &[Place]| assert_eq!(pasts.named(&[claim]), expected);
        check(Claim::Commit("a1a1a1a".into()), &[0]);
        check(Claim::Commit("a1b2a1b2a1b2a1b2a1b2".into()), &[1]);
        check(Claim::Commit("a1b2a1b3a1b2".into()), &[]);
        check(Claim::Commit("a1".into()), &[]);
        check(Claim::Commit("zzzzzzzz".into()), &[]);
        check(Claim::Commit("ééééééééééé".into()), &[]);
        check(Claim::PullRequest(5), &[1]);
        check(Claim::PullRequest(6), &[]);
        check(Claim::Title("add cache".into()), &[0]);
        check(Claim::Revision(4), &[]);
        check(Claim::Title("Round up".into()), &[3]);
        assert_eq!(pasts.named(&[Claim::PullRequest(5), Claim::Title("Fix cache (#5)".into())]), [1]);
    }
}
