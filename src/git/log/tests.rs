//! Histories of real repositories, made by the git binary in temporary directories.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Command, Stdio},
};

use super::{FILES_MAX, Lines, Wanted};
use crate::{
    git::{Error, Repository, tests::Fixture},
    history::{Author, Claim, History, Landed},
    risk::Model,
};

fn read(path: &Path, tip: &str, after: Option<&str>, lines: Lines) -> Result<Vec<Landed>, Error> {
    let wanted = Wanted { tip: tip.to_owned(), after: after.map(str::to_owned), lines };
    let log = Repository::open(path)?.landed(&wanted)?;
    let total = log.total();
    let landed = log.collect::<Result<Vec<Landed>, Error>>()?;
    assert_eq!(landed.len() as u64, total);
    Ok(landed)
}

fn all(fixture: &Fixture) -> Vec<Landed> {
    read(fixture.path(), "main", None, Lines::Counted).unwrap()
}

/// The files of a change, one a line.
fn files(landed: &Landed) -> Vec<String> {
    let file = |file: &crate::history::LandedFile| {
        let from = file.previous_path.as_ref().map(|path| format!(" from {path}")).unwrap_or_default();
        format!("{}{from} +{} -{}", file.path, file.added, file.deleted)
    };
    landed.files.iter().map(file).collect()
}

/// Commits whatever stands there, by somebody and at some time.
fn commit_by(fixture: &Fixture, author: &str, date: &str, message: &str) -> String {
    fixture.git(&["add", "-A"]);
    let author = format!("--author={author} <{author}@example.com>");
    let date = format!("--date={date}");
    fixture.git(&["commit", "-q", "--allow-empty", "-m", message, &author, &date]);
    fixture.git(&["rev-parse", "HEAD"])
}

