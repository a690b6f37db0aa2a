//! What has to hold for every CODEOWNERS file. Input: the file, a line `%%`, paths line by line.

use std::collections::BTreeSet;

use mergecast::codeowners::{
    Codeowners,
    audit::{FindingKind, Subject, audit},
};

/// Longest part of a wrong line that is repeated, in characters.
const SOURCE_CHARS: usize = 200;
/// Rules and paths up to which each pair is tried by itself.
const PAIRS: usize = 512;

pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (file, paths) = text.split_once("\n%%\n").unwrap_or((&text, ""));
    let paths: Vec<&str> = paths.lines().collect();
    let owners = Codeowners::parse(file);
    tells_each_line_once(file, &owners);
    // Refused for its work, within bounds; then it is refused again, and nothing is claimed.
    let Ok(matched) = owners.matching_rules(&paths) else {
        assert!(owners.matching_rules(&paths).is_err());
        return;
    };
    assert_eq!(matched.len(), paths.len());
    for (path, rule) in paths.iter().zip(&matched) {
        let alone = owners.matching_rules(&[path]).expect("less work than all paths");
        assert_eq!(alone.as_slice(), std::slice::from_ref(rule), "{path:?} by itself is not what it is among others");
        let owned = rule.clone().filter(|rule| !rule.owners.is_empty());
        assert_eq!(owners.owner_rule(path), Ok(owned));
    }
    the_last_match_wins(file, &owners, &paths);
    a_catch_all_catches_all(file, &paths);
    what_does_nothing_can_go(file, &owners, &paths);
}

/// A line is a rule, a mistake or nothing; one with brackets may be both of the former.
fn tells_each_line_once(file: &str, owners: &Codeowners) {
    let lines: Vec<&str> = file.split('\n').collect();
    let mut told: Vec<u64> = Vec::new();
    for rule in owners.rules() {
        let line = lines[rule.line as usize - 1];
        assert!(!rule.pattern.is_empty() && line.contains(&rule.pattern), "{rule:?} is not what stands there");
        assert!(rule.owners.iter().all(|owner| line.contains(owner.as_str())));
        let is_told = owners.mistakes().binary_search_by_key(&rule.line, |mistake| mistake.line).is_ok();
        if is_told {
            assert!(rule.pattern.contains(['[', ']']), "{rule:?} is a mistake");
        } else {
            told.push(rule.line);
        }
    }
    for mistake in owners.mistakes() {
        let line = lines[mistake.line as usize - 1];
        assert!(mistake.source.chars().count() <= SOURCE_CHARS);
        assert!(1 <= mistake.column && mistake.column as usize <= line.chars().count() + 1, "{mistake:?}");
        told.push(mistake.line);
    }
    told.sort_unstable();
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "a line is told twice");
}

/// The rule in force is the last of those that match by themselves.
fn the_last_match_wins(file: &str, owners: &Codeowners, paths: &[&str]) {
    let lines: Vec<&str> = file.strip_prefix('\u{feff}').unwrap_or(file).split('\n').collect();
    let rules: Vec<u64> = owners.rules().map(|rule| rule.line).collect();
    if rules.len() * paths.len() > PAIRS {
        return;
    }
    for path in paths {
        let matches = |line: &&u64| {
            // Not on the first line, where a byte order mark would be taken off.
            let alone = Codeowners::parse(&format!("\n{}", lines[**line as usize - 1]));
            alone.matching_rules(&[path]).is_ok_and(|found| found[0].is_some())
        };
        let last = rules.iter().rfind(matches).copied();
        let found = owners.matching_rules(&[path]).expect("less work than all paths").remove(0);
        assert_eq!(found.map(|rule| rule.line), last, "{path:?}");
    }
}

fn a_catch_all_catches_all(file: &str, paths: &[&str]) {
    let owners = Codeowners::parse(&format!("{file}\n* @everyone"));
    let Ok(found) = owners.matching_rules(paths) else { return };
    for (path, rule) in paths.iter().zip(found) {
        let caught = rule.is_some_and(|rule| rule.owners == ["@everyone"]);
        assert_eq!(caught, !path.is_empty() && !owners.too_large(), "{path:?}");
    }
}

/// Without a rule that is in force for nothing every path is owned as before.
fn what_does_nothing_can_go(file: &str, owners: &Codeowners, paths: &[&str]) {
    let all: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let subject = Subject { text: file, paths: &all, lately: &[], ever: &BTreeSet::new() };
    let Ok((findings, _)) = audit(&subject) else { return };
    let said = |text: &Codeowners| {
        let rules = text.matching_rules(paths).ok()?;
        Some(rules.into_iter().map(|rule| rule.map(|rule| (rule.pattern, rule.owners))).collect::<Vec<_>>())
    };
    for finding in findings.iter().take(PAIRS) {
        let Some(edit) = &finding.edit else { continue };
        assert!(edit.patch(file, "CODEOWNERS", true).contains("\n@@ -"), "{edit:?}");
        // The byte order mark of a first line goes with it, and one that a second line begins with becomes one.
        let after = edit.applied(file);
        let marked = file.starts_with('\u{feff}') || after.starts_with('\u{feff}');
        if matches!(finding.kind, FindingKind::MatchesNothing | FindingKind::Hidden) && !marked {
            assert_eq!(said(&Codeowners::parse(&after)), said(owners), "{finding:?}");
        }
    }
}
