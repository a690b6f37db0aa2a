//! GitHub's rules case by case, against another implementation, and against files made to be slow.

use proptest::prelude::*;

use super::{BYTES_MAX, Codeowners, MistakeKind, TooComplex, ValidLine};

/// The 1-based line of the rule in force for each path, 0 where there is none.
fn lines(text: &str, paths: &[&str]) -> Vec<u64> {
    let parsed = Codeowners::parse(text);
    let rules = parsed.matching_rules(paths).unwrap();
    rules.into_iter().map(|rule| rule.map_or(0, |rule| rule.line)).collect()
}

#[test]
fn a_parsed_file_is_its_text_and_sixteen_bytes_a_line() {
    let text: String = (0..5_000).map(|n| format!("/area/part{n}/ @acme/team{n} @user{n} # why\n")).collect();
    let parsed = Codeowners::parse(&text);
    assert_eq!((parsed.lines.len(), parsed.text.capacity(), size_of::<ValidLine>()), (5_000, text.len(), 16));
    assert!(parsed.lines.capacity() <= 2 * 5_000);
}

#[test]
fn one_pattern_covers_what_it_covers_at_github() {
    let check = |pattern: &str, covered: &[&str], others: &[&str]| {
        for (paths, expected) in [(covered, 1), (others, 0)] {
            for path in paths {
                assert_eq!(lines(&format!("{pattern} @a"), &[path]), [expected], "{pattern} on {path}");
            }
        }
    };
    check("*", &["a", "a/b/c", ".x", "a b"], &[]);
    check("**", &["a", "a/b/c"], &[]);
    check("/**", &["a", "a/b/c"], &[]);
    check("/*", &["a", ".x"], &["a/b"]);
    check("/", &[], &["a", "a/b"]);
    check("**/", &["a", "a/b", "a/b/c"], &[]);
    check("*/", &["a/b", "a/b/c"], &["a"]);
    check("*.js", &["a.js", "x/y/a.js", ".js", "x.js/y"], &["a.jsx", "js", "a.JS"]);
    check("/*.js", &["a.js"], &["x/a.js"]);
    check("logs", &["logs", "logs/a", "x/logs", "x/logs/a/b"], &["xlogs", "logs.txt", "Logs"]);
    check("logs/", &["logs/a", "x/logs/a/b"], &["logs", "x/logs"]);
    check("/logs", &["logs", "logs/a/b"], &["x/logs", "x/logs/a"]);
    check("/logs/", &["logs/a", "logs/a/b"], &["logs", "x/logs/a"]);
    check("build/logs", &["build/logs", "build/logs/a"], &["x/build/logs", "build/log"]);
    check("build/logs/", &["build/logs/a/b"], &["x/build/logs/a", "build/logs"]);
    check("**/logs", &["logs", "logs/a", "x/y/logs", "x/logs/a"], &["xlogs"]);
    check("**/logs/", &["logs/a", "x/logs/a/b"], &["x/logs"]);
    check("docs/*", &["docs/a", "docs/a.md"], &["docs", "docs/a/b", "x/docs/a"]);
    check("docs/*/", &["docs/a/b", "docs/a/b/c"], &["docs/a"]);
    check("docs/**", &["docs/a", "docs/a/b"], &["docs", "x/docs/a"]);
    check("docs/**/", &["docs/a", "docs/a/b", "docs/a/b/c"], &["docs", "x/docs/a"]);
    check("docs/**/*", &["docs/a", "docs/a/b"], &["docs", "x/docs/a"]);
    check("docs/*.md", &["docs/a.md", "docs/a.md/b"], &["docs/x/a.md", "docs/a.txt"]);
    check("a/**/b", &["a/b", "a/x/b", "a/x/y/b", "a/x/b/c"], &["x/a/b", "a/xb"]);
    check("**/a/**/b/**", &["a/b/c", "x/a/y/b/c/d"], &["a/b", "b/a/c"]);
    check("*_test.go", &["a_test.go", "x/_test.go"], &["a_test.gox"]);
    check("test_*", &["test_a", "x/test_a/b"], &["a_test_a"]);
    check("*api*", &["api", "x/my-apis/y", "rapid"], &["ap/i"]);
    check("a*b*c", &["abc", "axbyc", "abbcc"], &["ab", "acb", "a/b/c"]);
    check("file?", &["file1", "x/fileé"], &["file", "file12", "file/1"]);
    check("foo**bar", &["foobar", "fooxbar"], &["foo/x/bar"]);
    check("/a/*/c", &["a/b/c", "a/b/c/d"], &["a/c", "a/b/b/c"]);
    check("apps/{web,api}/", &["apps/{web,api}/x"], &["apps/web/x"]);
    check(r"app/\[slug\]/page.tsx", &["app/[slug]/page.tsx"], &["app/s/page.tsx"]);
    check(r"my\ docs/", &["my docs/a"], &["my/a", "docs/a"]);
    check(r"a\*b", &["a*b"], &["axb"]);
    check("a:b+(c)", &["a:b+(c)"], &["a"]);
    check("a//b", &[], &["a/b", "a/x/b"]);
    check("höhe/*", &["höhe/é"], &["hohe/e"]);
    check(".github/", &[".github/workflows/ci.yml", "x/.github/y"], &[".github"]);
}

