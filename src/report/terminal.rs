//! The assessment for a terminal: the same report in columns, readable without colour and in ASCII.

use owo_colors::{OwoColorize, Style as Paint};

use super::{
    Report, Row, RowKind, Subject, is_scored, outside,
    sentences::{Detail, Sentence},
};
use crate::risk::assessment::Level;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colours are wanted.
    pub color: bool,
    /// Columns; fewer than 40 count as 40.
    pub width: usize,
    /// Characters beyond ASCII can be shown.
    pub unicode: bool,
}

/// The assessment for a terminal, ending with a line break. Holds no control character from outside.
pub fn render(subject: &Subject<'_>, style: Style) -> String {
    let report = Report::of(subject, Detail::FULL);
    let mut screen = Screen::new(style);
    head(subject, &report, &mut screen);
    if is_scored(subject) {
        ways_down(&report, &mut screen);
        table(&report, &mut screen);
    }
    missing(&report, &mut screen);
    screen.heading("Sources");
    for source in &report.sources {
        screen.item(source);
    }
    screen.finish()
}

/// A heading of ours under a rule, and a paragraph about what follows.
pub fn chapter(heading: &str, about: &str, style: Style) -> String {
    /// Wider than any line of ours needs.
    const RULE_MAX: usize = 100;
    let mut screen = Screen::new(style);
    let rule = if style.unicode { "─" } else { "-" };
    screen.line(&rule.repeat(screen.style.width.min(RULE_MAX)), Paint::new().dimmed());
    screen.wrapped(heading, 0, Paint::new().bold());
    screen.wrapped(about, 0, Paint::new());
    screen.finish()
}

fn head(subject: &Subject<'_>, report: &Report, screen: &mut Screen) {
    let change = &subject.facts.change;
    let number = change.pull_request.map(|number| format!(" #{number}")).unwrap_or_default();
    let title = format!("{}{number}: {}", subject.facts.repository, change.title);
    let title = outside::shorten(&outside::visible(&title), 2 * screen.style.width);
    screen.wrapped(&title, 0, Paint::new().dimmed());
    screen.out.push('\n');
    let level = of_level(subject.assessment.level);
    screen.wrapped(&report.headline.plain(Detail::FULL), 0, level.bold());
    if is_scored(subject) {
        let gauge = gauge(subject, screen.style);
        screen.line(&gauge, level);
    }
    for sentence in &report.verdict {
        screen.wrapped(&format!("{}.", sentence.plain(Detail::FULL)), 0, Paint::new());
    }
    if let Some(mistakes) = &report.mistakes {
        screen.heading(&mistakes.head.plain(Detail::FULL));
        for item in &mistakes.items {
            screen.item(item);
        }
        if mistakes.left_out > 0 {
            screen.wrapped(&format!("and {} more", mistakes.left_out), 2, Paint::new());
        }
    }
}

/// The scale from 0 to 100 with the score and the upper part of its range.
fn gauge(subject: &Subject<'_>, style: Style) -> String {
    const CELLS: usize = 50;
    let cells = |score: u8| usize::from(score) * CELLS / 100;
    let (score, high) = (cells(subject.assessment.score), cells(subject.assessment.range.high));
    let (full, maybe, empty) = if style.unicode { ('█', '▒', '░') } else { ('#', '+', '.') };
    (0..CELLS)
        .map(|cell| {
            if cell < score {
                full
            } else if cell < high {
                maybe
            } else {
                empty
            }
        })
        .collect()
}

fn ways_down(report: &Report, screen: &mut Screen) {
    screen.heading("What would lower it");
    for way in &report.ways_down {
        let figures = format!("{:>4} to {:>2}", way.points.to_string(), way.target.to_string());
        screen.hanging(&figures, &way.what.plain(Detail::FULL), Paint::new().green());
    }
    if report.ways_down.is_empty() {
        screen.wrapped("Nothing that the author or the reviewers can do now is worth a point.", 2, Paint::new());
    }
}

fn table(report: &Report, screen: &mut Screen) {
    /// Two spaces before the label, and seven columns with two spaces between for the points.
    const BESIDE: usize = 11;
    screen.heading("How the score adds up");
    let width = screen.style.width - BESIDE;
    let labels: Vec<_> = report.rows.iter().map(|row| row.label.plain(Detail::FULL)).collect();
    let widest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).min(width);
    for (row, label) in report.rows.iter().zip(&labels) {
        let label = outside::shorten(label, widest);
        let points = row.points.to_string();
        let columns = format!("  {label:<widest$}  {points:>5}  {}", bar(row, width - widest, screen.style));
        screen.line(columns.trim_end(), paint_of(row));
        if !row.reading.is_empty() {
            screen.wrapped(&row.reading.plain(Detail::FULL), 6, Paint::new().dimmed());
        }
    }
    if !report.without_points.is_empty() {
        let said = format!("Read, and worth no points: {}.", report.without_points.plain(Detail::FULL));
        screen.wrapped(&said, 2, Paint::new().dimmed());
    }
}

