//! What a parsed statement does.

use sqlparser::ast::{
    AlterColumnOperation, AlterIndexOperation, AlterTable, AlterTableAlgorithm, AlterTableLock, AlterTableOperation,
    AlterTypeOperation, AssignmentTarget, ColumnDef, ColumnOption, DataType, Delete, Expr, FromTable, ObjectName,
    ObjectType, Statement, TableConstraint, TableFactor, TableWithJoins, Update,
};

use super::{Found, Setting, locking_if};
use crate::risk::signal::{
    SchemaEffect::{self, Additive, Destructive, Locking},
    schema_change::found::{last, normal},
};

/// What a statement does, part by part; `None` for kinds of statements that are not read here.
pub(super) fn read(statement: &Statement, setting: Setting) -> Option<Vec<Found>> {
    Some(match statement {
        Statement::Drop { object_type, names, cascade, temporary, .. } => {
            names.iter().map(|name| drop(*object_type, name, *cascade, *temporary)).collect()
        }
        Statement::Truncate(truncate) => {
            truncate.table_names.iter().map(|target| on(Destructive, "TRUNCATE", &target.name)).collect()
        }
        Statement::RenameTable(renames) => {
            renames.iter().map(|rename| on(Destructive, "RENAME TABLE", &rename.old_name)).collect()
        }
        Statement::Delete(delete) => delete_all(delete, setting),
        Statement::Update(update) => update_all(update, setting),
        Statement::CreateIndex(index) => {
            // MySQL builds indexes online; PostgreSQL blocks writers unless told otherwise.
            let effect = locking_if(!index.concurrently && !setting.mysql);
            let verb = if index.unique { "CREATE UNIQUE INDEX on" } else { "CREATE INDEX on" };
            vec![on(effect, verb, &index.table_name)]
        }
        Statement::AlterTable(alter) => alter_table(alter, setting),
        Statement::AlterType(alter) => {
            let effect = match alter.operation {
                // The old words are gone for the code that still uses them.
                AlterTypeOperation::Rename(_) | AlterTypeOperation::RenameValue(_) => Destructive,
                AlterTypeOperation::AddValue(_) => Additive,
            };
            vec![on(effect, "ALTER TYPE", &alter.name)]
        }
        // Nobody asks for an index by its name.
        Statement::AlterIndex { name, operation: AlterIndexOperation::RenameIndex { .. } } => {
            vec![on(Additive, "RENAME INDEX", name)]
        }
        _ => return None,
    })
}

fn on(effect: SchemaEffect, verb: &str, name: &ObjectName) -> Found {
    let name = name.to_string();
    Found::new(effect, verb, &name).on(&name)
}

fn drop(object: ObjectType, name: &ObjectName, cascade: bool, temporary: bool) -> Found {
    let (effect, verb) = match object {
        // A temporary table ends with its session anyway.
        ObjectType::Table if temporary => (Additive, "DROP TEMPORARY TABLE"),
        ObjectType::Table => (Destructive, "DROP TABLE"),
        ObjectType::Schema => (Destructive, "DROP SCHEMA"),
        ObjectType::Database => (Destructive, "DROP DATABASE"),
        // Holds no data, but whoever reads from it fails.
        ObjectType::View => (Destructive, "DROP VIEW"),
        ObjectType::MaterializedView => (Destructive, "DROP MATERIALIZED VIEW"),
        // Nothing is lost that could not be built again, and no statement fails without it.
        ObjectType::Index => (Additive, "DROP INDEX"),
        // Takes the columns or defaults that use it along.
        ObjectType::Type if cascade => (Destructive, "DROP TYPE"),
        ObjectType::Sequence if cascade => (Destructive, "DROP SEQUENCE"),
        _ => (Additive, "DROP"),
    };
    let view = matches!(object, ObjectType::View | ObjectType::MaterializedView);
    Found { recreatable: view, whole: object == ObjectType::Table, ..on(effect, verb, name) }
}

fn table_of(table: Option<&TableWithJoins>) -> String {
    match table.map(|table| &table.relation) {
        Some(TableFactor::Table { name, .. }) => name.to_string(),
        _ => String::new(),
    }
}

fn delete_all(delete: &Delete, setting: Setting) -> Vec<Found> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let narrowed = delete.selection.is_some() || delete.using.is_some() || delete.limit.is_some();
    if narrowed || !setting.migration {
        return Vec::new();
    }
    let table = table_of(from.first());
    vec![Found::new(Destructive, "DELETE without WHERE from", &table).on(&table)]
}

fn update_all(update: &Update, setting: Setting) -> Vec<Found> {
    let narrowed = update.selection.is_some() || update.from.is_some() || update.limit.is_some();
    if narrowed || !setting.migration || !update.table.joins.is_empty() {
        return Vec::new();
    }
    let table = table_of(Some(&update.table));
    let mut writes = Vec::new();
    for assignment in &update.assignments {
        let columns = match &assignment.target {
            AssignmentTarget::ColumnName(column) => std::slice::from_ref(column),
            AssignmentTarget::Tuple(columns) => columns.as_slice(),
        };
        writes.extend(columns.iter().map(|column| format!("{}.{}", normal(&table), last(&column.to_string()))));
    }
    vec![Found { writes, ..Found::new(Destructive, "UPDATE without WHERE of", &table).on(&table) }]
}

