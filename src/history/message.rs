//! What the message of a landed change says of it: its pull request, whether it takes back or brings back, and what.
//!
//! Only words are read here. Which change a claim means, and whether it is on the main line, is found out elsewhere.

use std::sync::LazyLock;

use regex::Regex;

use super::Claim;
use crate::risk::revert;

/// Fewer characters than these, not quoted, name no change.
const UNQUOTED_TITLE_CHARS_MIN: usize = 12;
/// More of a headline is no title.
const TITLE_CHARS_MAX: usize = 1_000;
/// More of a name is not shown.
const NAME_CHARS_MAX: usize = 100;
/// More changes are not undone at once; a longer list is somebody else's.
const CLAIMS_MAX: usize = 64;

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Number of the pull or merge request that it landed.
    pub pull_request: Option<u64>,
    /// Number of the Phabricator revision that it landed.
    pub revision: Option<u64>,
    /// First line; of a merged pull request, its title. At most 1,000 characters. Untrusted.
    pub title: String,
    /// Takes back earlier changes. True of a revert of a revert too, which takes back the revert.
    pub revert: bool,
    /// Brings back what was taken back.
    pub reland: bool,
    /// The earlier changes that it undoes, each named in as many ways as the message does, surest first. A change that
    /// brings back names what took back, never what it brings.
    pub undoes: Vec<Claim>,
}

/// Reads the message of a change of the repository `name` (without its owner), where that is known.
pub fn read(message: &str, name: Option<&str>) -> Said {
    let message = message.trim_start_matches(['\n', '\r']);
    let (headline, body) = message.split_once('\n').unwrap_or((message, ""));
    let headline = headline.trim();
    let merged = merged(headline, body);
    let title = match merged {
        // GitHub and GitLab put the title below the headline, if there is one.
        Some(_) => body.lines().map(str::trim).find(|line| !line.is_empty()).filter(|line| !is_reference(line)),
        None => None,
    };
    let title = title.map_or_else(|| whole(headline, body), str::to_owned);
    let title: String = title.chars().take(TITLE_CHARS_MAX).collect();
    let direction = direction(&title);
    let pull_request = merged.flatten().or_else(|| own_number(&title).map(|(_, number)| number));
    let pull_request = pull_request.or_else(|| numbers(&RESOLVED, body).last());
    let mut undoes = claims(headline, body, &direction, name);
    undoes.retain(|claim| pull_request.is_none_or(|own| *claim != Claim::PullRequest(own)));
    Said {
        pull_request,
        revision: numbers(&REVISION, body).last(),
        revert: direction.back,
        reland: direction.again,
        undoes,
        title,
    }
}

/// A title as [`Claim::Title`] names it: without the numbers that are appended when it lands.
pub fn bare_title(title: &str) -> &str {
    let mut title = title.trim();
    while let Some((before, _)) = own_number(title) {
        title = before;
    }
    title
}

