//! A chart as numbers and places, drawn by the template as SVG on the server: no script, no picture from elsewhere.
//!
//! Every chart has a title, a description and its numbers as a table beside it; lines differ in their dashes and marks in
//! their shapes, so that nothing depends on colour alone.

use super::words::Table;

/// The drawing's size and the part of it that the axes enclose.
pub(in crate::report) const WIDTH: f64 = 480.0;
pub(in crate::report) const HEIGHT: f64 = 320.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 52.0;

/// A chart, ready to be drawn.
pub(in crate::report) struct Chart {
    /// Unique on the page.
    pub(in crate::report) id: &'static str,
    pub(in crate::report) title: &'static str,
    /// What is drawn, for those who do not see it.
    pub(in crate::report) description: String,
    pub(in crate::report) x: Axis,
    pub(in crate::report) y: Axis,
    pub(in crate::report) lines: Vec<Line>,
    pub(in crate::report) bars: Vec<Bar>,
    pub(in crate::report) whiskers: Vec<Whisker>,
    pub(in crate::report) marks: Vec<Mark>,
    pub(in crate::report) legend: Vec<Key>,
    pub(in crate::report) table: Table,
}

/// One axis: what it measures, and where its numbers stand.
pub(in crate::report) struct Axis {
    pub(in crate::report) label: &'static str,
    pub(in crate::report) ticks: Vec<Tick>,
}

pub(in crate::report) struct Tick {
    pub(in crate::report) at: f64,
    pub(in crate::report) label: String,
}

/// A line through points.
pub(in crate::report) struct Line {
    pub(in crate::report) class: &'static str,
    pub(in crate::report) points: String,
}

pub(in crate::report) struct Bar {
    pub(in crate::report) class: &'static str,
    pub(in crate::report) x: f64,
    pub(in crate::report) y: f64,
    pub(in crate::report) width: f64,
    pub(in crate::report) height: f64,
}

/// A vertical interval.
pub(in crate::report) struct Whisker {
    pub(in crate::report) class: &'static str,
    pub(in crate::report) x: f64,
    pub(in crate::report) from: f64,
    pub(in crate::report) to: f64,
}

/// A point: a disc, or a square.
pub(in crate::report) struct Mark {
    pub(in crate::report) class: &'static str,
    pub(in crate::report) square: bool,
    pub(in crate::report) x: f64,
    pub(in crate::report) y: f64,
}

/// What a line or a mark stands for.
pub(in crate::report) struct Key {
    pub(in crate::report) class: &'static str,
    pub(in crate::report) shape: Shape,
    pub(in crate::report) label: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Shape {
    Line,
    Disc,
    Square,
    Bar,
}

/// From values to places in the drawing: each axis runs from 0 to its end.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Scale {
    pub(in crate::report) x_end: f64,
    pub(in crate::report) y_end: f64,
}

impl Scale {
    pub(in crate::report) fn x(self, value: f64) -> f64 {
        rounded(LEFT + (WIDTH - LEFT - RIGHT) * (value / self.x_end).clamp(0.0, 1.0))
    }

    pub(in crate::report) fn y(self, value: f64) -> f64 {
        rounded(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / self.y_end).clamp(0.0, 1.0))
    }

    /// `x,y x,y …`
    pub(in crate::report) fn points(self, points: impl Iterator<Item = (f64, f64)>) -> String {
        points.map(|(x, y)| format!("{},{}", self.x(x), self.y(y))).collect::<Vec<_>>().join(" ")
    }

    /// A bar from the axis up to `value`.
    pub(in crate::report) fn bar(self, class: &'static str, from: f64, to: f64, value: f64) -> Bar {
        let (x, y) = (self.x(from), self.y(value));
        Bar { class, x, y, width: rounded(self.x(to) - x), height: rounded(self.y(0.0) - y) }
    }

    pub(in crate::report) fn whisker(self, class: &'static str, x: f64, low: f64, high: f64) -> Whisker {
        Whisker { class, x: self.x(x), from: self.y(low), to: self.y(high) }
    }

    pub(in crate::report) fn mark(self, class: &'static str, square: bool, x: f64, y: f64) -> Mark {
        Mark { class, square, x: self.x(x), y: self.y(y) }
    }

    /// Ticks on the axis of x at these values.
    pub(in crate::report) fn x_axis(self, label: &'static str, values: &[f64], form: impl Fn(f64) -> String) -> Axis {
        Axis { label, ticks: values.iter().map(|value| Tick { at: self.x(*value), label: form(*value) }).collect() }
    }

    /// Ticks on the axis of y at these values.
    pub(in crate::report) fn y_axis(self, label: &'static str, values: &[f64], form: impl Fn(f64) -> String) -> Axis {
        Axis { label, ticks: values.iter().map(|value| Tick { at: self.y(*value), label: form(*value) }).collect() }
    }
}

impl Axis {
    /// Left end of the drawing's inner part.
    pub(in crate::report) const LEFT: f64 = LEFT;
    /// Its right end.
    pub(in crate::report) const RIGHT: f64 = WIDTH - RIGHT;
    /// Its lower end.
    pub(in crate::report) const BOTTOM: f64 = HEIGHT - BOTTOM;
}

/// Round values from 0 on, four to six of them, the last at or above `end`.
pub(in crate::report) fn round_steps(end: f64) -> Vec<f64> {
    let rough = (end / 5.0).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|factor| factor * power).find(|step| *step >= rough * 0.999_999);
    let step = step.unwrap_or(power * 10.0);
    let count = (end / step - 1e-9).ceil().max(1.0) as u32;
    (0..=count).map(|number| f64::from(number) * step).collect()
}

/// A tenth of a unit is finer than any screen shows.
fn rounded(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_round_values() {
        let check = |end: f64, expected: &[f64]| {
            let found = round_steps(end);
            let close = found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(close, "{end}: {found:?}");
        };
        check(1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        check(0.043, &[0.0, 0.01, 0.02, 0.03, 0.04, 0.05]);
        check(0.11, &[0.0, 0.025, 0.05, 0.075, 0.1, 0.125]);
        check(0.0, &[0.0, 1e-9]);
    }

    #[test]
    fn places_stay_in_the_drawing() {
        let scale = Scale { x_end: 1.0, y_end: 0.5 };
        assert_eq!((scale.x(0.0), scale.x(2.0)), (Axis::LEFT, Axis::RIGHT));
        assert_eq!((scale.y(0.0), scale.y(9.0)), (Axis::BOTTOM, TOP));
        let bar = scale.bar("", 0.0, 1.0, 0.25);
        assert_eq!((bar.y + bar.height, bar.width), (Axis::BOTTOM, Axis::RIGHT - Axis::LEFT));
    }
}
