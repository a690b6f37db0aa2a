//! Liquibase change logs in XML, YAML and JSON, read by the names of their changes. Rollback sections run only when a
//! change is taken back, and comments never.

use super::{Found, segment::Segment, sql};
use crate::risk::signal::SchemaEffect::{self, Additive, Destructive, Locking};

/// How many rows below its name the table of a change is looked for.
const ROWS_OF_A_CHANGE: usize = 8;

/// Changes in a hunk.
pub(super) fn find(path: &str, segment: &Segment<'_>) -> Vec<Found> {
    let rows: Vec<&str> = segment.rows.iter().map(|row| row.text).collect();
    if super::extension(path) == "xml" { in_xml(&rows) } else { in_yaml(&rows) }
}

fn effect_of(change: &str) -> Option<(SchemaEffect, &'static str)> {
    Some(match change {
        "dropTable" | "dropAllTables" => (Destructive, "DROP TABLE"),
        "dropColumn" => (Destructive, "DROP COLUMN of"),
        "dropView" => (Destructive, "DROP VIEW"),
        "renameTable" => (Destructive, "RENAME TABLE"),
        "renameColumn" => (Destructive, "RENAME COLUMN of"),
        "renameView" => (Destructive, "RENAME VIEW"),
        "mergeColumns" => (Destructive, "MERGE COLUMNS of"),
        "modifyDataType" => (Locking, "ALTER COLUMN TYPE of"),
        "addNotNullConstraint" => (Locking, "SET NOT NULL on"),
        "createIndex" => (Locking, "CREATE INDEX on"),
        "addUniqueConstraint" | "addPrimaryKey" | "addForeignKeyConstraint" => (Locking, "ADD CONSTRAINT on"),
        "createTable" => (Additive, "CREATE TABLE"),
        "addColumn" => (Additive, "ADD COLUMN to"),
        _ => return None,
    })
}

fn change(name: &str, table: &str, row: usize) -> Option<Found> {
    let (effect, verb) = effect_of(name)?;
    let found = Found::new(effect, verb, table).at(row, row);
    Some(match name {
        "createTable" => found.creating(table, false),
        "dropTable" => Found { whole: true, ..found.on(table) },
        "dropView" => Found { recreatable: true, ..found.on(table) },
        _ => found.on(table),
    })
}

fn in_xml(rows: &[&str]) -> Vec<Found> {
    let text = rows.join("\n");
    let mut found = Vec::new();
    let (mut at, mut row, mut back) = (0, 0, 0_usize);
    while let Some(open) = text[at..].find('<').map(|open| at + open) {
        row += breaks(&text[at..open]);
        let rest = &text[open..];
        let (name, end) = if rest.starts_with("<!--") {
            ("", rest.find("-->").map_or(rest.len(), |end| end + 3))
        } else {
            let name =
                rest[1..].split(|c: char| c.is_whitespace() || matches!(c, '>' | '<')).next().unwrap_or_default();
            (name, rest.find('>').map_or(rest.len(), |end| end + 1))
        };
        let tag = &rest[..end];
        let closed = tag.ends_with("/>");
        let mut passed = tag;
        match name.trim_end_matches('/') {
            "rollback" if !closed => back += 1,
            "/rollback" => back = back.saturating_sub(1),
            "sql" | "createProcedure" if back == 0 && !closed => {
                // Without an end the text is the tag's up to where the hunk ends. It is read once: reading goes on behind it.
                let inner = rest[end..].split("</").next().unwrap_or_default();
                passed = &rest[..end + inner.len()];
                if name == "sql" {
                    let statements = inner.trim_start();
                    let above = row + breaks(&passed[..passed.len() - statements.len()]);
                    found.extend(sql::in_string(statements.trim_start_matches("<![CDATA["), above));
                }
            }
            name if back == 0 => {
                let table = attribute(tag, "tableName").or_else(|| attribute(tag, "oldTableName"));
                let table = table.or_else(|| attribute(tag, "baseTableName")).or_else(|| attribute(tag, "viewName"));
                found.extend(change(name, table.unwrap_or_default(), row));
            }
            _ => {}
        }
        row += breaks(passed);
        at = open + passed.len();
    }
    found
}

fn breaks(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = tag;
    while let Some(at) = rest.find(name) {
        let own = rest[..at].ends_with(char::is_whitespace);
        rest = &rest[at + name.len()..];
        let value = rest.trim_start().strip_prefix('=').map(str::trim_start);
        if let (true, Some(value)) = (own, value) {
            let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            return value[1..].split(quote).next();
        }
    }
    None
}

/// YAML, and JSON as it is printed: one key on a row.
fn in_yaml(rows: &[&str]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut back: Option<usize> = None;
    for (row, line) in rows.iter().enumerate() {
        let Some((indent, key, value)) = entry(line) else { continue };
        if back.is_some_and(|depth| indent > depth) {
            continue;
        }
        back = (key == "rollback").then_some(indent);
        if key == "sql" && !value.is_empty() && !matches!(value, "|" | ">" | "|-" | ">-" | "{") {
            found.extend(sql::in_string(value.trim_matches(['"', '\'', ',']), row));
        } else if key == "sql" {
            let block = |line: &&&str| line.trim().is_empty() || indent_of(line) > indent;
            let inner: Vec<&str> = rows[row + 1..].iter().take_while(block).copied().collect();
            if !inner.iter().any(|line| entry(line).is_some_and(|(_, key, _)| key == "sql")) {
                found.extend(sql::in_string(&inner.join("\n"), row + 1));
            }
        } else {
            let below = rows[row + 1..]
                .iter()
                .take(ROWS_OF_A_CHANGE)
                .map_while(|line| entry(line).filter(|entry| entry.0 > indent));
            let table = below
                .filter(|(_, key, _)| matches!(*key, "tableName" | "oldTableName" | "baseTableName" | "viewName"))
                .map(|(_, _, value)| value.trim_matches(['"', '\'', ',', ' ']))
                .next();
            found.extend(change(key, table.unwrap_or_default(), row));
        }
    }
    found
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Indentation, key and value of a row.
fn entry(line: &str) -> Option<(usize, &str, &str)> {
    let trimmed = line.trim_start();
    let content = trimmed.trim_start_matches(['-', ' ', '{']);
    if trimmed.starts_with('#') {
        return None;
    }
    let (key, value) = content.split_once(':')?;
    Some((line.len() - content.len(), key.trim().trim_matches('"'), value.trim()))
}
