//! Migrations of frameworks, read by their calls: Active Record, Django, Alembic, Laravel, Knex, TypeORM, Sequelize,
//! Ecto, Entity Framework and their like share most names. What runs on the way back only is passed over.

use super::{
    Found,
    lexer::{self, Kind, Token},
    segment::Segment,
    sql,
};
use crate::risk::signal::SchemaEffect::{Additive, Destructive, Locking};

mod undo;

/// Tokens of one call that are looked at.
const ARGUMENTS: usize = 200;

/// Calls in a hunk.
pub(super) fn find(extension: &str, segment: &Segment<'_>) -> Vec<Found> {
    let text = undo::without_ways_back(segment);
    let tokens = lexer::tokens(&text, extension);
    let mut look = Look { tokens: &tokens, extension, table: String::new(), read: 0 };
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if let Some(end) = look.state_only(at) {
            at = end;
            continue;
        }
        if let Kind::Word(callee) = tokens[at].kind {
            found.extend(look.call(at, callee));
        }
        at += 1;
    }
    found
}

struct Look<'a> {
    tokens: &'a [Token<'a>],
    extension: &'a str,
    /// The table of the block around: `create_table :x do`, `Schema::table('x', …)`.
    table: String,
    /// Strings up to this token were read as SQL; calls in the arguments of calls see them again.
    read: usize,
}

