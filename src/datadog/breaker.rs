//! Calls that nobody answers: after a few in a row an endpoint is left alone for a short, growing time, so that a Datadog
//! that hangs holds up nobody's score. Then one call is let through to see.
//!
//! Holds instants only; what has passed is decided by the clock of the caller.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{endpoint::Endpoint, error::Error};

/// Calls without an answer, in a row, after which no more are made.
const SILENT: u32 = 4;
/// How long an endpoint is left alone at first; it doubles each time.
const PAUSE: Duration = Duration::from_secs(10);
/// Longest time for that.
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// The endpoints of one organisation that do not answer.
#[derive(Debug, Default)]
pub(super) struct Breakers(Mutex<HashMap<Endpoint, Silence>>);

#[derive(Debug)]
struct Silence {
    calls: u32,
    error: Error,
    until: Option<DateTime<Utc>>,
    pause: Duration,
    /// A call was let through to see.
    trying: bool,
}

impl Breakers {
    /// Whether a call may be made.
    ///
    /// # Errors
    /// Why the last one was not answered, while the endpoint is left alone.
    pub(super) fn check(&self, endpoint: Endpoint, now: DateTime<Utc>) -> Result<(), Error> {
        let mut silences = self.lock();
        let Some(silence) = silences.get_mut(&endpoint) else { return Ok(()) };
        match silence.until {
            Some(until) if now < until => Err(silence.error.clone()),
            Some(_) => {
                silence.trying = true;
                // The others wait for what comes of it.
                silence.until = Some(now + length(silence.pause));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A call was answered, whatever with.
    pub(super) fn answered(&self, endpoint: Endpoint) {
        self.lock().remove(&endpoint);
    }

    /// A call was not answered.
    pub(super) fn unanswered(&self, endpoint: Endpoint, error: &Error, now: DateTime<Utc>) {
        let mut silences = self.lock();
        let new = || Silence { calls: 0, error: error.clone(), until: None, pause: PAUSE, trying: false };
        let silence = silences.entry(endpoint).or_insert_with(new);
        silence.error = error.clone();
        silence.calls += 1;
        if std::mem::take(&mut silence.trying) {
            silence.pause = (silence.pause * 2).min(PAUSE_MAX);
            silence.until = Some(now + length(silence.pause));
        } else if silence.until.is_none() && silence.calls >= SILENT {
            silence.until = Some(now + length(silence.pause));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Endpoint, Silence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn length(pause: Duration) -> TimeDelta {
    TimeDelta::from_std(pause).unwrap_or(TimeDelta::zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_does_not_answer_is_left_alone_for_a_while() {
        let at = |second: i64| DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap();
        let (breakers, down) = (Breakers::default(), Error::unavailable("a timeout"));
        let call = |second| breakers.check(Endpoint::Slos, at(second));
        let fail = |second| breakers.unanswered(Endpoint::Slos, &down, at(second));
        for _ in 0..3 {
            assert_eq!(call(0), Ok(()));
            fail(0);
        }
        assert_eq!(call(0), Ok(()), "three may be chance");
        fail(0);
        // Those that were under way make it no longer.
        fail(1);
        assert_eq!((call(9), breakers.check(Endpoint::Events, at(9))), (Err(down.clone()), Ok(())));
        assert_eq!((call(10), call(11)), (Ok(()), Err(down.clone())), "one to see");
        fail(12);
        assert_eq!((call(31), call(32)), (Err(down.clone()), Ok(())));
        // The one to see was given up: there is another.
        assert_eq!((call(51), call(52)), (Err(down), Ok(())));
        breakers.answered(Endpoint::Slos);
        assert_eq!((call(53), call(53)), (Ok(()), Ok(())));
    }
}
