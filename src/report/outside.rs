//! Text from outside: characters that hide, reorder or command are made visible, and length is bounded.

/// `text` on one line: control characters as their pictures, invisible and reordering ones as `⟨U+202E⟩`.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0'..='\u{1f}' => shown.push(char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}')),
            '\u{7f}' => shown.push('\u{2421}'),
            _ if hides(character) => shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(character))),
            _ => shown.push(character),
        }
    }
    shown
}

/// At most `most` characters of `text`: the middle gives way, since a path says most at its two ends.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let kept = most.saturating_sub(1);
    let front = kept / 3;
    let head: String = text.chars().take(front).collect();
    let tail: String = text.chars().skip(length - (kept - front)).collect();
    format!("{head}…{tail}")
}

/// Whether a character is not seen, or changes the order or the shape of its neighbours.
fn hides(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_shown() {
        let check = |input: &str, expected: &str| assert_eq!(visible(input), expected);
        check("plain ünïcode 日本 🙂", "plain ünïcode 日本 🙂");
        check("a\nb\tc\0d\u{1b}[31m\u{7f}", "a␊b␉c␀d␛[31m␡");
        check("safe\u{202e}gpj.exe\u{200b}", "safe⟨U+202E⟩gpj.exe⟨U+200B⟩");
    }

    #[test]
    fn long_text_gives_way_in_the_middle() {
        assert_eq!(shorten("apps/payments/db/migrate/1.sql", 20), "apps/p…migrate/1.sql");
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "…üß");
        assert_eq!(shorten("abc", 0), "…");
    }
}
