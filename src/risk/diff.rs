//! What of a change counts: each file's kind and its effective lines, found once and read by all signals.
//! Left out are generated, vendored, lock, binary and ignored files, submodules, and lines that differ in white space only.

use std::{borrow::Cow, rc::Rc};

use super::{
    facts::{AuthorKind, Facts, FileChange, FileStatus, Reason, Source, Unknown},
    patch::{LineKind, Patch, Piece},
    paths::{self, Areas, PathKind},
    patterns::Patterns,
    signal::Evidence,
};

/// The facts together with what of their change counts. Everything that a signal reads.
pub struct View<'a> {
    /// The facts.
    pub facts: &'a Facts,
    diff: Cow<'a, Diff>,
    patterns: Rc<Patterns>,
}

impl<'a> View<'a> {
    /// Looks at facts.
    pub fn of(facts: &'a Facts) -> Self {
        let patterns = Patterns::of(&facts.declared);
        Self { facts, diff: Cow::Owned(Diff::of(facts, &patterns, std::iter::empty())), patterns }
    }

    /// Looks at other facts about the same files: `facts` differs from this view's at most outside of
    /// `change.files`, `change.author` and `declared`, so that the files need not be read again.
    pub fn with<'b>(&'b self, facts: &'b Facts) -> View<'b> {
        View { facts, diff: Cow::Borrowed(&self.diff), patterns: Rc::clone(&self.patterns) }
    }

    /// Looks at other facts of which some files are left out and others come at the end. The kept ones are the same and
    /// in the same order, so that only the new ones have to be read.
    pub fn with_files_of<'b>(&self, facts: &'b Facts) -> View<'b> {
        let diff = Cow::Owned(Diff::of(facts, &self.patterns, self.files()));
        View { facts, diff, patterns: Rc::clone(&self.patterns) }
    }

    /// Looks at the same files in the same order, of whose lines at most their number is left and of which nothing is declared:
    /// what their paths say is known.
    pub(super) fn without_lines<'b>(&self, facts: &'b Facts) -> View<'b> {
        let patterns = Patterns::of(&facts.declared);
        let paths = self.diff.scans.iter().map(|scan| (scan.kind, scan.areas));
        let bot = facts.change.author.kind == AuthorKind::Bot;
        let (mut diff, mut lines) = (Diff::default(), Lines::default());
        for (file, (kind, areas)) in facts.change.files.iter().zip(paths) {
            diff.add(Scan { areas, ..scan_of_kind(file, kind, bot, &patterns, &mut lines) });
        }
        View { facts, diff: Cow::Owned(diff), patterns }
    }

    /// The policy's pattern that gives a file most extra points, and the points.
    pub(super) fn heaviest(&self, scan: &Scan) -> Option<(&str, f64)> {
        scan.heaviest.map(|index| self.patterns.sensitive(index))
    }

    /// What of the change counts.
    pub fn diff(&self) -> &Diff {
        &self.diff
    }

    /// Changed files with what of them counts.
    pub fn files(&self) -> impl Iterator<Item = (&'a FileChange, &Scan)> {
        self.facts.change.files.iter().zip(&self.diff.scans)
    }

    /// Changed files that count for size and spread.
    pub fn counted(&self) -> impl Iterator<Item = (&'a FileChange, &Scan)> {
        self.files().filter(|(_, scan)| scan.counts)
    }

    /// Why nothing can be said of the files: there are some, but none was given.
    pub fn unread(&self) -> Option<Unknown> {
        let nothing = self.facts.change.files.is_empty() && self.facts.change.files_total > 0;
        nothing.then(|| self.partial())
    }

    /// Why nothing can be said of lines: none was counted of any file, since contents could not be read.
    pub fn uncounted(&self) -> Option<Unknown> {
        let unread = |(file, _): (&FileChange, &Scan)| match &file.patch {
            Err(unknown) if matches!(unknown.reason, Reason::Unavailable(_)) => {
                (file.added == 0 && file.deleted == 0).then(|| unknown.clone())
            }
            _ => None,
        };
        let all: Option<Vec<Unknown>> = self.counted().map(unread).collect();
        all?.into_iter().next()
    }

    /// Why nothing can be said of files that are *absent*: not all were given.
    pub fn incomplete(&self) -> Option<Unknown> {
        let seen = self.facts.change.files.len() as u64;
        (seen < self.facts.change.files_total).then(|| self.partial())
    }

    /// Evidence that not all files were given, for signals whose value is a lower bound then.
    pub fn partly(&self) -> Option<Evidence> {
        let change = &self.facts.change;
        let (seen, total) = (change.files.len() as u64, change.files_total);
        (seen < total).then_some(Evidence::Partly { seen, total, of: "files" })
    }

    fn partial(&self) -> Unknown {
        let change = &self.facts.change;
        let (seen, total) = (change.files.len() as u64, change.files_total);
        Unknown { source: Source::Diff, reason: Reason::Partial { seen, total } }
    }
}

