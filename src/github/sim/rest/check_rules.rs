//! What GitHub accepts of a check run: the schema of its document, and the limits that stand only in prose.

use chrono::DateTime;
use serde_json::Value;

use super::super::answer::Answer;

const TEXT_MAX: usize = 65_535;
const ANNOTATIONS_MAX: usize = 50;
const ANNOTATION_TEXT_MAX_BYTES: usize = 64 * 1024;
const ANNOTATION_TITLE_MAX: usize = 255;
const ACTIONS_MAX: usize = 3;
const CONCLUSIONS: [&str; 7] =
    ["action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"];
const STATUSES: [&str; 3] = ["queued", "in_progress", "completed"];
const LEVELS: [&str; 3] = ["notice", "warning", "failure"];

/// Checks a create (`new`) or update body. Errors are the 422 that GitHub gives.
pub(super) fn check(body: &Value, new: bool) -> Result<(), Answer> {
    rules(body, new).map_err(Answer::schema)
}

type Verdict = Result<(), String>;

fn rules(body: &Value, new: bool) -> Verdict {
    if !body.is_object() {
        return Err("The body is not an object.".to_owned());
    }
    for field in ["name", "head_sha"] {
        match &body[field] {
            Value::String(text) if !text.is_empty() => {}
            Value::Null if !new => {}
            Value::Null => return Err(format!("\"{field}\" wasn't supplied.")),
            _ => return Err(format!("\"{field}\" is not a string.")),
        }
    }
    if !new && body.get("head_sha").is_some() {
        return Err("\"head_sha\" is not a permitted key.".to_owned());
    }
    one_of(body, "status", &STATUSES)?;
    one_of(body, "conclusion", &CONCLUSIONS)?;
    let completed = body["status"] == "completed" || body.get("completed_at").is_some();
    if completed && body.get("conclusion").is_none() {
        return Err("\"conclusion\" wasn't supplied, which a completed check run needs.".to_owned());
    }
    for field in ["started_at", "completed_at"] {
        if body.get(field).is_some_and(|t| t.as_str().is_none_or(|t| DateTime::parse_from_rfc3339(t).is_err())) {
            return Err(format!("\"{field}\" is not a time in ISO 8601."));
        }
    }
    text(body, "external_id", None)?;
    text(body, "details_url", None)?;
    if body["details_url"].as_str().is_some_and(|u| !u.starts_with("http://") && !u.starts_with("https://")) {
        return Err("details_url must use the http or https scheme.".to_owned());
    }
    body.get("output").map_or(Ok(()), output)?;
    list(body, "actions", ACTIONS_MAX, action)
}

fn output(output: &Value) -> Verdict {
    required(output, "title", None)?;
    required(output, "summary", Some(TEXT_MAX))?;
    text(output, "text", Some(TEXT_MAX))?;
    list(output, "annotations", ANNOTATIONS_MAX, annotation)?;
    list(output, "images", usize::MAX, |image| {
        required(image, "alt", None)?;
        required(image, "image_url", None)
    })
}

fn annotation(annotation: &Value) -> Verdict {
    required(annotation, "path", None)?;
    required(annotation, "message", None)?;
    required(annotation, "annotation_level", None)?;
    one_of(annotation, "annotation_level", &LEVELS)?;
    text(annotation, "title", Some(ANNOTATION_TITLE_MAX))?;
    text(annotation, "raw_details", None)?;
    for field in ["message", "raw_details"] {
        if annotation[field].as_str().is_some_and(|t| t.len() > ANNOTATION_TEXT_MAX_BYTES) {
            return Err(format!("\"{field}\" exceeds 64 KB."));
        }
    }
    let (start, end) = (line(annotation, "start_line")?, line(annotation, "end_line")?);
    if end < start {
        return Err("\"end_line\" is before \"start_line\".".to_owned());
    }
    let columns = annotation.get("start_column").or(annotation.get("end_column"));
    if columns.is_some() && start != end {
        return Err("Columns are for annotations of one line.".to_owned());
    }
    Ok(())
}

fn line(annotation: &Value, field: &str) -> Result<u64, String> {
    annotation[field].as_u64().filter(|n| *n > 0).ok_or_else(|| format!("\"{field}\" is not a line number from 1."))
}

fn action(action: &Value) -> Verdict {
    required(action, "label", Some(20))?;
    required(action, "description", Some(40))?;
    required(action, "identifier", Some(20))
}

