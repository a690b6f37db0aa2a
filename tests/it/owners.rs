//! `mergecast owners` from outside: published sets of patterns and paths, and what the command promises.

use std::{collections::BTreeMap, fs, path::Path, process::Command as Process};

use assert_cmd::Command;
use serde::Deserialize;
use serde_json::{Value, json};

/// A pattern and the paths that it covers or does not, in the shape in which such sets are published.
#[derive(Deserialize)]
struct Case {
    name: String,
    pattern: String,
    paths: BTreeMap<String, bool>,
}

/// Sets beside the one in the repository are read from the directory that this variable names.
const MORE_SETS: &str = "MERGECAST_CODEOWNERS_SETS";

fn mergecast(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mergecast"));
    command.current_dir(directory).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", directory).arg("owners").args(arguments);
    command
}

/// Exit code, standard output and standard error.
fn run(directory: &Path, arguments: &[&str], input: &str) -> (i32, String, String) {
    let output = mergecast(directory, arguments).write_stdin(input).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn directory(file: &str, text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), file, text);
    directory
}

fn write(directory: &Path, file: &str, text: &str) {
    let path = directory.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn git(directory: &Path, arguments: &[&str]) {
    let output = Process::new("git")
        .current_dir(directory)
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
        .args(arguments)
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")])
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_published_case_is_answered_as_github_would() {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/codeowners");
    let mut wrong = Vec::new();
    let mut cases = 0;
    for folder in std::iter::once(ours).chain(std::env::var_os(MORE_SETS).map(Into::into)) {
        for entry in fs::read_dir(folder).unwrap() {
            for case in serde_json::from_slice::<Vec<Case>>(&fs::read(entry.unwrap().path()).unwrap()).unwrap() {
                let place = directory("CODEOWNERS", &format!("{} @owner\n", case.pattern));
                let paths: String = case.paths.keys().map(|path| format!("{path}\0")).collect();
                let (code, out, err) = run(place.path(), &["-", "--format", "json"], &paths);
                assert_eq!((code, err.as_str()), (0, ""), "{}", case.name);
                let answers: Vec<Value> = serde_json::from_str(&out).unwrap();
                assert_eq!(answers.len(), case.paths.len());
                for (answer, (path, covered)) in answers.iter().zip(&case.paths) {
                    cases += 1;
                    assert_eq!(answer["path"], path.as_str());
                    if answer["rule"].is_object() != *covered {
                        wrong.push(format!("{}: {} on {path} should be {covered}", case.name, case.pattern));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases > 300, "{cases}");
}

#[test]
fn the_answer_has_the_promised_shape() {
    let place = directory(".github/CODEOWNERS", "* @acme/all\n*.md\n/db/ @grace dba@acme.example # the data\n");
    let (code, out, err) = run(place.path(), &["src/a.rs", "./docs/a.md", "-", "--format", "json"], "db/x/1.sql\n");
    assert_eq!((code, err.as_str()), (0, ""));
    let rule = |line: u64, pattern: &str| json!({"file": ".github/CODEOWNERS", "line": line, "pattern": pattern});
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap(),
        json!([
            {"path": "src/a.rs", "owners": ["@acme/all"], "rule": rule(1, "*")},
            {"path": "./docs/a.md", "owners": [], "rule": rule(2, "*.md")},
            {"path": "db/x/1.sql", "owners": ["@grace", "dba@acme.example"], "rule": rule(3, "/db/")},
        ])
    );
    let (_, out, _) = run(place.path(), &["src/a.rs", "a.md", "db/1.sql"], "");
    insta::assert_snapshot!(out, @r"
    src/a.rs  @acme/all                .github/CODEOWNERS:1 *
    a.md      (unowned)                .github/CODEOWNERS:2 *.md
    db/1.sql  @grace dba@acme.example  .github/CODEOWNERS:3 /db/
    ");
}

#[test]
fn the_first_of_the_three_places_is_in_force() {
    let place = tempfile::tempdir().unwrap();
    let line = |answer: &str| serde_json::from_str::<Value>(answer).unwrap()[0]["rule"]["file"].clone();
    let (code, out, err) = run(place.path(), &["a", "--format", "json"], "");
    assert_eq!((code, line(&out)), (0, Value::Null));
    assert!(err.contains("no CODEOWNERS file") && err.contains(".github/CODEOWNERS, CODEOWNERS"), "{err}");
    for file in ["docs/CODEOWNERS", "CODEOWNERS", ".github/CODEOWNERS"] {
        write(place.path(), file, "* @x\n");
        let (_, out, _) = run(place.path(), &["a", "--format", "json"], "");
        assert_eq!(line(&out), file);
    }
    // A directory is no file, whoever put a link there meant something, and a file that GitHub does not load still comes first.
    fs::remove_file(place.path().join(".github/CODEOWNERS")).unwrap();
    fs::create_dir(place.path().join(".github/CODEOWNERS")).unwrap();
    fs::remove_file(place.path().join("CODEOWNERS")).unwrap();
    std::os::unix::fs::symlink("docs/CODEOWNERS", place.path().join("CODEOWNERS")).unwrap();
    let (code, out, err) = run(place.path(), &["a", "--format", "json"], "");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("CODEOWNERS is a symbolic link, not a file"), "{err}");
    fs::remove_file(place.path().join("CODEOWNERS")).unwrap();
    let (_, out, _) = run(place.path(), &["a", "--format", "json"], "");
    assert_eq!(line(&out), "docs/CODEOWNERS");
    fs::remove_dir(place.path().join(".github/CODEOWNERS")).unwrap();
    write(place.path(), ".github/CODEOWNERS", &"# x\n".repeat(3 * 1024 * 1024 / 4));
    let (_, out, err) = run(place.path(), &["a", "--format", "json"], "");
    assert_eq!(line(&out), Value::Null);
    assert!(err.contains("does not load such a file"), "{err}");
}

#[test]
fn a_repository_is_read_as_it_stands_or_at_a_revision() {
    let place = directory("CODEOWNERS", "* @before\n");
    git(place.path(), &["init", "-q", "-b", "main", "."]);
    git(place.path(), &["add", "-A"]);
    git(place.path(), &["commit", "-q", "-m", "Start"]);
    write(place.path(), "CODEOWNERS", "* @after\n");
    write(place.path(), "src/a.rs", "");
    let owner = |directory: &Path, arguments: &[&str]| {
        let (code, out, err) = run(directory, &[&["a", "--format", "json"], arguments].concat(), "");
        assert_eq!((code, err.as_str()), (0, ""));
        serde_json::from_str::<Value>(&out).unwrap()[0]["owners"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(owner(&place.path().join("src"), &[]), "@after");
    assert_eq!(owner(place.path(), &["--base", "main"]), "@before");
    let bare = tempfile::tempdir().unwrap();
    let at = bare.path().to_str().unwrap();
    git(place.path(), &["clone", "-q", "--bare", ".", at]);
    assert_eq!(owner(place.path(), &["--repo", at]), "@before");
    let (code, out, err) = run(place.path(), &["a", "--base", "nowhere"], "");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("names no commit"), "{err}");
    assert_eq!(run(place.path(), &[], "").0, 2, "a path is needed");
}

#[test]
fn lines_that_github_skips_are_told() {
    let text = "* @all\n***/a @x\nb/[cd] @x\n!e @x\nf x\n\\#g @x\n";
    let place = directory("CODEOWNERS", text);
    let (code, out, err) = run(place.path(), &["a", "b/c", "e", "f"], "");
    assert_eq!(code, 0);
    assert_eq!(out.matches("CODEOWNERS:1 *").count(), 4, "{out}");
    insta::assert_snapshot!(err, @r"
    note: CODEOWNERS line 2, column 1: Invalid pattern, so GitHub skips the line
    hint: did you mean **/a?
    note: CODEOWNERS line 3, column 3: Invalid pattern, so GitHub skips the line
    hint: there are no character ranges; for a path with brackets write b/\[cd\]
    note: CODEOWNERS line 4, column 1: Invalid pattern, so GitHub skips the line
    hint: a line cannot take files away; write a later line with other owners, or with none
    note: CODEOWNERS line 5, column 3: Invalid owner, so GitHub skips the line
    hint: did you mean @x?
    note: CODEOWNERS line 6, column 1: Invalid pattern, so GitHub skips the line
    hint: a # cannot be escaped, it begins a comment; write ? in its place, or remove the last backslash
    ");
}

/// A repository whose owners have lost touch with it.
fn neglected() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    git(path, &["init", "-q", "-b", "main", "."]);
    write(path, ".github/CODEOWNERS", "/src/ @grace\n*.py @gone @ada # scripts\n/old/ @ada\n/src/deep/ @acme/core");
    write(path, "src/deep/a.rs", "");
    write(path, "tool.py", "");
    git(path, &["add", "-A"]);
    git(
        path,
        &["-c", "user.name=Grace", "-c", "user.email=7+grace@users.noreply.github.com", "commit", "-q", "-m", "Start"],
    );
    for n in 0..12 {
        write(path, "src/main.rs", &format!("// {n}\n"));
        write(path, "hot file.txt", &format!("{n}\n"));
        git(path, &["add", "-A"]);
        git(path, &["commit", "-q", "-m", "Change"]);
    }
    place
}

#[test]
fn an_audit_finds_what_was_neglected_and_its_patches_apply() {
    let place = neglected();
    let (code, out, err) = run(place.path(), &["--audit", "--format", "json"], "");
    assert_eq!((code, err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let told: Vec<(&str, Option<u64>)> =
        findings.iter().map(|one| (one["kind"].as_str().unwrap(), one["line"].as_u64())).collect();
    assert_eq!(
        told,
        [("unowned_hot_path", None), ("matches_nothing", Some(3)), ("ghost_owner", Some(2)), ("drift", Some(1))]
    );
    assert_eq!((findings[0]["path"].as_str(), findings[2]["owner"].as_str()), (Some("hot file.txt"), Some("@gone")));
    assert_eq!(report["teams_not_looked_at"], 1);
    let file = place.path().join(".github/CODEOWNERS");
    let before = fs::read_to_string(&file).unwrap();
    let mut after = Vec::new();
    for finding in findings {
        let patch = place.path().with_extension("patch");
        fs::write(&patch, finding["patch"].as_str().unwrap()).unwrap();
        git(place.path(), &["apply", "--check", patch.to_str().unwrap()]);
        git(place.path(), &["apply", patch.to_str().unwrap()]);
        after.push(fs::read_to_string(&file).unwrap());
        fs::write(&file, &before).unwrap();
        fs::remove_file(&patch).unwrap();
    }
    assert!(after[0].ends_with("\n/src/deep/ @acme/core\n/hot\\ file.txt ada@example.com\n"), "{}", after[0]);
    assert!(!after[1].contains("/old/"), "{}", after[1]);
    assert!(after[2].contains("*.py @ada # scripts\n"), "{}", after[2]);
    assert!(after[3].starts_with("/src/ @grace ada@example.com\n"), "{}", after[3]);
    let (_, words, _) = run(place.path(), &["--audit"], "");
    assert!(words.contains(".github/CODEOWNERS:1 /src/: its owners made 0 of the 12 changes to its files in 90 days"));
    assert!(words.contains("4 findings, by changes since ") && words.contains("Of 1 owning team only GitHub knows"));
    // What GitHub skips is neglected too.
    write(place.path(), ".github/CODEOWNERS", "/src/ @grace\n!x @y\n");
    let (_, _, err) = run(place.path(), &["--audit"], "");
    assert!(err.contains("line 2, column 1: Invalid pattern, so GitHub skips the line"), "{err}");
}

#[test]
fn an_audit_names_lines_that_take_nearly_everything_or_that_later_ones_hide() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    git(path, &["init", "-q", "-b", "main", "."]);
    write(path, "CODEOWNERS", "* @acme/all\n/lib/ @acme/some\n/lib/ @acme/core\n");
    (0..60).for_each(|n| write(path, &format!("src/part{n}.rs"), ""));
    write(path, "lib/a.rs", "");
    git(path, &["add", "-A"]);
    git(path, &["commit", "-q", "-m", "Start"]);
    let (code, out, err) = run(path, &["--audit", "--format", "json"], "");
    assert_eq!((code, err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&out).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let told: Vec<(&str, Option<u64>)> =
        findings.map(|one| (one["kind"].as_str().unwrap(), one["line"].as_u64())).collect();
    assert!(told.contains(&("over_broad", Some(1))) && told.contains(&("hidden", Some(2))), "{out}");
    assert!(!told.iter().any(|(_, line)| *line == Some(3)), "{out}");
}

#[test]
fn a_repository_without_the_file_gets_one() {
    let place = neglected();
    fs::remove_file(place.path().join(".github/CODEOWNERS")).unwrap();
    let (code, out, _) = run(place.path(), &["--audit", "--format", "json"], "");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report["exists"].as_bool()), (0, Some(false)));
    let patch = place.path().with_extension("patch");
    fs::write(&patch, report["findings"][0]["patch"].as_str().unwrap()).unwrap();
    git(place.path(), &["apply", patch.to_str().unwrap()]);
    let made = fs::read_to_string(place.path().join(".github/CODEOWNERS")).unwrap();
    assert_eq!(made, "/hot\\ file.txt ada@example.com\n");
    fs::remove_file(&patch).unwrap();
    assert_eq!(run(place.path(), &["--audit", "a"], "").0, 2);
}