/// What of a change counts.
#[derive(Clone, Debug, Default)]
pub struct Diff {
    /// One for each changed file, in their order.
    pub scans: Vec<Scan>,
    /// Effective added lines outside of tests and docs.
    pub added: u64,
    /// Effective deleted lines outside of tests and docs.
    pub deleted: u64,
    /// Lines left out.
    pub discounted: u64,
}

/// What of one changed file counts.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    /// What the file is for.
    pub kind: PathKind,
    /// The sensitive areas that it is or was in.
    pub areas: Areas,
    /// Number of the policy's pattern that gives it most extra points.
    heaviest: Option<usize>,
    /// Whether the file counts for size and spread.
    pub counts: bool,
    /// Effective added lines, those of `tests` included.
    pub added: u64,
    /// Effective deleted lines, those of `tests` included.
    pub deleted: u64,
    /// Effective changed lines that are tests inside of a source file.
    pub tests: u64,
    /// Those of `tests` that were added.
    pub tests_added: u64,
    /// Lines left out.
    pub discounted: u64,
}

impl Scan {
    fn of(kind: PathKind) -> Self {
        Self {
            kind,
            areas: Areas::default(),
            heaviest: None,
            counts: false,
            added: 0,
            deleted: 0,
            tests: 0,
            tests_added: 0,
            discounted: 0,
        }
    }

    /// Effective lines, added and deleted.
    pub fn lines(&self) -> u64 {
        self.added.saturating_add(self.deleted)
    }
}

impl Diff {
    /// `known` are files that were scanned before, in the same order.
    fn of<'a>(facts: &Facts, patterns: &Patterns, known: impl Iterator<Item = (&'a FileChange, &'a Scan)>) -> Self {
        // A bot that moves versions is judged by how far they move, not by how many lines that takes.
        let bot = facts.change.author.kind == AuthorKind::Bot;
        let mut diff = Self { scans: Vec::with_capacity(facts.change.files.len()), ..Self::default() };
        let mut known = known.fuse();
        let mut lines = Lines::default();
        for file in &facts.change.files {
            if let Some((_, scan)) = known.find(|(same, _)| same.path == file.path) {
                diff.add(*scan);
                continue;
            }
            let kind = paths::kind_of(&file.path);
            let mut scan = scan_of_kind(file, kind, bot, patterns, &mut lines);
            scan.areas = paths::areas_of(&file.path, kind);
            // What is moved out of a sensitive place was sensitive.
            if let Some(previous) = &file.previous_path {
                scan.areas.extend(paths::areas_of(previous, paths::kind_of(previous)));
            }
            scan.heaviest = patterns.heaviest([Some(file.path.as_str()), file.previous_path.as_deref()]);
            diff.add(scan);
        }
        diff
    }

    fn add(&mut self, scan: Scan) {
        self.discounted = self.discounted.saturating_add(scan.discounted);
        if !matches!(scan.kind, PathKind::Test | PathKind::Docs) {
            let tests_deleted = scan.tests.saturating_sub(scan.tests_added);
            self.added = self.added.saturating_add(scan.added.saturating_sub(scan.tests_added));
            self.deleted = self.deleted.saturating_add(scan.deleted.saturating_sub(tests_deleted));
        }
        self.scans.push(scan);
    }

    /// Effective lines of the whole change, tests and docs included.
    pub fn lines(&self) -> u64 {
        self.scans.iter().fold(0, |sum, scan| sum.saturating_add(scan.lines()))
    }
}