/// Runs git with bytes on its standard input.
fn fed(path: &Path, arguments: &[&str], input: &[u8]) {
    let mut child = Command::new("git").current_dir(path).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn every_kind_of_file_is_told() {
    let fixture = Fixture::new();
    let long: String = (0..40).map(|n| format!("line {n}\n")).collect();
    let root = fixture.write("moved", &long).write("bin", b"a\0b").write("gone", "x\n").commit("Start");
    fixture.git(&["mv", "moved", "new name"]);
    fixture
        .write("new name", long.replace("line 7", "line seven"))
        .write("bin", b"a\0c")
        .write("tab\there\n1\t2\tx", "1\n");
    fixture.write(":(top)odd", "1\n2\n");
    fs::remove_file(fixture.path().join("gone")).unwrap();
    fs::write(fixture.path().join(OsStr::from_bytes(b"latin\\\xe9")), "1\n").unwrap();
    fixture.git(&["add", "-A"]);
    fixture.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{root},sub")]);
    fixture.git(&["commit", "-q", "-m", "Change everything"]);
    fixture.git(&["commit", "-q", "--allow-empty", "-m", "Trigger"]);
    let landed = all(&fixture);
    assert_eq!(files(&landed[0]), ["bin +0 -0", "gone +1 -0", "moved +40 -0"]);
    assert_eq!(
        files(&landed[1]),
        [
            ":(top)odd +2 -0",
            "bin +0 -0",
            "gone +0 -1",
            "latin\\\\\\xe9 +1 -0",
            "new name from moved +1 -1",
            "sub +1 -0",
            "tab\there\n1\t2\tx +1 -0",
        ]
    );
    assert_eq!((landed[1].files_total, landed[1].added, landed[1].deleted), (7, 6, 2));
    assert_eq!((landed[2].title.as_str(), landed[2].files.len(), landed[2].files_total), ("Trigger", 0, 0));

    let without_lines = read(fixture.path(), "main", None, Lines::Skipped).unwrap();
    for (counted, skipped) in landed.iter().zip(&without_lines) {
        let paths = |landed: &Landed| -> Vec<(String, Option<String>)> {
            landed.files.iter().map(|file| (file.path.clone(), file.previous_path.clone())).collect()
        };
        assert_eq!(paths(counted), paths(skipped));
        assert_eq!((skipped.added, skipped.deleted, skipped.files_total), (0, 0, counted.files_total));
    }
}

#[test]
fn many_files_are_counted_and_the_first_are_kept() {
    let fixture = Fixture::new();
    for n in 0..FILES_MAX + 5 {
        fixture.write(&format!("{n:04}"), "1\n2\n");
    }
    fixture.commit("Start");
    let landed = all(&fixture).remove(0);
    let all = FILES_MAX as u64 + 5;
    assert_eq!((landed.files.len(), landed.files_total, landed.added), (FILES_MAX, all, 2 * all));
    assert_eq!(landed.files[FILES_MAX - 1].path, "2999");
}

#[test]
fn merges_are_those_of_the_branch_they_merge() {
    let fixture = Fixture::new();
    fixture.write("a", "1\n").commit("Start");
    let branch = |name: &str, author: &str, message: &str| {
        fixture.git(&["switch", "-q", "-c", name, "main"]);
        fixture.write(name, "x\n");
        commit_by(&fixture, "Else", "2026-01-05T09:00:00Z", "Begin");
        fixture.write(name, "x\ny\n");
        commit_by(&fixture, author, "2026-01-05T09:00:00Z", message);
        fixture.git(&["switch", "-q", "main"]);
        fixture.write("a", format!("{name}\n")).commit("Meanwhile");
    };
    let merge = |message: &str, branches: &[&str]| {
        let arguments = ["merge", "-q", "--no-ff", "-m", message].iter().chain(branches).copied().collect::<Vec<_>>();
        fixture.git(&arguments);
    };
    branch("cache", "Grace", "Finish");
    merge("Merge pull request #12 from acme/cache\n\nAdd a cache\n\nFor speed", &["cache"]);
    branch("shelf", "dependabot[bot]", "Bump shelf");
    merge("Merge branch 'shelf' into 'main'\n\nAdd a shelf\n\nSee merge request acme/shop!13", &["shelf"]);
    branch("plain", "Linus", "Finish");
    merge("Merge branch 'plain'", &["plain"]);
    branch("bare", "Linus", "Revert \"Add a cache\"");
    merge("Merge pull request #15 from acme/bare", &["bare"]);
    branch("one", "Linus", "Finish");
    branch("two", "Linus", "Finish");
    merge("Merge branches 'one' and 'two'", &["one", "two"]);

    let landed = all(&fixture);
    let merges: Vec<&Landed> = landed.iter().filter(|landed| landed.merge).collect();
    let told: Vec<(&str, Option<u64>, Author, bool)> =
        merges.iter().map(|merge| (merge.title.as_str(), merge.pull_request, merge.author, merge.bot)).collect();
    let by = Author::named;
    assert_eq!(
        told,
        [
            ("Add a cache", Some(12), by("Grace"), false),
            ("Add a shelf", Some(13), by("dependabot[bot]"), true),
            ("Merge branch 'plain'", None, by("linus "), false),
            // Nobody wrote down a title: that of the newest commit.
            ("Revert \"Add a cache\"", Some(15), by("Linus"), false),
            // Of several branches no one author is the right one.
            ("Merge branches 'one' and 'two'", None, by("Ada"), false),
        ]
    );
    assert_eq!(merges[3].undoes, [Claim::Title("Add a cache".to_owned())]);
    assert!(merges[3].revert && !merges[0].revert);
    let brought: Vec<Vec<String>> = merges.iter().map(|merge| files(merge)).collect();
    assert_eq!(brought[0], ["cache +2 -0"]);
    assert_eq!(brought[4], ["one +2 -0", "two +2 -0"]);
}

#[test]
fn names_are_as_the_mailmap_has_them() {
    let fixture = Fixture::new();
    fixture.write(".mailmap", "Ada Lovelace <ada@example.com> <old@example.com>\n").commit("Start");
    let author = "--author=A. King <old@example.com>";
    fixture.git(&["commit", "-q", "--allow-empty", "-m", "Note", author]);
    assert_eq!(all(&fixture)[1].author, Author::named("Ada Lovelace"));
    let bare = tempfile::tempdir().unwrap();
    fixture.git(&["clone", "-q", "--bare", ".", bare.path().to_str().unwrap()]);
    assert_eq!(read(bare.path(), "main", None, Lines::Counted).unwrap(), all(&fixture));
}

#[test]
fn the_order_is_that_of_the_branch_whatever_clocks_say() {
    let fixture = Fixture::new();
    let commit = |date: &str, message: &str| {
        format!("commit refs/heads/main\ncommitter A <a@b> {date} +0000\ndata {}\n{message}\n\n", message.len())
    };
    let times = [1_000_000, 5, 2_000_000, 0, 1_999_999];
    let stream: String = times.iter().map(|at| commit(&at.to_string(), &format!("at {at}"))).collect();
    fed(fixture.path(), &["fast-import", "--quiet"], stream.as_bytes());
    let landed = all(&fixture);
    assert_eq!(landed.iter().map(|landed| landed.at).collect::<Vec<_>>(), times);
    // And when it is continued.
    let rest = read(fixture.path(), "main", Some(&landed[1].sha), Lines::Counted).unwrap();
    assert_eq!(rest, landed[2..]);
}

#[test]
fn text_that_is_no_utf_8_is_read_as_well_as_it_can_be() {
    let fixture = Fixture::new();
    let message = b"Caf\xe9 \x01 \xff\n\nbody";
    let mut stream = format!(
        "commit refs/heads/main\nauthor \u{e9} <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\ndata {}\n",
        message.len()
    )
    .into_bytes();
    stream.extend_from_slice(message);
    stream.extend_from_slice(b"\nM 100644 inline x\ndata 2\n1\n\n");
    fed(fixture.path(), &["fast-import", "--quiet"], &stream);
    // The encoding is said by the commit itself.
    fixture.git(&["-c", "i18n.commitEncoding=ISO-8859-1", "symbolic-ref", "HEAD", "refs/heads/main"]);
    let landed = all(&fixture);
    assert_eq!((landed[0].title.as_str(), landed[0].author), ("Caf\u{fffd} \u{1} \u{fffd}", Author::named("\u{e9}")));
    assert_eq!(files(&landed[0]), ["x +1 -0"]);
}

#[test]
fn other_hashes_work_as_well() {
    let fixture = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| fed(fixture.path(), arguments, b"");
    git(&["init", "-q", "-b", "main", "--object-format=sha256"]);
    git(&["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "Start"]);
    fs::write(fixture.path().join("x"), "1\n").unwrap();
    git(&["add", "x"]);
    git(&["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "-m", "Add x"]);
    git(&["-c", "user.name=A", "-c", "user.email=a@b", "revert", "--no-edit", "HEAD"]);
    let landed = read(fixture.path(), "main", None, Lines::Counted).unwrap();
    assert_eq!(landed[1].sha.len(), 64);
    assert_eq!(files(&landed[1]), ["x +1 -0"]);
    assert_eq!(landed[2].undoes, [Claim::Commit(landed[1].sha.clone())]);
}

#[test]
fn what_a_shallow_clone_cannot_tell_is_left_out() {
    let fixture = Fixture::new();
    for n in 0..5 {
        fixture.write("a", format!("{n}\n")).commit(&format!("Count {n}"));
    }
    let clone = tempfile::tempdir().unwrap();
    let url = format!("file://{}", fixture.path().display());
    fixture.git(&["clone", "-q", "--depth=3", &url, clone.path().to_str().unwrap()]);
    // Of the three commits the oldest is where it is cut off.
    assert_eq!(read(clone.path(), "main", None, Lines::Counted).unwrap(), all(&fixture)[3..]);
}

#[test]
fn missing_contents_cost_lines_and_nothing_else() {
    let fixture = Fixture::new();
    fixture.git(&["config", "uploadpack.allowFilter", "true"]);
    let big = "x".repeat(9_000) + "\n";
    fixture.write("small", "1\n").write("big", &big).write(".mailmap", "Ada L <ada@example.com>\n").commit("Start");
    fixture.git(&["mv", "small", "tiny"]);
    fixture.write("big", big.replace('x', "y")).write("new", "1\n2\n").commit("Change both");
    fixture.write("tiny", "2\n").commit("Only small");
    let whole = all(&fixture);
    let clone = |filter: &str| {
        let clone = tempfile::tempdir().unwrap();
        let url = format!("file://{}", fixture.path().display());
        let filter = format!("--filter={filter}");
        fixture.git(&["clone", "-q", "--bare", &filter, &url, clone.path().to_str().unwrap()]);
        clone
    };
    let limited = read(clone("blob:limit=5000").path(), "main", None, Lines::Counted).unwrap();
    assert_eq!(files(&limited[0]), [".mailmap +1 -0", "big +0 -0", "small +1 -0"]);
    assert_eq!(files(&limited[1]), ["big +0 -0", "new +2 -0", "tiny from small +0 -0"]);
    assert_eq!((limited[1].added, limited[1].deleted, limited[1].files_total), (2, 0, 3));
    assert_eq!(limited[2], whole[2]);

    let bare = clone("blob:none");
    let without = read(bare.path(), "main", None, Lines::Counted).unwrap();
    assert_eq!(files(&without[1]), ["big +0 -0", "new +0 -0", "tiny from small +0 -0"]);
    let uncounted: Vec<Landed> = without.into_iter().map(|landed| Landed { lines: false, ..landed }).collect();
    assert_eq!(uncounted, read(bare.path(), "main", None, Lines::Skipped).unwrap());
    // Nothing was fetched for it.
    let missing = Command::new("git")
        .current_dir(bare.path())
        .args(["rev-list", "--objects", "--missing=print", "--all"])
        .env("GIT_NO_LAZY_FETCH", "1")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&missing.stdout).lines().filter(|line| line.starts_with('?')).count(), 6);
    assert!(matches!(read(clone("tree:0").path(), "main", None, Lines::Counted), Err(Error::MissingObjects)));
}

#[test]
fn what_is_undone_is_the_change_that_brought_it() {
    let fixture = Fixture::new();
    fixture.write("a", "1\n").commit("Start");
    fixture.git(&["switch", "-q", "-c", "topic"]);
    let first = fixture.write("b", "1\n").commit("Add b");
    fixture.write("c", "1\n").commit("Add c");
    fixture.git(&["switch", "-q", "main"]);
    fixture.git(&["merge", "-q", "--no-ff", "-m", "Merge branch 'topic'", "topic"]);
    let merge = fixture.git(&["rev-parse", "HEAD"]);
    let single = fixture.write("d", "1\n").commit("Add d");
    let reverting = |message: &str| fixture.write("e", message).commit(message);
    reverting(&format!("Revert \"Add b\"\n\nThis reverts commit {first}."));
    reverting(&format!(
        "Revert \"Merge branch 'topic'\"\n\nThis reverts commit {merge}, reversing\nchanges made to {single}."
    ));
    reverting(&format!("Back out {}", &single[..9]));
    reverting("Revert \"Gone (#7)\"\n\nThis reverts commit 0123456789012345678901234567890123456789.");
    // What comes later cannot be undone yet, and nothing undoes itself.
    let last = fixture.git(&["commit-tree", "-p", "HEAD", "-m", "Last", "HEAD^{tree}"]);
    reverting(&format!("Revert it\n\nThis reverts commit {last}."));
    let landed = all(&fixture);
    let undone: Vec<&[Claim]> = landed[3..].iter().map(|landed| landed.undoes.as_slice()).collect();
    let commit = |sha: &str| Claim::Commit(sha.to_owned());
    assert_eq!(undone[0], [commit(&merge)]);
    assert_eq!(undone[1], [commit(&merge)]);
    assert_eq!(undone[2], [commit(&single)]);
    let gone = "0123456789012345678901234567890123456789";
    assert_eq!(undone[3], [commit(gone), Claim::PullRequest(7), Claim::Title("Gone".to_owned())]);
    assert_eq!(undone[4], [commit(&last)]);
    // A continued history knows what was before it.
    assert_eq!(read(fixture.path(), "main", Some(&landed[2].sha), Lines::Counted).unwrap(), landed[3..]);
}

#[test]
fn a_long_history_is_whole_and_in_order() {
    let fixture = Fixture::new();
    let mut stream = String::new();
    for n in 0..300 {
        let message = format!("Change {n}{}", "\n\nwords".repeat(n % 50));
        stream += &format!("commit refs/heads/main\ncommitter A <a@b> {n} +0000\ndata {}\n{message}\n", message.len());
        let text = "x\n".repeat(n % 7 + 1);
        stream += &format!("M 100644 inline dir/{}\ndata {}\n{text}\n", n % 11, text.len());
    }
    fed(fixture.path(), &["fast-import", "--quiet"], stream.as_bytes());
    let landed = all(&fixture);
    let listed = fixture.git(&["log", "--first-parent", "--reverse", "--format=%H %s", "--shortstat", "main"]);
    let mut told = String::new();
    for change in &landed {
        told += &format!("{} {}\n", change.sha, change.title);
        let some = |count: u64, sign: &str| match count {
            0 => String::new(),
            1 => format!(", 1 {}({sign})", if sign == "+" { "insertion" } else { "deletion" }),
            n => format!(", {n} {}({sign})", if sign == "+" { "insertions" } else { "deletions" }),
        };
        if change.files_total > 0 {
            told += &format!("\n 1 file changed{}{}\n", some(change.added, "+"), some(change.deleted, "-"));
        }
    }
    assert_eq!(told.trim_end(), listed);
    // Whoever stops early leaves nothing running that would keep the directory busy.
    let wanted = Wanted { tip: "main".to_owned(), after: None, lines: Lines::Counted };
    let first: Vec<Landed> =
        Repository::open(fixture.path()).unwrap().landed(&wanted).unwrap().take(3).map(Result::unwrap).collect();
    assert_eq!(first, landed[..3]);
}

#[test]
fn what_is_continued_has_to_be_there() {
    let fixture = Fixture::new();
    fixture.write("a", "1\n").commit("Start");
    fixture.git(&["switch", "-q", "-c", "topic"]);
    let aside = fixture.write("b", "1\n").commit("Aside");
    fixture.git(&["switch", "-q", "main"]);
    fixture.git(&["merge", "-q", "--no-ff", "-m", "Merge", "topic"]);
    let tip = fixture.git(&["rev-parse", "HEAD"]);
    let after = |commit: &str| read(fixture.path(), "main", Some(commit), Lines::Counted);
    assert_eq!(after(&tip).unwrap(), []);
    for gone in [aside.as_str(), "0123456789012345678901234567890123456789"] {
        assert!(matches!(after(gone), Err(Error::NotOnMainLine(commit)) if commit == gone));
    }
    // A branch that was set back is not continued either.
    assert!(matches!(read(fixture.path(), "main~1", Some(&tip), Lines::Counted), Err(Error::NotOnMainLine(_))));
    assert!(matches!(read(fixture.path(), "other", None, Lines::Counted), Err(Error::UnknownRevision(_))));
}

/// What only a whole history may tell must not be told of its beginning: the branch is cut off at each commit in turn.
#[test]
fn what_lands_later_changes_nothing_that_is_read_before() {
    let fixture = Fixture::new();
    let mut named: Vec<String> = Vec::new();
    for n in 0..12 {
        fixture.write("a", format!("{n}\n")).write(&format!("dir/{}", n % 3), format!("{n}\n").repeat(n + 1));
        match n {
            4 => drop(fixture.git(&["mv", "dir/0", "moved"])),
            // Undoes a commit that a merge brought, and names it by its beginning.
            9 => drop(fixture.git(&["rm", "-q", "--cached", "dir/1"])),
            _ => {}
        }
        if n % 4 == 2 {
            fixture.git(&["add", "-A"]);
            fixture.git(&[
                "commit",
                "-q",
                "-m",
                &format!("Revert \"Change {n}\"\n\nThis reverts commit {}.", &named[n - 1][..9]),
            ]);
        } else if n % 4 == 3 {
            fixture.git(&["switch", "-q", "-c", &format!("topic{n}")]);
            commit_by(&fixture, "Grace", "@1700000000 +0000", &format!("Change {n}"));
            let brought = fixture.git(&["rev-parse", "HEAD"]);
            fixture.git(&["switch", "-q", "main"]);
            fixture.git(&["merge", "-q", "--no-ff", "-m", &format!("Merge branch 'topic{n}'"), &format!("topic{n}")]);
            named.push(brought);
            continue;
        } else {
            commit_by(&fixture, "Ada", "@1700000000 +0000", &format!("Change {n} (#{n})"));
        }
        named.push(fixture.git(&["rev-parse", "HEAD"]));
    }
    // Undone from the very end, by all names that there are.
    fixture.write("a", "again\n");
    commit_by(
        &fixture,
        "Lin",
        "@1700000000 +0000",
        &format!("Back out {} and others\n\nThis reverts commit {}.", &named[0][..7], named[3]),
    );
    let whole = all(&fixture);
    let steps = |changes: &[Landed]| {
        let mut history = History::default();
        changes.iter().map(|landed| history.step(landed, Model::baseline())).collect::<Vec<_>>()
    };
    let read_whole = steps(&whole);
    assert!(read_whole.iter().filter(|step| !step.undone.is_empty()).count() >= 4, "changes are undone");
    for place in 0..whole.len() {
        let cut = read(fixture.path(), &whole[place].sha, None, Lines::Counted).unwrap();
        assert_eq!(cut, whole[..=place]);
        for (before, after) in steps(&cut).iter().zip(&read_whole) {
            assert_eq!((&before.facts, before.forecast, &before.undone), (&after.facts, after.forecast, &after.undone));
        }
    }
}