#[test]
fn the_last_matching_line_wins_whole() {
    let text =
        "* @org/all\n*.js @js # who else\n\n# comment\n/apps/ @apps a@b.example\n/apps/github\n/apps/github/web @web\n";
    let parsed = Codeowners::parse(text);
    let check = |path: &str, owners: &[&str]| {
        let rule = parsed.owner_rule(path).unwrap();
        assert_eq!(rule.map(|rule| rule.owners.clone()).unwrap_or_default(), owners, "{path}");
    };
    check("README", &["@org/all"]);
    check("x/a.js", &["@js"]);
    check("apps/a.js", &["@apps", "a@b.example"]);
    check("apps/github/a.js", &[]);
    check("apps/github/web/a.js", &["@web"]);
    assert_eq!(parsed.matching_rules(&["apps/github/a.js"]).unwrap()[0].as_ref().unwrap().line, 6);
}

#[test]
fn invalid_lines_are_skipped_and_told() {
    let text =
        "\u{feff}a @a\r\n!b @b\n  x[0-9] @c\n***/d @d\n\\#e @e\nf f\nä @x,@y\ng @org/team/x @g\nh\\ \ni\\\n/ @j\n";
    let parsed = Codeowners::parse(text);
    let told: Vec<_> = parsed.mistakes().iter().map(|mistake| (mistake.line, mistake.column, mistake.kind)).collect();
    use MistakeKind::{InvalidOwner, InvalidPattern};
    assert_eq!(
        told,
        [
            (2, 1, InvalidPattern),
            (3, 4, InvalidPattern),
            (4, 1, InvalidPattern),
            (5, 1, InvalidPattern),
            (6, 3, InvalidOwner),
            (7, 3, InvalidOwner),
            (8, 3, InvalidOwner),
            (10, 2, InvalidPattern),
        ]
    );
    let suggestion = |number: usize| parsed.mistakes()[number].suggestion.as_deref().unwrap();
    assert!(suggestion(1).ends_with(r"write x\[0-9\]"), "{}", suggestion(1));
    assert_eq!((suggestion(2), suggestion(4)), ("did you mean **/d?", "did you mean @f?"));
    assert!(suggestion(3).contains("begins a comment"), "{}", suggestion(3));
    assert_eq!(parsed.mistakes()[2].kind.name(), "Invalid pattern");
    let valid: Vec<String> = parsed.rules().map(|rule| rule.pattern).collect();
    assert_eq!(valid, ["a", "x[0-9]", "h\\ ", "/"]);
    assert!(Codeowners::parse(&"#".repeat(BYTES_MAX)).too_large());
}

proptest! {
    /// Where codeowners-rs follows GitHub, both find the same rule. Left out of the patterns: what it reads otherwise
    /// (a trailing slash after a wildcard, brackets, escaped wildcards, `!`).
    #[test]
    fn another_implementation_finds_the_same_rule(
        patterns in prop::collection::vec("/?((a|b|ab|\\*|\\*\\*|\\*a|a\\*|a\\*b|\\*b\\*)/){0,3}(a/?|b/?|ab/?|\\*|\\*\\*|\\*a|a\\*)", 1..12),
        paths in prop::collection::vec("((a|b|ab|aab|ba|abb)/){0,4}(a|b|ab|aab|ba)", 1..12),
    ) {
        let text: String = patterns.iter().map(|pattern| format!("{pattern} @x\n")).collect();
        let parsed = Codeowners::parse(&text);
        prop_assert_eq!(parsed.rules().count(), patterns.len());
        let oracle = codeowners_rs::parse(&text).into_ruleset();
        let ours = parsed.matching_rules(&paths).unwrap();
        for (path, ours) in paths.iter().zip(ours) {
            let theirs = oracle.all_matching_rules(path).into_iter().map(|(number, _)| number as u64 + 1).max();
            prop_assert_eq!(ours.map(|rule| rule.line), theirs, "{} in\n{}", path, &text);
        }
    }

    #[test]
    fn any_text_is_read(text in "(\\PC|[ \\\\#\n*/\\[@]){0,300}", path in "\\PC{0,40}") {
        let parsed = Codeowners::parse(&text);
        // A line with brackets counts and is told.
        prop_assert!(parsed.rules().count() <= text.lines().count() + 1);
        prop_assert!(parsed.mistakes().len() <= text.lines().count() + 1);
        let _ = parsed.owner_rule(&path);
    }
}

/// Work is counted, not timed, when it is bounded; these files are answered or refused, and neither takes long.
#[test]
fn no_file_makes_matching_slow() {
    let paths: Vec<String> = (0..1_000).map(|n| format!("src/a/a/a/{}/module{n}/aaaaaaaaab{n}.rs", n % 40)).collect();
    let check = |name: &str, text: String, answered: bool| {
        let rules = Codeowners::parse(&text).matching_rules(&paths);
        assert_eq!(rules.is_ok(), answered, "{name}");
    };
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    check("40,000 literal rules", many(40_000, &|n| format!("/src/a/{n}/module{n}/ @t{n}\n")), true);
    check("40,000 names", many(40_000, &|n| format!("module{n} @t\n")), true);
    check("40,000 extensions", many(40_000, &|n| format!("*.x{n} @t\n")), true);
    check("40,000 directories below **", many(40_000, &|n| format!("**/a/**/{n}/** @t\n")), true);
    check("3 MB of slashes", format!("{}\n", "a/".repeat(1_500_000)), true);
    check("long chains of **", many(2_000, &|n| format!("{}{n} @t\n", "**/a/".repeat(10))), true);
    check("long chains of *", format!("{}x @t\n", "*a".repeat(100)), true);
    // A file that nobody would write is refused rather than answered late.
    check("40,000 inner stars", many(40_000, &|n| format!("*a*a*a*{n}c* @t\n")), false);
    let long: Vec<String> = (0..9).map(|n| format!("{}{n}", "a".repeat(4_000))).collect();
    let text = many(50, &|n| format!("*{}{n}c*\n", "a?".repeat(100)));
    assert_eq!(Codeowners::parse(&text).owner_rules(&long), Err(TooComplex));
}
