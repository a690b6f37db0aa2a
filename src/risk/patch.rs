//! A file's patch as GitHub gives it: hunks without a file header, perhaps cut off. Lines are counted by the numbers
//! in `@@`, so that `+++ x` inside a hunk is content. Nothing here fails: what cannot be read is passed over.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::facts::{FileChange, FileStatus, Known, Reason, Source, Unknown};

/// Hunks of one file in unified format, from the first `@@` on. Untrusted text; may be cut off anywhere. Shared, since
/// facts are copied to try what would change a score.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Patch(pub Arc<str>);

/// One line of a hunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchLine<'a> {
    /// What the patch does with it.
    pub kind: LineKind,
    /// 1-based line number, on the new side for context and added lines, on the old side for deleted ones.
    pub number: u64,
    /// Text without the leading sign.
    pub text: &'a str,
}

/// What a patch does with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Unchanged.
    Context,
    /// Only on the new side.
    Added,
    /// Only on the old side.
    Deleted,
}

/// A hunk header or a line of the hunk before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A hunk begins; what stands behind the second `@@`, mostly the line that opens the enclosing function.
    Hunk(&'a str),
    /// A line.
    Line(PatchLine<'a>),
}

impl Patch {
    /// Lines of all hunks, in order.
    pub fn lines(&self) -> impl Iterator<Item = PatchLine<'_>> {
        self.pieces().filter_map(|piece| match piece {
            Piece::Hunk(_) => None,
            Piece::Line(line) => Some(line),
        })
    }

    /// Hunk headers and lines, in order.
    pub fn pieces(&self) -> Pieces<'_> {
        Pieces { rest: Rows(Some(&self.0)), old: Side::default(), new: Side::default(), open: false }
    }
}

/// Iterator of [`Patch::pieces`].
pub struct Pieces<'a> {
    rest: Rows<'a>,
    old: Side,
    new: Side,
    open: bool,
}

/// What lies between line feeds, as `str::split` gives it; patches are long, and `memchr` is several times as fast.
#[derive(Clone)]
struct Rows<'a>(Option<&'a str>);

impl<'a> Iterator for Rows<'a> {
    type Item = &'a str;

    #[inline(always)]
    fn next(&mut self) -> Option<&'a str> {
        let text = self.0?;
        let (row, rest) = match memchr::memchr(b'\n', text.as_bytes()) {
            Some(end) => (&text[..end], Some(&text[end + 1..])),
            None => (text, None),
        };
        self.0 = rest;
        Some(row)
    }
}

/// Where a hunk stands on one side: the next line's number and how many lines are still to come.
#[derive(Clone, Copy, Default)]
struct Side {
    next: u64,
    left: u64,
}

impl Side {
    fn take(&mut self) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.left = self.left.saturating_sub(1);
        number
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            let raw = self.rest.next()?;
            // Once its counts are used up a hunk is over, and only a header may follow.
            let inside = self.open && (self.old.left > 0 || self.new.left > 0);
            let line = match raw.as_bytes().first() {
                Some(b'+') if inside => self.line(LineKind::Added, &raw[1..]),
                Some(b'-') if inside => self.line(LineKind::Deleted, &raw[1..]),
                Some(b' ') if inside => self.line(LineKind::Context, &raw[1..]),
                // Tools that strip trailing blanks leave an empty context line empty, but the text ends so as well.
                None if inside && self.rest.clone().next().is_some() => self.line(LineKind::Context, raw),
                Some(b'@') => match self.header(raw) {
                    Some(heading) => return Some(Piece::Hunk(heading)),
                    None => continue,
                },
                _ => continue,
            };
            return Some(Piece::Line(line));
        }
    }
}