/// How the author may be asked: by the login that GitHub's no-reply address tells, else by name.
pub fn contact(name: &str, email: &str) -> String {
    let account = email.trim().strip_suffix("@users.noreply.github.com");
    let login = account.map(|account| account.rsplit_once('+').map_or(account, |(_, login)| login));
    let is_login = |login: &&str| {
        !login.is_empty() && login.len() <= 39 && login.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    match login.filter(is_login) {
        Some(login) => format!("@{login}"),
        None => name.trim().chars().take(NAME_CHARS_MAX).collect(),
    }
}

/// Whether a program wrote the change, by the names of its author.
pub fn is_bot(name: &str, email: &str) -> bool {
    /// Programs that commit under a name without `bot` at its end.
    const PROGRAMS: [&str; 14] = [
        "dependabot",
        "dependabot-preview",
        "renovate",
        "greenkeeper",
        "greenkeeperio",
        "github-actions",
        "github actions",
        "pre-commit-ci",
        "mergify",
        "depfu",
        "pyup.io",
        "snyk",
        "weblate",
        "copybara-service",
    ];
    /// Names of people that end like those of programs.
    const PEOPLE: [&str; 4] = ["abbot", "talbot", "cabot", "turbot"];
    let name = name.trim().to_lowercase();
    let account = email.trim().to_lowercase();
    let account = account.split('@').next().unwrap_or_default();
    if name.ends_with("[bot]") || account.ends_with("[bot]") || PROGRAMS.contains(&name.as_str()) {
        return true;
    }
    // `Release Bot` and `release-bot`, but of `releasebot` only the login: Robert Talbot is a person.
    let last = name.rsplit([' ', '-', '_', '.']).next().unwrap_or_default();
    last == "bot" || (!name.contains(' ') && last.ends_with("bot") && !PEOPLE.contains(&last))
}

static MERGE_GITHUB: LazyLock<Regex> = LazyLock::new(|| pattern(r"^Merge pull request #(\d{1,9}) from \S"));
static MERGE_BITBUCKET: LazyLock<Regex> = LazyLock::new(|| pattern(r"^Merged in \S+ \(pull request #(\d{1,9})\)"));
static MERGE_GITLAB: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^See merge request (?:\S*?)!(\d{1,9})\s*$"));
/// Written by tools that import pull requests into a Phabricator, and back.
static RESOLVED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?m)^Pull Request resolved: (?:https://github\.com/[\w.-]+/[\w.-]+/pull/|#)(\d{1,9})\s*$")
});
static REVISION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^Differential Revision: \[?(?:https?://\S+/)?D(\d{1,12})\b"));
static ORIGINAL_REVISION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^Original Phabricator Diff: (?:https?://\S+/)?D(\d{1,12})\b"));
/// Mercurial's words.
static BACKED_OUT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?im)^\s*back(?:s|ed)?[ -]?out (?:changeset |commit |revision )?([0-9a-f]{7,64})\b"));
/// `(#12)` at the end, as GitHub appends it to a squashed pull request.
static OWN_NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(.*?)\s*\(#(\d{1,9})\)\s*$"));
/// The branch of GitHub's revert button: `revert-12-topic`.
static REVERT_BRANCH: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^Merge pull request #\d+ from [^/\s]+/revert-(\d{1,9})-"));
/// `feat(scope)!: `, `[tag] `, `Two words: `, an opening quotation mark: what may stand before a verb.
static PREFIX: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"^(?:\[[^\]]*\]:?\s*|[\w./-]+(?: [\w./-]+)?(?:\([^)]*\))?!?:\s+|["'`“‘]\s*)"#));
static TYPED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^revert(?:\([^)]*\))?!?:\s+"));
static BACK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)^(?:partial(?:ly)? )?(?:revert(?:s|ed|ing)?|back(?:s|ed|ing)?[ -]?out|roll(?:s|ed|ing)?[ -]?back)\b",
        r"(?:\([^)]*\))?!?:?\s*"
    ))
});
static AGAIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^(?:un-?revert|re-?land|re-?appl(?:y|ies)|re-?applied|re-?introduc|re-?submit)(?:ing|e?d|e?s|e)?\b")
});
/// Words that say so anywhere in a title.
static AGAIN_WITHIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\bre-?land(?:s|ed|ing)?\b|[(\[]re-?(?:appl|introduc|submit)\w*\b|\b(?:take|attempt) ?#?\d+\b")
});
static HASHED_NUMBER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?:^|[\s(\[,:"'`“])(?:[\w.-]+/([\w.-]+))?#(\d{1,9})\b"#));
static PULL_NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:pr|pull(?: request)?)[ /](\d{1,9})\b"));
/// Phabricator's numbers are long; `D3` is the name of a library.
static DIFF: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bD(\d{4,12})\b"));
static SHA: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[0-9a-f]{7,64}\b"));
static IMPORTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:\[[^\]]*\])*\[PR\]\s*"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a constant")
}

