//! Values of a policy file: each check returns the value, or notes the mistake with its line and goes on.

use chrono::{DateTime, Utc};
use globset::GlobBuilder;

use super::yaml::{Key, Node, Value};
use crate::{config::nearest, risk::policy::PolicyError};

/// Mistakes that are told; further ones are only counted.
const ERRORS_MAX: usize = 20;
/// Longest text that a policy may hold anywhere: patterns, names.
const TEXT_CHARS_MAX: usize = 300;

/// The mistakes found so far.
#[derive(Default)]
pub(super) struct Mistakes {
    errors: Vec<PolicyError>,
    untold: usize,
}

impl Mistakes {
    pub(super) fn note(&mut self, line: u64, message: impl Into<String>) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(PolicyError { line: Some(line), message: message.into() });
        } else {
            self.untold += 1;
        }
    }

    /// `Ok` without mistakes, else all of them in the order of their lines.
    pub(super) fn into_result(mut self) -> Result<(), Vec<PolicyError>> {
        if self.errors.is_empty() {
            return Ok(());
        }
        self.errors.sort_by_key(|error| error.line);
        if self.untold > 0 {
            let message = format!("There are {} more mistakes", self.untold);
            self.errors.push(PolicyError { line: None, message });
        }
        Err(self.errors)
    }

    /// The entries of a table whose keys are all known; unknown keys are noted and left out. Nothing is no entries.
    pub(super) fn table<'n>(&mut self, at: &str, node: &'n Node, known: &[&str]) -> Vec<(&'n Key, &'n Node)> {
        let entries = self.entries(at, node);
        let (good, unknown): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(key, _)| known.contains(&key.text.as_str()));
        for (key, _) in unknown {
            let place = if at.is_empty() { String::new() } else { format!(" in {at}") };
            let hint = match nearest(&key.text, known.iter().copied()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("the keys are {}", known.join(", ")),
            };
            self.note(key.line, format!("Unknown key {:?}{place}; {hint}", shortened(&key.text)));
        }
        good
    }

    /// The entries of a table with free keys, each key within the length limit.
    pub(super) fn entries<'n>(&mut self, at: &str, node: &'n Node) -> Vec<(&'n Key, &'n Node)> {
        match &node.value {
            Value::Null => Vec::new(),
            Value::Map(entries) => entries.iter().map(|(key, value)| (key, value)).collect(),
            other => {
                let what = if at.is_empty() { "the file" } else { at };
                self.note(node.line, format!("{what} must be a table of keys, but is {}", other.kind()));
                Vec::new()
            }
        }
    }

    pub(super) fn list<'n>(&mut self, at: &str, node: &'n Node, most: usize) -> &'n [Node] {
        match &node.value {
            Value::Null => &[],
            Value::List(items) if items.len() > most => {
                self.note(node.line, format!("{at} has {} entries; at most {most} are allowed", items.len()));
                &[]
            }
            Value::List(items) => items,
            other => {
                self.note(node.line, format!("{at} must be a list, but is {}", other.kind()));
                &[]
            }
        }
    }

    /// A text of 1-300 characters without control characters.
    pub(super) fn text(&mut self, at: &str, node: &Node) -> Option<String> {
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            // A service or an SLO id may look like a number.
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
            other => {
                self.note(node.line, format!("{at} must be a text, but is {}", other.kind()));
                return None;
            }
        };
        let chars = text.chars().count();
        if chars == 0 || chars > TEXT_CHARS_MAX || text.chars().any(char::is_control) {
            self.note(node.line, format!("{at} must have 1 to {TEXT_CHARS_MAX} printable characters"));
            return None;
        }
        Some(text)
    }

    /// A name that goes into queries to other systems: letters, digits and a few signs.
    pub(super) fn name(&mut self, at: &str, line: u64, text: &str) -> Option<String> {
        let good = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
        if text.is_empty() || text.len() > 200 || !text.chars().all(good) {
            self.note(line, format!("{at} {:?} may hold letters, digits and _ - . / : only", shortened(text)));
            return None;
        }
        Some(text.to_owned())
    }

    pub(super) fn names(&mut self, at: &str, node: &Node, most: usize) -> Vec<String> {
        let items = self.list(at, node, most);
        items.iter().filter_map(|item| self.text(at, item).and_then(|text| self.name(at, item.line, &text))).collect()
    }

    /// A glob that compiles.
    pub(super) fn glob(&mut self, line: u64, pattern: &str) -> Option<String> {
        let chars = pattern.chars().count();
        if chars == 0 || chars > TEXT_CHARS_MAX {
            self.note(line, format!("A pattern must have 1 to {TEXT_CHARS_MAX} characters"));
            return None;
        }
        match GlobBuilder::new(pattern).literal_separator(true).build() {
            Ok(_) => Some(pattern.to_owned()),
            Err(error) => {
                self.note(line, format!("The pattern {:?} cannot be used: {}", shortened(pattern), error.kind()));
                None
            }
        }
    }

    pub(super) fn globs(&mut self, at: &str, node: &Node, most: usize) -> Vec<String> {
        let items = self.list(at, node, most);
        items.iter().filter_map(|item| self.text(at, item).and_then(|pattern| self.glob(item.line, &pattern))).collect()
    }

    pub(super) fn number(&mut self, at: &str, node: &Node, least: f64, most: f64) -> Option<f64> {
        match node.value {
            Value::Number(number) if (least..=most).contains(&number) => Some(number),
            Value::Number(number) => {
                self.note(node.line, format!("{at} is {number}, but must be from {least} to {most}"));
                None
            }
            ref other => {
                self.note(node.line, format!("{at} must be a number from {least} to {most}, but is {}", other.kind()));
                None
            }
        }
    }

    /// A whole score, 0-100.
    pub(super) fn score(&mut self, at: &str, node: &Node) -> Option<u8> {
        let number = self.number(at, node, 0.0, 100.0)?;
        if number.fract() != 0.0 {
            self.note(node.line, format!("{at} is {number}, but must be a whole number"));
            return None;
        }
        Some(number as u8)
    }

    /// A share such as `5%`, more than 0 and at most 50 %, in hundredths of a per cent.
    pub(super) fn share_bp(&mut self, at: &str, node: &Node) -> Option<u32> {
        let share = match &node.value {
            Value::Text(text) => text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok()),
            _ => None,
        };
        match share.map(|share| (share * 100.0).round()) {
            Some(bp) if (1.0..=5000.0).contains(&bp) => Some(bp as u32),
            _ => {
                self.note(node.line, format!("{at} must be a share such as 5%, more than 0% and at most 50%"));
                None
            }
        }
    }

    /// On or off, in YAML's words and ours.
    pub(super) fn flag(&mut self, at: &str, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Flag(flag) => Some(*flag),
            Value::Text(text) if matches!(text.as_str(), "on" | "yes") => Some(true),
            Value::Text(text) if matches!(text.as_str(), "off" | "no") => Some(false),
            _ => {
                self.note(node.line, format!("{at} must be on or off"));
                None
            }
        }
    }

    /// One of several words. `off` is accepted in YAML's other spelling as well.
    pub(super) fn choice<T: Copy>(&mut self, at: &str, node: &Node, choices: &[(&str, T)]) -> Option<T> {
        let text = match &node.value {
            Value::Text(text) => text.as_str(),
            Value::Flag(false) => "off",
            _ => "",
        };
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let meant = nearest(text, words.iter().copied()).map(|word| format!("; did you mean {word}?"));
            self.note(node.line, format!("{at} must be {}{}", words.join(" or "), meant.unwrap_or_default()));
        }
        found
    }

    /// A time span such as `4h`, in seconds, from five minutes to seven days.
    pub(super) fn span_s(&mut self, at: &str, node: &Node) -> Option<u64> {
        let seconds = match &node.value {
            Value::Text(text) => span_in_seconds(text),
            _ => None,
        };
        let seconds = seconds.filter(|seconds| (300..=7 * 86_400).contains(seconds));
        if seconds.is_none() {
            self.note(node.line, format!("{at} must be a time span from 5m to 7d, such as 30m, 4h or 2d"));
        }
        seconds
    }

    /// An instant in RFC 3339, with its offset.
    pub(super) fn instant(&mut self, at: &str, node: &Node) -> Option<DateTime<Utc>> {
        let instant = match &node.value {
            Value::Text(text) => DateTime::parse_from_rfc3339(text).ok(),
            _ => None,
        };
        if instant.is_none() {
            self.note(node.line, format!("{at} must be an instant such as 2026-12-20T00:00:00Z"));
        }
        instant.map(|instant| instant.to_utc())
    }
}

fn span_in_seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_s = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(unit_s)
}

/// Enough of an untrusted text to recognise it.
pub(super) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