fn scan_of_kind<'a>(
    file: &'a FileChange,
    kind: PathKind,
    bot: bool,
    patterns: &Patterns,
    lines: &mut Lines<'a>,
) -> Scan {
    let left_out = matches!(kind, PathKind::Generated | PathKind::Vendored | PathKind::Lock)
        || file.binary
        || file.submodule
        || file.status == FileStatus::Unchanged
        || bot && kind == PathKind::Manifest
        || patterns.is_ignored(&file.path);
    if left_out {
        return Scan { discounted: file.added.saturating_add(file.deleted), ..Scan::of(kind) };
    }
    effective(file, kind, lines)
}

fn effective<'a>(file: &'a FileChange, kind: PathKind, lines: &mut Lines<'a>) -> Scan {
    let found = file.patch.as_ref().map(|patch| look(patch, &file.path, lines)).unwrap_or_default();
    // The source's own counts hold even where it cuts the patch.
    let added = file.added.saturating_sub(found.blank_added);
    let deleted = file.deleted.saturating_sub(found.blank_deleted);
    let (tests_added, tests_deleted) = (found.tests_added.min(added), found.tests_deleted.min(deleted));
    let white_space_only = added == 0 && deleted == 0 && (file.added > 0 || file.deleted > 0);
    Scan {
        counts: !white_space_only,
        added,
        deleted,
        tests: tests_added.saturating_add(tests_deleted),
        tests_added,
        discounted: file.added.saturating_sub(added).saturating_add(file.deleted.saturating_sub(deleted)),
        ..Scan::of(kind)
    }
}

/// A run of changed lines that are not blank, between context; kept from file to file for its memory.
#[derive(Default)]
struct Lines<'a> {
    deleted: Vec<&'a str>,
    added: Vec<&'a str>,
    /// The visible sums of those deleted.
    sums: Vec<u8>,
}

/// What the lines of one patch amount to.
#[derive(Default)]
struct Look {
    /// Added lines that are blank or differ from a deleted one in white space only.
    blank_added: u64,
    /// The same for deleted lines.
    blank_deleted: u64,
    /// Other added lines in a test module inside of a source file.
    tests_added: u64,
    /// The same for deleted lines.
    tests_deleted: u64,
}

fn look<'a>(patch: &'a Patch, path: &str, lines: &mut Lines<'a>) -> Look {
    let layout = Layout::of(path);
    let has_inline_tests = paths::has_extension(path, "rs");
    let mut look = Look::default();
    let mut in_tests = false;
    for piece in patch.pieces() {
        let (text, kind) = match piece {
            Piece::Line(line) => (line.text, line.kind),
            Piece::Hunk(heading) => (heading, LineKind::Context),
        };
        let edge = has_inline_tests && kind != LineKind::Deleted && matches!(text.as_bytes().last(), Some(b'{' | b'}'));
        let next = if edge { in_tests_behind(text, in_tests) } else { in_tests };
        if kind == LineKind::Context || next != in_tests {
            look.block(lines, layout, in_tests);
            in_tests = next;
        }
        match kind {
            LineKind::Context => {}
            LineKind::Added if is_blank(text) => look.blank_added += 1,
            LineKind::Added => lines.added.push(text),
            LineKind::Deleted if is_blank(text) => look.blank_deleted += 1,
            LineKind::Deleted => lines.deleted.push(text),
        }
    }
    look.block(lines, layout, in_tests);
    look
}

/// Rust keeps unit tests in a module inside of the file that they test; at the margin it ends.
fn in_tests_behind(line: &str, before: bool) -> bool {
    let opens = matches!(line.trim(), "mod tests {" | "mod test {");
    opens || before && line != "}"
}

