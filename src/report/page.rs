//! Pages for a browser: complete without scripts, light and dark, on a phone as on a desk.
//!
//! The templates escape every value; no address from outside ever becomes a link.

use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    Mistakes, Report, RowKind, Subject, Way, is_scored, outside,
    sentences::{Detail, Part, Sentence, figures::instant, group, unknown::Missing, verdict},
};
use crate::risk::assessment::{Conclusion, Level};

/// The style sheet, to be served at [`CSS_PATH`].
pub const CSS: &str = include_str!("mergecast.css");

/// Path of the style sheet.
pub const CSS_PATH: &str = "/assets/mergecast.css";

/// Most characters of a title.
const TITLE_MAX: usize = 200;

/// One assessment in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Id of the assessment.
    pub id: String,
    /// `owner/name`. Untrusted.
    pub repository: String,
    /// Number of the pull request.
    pub pull_request: Option<u64>,
    /// Its title. Untrusted.
    pub title: String,
    /// 0-100.
    pub score: u8,
    /// The score in words.
    pub level: Level,
    /// What the check run concluded.
    pub conclusion: Conclusion,
    /// When it was scored.
    pub at: DateTime<Utc>,
}

/// Path of an assessment's page.
pub fn path(id: &str) -> String {
    let id: String = id.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '-').collect();
    format!("/assessments/{id}")
}

/// Full address of an assessment's page; `None` while the settings give no public address.
pub fn url(subject: &Subject<'_>) -> Option<String> {
    let base = subject.public_url.and_then(plain_url)?;
    Some(format!("{base}{}", path(subject.id)))
}

/// The page of one assessment.
pub fn assessment(subject: &Subject<'_>) -> String {
    let report = Report::of(subject, Detail::FULL);
    AssessmentPage::of(subject, &report).render().expect("templates write to a string and call nothing that fails")
}

/// The page that lists assessments, newest first.
pub fn index(rows: &[Row]) -> String {
    let rows = rows.iter().map(IndexRow::of).collect();
    IndexPage { rows }.render().expect("templates write to a string and call nothing that fails")
}

/// The page of an assessment whose facts were forgotten: what is left of it, and why that is all.
pub fn forgotten(row: &Row) -> String {
    let row = IndexRow::of(row);
    ForgottenPage { row }.render().expect("templates write to a string and call nothing that fails")
}

/// A web address of plain characters without its last slash: fit for an attribute and for a Markdown link.
fn plain_url(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte);
    (!rest.is_empty() && rest.bytes().all(plain)).then(|| url.trim_end_matches('/'))
}

#[derive(Template)]
#[template(path = "assessment.html")]
struct AssessmentPage {
    document_title: String,
    change: String,
    change_url: Option<String>,
    title: String,
    level: &'static str,
    headline: Pieces,
    score: Option<Score>,
    gauge: Option<Gauge>,
    verdict: Vec<Pieces>,
    mistakes: Option<ShownMistakes>,
    ways: Vec<ShownWay>,
    rows: Vec<Bar>,
    without_points: Pieces,
    missing: Vec<ShownMissing>,
    sources: Vec<Pieces>,
    at: String,
}

#[derive(Template)]
#[template(path = "index.html")]
struct IndexPage {
    rows: Vec<IndexRow>,
}

#[derive(Template)]
#[template(path = "forgotten.html")]
struct ForgottenPage {
    row: IndexRow,
}

/// A piece of a sentence, ready to be escaped.
enum Piece {
    Ours(String),
    Name(String),
    Prose(String),
    /// A name and where it leads.
    Link(String, String),
}

type Pieces = Vec<Piece>;

struct Score {
    number: u8,
    word: &'static str,
    step: Option<String>,
}

/// The scale as a drawing, four units to the point.
struct Gauge {
    title: String,
    description: String,
    low: u16,
    width: u16,
    mark: u16,
}

struct ShownMistakes {
    head: Pieces,
    items: Vec<Pieces>,
    left_out: usize,
}

struct ShownWay {
    what: Pieces,
    points: String,
    target: String,
}

/// A row of the table with its step of the waterfall, in hundredths of the column.
struct Bar {
    class: &'static str,
    label: Pieces,
    points: String,
    reading: Pieces,
    start: f64,
    width: f64,
}

struct ShownMissing {
    what: Pieces,
    why: Pieces,
    way: Pieces,
}

struct IndexRow {
    path: String,
    change: String,
    title: String,
    score: u8,
    level: &'static str,
    conclusion: &'static str,
    iso: String,
    at: String,
}

