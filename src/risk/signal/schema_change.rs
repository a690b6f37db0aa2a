//! Schema change: statements in added lines that destroy data, break code that runs against the old schema, or hold a
//! lock that blocks writers. SQL is parsed; migrations of frameworks are read by their calls. Nothing is executed.

use std::collections::{HashMap, HashSet};

use super::{Evidence, Measure, Reading, SchemaEffect, Signal, Term, Unit, flag};
use crate::risk::{
    diff::View,
    facts::{FileChange, FileStatus, Reason, Source, Unknown},
    patch::Patch,
    paths::{self, PathKind},
};

mod calls;
mod found;
mod lexer;
mod markup;
mod segment;
mod sql;

use found::Found;
use segment::{Segment, Side};

pub(super) static SIGNAL: Signal = Signal {
    id: "schema_change",
    label: "schema change",
    unit: Unit::Count,
    why: "Dropped data does not come back, and a lock on a busy table stops the service.",
    terms: &[
        Term {
            id: "schema_change.destructive",
            transform: "1 when a statement destroys data or breaks code that runs against the old schema",
        },
        Term { id: "schema_change.locking", transform: "1 when a statement holds a lock that blocks writers" },
        Term { id: "schema_change.any", transform: "1 when the schema changes or a migration is touched" },
    ],
    measure,
};

/// Bytes of one file's new side that are read; migrations are far shorter, dumps are not.
const BYTES_PER_FILE: usize = 256 * 1024;
/// Bytes of all files together, so that a thousand dumps cost no more than a few.
const BYTES_IN_ALL: usize = 1024 * 1024;
/// Statements shown; a change with more of them is not read to the end by anybody.
const STATEMENTS_SHOWN: usize = 50;

fn measure(view: &View<'_>) -> Reading {
    if let Some(unknown) = view.unread() {
        return Err(unknown);
    }
    let search = search(view);
    let destructive = search.count(SchemaEffect::Destructive);
    let locking = search.count(SchemaEffect::Locking);
    if destructive + locking == 0 {
        // What was not looked at may hold anything.
        if let Some(unknown) = search.unread.clone().or_else(|| search.cut()).or_else(|| view.incomplete()) {
            return Err(unknown);
        }
    }
    let any = search.touched || !search.found.is_empty();
    let terms = vec![flag(destructive > 0), flag(locking > 0), flag(any)];
    Ok(Measure { value: (destructive + locking) as f64, terms, evidence: search.evidence(view) })
}

/// What all files together hold.
#[derive(Default)]
struct Search<'a> {
    found: Vec<(&'a str, Found)>,
    /// A migration is among the changed files.
    touched: bool,
    /// Why a migration could not be looked at.
    unread: Option<Unknown>,
    /// Bytes looked at, and how many there are.
    bytes: (usize, usize),
}

fn search<'a>(view: &View<'a>) -> Search<'a> {
    let mut search = Search::default();
    for (file, scan) in view.files() {
        // A deleted file runs no more; what it did stays done.
        let idle = matches!(file.status, FileStatus::Removed | FileStatus::Unchanged) || file.binary || file.submodule;
        let migration = scan.kind == PathKind::Migration;
        let plain_sql = scan.kind == PathKind::Source && paths::has_extension(&file.path, "sql");
        if idle || !migration && !plain_sql {
            continue;
        }
        search.touched |= migration;
        if is_undo(&file.path) {
            continue;
        }
        match &file.patch {
            Ok(patch) => search.file(file, patch, migration),
            Err(unknown) => search.unread = search.unread.take().or_else(|| Some(unknown.clone())),
        }
    }
    search.settle();
    search
}