impl Look {
    /// Takes in a run of changed lines.
    fn block(&mut self, lines: &mut Lines<'_>, layout: Layout, in_tests: bool) {
        if lines.added.is_empty() && lines.deleted.is_empty() {
            return;
        }
        let pairs = white_space_pairs(lines, layout);
        self.blank_deleted += pairs;
        self.blank_added += pairs;
        if in_tests {
            self.tests_added += lines.added.len() as u64 - pairs;
            self.tests_deleted += lines.deleted.len() as u64 - pairs;
        }
        lines.deleted.clear();
        lines.added.clear();
    }
}

fn is_blank(line: &str) -> bool {
    line.bytes().all(|byte| byte.is_ascii_whitespace())
}

/// Whether indentation carries meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Free,
    Significant,
}

impl Layout {
    fn of(path: &str) -> Self {
        const SIGNIFICANT: [&str; 16] = [
            "py", "pyi", "yml", "yaml", "haml", "slim", "pug", "coffee", "nim", "fs", "fsx", "hs", "elm", "sass", "mk",
            "gd",
        ];
        let significant = paths::has_one_of(path, &SIGNIFICANT) || path.ends_with("Makefile");
        if significant { Self::Significant } else { Self::Free }
    }
}

/// Pairs of deleted and added lines, in order, that are equal but for white space. A line is looked for a few places
/// ahead only, so that the work stays linear; what lies farther apart counts as changed.
fn white_space_pairs(Lines { deleted, added, sums }: &mut Lines<'_>, layout: Layout) -> u64 {
    const AHEAD: usize = 8;
    if deleted.is_empty() || added.is_empty() {
        return 0;
    }
    sums.clear();
    sums.extend(deleted.iter().map(|line| visible_sum(line)));
    let (mut next, mut pairs) = (0, 0);
    for line in added.iter() {
        if next == deleted.len() {
            break;
        }
        let sum = visible_sum(line);
        let mut window = next..deleted.len().min(next + AHEAD);
        if let Some(at) = window.find(|&at| sums[at] == sum && same_but_for_white_space(deleted[at], line, layout)) {
            next = at + 1;
            pairs += 1;
        }
    }
    pairs
}

/// A number that lines which differ in white space only have in common. Most other lines differ in it, and it is far
/// quicker to compare; of eight bits, it is added up many bytes at a time.
fn visible_sum(line: &str) -> u8 {
    line.bytes().fold(0, |sum, byte| sum.wrapping_add(if byte > b' ' { byte } else { 0 }))
}

