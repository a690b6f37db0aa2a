//! The assessment as JSON, `mergecast.assessment/1`.

use super::Subject;

/// The assessment as JSON.
pub fn render(subject: &Subject<'_>) -> serde_json::Value {
    serde_json::json!({ "schema": "mergecast.assessment/1", "id": subject.id })
}
