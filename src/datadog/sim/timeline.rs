//! What an SLO lived through: phases of traffic with a share of bad events, of good and bad time, or of silence. All that
//! the simulated Datadog says of an SLO is summed up from here.

use chrono::{DateTime, TimeDelta, Utc};

/// What holds from one instant on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// So many events a minute, of which a share (0-1) is bad.
    Traffic { per_minute: f64, bad: f64 },
    /// Good time.
    Up,
    /// Bad time.
    Down,
    /// Nothing is heard.
    Silent,
}

/// Phases, oldest first; before the first one nothing is heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    phases: Vec<(DateTime<Utc>, Phase)>,
    /// Times that do not count, as people corrected them.
    corrected: Vec<Window>,
}

/// From the first instant to before the second.
pub(super) type Window = (DateTime<Utc>, DateTime<Utc>);

/// Good events and all events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Events {
    pub(super) good: f64,
    pub(super) total: f64,
}

/// Seconds of each state.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Time {
    pub(super) up: i64,
    pub(super) down: i64,
    pub(super) silent: i64,
}

impl Timeline {
    /// `phase` holds from `at` on, and what was to hold then no longer does.
    pub(super) fn from(&mut self, at: DateTime<Utc>, phase: Phase) {
        self.phases.retain(|(begin, _)| *begin < at);
        self.phases.push((at, phase));
    }

    pub(super) fn correct(&mut self, window: Window) {
        self.corrected.push(window);
    }

    /// The phases within a window, each with the seconds of it that count.
    fn within(&self, (from, to): Window) -> impl Iterator<Item = (Phase, i64)> {
        let ends = self.phases.iter().skip(1).map(|(begin, _)| *begin).chain([DateTime::<Utc>::MAX_UTC]);
        self.phases.iter().zip(ends).filter_map(move |((begin, phase), end)| {
            let (begin, end) = ((*begin).max(from), end.min(to));
            let all = (end - begin).num_seconds();
            let corrected: i64 =
                self.corrected.iter().map(|(a, b)| (end.min(*b) - begin.max(*a)).num_seconds().max(0)).sum();
            (all > corrected).then_some((*phase, all - corrected))
        })
    }

    pub(super) fn events(&self, window: Window) -> Events {
        self.within(window).fold(Events::default(), |sum, (phase, seconds)| match phase {
            Phase::Traffic { per_minute, bad } => {
                let total = per_minute * seconds as f64 / 60.0;
                Events { good: sum.good + total * (1.0 - bad), total: sum.total + total }
            }
            _ => sum,
        })
    }

    pub(super) fn time(&self, window: Window) -> Time {
        let heard = self.within(window).fold(Time::default(), |sum, (phase, seconds)| match phase {
            Phase::Up | Phase::Traffic { .. } => Time { up: sum.up + seconds, ..sum },
            Phase::Down => Time { down: sum.down + seconds, ..sum },
            Phase::Silent => sum,
        });
        let silent = (window.1 - window.0).num_seconds() - heard.up - heard.down;
        Time { silent, ..heard }
    }

    /// Changes of state that matter to a window: the one in force at its beginning, and those in it.
    pub(super) fn transitions(&self, (from, to): Window) -> Vec<(DateTime<Utc>, Phase)> {
        let first = self.phases.iter().rposition(|(begin, _)| *begin <= from).unwrap_or(0);
        let relevant = self.phases.iter().skip(first).filter(|(begin, _)| *begin < to);
        let mut transitions: Vec<(DateTime<Utc>, Phase)> = Vec::new();
        for (begin, phase) in relevant {
            if transitions.last().is_none_or(|(_, last)| last != phase) {
                transitions.push((*begin, *phase));
            }
        }
        transitions
    }

    /// Slices of a window as Datadog cuts them: on multiples of the interval, but for the first, which begins a little
    /// before the window.
    pub(super) fn slices((from, to): Window, interval: TimeDelta) -> Vec<Window> {
        let floor =
            |at: DateTime<Utc>, by: i64| DateTime::from_timestamp(at.timestamp().div_euclid(by) * by, 0).unwrap_or(at);
        let (mut begin, step) = (floor(from, 300), interval.num_seconds().max(1));
        let mut slices = Vec::new();
        while begin < to {
            let end = floor(begin, step) + interval;
            slices.push((begin, end));
            begin = end;
        }
        slices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn windows_are_summed_to_the_second() {
        let mut timeline = Timeline::default();
        timeline.from(at(0), Phase::Traffic { per_minute: 60.0, bad: 0.0 });
        timeline.from(at(100), Phase::Traffic { per_minute: 60.0, bad: 0.5 });
        timeline.from(at(200), Phase::Silent);
        assert_eq!(timeline.events((at(50), at(150))), Events { good: 75.0, total: 100.0 });
        assert_eq!(timeline.events((at(150), at(1_000))), Events { good: 25.0, total: 50.0 });
        assert_eq!(timeline.events((at(-100), at(0))), Events::default());
        timeline.correct((at(100), at(150)));
        assert_eq!(timeline.events((at(50), at(150))), Events { good: 50.0, total: 50.0 });
        // What begins again at an instant ends what was to come after it.
        timeline.from(at(100), Phase::Down);
        assert_eq!(timeline.time((at(0), at(300))), Time { up: 100, down: 150, silent: 50 });
    }

    #[test]
    fn slices_are_cut_as_recorded() {
        // 24 h in slices of 2 h were answered with a first slice from 300 s before.
        let window =
            (DateTime::from_timestamp(1_704_236_088, 0).unwrap(), DateTime::from_timestamp(1_704_322_488, 0).unwrap());
        let slices = Timeline::slices(window, TimeDelta::seconds(7_200));
        let begins: Vec<i64> = slices.iter().map(|(begin, _)| begin.timestamp()).collect();
        assert_eq!(begins.len(), 13);
        assert_eq!(begins[..3], [1_704_235_800, 1_704_240_000, 1_704_247_200]);
        assert_eq!(begins[12], 1_704_319_200);
    }
}