impl<'a> Pieces<'a> {
    fn line(&mut self, kind: LineKind, text: &'a str) -> PatchLine<'a> {
        let number = match kind {
            LineKind::Added => self.new.take(),
            LineKind::Deleted => self.old.take(),
            LineKind::Context => {
                self.old.take();
                self.new.take()
            }
        };
        PatchLine { kind, number, text }
    }

    fn header(&mut self, raw: &'a str) -> Option<&'a str> {
        let (ranges, heading) = raw.strip_prefix("@@ -")?.split_once(" @@")?;
        let (old, new) = ranges.split_once(" +")?;
        (self.old, self.new, self.open) = (side(old)?, side(new)?, true);
        Some(heading.strip_prefix(' ').unwrap_or(heading))
    }
}

/// `12,3` or `12`, which means one line. An empty side is written as the line before it.
fn side(range: &str) -> Option<Side> {
    let (start, left) = range.split_once(',').unwrap_or((range, "1"));
    let (start, left): (u64, u64) = (start.parse().ok()?, left.parse().ok()?);
    Some(Side { next: start.max(1), left })
}

/// Whether `undoing` takes back exactly what `undone` did: the same files, renames the other way round, and in each
/// file the added lines deleted and the deleted ones added, in order and between the same neighbouring lines. Line
/// numbers and the lines further off are left aside, since the code around may have moved on. Unknown where a patch is
/// missing, cut off or not text.
pub fn is_inverse(undone: &[FileChange], undoing: &[FileChange]) -> Known<bool> {
    if undone.is_empty() || undone.len() != undoing.len() {
        return Ok(false);
    }
    let mut expected: Vec<&FileChange> = undone.iter().collect();
    let mut actual: Vec<&FileChange> = undoing.iter().collect();
    expected.sort_by(|a, b| before(a).cmp(&before(b)));
    actual.sort_by(|a, b| after(a).cmp(&after(b)));
    // One file that certainly differs settles the question, however many others are unknown.
    let mut verdict = Ok(true);
    for (done, back) in expected.into_iter().zip(actual) {
        match inverts(done, back) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(unknown) => verdict = verdict.and(Err(unknown)),
        }
    }
    verdict
}

fn before(file: &FileChange) -> (&str, &str) {
    (file.previous_path.as_deref().unwrap_or(&file.path), &file.path)
}

fn after(file: &FileChange) -> (&str, &str) {
    (&file.path, file.previous_path.as_deref().unwrap_or(&file.path))
}

fn inverts(done: &FileChange, back: &FileChange) -> Known<bool> {
    let opposite = match done.status {
        FileStatus::Added | FileStatus::Copied => FileStatus::Removed,
        FileStatus::Removed => FileStatus::Added,
        same => same,
    };
    if before(done) != after(back)
        || back.status != opposite
        || (done.added, done.deleted) != (back.deleted, back.added)
        || (done.binary, done.submodule) != (back.binary, back.submodule)
    {
        return Ok(false);
    }
    // A new file whose name goes away again needs no look inside; all else that is not text does.
    let empty = done.added == 0 && done.deleted == 0;
    let withheld = done.binary
        || done.status == FileStatus::Changed
        || empty && (done.submodule || done.status == FileStatus::Modified);
    if withheld && done.status != FileStatus::Added {
        return Err(not_comparable());
    }
    if withheld {
        return Ok(true);
    }
    let (done, back) = (runs(done)?, runs(back)?);
    Ok(done.len() == back.len() && done.iter().zip(&back).all(|(done, back)| done.is_undone_by(back)))
}

/// Changed lines without context between them, and the context lines right above and below; `None` at either end of
/// the file. The flag of a line says that the file ends right behind it, without a line feed.
#[derive(Default)]
struct Run<'a> {
    above: Option<&'a str>,
    added: Vec<(&'a str, bool)>,
    deleted: Vec<(&'a str, bool)>,
    below: Option<&'a str>,
}

impl Run<'_> {
    /// A merge takes no change back whose neighbouring lines have changed since, so that those still tell the place.
    fn is_undone_by(&self, back: &Run<'_>) -> bool {
        (self.above, self.below) == (back.above, back.below) && self.added == back.deleted && self.deleted == back.added
    }
}

fn runs(file: &FileChange) -> Known<Vec<Run<'_>>> {
    let patch = file.patch.as_ref().map_err(Clone::clone)?;
    let (mut runs, mut above) = (Vec::new(), None);
    let mut run: Option<Run<'_>> = None;
    let mut pieces = patch.pieces();
    while let Some(piece) = pieces.next() {
        let unterminated = pieces.rest.clone().next().is_some_and(|next| next.starts_with('\\'));
        let context = match piece {
            Piece::Hunk(_) => None,
            Piece::Line(line) if line.kind == LineKind::Context => Some(line.text),
            Piece::Line(line) => {
                let run = run.get_or_insert_with(|| Run { above, ..Run::default() });
                let side = if line.kind == LineKind::Added { &mut run.added } else { &mut run.deleted };
                side.push((line.text, unterminated));
                continue;
            }
        };
        runs.extend(run.take().map(|run| Run { below: context, ..run }));
        above = context;
    }
    runs.extend(run);
    let count = |side: fn(&Run<'_>) -> usize| runs.iter().map(side).sum::<usize>() as u64;
    let whole = count(|run| run.added.len()) == file.added && count(|run| run.deleted.len()) == file.deleted;
    if whole { Ok(runs) } else { Err(not_comparable()) }
}

fn not_comparable() -> Unknown {
    Unknown { source: Source::Diff, reason: Reason::Unusable("the patch is cut off or not text".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(patch: &str) -> String {
        Patch(patch.into())
            .lines()
            .map(|line| {
                let sign = match line.kind {
                    LineKind::Added => '+',
                    LineKind::Deleted => '-',
                    LineKind::Context => ' ',
                };
                format!("{}{sign}{};", line.number, line.text)
            })
            .collect()
    }

    #[test]
    fn counts_by_the_hunk_numbers() {
        let check = |patch: &str, expected: &str| assert_eq!(lines(patch), expected, "{patch}");
        check("", "");
        check("no hunk\n+x\n-y", "");
        check("@@ -1 +1 @@\n-a\n+b", "1-a;1+b;");
        check("@@ -1,2 +1,3 @@ fn main() {\n a\n+b\n c\n", "1 a;2+b;3 c;");
        check("@@ -5,2 +5,2 @@\n--- x\n+++ y\n c", "5--- x;5+++ y;6 c;");
    }

    #[test]
    fn odd_patches_are_read_as_far_as_they_go() {
        let check = |patch: &str, expected: &str| assert_eq!(lines(patch), expected, "{patch}");
        check("--- a/x\n+++ b/x\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file", "1+a;2+b;");
        check("@@ -1,1 +1,1 @@\n-a\n+b\n+not counted\n-nor this", "1-a;1+b;");
        check("@@ -1,9 +1,9 @@\n a\n+cut", "1 a;2+cut;");
        check("@@ -1,9 +1,9 @@\n a\n@@ -20,1 +21,1 @@\n-x\n+y", "1 a;20-x;21+y;");
        check("@@ -1,2 +1,2 @@\n\n-a\n+b", "1 ;2-a;2+b;");
        check("@@ -1 +1 @@\r\n-a\r\n+b\r\n", "1-a\r;1+b\r;");
        check("@@ -99999999999999999999 +1 @@\n+a", "");
        check(
            "@@ -18446744073709551615,5 +18446744073709551615,5 @@\n+a\n+b",
            "18446744073709551615+a;18446744073709551615+b;",
        );
        check("@@", "");
        check("@@ -1 +1 @@", "");
        check("@@ -a,b +c @@\n+x", "");
    }

    #[test]
    fn headings_of_hunks_are_given() {
        let patch = Patch("@@ -1 +1,2 @@ def down\n a\n+b\n@@ -9,0 +10 @@\n+c".into());
        let headings: Vec<_> =
            patch.pieces().filter_map(|p| if let Piece::Hunk(h) = p { Some(h) } else { None }).collect();
        assert_eq!(headings, ["def down", ""]);
    }

    fn file(path: &str, status: FileStatus, patch: &str) -> FileChange {
        let patch = Patch(patch.into());
        let count = |kind| patch.lines().filter(|line| line.kind == kind).count() as u64;
        FileChange {
            path: path.into(),
            previous_path: None,
            status,
            added: count(LineKind::Added),
            deleted: count(LineKind::Deleted),
            patch: Ok(patch.clone()),
            binary: false,
            submodule: false,
        }
    }

    #[test]
    fn only_an_exact_inverse_is_one() {
        use FileStatus::{Added, Modified, Removed, Renamed};
        let change = [file("a", Modified, "@@ -1,2 +1,2 @@\n-x\n+y\n z"), file("b", Added, "@@ -0,0 +1 @@\n+new")];
        let back = [file("b", Removed, "@@ -1 +0,0 @@\n-new"), file("a", Modified, "@@ -7,3 +7,3 @@\n-y\n+x\n z\n w")];
        let check = |undoing: &[FileChange], expected: bool| assert_eq!(is_inverse(&change, undoing), Ok(expected));
        check(&back, true);
        check(&change, false);
        check(&back[..1], false);
        check(&[], false);
        check(&[back[0].clone(), file("a", Modified, "@@ -7,2 +7,3 @@\n-y\n+x\n+extra\n z")], false);
        check(&[back[0].clone(), file("a", Modified, "@@ -7,2 +7,2 @@\n-y\n+x \n z")], false);
        check(
            &[back[0].clone(), file("a", Modified, "@@ -7,2 +7,2 @@\n-y\n+x\n\\ No newline at end of file\n z")],
            false,
        );
        check(&[back[0].clone(), file("c", Modified, "@@ -7 +7 @@\n-y\n+x")], false);
        assert_eq!(is_inverse(&[], &[]), Ok(false));

        let renamed = |from: &str, to: &str| FileChange { previous_path: Some(from.into()), ..file(to, Renamed, "") };
        assert_eq!(is_inverse(&[renamed("a", "b")], &[renamed("b", "a")]), Ok(true));
        assert_eq!(is_inverse(&[renamed("a", "b")], &[renamed("a", "b")]), Ok(false));
        assert_eq!(
            is_inverse(&[renamed("a", "b"), renamed("b", "a")], &[renamed("a", "b"), renamed("b", "a")]),
            Ok(true)
        );
    }

    #[test]
    fn an_inverse_is_at_the_same_place() {
        let check = |done: &str, back: &str, expected: bool| {
            let file = |patch| [file("app.ini", FileStatus::Modified, patch)];
            assert_eq!(is_inverse(&file(done), &file(back)), Ok(expected), "{done}\n{back}");
        };
        let staging = "@@ -1,3 +1,4 @@\n [staging]\n+debug = true\n host = a\n port = 1";
        // The code above has grown, and a line further off has changed.
        check(staging, "@@ -91,4 +91,3 @@\n [staging]\n-debug = true\n host = a\n port = 2", true);
        check(staging, "@@ -9,4 +9,3 @@\n [production]\n-debug = true\n host = a\n port = 1", false);
        check(staging, "@@ -1,4 +1,3 @@\n [staging]\n-debug = true\n host = b\n port = 1", false);
        check(staging, "@@ -1,2 +1 @@\n [staging]\n-debug = true", false);
        // One hunk or two, the runs are the same; what stood between them must still.
        let two = "@@ -1,4 +1,4 @@\n-a\n+b\n x\n-c\n+d\n y";
        check(two, "@@ -1,4 +1,4 @@\n-b\n+a\n x\n-d\n+c\n y", true);
        check(two, "@@ -1,2 +1,2 @@\n-b\n+a\n x\n@@ -50,3 +50,3 @@\n x\n-d\n+c\n y", true);
        check(two, "@@ -1,4 +1,4 @@\n-b\n-d\n+a\n+c\n x\n y", false);
    }

    #[test]
    fn what_cannot_be_compared_is_unknown_unless_something_else_settles_it() {
        use FileStatus::{Added, Changed, Modified, Removed};
        let withheld = |path: &str| FileChange {
            patch: Err(Unknown::not_connected(Source::Diff)),
            ..file(path, Modified, "@@ -1 +1 @@\n-x\n+y")
        };
        assert!(is_inverse(&[withheld("a")], &[withheld("a")]).is_err());
        assert_eq!(
            is_inverse(&[withheld("a"), file("b", Added, "")], &[withheld("a"), file("b", Added, "")]),
            Ok(false)
        );
        let cut = FileChange { added: 9, ..file("a", Modified, "@@ -1 +1,9 @@\n+y") };
        let back = FileChange { deleted: 9, ..file("a", Modified, "@@ -1,9 +1 @@\n-y") };
        assert!(is_inverse(&[cut], &[back]).is_err());
        let image = |status| FileChange { binary: true, ..file("a.png", status, "") };
        assert_eq!(is_inverse(&[image(Added)], &[image(Removed)]), Ok(true));
        assert!(is_inverse(&[image(Removed)], &[image(Added)]).is_err());
        assert!(is_inverse(&[image(Modified)], &[image(Modified)]).is_err());
        assert!(is_inverse(&[file("x.sh", Changed, "")], &[file("x.sh", Changed, "")]).is_err());
    }

    fn text() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[-+@ ]{0,3}[a-c]{0,2}", 0..30)
    }

    proptest! {
        /// diffy as the oracle: numbers and texts of both sides are those of the two files.
        #[test]
        fn agrees_with_diffy(old in text(), new in text()) {
            let join = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let rendered = diffy::create_patch(&join(&old), &join(&new)).to_string();
            let hunks = rendered.split_once("@@ ").map(|(_, rest)| format!("@@ {rest}")).unwrap_or_default();
            let mut applied: Vec<String> = old.clone();
            let mut offset = 0_usize;
            let mut deleted = 0_usize;
            for line in Patch(hunks.into()).lines() {
                let at = line.number as usize;
                match line.kind {
                    LineKind::Context => prop_assert_eq!(&new[at - 1], line.text),
                    LineKind::Added => {
                        prop_assert_eq!(&new[at - 1], line.text);
                        applied.insert(at - 1, line.text.to_owned());
                        offset += 1;
                    }
                    LineKind::Deleted => {
                        prop_assert_eq!(&old[at - 1], line.text);
                        applied.remove(at - 1 + offset - deleted);
                        deleted += 1;
                    }
                }
            }
            prop_assert_eq!(applied, new);
        }

        #[test]
        fn never_panics(patch in "(@@ -[0-9]{1,22},?[0-9]{0,3} \\+[0-9]{1,22},?[0-9]{0,22} @@|[-+ \\\\]|\\PC{0,8}|\n){0,40}") {
            Patch(patch.into()).lines().count();
        }
    }
}