impl<'a> Look<'a> {
    fn kind(&self, at: usize) -> Option<Kind<'a>> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn is_word(&self, at: Option<usize>, words: &[&str]) -> bool {
        matches!(at.and_then(|at| self.kind(at)), Some(Kind::Word(word)) if words.contains(&word))
    }

    /// The word that a method or a path belongs to: `t` of `t.remove`, `Schema` of `Schema::drop`.
    fn receiver(&self, at: usize) -> &'a str {
        let mut before = at;
        while before > 0 && matches!(self.tokens[before - 1].kind, Kind::Sign('.' | ':' | '>' | '-' | '?')) {
            before -= 1;
        }
        match before.checked_sub(1).filter(|_| before < at).and_then(|at| self.kind(at)) {
            Some(Kind::Word(word)) => word,
            _ => "",
        }
    }

    /// Django's `state_operations=[…]` touch no table: the end of the list.
    fn state_only(&self, at: usize) -> Option<usize> {
        if !self.is_word(Some(at), &["state_operations"]) || self.kind(at + 2) != Some(Kind::Sign('[')) {
            return None;
        }
        Some(self.closing(at + 2, usize::MAX))
    }

    /// Behind the bracket that closes the one at `open`, or behind the `most` tokens that are looked at.
    fn closing(&self, open: usize, most: usize) -> usize {
        let mut depth = 0_i64;
        let end = open.saturating_add(most).min(self.tokens.len());
        for (at, token) in self.tokens.iter().enumerate().take(end).skip(open) {
            match token.kind {
                Kind::Sign('(' | '[' | '{') => depth += 1,
                Kind::Sign(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
            if depth <= 0 {
                return at + 1;
            }
        }
        end
    }

    /// Arguments: what stands between the parentheses, or on the rest of the line and on those that follow a comma.
    fn arguments(&self, at: usize) -> &'a [Token<'a>] {
        let begin = at + 1;
        if self.kind(begin) == Some(Kind::Sign('(')) {
            // Two more than the arguments: the brackets around them.
            let end = self.closing(begin, ARGUMENTS + 2).saturating_sub(1).max(begin + 1).min(self.tokens.len());
            return &self.tokens[begin + 1..end];
        }
        let mut end = begin;
        let mut row = self.tokens[at].row;
        while let Some(token) = self.tokens.get(end).filter(|_| end - begin < ARGUMENTS) {
            let goes_on = end > begin && self.tokens[end - 1].kind == Kind::Sign(',')
                || matches!(token.kind, Kind::Text(_)) && end == begin;
            if token.row != row && !goes_on {
                break;
            }
            row = token.row;
            end += 1;
        }
        &self.tokens[begin..end]
    }

    fn call(&mut self, at: usize, callee: &str) -> Vec<Found> {
        let defined =
            at.checked_sub(1).is_some_and(|before| self.is_word(Some(before), &["def", "function", "fn", "func"]));
        let called = matches!(self.kind(at + 1), Some(Kind::Sign('(' | ':') | Kind::Text(_) | Kind::Word(_)));
        if defined || !called {
            return Vec::new();
        }
        let arguments = self.arguments(at);
        let block =
            matches!(callee, "table" | "alterTable" | "alter_table" | "change_table" | "batch_alter_table" | "alter");
        if let Some(first) = block.then(|| Names::of(arguments)).and_then(|names| names.plain.first().copied()) {
            self.table = first.to_owned();
        }
        let (first, last) = (self.tokens[at].row, arguments.last().map_or(self.tokens[at].row, |token| token.row));
        if is_raw_sql(callee, self.receiver(at)) {
            return self.raw_sql(at, arguments);
        }
        let found = self.creation(at, callee, arguments).or_else(|| self.act(at, callee, arguments));
        found.into_iter().map(|found| found.at(first, last)).collect()
    }

    fn creation(&mut self, at: usize, callee: &str, arguments: &[Token<'_>]) -> Option<Found> {
        let creates =
            matches!(callee, "create_table" | "createTable" | "CreateTable" | "CreateModel" | "create_join_table")
                || callee == "create" && (self.receiver(at) == "Schema" || self.is_word(Some(at + 1), &["table"]));
        if !creates {
            return None;
        }
        let names = Names::of(arguments);
        let table = names.table.or(names.plain.first().copied()).unwrap_or_default();
        self.table = table.to_owned();
        Some(Found::new(Additive, "CREATE TABLE", table).creating(table, false))
    }

    fn act(&self, at: usize, callee: &str, arguments: &[Token<'_>]) -> Option<Found> {
        let (effect, verb) = self.effect(at, callee, arguments)?;
        let names = Names::of(arguments);
        let whole_table =
            verb.ends_with("TABLE") || verb == "TRUNCATE" || verb.ends_with("SCHEMA") || verb.ends_with(" on");
        let (table, column) = match (names.table, names.plain.as_slice()) {
            (Some(table), [column, ..]) => (table, *column),
            (Some(table), []) => (table, ""),
            (None, [only]) if !whole_table && !self.table.is_empty() => (self.table.as_str(), *only),
            (None, [table, column, ..]) if !whole_table => (*table, *column),
            (None, [table, ..]) => (*table, ""),
            (None, []) => (self.table.as_str(), ""),
        };
        let object = match (whole_table || column.is_empty() || column == table, table.is_empty()) {
            (true, _) => table.to_owned(),
            (false, true) => column.to_owned(),
            (false, false) => format!("{table}.{column}"),
        };
        Some(Found { whole: verb == "DROP TABLE", ..Found::new(effect, verb, &object).on(table) })
    }

    /// What a call does and in which words.
    fn effect(&self, at: usize, callee: &str, arguments: &[Token<'_>]) -> Option<(super::SchemaEffect, &'static str)> {
        let on = self.receiver(at);
        let says = |words: &[&str]| {
            arguments.iter().any(|token| matches!(token.kind, Kind::Word(word) if words.contains(&word)))
        };
        let concurrent = || says(&["concurrently", "postgresql_concurrently", "CONCURRENTLY"]);
        let unvalidated = || says(&["validate", "postgresql_not_valid"]);
        let column_block = matches!(on, "t" | "table" | "builder") || self.extension.starts_with("ex");
        if let Some(found) = fluent(callee, on) {
            return Some(found);
        }
        if self.extension != "php" && INDEXES.contains(&callee) && !concurrent() {
            return Some((Locking, "CREATE INDEX on"));
        }
        if CONSTRAINTS.contains(&callee) && !unvalidated() {
            return Some((Locking, "ADD CONSTRAINT on"));
        }
        Some(match callee {
            "drop_table" | "dropTable" | "DropTable" | "dropTableIfExists" | "DeleteModel" | "drop_join_table"
            | "dropAllTables" => (Destructive, "DROP TABLE"),
            "drop" | "dropIfExists" | "drop_if_exists"
                if matches!(on, "Schema" | "Table") || self.is_word(Some(at + 1), &["table"]) =>
            {
                (Destructive, "DROP TABLE")
            }
            "remove_column" | "remove_columns" | "drop_column" | "dropColumn" | "dropColumns" | "removeColumn"
            | "DropColumn" | "RemoveField" | "remove_reference" | "remove_belongs_to" | "remove_timestamps"
            | "dropSoftDeletes" | "dropTimestamps" | "dropMorphs" => (Destructive, "DROP COLUMN"),
            "remove" if column_block => (Destructive, "DROP COLUMN"),
            "rename_table" | "renameTable" | "RenameTable" | "RenameModel" | "AlterModelTable" => {
                (Destructive, "RENAME TABLE")
            }
            "rename" if on == "Schema" || self.is_word(Some(at + 1), &["table"]) => (Destructive, "RENAME TABLE"),
            "rename_column" | "renameColumn" | "RenameColumn" | "RenameField" => (Destructive, "RENAME COLUMN"),
            "rename" if column_block => (Destructive, "RENAME COLUMN"),
            "drop_schema" | "dropSchema" | "DropSchema" | "dropDatabase" => (Destructive, "DROP SCHEMA"),
            "truncate" | "clearTable" => (Destructive, "TRUNCATE"),
            // Alembic says by its keywords what it alters.
            "alter_column" if says(&["new_column_name"]) => (Destructive, "RENAME COLUMN"),
            "alter_column" if says(&["type_", "nullable"]) => (Locking, "ALTER COLUMN"),
            "index" | "unique_index"
                if at.checked_sub(1).is_some_and(|at| self.is_word(Some(at), &["create"])) && !concurrent() =>
            {
                (Locking, "CREATE INDEX on")
            }
            "change_column" | "changeColumn" | "AlterColumn" | "alterColumn" => (Locking, "ALTER COLUMN"),
            "change_column_null" if says(&["false"]) => (Locking, "SET NOT NULL on"),
            "modify" if self.extension.starts_with("ex") => (Locking, "ALTER COLUMN"),
            "change" if self.extension == "php" => (Locking, "ALTER COLUMN"),
            _ => return None,
        })
    }

    /// The first string, or those of the list that comes first: what follows is for the way back or fills placeholders.
    fn raw_sql(&mut self, at: usize, arguments: &[Token<'_>]) -> Vec<Found> {
        let list = matches!(arguments.first().map(|token| token.kind), Some(Kind::Sign('[')));
        let end = arguments.iter().position(|token| token.kind == Kind::Sign(']')).unwrap_or(arguments.len());
        let begins = at + 1 + usize::from(self.kind(at + 1) == Some(Kind::Sign('(')));
        let mut found = Vec::new();
        for (index, token) in arguments[..if list { end } else { arguments.len() }].iter().enumerate() {
            let Kind::Text(text) = token.kind else { continue };
            if begins + index >= self.read {
                self.read = begins + index + 1;
                found.extend(sql::in_string(text, token.row));
            }
            if !list {
                break;
            }
        }
        found
    }
}

/// Calls that build an index.
const INDEXES: [&str; 10] = [
    "add_index",
    "addIndex",
    "AddIndex",
    "create_index",
    "createIndex",
    "CreateIndex",
    "create_unique_constraint",
    "AddUniqueConstraint",
    "AlterUniqueTogether",
    "addUniqueConstraint",
];

/// Calls that add a constraint, which is checked on every row unless they say otherwise.
const CONSTRAINTS: [&str; 9] = [
    "add_foreign_key",
    "create_foreign_key",
    "AddForeignKey",
    "addForeignKey",
    "createForeignKey",
    "addConstraint",
    "AddConstraint",
    "add_check_constraint",
    "create_check_constraint",
];

/// FluentMigrator's `Delete.Table("x")`, `Rename.Column("a")`.
fn fluent(callee: &str, on: &str) -> Option<(super::SchemaEffect, &'static str)> {
    Some(match (on, callee) {
        ("Delete", "Table") => (Destructive, "DROP TABLE"),
        ("Delete", "Column") => (Destructive, "DROP COLUMN"),
        ("Rename", "Table") => (Destructive, "RENAME TABLE"),
        ("Rename", "Column") => (Destructive, "RENAME COLUMN"),
        _ => return None,
    })
}

/// Names among the arguments of a call.
struct Names<'a> {
    /// Strings and symbols in order.
    plain: Vec<&'a str>,
    /// The one that a keyword says is a table.
    table: Option<&'a str>,
}

impl<'a> Names<'a> {
    fn of(arguments: &[Token<'a>]) -> Self {
        /// Names beyond these are options.
        const MOST: usize = 2;
        let mut names = Self { plain: Vec::new(), table: None };
        let mut depth = 0_i64;
        for (at, token) in arguments.iter().enumerate() {
            let before = |back: usize| at.checked_sub(back).map(|at| arguments[at].kind);
            let name = match token.kind {
                Kind::Text(text) => text,
                // A symbol has its colon before it, a keyword behind it.
                Kind::Word(word) if before(1) == Some(Kind::Sign(':')) && !matches!(before(2), Some(Kind::Word(_))) => {
                    word
                }
                Kind::Sign('{') => {
                    depth += 1;
                    continue;
                }
                Kind::Sign('}') => {
                    depth -= 1;
                    continue;
                }
                _ => continue,
            };
            // In a function or an object that is passed along stand other names.
            if depth > 0 {
                continue;
            }
            let by_keyword = matches!(before(1), Some(Kind::Sign('=' | ':')))
                && matches!(before(2), Some(Kind::Word("table" | "table_name" | "tableName" | "model_name")));
            if by_keyword {
                names.table = Some(name);
            } else if names.plain.len() < MOST {
                names.plain.push(name);
            }
        }
        names
    }
}

/// Calls that hand a string to the database.
fn is_raw_sql(callee: &str, receiver: &str) -> bool {
    match callee {
        "execute" | "raw" | "unprepared" | "RunSQL" | "Sql" | "addSql" | "exec" | "Exec" | "ExecContext"
        | "execute_sql" | "executeSql" | "execute_unprepared" | "sql" | "query" => true,
        "statement" => receiver == "DB",
        _ => false,
    }
}
