//! The parts of an SLI along time: what was bad in a window, in which short window most, and on which day how much.

use super::{
    Bucket, Burn, DAY_S, History, Parts, SHORT_WINDOW_S, Series, State, Target, Transition, Window, burn_of_share,
    events_needed,
};

/// More events than a bucket can hold; up to it sums of them stay exact enough to be subtracted.
const EVENTS_MAX: f64 = 1e15;

/// What was counted: events, or seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) bad: f64,
    pub(super) total: f64,
}

impl Counts {
    pub(super) fn burn(self, target: Target) -> Option<f64> {
        (self.total > 0.0).then(|| burn_of_share(self.bad / self.total, target))
    }
}

/// All that the parts of a history hold, summed before anything is divided.
pub(super) fn counts(history: &History) -> Counts {
    match &history.parts {
        Parts::Events(series) => Events::of(series, history.window).between(0, usize::MAX),
        Parts::States(states) => Downtime::of(states, history.window).counts(history.window),
    }
}

/// The highest burn rate in any window of 2 h.
///
/// Of states it is exact: the window slides. Events come in buckets that cannot be cut, so a window is the shortest run of
/// whole buckets that covers 2 h and holds as many events as it takes; where a bucket is wider than 2 h, it is that bucket.
/// A burn that is shorter than its bucket is thinned by the rest of it, never missed as part of the average. The whole
/// history stands in where it is shorter than 2 h or no run holds enough.
pub(super) fn highest(history: &History, target: Target) -> Option<Burn> {
    let window = history.window;
    let short = match &history.parts {
        _ if window.span_s() < SHORT_WINDOW_S => None,
        Parts::Events(series) => Events::of(series, window).fastest(target, events_needed(target)),
        Parts::States(states) => {
            Some(Downtime::of(states, window)).filter(|one| one.known).map(|downtime| downtime.fastest(window, target))
        }
    };
    short.or_else(|| counts(history).burn(target).map(|rate| Burn { rate, over: window }))
}

/// The burn rate of one day (UTC), as far as the history reaches into it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DayBurn {
    /// The part of the day that lies in the history.
    pub over: Window,
    /// `None` on a day without data.
    pub rate: Option<f64>,
    /// Events or seconds that it rests on: weighted by them, the days average to the whole.
    pub weight: f64,
}

/// The burn rate of each day that a history touches. `None` where its buckets do not divide a day, so that some belong to
/// two.
pub fn daily(history: &History, target: Target) -> Option<Vec<DayBurn>> {
    let window = history.window;
    let days = (window.from_s.div_euclid(DAY_S)..=(window.to_s - 1).div_euclid(DAY_S)).map(|day| {
        let from_s = day * DAY_S;
        Window { from_s, to_s: from_s + DAY_S }.overlap(window)
    });
    let day = |over: Window, counts: Counts| DayBurn { over, rate: counts.burn(target), weight: counts.total };
    match &history.parts {
        Parts::Events(series) => {
            if series.bucket_s <= 0 || DAY_S % series.bucket_s != 0 {
                return None;
            }
            let events = Events::of(series, window);
            let of = |over: Window| {
                let begins = |at_s: i64| events.runs.partition_point(|run| run.over.from_s < at_s);
                day(over, events.between(begins(over.from_s), begins(over.to_s)))
            };
            Some(days.map(of).collect())
        }
        Parts::States(states) => {
            let downtime = Downtime::of(states, window);
            Some(days.map(|over| day(over, downtime.counts(over))).collect())
        }
    }
}

/// A bucket with the time that it really covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) over: Window,
}

/// Buckets within a window, with running sums.
pub(super) struct Events {
    pub(super) runs: Vec<Run>,
    /// Sums of all before a bucket; one more than there are buckets.
    sums: Vec<Counts>,
    window: Window,
}

impl Events {
    /// A bucket belongs to the window if it reaches into it. The first one may begin before it, off the grid of the others, and
    /// ends where the next begins.
    pub(super) fn of(series: &Series, window: Window) -> Self {
        let end_s = |bucket: &Bucket| bucket.from_s.saturating_add(series.bucket_s);
        let sound = |bucket: &&Bucket| {
            let counts = bucket.good.is_finite() && bucket.total > 0.0 && bucket.total <= EVENTS_MAX;
            counts && series.bucket_s > 0 && bucket.from_s < window.to_s && end_s(bucket) > window.from_s
        };
        let mut buckets: Vec<&Bucket> = series.buckets.iter().filter(sound).collect();
        buckets.sort_by_key(|bucket| bucket.from_s);
        buckets.dedup_by_key(|bucket| bucket.from_s);
        let mut runs = Vec::with_capacity(buckets.len());
        let mut sums = vec![Counts::default()];
        for (at, bucket) in buckets.iter().enumerate() {
            let next_s = buckets.get(at + 1).map_or(i64::MAX, |next| next.from_s);
            let extent = Window { from_s: bucket.from_s, to_s: next_s.min(end_s(bucket)) };
            let over = extent.overlap(window);
            let before = sums.last().copied().unwrap_or_default();
            // Numerators can run ahead of denominators by late events.
            let bad = (bucket.total - bucket.good).clamp(0.0, bucket.total);
            runs.push(Run { over });
            sums.push(Counts { bad: before.bad + bad, total: before.total + bucket.total });
        }
        Self { runs, sums, window }
    }

