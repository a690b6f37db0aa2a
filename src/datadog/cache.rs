//! What was asked already: an answer is kept for as long as its caller takes it, its age is told, and those who ask for
//! one thing at the same time wait for one request.

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

use super::error::Error;
use crate::clock::Clock;

/// How long a failure stands for the answer at first; it doubles with each that follows, so that what hangs or is refused
/// costs little, and what works again is soon seen.
const FAILURE: Duration = Duration::from_secs(30);
/// Longest time for that.
const FAILURE_MAX: Duration = Duration::from_secs(600);
/// Most answers that are kept; 1,200 SLOs with two windows each and what else there is take a third.
const ENTRIES_MAX: usize = 8_192;

/// An answer, and how old it is.
#[derive(Debug, PartialEq)]
pub struct Cached<T: ?Sized> {
    /// The answer.
    pub value: Arc<T>,
    /// When it was asked for.
    pub as_of: DateTime<Utc>,
    /// Why there is none that is newer, if one was wanted.
    pub stale: Option<Error>,
}

impl<T: ?Sized> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), as_of: self.as_of, stale: self.stale.clone() }
    }
}

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// A younger answer is taken without asking; zero always asks.
    pub fresh: Duration,
    /// Where Datadog does not answer, one of this age is taken all the same.
    pub at_worst: Duration,
}

impl Age {
    /// Always asks.
    pub const NOW: Self = Self::within(Duration::ZERO);

    /// At most so old, come what may.
    pub const fn within(fresh: Duration) -> Self {
        Self { fresh, at_worst: fresh }
    }

    /// Where Datadog does not answer, up to so old.
    pub const fn or_at_worst(self, at_worst: Duration) -> Self {
        Self { at_worst, ..self }
    }
}

type Kept = Arc<dyn Any + Send + Sync>;
type Asked = Result<(Kept, DateTime<Utc>), Error>;
type Flight = Shared<BoxFuture<'static, Asked>>;

/// Answers of any kind by what was asked.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<String, Entry>>);

#[derive(Default)]
struct Entry {
    held: Option<(Kept, DateTime<Utc>)>,
    /// The request that is under way, while somebody still waits for it.
    flight: Option<WeakShared<BoxFuture<'static, Asked>>>,
    failure: Option<Failure>,
}

/// The last request failed; until then it is not made again.
struct Failure {
    error: Error,
    until: DateTime<Utc>,
    pause: Duration,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("entries", &self.lock().len()).finish()
    }
}

