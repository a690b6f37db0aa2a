//! One change to a CODEOWNERS file, as lines that are replaced and as a patch that `git apply` takes.

use std::fmt::Write as _;

use super::Rule;

/// Lines around a change, as in every patch.
const CONTEXT: usize = 3;

/// Some lines in the place of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Lines before it.
    at: usize,
    /// How many lines it takes away.
    removed: usize,
    /// Lines that it puts in their place, without line ends.
    added: Vec<String>,
}

impl Edit {
    /// Takes a line (1-based) away.
    pub(super) fn remove(line: u64) -> Self {
        Self { at: before(line), removed: 1, added: Vec::new() }
    }

    /// Puts lines behind a line (1-based).
    pub(super) fn after(line: u64, lines: &[String]) -> Self {
        Self { at: before(line) + 1, removed: 0, added: lines.to_vec() }
    }

    /// Puts a line at the end.
    pub(super) fn append(text: &str, line: &str) -> Self {
        Self { at: lines(text).len(), removed: 0, added: vec![line.to_owned()] }
    }

    /// Gives a rule other owners; what stands before and behind them stays.
    pub(super) fn owners(text: &str, rule: &Rule, owners: &[String]) -> Self {
        let line = lines(text).get(before(rule.line)).copied().unwrap_or_default();
        let (line, end) = line.strip_suffix('\r').map_or((line, ""), |line| (line, "\r"));
        let pattern = line.find(&rule.pattern).map_or(line.len(), |at| at + rule.pattern.len());
        let rest = &line[pattern..];
        let gap = &rest[..rest.len() - rest.trim_start_matches([' ', '\t']).len()];
        let gap = if gap.is_empty() { " " } else { gap };
        let comment = rest.find('#').map_or("", |at| &rest[at..]);
        let space = if comment.is_empty() { "" } else { " " };
        let new = format!("{}{gap}{}{space}{comment}{end}", &line[..pattern], owners.join(" "));
        Self { at: before(rule.line), removed: 1, added: vec![new] }
    }

    /// The text after the change.
    pub fn applied(&self, text: &str) -> String {
        let old = lines(text);
        let kept = old.iter().take(self.at).copied();
        let all =
            kept.chain(self.added.iter().map(String::as_str)).chain(old.iter().skip(self.at + self.removed).copied());
        all.flat_map(|line| [line, "\n"]).collect()
    }

    /// The change as a unified diff of `path`; of a file that is not there yet if `exists` is false.
    pub fn patch(&self, text: &str, path: &str, exists: bool) -> String {
        let old = lines(text);
        let from = self.at.saturating_sub(CONTEXT);
        let until = (self.at + self.removed + CONTEXT).min(old.len());
        // A last line without an end gets one when something follows it.
        let open = !text.is_empty() && !text.ends_with('\n');
        let last = old.len().saturating_sub(1);
        let ends_open = |at: usize| open && at == last;
        let mends_end = open && self.at == old.len() && self.removed == 0;
        let mut body = String::new();
        for (at, line) in old.iter().enumerate().take(self.at).skip(from) {
            match ends_open(at) && mends_end {
                true => _ = write!(body, "-{line}\n\\ No newline at end of file\n+{line}\n"),
                false => _ = writeln!(body, " {line}"),
            }
        }
        for (at, line) in old.iter().enumerate().skip(self.at).take(self.removed) {
            let _ = writeln!(body, "-{line}");
            if ends_open(at) {
                body.push_str("\\ No newline at end of file\n");
            }
        }
        for line in &self.added {
            let _ = writeln!(body, "+{line}");
        }
        for (at, line) in old.iter().enumerate().take(until).skip(self.at + self.removed) {
            let _ = writeln!(body, " {line}");
            if ends_open(at) {
                body.push_str("\\ No newline at end of file\n");
            }
        }
        let (old_lines, new_lines) = (until - from, until - from - self.removed + self.added.len());
        let place = |lines: usize| if lines == 0 { from } else { from + 1 };
        let head = format!("@@ -{},{old_lines} +{},{new_lines} @@\n", place(old_lines), place(new_lines));
        let source = if exists { format!("a/{path}") } else { "/dev/null".to_owned() };
        let new = if exists { "" } else { "new file mode 100644\n" };
        format!("diff --git a/{path} b/{path}\n{new}--- {source}\n+++ b/{path}\n{head}{body}")
    }
}

fn before(line: u64) -> usize {
    usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1)
}

/// The lines of a text without their line ends; a carriage return is a part of its line.
fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    if lines.last() == Some(&"") {
        lines.pop();
    }
    lines
}