impl<'a> Search<'a> {
    fn file(&mut self, file: &'a FileChange, patch: &Patch, migration: bool) {
        let budget = BYTES_PER_FILE.min(BYTES_IN_ALL.saturating_sub(self.bytes.0));
        let (new, seen, whole) = segment::segments(patch, Side::New, budget);
        let mut found = look(&file.path, &new, migration);
        // A statement too long to be read to its end leaves some of its bytes.
        let skipped = found.iter().filter(|found| found.unread).count();
        found.retain(|found| !found.unread);
        self.bytes.0 += seen;
        self.bytes.1 += if whole { seen + skipped } else { patch.0.len().max(seen + 1) };
        // What stood there before, in other white space or another place, is no news.
        let (old, ..) = segment::segments(patch, Side::Old, budget);
        let mut before: HashMap<(SchemaEffect, String), usize> = HashMap::new();
        for found in look(&file.path, &old, migration) {
            *before.entry((found.effect, found.what)).or_default() += 1;
        }
        found.retain(|found| match before.get_mut(&(found.effect, found.what.clone())) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        });
        self.found.extend(found.into_iter().map(|found| (file.path.as_str(), found)));
    }

    /// Statements lose their edge on what the same change creates: no data and no traffic is there yet.
    fn settle(&mut self) {
        let mut created: HashSet<(&str, String)> = HashSet::new();
        let mut surely_created: HashSet<(&str, String)> = HashSet::new();
        let mut added: HashSet<(&str, String)> = HashSet::new();
        for (path, found) in &self.found {
            // Another directory is another database, for all that is known.
            let place = paths::directory_of(path);
            let lasting = || found.creates.clone().filter(|_| !found.temporary).map(|table| (place, table));
            created.extend(lasting());
            surely_created.extend(lasting().filter(|_| !found.if_not_exists));
            added.extend(found.adds.clone().map(|column| (place, column)));
        }
        let mut earlier: HashSet<(&str, String)> = HashSet::new();
        for (path, found) in &mut self.found {
            let (path, place): (&str, &str) = (path, paths::directory_of(path));
            let table = found.table.clone().unwrap_or_default();
            let (here, on) = ((path, table.clone()), (place, table));
            found.effect = match found.effect {
                SchemaEffect::Locking if created.contains(&on) => SchemaEffect::Additive,
                SchemaEffect::Destructive if found.recreatable && created.contains(&on) => SchemaEffect::Additive,
                // "DROP x; CREATE x" empties x, "CREATE x; DROP x" does nothing, and a second "DROP x" finds another.
                SchemaEffect::Destructive if found.whole && earlier.remove(&here) => SchemaEffect::Additive,
                SchemaEffect::Destructive if !found.whole && surely_created.contains(&on) => SchemaEffect::Additive,
                // Filling a column that is new destroys nothing; it does lock every row.
                SchemaEffect::Destructive
                    if !found.writes.is_empty()
                        && found.writes.iter().all(|column| added.contains(&(place, column.clone()))) =>
                {
                    SchemaEffect::Locking
                }
                effect => effect,
            };
            let sure = found.creates.clone().filter(|_| !found.if_not_exists && !found.temporary);
            earlier.extend(sure.map(|table| (path, table)));
        }
    }

    /// Why nothing can be said of statements that are absent: not all bytes were looked at.
    fn cut(&self) -> Option<Unknown> {
        let (seen, total) = (self.bytes.0 as u64, self.bytes.1 as u64);
        (seen < total).then_some(Unknown { source: Source::Diff, reason: Reason::Partial { seen, total } })
    }

    fn count(&self, effect: SchemaEffect) -> u64 {
        self.found.iter().filter(|(_, found)| found.effect == effect).count() as u64
    }

    /// The worst first.
    fn evidence(self, view: &View<'_>) -> Vec<Evidence> {
        let effects = [SchemaEffect::Destructive, SchemaEffect::Locking, SchemaEffect::Additive];
        let ordered =
            effects.iter().flat_map(|effect| self.found.iter().filter(move |(_, found)| found.effect == *effect));
        let mut evidence: Vec<Evidence> = ordered
            .take(STATEMENTS_SHOWN)
            .map(|(path, found)| Evidence::Schema {
                path: (*path).to_owned(),
                line: found.line,
                effect: found.effect,
                statement: found.what.clone(),
            })
            .collect();
        if self.found.len() > evidence.len() {
            let (seen, total) = (evidence.len() as u64, self.found.len() as u64);
            evidence.push(Evidence::Partly { seen, total, of: "statements" });
        }
        if self.bytes.0 < self.bytes.1 {
            evidence.push(Evidence::Partly { seen: self.bytes.0 as u64, total: self.bytes.1 as u64, of: "bytes" });
        }
        evidence.extend(view.partly());
        evidence
    }
}