/// White space inside of quotes is content, and so is indentation where the language says so.
fn same_but_for_white_space(old: &str, new: &str, layout: Layout) -> bool {
    if layout == Layout::Significant {
        return old.trim_ascii_end() == new.trim_ascii_end();
    }
    let mut left = old.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let mut right = new.bytes().filter(|byte| !byte.is_ascii_whitespace());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(b'"' | b'\'' | b'`'), Some(b'"' | b'\'' | b'`')) => return old.trim_ascii() == new.trim_ascii(),
            (a, b) if a != b => return false,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::stories::{file, pull_request, text_file};

    fn patched(path: &str, added: u64, deleted: u64, patch: &str) -> FileChange {
        FileChange { patch: Ok(Patch(patch.into())), ..file(path, added, deleted) }
    }

    #[test]
    fn lines_that_differ_in_white_space_only_are_left_out() {
        let check = |path: &str, body: &[&str], expected: (u64, u64)| {
            let count = |sign: char| body.iter().filter(|line| line.starts_with(sign)).count() as u64;
            let (added, deleted) = (count('+'), count('-'));
            let patch = format!("@@ -1,99 +1,99 @@\n{}", body.join("\n"));
            let facts = pull_request("x", vec![patched(path, added, deleted, &patch)]);
            let scan = View::of(&facts).diff().scans[0];
            assert_eq!((scan.added, scan.deleted), expected, "{path} {body:?}");
            assert_eq!(scan.discounted, added + deleted - scan.lines());
            assert_eq!(scan.counts, scan.lines() > 0);
        };
        check("a.rs", &["-a(b)", "+  a( b )"], (0, 0));
        check("a.rs", &["-a", "+b"], (1, 1));
        check("a.rs", &["+", "+ \t", "-"], (0, 0));
        check("a.rs", &["-a", "-b", "+if x {", "+  a", "+  b", "+}"], (2, 0));
        check("a.rs", &["-a\r", "+a"], (0, 0));
        // Indentation and what stands in quotes have a meaning.
        check("a.py", &["-a", "+  a"], (1, 1));
        check("a.py", &["-a ", "+a"], (0, 0));
        check("a.rs", &["-x(\"a b\")", "+x(\"ab\")"], (1, 1));
        check("a.rs", &["-x(\"a b\")", "+    x(\"a b\")"], (0, 0));
        // A line that moves past context is a change.
        check("a.rs", &["-a", " b", "+a"], (1, 1));
        check("a.rs", &["-a", "-b", "+b", "+a"], (1, 1));
    }

    #[test]
    fn some_files_do_not_count() {
        let check = |file: FileChange, counts: bool| {
            let mut facts = pull_request("x", vec![file.clone()]);
            facts.declared.ignore = vec!["gen/**".into(), "*.snap".into(), "[broken".into()];
            let view = View::of(&facts);
            assert_eq!(view.diff().scans[0].counts, counts, "{}", file.path);
            let expected = if counts { (5, 2, 0) } else { (0, 0, 7) };
            assert_eq!((view.diff().added, view.diff().deleted, view.diff().discounted), expected, "{}", file.path);
        };
        check(file("src/a.rs", 5, 2), true);
        check(file("config.yaml", 5, 2), true);
        check(file("gen/a.rs", 5, 2), false);
        check(file("src/gen/a.rs", 5, 2), true);
        check(file("Cargo.lock", 5, 2), false);
        check(file("vendor/a.go", 5, 2), false);
        check(file("api/a.pb.go", 5, 2), false);
        check(FileChange { binary: true, ..file("src/a.rs", 5, 2) }, false);
        check(FileChange { submodule: true, ..file("lib", 5, 2) }, false);
        check(FileChange { patch: Err(Unknown::not_connected(Source::Diff)), ..file("src/a.rs", 5, 2) }, true);
    }

    #[test]
    fn a_rename_counts_as_a_file_without_lines() {
        let renamed = FileChange {
            status: FileStatus::Renamed,
            previous_path: Some("src/old.rs".into()),
            ..patched("src/new.rs", 0, 0, "")
        };
        let facts = pull_request("x", vec![renamed]);
        assert_eq!(View::of(&facts).counted().count(), 1);
    }

    #[test]
    fn unit_tests_inside_of_rust_files_are_tests() {
        let source = "fn a() {}\n#[cfg(test)]\nmod c;\nmod tests {\n    #[test]\n    fn b() {}\n}\nfn d() {}";
        let mut files = vec![text_file("src/a.rs", source), text_file("src/a.py", source)];
        files.push(patched("src/b.rs", 1, 0, "@@ -9,0 +9,1 @@ mod tests {\n+    x();"));
        let edited = "@@ -1,4 +1,6 @@\n+fn a() {}\n x\n #[cfg(test)]\n mod tests {\n+    x();\n y";
        files.push(patched("src/c.rs", 2, 0, edited));
        let facts = pull_request("x", files);
        let view = View::of(&facts);
        let tests: Vec<u64> = view.diff().scans.iter().map(|scan| scan.tests_added).collect();
        assert_eq!(tests, [3, 0, 1, 1]);
    }

    #[test]
    fn manifests_of_a_bot_are_judged_by_their_versions() {
        let mut facts = pull_request("x", vec![file("Cargo.toml", 5, 5), file("src/a.rs", 1, 0)]);
        assert_eq!(View::of(&facts).diff().added, 6);
        facts.change.author.kind = AuthorKind::Bot;
        assert_eq!(View::of(&facts).diff().added, 1);
    }
}
