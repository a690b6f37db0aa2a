//! When a fast burn will have left the 48 h that are looked at, read off the shape of the last hours.

use serde::{Deserialize, Serialize};

use super::{
    FAST, HOUR_S, History, LOOKED_BACK_S, Parts, SHORT_WINDOW_S, Series, Target, Transition, Window, measure,
    timeline::{Counts, Downtime, Events},
};

/// The newest time that says whether a burn goes on; a bucket where that is wider.
const NEWEST_S: i64 = HOUR_S / 2;
/// Points that a trend is read off, and the least time that they cover.
const POINTS: usize = 6;
/// With fewer points a line has nothing to be wrong about.
const POINTS_LEAST: usize = 4;
/// Burn rates below it are alike to a trend, whose logarithm would else fall without end.
const LEAST_RATE: f64 = 0.05;
/// A forecast whose end is later than this is none.
const LATEST_S: i64 = 24 * HOUR_S;
/// Student's t for 95 %, two-sided, with 2, 3 and 4 degrees of freedom: two less than there are points.
const STUDENT_T: [f64; 3] = [4.303, 3.182, 2.776];

/// When no 2 h of the last 48 h will have burned fast any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clearing {
    /// They do not now.
    Clear,
    /// The burn is over; the window moves past it, if nothing else goes wrong.
    Over {
        /// Earliest, in seconds since 1970.
        earliest_s: i64,
        /// Latest, likewise: a bucket cannot be cut.
        latest_s: i64,
    },
    /// The burn falls, and is taken to go on falling at the same pace.
    Falling {
        /// When, in seconds since 1970, by the line through the last hours.
        at_s: i64,
        /// The earlier end of that line's 95 % interval.
        earliest_s: i64,
        /// The later end.
        latest_s: i64,
    },
    /// It cannot be told.
    Untold(Untold),
}

/// Why it cannot be told when a burn will have left the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Untold {
    /// It goes on and does not fall, or not clearly.
    GoesOn,
    /// It falls, but so unevenly that the forecast would reach over more than a day.
    TooUneven,
    /// There are too few points to see a shape.
    TooCoarse,
    /// What the burn is made of is not told, or does not add up to it.
    Shapeless,
}

/// Forecasts when the highest burn of `history`, whose window ends now, will no longer be fast.
pub fn clearing(history: &History, target: Target) -> Clearing {
    let Some(measured) = measure(history, target).ok().filter(|measured| measured.highest.rate > FAST) else {
        return Clearing::Clear;
    };
    if !measured.shaped {
        return Clearing::Untold(Untold::Shapeless);
    }
    if goes_on(history, target) {
        return falling(history, target);
    }
    let last = match &history.parts {
        Parts::Events(series) => last_of_events(series, history.window, target),
        Parts::States(states) => last_of_states(states, history.window, target).map(|at_s| (at_s, at_s)),
    };
    last.map_or(Clearing::Untold(Untold::TooCoarse), |(earliest_s, latest_s)| Clearing::Over {
        earliest_s: earliest_s + LOOKED_BACK_S,
        latest_s: latest_s + LOOKED_BACK_S,
    })
}

/// Whether the newest part still spends more than the budget allows.
fn goes_on(history: &History, target: Target) -> bool {
    let window = history.window;
    let newest = match &history.parts {
        Parts::Events(series) => {
            let events = Events::of(series, window);
            // Nothing has come for longer than it takes to come: the newest bucket tells of the past.
            let silent_s = window.to_s - SHORT_WINDOW_S.max(2 * series.bucket_s);
            if events.runs.last().is_none_or(|run| run.over.to_s <= silent_s) {
                return false;
            }
            let first = events.runs.partition_point(|run| run.over.to_s <= window.to_s - NEWEST_S);
            events.between(first.min(events.runs.len().saturating_sub(1)), events.runs.len())
        }
        Parts::States(states) => Downtime::of(states, window).counts(Window::before(window.to_s, NEWEST_S)),
    };
    newest.burn(target).is_some_and(|rate| rate > 1.0)
}

/// Begin and end of the last bucket from which on 2 h burned fast. What is still missing of those is taken to come at the
/// mean pace, all of it good.
fn last_of_events(series: &Series, window: Window, target: Target) -> Option<(i64, i64)> {
    let events = Events::of(series, window);
    let all = events.between(0, events.runs.len());
    let pace = all.total / window.span_s().max(1) as f64;
    let fast = |first: usize| {
        let from_s = events.runs[first].over.from_s;
        let end = events.runs.partition_point(|run| run.over.from_s < from_s + SHORT_WINDOW_S);
        let Counts { bad, total } = events.between(first, end);
        let missing_s = (from_s + SHORT_WINDOW_S - window.to_s).max(0) as f64;
        Counts { bad, total: total + missing_s * pace }.burn(target).is_some_and(|rate| rate > FAST)
    };
    let last = (0..events.runs.len()).rev().find(|first| fast(*first))?;
    let over = events.runs[last].over;
    Some((over.from_s, over.to_s))
}