/// What changed lines of one side hold, in the order in which it stands there.
fn look(path: &str, segments: &[Segment<'_>], migration: bool) -> Vec<Found> {
    let mut found = Vec::new();
    for segment in segments {
        let here = match extension(path).as_str() {
            "sql" => sql::in_file(path, segment, migration),
            "xml" | "yaml" | "yml" | "json" => markup::find(path, segment),
            extension => calls::find(extension, segment),
        };
        found.extend(here.into_iter().filter_map(|found| segment.place(found)));
    }
    found
}

/// Files that only run when a migration is taken back: the deployment itself does not run them, and what they destroy
/// is what the migration built.
fn is_undo(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let (directory, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    name.ends_with(".down.sql")
        || matches!(name, "down.sql" | "rollback.sql" | "revert.sql")
        || name.starts_with('u') && name[1..].starts_with(|c: char| c.is_ascii_digit()) && name.contains("__")
        || below_migrations(directory).any(|part| matches!(part, "down" | "undo" | "rollback" | "rollbacks" | "revert"))
}

/// A file's own folder, and those between it and the folder of the migrations: what lies above names the product.
fn below_migrations(directory: &str) -> impl Iterator<Item = &str> {
    let home = |part: &&str| matches!(*part, "migrations" | "migration" | "migrate" | "db_migrations" | "versions");
    let parts: Vec<&str> = directory.split('/').collect();
    let above = parts.iter().rposition(home).unwrap_or(parts.len() - 1);
    parts.into_iter().skip(above)
}

fn extension(path: &str) -> String {
    path.rsplit_once('.').map_or_else(String::new, |(_, extension)| extension.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::risk::{
        facts::Facts,
        stories::{pull_request, text_file},
    };

    fn read(facts: &Facts) -> Reading {
        (SIGNAL.measure)(&View::of(facts))
    }

    /// `effect line statement` of each, the worst first; `-` for statements without points.
    fn shown(reading: &Reading) -> String {
        let show = |evidence: &Evidence| match evidence {
            Evidence::Schema { line, effect: SchemaEffect::Destructive, statement, .. } => {
                Some(format!("! {line} {statement}"))
            }
            Evidence::Schema { line, effect: SchemaEffect::Locking, statement, .. } => {
                Some(format!("~ {line} {statement}"))
            }
            Evidence::Schema { .. } => None,
            other => Some(format!("{other:?}")),
        };
        reading.as_ref().unwrap().evidence.iter().filter_map(show).collect::<Vec<_>>().join("; ")
    }

    fn check(path: &str, text: &str, expected: &str) {
        let reading = read(&pull_request("Migrate", vec![text_file(path, text)]));
        assert_eq!(shown(&reading), expected, "{path}\n{text}");
    }

    fn sql(text: &str, expected: &str) {
        check("migrations/2.sql", text, expected);
    }

    #[test]
    fn destructive_sql() {
        sql("DROP TABLE orders;", "! 1 DROP TABLE orders");
        sql("drop table if exists public.\"Orders\" cascade;", "! 1 DROP TABLE public.\"Orders\"");
        sql("SELECT 1;\n\nDROP\n  TABLE a, b;", "! 3 DROP TABLE a; ! 3 DROP TABLE b");
        sql("ALTER TABLE orders DROP COLUMN note, ADD x int;", "! 1 DROP COLUMN orders.note");
        sql("ALTER TABLE orders DROP note;", "! 1 DROP COLUMN orders.note");
        sql("ALTER TABLE orders RENAME COLUMN a TO b;", "! 1 RENAME COLUMN orders.a");
        sql("ALTER TABLE orders RENAME TO purchases;", "! 1 RENAME TABLE orders");
        sql("RENAME TABLE a TO b;", "! 1 RENAME TABLE a");
        sql("TRUNCATE orders;", "! 1 TRUNCATE orders");
        sql("TRUNCATE TABLE orders RESTART IDENTITY CASCADE;", "! 1 TRUNCATE orders");
        sql("DROP SCHEMA old CASCADE;", "! 1 DROP SCHEMA old");
        sql("DELETE FROM orders;", "! 1 DELETE without WHERE from orders");
        sql("UPDATE orders SET state = 'x';", "! 1 UPDATE without WHERE of orders");
        sql(
            "WITH gone AS (DELETE FROM orders RETURNING *) INSERT INTO attic SELECT * FROM gone;",
            "! 1 DELETE without WHERE from orders",
        );
        sql("DROP VIEW sums;", "! 1 DROP VIEW sums");
        sql("ALTER TYPE state RENAME VALUE 'a' TO 'b';", "! 1 ALTER TYPE state");
        sql("ALTER TABLE `o` CHANGE `a` `b` INT;", "! 1 RENAME COLUMN `o`.`a`");
        sql("EXEC sp_rename 'a.b', 'c', 'COLUMN'\nGO\nDROP TABLE x\nGO", "! 1 RENAME; ! 3 DROP TABLE x");
        sql("SET NOCOUNT ON\nDROP TABLE a\nDROP TABLE b", "! 2 DROP TABLE a; ! 3 DROP TABLE b");
        sql("SELECT 1\nALTER TABLE a DROP COLUMN b", "! 2 DROP COLUMN a.b");
        sql("BEGIN\nTRUNCATE TABLE a", "! 2 TRUNCATE a");
        sql("IF EXISTS (SELECT 1) DROP TABLE t", "! 1 DROP TABLE t");
    }

    #[test]
    fn locking_sql() {
        sql("CREATE INDEX i ON orders (a);", "~ 1 CREATE INDEX on orders");
        sql("CREATE UNIQUE INDEX i ON orders (a);", "~ 1 CREATE UNIQUE INDEX on orders");
        sql("-- `x` ENGINE=InnoDB\nCREATE INDEX i ON orders (a);", "~ 2 CREATE INDEX on orders");
        sql("INSERT INTO a VALUES ('`'); CREATE INDEX i ON orders (a);", "~ 1 CREATE INDEX on orders");
        sql("CREATE TABLE a (b int) ENGINE = InnoDB; CREATE INDEX i ON orders (a);", "");
        sql("CREATE INDEX CONCURRENTLY i ON orders (a);", "");
        sql("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON orders USING gin (a) WHERE b;", "");
        sql("ALTER TABLE `orders` ADD INDEX i (a); CREATE INDEX i ON `orders` (a);", "");
        sql("ALTER TABLE `orders` MODIFY a BIGINT;", "~ 1 MODIFY COLUMN `orders`.a");
        sql("ALTER TABLE `orders` MODIFY a BIGINT, ALGORITHM=INPLACE, LOCK=NONE;", "");
        sql("ALTER TABLE o ADD COLUMN a int NOT NULL DEFAULT 0;", "");
        sql("ALTER TABLE o ADD COLUMN a timestamptz NOT NULL DEFAULT now();", "");
        sql("ALTER TABLE o ADD COLUMN a uuid NOT NULL DEFAULT gen_random_uuid();", "~ 1 ADD COLUMN o.a");
        sql("ALTER TABLE o ADD COLUMN a bigserial;", "~ 1 ADD COLUMN o.a");
        sql("ALTER TABLE o ALTER COLUMN a TYPE bigint;", "~ 1 ALTER COLUMN TYPE o.a");
        sql("ALTER TABLE o ALTER COLUMN a SET NOT NULL;", "~ 1 SET NOT NULL o.a");
        sql("ALTER TABLE o ADD CONSTRAINT c CHECK (a > 0);", "~ 1 ADD CONSTRAINT on o");
        sql("ALTER TABLE o ADD CONSTRAINT c CHECK (a > 0) NOT VALID;", "");
        sql(
            "ALTER TABLE o ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES b (id) NOT VALID; ALTER TABLE o VALIDATE CONSTRAINT c;",
            "",
        );
        sql("ALTER TABLE o ADD CONSTRAINT c PRIMARY KEY USING INDEX i;", "");
        sql("LOCK TABLE o IN ACCESS EXCLUSIVE MODE;", "~ 1 LOCK TABLE o");
        sql("LOCK TABLE o;", "~ 1 LOCK TABLE o");
        sql("LOCK TABLE o IN ROW EXCLUSIVE MODE;", "");
        sql("VACUUM FULL o;", "~ 1 VACUUM FULL");
        sql("VACUUM ANALYZE o;", "");
        sql("CLUSTER o USING i;", "~ 1 CLUSTER o");
        sql("REINDEX TABLE o;", "~ 1 REINDEX o");
        sql("REINDEX TABLE CONCURRENTLY o;", "");
    }

    #[test]
    fn text_that_speaks_of_a_drop_is_none() {
        sql("-- DROP TABLE orders;\n/* DROP TABLE a; */ SELECT 'DROP TABLE b; DROP TABLE c';", "");
        sql("INSERT INTO log VALUES ('it''s; DROP TABLE x');", "");
        sql("COMMENT ON TABLE a IS 'DROP TABLE b';", "");
        sql("CREATE FUNCTION f() RETURNS void AS $$ BEGIN DROP TABLE tmp; END $$ LANGUAGE plpgsql;", "");
        sql(
            "CREATE TRIGGER t AFTER DELETE ON a BEGIN DELETE FROM b; IF x THEN TRUNCATE c; END IF; END;\nDROP TABLE d;",
            "! 2 DROP TABLE d",
        );
        sql(
            "DELIMITER //\nCREATE PROCEDURE p() BEGIN DROP TABLE x; END//\nDELIMITER ;\nDROP TABLE y;",
            "! 4 DROP TABLE y",
        );
        sql("CREATE TABLE a (id int REFERENCES b ON DELETE CASCADE ON UPDATE SET NULL);", "");
        sql("ALTER TABLE a DROP CONSTRAINT c; DROP INDEX i; ALTER TABLE a RENAME CONSTRAINT c TO d;", "");
        sql("ALTER TABLE a ALTER COLUMN b DROP NOT NULL, ALTER COLUMN b DROP DEFAULT;", "");
        sql("GRANT DELETE, UPDATE, TRUNCATE ON a TO b;", "");
        sql("SELECT truncate(x, 2) FROM a FOR UPDATE;", "");
        sql("INSERT INTO a VALUES (1) ON CONFLICT DO UPDATE SET b = 1;", "");
        sql(
            "DELETE FROM a WHERE id = 1; UPDATE a SET b = 1 WHERE id = 2; DELETE FROM a USING b WHERE a.id = b.id;",
            "",
        );
        check("queries/orders.sql", "DELETE FROM sessions;", "");
        check("tests/fixtures/migrations/1.sql", "DROP TABLE orders;", "");
        check("docs/drop.sql", "DROP TABLE orders;", "");
        check("src/db.rs", "execute(\"DROP TABLE orders\")", "");
        check("README.md", "DROP TABLE orders;", "");
    }

    #[test]
    fn ways_back_do_not_count() {
        check("migrations/1_x.down.sql", "DROP TABLE orders;", "");
        check("migrations/2024/down.sql", "DROP TABLE orders;", "");
        check("db/U3__undo.sql", "DROP TABLE orders;", "");
        sql("-- +goose Up\nDROP TABLE a;\n-- +goose Down\nDROP TABLE b;", "! 2 DROP TABLE a");
        sql("-- migrate:up\nSELECT 1;\n-- migrate:down\nDROP TABLE b;", "");
        sql("# --- !Ups\nDROP TABLE a;\n# --- !Downs\nDROP TABLE b;", "! 2 DROP TABLE a");
        sql("SELECT 1;\n-- down\nDROP TABLE a;", "! 3 DROP TABLE a");
        sql("# down\n;DROP TABLE a;", "! 2 DROP TABLE a");
        sql("-- migrate down the road\nDROP TABLE a;", "! 2 DROP TABLE a");
        sql("-- up\nDROP TABLE a;\n-- down\nDROP TABLE b;", "! 2 DROP TABLE a");
        check("revert/orders.sql", "DROP TABLE a;", "");
        check("migrations/down/eu/1.sql", "DROP TABLE a;", "");
        check("rollback/service/migrations/1.sql", "DROP TABLE a;", "! 1 DROP TABLE a");
        check("down/migrations/1.sql", "DROP TABLE a;", "! 1 DROP TABLE a");
        check("deploy/orders.sql", "DELETE FROM a;", "! 1 DELETE without WHERE from a");
        check("k8s/orders.sql", "DROP TABLE a;", "! 1 DROP TABLE a");
        sql("-- downtime is short\nDROP TABLE a;", "! 2 DROP TABLE a");
    }

    #[test]
    fn what_the_change_creates_is_empty() {
        sql("CREATE TABLE a (id int); CREATE INDEX i ON a (id); ALTER TABLE a ADD CONSTRAINT c UNIQUE (id);", "");
        sql("CREATE TABLE a (id int); CREATE INDEX i ON b (id);", "~ 1 CREATE INDEX on b");
        sql("CREATE TEMP TABLE t (id int); DROP TABLE t;", "! 1 DROP TABLE t");
        sql("CREATE TEMP TABLE t (id int); ALTER TABLE t DROP COLUMN a;", "! 1 DROP COLUMN t.a");
        sql("CREATE TABLE t (id int); DROP TABLE t; DROP TABLE t;", "! 1 DROP TABLE t");
        sql("CREATE TABLE public.t (id int); ALTER TABLE t DROP COLUMN a;", "");
        sql("CREATE TABLE attic.t (id int); TRUNCATE t;", "! 1 TRUNCATE t");
        sql("CREATE OR REPLACE TABLE t (id int);", "! 1 REPLACE TABLE t");
        let apart = |other: &str, expected: &str| {
            let files =
                vec![text_file(other, "CREATE TABLE t (id int);"), text_file("a/migrations/2.sql", "TRUNCATE t;")];
            assert_eq!(shown(&read(&pull_request("x", files))), expected, "{other}");
        };
        apart("a/migrations/1.sql", "");
        apart("b/migrations/1.sql", "! 1 TRUNCATE t");
        sql("DROP TABLE IF EXISTS a; CREATE TABLE a (id int);", "! 1 DROP TABLE a");
        sql("CREATE TABLE IF NOT EXISTS a (id int); ALTER TABLE a DROP COLUMN b;", "! 1 DROP COLUMN a.b");
        sql("DROP VIEW v; CREATE VIEW v AS SELECT 1;", "");
        sql("ALTER TABLE a ADD COLUMN b int; UPDATE a SET b = 0;", "~ 1 UPDATE without WHERE of a");
        sql("ALTER TABLE a ADD COLUMN b int; UPDATE a SET b = 0, c = 1;", "! 1 UPDATE without WHERE of a");
    }

    #[test]
    fn one_statement_does_not_hide_the_next() {
        sql("FROBNICATE TABLE x WITH (y);\nDROP TABLE a;", "! 2 DROP TABLE a");
        sql("SELECT 'never closed;\nDROP TABLE a;", "! 2 DROP TABLE a");
        sql("ALTER TABLE a FROB b, DROP COLUMN c;", "! 1 DROP COLUMN a.c");
        sql(
            "DO $$\nBEGIN\n  IF true THEN\n    DROP TABLE a;\n  END IF;\n  EXECUTE 'TRUNCATE b';\nEND $$;",
            "! 4 DROP TABLE a; ! 6 TRUNCATE b",
        );
        sql("DO $$ BEGIN RAISE NOTICE 'DROP TABLE a'; END $$;", "");
    }

    #[test]
    fn only_what_the_change_adds_counts() {
        let patched = |patch: &str| {
            let mut file = text_file("migrations/1.sql", "");
            file.patch = Ok(Patch(patch.into()));
            shown(&read(&pull_request("Edit", vec![file])))
        };
        assert_eq!(patched("@@ -1,2 +1,2 @@\n DROP TABLE a;\n-SELECT 1;\n+SELECT 2;"), "");
        assert_eq!(patched("@@ -1 +0,0 @@\n-DROP TABLE a;"), "");
        assert_eq!(patched("@@ -1 +1 @@\n-DROP TABLE a;\n+  DROP   TABLE a;"), "");
        assert_eq!(patched("@@ -1,2 +1,3 @@\n ALTER TABLE a\n   ADD b int,\n+  DROP COLUMN c;"), "! 3 DROP COLUMN a.c");
        assert_eq!(patched("@@ -9,1 +9,2 @@\n   ADD b int,\n+  DROP COLUMN c;"), "! 10 DROP COLUMN c");
        assert_eq!(patched("@@ -1,0 +7,1 @@\n+DROP TABLE a;\n\\ No newline at end of file"), "! 7 DROP TABLE a");
    }

    #[test]
    fn ruby() {
        let rails = |text: &str, expected: &str| check("db/migrate/1_x.rb", text, expected);
        rails("def change\n  drop_table :orders\nend", "! 2 DROP TABLE orders");
        rails(
            "def up\n  remove_column :orders, :note, :string\nend\n\ndef down\n  drop_table :orders\nend",
            "! 2 DROP COLUMN orders.note",
        );
        rails("rename_column :a, :b, :c\nrename_table 'a', 'b'", "! 1 RENAME COLUMN a.b; ! 2 RENAME TABLE a");
        rails("add_index :orders, :user_id", "~ 1 CREATE INDEX on orders");
        rails("add_index :orders, :user_id,\n  algorithm: :concurrently", "");
        rails("create_table :orders do |t|\n  t.string :x\nend\nadd_index :orders, :x", "");
        rails("change_table :orders do |t|\n  t.remove :note\nend", "! 2 DROP COLUMN orders.note");
        rails("execute <<~SQL\n  DELETE FROM orders;\nSQL", "! 2 DELETE without WHERE from orders");
        rails("execute 'TRUNCATE orders'", "! 1 TRUNCATE orders");
        rails("# drop_table :orders\nputs 'drop_table :orders'\nsay \"DROP TABLE x\"", "");
        rails(
            "reversible do |dir|\n  dir.up { add_column :a, :b, :int }\n  dir.down { remove_column :a, :b }\nend",
            "",
        );
        rails("add_foreign_key :a, :b, validate: false\nadd_foreign_key :a, :c", "~ 2 ADD CONSTRAINT on a");
    }

    #[test]
    fn python() {
        let django = |text: &str, expected: &str| check("shop/migrations/0002_x.py", text, expected);
        django("migrations.DeleteModel(name='Order'),", "! 1 DROP TABLE Order");
        django("migrations.RemoveField(\n    model_name='order',\n    name='note',\n),", "! 1 DROP COLUMN order.note");
        django("migrations.RenameField('order', 'a', 'b')", "! 1 RENAME COLUMN order.a");
        django("migrations.RunSQL('DROP TABLE a;', reverse_sql='DROP TABLE b;')", "! 1 DROP TABLE a");
        django("migrations.RunSQL('CREATE TABLE a (id int)', 'DROP TABLE a')", "");
        django("migrations.RunSQL(\n  \"\"\"\n  -- DROP TABLE x\n  TRUNCATE y;\n  \"\"\"\n)", "! 4 TRUNCATE y");
        django("migrations.RunSQL(sql('DROP TABLE a'))", "! 1 DROP TABLE a");
        django("SeparateDatabaseAndState(state_operations=[migrations.RemoveField('a', 'b')])", "");
        django("migrations.AddIndex(model_name='a', index=models.Index(fields=['x']))", "~ 1 CREATE INDEX on a");
        django("AddIndexConcurrently(model_name='a')", "");
        let alembic = |text: &str, expected: &str| check("alembic/versions/ab.py", text, expected);
        alembic(
            "def upgrade():\n    op.drop_column('a', 'b')\n\ndef downgrade():\n    op.drop_table('c')",
            "! 2 DROP COLUMN a.b",
        );
        alembic("op.alter_column('a', 'b', new_column_name='c')", "! 1 RENAME COLUMN a.b");
        alembic("op.create_index('i', 'a', ['b'], postgresql_concurrently=True)", "");
        alembic("op.execute('ALTER TABLE a DROP COLUMN b')", "! 1 DROP COLUMN a.b");
    }

    #[test]
    fn other_frameworks() {
        let laravel = |text: &str, expected: &str| check("database/migrations/1.php", text, expected);
        laravel(
            "public function up()\n{\n    Schema::dropIfExists('orders');\n}\n\npublic function down()\n{\n    Schema::drop('x');\n}",
            "! 3 DROP TABLE orders",
        );
        laravel(
            "Schema::table('orders', function (Blueprint $table) {\n    $table->dropColumn('note');\n});",
            "! 2 DROP COLUMN orders.note",
        );
        laravel("DB::statement('DROP TABLE a'); // DROP TABLE b", "! 1 DROP TABLE a");
        let node = |text: &str, expected: &str| check("migrations/1.js", text, expected);
        node(
            "exports.up = (knex) => knex.schema.dropTable('a');\nexports.down = (knex) => knex.schema.dropTable('b');",
            "! 1 DROP TABLE a",
        );
        node("await knex.schema.alterTable('a', (table) => {\n  table.dropColumn('b');\n});", "! 2 DROP COLUMN a.b");
        node("await queryInterface.removeColumn('a', 'b');\nconsole.log('DROP TABLE x');", "! 1 DROP COLUMN a.b");
        node("await queryInterface.addIndex('a', ['b'], { concurrently: true });", "");
        check(
            "src/migrations/1.ts",
            "await queryRunner.query(`ALTER TABLE \"a\" DROP COLUMN \"b\"`);",
            "! 1 DROP COLUMN \"a\".\"b\"",
        );
        check("src/migration/1.ts", "await queryRunner.query(`DROP TABLE a`);", "! 1 DROP TABLE a");
        check("src/migrations/1.ts", "async down(q) {\n  await q.query(`DROP TABLE a`);\n}", "");
        let ecto = |text: &str, expected: &str| check("priv/repo/migrations/1.exs", text, expected);
        ecto("drop table(:orders)", "! 1 DROP TABLE orders");
        ecto("alter table(:orders) do\n  remove :note\nend", "! 2 DROP COLUMN orders.note");
        ecto(
            "create index(:orders, [:a])\ncreate index(:orders, [:b], concurrently: true)",
            "~ 1 CREATE INDEX on orders",
        );
        let ef = |text: &str, expected: &str| check("Migrations/1.cs", text, expected);
        ef("migrationBuilder.DropColumn(\n    name: \"Note\",\n    table: \"Orders\");", "! 1 DROP COLUMN Orders.Note");
        ef("protected override void Down(MigrationBuilder b)\n{\n    b.DropTable(\"x\");\n}", "");
        ef("migrationBuilder.Sql(\"DROP TABLE a\");", "! 1 DROP TABLE a");
        check(
            "migrations/1.go",
            "func Up1(tx *sql.Tx) error {\n\ttx.Exec(`DROP TABLE a`)\n}\n\nfunc Down1(tx *sql.Tx) error {\n\ttx.Exec(`DROP TABLE b`)\n}",
            "! 2 DROP TABLE a",
        );
        check(
            "db/changelog/1.xml",
            "<dropColumn\n  tableName=\"a\" columnName=\"b\"/>\n<!-- <dropTable tableName=\"x\"/> -->\n<rollback><dropTable tableName=\"y\"/></rollback>\n<sql>TRUNCATE z</sql>",
            "! 1 DROP COLUMN of a; ! 5 TRUNCATE z",
        );
        check("db/changelog/1.xml", "<sql>\n\nTRUNCATE a; <sql>DROP TABLE b;", "! 3 TRUNCATE a; ! 3 DROP TABLE b");
        check(
            "db/changelog/1.yaml",
            "- changeSet:\n    changes:\n      - dropTable:\n          tableName: a\n      - sql:\n          sql: DELETE FROM b\n    rollback:\n      - dropTable:\n          tableName: c",
            "! 3 DROP TABLE a; ! 6 DELETE without WHERE from b",
        );
    }

    #[test]
    fn what_was_not_looked_at_is_unknown() {
        let unread = Unknown { source: Source::Diff, reason: Reason::Unavailable("too large".into()) };
        let mut withheld = text_file("migrations/1.sql", "SELECT 1;");
        withheld.patch = Err(unread.clone());
        assert_eq!(read(&pull_request("x", vec![withheld.clone()])), Err(unread));
        let found = read(&pull_request("x", vec![withheld, text_file("migrations/2.sql", "DROP TABLE a;")]));
        assert_eq!(shown(&found), "! 1 DROP TABLE a");
        let removed = FileChange { status: FileStatus::Removed, ..text_file("migrations/1.sql", "x") };
        assert_eq!(read(&pull_request("x", vec![removed])).unwrap().terms, [0.0; 3]);
        assert_eq!(
            read(&pull_request("x", vec![text_file("migrations/1.sql", "SELECT 1;")])).unwrap().terms,
            [0.0, 0.0, 1.0]
        );
        let mut partial = pull_request("x", vec![text_file("a.rs", "x")]);
        partial.change.files_total = 5;
        assert!(read(&partial).is_err());
    }

    #[test]
    fn what_is_too_long_to_read_is_unknown() {
        let check = |path: &str, text: String, known: bool| {
            let reading = read(&pull_request("x", vec![text_file(path, &text)]));
            let partial = |reason: &Reason| matches!(reason, Reason::Partial { seen, total } if seen < total);
            assert_eq!(reading.is_ok(), known, "{path}");
            assert!(reading.is_ok() || partial(&reading.unwrap_err().reason), "{path}");
        };
        let padding = format!("-- {}\n", "x".repeat(200)).repeat(1_500);
        let long = "SELECT 1;\n".repeat(30_000);
        check("migrations/1.sql", padding + "DROP TABLE a;", false);
        check("migrations/1.sql", format!("{long}DROP TABLE a;"), false);
        check("migrations/1.sql", format!("DROP TABLE a;{long}"), true);
        check("migrations/1.down.sql", long, true);
        let block = |rows: usize| format!("DO $$ BEGIN IF true THEN {} DROP TABLE a; END $$;", "x ".repeat(rows));
        check("migrations/1.sql", block(3_000), false);
        check("migrations/1.sql", block(100), true);
        check("migrations/1.sql", "x ".repeat(3_000) + "DROP TABLE a", false);
    }

    #[test]
    fn hostile_sql_ends_soon() {
        let nested = |open: &str, close: &str, count: usize| {
            format!("UPDATE a SET b = {}1{};", open.repeat(count), close.repeat(count))
        };
        let texts = [
            nested("(", ")", 20_000),
            nested("(", ")", 12),
            nested("CASE WHEN ", " END", 5_000),
            nested("NOT ", "", 20_000),
            nested("- ", "", 20_000),
            nested("ARRAY[", "]", 11),
            nested("CAST(", " AS int)", 11),
            format!("ALTER TABLE a ADD b {}int{};", "ARRAY<".repeat(900), ">".repeat(900)),
            format!("ALTER TABLE a ADD b int DEFAULT 1{};", "+1".repeat(990)),
            nested("NOT ", "", 1_900),
            nested("- ", "", 1_900),
            nested("CASE WHEN ", " END", 600),
            nested("a BETWEEN ", "", 900),
            nested("INTERVAL ", "", 1_900),
            nested("(SELECT ", ")", 12),
            nested("b IN (", ")", 12),
            nested("f(a => ", ")", 12),
            "DELETE FROM a ".repeat(20_000),
            "DROP ".repeat(50_000),
            "'\n".repeat(50_000),
            "/*".repeat(50_000),
            "$a$\n".repeat(20_001),
            "DO $$ DO $b$ EXECUTE 'x' $b$ $$;".repeat(5_000),
            ";".repeat(200_000),
            "CREATE INDEX ".repeat(20_000),
            "DELIMITER //\n".repeat(10_000),
            format!("DROP TABLE {};", "é".repeat(100_000)),
            "\u{0}\u{feff}DROP\u{a0}TABLE x;".into(),
        ];
        let in_programs = [
            "<sql>".repeat(12_000),
            "a(".repeat(50_000),
            "a(\n".repeat(50_000),
            "\\\"".repeat(50_000),
            "\\'".repeat(50_000),
            "\\`".repeat(50_000),
            "<<A ".repeat(15_000),
            "<<A\n".repeat(15_000),
            (0..15_000).map(|tag| format!("<<A{tag}\n")).collect(),
            "<".repeat(50_000),
            "execute ".repeat(190) + "'" + &"DROP ".repeat(4_000) + "'",
            "state_operations=[".repeat(10_000),
            "sql:\n".repeat(20_000),
            "<rollback>".repeat(10_000),
        ];
        for text in texts.iter().chain(&in_programs) {
            for path in ["1.sql", "1.rb", "1.py", "1.js", "1.xml", "1.yaml"] {
                read(&pull_request("x", vec![text_file(&format!("db/changelog/migrations/{path}"), text)])).ok();
            }
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "(DROP|TABLE|ALTER|RENAME|TO|DO|\\$\\$|'|\"|`|--|/\\*|\\*/|;|\n|\\(|\\)|<sql>|<rollback>|drop_table|:|def down|sql:|\\PC| ){0,60}", extension in "sql|rb|py|js|xml|yaml|exs|cs|php|go|rs") {
            read(&pull_request("x", vec![text_file(&format!("db/changelog/migrations/1.{extension}"), &text)])).ok();
        }
    }
}