fn required(object: &Value, field: &str, max: Option<usize>) -> Verdict {
    if object.get(field).is_none() {
        return Err(format!("\"{field}\" wasn't supplied."));
    }
    text(object, field, max)
}

/// A text of at most `max` characters, or nothing.
fn text(object: &Value, field: &str, max: Option<usize>) -> Verdict {
    match object.get(field) {
        None => Ok(()),
        Some(Value::String(text)) if max.is_none_or(|max| text.chars().count() <= max) => Ok(()),
        Some(Value::String(_)) => Err(format!("\"{field}\" exceeds {} characters.", max.unwrap_or_default())),
        Some(_) => Err(format!("\"{field}\" is not a string.")),
    }
}

fn one_of(object: &Value, field: &str, allowed: &[&str]) -> Verdict {
    match object.get(field) {
        None => Ok(()),
        Some(Value::String(text)) if allowed.contains(&text.as_str()) => Ok(()),
        Some(other) => Err(format!("{other} is not a member of {allowed:?}.")),
    }
}

fn list(object: &Value, field: &str, max: usize, rule: impl Fn(&Value) -> Verdict) -> Verdict {
    match object.get(field) {
        None => Ok(()),
        Some(Value::Array(items)) if items.len() > max => Err(format!("\"{field}\" has more than {max} entries.")),
        Some(Value::Array(items)) => items.iter().try_for_each(rule),
        Some(_) => Err(format!("\"{field}\" is not an array.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check_body(path: &str, value: Value, expected: Option<&str>) {
        let mut body = json!({
            "name": "mergecast/risk",
            "head_sha": "0".repeat(40),
            "status": "completed",
            "conclusion": "neutral",
            "output": {"title": "t", "summary": "s", "annotations": [
                {"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}
            ]},
            "actions": [{"label": "l", "description": "d", "identifier": "i"}],
        });
        match path.rsplit_once('/') {
            Some((parent, field)) if value.is_null() => {
                body.pointer_mut(parent).and_then(Value::as_object_mut).unwrap().remove(field);
            }
            Some((parent, field)) => body.pointer_mut(parent).unwrap()[field] = value,
            None => {}
        }
        let found = rules(&body, true);
        match expected {
            None => assert_eq!(found, Ok(()), "{path}"),
            Some(part) => assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{path}: {found:?}"),
        }
    }

    #[test]
    fn every_limit_of_a_check_run() {
        let annotation = |path: &str| json!({"path": path, "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"});
        let action = |label: String| json!({"label": label, "description": "d", "identifier": "i"});
        check_body("", Value::Null, None);
        check_body("/name", Value::Null, Some("name"));
        check_body("/head_sha", Value::Null, Some("head_sha"));
        check_body("/status", json!("waiting"), Some("waiting"));
        check_body("/conclusion", json!("stale"), Some("stale"));
        check_body("/conclusion", Value::Null, Some("conclusion"));
        check_body("/completed_at", json!("yesterday"), Some("completed_at"));
        check_body("/details_url", json!("javascript:x"), Some("scheme"));
        check_body("/output/title", Value::Null, Some("title"));
        check_body("/output/summary", json!("é".repeat(65_535)), None);
        check_body("/output/summary", json!("x".repeat(65_536)), Some("summary"));
        check_body("/output/text", json!("x".repeat(65_536)), Some("text"));
        check_body("/output/annotations", json!(vec![annotation("a"); 50]), None);
        check_body("/output/annotations", json!(vec![annotation("a"); 51]), Some("more than 50"));
        check_body("/output/annotations/0/annotation_level", json!("error"), Some("error"));
        check_body("/output/annotations/0/start_line", json!(0), Some("start_line"));
        check_body("/output/annotations/0/end_line", json!(2), None);
        check_body("/output/annotations/0/title", json!("x".repeat(256)), Some("title"));
        check_body("/output/annotations/0/message", json!("x".repeat(65_537)), Some("64 KB"));
        check_body("/actions", json!(vec![action("l".into()); 4]), Some("more than 3"));
        check_body("/actions", json!([action("x".repeat(21))]), Some("label"));
        check_body("/actions/0/description", json!("x".repeat(41)), Some("description"));
        check_body("/actions/0/identifier", json!("x".repeat(21)), Some("identifier"));
        let wide = json!({"path": "a", "start_line": 1, "end_line": 2, "start_column": 1,
            "annotation_level": "notice", "message": "m"});
        check_body("/output/annotations", json!([wide]), Some("one line"));
    }
}
