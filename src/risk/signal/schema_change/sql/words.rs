//! Statements that no parser knows, looked at word by word. Words are tokens outside of quotes and comments, so that
//! text which merely speaks of a DROP is not taken for one.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Found, Setting, locking_if, rows};
use crate::risk::signal::SchemaEffect::{Additive, Destructive, Locking};

/// Words at the head of a statement that say what it is.
const HEAD: usize = 8;

/// Whether a token is this keyword (capitals), unquoted.
pub(super) fn is(token: &TokenWithSpan, keyword: &str) -> bool {
    matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
}

fn has(statement: &[TokenWithSpan], keyword: &str) -> bool {
    statement.iter().any(|token| is(token, keyword))
}

/// The first words of a statement, in capitals; quoted names and signs are left empty.
pub(super) fn head(statement: &[TokenWithSpan]) -> Vec<String> {
    let word = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    statement.iter().take(HEAD).map(word).collect()
}

/// What follows a statement without a semicolon: a DROP, TRUNCATE or ALTER that begins a line.
pub(super) fn next_change(statement: &[TokenWithSpan]) -> Option<&[TokenWithSpan]> {
    let begins = |pair: &[TokenWithSpan]| {
        pair[0].span.end.line < pair[1].span.start.line
            && ["DROP", "TRUNCATE", "ALTER"].iter().any(|word| is(&pair[1], word))
    };
    let at = statement.windows(2).position(begins)?;
    statement.get(at + 1..)
}

/// `CREATE [UNIQUE | FULLTEXT …] INDEX`.
pub(super) fn creates_index(head: &[String]) -> bool {
    head.iter()
        .skip(1)
        .take(3)
        .find(|word| matches!(word.as_str(), "INDEX" | "TABLE" | "ON"))
        .is_some_and(|word| word == "INDEX")
}

/// Whether a statement without quotes around its body begins a routine, whose statements do not run now.
pub(super) fn opens_routine(statement: &[TokenWithSpan]) -> bool {
    let head = head(statement);
    let says = head.iter().skip(1).find(|word| {
        matches!(
            word.as_str(),
            "FUNCTION" | "PROCEDURE" | "TRIGGER" | "EVENT" | "PACKAGE" | "TABLE" | "VIEW" | "INDEX" | "ON"
        )
    });
    head.first().is_some_and(|word| word == "CREATE")
        && says.is_some_and(|word| !matches!(word.as_str(), "TABLE" | "VIEW" | "INDEX" | "ON"))
        && has(statement, "BEGIN")
        && !statement.iter().any(|token| matches!(token.token, Token::DollarQuotedString(_)))
}

/// How many blocks of a routine are open behind this statement.
pub(super) fn routine_depth(open: usize, statement: &[TokenWithSpan]) -> usize {
    const BRANCHES: [&str; 5] = ["IF", "LOOP", "WHILE", "REPEAT", "FOR"];
    let mut open = open;
    for (at, token) in statement.iter().enumerate() {
        let behind_end = at > 0 && is(&statement[at - 1], "END");
        let next = statement.get(at + 1);
        if is(token, "BEGIN") || is(token, "CASE") && !behind_end {
            open += 1;
        } else if is(token, "END") && !next.is_some_and(|next| BRANCHES.iter().any(|word| is(next, word))) {
            open = open.saturating_sub(1);
        }
    }
    open
}

/// What a CREATE other than of an index makes.
pub(super) fn created(statement: &[TokenWithSpan], head: &[String], row: usize) -> Found {
    let (first, last) = rows(statement, row);
    let Some(at) = head.iter().take(6).position(|word| matches!(word.as_str(), "TABLE" | "VIEW")) else {
        return Found::new(Additive, "CREATE", head.get(1).map_or("", String::as_str)).at(first, last);
    };
    let temporary = head.iter().take(at).any(|word| matches!(word.as_str(), "TEMP" | "TEMPORARY"));
    let optional = head.get(at + 1).is_some_and(|word| word == "IF");
    let name = name(statement, if optional { at + 4 } else { at + 1 });
    if head[at] == "TABLE" && head.iter().take(at).any(|word| word == "REPLACE") {
        let replaced = Found { whole: true, ..Found::new(Destructive, "REPLACE TABLE", &name).on(&name) };
        return replaced.at(first, last);
    }
    let verb = match (head[at].as_str(), temporary) {
        ("TABLE", true) => "CREATE TEMPORARY TABLE",
        ("TABLE", false) => "CREATE TABLE",
        _ => "CREATE VIEW",
    };
    Found { temporary, ..Found::new(Additive, verb, &name).creating(&name, optional).at(first, last) }
}

/// The name that begins at a token: words and dots.
fn name(statement: &[TokenWithSpan], at: usize) -> String {
    let mut name = String::new();
    let mut expects_word = true;
    for token in statement.iter().skip(at) {
        match &token.token {
            Token::Word(word) if expects_word => name.push_str(&word.value),
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) if expects_word => name.push_str(text),
            Token::Period if !expects_word => name.push('.'),
            _ => break,
        }
        expects_word = !expects_word;
    }
    name
}

