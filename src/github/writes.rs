//! The writes of one installation within a minute: who may send one now, and when the others are to come again.
//!
//! Work that is to write asks for its places before it reads anything. Who gets none is given the instant at which its
//! places are free, one after the other in the order in which they asked: nobody wakes, or reads, for nothing.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

/// For so long a write counts.
const WINDOW: TimeDelta = TimeDelta::minutes(1);
/// Who has not come so long after its turn is not waited for: its work may have been given up.
const MISSED: TimeDelta = TimeDelta::minutes(1);

#[derive(Debug, Default)]
pub(super) struct Writes {
    /// When those of the last minute were sent, the oldest first.
    sent: VecDeque<DateTime<Utc>>,
    /// Places of work that is under way.
    reserved: usize,
    /// Who was told to come again, the first first.
    line: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    who: String,
    places: usize,
    until: DateTime<Utc>,
}

impl Writes {
    /// Counts a write without a reservation, which goes ahead of the line, or says when there is a place for it.
    pub(super) fn send(&mut self, most: usize, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        self.forget(now);
        let free = self.free_at(self.reserved + 1, most, now);
        if free > now {
            return Err(free);
        }
        self.sent.push_back(now);
        Ok(())
    }

    /// Counts a write for which there is a reservation.
    pub(super) fn send_reserved(&mut self, now: DateTime<Utc>) {
        self.forget(now);
        self.reserved = self.reserved.saturating_sub(1);
        self.sent.push_back(now);
    }

    /// Reserves `places` for `who`, and gives how many there are; or says when it is its turn.
    pub(super) fn reserve(
        &mut self,
        who: &str,
        places: usize,
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<usize, DateTime<Utc>> {
        self.forget(now);
        self.line.retain(|waiter| waiter.until + MISSED > now || waiter.who == who);
        let places = places.min(most);
        let found = self.line.iter().position(|waiter| waiter.who == who);
        let ahead = found.map_or(self.line.as_slice(), |at| &self.line[..at]);
        let ahead: usize = ahead.iter().map(|waiter| waiter.places).sum();
        let until = self.free_at(self.reserved + ahead + places, most, now);
        if until <= now {
            if let Some(at) = found {
                self.line.remove(at);
            }
            self.reserved += places;
            return Ok(places);
        }
        match found.and_then(|at| self.line.get_mut(at)) {
            Some(waiter) => (waiter.places, waiter.until) = (places, until),
            None => self.line.push(Waiter { who: who.to_owned(), places, until }),
        }
        Err(until)
    }

    /// Gives places back that were not used.
    pub(super) fn release(&mut self, places: usize) {
        self.reserved = self.reserved.saturating_sub(places);
    }

    /// Until when more than half of the places are taken, or somebody waits for one.
    pub(super) fn kept_until(&self, most: usize, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let waiting = self.line.iter().map(|waiter| waiter.until).filter(|until| *until > now).max();
        let recent = self.sent.iter().filter(|at| **at + WINDOW > now).count();
        let over = (recent + self.reserved).saturating_sub(most / 2);
        let half = over.checked_sub(1).map(|last| {
            let first = self.sent.len() - recent;
            self.sent.get(first + last).map_or(now, |at| *at) + WINDOW
        });
        waiting.max(half)
    }

    /// When the next `place`-th place is free, if each before it is used as soon as it may be.
    fn free_at(&self, place: usize, most: usize, now: DateTime<Utc>) -> DateTime<Utc> {
        let Some(beyond) = (self.sent.len() + place).checked_sub(most + 1) else { return now };
        // What is sent when a place is free gives it free again a minute later, in the same order.
        let (minutes, place) = (beyond.checked_div(most).unwrap_or(0), beyond.checked_rem(most).unwrap_or(0));
        let sent = self.sent.get(place).map_or(now, |at| *at);
        sent + WINDOW * (i32::try_from(minutes).unwrap_or(i32::MAX - 1) + 1)
    }

    fn forget(&mut self, now: DateTime<Utc>) {
        while self.sent.front().is_some_and(|at| *at + WINDOW <= now) {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds after the beginning.
    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    /// Reserves two of four places; the second at which to come again if there are none.
    fn ask(writes: &mut Writes, who: &str, second: i64) -> Result<usize, i64> {
        writes.reserve(who, 2, 4, at(second)).map_err(|until| (until - at(0)).num_seconds())
    }

    fn send(writes: &mut Writes, second: i64) {
        writes.send_reserved(at(second));
    }

    #[test]
    fn each_is_told_the_instant_of_its_own_places() {
        let mut writes = Writes::default();
        for (who, second) in [("a", 0), ("b", 10)] {
            assert_eq!(ask(&mut writes, who, second), Ok(2));
            send(&mut writes, second);
            send(&mut writes, second + 1);
        }
        // One after the other, over the minutes that come.
        let told = ["c", "d", "e", "f", "g"].map(|who| ask(&mut writes, who, 20));
        assert_eq!(told, [Err(61), Err(71), Err(121), Err(131), Err(181)]);
        // To ask again, or too early, costs nobody its place.
        assert_eq!((ask(&mut writes, "e", 21), ask(&mut writes, "c", 60)), (Err(121), Err(61)));
        assert_eq!((ask(&mut writes, "new", 61), ask(&mut writes, "c", 61)), (Err(191), Ok(2)));
    }

    #[test]
    fn what_is_reserved_is_nobody_else_s_until_it_is_given_back() {
        let mut writes = Writes::default();
        assert_eq!((ask(&mut writes, "a", 0), ask(&mut writes, "b", 0)), (Ok(2), Ok(2)));
        assert_eq!(writes.send(4, at(0)), Err(at(60)));
        send(&mut writes, 1);
        writes.release(1);
        assert_eq!(ask(&mut writes, "c", 2), Err(61));
        // What is urgent asks for no place and passes those who wait; they move by what it took.
        assert_eq!(writes.send(4, at(3)), Ok(()));
        assert_eq!(ask(&mut writes, "c", 61), Err(63));
        writes.release(2);
        assert_eq!(ask(&mut writes, "c", 61), Ok(2));
    }

    #[test]
    fn who_does_not_come_is_not_waited_for() {
        let mut writes = Writes::default();
        for who in ["a", "b"] {
            assert_eq!(ask(&mut writes, who, 0), Ok(2));
            send(&mut writes, 0);
            send(&mut writes, 0);
        }
        assert_eq!(["gone", "lost", "c"].map(|who| ask(&mut writes, who, 0)), [Err(60), Err(60), Err(120)]);
        assert_eq!(ask(&mut writes, "c", 119), Err(179), "the places of the two are kept for them");
        assert_eq!(ask(&mut writes, "c", 120), Ok(2));
        // What asks for more than there is gets all of it.
        assert_eq!(Writes::default().reserve("large", 9, 4, at(0)), Ok(4));
    }

    #[test]
    fn half_is_left_to_what_people_do() {
        let mut writes = Writes::default();
        assert_eq!(ask(&mut writes, "a", 0), Ok(2));
        assert_eq!(writes.kept_until(4, at(0)), None);
        send(&mut writes, 0);
        send(&mut writes, 5);
        assert_eq!((writes.send(4, at(9)), writes.kept_until(4, at(9))), (Ok(()), Some(at(60))));
        assert_eq!(writes.kept_until(4, at(60)), None);
        assert_eq!((ask(&mut writes, "b", 10), writes.kept_until(4, at(11))), (Err(60), Some(at(60))));
    }
}
