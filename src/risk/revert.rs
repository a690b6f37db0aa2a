//! What a change says it undoes. A claim proves nothing: the patches are compared elsewhere.

use std::{fmt, sync::LazyLock};

use regex::Regex;
use serde::{Deserialize, Serialize};

/// The change that is said to be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Claim {
    /// A commit, by its object id (7 to 64 hexadecimal digits).
    Commit(String),
    /// A pull request of the same repository, by its number.
    PullRequest(u64),
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(sha) => formatter.write_str(sha),
            Self::PullRequest(number) => write!(formatter, "#{number}"),
        }
    }
}

/// Nobody shortens an object id further.
const SHA_DIGITS_MIN: usize = 7;

/// `git revert`'s own sentence, also for several; the object id is the surest name.
static COMMIT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\bthis reverts commits? ([0-9a-f]{7,64}\b(?:(?:\s*,\s*|\s+)(?:and\s+)?[0-9a-f]{7,64}\b)*)")
});
/// GitHub's revert button writes `Reverts owner/name#12` into the body.
static BODY_PULL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?im)^\s*(?:this )?reverts (?:[\w.-]+/([\w.-]+))?#(\d{1,9})\b"));
/// `Revert "title (#12)"`, `Revert #12`, `Back out #12`.
static TITLE_PULL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^\s*(?:revert|back(?:s|ed)?[ -]?out)\b.*#(\d{1,9})\b"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a constant")
}

/// A line that says that something is taken back.
static TAKES_BACK: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^\s*(?:this )?(?:revert(?:s|ed)?|back(?:s|ed)?[ -]?out)\b"));

/// Whether a change takes something back, in its own words. To undo that is to land again what was taken back, which
/// brings back no state that ran well.
pub fn takes_back(title: &str, message: &str) -> bool {
    let lines = || std::iter::once(title).chain(message.lines());
    !lines().any(brings_back) && lines().any(|line| TAKES_BACK.is_match(line))
}

/// What the title and the body (or commit message) say is undone. A re-land (`Revert "Revert …"`) is no revert: it
/// brings back what was taken out for a reason.
pub fn claim(title: &str, body: &str) -> Option<Claim> {
    if brings_back(title) {
        return None;
    }
    if let Some(sha) = commits(body).next() {
        return Some(Claim::Commit(sha));
    }
    let named = pulls(body).next().map(|(_, number)| number);
    named.or_else(|| TITLE_PULL.captures(title)?[1].parse().ok()).map(Claim::PullRequest)
}

/// The commits that a text says it reverts: object ids or their beginnings, lower case.
pub fn commits(text: &str) -> impl Iterator<Item = String> {
    let named = COMMIT.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str()));
    let words = named.flat_map(|list| list.split([',', ' ', '\n', '\r', '\t']));
    words.filter(|word| word.len() >= SHA_DIGITS_MIN).map(str::to_ascii_lowercase)
}

/// The pull requests that a text says it reverts, a line each: the repository's name, where it is written, and the number.
pub fn pulls(text: &str) -> impl Iterator<Item = (Option<&str>, u64)> {
    let found = BODY_PULL.captures_iter(text);
    found.filter_map(|found| Some((found.get(1).map(|name| name.as_str()), found[2].parse().ok()?)))
}

/// Whether the title takes back an even number of times, as `Revert "Revert "Add cache""` and `Reland …` do.
pub(super) fn brings_back(title: &str) -> bool {
    let (mut rest, mut times) = (title.trim_start(), 0_u32);
    while let Some(inner) = rest.strip_prefix("Revert \"") {
        (rest, times) = (inner, times + 1);
    }
    let lower = rest.to_lowercase();
    let relands = ["reland", "re-land", "reapply"].iter().any(|word| lower.starts_with(word));
    times % 2 == 0 && (times > 0 || relands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(title: &str, body: &str, expected: Option<&str>) {
        assert_eq!(claim(title, body).map(|claim| claim.to_string()).as_deref(), expected);
    }

    #[test]
    fn claims_are_read_from_the_usual_sentences() {
        check("Revert \"Add cache\"", "This reverts commit 0A1B2C3d.", Some("0a1b2c3d"));
        check("Revert \"Add cache (#41)\" (#44)", "", Some("#44"));
        check("Revert \"Add cache\"", "Reverts acme/shop#41", Some("#41"));
        check("Back out #7: broke login", "", Some("#7"));
        check("Revert \"Revert \"Add cache\"\"", "This reverts commit 0a1b2c3d.", None);
        check("Revert \"Revert \"Revert \"Add cache\"\"\"", "This reverts commit 0a1b2c3d.", Some("0a1b2c3d"));
        check("Reapply \"Add cache\"", "This reverts commit 0a1b2c3d.", None);
        check("Revert \"Reland cache\"", "This reverts commit 0a1b2c3d.", Some("0a1b2c3d"));
        check("Make the cache revert to disk", "closes #3", None);
        check("Document how to revert #3", "", None);
        check("", "This reverts commit zzz", None);
        check("Revert #99999999999999999999", "", None);
    }

    #[test]
    fn what_takes_back_is_known_by_its_words() {
        let check = |title: &str, message: &str, expected: bool| assert_eq!(takes_back(title, message), expected);
        check("Revert \"Add cache\"", "", true);
        check("Back out #7", "", true);
        check("Go back", "Reverts acme/shop#4", true);
        check("Merge pull request #2 from acme/x", "\n\nRevert \"Add cache\"", true);
        check("Add a way to revert", "The cache can revert now", false);
        check("Revert \"Revert \"Add cache\"\"", "Reverts acme/shop#4", false);
        check("Merge pull request #5 from acme/x", "\n\nReland cache\n\nThis reverts commit 0a1b2c3d.", false);
    }
}
