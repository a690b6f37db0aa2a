//! Words of a title: what it is about.

/// Words that say nothing of what a change is about.
const EMPTY: [&str; 36] = [
    "the", "and", "for", "with", "from", "this", "that", "into", "not", "use", "using", "used", "add", "added", "adds",
    "adding", "fix", "fixes", "fixed", "fixing", "update", "updates", "updated", "make", "makes", "when", "are", "its",
    "also", "only", "new", "now", "all", "but", "can", "should",
];
/// Longer words are names that never come again.
const LETTERS: std::ops::RangeInclusive<usize> = 3..=30;
/// A title has few words; a hostile one may have many.
const WORDS_MAX: usize = 40;

/// The distinct words of a title in lower case, camel case parted, without numbers and without what is in every title.
/// Letters outside of ASCII part words.
pub(super) fn words_of(title: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for letter in title.chars().chain([' ']) {
        let parts = letter.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit());
        if parts || !letter.is_ascii_alphanumeric() {
            take(&mut words, &mut word);
        }
        // A word begins with a letter: numbers are those of issues, versions and years.
        if letter.is_ascii_alphabetic() || letter.is_ascii_digit() && !word.is_empty() {
            word.push(letter.to_ascii_lowercase());
        }
        before = letter;
        if words.len() == WORDS_MAX {
            break;
        }
    }
    words
}

fn take(words: &mut Vec<String>, word: &mut String) {
    let says = LETTERS.contains(&word.len()) && !EMPTY.contains(&word.as_str()) && !is_revision(word);
    if says && !words.contains(word) {
        words.push(std::mem::take(word));
    }
    word.clear();
}

/// `D12345`, a revision of Phabricator.
fn is_revision(word: &str) -> bool {
    word.strip_prefix('d').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_a_change_is_about() {
        let check = |title: &str, expected: &[&str]| assert_eq!(words_of(title), expected, "{title}");
        check("feat(snql): Add joinNode to the HTTPClient (#1234)", &["feat", "snql", "join", "node", "httpclient"]);
        check("Fix #12: D123456 in utf8 and x86, 2nd try, try", &["utf8", "x86", "try"]);
        check("", &[]);
        check("größe messen", &["messen"]);
        check(&"word ".repeat(10_000), &["word"]);
        assert_eq!(words_of(&(0..500).map(|n| format!("abc{n} ")).collect::<String>()).len(), WORDS_MAX);
    }
}