impl Cache {
    /// What is held under `key`, if it is young enough, else what `ask` gives. A key belongs to one type. What failed just
    /// now is not asked again, but by whoever always asks.
    ///
    /// # Errors
    /// What `ask` gives, to all who waited for it, unless what is held may still be taken.
    pub(super) async fn get<T, F>(
        &self,
        key: String,
        age: Age,
        clock: &Clock,
        ask: impl FnOnce() -> F,
    ) -> Result<Cached<T>, Error>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let now = clock.now();
        let flight = {
            let mut entries = self.lock();
            make_room(&mut entries, &key);
            let entry = entries.entry(key.clone()).or_default();
            if let Some(cached) = entry.within(age.fresh, now, None) {
                return Ok(cached);
            }
            if let Some(error) = entry.failed(now).filter(|_| !age.fresh.is_zero()) {
                return entry.within(age.at_worst, now, Some(&error)).ok_or(error);
            }
            entry.join(ask, clock)
        };
        let asked = flight.await;
        let mut entries = self.lock();
        let entry = entries.entry(key).or_default();
        match asked {
            Ok((value, as_of)) => {
                entry.failure = None;
                if entry.held.as_ref().is_none_or(|(_, held)| *held <= as_of) {
                    entry.held = Some((Arc::clone(&value), as_of));
                }
                let value = value.downcast().map_err(|_| Error::contract("two kinds of answers under one key"))?;
                Ok(Cached { value, as_of, stale: None })
            }
            Err(error) => {
                entry.fail(&error, now, clock.now());
                entry.within(age.at_worst, now, Some(&error)).ok_or(error)
            }
        }
    }

    /// Forgets all answers: they are another organisation's.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn within<T: Send + Sync + 'static>(
        &self,
        age: Duration,
        now: DateTime<Utc>,
        stale: Option<&Error>,
    ) -> Option<Cached<T>> {
        let (value, as_of) = self.held.as_ref()?;
        let young = !age.is_zero() && now - *as_of <= TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
        let value = Arc::clone(value).downcast().ok().filter(|_| young)?;
        Some(Cached { value, as_of: *as_of, stale: stale.cloned() })
    }

    /// The failure that still stands.
    fn failed(&self, now: DateTime<Utc>) -> Option<Error> {
        self.failure.as_ref().filter(|failure| now < failure.until).map(|failure| failure.error.clone())
    }

    /// Takes note of a failure, once for all who had asked for it by `asked`.
    fn fail(&mut self, error: &Error, asked: DateTime<Utc>, now: DateTime<Utc>) {
        if self.failure.as_ref().is_some_and(|failure| asked < failure.until) {
            return;
        }
        let pause = self.failure.as_ref().map_or(FAILURE, |failure| (failure.pause * 2).min(FAILURE_MAX));
        let after = now + TimeDelta::from_std(pause).unwrap_or(TimeDelta::zero());
        // A limit says by itself when it opens.
        let until = if let Error::RateLimited { until } = error { *until } else { after };
        self.failure = Some(Failure { error: error.clone(), until, pause });
    }

    /// The request that is under way, or a new one. It ends when nobody waits for it any more.
    fn join<T, F>(&mut self, ask: impl FnOnce() -> F, clock: &Clock) -> Flight
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        // One that has ended is kept by whoever has not looked at it yet; it is not under way.
        let under_way = self.flight.as_ref().and_then(WeakShared::upgrade).filter(|flight| flight.peek().is_none());
        under_way.unwrap_or_else(|| {
            let (asking, clock) = (ask(), clock.clone());
            let answer = async move {
                let as_of = clock.now();
                asking.await.map(|value| (Arc::new(value) as Kept, as_of))
            };
            let flight = answer.boxed().shared();
            self.flight = flight.downgrade();
            flight
        })
    }
}

