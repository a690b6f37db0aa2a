//! Real repositories, made by the git binary in temporary directories.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
    process::Command,
};

use super::{Error, LocalChange, Note, Range, Repository};
use crate::risk::facts::{AuthorKind, FileStatus, Reason, Unknown};

pub(super) struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let fixture = Self { directory: tempfile::tempdir().unwrap() };
        fixture.git(&["init", "-q", "-b", "main"]);
        fixture
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn git(&self, arguments: &[&str]) -> String {
        git(self.path(), arguments)
    }

    pub(super) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(super) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn change(&self, base: Option<&str>, head: Option<&str>) -> Result<LocalChange, Error> {
        change(self.path(), base, head)
    }
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(directory)
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "protocol.file.allow=always"])
        .args(arguments)
        .env("GIT_AUTHOR_DATE", "2026-01-05T10:00:00Z")
        .env("GIT_COMMITTER_DATE", "2026-01-05T10:00:00Z")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn change(directory: &Path, base: Option<&str>, head: Option<&str>) -> Result<LocalChange, Error> {
    let range = Range { base: base.map(str::to_owned), head: head.map(str::to_owned) };
    Repository::open(directory)?.change(&range)
}

#[test]
fn a_branch_is_compared_with_where_it_left_the_default_branch() {
    let fixture = Fixture::new();
    let left = fixture.write("src/a.rs", "one\ntwo\n").commit("Start");
    fixture.git(&["switch", "-q", "-c", "topic"]);
    fixture.write("src/a.rs", "one\n2\nthree\n").commit("Count further\n\nMore words.");
    let head = fixture.write("docs/b.md", "text").commit("Write it down");
    fixture.git(&["switch", "-q", "main"]);
    let tip = fixture.write("other", "x").commit("Go on");
    fixture.git(&["switch", "-q", "topic"]);

    let found = fixture.change(None, None).unwrap();
    let change = &found.change;
    assert_eq!((&change.base_sha, &change.head_sha, &found.base_tip), (&left, &head, &tip));
    assert_eq!((change.base_ref.as_str(), change.title.as_str()), ("main", "2 commits on topic"));
    let headlines: Vec<&str> = change.commits.iter().map(|commit| commit.headline.as_str()).collect();
    assert_eq!(headlines, ["Count further", "Write it down"]);
    assert_eq!(change.commits[0].committed_at.to_rfc3339(), "2026-01-05T10:00:00+00:00");
    assert_eq!((change.author.login.as_str(), change.author.kind), ("Ada", AuthorKind::Human));
    assert_eq!((change.commits_total, change.files_total, found.notes.len()), (2, 2, 0));
    assert_eq!(&*change.files[0].patch.as_ref().unwrap().0, "@@ -0,0 +1 @@\n+text\n\\ No newline at end of file");
    assert_eq!(&*change.files[1].patch.as_ref().unwrap().0, "@@ -1,2 +1,3 @@\n one\n-two\n+2\n+three");
    assert_eq!((change.files[1].added, change.files[1].deleted), (2, 1));

    // On the default branch itself there is nothing to merge.
    let empty = fixture.change(None, Some("main")).unwrap().change;
    assert!(empty.files.is_empty() && empty.commits.is_empty() && empty.title.is_empty());
    // A subdirectory is as good as the top.
    assert_eq!(change, &self::change(&fixture.path().join("src"), None, None).unwrap().change);
}