/// Whether the message is that of a merged pull or merge request, and of which one.
fn merged(headline: &str, body: &str) -> Option<Option<u64>> {
    if let Some(found) = MERGE_GITHUB.captures(headline) {
        return Some(found[1].parse().ok());
    }
    if let Some(found) = MERGE_BITBUCKET.captures(headline) {
        return Some(found[1].parse().ok());
    }
    let found = MERGE_GITLAB.captures(body).filter(|_| headline.starts_with("Merge branch "))?;
    Some(found[1].parse().ok())
}

/// A line of a merge's body that is not the title of what was merged.
fn is_reference(line: &str) -> bool {
    ["See merge request ", "Closes ", "Approved-by: ", "Signed-off-by: ", "# Conflicts:"]
        .iter()
        .any(|start| line.starts_with(start))
}

/// The headline with its end, where GitHub cut it at 72 characters and put the rest into the body, between two ellipses.
fn whole(headline: &str, body: &str) -> String {
    let (start, number) = match own_number(headline) {
        Some((start, number)) => (start, Some(number)),
        None => (headline, None),
    };
    let rest = body.lines().map(str::trim).find(|line| !line.is_empty());
    let rest = rest.and_then(|line| line.strip_prefix('…').or_else(|| line.strip_prefix("...")));
    let start = start.strip_suffix('…').or_else(|| start.strip_suffix("..."));
    match (start, rest, number) {
        (Some(start), Some(rest), Some(number)) => format!("{start}{rest} (#{number})"),
        (Some(start), Some(rest), None) => format!("{start}{rest}"),
        _ => headline.to_owned(),
    }
}

/// A title without the number at its end, and that number.
fn own_number(title: &str) -> Option<(&str, u64)> {
    let found = OWN_NUMBER.captures(title)?;
    Some((found.get(1)?.as_str(), found[2].parse().ok()?))
}

/// Which way a title goes, and what stands behind its verb.
#[derive(Debug, Default)]
struct Direction<'a> {
    back: bool,
    again: bool,
    object: &'a str,
}

/// Verbs are peeled off from the left; an even number of takings-back brings back.
fn direction(title: &str) -> Direction<'_> {
    let mut found = Direction::default();
    let mut rest = title.trim_start();
    let mut backs = 0_u32;
    // `revert: Revert "x"` says it twice, once as the type of the change.
    if let Some(typed) = TYPED.find(rest).filter(|typed| BACK.is_match(&rest[typed.end()..])) {
        rest = &rest[typed.end()..];
    }
    loop {
        if let Some(verb) = BACK.find(rest) {
            rest = &rest[verb.end()..];
            backs += 1;
            if backs == 1 {
                found = Direction { back: true, again: false, object: rest };
            }
        } else if AGAIN.is_match(rest) {
            found.again |= backs == 0;
            break;
        } else if let Some(prefix) = PREFIX.find(rest) {
            rest = &rest[prefix.end()..];
        } else {
            break;
        }
    }
    found.again |= (backs > 0 && backs.is_multiple_of(2)) || AGAIN_WITHIN.is_match(&unquoted(title));
    found
}

/// What stands outside the quotation marks of a title.
fn unquoted(title: &str) -> String {
    match (title.find('"'), title.rfind('"')) {
        (Some(first), Some(last)) => format!("{} {}", &title[..first], &title[last + 1..]),
        _ => title.to_owned(),
    }
}

fn claims(headline: &str, body: &str, direction: &Direction<'_>, name: Option<&str>) -> Vec<Claim> {
    // What somebody else said is quoted.
    let own: Vec<&str> = body.lines().filter(|line| !line.trim_start().starts_with('>')).collect();
    let own = own.join("\n");
    let same = |named: Option<&str>| named.zip(name).is_none_or(|(named, name)| named.eq_ignore_ascii_case(name));
    let mut claims: Vec<Claim> = revert::commits(&own).map(Claim::Commit).collect();
    claims.extend(texts(&BACKED_OUT, &own).map(|sha| Claim::Commit(sha.to_ascii_lowercase())));
    claims.extend(revert::pulls(&own).filter(|(named, _)| same(*named)).map(|(_, number)| Claim::PullRequest(number)));
    if direction.back {
        claims.extend(numbers(&REVERT_BRANCH, headline).map(Claim::PullRequest));
        claims.extend(numbers(&ORIGINAL_REVISION, &own).map(Claim::Revision));
        title_claims(direction.object, &same, &mut claims);
    }
    let mut distinct = Vec::with_capacity(claims.len().min(CLAIMS_MAX));
    for claim in claims {
        if distinct.len() < CLAIMS_MAX && !distinct.contains(&claim) {
            distinct.push(claim);
        }
    }
    distinct
}

