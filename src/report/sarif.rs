//! The findings on changed lines as SARIF 2.1.0, for viewers and code scanning.

use serde_json::{Value, json};

use super::{Subject, annotations, check_run::AnnotationLevel};
use crate::risk::signal::Signal;

/// The findings as SARIF 2.1.0; the score is among the properties of the run.
pub fn render(subject: &Subject<'_>) -> Value {
    let findings = annotations::findings(subject);
    let signals = subject.assessment.contributions.iter().map(|one| one.signal);
    let rules: Vec<_> = signals.filter(|signal| findings.iter().any(|one| one.signal == signal.id)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Mergecast",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|signal| rule(signal)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(|finding| result(finding, &rules)).collect::<Vec<_>>(),
            "properties": {
                "score": subject.assessment.score,
                "level": subject.assessment.level.word(),
                "low": subject.assessment.range.low,
                "high": subject.assessment.range.high,
                "model": subject.model_version,
            },
        }],
    })
}

fn rule(signal: &Signal) -> Value {
    json!({
        "id": signal.id,
        "name": signal.label,
        "shortDescription": { "text": signal.label },
        "fullDescription": { "text": signal.why },
    })
}

fn result(finding: &annotations::Finding, rules: &[&'static Signal]) -> Value {
    let annotation = &finding.annotation;
    let level = match annotation.level {
        AnnotationLevel::Notice => "note",
        AnnotationLevel::Warning => "warning",
    };
    json!({
        "ruleId": finding.signal,
        "ruleIndex": rules.iter().position(|signal| signal.id == finding.signal),
        "level": level,
        "message": { "text": format!("{}: {}", annotation.title, annotation.message) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": relative_uri(&annotation.path) },
            "region": { "startLine": annotation.start_line, "endLine": annotation.end_line },
        } }],
    })
}

/// A path as a relative URI: what is not unreserved is percent-encoded, so no path can name a scheme or a host.
fn relative_uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.trim_start_matches('/').bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::relative_uri;

    #[test]
    fn paths_become_relative_uris() {
        let check = |path: &str, expected: &str| assert_eq!(relative_uri(path), expected);
        check("db/migrate/1 a.sql", "db/migrate/1%20a.sql");
        check("javascript:alert(1)", "javascript%3Aalert%281%29");
        check("//evil.example/x", "evil.example/x");
        check("ä", "%C3%A4");
    }
}
