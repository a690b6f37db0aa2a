//! Check runs: what is written, what is read back, and the calls for both.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Which check runs are our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRunLook {
    /// The App's id.
    pub app_id: u64,
    /// Name of the check run.
    pub name: String,
}

/// A check run as GitHub has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRun {
    /// GitHub's id.
    pub id: u64,
    /// Name.
    pub name: String,
    /// Commit it stands on.
    pub head_sha: String,
    /// How far it is.
    pub status: CheckRunStatus,
    /// Its conclusion in GitHub's words, lower case; `None` until completed.
    pub conclusion: Option<String>,
    /// The id that we gave it.
    pub external_id: Option<String>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// How many annotations it has; `None` where the answer does not say (GraphQL).
    pub annotations: Option<u64>,
    /// Page of the run for people.
    pub html_url: Option<String>,
}

/// How far a check run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckRunStatus {
    /// Not begun.
    Queued,
    /// Begun.
    InProgress,
    /// Done; it has a conclusion.
    Completed,
    /// One of the states that only GitHub sets (waiting, requested, pending).
    #[serde(other, skip_serializing)]
    Other,
}

/// How a check run of ours ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Passes.
    Success,
    /// Passes, grey.
    Neutral,
    /// Passes, grey.
    Skipped,
    /// Blocks, and asks somebody to act.
    ActionRequired,
    /// Blocks.
    Failure,
    /// Blocks.
    Cancelled,
    /// Blocks.
    TimedOut,
}

/// What is to be written. Absent fields are not sent, so that an update leaves them as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckRunDraft {
    /// Name; needed to create.
    pub name: String,
    /// Commit; needed to create, never sent with an update.
    #[serde(skip)]
    pub head_sha: String,
    /// How far it is; must be absent or `Completed` with a conclusion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<CheckRunStatus>,
    /// How it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
    /// Our own id for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Page with the details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details_url: Option<String>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it was completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
    /// Title, summary, text, annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<CheckRunOutput>,
    /// Buttons, at most 3; GitHub shows them once the run is completed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Button>,
}

/// Text of a check run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckRunOutput {
    /// One line.
    pub title: String,
    /// Markdown, at most 65,535 characters.
    pub summary: String,
    /// Markdown, at most 65,535 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// At most 50 a call; those of an update are added to the ones that are there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
}

/// A remark on lines of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// Path in the repository.
    pub path: String,
    /// First line, from 1.
    pub start_line: u64,
    /// Last line.
    pub end_line: u64,
    /// How loud.
    pub annotation_level: AnnotationLevel,
    /// Text, at most 64 KB.
    pub message: String,
    /// At most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// At most 64 KB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_details: Option<String>,
}

/// How loud an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationLevel {
    /// Blue.
    Notice,
    /// Yellow.
    Warning,
    /// Red.
    Failure,
}

/// A button of a check run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Button {
    /// What stands on it, at most 20 characters.
    pub label: String,
    /// What it does, at most 40 characters.
    pub description: String,
    /// What comes back when it is pressed, at most 20 characters.
    pub identifier: String,
}
