//! Brings a database up to the schema of this version: forward only, each migration once and in one transaction.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::{Result, StoreError, sqlite::to_store_error};
use crate::clock::Clock;

/// A step of the schema. Its number is its place in the list, from 1.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($name:literal),+ $(,)?) => {
        &[$(Migration { name: $name, sql: include_str!(concat!("../../migrations/", $name, ".sql")) }),+]
    };
}

/// All of them. One that was released is never changed: databases remember its checksum.
const MIGRATIONS: &[Migration] = migrations![
    "0001_inbox",
    "0002_jobs",
    "0003_check_runs",
    "0004_assessments",
    "0005_models",
    "0006_policies",
    "0007_http_cache",
    "0008_readiness",
    "0009_unanswered_writes",
    "0010_overrides",
    "0011_commands",
    "0012_merge_groups",
    "0013_installations",
    "0014_operations",
    "0015_commands_and_moves",
    "0016_policies_by_branch",
    "0017_mirrors",
    "0018_series",
    "0019_coverage",
    "0020_commands_first",
    "0021_owners_changed",
    "0022_moves_by_age",
    "0023_services",
    "0024_policies_pushed",
    "0025_annotations_by_place",
    "0026_deployments",
    "0027_learning",
    "0028_known_outcomes",
    "0029_verdicts",
];

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at BIGINT NOT NULL
)";

/// Applies what is missing.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    apply(connection, MIGRATIONS, Clock::system().now_ms())
}

fn apply(connection: &mut Connection, migrations: &[Migration], now: i64) -> Result<()> {
    connection.execute_batch(TABLE).map_err(|error| to_store_error(&error))?;
    let applied = applied(connection).map_err(|error| to_store_error(&error))?;
    let done = compare(&applied, migrations)?;
    apply_rest(connection, migrations, done, now).map_err(|error| to_store_error(&error))
}

/// All that is missing, or nothing. One commit is one wait for the disk, and a new database is made at each first start.
fn apply_rest(connection: &mut Connection, migrations: &[Migration], done: usize, now: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for (version, migration) in (1_i64..).zip(migrations).skip(done) {
        transaction.execute_batch(migration.sql)?;
        transaction.execute(
            "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
            (version, migration.name, checksum(migration.sql), now),
        )?;
    }
    transaction.commit()
}

/// How many migrations a database has, and how many there are. Applies none.
pub(super) fn standing(connection: &Connection) -> Result<(usize, usize)> {
    let sql = "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'schema_migrations'";
    let begun = connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| to_store_error(&error))?;
    if begun == 0 {
        return Ok((0, MIGRATIONS.len()));
    }
    let applied = applied(connection).map_err(|error| to_store_error(&error))?;
    Ok((compare(&applied, MIGRATIONS)?, MIGRATIONS.len()))
}

/// Number of the schema, if there is one and all of it is known here. Writes nothing.
pub(super) fn known_schema(connection: &Connection) -> Result<Option<i64>> {
    let (done, _) = standing(connection)?;
    Ok(i64::try_from(done).ok().filter(|done| *done > 0))
}

/// What the database has: number, name, checksum.
fn applied(connection: &Connection) -> rusqlite::Result<Vec<(i64, String, String)>> {
    let sql = "SELECT version, name, checksum FROM schema_migrations ORDER BY version";
    let mut statement = connection.prepare(sql)?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}

/// How many migrations are done, if those are the first of ours.
fn compare(applied: &[(i64, String, String)], migrations: &[Migration]) -> Result<usize> {
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if let Some((found, ..)) = applied.last().filter(|(found, ..)| *found > known) {
        return Err(StoreError::Newer { found: *found, known });
    }
    for ((expected, migration), (version, name, sum)) in (1..).zip(migrations).zip(applied) {
        if *version != expected || *name != migration.name || *sum != checksum(migration.sql) {
            return Err(StoreError::Altered { version: expected, name: migration.name.to_owned() });
        }
    }
    Ok(applied.len())
}

/// Does not mind how a checkout ends its lines.
fn checksum(sql: &str) -> String {
    hex::encode(Sha256::digest(sql.replace("\r\n", "\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    fn folder(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    fn names_in(name: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(folder(name)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn rows(connection: &Connection) -> Vec<(String, i64)> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let mut statement = connection.prepare(sql).unwrap();
        let tables: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(|name| name.unwrap()).collect();
        let count = |table: &String| {
            connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        tables.iter().map(|table| (table.clone(), count(table))).collect()
    }

    #[test]
    fn each_is_listed_numbered_and_has_sample_rows() {
        let listed: BTreeSet<_> = MIGRATIONS.iter().map(|migration| format!("{}.sql", migration.name)).collect();
        assert_eq!(names_in("migrations"), listed);
        assert_eq!(names_in("fixtures/migrations"), listed);
        for (version, migration) in (1..).zip(MIGRATIONS) {
            assert!(migration.name.starts_with(&format!("{version:04}_")), "{}", migration.name);
        }
    }

    #[test]
    fn rows_of_every_step_survive_the_steps_after_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        for (done, migration) in (1..).zip(MIGRATIONS) {
            apply(&mut connection, &MIGRATIONS[..done], 1).unwrap();
            let sample = folder("fixtures/migrations").join(format!("{}.sql", migration.name));
            connection.execute_batch(&fs::read_to_string(sample).unwrap()).unwrap();
        }
        let before = rows(&connection);
        apply(&mut connection, MIGRATIONS, 2).unwrap();
        assert_eq!(rows(&connection), before);
        let empty: Vec<_> = before.iter().filter(|(_, count)| *count == 0).collect();
        assert!(empty.is_empty(), "no sample rows in {empty:?}");
    }

    #[test]
    fn a_newer_or_altered_schema_is_refused_and_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, MIGRATIONS, 1).unwrap();
        let known = i64::try_from(MIGRATIONS.len()).unwrap();

        let fewer = &MIGRATIONS[..MIGRATIONS.len() - 1];
        assert_eq!(apply(&mut connection, fewer, 2), Err(StoreError::Newer { found: known, known: known - 1 }));

        connection.execute_batch("UPDATE schema_migrations SET checksum = 'other' WHERE version = 2").unwrap();
        let altered = StoreError::Altered { version: 2, name: "0002_jobs".to_owned() };
        assert_eq!(apply(&mut connection, MIGRATIONS, 2), Err(altered.clone()));
        connection.execute_batch("DELETE FROM schema_migrations WHERE version = 2").unwrap();
        assert_eq!(apply(&mut connection, MIGRATIONS, 2), Err(altered));
    }

    #[test]
    fn a_failing_migration_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = [Migration { name: "0001_broken", sql: "CREATE TABLE half (id BIGINT); SELECT nonsense" }];
        assert!(matches!(apply(&mut connection, &broken, 1), Err(StoreError::Sql(_))));
        assert_eq!(rows(&connection), [("schema_migrations".to_owned(), 0)]);
    }

    #[test]
    fn line_ends_do_not_matter() {
        assert_eq!(checksum("CREATE\r\nTABLE\r\n"), checksum("CREATE\nTABLE\n"));
    }
}