/// What the words behind `Revert` name.
fn title_claims(object: &str, same: &dyn Fn(Option<&str>) -> bool, claims: &mut Vec<Claim>) {
    let object = own_number(object).map_or(object, |(before, _)| before).trim();
    let quoted = quoted(object);
    for title in &quoted {
        claims.extend(own_number(title).map(|(_, number)| Claim::PullRequest(number)));
        claims.extend(numbers(&MERGE_GITHUB, title).map(Claim::PullRequest));
    }
    // What a revert took back is not what is undone when the revert is.
    let nested = quoted.iter().any(|title| direction(title).back);
    if !nested {
        let hashed = HASHED_NUMBER.captures_iter(object).filter(|found| same(found.get(1).map(|part| part.as_str())));
        claims.extend(hashed.filter_map(|found| found[2].parse().ok()).map(Claim::PullRequest));
        claims.extend(numbers(&PULL_NUMBER, object).map(Claim::PullRequest));
        claims.extend(numbers(&DIFF, object).map(Claim::Revision));
    }
    if quoted.is_empty() {
        let shas = SHA.find_iter(object).map(|word| word.as_str()).filter(|word| is_abbreviation(word));
        claims.extend(shas.map(|sha| Claim::Commit(sha.to_owned())));
        // `Revert D12: title`, and `Revert title` where it is long enough to name something.
        let words = object.split_once(": ").filter(|(diff, _)| DIFF.is_match(diff)).map_or(object, |(_, title)| title);
        if words.chars().count() >= UNQUOTED_TITLE_CHARS_MIN {
            claims.push(Claim::Title(bare_title(words).to_owned()));
        }
    }
    for title in quoted {
        let bare = bare_title(title);
        if !bare.is_empty() {
            claims.push(Claim::Title(bare.to_owned()));
        }
        // Tools that import pull requests put tags before the title for themselves.
        if let Some(tags) = IMPORTED.find(bare) {
            claims.push(Claim::Title(bare[tags.end()..].to_owned()));
        }
    }
}

/// The titles that a text quotes: from the first quotation mark to the last, `"one" and "another"` apart.
fn quoted(text: &str) -> Vec<&str> {
    let Some((first, quote)) = text.char_indices().find(|(_, c)| matches!(c, '"' | '“' | '`')) else {
        return text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).into_iter().collect();
    };
    let end = if quote == '“' { '”' } else { quote };
    let inner = &text[first + quote.len_utf8()..];
    // A title that was cut off has no end.
    let inner = inner.rfind(end).map_or(inner.trim_end_matches('…'), |at| &inner[..at]);
    inner.split("\" and \"").map(str::trim).filter(|title| !title.is_empty()).collect()
}

/// A word of hexadecimal digits that is neither a number nor a word.
fn is_abbreviation(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit()) && word.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn numbers<'a>(pattern: &'a Regex, text: &'a str) -> impl Iterator<Item = u64> + 'a {
    texts(pattern, text).filter_map(|number| number.parse().ok())
}

/// The first group that takes part in each match.
fn texts<'a>(pattern: &'a Regex, text: &'a str) -> impl Iterator<Item = &'a str> + 'a {
    let found = pattern.captures_iter(text);
    found.filter_map(|found| found.iter().skip(1).flatten().next().map(|group| group.as_str()))
}
