//! What Datadog's answers look like, as far as several calls share it: errors in four shapes, and values that are null,
//! absent or of another type than documented.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use super::error::Error;

/// Longest part of Datadog's own words that an error keeps, in characters.
const MESSAGE_MAX: usize = 300;

/// An error as Datadog words it, whatever shape it came in. Untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Its words, bounded and without control characters; empty if it has none.
    pub(super) message: String,
    /// The shape, or the words, that only wrong keys get.
    pub(super) keys: bool,
}

impl Refusal {
    /// Reads an error's body: texts, JSON:API objects, or either of them with more beside. The content type does not
    /// matter, for an error may come as plain text.
    pub(super) fn read(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            errors: Value,
            /// Only the gateway that checks keys answers with a status in words.
            status: Option<Value>,
        }
        let Ok(body) = serde_json::from_slice::<Body>(body) else { return Self::default() };
        let words = match body.errors {
            Value::Array(errors) => errors.iter().filter_map(words).collect::<Vec<_>>().join("; "),
            Value::String(error) => error,
            _ => String::new(),
        };
        let keys = body.status.as_ref().and_then(Value::as_str) == Some("error") || words == "API key required";
        Self { message: clip(&words), keys }
    }
}

fn words(error: &Value) -> Option<String> {
    if let Some(text) = error.as_str() {
        return Some(text.to_owned());
    }
    let part = |name: &str| error.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (part("title"), part("detail")) {
        (Some(title), Some(detail)) => Some(format!("{title}: {detail}")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

/// Reads the JSON of an answer.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| not_understood(&error))
}

/// Where JSON is wrong; serde's own message would quote it.
pub(super) fn not_understood(error: &serde_json::Error) -> Error {
    Error::contract(format!("JSON, {:?} at line {} column {}", error.classify(), error.line(), error.column()))
}

/// Cuts a foreign text to what an error keeps.
pub(super) fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MESSAGE_MAX).collect()
}

/// A list, where null and absent are an empty one.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A value that a wrong type makes absent, so that one odd field does not cost the whole answer.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// A page of rows, of which one that cannot be read costs no other; it keeps its place, as pages are told by their length.
pub(super) fn rows<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<Option<T>>, D::Error> {
    let rows = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(rows.into_iter().map(|row| serde_json::from_value(row).ok()).collect())
}

/// A list without what cannot be read.
pub(super) fn readable<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(rows(deserializer)?.into_iter().flatten().collect())
}

/// A text; empty where there is none.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    lenient(deserializer).map(Option::unwrap_or_default)
}

/// A number, which may stand in quotes.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()))
}

/// Whether a list of errors beside an answer holds any.
pub(super) fn is_errored(errors: &Value) -> bool {
    match errors {
        Value::Null => false,
        Value::Array(errors) => !errors.is_empty(),
        Value::String(error) => !error.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_by_their_shape() {
        let check = |body: &str, message: &str, keys: bool| {
            let expected = Refusal { message: message.to_owned(), keys };
            assert_eq!(Refusal::read(body.as_bytes()), expected, "{body}");
        };
        check(r#"{"errors": ["one", "two"]}"#, "one; two", false);
        check(r#"{"errors": ["API key required"]}"#, "API key required", true);
        check(r#"{"errors": [{"status": "400", "title": "Bad", "detail": "no type"}]}"#, "Bad: no type", false);
        check(r#"{"errors": [{"title": "Bad", "source": {"pointer": "/a"}}, {}, 7]}"#, "Bad", false);
        check(r#"{"status": "error", "code": 403, "errors": ["Forbidden"], "email": "x"}"#, "Forbidden", true);
        check(r#"{"errors": ["Not Found"], "error_details": [{}]}"#, "Not Found", false);
        check(r#"{"errors": "one text"}"#, "one text", false);
        check(r#"{"errors": null}"#, "", false);
        check("", "", false);
        check("<html>", "", false);
        let long = format!("{{\"errors\": [\"{}\\n\"]}}", "x".repeat(1_000));
        assert_eq!(Refusal::read(long.as_bytes()).message, "x".repeat(300));
    }
}
