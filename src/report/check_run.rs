//! The check run: title, summary and annotations, within GitHub's limits by construction.

use super::{
    Report, RowKind, Subject, annotations, capitalised, is_local, is_scored, markdown, page,
    sentences::{Detail, Sentence, cause, group, verdict},
};
use crate::risk::assessment::{Because, Mode};

pub use super::annotations::ANNOTATIONS_MAX;

/// Name of the check run, by which it can be required.
pub const NAME: &str = "mergecast/risk";

/// Most bytes of a summary and of a text. GitHub counts characters; bytes are never fewer.
const LENGTH_MAX: usize = 65_535;

/// Characters after which no further cause is added to a title.
const TITLE_MAX: usize = 100;

/// Most causes in a title.
const CAUSES_MAX: usize = 4;

/// The words of one check run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRunText {
    /// One line of plain text without anything from outside, at most 255 characters.
    pub title: String,
    /// Markdown, at most 65,535 bytes.
    pub summary: String,
    /// Markdown below the summary, at most 65,535 bytes.
    pub text: Option<String>,
    /// At most [`ANNOTATIONS_MAX`], each on a changed file that the head still has.
    pub annotations: Vec<Annotation>,
    /// At most three.
    pub buttons: Vec<Button>,
}

/// A remark on lines of a changed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Path of the file on the head, as GitHub gave it.
    pub path: String,
    /// 1-based first line on the new side.
    pub start_line: u64,
    /// 1-based last line on the new side.
    pub end_line: u64,
    /// How grave it is.
    pub level: AnnotationLevel,
    /// The cause in a few words of ours, at most 255 characters.
    pub title: String,
    /// The cause and the next step, at most 64 KB. Plain text to GitHub; names stand between backticks.
    pub message: String,
}

/// How grave an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnnotationLevel {
    /// Good to know.
    Notice,
    /// Wants a look.
    Warning,
}

impl AnnotationLevel {
    /// GitHub's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
        }
    }
}

/// A button of a check run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Button {
    /// What it says, at most 20 characters.
    pub label: &'static str,
    /// What it does, at most 40 characters.
    pub description: &'static str,
    /// What comes back when it is pressed, at most 20 characters.
    pub identifier: &'static str,
}

/// Identifier of the button that scores again.
pub const RESCORE: &str = "rescore";

/// Identifier of the button that overrides the score.
pub const ACKNOWLEDGE: &str = "acknowledge";

pub(super) const RESCORE_BUTTON: Button =
    Button { label: "Re-score", description: "Read everything anew and score again", identifier: RESCORE };
const ACKNOWLEDGE_BUTTON: Button =
    Button { label: "Acknowledge", description: "Override the score of this commit", identifier: ACKNOWLEDGE };

/// The buttons, at most three. What passes already has nothing to acknowledge, and a merge group is let through by the
/// overrides of its pull requests.
fn buttons(subject: &Subject<'_>) -> Vec<Button> {
    let verdict = &subject.assessment.verdict;
    let group = subject.facts.change.merge_group.is_some();
    let held = verdict.because == Because::AtOrAboveThreshold && verdict.overridden.is_none() && !group;
    std::iter::once(RESCORE_BUTTON).chain(held.then_some(ACKNOWLEDGE_BUTTON)).collect()
}

/// The check run for an assessment.
pub fn render(subject: &Subject<'_>) -> CheckRunText {
    CheckRunText {
        title: title(subject),
        summary: within_limit(|detail| summary(subject, detail)),
        text: is_scored(subject).then(|| within_limit(|_| glossary(subject))),
        annotations: annotations::findings(subject).into_iter().map(|finding| finding.annotation).collect(),
        buttons: buttons(subject),
    }
}

/// The check run of `shown`, which is held back, on a commit that is the head of pull request `other` as well.
pub fn shared(text: CheckRunText, shown: &Subject<'_>, other: u64) -> CheckRunText {
    let Some(held) = shown.facts.change.pull_request else { return text };
    let words = format!(
        "**This is about #{held}, which is held back.** The commit is the head of #{other} too, and GitHub keeps one check for both.\n\n"
    );
    let fits = words.len() + text.summary.len() <= LENGTH_MAX;
    CheckRunText { summary: if fits { words + &text.summary } else { text.summary }, ..text }
}

