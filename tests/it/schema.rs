//! Migrations that destroy or lock, and dependencies that move.

use mergecast::github::sim::{Edits, PullHandle, PullSpec, SimRepository};

use crate::{
    seen::{Table, see},
    support::run_test,
};

const DROP: &str = "ALTER TABLE orders DROP COLUMN total;\n";

fn open(shop: &SimRepository, edits: Edits) -> PullHandle {
    shop.open(PullSpec::new("Change the orders", "ada", edits))
}

#[test]
fn a_destructive_migration_meets_its_floor_and_is_remarked_on_its_line() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let edits = Edits::new()
            .write("db/migrate/7_total.sql", format!("-- the total is computed now\n\n{DROP}"))
            .write("src/order.rs", "let total = sum();\n");
        let pull = open(&shop, edits);
        let seen = see(&ctx, &pull).await;
        assert_eq!((seen.score(), seen.json["level"].as_str()), (70, Some("high")));
        let floor = &seen.json["floors"][0];
        assert_eq!((floor["rule"].as_str(), floor["applied"].as_bool()), (Some("destructive_migration"), Some(true)));
        assert!(seen.title().contains("at least 70"), "{}", seen.title());
        let table = Table::of(seen.summary(), "What was read");
        let row = table.rows().iter().find(|row| row[0].starts_with("Floor")).expect("a row of its own");
        assert!(row[1].contains("70") && table.rows().iter().any(|row| row[0] == "Sum"), "{row:?}");
        let [remark] = seen.run.annotations.as_slice() else { panic!("{:?}", seen.run.annotations) };
        assert_eq!((remark["path"].as_str(), remark["start_line"].as_i64()), (Some("db/migrate/7_total.sql"), Some(3)));

        let (points, target) = seen.way("Move the schema migration").expect("a way down");
        assert_eq!(seen.score() - points, target);
        pull.push(Edits::new().remove("db/migrate/7_total.sql"));
        assert_eq!(see(&ctx, &pull).await.score(), target);
        ctx
    });
}

#[test]
fn words_about_a_migration_are_no_migration() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let harmless = [
            ("tests/drop_test.sql", DROP.to_owned()),
            ("docs/how-to-drop.md", format!("```sql\n{DROP}```\n")),
            ("db/migrate/8_note.sql", format!("-- {DROP}/* {DROP} */\nCREATE TABLE notes (id INT);\n")),
            ("db/migrate/9_text.sql", "INSERT INTO notes VALUES ('DROP TABLE orders;');\n".to_owned()),
            ("src/words.rs", "// DROP TABLE orders;\n".to_owned()),
        ];
        for (path, text) in harmless {
            let seen = see(&ctx, &open(&shop, Edits::new().write(path, text))).await;
            assert_eq!(
                seen.json["floors"].as_array().map(Vec::len),
                Some(0),
                "{path}: {}",
                seen.words("schema_change")
            );
            assert!(seen.score() < 70);
        }
        // Taking a statement out is not making it.
        shop.base_file("db/migrate/1_drop.sql", DROP);
        let seen = see(&ctx, &open(&shop, Edits::new().remove("db/migrate/1_drop.sql"))).await;
        assert_eq!(seen.json["floors"].as_array().map(Vec::len), Some(0), "{}", seen.words("schema_change"));
        ctx
    });
}

#[test]
fn frameworks_say_it_in_their_own_words() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        let rails = "class DropTotal < ActiveRecord::Migration[7.1]\n  def change\n    remove_column :orders, :total\n  end\nend\n";
        let alembic = "from alembic import op\n\ndef upgrade():\n    op.drop_table('orders')\n";
        let django = "class Migration(migrations.Migration):\n    operations = [\n        migrations.RemoveField('order', 'total'),\n    ]\n";
        let locking = "CREATE INDEX by_total ON orders (total);\n";
        for (path, text) in [
            ("db/migrate/20260303100000_drop_total.rb", rails),
            ("alembic/versions/ab12_drop.py", alembic),
            ("shop/migrations/0007_drop.py", django),
            ("migrations/0007_truncate.sql", "TRUNCATE orders;\n"),
            ("migrations/0008_rename.sql", "ALTER TABLE orders RENAME COLUMN total TO sum;\n"),
            ("migrations/0009_index.sql", locking),
        ] {
            let seen = see(&ctx, &open(&shop, Edits::new().write(path, text))).await;
            assert_eq!(
                seen.json["floors"][0]["at_least"].as_i64(),
                Some(70),
                "{path}: {}",
                seen.words("schema_change")
            );
        }
        ctx
    });
}

fn manifest(version: &str) -> String {
    format!("{{\n  \"dependencies\": {{\n    \"left-pad\": \"{version}\"\n  }}\n}}\n")
}

#[test]
fn dependencies_are_judged_by_how_far_they_move() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.base_files(Edits::new().write("package.json", manifest("1.2.3")).write("package-lock.json", "{}\n"));
        let bump = async |to: &str| {
            let edits = Edits::new()
                .write("package.json", manifest(to))
                .write("package-lock.json", format!("{{\"v\": \"{to}\"}}\n"));
            let title = format!("Bump left-pad from 1.2.3 to {to}");
            let seen = see(&ctx, &shop.open(PullSpec::new(title, "dependabot[bot]", edits))).await;
            (seen.points("dependency_update"), seen.words("dependency_update"))
        };
        let (major, minor, patch) = (bump("2.0.0").await, bump("1.3.0").await, bump("1.2.4").await);
        for (step, (_, words)) in [("major", &major), ("minor", &minor), ("patch", &patch)] {
            assert!(words.contains(step) && words.contains("left-pad"), "{step}: {words}");
        }
        assert!(major.0 > minor.0 && minor.0 > patch.0, "{} {} {}", major.0, minor.0, patch.0);
        let lock = Edits::new().write("package-lock.json", "{\"lock\": 2}\n");
        let seen = see(&ctx, &shop.open(PullSpec::new("Refresh the lock file", "renovate[bot]", lock))).await;
        assert!(seen.points("dependency_update") < 0, "{}", seen.words("dependency_update"));
        ctx
    });
}