/// Forgets the oldest tenth once it is full; what is under way stays.
fn make_room(entries: &mut HashMap<String, Entry>, key: &str) {
    if entries.len() < ENTRIES_MAX || entries.contains_key(key) {
        return;
    }
    let mut ages: Vec<Option<DateTime<Utc>>> =
        entries.values().map(|entry| entry.held.as_ref().map(|(_, as_of)| *as_of)).collect();
    let (_, oldest, _) = ages.select_nth_unstable(ENTRIES_MAX / 10);
    let oldest = *oldest;
    entries.retain(|_, entry| {
        let under_way = entry.flight.as_ref().and_then(WeakShared::upgrade).is_some();
        under_way || entry.held.as_ref().map(|(_, as_of)| *as_of) > oldest
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn clock() -> Clock {
        Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap())
    }

    async fn get(cache: &Cache, age: Age, clock: &Clock, answer: Result<u32, Error>) -> Result<Cached<u32>, Error> {
        cache.get("key".to_owned(), age, clock, || async move { answer }).await
    }

    #[tokio::test]
    async fn an_answer_serves_as_long_as_it_is_young_enough() {
        let (cache, clock) = (Cache::default(), clock());
        let asked = clock.now();
        let minute = Age::within(Duration::from_secs(60));
        assert_eq!(*get(&cache, minute, &clock, Ok(1)).await.unwrap().value, 1);
        clock.advance(Duration::from_secs(60));
        let held = get(&cache, minute, &clock, Ok(2)).await.unwrap();
        assert_eq!((*held.value, held.as_of, held.stale), (1, asked, None));
        assert_eq!(*get(&cache, Age::NOW, &clock, Ok(3)).await.unwrap().value, 3);
        clock.advance(Duration::from_secs(61));
        let down = Error::unavailable("down");
        assert_eq!(get(&cache, minute, &clock, Err(down.clone())).await, Err(down.clone()));
        let stale = get(&cache, minute.or_at_worst(HOUR), &clock, Err(down.clone())).await.unwrap();
        assert_eq!((*stale.value, stale.as_of, stale.stale), (3, asked + TimeDelta::seconds(60), Some(down.clone())));
        clock.advance(HOUR);
        assert_eq!(get(&cache, minute.or_at_worst(HOUR), &clock, Err(down.clone())).await, Err(down));
    }

    #[tokio::test]
    async fn what_failed_is_asked_again_after_a_growing_pause() {
        let (cache, clock) = (Cache::default(), clock());
        let minute = Age::within(Duration::from_secs(60));
        let forbidden = || Err(Error::Forbidden { needs: None });
        let mut pauses = Vec::new();
        for _ in 0..7 {
            assert!(get(&cache, minute, &clock, forbidden()).await.is_err());
            let failed = clock.now();
            while get(&cache, minute, &clock, Ok(1)).await.is_err() {
                clock.advance(Duration::from_secs(10));
            }
            pauses.push((clock.now() - failed).num_seconds());
            // It worked once: the next failure is a first one again, but for those that follow in a row.
            clock.advance(Duration::from_secs(61));
        }
        assert_eq!(pauses, [30; 7]);
        let mut row = Vec::new();
        for _ in 0..6 {
            assert!(get(&cache, minute, &clock, forbidden()).await.is_err());
            let until = cache.lock()["key"].failure.as_ref().map(|failure| failure.until).unwrap();
            row.push((until - clock.now()).num_seconds());
            // Nobody is asked before that, whoever wants to know.
            clock.set(until - TimeDelta::seconds(1));
            assert!(get(&cache, minute, &clock, Ok(1)).await.is_err());
            clock.set(until);
        }
        assert_eq!(row, [30, 60, 120, 240, 480, 600]);
        assert!(get(&cache, Age::NOW, &clock, Ok(2)).await.is_ok());
        let opens = clock.now() + TimeDelta::seconds(7);
        assert!(get(&cache, Age::NOW, &clock, Err(Error::RateLimited { until: opens })).await.is_err());
        clock.set(opens);
        assert!(get(&cache, minute, &clock, Ok(3)).await.is_ok());
    }

    #[tokio::test]
    async fn those_who_ask_at_once_share_one_request() {
        let (cache, clock, gate) = (Cache::default(), clock(), Arc::new(Notify::new()));
        let count = Arc::new(AtomicUsize::new(0));
        let ask = |result: Result<u32, Error>| {
            let (gate, count) = (Arc::clone(&gate), Arc::clone(&count));
            cache.get("key".to_owned(), Age::NOW, &clock, move || async move {
                count.fetch_add(1, Ordering::SeqCst);
                gate.notified().await;
                result
            })
        };
        for expected in [Ok(7), Err(Error::unavailable("down"))] {
            let all = join_all((0..20).map(|_| ask(expected.clone())));
            let (all, ()) = tokio::join!(all, async { gate.notify_one() });
            assert!(all.into_iter().all(|one| one.map(|cached| *cached.value) == expected));
        }
        assert_eq!(count.load(Ordering::SeqCst), 2);
        // Who gives up does not end it for the others; when all have given up, the next asks anew.
        let (mut left, mut stays) = (Box::pin(ask(Ok(8))), Box::pin(ask(Ok(9))));
        assert!(futures_util::poll!(&mut left).is_pending() && futures_util::poll!(&mut stays).is_pending());
        drop(left);
        gate.notify_one();
        assert_eq!(stays.await.map(|cached| *cached.value), Ok(8));
        let mut left = Box::pin(ask(Ok(10)));
        assert!(futures_util::poll!(&mut left).is_pending());
        drop(left);
        gate.notify_one();
        assert_eq!(ask(Ok(11)).await.map(|cached| *cached.value), Ok(11));
    }

    #[tokio::test]
    async fn it_does_not_grow_without_end() {
        let (cache, clock) = (Cache::default(), clock());
        for n in 0..ENTRIES_MAX + 10 {
            clock.advance(Duration::from_secs(1));
            cache.get(n.to_string(), Age::within(HOUR), &clock, || async move { Ok(n) }).await.unwrap();
        }
        let (kept, newest) = (cache.lock().len(), (ENTRIES_MAX + 9).to_string());
        assert!((ENTRIES_MAX / 2..=ENTRIES_MAX).contains(&kept), "{kept}");
        assert!(cache.lock().contains_key(&newest) && !cache.lock().contains_key("0"));
    }
}
