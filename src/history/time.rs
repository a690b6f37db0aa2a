//! The history's own time: that of the newest date that can be believed. Anybody's clock may be wrong, and a date far ahead
//! would keep everything from fading until that day came.

use serde::{Deserialize, Serialize};

use super::{Author, DAY};

/// A date that lies further ahead than this has to be confirmed. Longer than the pauses of a busy repository. Seconds.
pub(super) const LEAP: i64 = 30 * DAY;
/// So many changes in a row confirm one another, even if one person made them all.
const RUN: usize = 5;

/// How far a main line has come. It never goes back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Time {
    now: Option<i64>,
    /// Dates and authors of the latest changes, as far as they are all too far ahead to be believed yet.
    ahead: Vec<(i64, Author)>,
}

impl Time {
    /// When a change that bears the date `at` counts as landed, if it is the next: not before what landed before it, and
    /// at most [`LEAP`] after that until others confirm more.
    pub(super) fn of(&self, at: i64, author: Author) -> i64 {
        match self.with(at, author) {
            Some(now) => at.clamp(now, now + LEAP),
            None => at,
        }
    }

    /// The same, and it lands.
    pub(super) fn take(&mut self, at: i64, author: Author) -> i64 {
        let counts = self.of(at, author);
        let before = self.with(at, author);
        if before != self.now {
            self.ahead.clear();
        }
        if before.is_some_and(|before| at > before + LEAP) {
            self.now = before;
            self.ahead.push((at, author));
        } else {
            self.now = Some(counts);
            self.ahead.clear();
        }
        counts
    }

    /// An instant, or where the history stands if that is later.
    pub(super) fn not_before(&self, at: i64) -> i64 {
        self.now.map_or(at, |now| at.max(now))
    }

    /// Where the history stands once a change comes that bears the date `at`, that change itself apart. A leap is believed
    /// when two people, or many changes in a row, are dated after it; as far as the earliest of them.
    fn with(&self, at: i64, author: Author) -> Option<i64> {
        let now = self.now?;
        let others = self.ahead.iter().any(|(_, other)| *other != author);
        let confirmed = at > now + LEAP && (others || self.ahead.len() + 1 >= RUN);
        let earliest = self.ahead.iter().map(|(at, _)| *at).fold(at, i64::min);
        Some(if confirmed { earliest } else { now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days as which changes count that bear these days and authors.
    fn days(changes: &[(i64, u64)]) -> Vec<i64> {
        let mut time = Time::default();
        changes.iter().map(|(day, author)| time.take(day * DAY, Author(*author)) / DAY).collect()
    }

    #[test]
    fn a_leap_is_believed_when_others_confirm_it() {
        // Far back counts as the newest, far ahead as a month later at most.
        assert_eq!(days(&[(1, 1), (9_000, 2), (2, 1), (0, 3), (32, 1)]), [1, 31, 2, 2, 32]);
        // A pause of a year, after which two people go on.
        assert_eq!(days(&[(1, 1), (400, 1), (401, 2), (402, 1)]), [1, 31, 401, 402]);
        // A wrong clock just then: the pause is believed as far as the other's date.
        assert_eq!(days(&[(1, 1), (9_000, 1), (400, 2), (401, 1)]), [1, 31, 400, 401]);
        assert_eq!(days(&[(1, 1), (400, 2), (9_000, 1), (401, 2)]), [1, 31, 430, 401]);
        // One person alone.
        assert_eq!(days(&[(1, 1), (400, 1), (401, 1), (402, 1), (403, 1), (404, 1)]), [1, 31, 31, 31, 31, 404]);
        // Somebody whose clock is wrong several times in a row.
        assert_eq!(
            days(&[(1, 1), (8_000, 1), (8_001, 1), (8_002, 1), (2, 2), (8_003, 1), (3, 2)]),
            [1, 31, 31, 31, 2, 32, 3]
        );
    }
}