impl AssessmentPage {
    fn of(subject: &Subject<'_>, report: &Report) -> Self {
        let (assessment, change) = (subject.assessment, &subject.facts.change);
        let scored = is_scored(subject);
        let number = match &change.merge_group {
            Some(group) => format!(", {}", group::named(group).plain(Detail::FULL)),
            None => change.pull_request.map(|number| format!(" #{number}")).unwrap_or_default(),
        };
        let named = format!("{}{number}", shown(&subject.facts.repository));
        let headline = report.headline.plain(Detail::FULL);
        Self {
            document_title: format!("{headline} · {named}"),
            change_url: change_url(subject),
            change: named,
            title: shown(&change.title),
            level: if scored { assessment.level.word() } else { "unscored" },
            headline: pieces(&report.headline),
            score: scored.then(|| Score {
                number: assessment.score,
                word: assessment.level.word(),
                step: verdict::step(subject).map(|step| step.to_string()),
            }),
            gauge: scored.then(|| gauge(subject)),
            verdict: report.verdict.iter().map(pieces).collect(),
            mistakes: report.mistakes.as_ref().map(mistakes),
            ways: report.ways_down.iter().map(way).collect(),
            rows: bars(report),
            without_points: pieces(&report.without_points),
            missing: report.missing.iter().map(missing).collect(),
            sources: report.sources.iter().map(pieces).collect(),
            at: instant(subject.facts.at).to_string(),
        }
    }
}

impl IndexRow {
    fn of(row: &Row) -> Self {
        let number = row.pull_request.map(|number| format!(" #{number}")).unwrap_or_default();
        Self {
            path: path(&row.id),
            change: format!("{}{number}", shown(&row.repository)),
            title: if row.title.trim().is_empty() { "(no title)".to_owned() } else { shown(&row.title) },
            score: row.score,
            level: row.level.word(),
            conclusion: match row.conclusion {
                Conclusion::Success => "success",
                Conclusion::Neutral => "neutral",
                Conclusion::ActionRequired => "action required",
            },
            iso: row.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            at: instant(row.at).to_string(),
        }
    }
}

fn shown(outside: &str) -> String {
    outside::shorten(&outside::visible(outside), TITLE_MAX)
}

/// Address of the pull request at GitHub; `None` where it would not be plain.
fn change_url(subject: &Subject<'_>) -> Option<String> {
    let base = subject.repository_url.and_then(plain_url)?;
    Some(format!("{base}/pull/{}", subject.facts.change.pull_request?))
}

fn pieces(sentence: &Sentence) -> Pieces {
    let piece = |part: &Part| match part {
        Part::Words(words) => Piece::Ours((*words).to_owned()),
        Part::Figure(figure) => Piece::Ours(figure.clone()),
        Part::Name(name) => Piece::Name(outside::shorten(&outside::visible(name), Detail::FULL.characters)),
        Part::Link { name, url } => {
            Piece::Link(outside::shorten(&outside::visible(name), Detail::FULL.characters), url.clone())
        }
        Part::Prose(prose) => Piece::Prose(outside::shorten(&outside::visible(prose), 3 * Detail::FULL.characters)),
    };
    sentence.0.iter().map(piece).collect()
}

fn mistakes(mistakes: &Mistakes) -> ShownMistakes {
    ShownMistakes {
        head: pieces(&mistakes.head),
        items: mistakes.items.iter().map(pieces).collect(),
        left_out: mistakes.left_out,
    }
}

fn way(way: &Way) -> ShownWay {
    ShownWay { what: pieces(&way.what), points: way.points.to_string(), target: way.target.to_string() }
}

fn missing(missing: &Missing) -> ShownMissing {
    ShownMissing { what: pieces(&missing.what), why: pieces(&missing.why), way: pieces(&missing.way) }
}

fn gauge(subject: &Subject<'_>) -> Gauge {
    let assessment = subject.assessment;
    let at = |score: u8| 4 * u16::from(score);
    let (low, high) = (assessment.range.low, assessment.range.high);
    Gauge {
        title: format!("Score {} of 100", assessment.score),
        description: format!(
            "The score is {}, between {low} and {high} depending on what is not known, on a scale with low below 40, \
             medium below 70, high below 90 and critical from there on",
            assessment.level.word()
        ),
        low: at(low),
        width: at(high.max(low)) - at(low),
        mark: at(assessment.score).saturating_sub(2).min(395),
    }
}

/// The rows as a waterfall: each bar starts where the one before it ended.
fn bars(report: &Report) -> Vec<Bar> {
    let mut reached = 0;
    let steps: Vec<_> = report
        .rows
        .iter()
        .map(|row| {
            let before = if row.kind == RowKind::Total { 0 } else { reached };
            reached = before + row.amount;
            (before.min(reached), before.max(reached))
        })
        .collect();
    let least = steps.iter().map(|(from, _)| *from).min().unwrap_or(0).min(0);
    let most = steps.iter().map(|(_, to)| *to).max().unwrap_or(0).max(100);
    let per_point = 100.0 / f64::from(most - least);
    let bar = |(row, (from, to)): (&super::Row, (i32, i32))| Bar {
        class: match (row.kind, row.amount) {
            (RowKind::Base, _) => "base",
            (RowKind::Signal, 1..) => "raises",
            (RowKind::Signal, _) => "lowers",
            (RowKind::Clamp, _) => "clamp",
            (RowKind::Floor, _) => "floor",
            (RowKind::Sum | RowKind::Total, _) => "total",
        },
        label: pieces(&row.label),
        points: row.points.to_string(),
        reading: pieces(&row.reading),
        start: f64::from(from - least) * per_point,
        width: f64::from(to - from) * per_point,
    };
    report.rows.iter().zip(steps).map(bar).collect()
}
