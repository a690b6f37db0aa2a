//! What became of each change of a main line: rolled back within 30 days, not rolled back, or not known yet.
//!
//! The outcome is read from the main line alone. A change whose 30 days have not passed by the end of the history is left
//! out whether or not it was rolled back: taking only the failed ones of them would make failure look more frequent.

use super::dates::settled;
use crate::history::{Landed, Place, on_calendar};

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

/// The changes of a main line as they landed, each with what undid it first.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    changes: Vec<Entry>,
    found: u64,
    linked: u64,
}

/// What became of the changes of a main line, as known when the newest of them landed.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    changes: Vec<Entry>,
    /// When each of them landed.
    landed_at: Vec<i64>,
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
    dated: i64,
    undone_by: Option<Place>,
    because: Option<Because>,
}

impl Labels {
    /// Takes in the next change of the main line, and the places of the earlier ones that it undoes: what
    /// [`History::step`](crate::history::History::step) gives.
    pub fn observe(&mut self, landed: &Landed, undone: &[Place]) {
        let because = if landed.bot {
            Some(Because::Bot)
        } else if landed.revert {
            Some(Because::Revert)
        } else {
            (landed.files_total == 0).then_some(Because::Empty)
        };
        let by = Place::try_from(self.changes.len()).unwrap_or(Place::MAX);
        for place in undone {
            if let Some(entry) = self.changes.get_mut(*place as usize) {
                entry.undone_by.get_or_insert(by);
            }
        }
        self.found += u64::from(landed.revert);
        self.linked += u64::from(landed.revert && !undone.is_empty());
        self.changes.push(Entry { dated: on_calendar(landed.at), undone_by: None, because });
    }

    /// What became of them. Times are those of the commits themselves, where they agree with one another: the time by
    /// which a history fades would shorten a pause, and a rollback after it would seem to be in time.
    pub fn outcomes(self) -> Outcomes {
        let dates: Vec<i64> = self.changes.iter().map(|entry| entry.dated).collect();
        let mut outcomes = Outcomes { changes: self.changes, landed_at: settled(&dates), reverts: Reverts::default() };
        let after: Vec<i64> =
            (0..).take(outcomes.changes.len()).filter_map(|place| outcomes.undone_after_s(place)).collect();
        outcomes.reverts = Reverts {
            found: self.found,
            linked: self.linked,
            undone: after.len() as u64,
            late: after.iter().filter(|after| **after > HORIZON_S).count() as u64,
        };
        outcomes
    }
}

impl Outcomes {
    /// What became of the change at `place`. One that was not taken in is unripe.
    pub fn of(&self, place: Place) -> Label {
        let Some(entry) = self.changes.get(place as usize) else { return Label::Unripe };
        let ripe = is_ripe(self.landed_at(place), self.until());
        match (entry.because, self.undone_after_s(place)) {
            (Some(because), _) => Label::LeftOut(because),
            (None, _) if !ripe => Label::Unripe,
            (None, Some(after)) if after <= HORIZON_S => Label::Failed,
            (None, _) => Label::Clean,
        }
    }

    /// When the change at `place` landed, unix seconds: by its own date where that agrees with the others. 0 for one that
    /// was not taken in.
    pub fn landed_at(&self, place: Place) -> i64 {
        self.landed_at.get(place as usize).copied().unwrap_or_default()
    }

    /// Seconds until the change at `place` was undone first, if it was.
    pub fn undone_after_s(&self, place: Place) -> Option<i64> {
        let by = self.changes.get(place as usize)?.undone_by?;
        Some(self.landed_at(by).saturating_sub(self.landed_at(place)))
    }

    /// When the newest of them landed, unix seconds; 0 of none.
    pub fn until(&self) -> i64 {
        self.landed_at.last().copied().unwrap_or_default()
    }

    /// When the first and the newest of them landed.
    pub fn between(&self) -> Option<(i64, i64)> {
        Some((*self.landed_at.first()?, self.until()))
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
            labels.observe(&change, undone);
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
        // A change at the end that bears an old date does not take back that time has passed.
        let mut behind = labels.clone();
        behind.observe(&landed(0, &[("a", 1, 0)]), &[]);
        assert_eq!(behind.outcomes().of(8), Label::Failed);
        let outcomes = labels.outcomes();
        let found: Vec<Label> = (0..11).map(|place| outcomes.of(place)).collect();
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
        assert_eq!(outcomes.of(11), Label::Unripe);
        assert_eq!(outcomes.reverts(), Reverts { found: 4, linked: 3, undone: 5, late: 2 });
    }

    /// Days as which changes count that bear these days, and what becomes of the second, which the last but one undoes.
    fn undone_late(days: &[i64]) -> (Vec<i64>, Label) {
        let mut labels = Labels::default();
        for (place, day) in days.iter().enumerate() {
            let mut change = landed(day * DAY, &[("a", 1, 0)]);
            change.revert = place + 2 == days.len();
            labels.observe(&change, if change.revert { &[1] } else { &[] });
        }
        let outcomes = labels.outcomes();
        let days = (0..).take(days.len()).map(|place| outcomes.landed_at(place) / DAY).collect();
        (days, outcomes.of(1))
    }

    #[test]
    fn a_rollback_after_a_pause_is_late_and_a_wrong_clock_moves_no_other() {
        assert_eq!(undone_late(&[0, 1, 202, 300]), (vec![0, 1, 202, 300], Label::Clean));
        assert_eq!(undone_late(&[0, 1, 9_000, 3, 40]), (vec![0, 1, 3, 3, 40], Label::Failed));
        assert_eq!(undone_late(&[0, 1, 9_000, 60]), (vec![0, 1, 60, 60], Label::Clean));
    }
}
