//! Outside text in GitHub's Markdown: inert and still readable.
//!
//! One means does it all. Inside a code span GitHub makes no mention, reference, link, emoji, formula or tag, so
//! whatever is not a plain word goes into one; the span's fence is longer than any run of backticks within.

use super::outside;

/// Longest text from outside that is shown, in characters.
pub(crate) const LONGEST: usize = 160;

/// A name, a path or code from outside, as a code span.
pub fn code(outside: &str) -> String {
    code_within(outside, LONGEST)
}

/// Prose from outside, on one line: words stay words, everything else becomes a code span.
pub fn text(outside: &str) -> String {
    text_within(outside, 4 * LONGEST)
}

/// `markdown` of our own making, fit for a cell of a table.
pub fn cell(markdown: &str) -> String {
    markdown.replace('|', "\\|")
}

/// As [`code`], of at most `most` characters.
pub(crate) fn code_within(outside: &str, most: usize) -> String {
    let shown = outside::shorten(&outside::visible(outside), most);
    if shown.trim().is_empty() {
        return "(blank)".to_owned();
    }
    let fence = "`".repeat(longest_run(&shown) + 1);
    // One space at either end is taken off again by Markdown; it keeps inner backticks and spaces from the fence.
    let pad = if shown.starts_with(['`', ' ']) || shown.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{shown}{pad}{fence}")
}

/// As [`text`], of at most `most` characters.
pub(crate) fn text_within(outside: &str, most: usize) -> String {
    let shown = outside::shorten(&outside::visible(&outside.replace(['\n', '\t'], " ")), most);
    let mut pieces: Vec<String> = Vec::new();
    let mut odd: Vec<&str> = Vec::new();
    for token in shown.split_whitespace() {
        if let Some(piece) = word(token).or_else(|| quoted(token)) {
            flush(&mut odd, &mut pieces);
            pieces.push(piece);
        } else {
            odd.push(token);
        }
    }
    flush(&mut odd, &mut pieces);
    if pieces.is_empty() { "(blank)".to_owned() } else { pieces.join(" ") }
}

fn flush(odd: &mut Vec<&str>, pieces: &mut Vec<String>) {
    let joined = odd.join(" ");
    // A full stop or a comma belongs to the sentence.
    let core = joined.strip_suffix(STOPS).filter(|core| !core.is_empty()).unwrap_or(&joined);
    if !odd.is_empty() {
        pieces.push(format!("{}{}", code_within(core, usize::MAX), &joined[core.len()..]));
        odd.clear();
    }
}

const STOPS: [char; 4] = [',', ';', '.', '?'];

/// A name that the text itself puts between backticks.
fn quoted(token: &str) -> Option<String> {
    let core = token.strip_suffix(STOPS).unwrap_or(token);
    let name = core.strip_prefix('`')?.strip_suffix('`')?;
    let is_name = !name.is_empty() && !name.contains('`');
    is_name.then(|| format!("{}{}", code_within(name, usize::MAX), &token[core.len()..]))
}

/// A word that Markdown and GitHub leave alone: letters or a short number, perhaps with a full stop or a comma after it.
fn word(token: &str) -> Option<String> {
    let core = token.strip_suffix(STOPS).unwrap_or(token);
    let is_number = core.len() == token.len() && core.len() < 7 && core.bytes().all(|byte| byte.is_ascii_digit());
    let is_letters = core.split(['\'', '-']).all(|part| !part.is_empty() && part.chars().all(char::is_alphabetic));
    // Seven hexadecimal digits and more are a commit to GitHub.
    let is_commit = core.len() >= 7 && core.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_number || (is_letters && !is_commit)).then(|| token.to_owned())
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_code_spans() {
        let check = |input: &str, expected: &str| assert_eq!(code(input), expected);
        check("src/a.rs", "`src/a.rs`");
        check("a`b", "``a`b``");
        check("``", "``` `` ```");
        check("@acme/payments", "`@acme/payments`");
        check(" ", "(blank)");
        check("", "(blank)");
        check("x\n# y", "`x␊# y`");
        check("<!-- -->", "`<!-- -->`");
    }

    #[test]
    fn prose_keeps_its_words() {
        let check = |input: &str, expected: &str| assert_eq!(text(input), expected);
        check("Fix the cart, don't ask", "Fix the cart, don't ask");
        check("Fix #12 for @bob, see GH-3", "Fix `#12` for `@bob`, see `GH-3`");
        check("![x](https://evil.example) <b>hi</b>", "`![x](https://evil.example) <b>hi</b>`");
        check("unknown key `treshold`, did you mean `threshold`?", "unknown key `treshold`, did you mean `threshold`?");
        check("deadbeef and 1234567 but 2026", "`deadbeef` and `1234567` but 2026");
        check("1. one\n- two | three :tada: $x$", "`1`. one `-` two `|` three `:tada: $x$`");
        check("[^1]: note &amp; www.evil.example a_b_c **x**", "`[^1]:` note `&amp; www.evil.example a_b_c **x**`");
    }
}
