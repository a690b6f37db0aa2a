//! Words, strings and signs of a program text, with comments left out: just enough of a dozen languages to tell a
//! call in a migration from text that speaks of one.

use std::collections::HashMap;

/// A token and the row on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) row: usize,
    pub(super) kind: Kind<'a>,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A name or a number.
    Word(&'a str),
    /// Content of a string, as written.
    Text(&'a str),
    /// Any other visible character.
    Sign(char),
}

/// How a language writes comments and strings.
#[derive(Clone, Copy)]
struct Manner {
    hash_comments: bool,
    slash_comments: bool,
    backtick_strings: bool,
    /// `'` begins a string, not a lifetime or a character.
    single_quotes: bool,
    /// A string may go on on the next line.
    long_strings: bool,
    /// `<<~SQL` and `<<<SQL`.
    heredocs: bool,
}

impl Manner {
    fn of(extension: &str) -> Self {
        let is = |extensions: &[&str]| extensions.contains(&extension);
        let hash_comments = is(&["rb", "py", "php", "ex", "exs"]);
        Self {
            hash_comments,
            slash_comments: !hash_comments || extension == "php",
            backtick_strings: is(&["js", "ts", "mjs", "cjs", "mts", "cts", "go"]),
            single_quotes: !is(&["rs", "go", "java", "kt", "cs"]),
            long_strings: is(&["rb", "php", "ex", "exs", "rs"]),
            heredocs: is(&["rb", "php"]),
        }
    }
}

/// Tokens of `text` in the language of a file extension.
pub(super) fn tokens<'a>(text: &'a str, extension: &str) -> Vec<Token<'a>> {
    let manner = Manner::of(extension);
    let mut lexer = Lexer { text, at: 0, row: 0, manner, tokens: Vec::new(), open: [0; 3], last_tags: None };
    while lexer.at < text.len() {
        lexer.step();
    }
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    row: usize,
    manner: Manner,
    tokens: Vec<Token<'a>>,
    /// Up to where no string in `"`, `'` and backticks ends, so that the way there is gone only once.
    open: [usize; 3],
    /// Where each line that may end a heredoc stands for the last time, once one begins.
    last_tags: Option<HashMap<&'a str, usize>>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn step(&mut self) {
        let rest = self.rest();
        let manner = self.manner;
        let Some(first) = rest.chars().next() else { return };
        match first {
            _ if first.is_whitespace() => self.advance(first.len_utf8()),
            '#' if manner.hash_comments => self.advance(line_of(rest).len()),
            '/' if manner.slash_comments && rest.starts_with("//") => self.advance(line_of(rest).len()),
            '/' if manner.slash_comments && rest.starts_with("/*") => {
                self.advance(rest[2..].find("*/").map_or(rest.len(), |end| end + 4));
            }
            '=' if rest.starts_with("=begin") && manner.heredocs && self.at_line_start() => {
                self.advance(rest.find("\n=end").map_or(rest.len(), |end| end + 5));
            }
            '<' if manner.heredocs && rest.starts_with("<<") && self.heredoc() => {}
            '"' if rest.starts_with("\"\"\"") => self.triple("\"\"\""),
            '\'' if manner.single_quotes && rest.starts_with("'''") => self.triple("'''"),
            '"' => self.string('"', manner.long_strings),
            '\'' if manner.single_quotes => self.string('\'', manner.long_strings),
            '`' if manner.backtick_strings => self.string('`', true),
            _ if first.is_alphanumeric() || first == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                self.push(Kind::Word(&rest[..end]));
                self.advance(end);
            }
            _ => {
                self.push(Kind::Sign(first));
                self.advance(first.len_utf8());
            }
        }
    }

    fn at_line_start(&self) -> bool {
        self.at == 0 || self.text.as_bytes().get(self.at - 1) == Some(&b'\n')
    }

    fn push(&mut self, kind: Kind<'a>) {
        self.tokens.push(Token { row: self.row, kind });
    }

    fn advance(&mut self, bytes: usize) {
        let passed = &self.rest()[..bytes];
        self.row += passed.bytes().filter(|byte| *byte == b'\n').count();
        self.at += bytes;
    }

    fn triple(&mut self, quote: &str) {
        let inside = &self.rest()[3..];
        let end = inside.find(quote).unwrap_or(inside.len());
        self.push(Kind::Text(&inside[..end]));
        self.advance((3 + end + 3).min(self.rest().len()));
    }

    /// A string in one kind of quotes, with backslash escapes. One that does not end is no string.
    fn string(&mut self, quote: char, long: bool) {
        let inside = &self.rest()[1..];
        let kind = match quote {
            '"' => 0,
            '\'' => 1,
            _ => 2,
        };
        let searched = self.at < self.open[kind];
        let mut end = inside.len();
        let mut escaped = false;
        for (at, letter) in inside.char_indices().take_while(|_| !searched) {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '\n' if !long => {
                    end = at;
                    break;
                }
                _ if letter == quote => {
                    self.push(Kind::Text(&inside[..at]));
                    self.advance(at + 2);
                    return;
                }
                _ => {}
            }
        }
        if !searched {
            // Escapes fall on the same letters from every quote on the way, so none of them ends either.
            self.open[kind] = self.at + 1 + end;
        }
        self.push(Kind::Sign(quote));
        self.advance(1);
    }

    /// `<<~SQL`, `<<-'SQL'`, `<<<SQL`: the lines up to the one that holds only the tag.
    fn heredoc(&mut self) -> bool {
        let rest = self.rest();
        let tag = rest[2..].strip_prefix('<').unwrap_or(&rest[2..]);
        let tag = tag.strip_prefix(['~', '-']).unwrap_or(tag);
        let tag = tag.strip_prefix(['"', '\'']).unwrap_or(tag);
        let end = tag.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(tag.len());
        let tag = &tag[..end];
        if !tag.starts_with(|c: char| c.is_ascii_uppercase()) || self.last_tag(tag) <= self.at {
            return false;
        }
        let begins = line_of(rest).len() + 1;
        let mut end = begins;
        for line in rest[begins..].split_inclusive('\n') {
            if tag_of(line) == tag {
                // The row of the text is the one below the tag.
                self.tokens.push(Token { row: self.row + 1, kind: Kind::Text(&rest[begins..end]) });
                self.advance(end + line.len());
                return true;
            }
            end += line.len();
        }
        false
    }

    /// Where the last line that holds only this tag begins; 0 when there is none.
    fn last_tag(&mut self, tag: &str) -> usize {
        let text = self.text;
        let tags = self.last_tags.get_or_insert_with(|| {
            let mut at = 0;
            let line = |line: &'a str| {
                at += line.len();
                (tag_of(line), at - line.len())
            };
            text.split_inclusive('\n').map(line).collect()
        });
        tags.get(tag).copied().unwrap_or(0)
    }
}

