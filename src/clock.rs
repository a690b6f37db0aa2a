//! The only caller of the system clock and of randomness. A manual clock stands still until it is told to move, and its
//! identifiers and jitter come from a seed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use uuid::{Builder, Uuid};

/// Seed of a manual clock that was not given one.
const SEED_DEFAULT: u64 = 1;

/// Tells the time and draws lots. Clones share their state.
#[derive(Clone, Debug)]
pub struct Clock(Option<Arc<Mutex<Manual>>>);

#[derive(Debug)]
struct Manual {
    now: DateTime<Utc>,
    lots: fastrand::Rng,
    ids: u32,
    /// Told whenever the clock was moved.
    moved: Arc<Notify>,
}

/// Measures how long something takes: in real time, whatever a manual clock says.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins to measure.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since then.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `now` until it is told to move; for tests and the demo.
    pub fn manual(now: DateTime<Utc>) -> Self {
        Self::manual_seeded(now, SEED_DEFAULT)
    }

    /// Like [`Clock::manual`], with the seed of its identifiers and its jitter.
    pub fn manual_seeded(now: DateTime<Utc>, seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(Manual {
            now,
            lots: fastrand::Rng::with_seed(seed),
            ids: 0,
            moved: Arc::default(),
        }))))
    }

    /// Moves a manual clock forward; the machine's clock does not care.
    pub fn advance(&self, by: Duration) {
        if let Some(mut manual) = self.as_manual() {
            let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
            manual.now = manual.now.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC);
            manual.moved.notify_waiters();
        }
    }

    /// Puts a manual clock to `now`; the machine's clock does not care.
    pub fn set(&self, now: DateTime<Utc>) {
        if let Some(mut manual) = self.as_manual() {
            manual.now = now;
            manual.moved.notify_waiters();
        }
    }

    /// Waits until it is `until`. On a manual clock that is when somebody has moved it so far.
    pub async fn wait_until(&self, until: DateTime<Utc>) {
        loop {
            let Some(moved) = self.as_manual().map(|manual| Arc::clone(&manual.moved)) else {
                let rest = (until - self.now()).to_std().unwrap_or(Duration::ZERO);
                return tokio::time::sleep(rest).await;
            };
            let mut next = std::pin::pin!(moved.notified());
            // Listens before it looks, so that no move falls between the two.
            next.as_mut().enable();
            if self.now() >= until {
                return;
            }
            next.await;
        }
    }

    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        self.as_manual().map_or_else(Utc::now, |manual| manual.now)
    }

    /// The time in milliseconds since 1970, as the store keeps it.
    pub fn now_ms(&self) -> i64 {
        self.now().timestamp_millis()
    }

    /// A duration between half of `around` and `around`, so that those who wait do not all come back at once.
    pub fn jitter(&self, around: Duration) -> Duration {
        let share = self.as_manual().map_or_else(fastrand::f64, |mut manual| manual.lots.f64());
        around.mul_f64(0.5 + share / 2.0)
    }

    /// A new identifier: UUID version 7, so that identifiers sort by the time they were made.
    pub fn new_id(&self) -> String {
        self.as_manual().map_or_else(Uuid::now_v7, |mut manual| manual.new_uuid()).to_string()
    }

    /// A text that nobody can guess: 256 bits of the system's chance, in hex. A manual clock's comes from its seed.
    pub fn new_secret(&self) -> String {
        let mut bits = [0; 32];
        match self.as_manual() {
            Some(mut manual) => manual.lots.fill(&mut bits),
            None => aws_lc_rs::rand::fill(&mut bits).expect("the system gives random bytes"),
        }
        hex::encode(bits)
    }

    fn as_manual(&self) -> Option<MutexGuard<'_, Manual>> {
        self.0.as_ref().map(|manual| manual.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Manual {
    /// A counter stands in the upper 26 random bits, so that identifiers of one instant keep their order too.
    fn new_uuid(&mut self) -> Uuid {
        self.ids = self.ids.wrapping_add(1);
        let mut random = [0; 10];
        self.lots.fill(&mut random);
        random[0] = ((self.ids >> 22) & 0x0f) as u8;
        random[1] = ((self.ids >> 14) & 0xff) as u8;
        random[2] = ((self.ids >> 8) & 0x3f) as u8;
        random[3] = (self.ids & 0xff) as u8;
        let since_1970_ms = u64::try_from(self.now.timestamp_millis()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(since_1970_ms, &random).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(ms).unwrap()
    }

    #[test]
    fn a_manual_clock_moves_only_when_told_and_for_all_its_clones() {
        let clock = Clock::manual(at(1_760_000_000_000));
        let clone = clock.clone();
        assert_eq!(clock.now_ms(), 1_760_000_000_000);
        clone.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now_ms(), 1_760_000_001_500);
        clone.set(at(5));
        assert_eq!(clock.now(), at(5));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), DateTime::<Utc>::MAX_UTC);
    }

    #[test]
    fn identifiers_sort_by_time_and_repeat_with_the_seed() {
        let draw = |seed| {
            let clock = Clock::manual_seeded(at(1_760_000_000_000), seed);
            let mut ids: Vec<_> = (0..20_000).map(|_| clock.new_id()).collect();
            clock.advance(Duration::from_millis(1));
            ids.push(clock.new_id());
            ids
        };
        let ids = draw(7);
        assert!(ids.is_sorted_by(|a, b| a < b), "strictly rising");
        assert_eq!(ids, draw(7));
        assert_ne!(ids, draw(8));
        for id in [&ids[0], &Clock::system().new_id()] {
            assert_eq!(Uuid::parse_str(id).unwrap().get_version_num(), 7);
        }
    }

    #[test]
    fn secrets_are_long_and_differ() {
        for clock in [Clock::manual(at(0)), Clock::system()] {
            let (one, other) = (clock.new_secret(), clock.new_secret());
            assert_eq!((one.len(), other.len()), (64, 64));
            assert_ne!(one, other);
        }
    }

    #[test]
    fn jitter_stays_between_half_and_whole() {
        for clock in [Clock::manual(at(0)), Clock::system()] {
            let around = Duration::from_secs(8);
            let drawn: Vec<_> = (0..1_000).map(|_| clock.jitter(around)).collect();
            assert!(drawn.iter().all(|d| (around / 2..=around).contains(d)));
            assert!(drawn.iter().any(|d| *d < around * 5 / 8) && drawn.iter().any(|d| *d > around * 7 / 8));
            assert_eq!(clock.jitter(Duration::ZERO), Duration::ZERO);
        }
    }
}