/// What a statement does as far as its words tell, wherever in it they stand.
pub(super) fn find(statement: &[TokenWithSpan], row: usize, setting: Setting) -> Vec<Found> {
    /// The work grows with the square of a statement's length.
    const MOST: usize = 2_000;
    let (statement, unread) = statement.split_at(statement.len().min(MOST));
    let mut look = Look { statement, row, setting, table: String::new() };
    if let Some(at) = statement.windows(2).position(|pair| is(&pair[0], "ALTER") && is(&pair[1], "TABLE")) {
        look.table = look.object(at + 2);
    }
    let mut found = Vec::new();
    for (at, token) in statement.iter().enumerate() {
        match &token.token {
            Token::Word(word) if word.quote_style.is_none() => {
                let (first, last) = rows(&statement[at..statement.len().min(at + 3)], row);
                found.extend(look.word(at, &word.value.to_ascii_uppercase()).map(|found| found.at(first, last)));
            }
            _ => found.extend(look.nested(at)),
        }
    }
    if !unread.is_empty() {
        let (first, last) = rows(unread, row);
        found.push(Found::unread(first, last));
    }
    found
}

struct Look<'a> {
    statement: &'a [TokenWithSpan],
    row: usize,
    setting: Setting,
    /// The table of an ALTER TABLE, empty when there is none.
    table: String,
}

