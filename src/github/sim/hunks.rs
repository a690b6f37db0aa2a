//! Unified hunks in the form of GitHub's `patch` field: no file headers, three lines of context, git's headings.

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

/// Added and deleted lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) added: u64,
    pub(super) deleted: u64,
}

impl Counts {
    pub(super) fn total(self) -> u64 {
        self.added + self.deleted
    }
}

/// Lines of context around a change: git's default.
const CONTEXT: usize = 3;
/// Longest section heading that git prints, in characters.
const HEADING_MAX: usize = 80;
/// Above this many lines on both sides the whole file is taken as rewritten: an exact diff could take minutes.
const EXACT_LINES_MAX: usize = 20_000;

/// The hunks between two texts, without a final line break, and what they count.
pub(super) fn unified(old: &str, new: &str) -> (String, Counts) {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let ops = if old.len().min(new.len()) > EXACT_LINES_MAX {
        vec![DiffOp::Replace { old_index: 0, old_len: old.len(), new_index: 0, new_len: new.len() }]
    } else {
        placed(&capture_diff_slices(Algorithm::Myers, &old, &new))
    };
    let mut counts = Counts::default();
    for op in &ops {
        if !matches!(op, DiffOp::Equal { .. }) {
            counts.deleted += op.old_range().len() as u64;
            counts.added += op.new_range().len() as u64;
        }
    }
    let mut patch = String::new();
    for group in group_diff_ops(ops, CONTEXT) {
        hunk(&mut patch, &group, &old, &new);
    }
    if patch.ends_with('\n') {
        patch.pop();
    }
    (patch, counts)
}

/// The same operations with their places counted anew: `similar` shifts operations without moving the places of the
/// side that they do not touch.
fn placed(ops: &[DiffOp]) -> Vec<DiffOp> {
    let (mut old_index, mut new_index) = (0, 0);
    let mut placed = Vec::with_capacity(ops.len());
    for op in ops {
        let (old_len, new_len) = (op.old_range().len(), op.new_range().len());
        placed.push(match op {
            DiffOp::Equal { len, .. } => DiffOp::Equal { old_index, new_index, len: *len },
            DiffOp::Delete { .. } => DiffOp::Delete { old_index, old_len, new_index },
            DiffOp::Insert { .. } => DiffOp::Insert { old_index, new_index, new_len },
            DiffOp::Replace { .. } => DiffOp::Replace { old_index, old_len, new_index, new_len },
        });
        old_index += old_len;
        new_index += new_len;
    }
    placed
}

fn hunk(patch: &mut String, group: &[DiffOp], old: &[&str], new: &[&str]) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let old_range = first.old_range().start..last.old_range().end;
    let new_range = first.new_range().start..last.new_range().end;
    let heading = heading(&old[..old_range.start]);
    patch.push_str(&format!("@@ -{} +{} @@{heading}\n", span(&old_range), span(&new_range)));
    for op in group {
        if let DiffOp::Equal { .. } = op {
            lines(patch, ' ', &old[op.old_range()]);
        } else {
            lines(patch, '-', &old[op.old_range()]);
            lines(patch, '+', &new[op.new_range()]);
        }
    }
}

fn lines(patch: &mut String, sign: char, lines: &[&str]) {
    for line in lines {
        patch.push(sign);
        patch.push_str(line);
        if !line.ends_with('\n') {
            patch.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// `start,length` as unified diffs count: from 1, from 0 when empty, the length left out when it is 1.
fn span(range: &std::ops::Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        n => format!("{},{n}", range.start + 1),
    }
}

/// The last line above the hunk that starts like a definition: git's default rule.
fn heading(above: &[&str]) -> String {
    let defines = |l: &&&str| l.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$');
    let line = above.iter().rev().find(defines).map(|l| l.trim_end());
    line.map(|l| format!(" {}", l.chars().take(HEADING_MAX).collect::<String>())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str) {
        let (patch, counts) = unified(old, new);
        let added = patch.lines().filter(|l| l.starts_with('+')).count() as u64;
        let deleted = patch.lines().filter(|l| l.starts_with('-')).count() as u64;
        assert_eq!((added, deleted), (counts.added, counts.deleted), "{patch}");
        if old == new {
            assert_eq!(patch, "");
            return;
        }
        let whole = format!("--- a\n+++ b\n{patch}\n");
        let parsed = diffy::Patch::from_str(&whole).unwrap_or_else(|e| panic!("{e}\n{whole}"));
        assert_eq!(diffy::apply(old, &parsed).unwrap(), new, "{whole}");
    }

    #[test]
    fn a_patch_applied_gives_the_new_text() {
        let long: String = (0..60).map(|i| format!("line {i}\n")).collect();
        check("", "a\n");
        check("a\n", "");
        check("a\nb\nc\n", "a\nx\nc\n");
        check("a", "b");
        check("a", "a\n");
        check("a\n", "a");
        check("a\r\nb\rc\n", "a\nb\rc\r\n");
        check(&long, &long.replace("line 7\n", "").replace("line 50\n", "fn x() {\n}\n"));
        check("-- x\n++ y\n", "++ y\n-- z\n");
        check("ä\u{2028}ö\n", "ä\u{2028}ü\n");
    }

    proptest::proptest! {
        #[test]
        fn any_two_texts(old in "([ab]{0,2}\r?\n){0,30}c?", new in "([ab]{0,2}\r?\n){0,30}c?") {
            check(&old, &new);
        }
    }

    #[test]
    fn headings_follow_git() {
        let (patch, _) = unified("fn main() {\n1\n2\n3\n4\n5\n6\n}\n", "fn main() {\n1\n2\n3\n4\n5\nx\n}\n");
        assert_eq!(patch, "@@ -4,5 +4,5 @@ fn main() {\n 3\n 4\n 5\n-6\n+x\n }");
    }
}