/// The check run while the change is being read.
pub fn in_progress() -> CheckRunText {
    CheckRunText {
        title: "Reading the change".to_owned(),
        summary: "The change is being read; the score follows within seconds.".to_owned(),
        text: None,
        annotations: Vec::new(),
        buttons: vec![RESCORE_BUTTON],
    }
}

/// The check run of a commit that was not scored in time: `newer` was pushed, and has a check run of its own.
pub fn superseded(newer: &str) -> CheckRunText {
    let newer = markdown::code(newer.get(..7).unwrap_or(newer));
    CheckRunText {
        title: "No score: a newer commit was pushed".to_owned(),
        summary: format!("**No score.** {newer} was pushed before this commit was scored, and is scored instead.\n"),
        text: None,
        annotations: Vec::new(),
        buttons: vec![RESCORE_BUTTON],
    }
}

/// The check run after an internal failure, to be concluded as neutral: `what` failed, and `reference` finds it in the log.
pub fn failure(reference: &str, what: &str) -> CheckRunText {
    let what = markdown::text(what);
    let reference = markdown::code(reference);
    CheckRunText {
        title: "No score: Mergecast failed, not the change".to_owned(),
        summary: format!(
            "**No score.** Something went wrong inside Mergecast: {what}\n\n\
             This says nothing about the change, and nothing is held against it. \
             **Re-score** tries again; the server's log has the details under {reference}.\n"
        ),
        text: None,
        annotations: Vec::new(),
        buttons: vec![RESCORE_BUTTON],
    }
}

/// The fullest rendering that fits: lists and names are cut in steps, rows never are.
fn within_limit(render: impl Fn(Detail) -> String) -> String {
    let fitting = Detail::STEPS.into_iter().map(&render).find(|text| text.len() <= LENGTH_MAX);
    fitting.unwrap_or_else(|| "This report is too long for a check run.".to_owned())
}

fn title(subject: &Subject<'_>) -> String {
    let assessment = subject.assessment;
    if !is_scored(subject) {
        return verdict::headline(subject).plain(Detail::FULL);
    }
    let mut title = format!("{} {}", assessment.score, assessment.level.word());
    if let Some(step) = verdict::step(subject) {
        title.push_str(&format!(" ({step})"));
    }
    if let Some(group) = &subject.facts.change.merge_group {
        title.push_str(&format!(", {}", group::named(group).plain(Detail::FULL)));
    }
    match assessment.verdict.because {
        Because::Draft => title.push_str(", draft"),
        Because::NotOpen => title.push_str(", no longer open"),
        _ if assessment.verdict.overridden.is_some() => title.push_str(", overridden"),
        _ => {}
    }
    for (position, cause) in cause::causes(assessment).iter().take(CAUSES_MAX).enumerate() {
        let between = if position == 0 { ": " } else { ", " };
        if title.chars().count() + between.len() + cause.chars().count() > TITLE_MAX {
            break;
        }
        title.push_str(between);
        title.push_str(cause);
    }
    title
}

fn summary(subject: &Subject<'_>, detail: Detail) -> String {
    let report = Report::of(subject, detail);
    let mut out = String::new();
    verdict_block(&report, detail, &mut out);
    if is_scored(subject) {
        ways_block(subject, &report, detail, &mut out);
        table_block(&report, detail, &mut out);
    }
    if subject.assessment.verdict.because != Because::Empty {
        missing_block(&report, detail, &mut out);
    }
    sources_block(&report, detail, &mut out);
    if !is_local(subject) {
        commands_block(subject, &mut out);
    }
    out
}

fn verdict_block(report: &Report, detail: Detail, out: &mut String) {
    let mut paragraphs = report.verdict.iter().map(|sentence| sentence.markdown(detail));
    let consequence = paragraphs.next().unwrap_or_default();
    out.push_str(&format!("**{}.** {consequence}.\n", report.headline.markdown(detail)));
    for paragraph in paragraphs {
        out.push_str(&format!("\n{paragraph}.\n"));
    }
    if let Some(mistakes) = &report.mistakes {
        out.push_str(&format!("\n**Policy:** {}.\n\n", mistakes.head.markdown(detail)));
        for item in &mistakes.items {
            out.push_str(&format!("- {}\n", item.markdown(detail)));
        }
        if mistakes.left_out > 0 {
            out.push_str(&format!("- and {} more\n", mistakes.left_out));
        }
    }
}