/// The tag of a heredoc that ends with this line.
fn tag_of(line: &str) -> &str {
    line.trim().trim_end_matches([';', ')', ','])
}

fn line_of(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, extension: &str) -> String {
        let show = |token: &Token<'_>| match token.kind {
            Kind::Word(word) => format!("{}:{word}", token.row),
            Kind::Text(text) => format!("{}:<{}>", token.row, text.trim()),
            Kind::Sign(sign) => format!("{}:{sign}", token.row),
        };
        tokens(text, extension).iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn tokens_of_several_languages() {
        let check =
            |extension: &str, text: &str, expected: &str| assert_eq!(shown(text, extension), expected, "{text}");
        check("rb", "drop_table :x # drop_table :y", "0:drop_table 0:: 0:x");
        check("rb", "=begin\ndrop\n=end\nx", "3:x");
        check("rb", "execute <<~SQL\n  DROP TABLE x\nSQL\ny", "0:execute 1:<DROP TABLE x> 3:y");
        check("rb", "a << b", "0:a 0:< 0:< 0:b");
        check("rb", "<<A <<B\nx\nB\n<<A\ny\nA", "1:<x\nB\n<<A\ny>");
        check("rb", "<<A\n<<B\nx\nB", "0:< 0:< 0:A 2:<x>");
        check("py", "x = '''a\nb''' # c\ny", "0:x 0:= 0:<a\nb> 2:y");
        check("js", "a(`x\ny`) // b\n/* c\n*/ d", "0:a 0:( 0:<x\ny> 1:) 3:d");
        check("js", "'it\\'s' + 'open", "0:<it\\'s> 0:+ 0:' 0:open");
        check("js", "\\\"a\\\"\n\"b\"", "0:\\ 0:\" 0:a 0:\\ 0:\" 1:<b>");
        check("rs", "fn f<'a>() { \"x\" }", "0:fn 0:f 0:< 0:' 0:a 0:> 0:( 0:) 0:{ 0:<x> 0:}");
        check("php", "<<<SQL\nDROP\nSQL;\nx // c", "1:<DROP> 3:x");
        check("go", "`a`", "0:<a>");
        check("cs", "\"a\" /*", "0:<a>");
        check("py", "\"\"\"", "0:<>");
        check("py", "é = 'ü'", "0:é 0:= 0:<ü>");
    }
}