    /// The sums of the buckets from number `first` up to, and without, number `end`.
    pub(super) fn between(&self, first: usize, end: usize) -> Counts {
        let end = end.min(self.runs.len());
        let first = first.min(end);
        let (before, upto) = (self.sums[first], self.sums[end]);
        Counts { bad: upto.bad - before.bad, total: upto.total - before.total }
    }

    /// The window with the highest burn rate. Windows are anchored at the beginning of a bucket and at the end of one.
    fn fastest(&self, target: Target, needed: f64) -> Option<Burn> {
        let forward = (0..self.runs.len()).filter_map(|first| self.beginning_with(first, needed));
        let backward = (1..=self.runs.len()).filter_map(|end| self.ending_with(end, needed));
        let burn = |(first, end, over): (usize, usize, Window)| {
            self.between(first, end).burn(target).map(|rate| Burn { rate, over })
        };
        forward.chain(backward).filter_map(burn).max_by(|a, b| {
            // Of the same rate the newest is told.
            a.rate.total_cmp(&b.rate).then(a.over.to_s.cmp(&b.over.to_s))
        })
    }

    /// The shortest window that begins with a bucket.
    fn beginning_with(&self, first: usize, needed: f64) -> Option<(usize, usize, Window)> {
        let from_s = self.runs[first].over.from_s;
        let least_s = from_s + SHORT_WINDOW_S;
        if least_s > self.window.to_s {
            return None;
        }
        let covered = self.runs.partition_point(|run| run.over.from_s < least_s);
        let wanted = self.sums[first].total + needed;
        let enough = self.sums.partition_point(|sum| sum.total < wanted);
        let end = covered.max(enough);
        let last = self.runs.get(end.checked_sub(1)?)?;
        (enough < self.sums.len()).then_some((first, end, Window { from_s, to_s: last.over.to_s.max(least_s) }))
    }

    /// The shortest window that ends with the bucket before number `end`.
    fn ending_with(&self, end: usize, needed: f64) -> Option<(usize, usize, Window)> {
        let to_s = self.runs[end - 1].over.to_s;
        let least_s = to_s - SHORT_WINDOW_S;
        if least_s < self.window.from_s {
            return None;
        }
        let covered = self.runs.partition_point(|run| run.over.to_s <= least_s);
        let most = self.sums[end].total - needed;
        let enough = self.sums.partition_point(|sum| sum.total <= most).checked_sub(1)?;
        let first = covered.min(enough);
        Some((first, end, Window { from_s: self.runs[first].over.from_s.min(least_s), to_s }))
    }
}

/// Time in which something was down, within a window.
pub(super) struct Downtime {
    /// In order, without overlap.
    spans: Vec<Window>,
    /// Seconds of all before a span.
    sums: Vec<i64>,
    known: bool,
}

impl Downtime {
    /// What lies before the first transition is not known.
    pub(super) fn of(states: &[Transition], window: Window) -> Self {
        let mut states = states.to_vec();
        states.sort_by_key(|transition| transition.at_s);
        let mut spans = Vec::new();
        let mut known = false;
        for (at, transition) in states.iter().enumerate() {
            let to_s = states.get(at + 1).map_or(window.to_s, |next| next.at_s);
            let span = Window { from_s: transition.at_s, to_s }.overlap(window);
            if span.span_s() == 0 {
                continue;
            }
            known |= transition.state != State::NoData;
            if transition.state == State::Down {
                spans.push(span);
            }
        }
        let before = |sum: &mut i64, span: &Window| Some(std::mem::replace(sum, *sum + span.span_s()));
        let sums = spans.iter().scan(0, before).collect();
        Self { spans, sums, known }
    }

    pub(super) fn spans(&self) -> &[Window] {
        &self.spans
    }

    pub(super) fn counts(&self, over: Window) -> Counts {
        if !self.known {
            return Counts::default();
        }
        Counts { bad: self.seconds(over) as f64, total: over.span_s() as f64 }
    }

    pub(super) fn seconds(&self, over: Window) -> i64 {
        (self.seconds_until(over.to_s) - self.seconds_until(over.from_s)).max(0)
    }

    fn seconds_until(&self, at_s: i64) -> i64 {
        let begun = self.spans.partition_point(|span| span.from_s < at_s);
        let Some(last) = begun.checked_sub(1) else { return 0 };
        self.sums[last] + self.spans[last].to_s.min(at_s) - self.spans[last].from_s
    }

    /// The time that is down in a window of fixed length is most where the window begins with a span or ends with one.
    fn fastest(&self, window: Window, target: Target) -> Burn {
        let last_s = window.to_s - SHORT_WINDOW_S;
        let begins = self.spans.iter().map(|span| span.from_s);
        let ends = self.spans.iter().map(|span| span.to_s - SHORT_WINDOW_S);
        let at = |from_s: i64| {
            let from_s = from_s.clamp(window.from_s, last_s);
            Window { from_s, to_s: from_s + SHORT_WINDOW_S }
        };
        let newest = at(last_s);
        let most = begins.chain(ends).map(at).max_by_key(|over| (self.seconds(*over), over.to_s)).unwrap_or(newest);
        let rate = burn_of_share(self.seconds(most) as f64 / SHORT_WINDOW_S as f64, target);
        Burn { rate, over: if rate > 0.0 { most } else { newest } }
    }
}
