//! A whole policy, and every mistake with its line.

use std::{fmt::Write as _, time::Instant};

use super::{CommentPolicy, RepositoryPolicy, parse_policy};
use crate::risk::{assessment::Mode, facts::CoverageSource, overrides::Permission, policy::Threshold};

fn mistakes(text: &str) -> String {
    let Err(errors) = parse_policy(text) else { return "no mistake\n".to_owned() };
    errors.iter().fold(String::new(), |mut out, error| {
        let line = error.line.map_or("-".to_owned(), |line| line.to_string());
        writeln!(out, "{line}: {}", error.message).unwrap();
        out
    })
}

#[test]
fn a_whole_policy_is_read() {
    let read = parse_policy(
        r#"
mode: enforce
threshold: { top: 2.5% }
services:
  payments-api: { paths: ["apps/payments/**"], slos: ["abc123", 42], env: prod }
  web:
floors: { destructive_migration: 65, active_incident: off }
ignore: ["**/*.lock", "vendor/**"]
owners_check: on
override: { who: maintain, by_author: true, expires: 90m }
comment: on_level_change
coverage: { sources: [sonar, upload], sonar_project: "acme:shop" }
sensitive_paths: { "infra/**": 6, "**/auth/**": 4.5 }
freezes:
  - { name: Holidays, from: "2026-12-20T00:00:00Z", until: 2027-01-02T00:00:00+01:00 }
"#,
    )
    .unwrap();
    assert_eq!(read.policy.mode, Mode::Enforce);
    assert_eq!(read.policy.threshold, Threshold::TopShareBp(250));
    assert_eq!(read.policy.floors.destructive_migration, Some(65));
    assert_eq!(read.policy.floors.active_incident, None);
    assert_eq!(read.policy.floors.budget_exhausted, Some(80));
    assert_eq!(read.policy.origin.file.as_deref(), Some(".github/mergecast.yml"));
    assert_eq!(read.declared.ignore, ["**/*.lock", "vendor/**"]);
    assert_eq!(read.declared.services["payments-api"], ["apps/payments/**"]);
    assert_eq!(read.services["payments-api"].slos, ["abc123", "42"]);
    assert_eq!(read.services["payments-api"].env.as_deref(), Some("prod"));
    assert!(read.declared.services["web"].is_empty());
    assert_eq!(read.declared.sensitive_paths["**/auth/**"], 4.5);
    assert_eq!(read.declared.freezes[0].until.to_rfc3339(), "2027-01-01T23:00:00+00:00");
    assert!(read.owners_check && read.overrides.by_author);
    assert_eq!((read.overrides.who, read.overrides.expires_s), (Permission::Maintain, 5_400));
    assert_eq!(read.comment, CommentPolicy::OnLevelChange);
    assert_eq!(read.coverage.sources, [CoverageSource::Sonar, CoverageSource::Upload]);
    assert_eq!(read.coverage.sonar_project.as_deref(), Some("acme:shop"));
    let stored = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<RepositoryPolicy>(&stored).unwrap(), read);
}

#[test]
fn an_empty_file_is_the_default() {
    for text in
        ["", "\n# nothing yet\n", "---\n", "mode:\nignore:\n", "mode: advisory\ncomment: off\nowners_check: off\n"]
    {
        let read = parse_policy(text).unwrap_or_else(|errors| panic!("{text:?}: {errors:?}"));
        let mut default = RepositoryPolicy::default();
        default.policy.origin.file = read.policy.origin.file.clone();
        assert_eq!(read, default, "{text:?}");
    }
}

