//! The check run: title, summary and annotations, within GitHub's limits by construction.

use super::Subject;

/// Name of the check run, by which it can be required.
pub const NAME: &str = "mergecast/risk";

/// The words of one check run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRunText {
    /// One line of plain text, at most 255 characters.
    pub title: String,
    /// Markdown, at most 65,535 bytes.
    pub summary: String,
    /// Markdown below the summary, at most 65,535 bytes.
    pub text: Option<String>,
    /// At most [`ANNOTATIONS_MAX`], each on a changed file that the head still has.
    pub annotations: Vec<Annotation>,
}

/// Most annotations of one check run: as many as GitHub takes in one request.
pub const ANNOTATIONS_MAX: usize = 50;

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
    /// The cause in a few words, at most 255 characters.
    pub title: String,
    /// The cause and the next step, at most 64 KB.
    pub message: String,
}

/// How grave an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

const BUTTONS: [Button; 2] = [
    Button { label: "Re-score", description: "Read everything anew and score again", identifier: "rescore" },
    Button { label: "Acknowledge", description: "Note that somebody has read this", identifier: "acknowledge" },
];

/// The buttons, at most three.
pub fn actions() -> &'static [Button] {
    &BUTTONS
}

/// The check run for an assessment.
pub fn render(subject: &Subject<'_>) -> CheckRunText {
    let title = format!("{} {}", subject.assessment.score, subject.assessment.level.word());
    CheckRunText { summary: title.clone(), title, text: None, annotations: Vec::new() }
}

/// The check run while the change is being read.
pub fn in_progress() -> CheckRunText {
    CheckRunText {
        title: "Scoring".into(),
        summary: "The change is being read".into(),
        text: None,
        annotations: Vec::new(),
    }
}

/// The check run after an internal failure: `what` failed, and `reference` finds it in the log.
pub fn failure(reference: &str, what: &str) -> CheckRunText {
    let summary = format!("{}: {}", super::markdown::text(what), super::markdown::code(reference));
    CheckRunText { title: "No score".into(), summary, text: None, annotations: Vec::new() }
}
