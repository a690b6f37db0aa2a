//! Pages for a browser: complete without scripts, light and dark.

use chrono::{DateTime, Utc};

use super::Subject;
use crate::risk::assessment::{Conclusion, Level};

/// The style sheet, to be served as [`CSS_PATH`].
pub const CSS: &str = "";

/// Path of the style sheet.
pub const CSS_PATH: &str = "/assets/mergecast.css";

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
    format!("/assessments/{id}")
}

/// The page of one assessment.
pub fn assessment(subject: &Subject<'_>) -> String {
    path(subject.id)
}

/// The page that lists assessments, newest first.
pub fn index(rows: &[Row]) -> String {
    rows.len().to_string()
}