fn ways_block(subject: &Subject<'_>, report: &Report, detail: Detail, out: &mut String) {
    if report.ways_down.is_empty() {
        out.push_str(
            "\n### What would lower it\n\nNothing that the author or the reviewers can do now is worth a point.\n",
        );
        return;
    }
    out.push_str("\n### What would lower it\n\n| What to do | Points | Score after it |\n| :-- | --: | --: |\n");
    for way in &report.ways_down {
        let what = markdown::cell(&way.what.markdown(detail));
        out.push_str(&format!("| {what} | {} | {} |\n", way.points, way.target));
    }
    let floor = subject.assessment.floors.iter().any(|floor| floor.applied);
    let note = if floor { ", floors included" } else { "" };
    out.push_str(&format!("\nEach row by itself, found by scoring the change again as if it were done{note}.\n"));
}

fn table_block(report: &Report, detail: Detail, out: &mut String) {
    out.push_str("\n### How the score adds up\n\n| | Points | What was read |\n| :-- | --: | :-- |\n");
    for row in &report.rows {
        let label = unbroken(&capitalised(&markdown::cell(&row.label.markdown(detail))));
        let reading = markdown::cell(&row.reading.markdown(detail));
        let (open, close) = if matches!(row.kind, RowKind::Sum | RowKind::Total) { ("**", "**") } else { ("", "") };
        out.push_str(&format!("| {open}{label}{close} | {open}{}{close} | {reading} |\n", row.points));
    }
    if !report.without_points.is_empty() {
        out.push_str(&format!("\nRead, and worth no points: {}.\n", report.without_points.markdown(detail)));
    }
}

fn missing_block(report: &Report, detail: Detail, out: &mut String) {
    if report.missing.is_empty() {
        return;
    }
    out.push_str("\n### What is not known\n\n| What | Why | What would tell |\n| :-- | :-- | :-- |\n");
    let cell = |sentence: &Sentence| markdown::cell(&sentence.markdown(detail));
    for missing in &report.missing {
        out.push_str(&format!(
            "| {} | {} | {} |\n",
            capitalised(&cell(&missing.what)),
            cell(&missing.why),
            cell(&missing.way)
        ));
    }
    out.push_str("\nWhat is not known adds no points; it widens the range.\n");
}

fn sources_block(report: &Report, detail: Detail, out: &mut String) {
    out.push_str("\n### Sources\n\n");
    for source in &report.sources {
        out.push_str(&format!("- {}\n", capitalised(&source.markdown(detail))));
    }
}

fn commands_block(subject: &Subject<'_>, out: &mut String) {
    let verdict = &subject.assessment.verdict;
    out.push_str("\n### Buttons and commands\n\n");
    for button in buttons(subject) {
        out.push_str(&format!("- **{}**: {}\n", button.label, lower_first(button.description)));
    }
    if subject.commands {
        out.push_str("- In a comment: `/risk explain`, `/risk owners`, `/risk help` for all");
        if verdict.overridden.is_some() {
            out.push_str("; `/risk override cancel` takes the override back");
        } else if verdict.because == Because::AtOrAboveThreshold {
            out.push_str("; `/risk override <reason>` does as Acknowledge and says why");
        }
        out.push('\n');
    }
    if subject.assessment.verdict.mode == Mode::Advisory {
        out.push_str("\nAdvisory mode: this check never blocks a merge.\n");
    }
    if let Some(url) = page::url(subject) {
        out.push_str(&format!("\n[The whole assessment]({url})\n"));
    }
}

/// Why each signal with points or without a reading matters.
fn glossary(subject: &Subject<'_>) -> String {
    let mut out = String::from("### What the signals mean\n\n");
    let shown = subject
        .assessment
        .contributions
        .iter()
        .filter(|one| one.points != 0 || one.reading.is_err() || one.exempt_because.is_some());
    for one in shown {
        out.push_str(&format!("- **{}**: {}\n", one.signal.label, one.signal.why));
    }
    out
}

/// A short label on one line, however wide its neighbour is.
fn unbroken(label: &str) -> String {
    const SHORT: usize = 24;
    if label.chars().count() <= SHORT { label.replace(' ', "\u{a0}") } else { label.to_owned() }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