#[test]
fn all_mistakes_are_told_with_their_lines() {
    insta::assert_snapshot!(mistakes(
        r#"
mdoe: enforce
mode: enfroce
threshold: 170
services:
  "evil.example/?x=1&": { paths: ["a"] }
  api: { path: ["a"], env: "a b", slos: [true] }
floors: { destructive_migration: 70.5, active_incidents: 1, budget_exhausted: high }
ignore: ["{a", 7, ""]
owners_check: perhaps
override: { who: read, expires: 4 hours }
comment: always
sensitive_paths: { "infra/**": 31, "[": 1 }
freezes:
  - { name: Backwards, from: 2026-12-21T00:00:00Z, until: 2026-12-20T00:00:00Z }
  - { name: Half }
  - { name: Odd, from: yesterday, until: 2026-12-20T00:00:00Z }
datadog_url: https://evil.example
"#
    ), @r#"
    2: Unknown key "mdoe"; did you mean mode?
    3: mode must be advisory or enforce; did you mean enforce?
    4: threshold is 170, but must be from 0 to 100
    6: The service name "evil.example/?x=1&" may hold letters, digits and _ - . / : only
    7: Unknown key "path" in services.api; did you mean paths?
    7: services.api.env "a b" may hold letters, digits and _ - . / : only
    7: services.api.slos must be a text, but is true or false
    8: Unknown key "active_incidents" in floors; did you mean active_incident?
    8: floors.destructive_migration is 70.5, but must be a whole number
    8: floors.budget_exhausted must be a number from 0 to 100, but is a text
    9: The pattern "{a" cannot be used: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
    9: ignore must have 1 to 300 printable characters
    10: owners_check must be on or off
    11: override.who must be write or maintain or admin
    11: override.expires must be a time span from 5m to 7d, such as 30m, 4h or 2d
    12: comment must be off or on_level_change
    13: sensitive_paths "infra/**" is 31, but must be from 0 to 30
    13: The pattern "[" cannot be used: unclosed character class; missing ']'
    15: A freeze must end after it begins
    18: Unknown key "datadog_url"; the keys are mode, threshold, services, floors, ignore, owners_check, override, comment, coverage, sensitive_paths, freezes
    -: There are 2 more mistakes
    "#);
}

#[test]
fn shapes_and_shares_are_checked() {
    let check = |text: &str, expected: &str| assert_eq!(mistakes(text), expected, "{text}");
    check("- a", "1: the file must be a table of keys, but is a list\n");
    check("threshold: { top: 0% }", "1: threshold.top must be a share such as 5%, more than 0% and at most 50%\n");
    check("threshold: { top: 51% }", "1: threshold.top must be a share such as 5%, more than 0% and at most 50%\n");
    check("threshold: { top: 5 }", "1: threshold.top must be a share such as 5%, more than 0% and at most 50%\n");
    check("threshold: { top: 50% }", "no mistake\n");
    check("threshold: high", "1: threshold must be a score from 0 to 100 or { top: 5% }, but is a text\n");
    assert!(mistakes("threshold: .nan").starts_with("1: This is not YAML that can be read: "));
}

#[test]
fn yaml_bombs_are_refused_at_once() {
    let start = Instant::now();
    let deep = format!("ignore: {}", "[".repeat(60_000));
    let wide = format!("ignore: [{}]", "a,".repeat(30_000));
    let aliases = "a: &a [x,x]\nb: &b [*a,*a]\nignore: [*b,*b]\n";
    let huge = "#".repeat(70_000);
    let duplicate = "mode: enforce\nmode: advisory\n";
    for text in
        [&deep, &wide, aliases, &huge, duplicate, "ignore: \"", "---\nmode: enforce\n---\n", "\u{0}", "!!binary x"]
    {
        let told = mistakes(text);
        assert!(told.lines().count() == 1 && told.len() < 400, "{told}");
        assert_ne!(told, "no mistake\n", "{}", &text[..20.min(text.len())]);
    }
    assert!(start.elapsed().as_secs() < 2);
}

#[test]
fn sources_of_coverage_are_few_and_known() {
    let text = "coverage:\n  sources: [uplaod, codecov, codecov]\n  sonar: x\n  sonar_project: \"a b\"\n";
    insta::assert_snapshot!(mistakes(text), @r#"
    2: coverage.sources must be upload or codecov or sonar; did you mean upload?
    2: coverage.sources names a source twice
    3: Unknown key "sonar" in coverage; the keys are sources, sonar_project
    4: coverage.sonar_project "a b" may hold letters, digits and _ - . / : only
    "#);
    let off = parse_policy("coverage: { sources: [] }\n").unwrap();
    assert!(off.coverage.sources.is_empty(), "none is off");
    assert_eq!(parse_policy("coverage:\n").unwrap().coverage, parse_policy("").unwrap().coverage);
}