fn alter_table(alter: &AlterTable, setting: Setting) -> Vec<Found> {
    let table = alter.name.to_string();
    // MySQL can be told how to go about it, and refuses where that is impossible.
    let told = alter.operations.iter().find_map(|operation| match operation {
        AlterTableOperation::Algorithm { algorithm: AlterTableAlgorithm::Copy, .. }
        | AlterTableOperation::Lock { lock: AlterTableLock::Shared | AlterTableLock::Exclusive, .. } => Some(true),
        AlterTableOperation::Algorithm { algorithm: AlterTableAlgorithm::Instant, .. }
        | AlterTableOperation::Lock { lock: AlterTableLock::None, .. } => Some(false),
        _ => None,
    });
    let parts = alter.operations.iter().filter_map(|operation| alter_part(operation, &table, setting));
    parts
        .map(|found| match (told, found.effect) {
            (Some(locks), Locking | Additive) => Found { effect: locking_if(locks), ..found },
            _ => found,
        })
        .collect()
}

fn column(effect: SchemaEffect, verb: &str, table: &str, column: &str) -> Option<Found> {
    Some(Found::new(effect, verb, &format!("{table}.{column}")).on(table))
}

fn whole(effect: SchemaEffect, verb: &str, table: &str) -> Option<Found> {
    Some(Found::new(effect, verb, table).on(table))
}

fn alter_part(operation: &AlterTableOperation, table: &str, setting: Setting) -> Option<Found> {
    use AlterTableOperation as Alter;
    match operation {
        Alter::DropColumn { column_names, .. } => {
            let names: Vec<String> = column_names.iter().map(ToString::to_string).collect();
            column(Destructive, "DROP COLUMN", table, &names.join(", "))
        }
        Alter::DropPartitions { .. } => whole(Destructive, "DROP PARTITION of", table),
        Alter::RenameColumn { old_column_name: old, .. } => {
            column(Destructive, "RENAME COLUMN", table, &old.to_string())
        }
        Alter::ChangeColumn { old_name, new_name, .. } if old_name != new_name => {
            column(Destructive, "RENAME COLUMN", table, &old_name.to_string())
        }
        Alter::RenameTable { .. } => whole(Destructive, "RENAME TABLE", table),
        Alter::SwapWith { .. } => whole(Destructive, "SWAP TABLE", table),
        Alter::AddColumn { column_def, .. } => {
            let effect = locking_if(!setting.mysql && rewrites(column_def));
            let name = column_def.name.to_string();
            let adds = Some(format!("{}.{}", normal(table), last(&name)));
            column(effect, "ADD COLUMN", table, &name).map(|found| Found { adds, ..found })
        }
        Alter::AddConstraint { constraint, not_valid } => {
            whole(locking_if(!not_valid && validates(constraint, setting)), "ADD CONSTRAINT on", table)
        }
        Alter::ModifyColumn { col_name, .. } => column(Locking, "MODIFY COLUMN", table, &col_name.to_string()),
        Alter::ChangeColumn { old_name, .. } => column(Locking, "CHANGE COLUMN", table, &old_name.to_string()),
        Alter::AlterColumn { column_name, op } => {
            let (verb, effect) = match op {
                AlterColumnOperation::SetDataType { .. } => ("ALTER COLUMN TYPE", Locking),
                // Reads the whole table while nobody may write to it.
                AlterColumnOperation::SetNotNull => ("SET NOT NULL", Locking),
                _ => ("ALTER COLUMN", Additive),
            };
            column(effect, verb, table, &column_name.to_string())
        }
        // How the change is to be made, not a change.
        Alter::Algorithm { .. } | Alter::Lock { .. } => None,
        // Constraints, triggers, owners, options: no data goes with them.
        _ => whole(Additive, "ALTER TABLE", table),
    }
}

/// Whether PostgreSQL writes every row anew, or builds an index, to add a column.
fn rewrites(column: &ColumnDef) -> bool {
    let counts_up = match &column.data_type {
        DataType::Custom(name, _) => {
            matches!(last(&name.to_string()).as_str(), "serial" | "bigserial" | "smallserial")
        }
        _ => false,
    };
    counts_up
        || column.options.iter().any(|option| match &option.option {
            ColumnOption::Default(value) => is_volatile(value),
            ColumnOption::Unique(_) | ColumnOption::PrimaryKey(_) | ColumnOption::Identity(_) => true,
            ColumnOption::Generated { .. } => true,
            _ => false,
        })
}

/// Whether an expression may differ from row to row. Functions are taken to, but for those known not to.
fn is_volatile(value: &Expr) -> bool {
    match value {
        Expr::Function(function) => !matches!(
            last(&function.name.to_string()).as_str(),
            "now"
                | "current_timestamp"
                | "current_date"
                | "current_time"
                | "localtimestamp"
                | "transaction_timestamp"
                | "statement_timestamp"
                | "current_user"
                | "current_setting"
        ),
        Expr::Cast { expr, .. } | Expr::Nested(expr) | Expr::UnaryOp { expr, .. } => is_volatile(expr),
        Expr::AtTimeZone { timestamp, .. } => is_volatile(timestamp),
        Expr::BinaryOp { left, right, .. } => is_volatile(left) || is_volatile(right),
        _ => false,
    }
}

/// Whether adding a constraint reads or indexes the rows that are there.
fn validates(constraint: &TableConstraint, setting: Setting) -> bool {
    match constraint {
        TableConstraint::PrimaryKeyUsingIndex(_) | TableConstraint::UniqueUsingIndex(_) => false,
        // Indexes, which MySQL builds online.
        TableConstraint::Unique(_) | TableConstraint::Index(_) | TableConstraint::FulltextOrSpatial(_) => {
            !setting.mysql
        }
        _ => true,
    }
}