/// The last second from which on 2 h burned fast, if nothing more is down.
fn last_of_states(states: &[Transition], window: Window, target: Target) -> Option<i64> {
    let downtime = Downtime::of(states, window);
    let fast_s = FAST * target.allowed() * SHORT_WINDOW_S as f64;
    let down = |from_s: i64| downtime.seconds(Window { from_s, to_s: from_s + SHORT_WINDOW_S }) as f64;
    let edges = downtime.spans().iter().flat_map(|span| [span.from_s, span.to_s]);
    let mut turns: Vec<i64> = edges.flat_map(|at_s| [at_s, at_s - SHORT_WINDOW_S]).collect();
    turns.push(window.from_s);
    turns.retain(|at_s| *at_s >= window.from_s);
    turns.sort_unstable();
    turns.dedup();
    let last = turns.iter().rposition(|at_s| down(*at_s) > fast_s)?;
    let (from_s, before) = (turns[last], down(turns[last]));
    let Some(next_s) = turns.get(last + 1) else { return Some(from_s) };
    // Between two turns the time that is down changes evenly.
    let fall = before - down(*next_s);
    let share = if fall > 0.0 { (before - fast_s) / fall } else { 1.0 };
    Some(from_s + (share * (next_s - from_s) as f64).ceil() as i64)
}

/// Reads the pace of the fall off the last hours: a straight line through the logarithms of their burn rates.
fn falling(history: &History, target: Target) -> Clearing {
    let points = last_hours(history, target);
    let Some(line) = Line::through(&points) else { return Clearing::Untold(Untold::TooCoarse) };
    if line.slope + line.slope_give >= 0.0 {
        return Clearing::Untold(Untold::GoesOn);
    }
    let now_s = history.window.to_s;
    let above = (line.at(0.0) - FAST.ln()).max(0.0);
    let hours = |slope: f64| (above / -slope * HOUR_S as f64).ceil().min(1e9) as i64;
    let latest_s = hours(line.slope + line.slope_give);
    if latest_s > LATEST_S {
        return Clearing::Untold(Untold::TooUneven);
    }
    let clear = |after_s: i64| now_s + after_s + LOOKED_BACK_S;
    Clearing::Falling {
        at_s: clear(hours(line.slope)),
        earliest_s: clear(hours(line.slope - line.slope_give)),
        latest_s: clear(latest_s),
    }
}

/// Hours before now, as a negative number, with the logarithm of the burn rate there; oldest first.
fn last_hours(history: &History, target: Target) -> Vec<(f64, f64)> {
    let now_s = history.window.to_s;
    let point = |over: Window, counts: Counts| {
        let middle_s = (over.from_s + over.to_s) as f64 / 2.0;
        counts.burn(target).map(|rate| ((middle_s - now_s as f64) / HOUR_S as f64, rate.max(LEAST_RATE).ln()))
    };
    let step_s = match &history.parts {
        // Whole buckets, so that each lies on one side of a step.
        Parts::Events(series) => HOUR_S.max(series.bucket_s),
        Parts::States(_) => HOUR_S,
    };
    let windows = (0..POINTS as i64).rev().map(|step| Window::before(now_s - step * step_s, step_s));
    match &history.parts {
        Parts::Events(series) => {
            let events = Events::of(series, history.window);
            let begins = |at_s: i64| events.runs.partition_point(|run| run.over.from_s < at_s);
            windows.filter_map(|over| point(over, events.between(begins(over.from_s), begins(over.to_s)))).collect()
        }
        Parts::States(states) => {
            let downtime = Downtime::of(states, history.window);
            windows.filter_map(|over| point(over, downtime.counts(over))).collect()
        }
    }
}

/// A line by least squares (Draper and Smith, Applied Regression Analysis, chapter 1).
struct Line {
    mean_x: f64,
    mean_y: f64,
    slope: f64,
    /// Half of the slope's 95 % interval.
    slope_give: f64,
}

impl Line {
    fn through(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len();
        let t = *STUDENT_T.get(n.checked_sub(POINTS_LEAST)?)?;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n as f64;
        let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let slope = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
        let off: f64 = points.iter().map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2)).sum();
        let slope_give = t * (off / (n as f64 - 2.0) / spread).sqrt();
        (spread > 0.0).then_some(Self { mean_x, mean_y, slope, slope_give })
    }

    fn at(&self, x: f64) -> f64 {
        self.mean_y + self.slope * (x - self.mean_x)
    }
}