#[test]
fn every_kind_of_file_change_is_told_as_github_tells_it() {
    let fixture = Fixture::new();
    let long: String = (0..40).map(|n| format!("line {n}\n")).collect();
    fixture.write("moved", &long).write("gone", "x\n").write("bin", b"a\0b").write("run.sh", "true\n");
    fixture.write("link", "text\n").write("quiet", "same\n").commit("Start");
    fixture.git(&["switch", "-q", "-c", "topic"]);
    fixture.git(&["mv", "moved", "new name"]);
    fixture.write("new name", long.replace("line 7", "line seven"));
    fs::remove_file(fixture.path().join("gone")).unwrap();
    fs::remove_file(fixture.path().join("link")).unwrap();
    std::os::unix::fs::symlink("bin", fixture.path().join("link")).unwrap();
    fs::set_permissions(fixture.path().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fixture
        .write("bin", b"a\0c")
        .write("empty", "")
        .write("huge", "x\n".repeat(2_001))
        .write("wide", "x".repeat(2_000_000));
    fixture.git(&["add", "-A"]);
    let gitlink = format!("160000,{},sub", fixture.git(&["rev-parse", "HEAD"]));
    fixture.git(&["update-index", "--add", "--cacheinfo", &gitlink]);
    fixture.git(&["commit", "-q", "-m", "Change everything"]);

    let change = fixture.change(None, None).unwrap().change;
    let told: Vec<String> = change
        .files
        .iter()
        .map(|file| {
            let patch = match &file.patch {
                Ok(patch) => format!("{} bytes", patch.0.len()),
                Err(Unknown { reason: Reason::Partial { total, .. }, .. }) => format!("withheld {total}"),
                Err(_) => "unknown".to_owned(),
            };
            let flags = [(file.binary, " binary"), (file.submodule, " submodule")];
            let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
            let from = file.previous_path.as_ref().map(|path| format!(" from {path}")).unwrap_or_default();
            format!("{:?} {}{from} +{} -{} {patch}{flags}", file.status, file.path, file.added, file.deleted)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    Modified bin +0 -0 0 bytes binary
    Added empty +0 -0 0 bytes
    Removed gone +0 -1 16 bytes
    Added huge +2001 -0 withheld 2001
    Changed link +1 -1 66 bytes
    Renamed new name from moved +1 -1 91 bytes
    Changed run.sh +0 -0 0 bytes
    Added sub +1 -0 73 bytes submodule
    Added wide +1 -0 withheld 1
    ");
}

#[test]
fn hostile_names_stay_what_they_are() {
    let fixture = Fixture::new();
    fixture.commit("Start");
    fixture.git(&["switch", "-q", "-c", "topic"]);
    let names: [&[u8]; 8] = [
        b"--output=x",
        b"-n",
        b"a\nb",
        b"a\tb \"c\" \\d",
        b":(top)x",
        b"diff --git a b",
        b"b\xffad\\e",
        "h\u{f6}he\u{202e}".as_bytes(),
    ];
    for name in names {
        fs::write(fixture.path().join(std::ffi::OsStr::from_bytes(name)), "diff --git a/x b/x\n@@ -1 +1 @@\n").unwrap();
    }
    fixture.commit("Name\u{1b}[31m things\n\ndiff --git a/x b/x");
    let change = fixture.change(None, None).unwrap().change;
    let mut paths: Vec<&str> = change.files.iter().map(|file| file.path.as_str()).collect();
    paths.sort_unstable();
    let expected = [
        "--output=x",
        "-n",
        ":(top)x",
        "a\tb \"c\" \\d",
        "a\nb",
        "b\\xffad\\\\e",
        "diff --git a b",
        "h\u{f6}he\u{202e}",
    ];
    assert_eq!(paths, expected);
    for file in &change.files {
        assert_eq!(&*file.patch.as_ref().unwrap().0, "@@ -0,0 +1,2 @@\n+diff --git a/x b/x\n+@@ -1 +1 @@");
    }
    assert!(!fixture.path().join("x").exists());
}

#[test]
fn nothing_that_a_configuration_names_is_run() {
    let fixture = Fixture::new();
    fixture.write("a.txt", "one\n").write(".gitattributes", "*.txt diff=evil filter=evil\n").commit("Start");
    fixture.git(&["switch", "-q", "-c", "topic"]);
    fixture.write("a.txt", "two\n").commit("Change");
    fixture.write("a.txt", "three\n");
    let mark = fixture.path().join("ran");
    let evil = format!("touch '{}'; cat", mark.display());
    for key in [
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "filter.evil.clean",
        "filter.evil.smudge",
        "core.fsmonitor",
        "core.pager",
        "pager.log",
        "core.sshCommand",
        "gpg.program",
        "core.alternateRefsCommand",
    ] {
        fixture.git(&["config", key, &evil]);
    }
    fixture.git(&["config", "log.showSignature", "true"]);
    let found = fixture.change(None, None).unwrap();
    assert!(found.change.files[0].patch.as_ref().unwrap().0.contains("-one\n+two"));
    assert_eq!(found.notes, [Note::Uncommitted { files: 1 }]);
    Repository::open(fixture.path()).unwrap().base_file("main", "a.txt").unwrap();
    assert!(!mark.exists());
}

#[test]
fn a_revision_is_a_revision_and_never_an_option() {
    let fixture = Fixture::new();
    assert!(matches!(fixture.change(None, None), Err(Error::NoCommits)));
    fixture.commit("Start");
    for revision in ["--output=x", "-h", "nonexistent", "main..main", "^main", "", "a\0b", "main^{tree}", "@{1000000}"]
    {
        let refused = fixture.change(Some(revision), None);
        assert!(
            matches!(&refused, Err(Error::UnknownRevision(named)) if named == revision),
            "{revision:?}: {refused:?}"
        );
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(change(empty.path(), None, None), Err(Error::NotARepository(_))));
    assert!(matches!(change(Path::new("/nonexistent"), None, None), Err(Error::NotARepository(_))));
    fixture.git(&["switch", "-q", "--orphan", "island"]);
    fixture.commit("Apart");
    let apart = fixture.change(Some("main"), None);
    assert!(
        matches!(&apart, Err(Error::NoMergeBase { base, head, shallow: false }) if base == "main" && head == "HEAD")
    );
}

#[test]
fn the_default_branch_is_found_in_every_kind_of_clone() {
    let origin = Fixture::new();
    origin.write("a", "1\n").commit("Start");
    origin.git(&["branch", "-q", "-m", "trunk"]);
    origin.write("a", "2\n").commit("Second");
    let place = tempfile::tempdir().unwrap();
    let url = format!("file://{}", origin.path().display());
    let check = |name: &str, arguments: &[&str], expected: &str| -> Repository {
        let mut command = vec!["clone", "-q"];
        command.extend_from_slice(arguments);
        command.extend([url.as_str(), name]);
        git(place.path(), &command);
        let repository = Repository::open(&place.path().join(name)).unwrap();
        assert_eq!(repository.default_branch().unwrap(), expected, "{name}");
        repository
    };
    assert_eq!(check("full", &[], "refs/remotes/origin/trunk").name(), "full");
    let bare = check("bare.git", &["--bare"], "refs/heads/trunk");
    assert_eq!((bare.name(), bare.bare), ("bare", true));
    assert!(check("shallow", &["--depth=1"], "refs/remotes/origin/trunk").shallow);
    // Without a remote it is a matter of names.
    let nameless = Fixture::new();
    nameless.git(&["switch", "-q", "-c", "odd"]);
    nameless.commit("Start");
    let nameless = Repository::open(nameless.path()).unwrap();
    assert!(matches!(nameless.default_branch(), Err(Error::NoDefaultBranch)));
    assert_eq!(nameless.references().unwrap(), ["odd"]);
}

#[test]
fn cut_off_clones_say_so_and_fetch_nothing() {
    let origin = Fixture::new();
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    for number in 0..3 {
        origin.write("a", format!("{number}\n")).commit(&format!("Number {number}"));
    }
    let place = tempfile::tempdir().unwrap();
    let url = format!("file://{}", origin.path().display());
    git(place.path(), &["clone", "-q", "--depth=2", &url, "shallow"]);
    let shallow = change(&place.path().join("shallow"), Some("HEAD~1"), None).unwrap();
    assert_eq!(shallow.notes, [Note::Shallow]);
    assert_eq!(shallow.change.files.len(), 1);

    git(place.path(), &["clone", "-q", "--bare", "--filter=blob:none", &url, "partial"]);
    let partial = Repository::open(&place.path().join("partial")).unwrap();
    assert!(partial.partial);
    let range = Range { base: Some("HEAD~1".to_owned()), head: None };
    let local = partial.change(&range).unwrap();
    assert_eq!(local.notes, [Note::Partial, Note::NoContents]);
    let files = local.change.files;
    assert!(!files.is_empty() && local.change.files_total == files.len() as u64);
    assert!(files.iter().all(|file| file.patch.is_err() && !file.binary && (file.added, file.deleted) == (0, 0)));
    assert!(matches!(partial.base_file("HEAD", "a"), Err(Error::MissingObjects)));
}

#[test]
fn files_of_the_base_are_read_from_commits() {
    let fixture = Fixture::new();
    fixture
        .write(".github/mergecast.yml", "mode: enforce\n")
        .write("dir/x", "x")
        .write("latin", b"\xe9\n")
        .commit("Start");
    fixture.git(&["switch", "-q", "-c", "topic"]);
    fixture.write(".github/mergecast.yml", "mode: advisory\n").commit("Soften");
    fixture.write(".github/mergecast.yml", "mode: broken\n");
    let repository = Repository::open(fixture.path()).unwrap();
    let check = |path: &str, expected: Option<&str>| {
        assert_eq!(repository.base_file("main", path).unwrap().as_deref(), expected, "{path}");
    };
    check(".github/mergecast.yml", Some("mode: enforce\n"));
    check("latin", Some("\u{fffd}\n"));
    check("dir", None);
    check("nonexistent", None);
    check("*", None);
    check("--name-only", None);
}

#[test]
fn a_revert_is_proven_by_its_patch() {
    let fixture = Fixture::new();
    let lines = |changed: &str| format!("1\n2\n{changed}\n4\n5\n6\n7\n8\n");
    fixture.write("a", lines("3")).commit("Start");
    let first = fixture.write("a", lines("three")).write("b", "new\n").commit("Spell it (#7)");
    fixture.write("c", "c\n").commit("Go on");
    let reverted = |message: &str, text: &str| {
        fixture.git(&["switch", "-q", "-C", "topic", "main"]);
        let _ = fs::remove_file(fixture.path().join("b"));
        fixture.write("a", lines(text)).commit(message);
        let revert = fixture.change(None, None).unwrap().change.revert.unwrap();
        revert.map(|revert| (revert.of, revert.proven.ok()))
    };
    let named = |of: &str, proven| Some((of.to_owned(), proven));
    let by_git = format!("Revert \"Spell it (#7)\"\n\nThis reverts commit {first}.");
    assert_eq!(reverted(&by_git, "3"), named(&first, Some(true)));
    assert_eq!(reverted(&by_git, "drei"), named(&first, Some(false)));
    assert_eq!(reverted("Revert \"Spell it (#7)\" (#9)", "3"), named("Spell it (#7)", Some(true)));
    assert_eq!(reverted("Undo\n\nReverts acme/shop#7", "3"), named("#7", Some(true)));
    assert_eq!(reverted(&format!("Back out {}", &first[..10]), "3"), named(&first[..10], Some(true)));
    assert_eq!(reverted("Undo\n\nThis reverts commit 0123456789abcdef.", "3"), named("0123456789abcdef", None));
    assert_eq!(reverted("Spell it differently", "3"), None);

    // A commit that exists in this clone but was never merged is no earlier state of the base.
    fixture.git(&["switch", "-q", "-C", "elsewhere", "main"]);
    let apart = fixture.write("a", lines("trois")).commit("Say it in French");
    fixture.git(&["switch", "-q", "-C", "main", "main"]);
    fixture.write("a", lines("trois")).commit("Go French");
    fixture.git(&["switch", "-q", "-C", "topic", "main"]);
    fixture.write("a", lines("three")).commit(&format!("Undo\n\nThis reverts commit {apart}."));
    let revert = fixture.change(None, None).unwrap().change.revert.unwrap().unwrap();
    assert_eq!((revert.of, revert.proven), (apart, Ok(false)));

    // Work that came and went on the branch itself undoes nothing.
    fixture.git(&["switch", "-q", "-C", "topic", "main"]);
    fixture.write("d", "d\n").commit("Try");
    fixture.git(&["revert", "--no-edit", "HEAD"]);
    assert_eq!(fixture.change(None, None).unwrap().change.revert, Ok(None));
}

#[test]
fn a_merge_is_undone_by_the_inverse_of_what_it_brought() {
    let fixture = Fixture::new();
    fixture.write("a", "1\n").commit("Start");
    fixture.git(&["switch", "-q", "-c", "feature"]);
    fixture.write("b", "2\n").commit("Add b");
    fixture.write("c", "3\n").commit("Add c");
    fixture.git(&["switch", "-q", "main"]);
    fixture.write("a", "1\n1\n").commit("Meanwhile");
    fixture.git(&["merge", "-q", "--no-ff", "-m", "Merge pull request #12 from x/feature", "feature"]);
    fixture.git(&["switch", "-q", "-c", "topic"]);
    fixture.git(&["revert", "-m", "1", "--no-edit", "HEAD"]);
    let revert = fixture.change(None, None).unwrap().change.revert.unwrap().unwrap();
    assert_eq!(revert.proven, Ok(true));
    // Bots are told apart by their names.
    fixture.write("d", "d").git(&["add", "-A"]);
    fixture.git(&[
        "commit",
        "-q",
        "-m",
        "Bump x",
        "--author",
        "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
    ]);
    assert_eq!(fixture.change(None, None).unwrap().change.author.kind, AuthorKind::Bot);
    let kinds: Vec<FileStatus> =
        fixture.change(Some("HEAD~1"), None).unwrap().change.files.iter().map(|f| f.status).collect();
    assert_eq!(kinds, [FileStatus::Added]);
}
