//! What became of each change of a main line: rolled back within 30 days, not rolled back, or not known yet.
//!
//! The outcome is read from the main line alone. A change whose 30 days have not passed by the end of the history is left
//! out whether or not it was rolled back: taking only the failed ones of them would make failure look more frequent.

use crate::history::{Landed, Place};

/// Days within which a change has to be rolled back to count as failed.
pub const HORIZON_DAYS: i64 = 30;

const HORIZON_S: i64 = HORIZON_DAYS * 24 * 60 * 60;

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Rolled back on the main line within the horizon.
    Failed,
    /// The horizon has passed without that.
    Clean,
    /// The horizon has not passed by the end of the history.
    Unripe,
    /// Not judged at all.
    LeftOut(Because),
}

impl Label {
    /// Whether the change failed, if it counts.
    pub fn failed(self) -> Option<bool> {
        match self {
            Self::Failed => Some(true),
            Self::Clean => Some(false),
            Self::Unripe | Self::LeftOut(_) => None,
        }
    }
}

/// Why a change is never judged. The first that holds is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// Written by a program.
    Bot,
    /// Itself takes back an earlier change.
    Revert,
    /// Changes no file.
    Empty,
}

/// The changes of a main line, each with when it was undone first.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    changes: Vec<Entry>,
    /// The end of the history, whichever change bears the latest date. Unix seconds.
    newest_at: i64,
    reverts: Reverts,
}

/// How the reverts of a main line were linked to what they undo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reverts {
    /// Changes that say they are reverts.
    pub found: u64,
    /// Those of them whose undone change was found. The rest undo a part, or something older than the history, or do not
    /// name it.
    pub linked: u64,
    /// Changes that were undone, bots' and reverts included.
    pub undone: u64,
    /// Those of them that were undone after the horizon only.
    pub late: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: i64,
    undone_at: Option<i64>,
    because: Option<Because>,
}

impl Entry {
    fn undone_in_time(&self) -> Option<bool> {
        Some(self.undone_at?.saturating_sub(self.at) <= HORIZON_S)
    }
}

impl Labels {
    /// Takes in the next change of the main line, when it counts as landed (unix seconds), and the places of the earlier ones
    /// that it undoes: what [`History::step`](crate::history::History::step) gives.
    pub fn observe(&mut self, landed: &Landed, at: i64, undone: &[Place]) {
        let because = if landed.bot {
            Some(Because::Bot)
        } else if landed.revert {
            Some(Because::Revert)
        } else {
            (landed.files_total == 0).then_some(Because::Empty)
        };
        for place in undone {
            if let Some(entry) = self.changes.get_mut(*place as usize)
                && entry.undone_at.is_none()
            {
                entry.undone_at = Some(at);
                self.reverts.undone += 1;
                self.reverts.late += u64::from(entry.undone_in_time() == Some(false));
            }
        }
        self.reverts.found += u64::from(landed.revert);
        self.reverts.linked += u64::from(landed.revert && !undone.is_empty());
        self.newest_at = self.newest_at.max(at);
        self.changes.push(Entry { at, undone_at: None, because });
    }

    /// What became of the change at `place`, as known when the newest change landed. One that was not taken in is
    /// unripe.
    pub fn of(&self, place: Place) -> Label {
        let Some(entry) = self.changes.get(place as usize) else { return Label::Unripe };
        match (entry.because, entry.undone_in_time()) {
            (Some(because), _) => Label::LeftOut(because),
            (None, _) if entry.at.saturating_add(HORIZON_S) > self.newest_at => Label::Unripe,
            (None, Some(true)) => Label::Failed,
            (None, _) => Label::Clean,
        }
    }

    /// Seconds until the change at `place` was undone first, if it was; below 0 where clocks differ.
    pub fn undone_after_s(&self, place: Place) -> Option<i64> {
        let entry = self.changes.get(place as usize)?;
        Some(entry.undone_at?.saturating_sub(entry.at))
    }

    /// How reverts were linked.
    pub fn reverts(&self) -> Reverts {
        self.reverts
    }
}

/// Whether the outcome of a change that landed at `at` is known at `now` (both unix seconds).
pub(super) fn is_ripe(at: i64, now: i64) -> bool {
    at.saturating_add(HORIZON_S) <= now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::stories::landed;

    const DAY: i64 = 24 * 60 * 60;

    #[test]
    fn a_change_fails_when_it_is_undone_in_time() {
        let mut labels = Labels::default();
        let mut observe = |day: i64, edit: fn(&mut Landed), undone: &[Place]| {
            let mut change = landed(day * DAY, &[("a", 1, 0)]);
            edit(&mut change);
            labels.observe(&change, change.at, undone);
        };
        let plain = |_: &mut Landed| ();
        let revert = |change: &mut Landed| change.revert = true;
        observe(0, plain, &[]);
        observe(1, plain, &[]);
        observe(2, |change| change.bot = true, &[]);
        observe(3, |change| (change.files_total, change.files) = (0, Vec::new()), &[]);
        // The last second of the thirty days of the first, and one day too late for the bot's.
        observe(30, revert, &[0]);
        observe(33, revert, &[2, 1]);
        observe(34, revert, &[]);
        // Brings one back and takes it out again: the first time counts.
        observe(35, revert, &[0]);
        observe(40, plain, &[]);
        observe(41, plain, &[]);
        observe(70, plain, &[8, 9]);
        let found: Vec<Label> = (0..11).map(|place| labels.of(place)).collect();
        let left_out = Label::LeftOut;
        assert_eq!(
            found,
            [
                Label::Failed,
                Label::Clean,
                left_out(Because::Bot),
                left_out(Because::Empty),
                left_out(Because::Revert),
                left_out(Because::Revert),
                left_out(Because::Revert),
                left_out(Because::Revert),
                Label::Failed,
                Label::Unripe,
                Label::Unripe,
            ]
        );
        // A change at the end that bears an old date does not take back that time has passed.
        let mut behind = labels.clone();
        behind.observe(&landed(0, &[("a", 1, 0)]), 0, &[]);
        assert_eq!(behind.of(8), Label::Failed);
        assert_eq!(labels.of(11), Label::Unripe);
        assert_eq!(labels.reverts(), Reverts { found: 4, linked: 3, undone: 5, late: 2 });
    }
}
