//! How many uploads a repository may send: what is above a bound waits for the next minute.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Uploads of one repository in one minute. A test run in a hundred parts stays below it.
const PER_MINUTE: u32 = 120;
const MINUTE_MS: i64 = 60_000;

/// Uploads of the running minute, by repository.
#[derive(Default)]
pub(in super::super) struct Pace(Mutex<HashMap<i64, (i64, u32)>>);

impl Pace {
    /// Counts one more; gives the seconds to wait where it is one too many.
    pub(in super::super) fn take(&self, repository_id: i64, now: i64) -> Result<(), i64> {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.div_euclid(MINUTE_MS);
        // What is over is forgotten, so that the table is no longer than one minute's repositories.
        minutes.retain(|_, (of, _)| *of == minute);
        let (_, count) = minutes.entry(repository_id).or_insert((minute, 0));
        if *count >= PER_MINUTE {
            return Err((MINUTE_MS - now.rem_euclid(MINUTE_MS)).div_euclid(1_000) + 1);
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_its_bound_and_the_next_one_its_own() {
        let pace = Pace::default();
        assert!((0..PER_MINUTE).all(|_| pace.take(1, 70_000).is_ok()));
        assert_eq!((pace.take(1, 70_000), pace.take(1, 119_999)), (Err(51), Err(1)));
        assert_eq!((pace.take(2, 70_000), pace.take(1, 120_000)), (Ok(()), Ok(())));
    }
}
