//! SQL: split into statements, each parsed on its own, so that one that no parser knows does not hide the next.

use sqlparser::{
    dialect::{Dialect, GenericDialect, MySqlDialect, PostgreSqlDialect},
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

use super::{Found, segment::Segment};
use crate::risk::signal::SchemaEffect;

mod syntax;
mod words;

/// Parentheses nested deeper than this are no schema statement; parsers need exponential time for them.
const NESTING: usize = 12;
/// Tokens of one statement that are parsed; longer ones are looked at word by word.
const TOKENS: usize = 2_000;
/// Levels of SQL inside of SQL (a string inside of a DO block) that are followed.
const LEVELS: u8 = 3;
/// How often splitting starts again behind a quote that nobody closes.
const RESTARTS: usize = 8;

/// What is known of the text around a statement.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    /// MySQL and MariaDB build indexes without blocking writers; the others are taken for PostgreSQL.
    mysql: bool,
    /// Runs once, at a deployment. Elsewhere DELETE without WHERE may be a query of the program.
    migration: bool,
    level: u8,
}

/// Statements of a hunk of an SQL file.
pub(super) fn in_file(path: &str, segment: &Segment<'_>, migration: bool) -> Vec<Found> {
    let mut text = String::new();
    let (mut up, mut down) = (false, false);
    let mut heed = |row| match marker(row) {
        Some(Marker::Up) => {
            (up, down) = (true, false);
            down
        }
        Some(Marker::Down { sure }) => {
            down |= sure || up;
            down
        }
        None => down,
    };
    heed(segment.heading);
    for row in &segment.rows {
        let down = heed(row.text);
        // Rows of the way back are blanked, so that the others keep their places.
        if !down {
            text.push_str(row.text);
        }
        text.push('\n');
    }
    let mysql = is_mysql(path, &text);
    let setting = Setting { mysql, migration, level: 0 };
    without_delimiters(&text).iter().flat_map(|(row, part)| find(part, *row, setting)).collect()
}

/// Statements of a string that a migration runs; its first row is `row`.
pub(super) fn in_string(text: &str, row: usize) -> Vec<Found> {
    let setting = Setting { mysql: is_mysql("", text), migration: true, level: 1 };
    find(text, row, setting)
}

/// Which way the rows below a comment run.
enum Marker {
    Up,
    /// `sure` where only a tool writes so; a bare "down" is believed below an "up" alone.
    Down {
        sure: bool,
    },
}

/// Markers of goose, dbmate, sql-migrate, Play and node-pg-migrate.
fn marker(row: &str) -> Option<Marker> {
    let comment = row.trim_start();
    let comment = comment.strip_prefix("--").or_else(|| comment.strip_prefix('#'))?;
    let comment = comment.trim_matches(|c: char| c == '-' || c == '!' || c.is_whitespace()).to_ascii_lowercase();
    let sure = ["+goose down", "+migrate down", "migrate:down"].iter().any(|marker| comment.starts_with(marker));
    let mut words = comment.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    match (words.next()?, words.next()) {
        ("goose" | "migrate" | "migration", Some("up")) | ("up", None | Some("migration")) | ("ups", None) => {
            Some(Marker::Up)
        }
        ("goose" | "migrate" | "migration", Some("down")) | ("down", None | Some("migration")) | ("downs", None) => {
            Some(Marker::Down { sure })
        }
        _ => None,
    }
}

fn is_mysql(path: &str, text: &str) -> bool {
    let has = |hay: &str, needle: &str| {
        hay.as_bytes().windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
    };
    if has(path, "mysql") || has(path, "mariadb") {
        return true;
    }
    // Comments and strings say nothing of the database; taking the text apart is spared where nothing hints at it.
    let hints = text.contains('`') || has(text, "engine") || has(text, "auto_increment");
    hints && {
        let (tokens, _) = tokens(text, false);
        let next = |at: usize| tokens.get(at + 1).map(|token| &token.token);
        tokens.iter().enumerate().any(|(at, token)| {
            token.token == Token::Char('`')
                || words::is(token, "AUTO_INCREMENT")
                || words::is(token, "ENGINE") && next(at) == Some(&Token::Eq)
        })
    }
}

/// Parts between the `DELIMITER` lines of the mysql client, each with its first row. Another delimiter encloses
/// routines, whose bodies do not run now.
fn without_delimiters(text: &str) -> Vec<(usize, String)> {
    let mut parts = vec![(0, String::new())];
    let mut delimiter = ";";
    for (row, line) in text.split('\n').enumerate() {
        let mut words = line.split_ascii_whitespace();
        if words.next().is_some_and(|word| word.eq_ignore_ascii_case("delimiter")) {
            delimiter = words.next().unwrap_or(";");
            parts.push((row + 1, String::new()));
            continue;
        }
        let Some((_, part)) = parts.last_mut() else { continue };
        if delimiter != ";" && line.trim_end().ends_with(delimiter) {
            part.push_str(line.trim_end().trim_end_matches(delimiter));
            part.push_str(";\n");
            parts.push((row + 1, String::new()));
            continue;
        }
        part.push_str(line);
        part.push('\n');
    }
    parts.retain(|(_, part)| !part.trim_ascii().is_empty());
    parts
}

fn find(text: &str, row: usize, setting: Setting) -> Vec<Found> {
    if setting.level > LEVELS {
        return vec![Found::unread(row, row + text.split('\n').count())];
    }
    let (tokens, unread) = tokens(text, setting.mysql);
    let mut found: Vec<Found> =
        unread.map(|line| Found::unread(row + line, row + text.split('\n').count())).into_iter().collect();
    let mut routine = 0_usize;
    for statement in tokens.split(|token| token.token == Token::SemiColon) {
        let head = words::head(statement);
        if routine > 0 || words::opens_routine(statement) {
            routine = words::routine_depth(routine, statement);
            continue;
        }
        found.extend(read(statement, &head, row, setting));
    }
    found
}