/// A bar of which 100 points take half as many cells, or as many as there are.
fn bar(row: &Row, room: usize, style: Style) -> String {
    let cells = (row.amount.unsigned_abs() as usize * room.min(50)).div_ceil(100).min(room);
    let (raises, lowers) = if style.unicode { ("█", "▒") } else { ("#", "=") };
    if row.amount >= 0 { raises.repeat(cells) } else { lowers.repeat(cells) }
}

fn paint_of(row: &Row) -> Paint {
    match row.kind {
        RowKind::Sum | RowKind::Total => Paint::new().bold(),
        RowKind::Floor => Paint::new().yellow(),
        RowKind::Signal if row.amount > 0 => Paint::new().red(),
        RowKind::Signal => Paint::new().green(),
        RowKind::Base | RowKind::Clamp => Paint::new(),
    }
}

fn missing(report: &Report, screen: &mut Screen) {
    if report.missing.is_empty() {
        return;
    }
    screen.heading("What is not known (no points, but a range)");
    for missing in &report.missing {
        let between = if missing.way.is_empty() { "" } else { "; would tell: " };
        let sentence = [missing.what.plain(Detail::FULL), ": ".to_owned(), missing.why.plain(Detail::FULL)].concat();
        screen.wrapped(&format!("{sentence}{between}{}", missing.way.plain(Detail::FULL)), 2, Paint::new());
    }
}

fn of_level(level: Level) -> Paint {
    match level {
        Level::Low => Paint::new().green(),
        Level::Medium => Paint::new().yellow(),
        Level::High => Paint::new().red(),
        Level::Critical => Paint::new().magenta(),
    }
}

/// Lines so far and how to show them.
pub(super) struct Screen {
    out: String,
    style: Style,
}

impl Screen {
    /// Nothing yet, for a terminal of at least 40 columns.
    pub(super) fn new(style: Style) -> Self {
        Self { out: String::new(), style: Style { width: style.width.max(40), ..style } }
    }

    /// What the terminal can show.
    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// All lines, in the characters that the terminal can show.
    pub(super) fn finish(self) -> String {
        if self.style.unicode { self.out } else { ascii(&self.out) }
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.out.push('\n');
        self.wrapped(text, 0, Paint::new().bold());
    }

    fn item(&mut self, sentence: &Sentence) {
        self.wrapped(&sentence.plain(Detail::FULL), 2, Paint::new());
    }

    pub(super) fn line(&mut self, text: &str, paint: Paint) {
        if self.style.color {
            self.out.push_str(&text.style(paint).to_string());
        } else {
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    /// `text` behind `indent` spaces, broken at spaces; words longer than a line are broken where they must be.
    pub(super) fn wrapped(&mut self, text: &str, indent: usize, paint: Paint) {
        for line in wrap(text, self.style.width - indent) {
            self.line(&format!("{:indent$}{line}", ""), paint);
        }
    }

    /// `text` in a column beside `head`.
    pub(super) fn hanging(&mut self, head: &str, text: &str, paint: Paint) {
        let indent = head.chars().count() + 4;
        for (position, line) in wrap(text, self.style.width - indent).iter().enumerate() {
            let head = if position == 0 { head } else { "" };
            let width = indent - 4;
            self.line(&format!("  {head:<width$}  {line}"), paint);
        }
    }
}

/// Lines of at most `width` characters. A number and its per cent sign stay together.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.replace(" %", "\0%").split(' ') {
        let mut rest: Vec<char> = word.chars().map(|c| if c == '\0' { ' ' } else { c }).collect();
        if used > 0 && used + 1 + rest.len() > width {
            lines.push(String::new());
            used = 0;
        }
        while rest.len() > width {
            let tail = rest.split_off(width);
            lines.last_mut().expect("lines start with one and only grow").extend(rest);
            lines.push(String::new());
            rest = tail;
        }
        let line = lines.last_mut().expect("lines start with one and only grow");
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        used += rest.len();
        line.extend(rest);
    }
    lines
}

/// Our own characters in ASCII; anything else beyond it as `?`.
fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '−' | '–' => plain.push('-'),
            '…' => plain.push_str("..."),
            '→' => plain.push_str("->"),
            '≥' => plain.push_str(">="),
            _ if character.is_ascii() => plain.push(character),
            _ => plain.push('?'),
        }
    }
    plain
}