impl Look<'_> {
    fn any(&self, at: usize, keywords: &[&str]) -> bool {
        self.statement.get(at).is_some_and(|token| keywords.iter().any(|keyword| is(token, keyword)))
    }

    fn behind(&self, at: usize, keywords: &[&str]) -> bool {
        at.checked_sub(1).is_some_and(|before| self.any(before, keywords))
    }

    fn has(&self, keyword: &str) -> bool {
        has(self.statement, keyword)
    }

    /// The name at a token, or behind words such as `IF EXISTS`.
    fn object(&self, mut at: usize) -> String {
        while self.any(at, &["IF", "EXISTS", "ONLY", "NOT", "CONCURRENTLY", "FROM"]) {
            at += 1;
        }
        name(self.statement, at)
    }

    fn word(&self, at: usize, word: &str) -> Option<Found> {
        match word {
            "DROP" => self.drop(at),
            "TRUNCATE" => self.truncate(at),
            "RENAME" => self.rename(at),
            "DELETE" | "UPDATE" => self.write(at, word == "DELETE"),
            "INDEX" if self.behind(at, &["CREATE", "UNIQUE"]) => {
                let locks = !self.any(at + 1, &["CONCURRENTLY"]) && !self.setting.mysql;
                Some(Found::new(locking_if(locks), "CREATE INDEX", ""))
            }
            "TYPE" | "MODIFY" | "CHANGE" | "CONSTRAINT" | "NULL" if !self.table.is_empty() => self.alter(at, word),
            "LOCK" if at == 0 || self.behind(at, &["BEGIN", "THEN"]) => self.lock(at),
            "VACUUM" if self.has("FULL") => Some(Found::new(Locking, "VACUUM FULL", "")),
            "CLUSTER" if at == 0 => Some(Found::new(Locking, "CLUSTER", &self.object(1)).on(&self.object(1))),
            "REINDEX" if !self.has("CONCURRENTLY") => {
                Some(Found::new(Locking, "REINDEX", &self.object(at + 2)).on(&self.object(at + 2)))
            }
            // SQL Server's procedure.
            "SP_RENAME" => Some(Found::new(Destructive, "RENAME", "")),
            _ => None,
        }
    }

    fn drop(&self, at: usize) -> Option<Found> {
        let object = self.object(at + 2);
        for (keyword, verb) in [("TABLE", "DROP TABLE"), ("SCHEMA", "DROP SCHEMA"), ("DATABASE", "DROP DATABASE")] {
            if self.any(at + 1, &[keyword]) {
                let whole = keyword == "TABLE";
                return Some(Found { whole, ..Found::new(Destructive, verb, &object).on(&object) });
            }
        }
        if self.any(at + 1, &["VIEW", "MATERIALIZED"]) {
            let object = if self.any(at + 1, &["VIEW"]) { object } else { self.object(at + 3) };
            return Some(Found { recreatable: true, ..Found::new(Destructive, "DROP VIEW", &object).on(&object) });
        }
        if self.any(at + 1, &["COLUMN", "PARTITION"]) {
            return Some(self.part("DROP COLUMN", &object));
        }
        // `ALTER TABLE t DROP c` means a column, unless another word says what else.
        let other = self.any(at + 1, &["CONSTRAINT", "INDEX", "KEY", "PRIMARY", "FOREIGN", "CHECK", "DEFAULT", "NOT"])
            || self.any(at + 1, &["EXPRESSION", "IDENTITY", "TRIGGER", "FUNCTION", "TYPE", "SEQUENCE", "POLICY"]);
        let named = matches!(self.statement.get(at + 1).map(|token| &token.token), Some(Token::Word(_)));
        (!self.table.is_empty() && named && !other).then(|| self.part("DROP COLUMN", &self.object(at + 1)))
    }

    /// A destructive part of an ALTER TABLE.
    fn part(&self, verb: &str, column: &str) -> Found {
        let object = if self.table.is_empty() { column.to_owned() } else { format!("{}.{column}", self.table) };
        Found::new(Destructive, verb, &object).on(&self.table)
    }

    fn truncate(&self, at: usize) -> Option<Found> {
        let named = if self.any(at + 1, &["TABLE"]) { at + 2 } else { at + 1 };
        // TRUNCATE(x, 2) rounds a number; ON, BEFORE and OR TRUNCATE belong to privileges and triggers.
        let called = matches!(self.statement.get(named).map(|token| &token.token), Some(Token::LParen) | None);
        let object = self.object(named);
        (!called && !self.behind(at, &["ON", "BEFORE", "AFTER", "OR", "GRANT"]))
            .then(|| Found::new(Destructive, "TRUNCATE", &object).on(&object))
    }

    fn rename(&self, at: usize) -> Option<Found> {
        if self.any(at + 1, &["CONSTRAINT", "INDEX", "KEY"]) {
            return None;
        }
        if self.any(at + 1, &["TABLE"]) {
            let object = self.object(at + 2);
            return Some(Found::new(Destructive, "RENAME TABLE", &object).on(&object));
        }
        if self.any(at + 1, &["COLUMN"]) {
            return Some(self.part("RENAME COLUMN", &self.object(at + 2)));
        }
        if self.table.is_empty() {
            return None;
        }
        let whole = self.any(at + 1, &["TO", "AS"]);
        Some(if whole {
            Found::new(Destructive, "RENAME TABLE", &self.table).on(&self.table)
        } else {
            self.part("RENAME COLUMN", &self.object(at + 1))
        })
    }

    /// DELETE and UPDATE of every row.
    fn write(&self, at: usize, delete: bool) -> Option<Found> {
        let refers = self.behind(at, &["ON", "FOR", "DO", "KEY", "OR", "BEFORE", "AFTER", "OF", "NO"]);
        let begins =
            if delete { self.any(at + 1, &["FROM"]) } else { (at + 2..at + 6).any(|at| self.any(at, &["SET"])) };
        if refers || !begins || !self.setting.migration || self.narrowed(at) {
            return None;
        }
        let object = self.object(at + 1);
        let verb = if delete { "DELETE without WHERE from" } else { "UPDATE without WHERE of" };
        Some(Found::new(Destructive, verb, &object).on(&object))
    }

    /// Whether a condition follows before the enclosing parenthesis or the statement ends.
    fn narrowed(&self, at: usize) -> bool {
        let mut depth = 0_i64;
        for token in self.statement.iter().skip(at) {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            if depth < 0 {
                return false;
            }
            if depth == 0 && ["WHERE", "USING", "LIMIT"].iter().any(|word| is(token, word)) {
                return true;
            }
        }
        false
    }

    fn alter(&self, at: usize, word: &str) -> Option<Found> {
        let locks = |verb: &str| Some(Found::new(Locking, verb, &self.table).on(&self.table));
        match word {
            "TYPE" if self.has("COLUMN") || self.behind(at, &["DATA"]) => locks("ALTER COLUMN TYPE of"),
            "MODIFY" | "CHANGE" if at > 2 => locks("CHANGE COLUMN of"),
            "CONSTRAINT" if self.behind(at, &["ADD"]) && !self.has("VALID") && !self.has("USING") => {
                locks("ADD CONSTRAINT on")
            }
            "NULL" if self.behind(at, &["NOT"]) && at >= 2 && self.any(at - 2, &["SET"]) => locks("SET NOT NULL on"),
            _ => None,
        }
    }

    fn lock(&self, at: usize) -> Option<Found> {
        // ACCESS SHARE, ROW SHARE and ROW EXCLUSIVE let writers through; SHARE ROW EXCLUSIVE does not.
        let row = self.has("ROW") && !(self.has("SHARE") && self.has("EXCLUSIVE"));
        let mild = row || self.has("ACCESS") && self.has("SHARE");
        let at = if self.any(at + 1, &["TABLE", "TABLES"]) { at + 2 } else { at + 1 };
        let object = self.object(at);
        (!mild).then(|| Found::new(Locking, "LOCK TABLE", &object).on(&object))
    }

    /// SQL inside of SQL: the body of a DO block, a string that is executed.
    fn nested(&self, at: usize) -> Vec<Found> {
        let text = match &self.statement[at].token {
            Token::DollarQuotedString(body) => &body.value,
            Token::SingleQuotedString(text)
            | Token::NationalStringLiteral(text)
            | Token::EscapedStringLiteral(text) => text,
            _ => return Vec::new(),
        };
        let executed = (at.saturating_sub(3)..at).any(|at| self.any(at, &["EXECUTE", "EXEC", "IMMEDIATE"]));
        if !executed && !self.any(0, &["DO"]) {
            return Vec::new();
        }
        let (row, _) = rows(&self.statement[at..=at], self.row);
        super::find(text, row, Setting { level: self.setting.level + 1, ..self.setting })
    }
}