/// First and last row that tokens cover.
fn rows(tokens: &[TokenWithSpan], above: usize) -> (usize, usize) {
    let row = |line: u64| above + usize::try_from(line.saturating_sub(1)).unwrap_or(0);
    let first = tokens.first().map_or(above, |token| row(token.span.start.line));
    (first, tokens.last().map_or(first, |token| row(token.span.end.line)))
}

fn read(statement: &[TokenWithSpan], head: &[String], row: usize, setting: Setting) -> Vec<Found> {
    let first = head.first().map_or("", String::as_str);
    match first {
        "CREATE" if words::creates_index(head) => parse_or_words(statement, row, setting),
        "CREATE" => vec![words::created(statement, head, row)],
        "DROP" | "TRUNCATE" | "ALTER" | "DELETE" | "UPDATE" | "RENAME" => parse_or_words(statement, row, setting),
        // Harmless whatever they hold: a view or a grant named like a table that is dropped elsewhere.
        "GRANT" | "REVOKE" | "COMMENT" | "COPY" => Vec::new(),
        // SQL Server's scripts end a statement where the next one begins.
        "SELECT" | "INSERT" | "SET" | "REPLACE" | "MERGE" => match words::next_change(statement) {
            Some(next) => parse_or_words(next, row, setting),
            None => Vec::new(),
        },
        _ => words::find(statement, row, setting),
    }
}

fn parse_or_words(statement: &[TokenWithSpan], row: usize, setting: Setting) -> Vec<Found> {
    let Some(found) = parse(statement, setting).and_then(|parsed| syntax::read(&parsed, setting)) else {
        return words::find(statement, row, setting);
    };
    let (first, last) = rows(statement, row);
    found.into_iter().map(|found| found.at(first, last)).collect()
}

/// Parses with each dialect in turn; a parser that stops early has not understood.
fn parse(statement: &[TokenWithSpan], setting: Setting) -> Option<sqlparser::ast::Statement> {
    if statement.len() > TOKENS || nesting(statement) > NESTING {
        return None;
    }
    let (postgres, mysql, generic) = (PostgreSqlDialect {}, MySqlDialect {}, GenericDialect {});
    let dialects: [&dyn Dialect; 3] =
        if setting.mysql { [&mysql, &generic, &postgres] } else { [&postgres, &mysql, &generic] };
    dialects.into_iter().find_map(|dialect| {
        let mut parser = Parser::new(dialect).with_tokens_with_locations(statement.to_vec());
        let parsed = parser.parse_statement().ok()?;
        (parser.peek_token_ref().token == Token::EOF).then_some(parsed)
    })
}

/// How deep a parser would have to go: into parentheses, brackets, and what it reads without counting its own depth,
/// which is types such as `ARRAY<ARRAY<int>>` and intervals of intervals.
fn nesting(statement: &[TokenWithSpan]) -> usize {
    let (mut depth, mut deepest, mut uncounted) = (0_usize, 0, 0);
    for token in statement {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            Token::Lt => uncounted += 1,
            _ if words::is(token, "INTERVAL") => uncounted += 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest.max(uncounted)
}

/// Tokens without white space and comments. Behind a quote that is never closed, as at the start of a hunk, reading
/// starts again on the next line, a few times: the first line, 0-based, that was not reached.
fn tokens(text: &str, mysql: bool) -> (Vec<TokenWithSpan>, Option<usize>) {
    let (postgres, mysql_dialect) = (PostgreSqlDialect {}, MySqlDialect {});
    let dialect: &dyn Dialect = if mysql { &mysql_dialect } else { &postgres };
    let mut tokens: Vec<TokenWithSpan> = Vec::new();
    let (mut rest, mut above) = (text, 0_u64);
    let mut unread = None;
    for restarts in 0.. {
        if restarts == RESTARTS {
            unread = usize::try_from(above).ok();
            break;
        }
        let moved = |mut token: TokenWithSpan| {
            token.span.start.line = token.span.start.line.saturating_add(above);
            token.span.end.line = token.span.end.line.saturating_add(above);
            token
        };
        let result = Tokenizer::new(dialect, rest).tokenize_with_location_into_buf_with_mapper(&mut tokens, moved);
        let Err(error) = result else { break };
        // An open comment hides all that follows from the database, too.
        if error.message.contains("comment") {
            break;
        }
        let skip = error.location.line.max(1);
        let Some(next) = nth_line(rest, skip) else { break };
        (rest, above) = (next, above.saturating_add(skip));
        tokens.push(TokenWithSpan::wrap(Token::SemiColon));
    }
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    (separate_batches(tokens), unread)
}

/// The text from its `skip`-th line break on.
fn nth_line(text: &str, skip: u64) -> Option<&str> {
    let mut rest = text;
    for _ in 0..skip {
        rest = rest.split_once('\n')?.1;
    }
    Some(rest)
}

/// `GO` alone on its line ends a batch in SQL Server's scripts.
fn separate_batches(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let line = |token: Option<&TokenWithSpan>| token.map(|token| token.span.start.line);
    for index in 0..tokens.len() {
        let own = line(tokens.get(index));
        let alone = own != line(tokens.get(index + 1)) && (index == 0 || own != line(tokens.get(index - 1)));
        if alone && words::is(&tokens[index], "GO") {
            tokens[index].token = Token::SemiColon;
        }
    }
    tokens
}

/// An effect that depends on what else holds.
fn locking_if(locks: bool) -> SchemaEffect {
    if locks { SchemaEffect::Locking } else { SchemaEffect::Additive }
}
