//! Ways back: the functions of a migration that run only when it is taken back, such as `def down` and `downgrade`.
//! What they destroy is what the migration built.

use crate::risk::signal::schema_change::segment::Segment;

/// The rows of a hunk as text, those of ways back blanked so that the others keep their places.
pub(super) fn without_ways_back(segment: &Segment<'_>) -> String {
    let mut text = String::new();
    // Git's heading stands for rows above the hunk.
    let mut inside = leads_back(segment.heading).then(|| indent(segment.heading));
    for row in &segment.rows {
        let trimmed = row.text.trim();
        if inside.is_some_and(|depth| ends(row.text, trimmed, depth)) {
            inside = None;
        }
        if inside.is_none() && leads_back(trimmed) {
            inside = Some(indent(row.text));
        }
        if inside.is_none() {
            text.push_str(row.text);
        }
        text.push('\n');
    }
    text
}

fn indent(row: &str) -> usize {
    row.len() - row.trim_start().len()
}

/// Whether a row stands outside of a block that began at this depth. Brackets and `end` still close it.
fn ends(row: &str, trimmed: &str, depth: usize) -> bool {
    let closes = trimmed.is_empty() || trimmed.starts_with(['}', ')', ']', '{']) || trimmed == "end";
    !closes && indent(row) <= depth
}

/// Whether a row begins a function for the way back: `def down`, `async down(`, `exports.down =`, `down: (q) => …`.
fn leads_back(row: &str) -> bool {
    let head = row.trim_start().split(['(', '=', '{', ':']).next().unwrap_or_default();
    let mut words = head.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let Some(name) = words.next_back() else { return false };
    let name = if name == "do" { words.next_back().unwrap_or_default() } else { name };
    let mut modifiers = 0;
    for word in words {
        if !is_modifier(word) {
            return false;
        }
        modifiers += 1;
    }
    let in_go = row.trim_start().starts_with("func ") && (name.starts_with("down") || name.starts_with("Down"));
    if !in_go && !matches!(name, "down" | "Down" | "downgrade" | "safeDown" | "rollback") {
        return false;
    }
    // A bare `down(` is a method when a body follows, and a call otherwise; `down:` is a member of an object.
    let is_member = row.trim_start().strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(':'));
    modifiers > 0 || row.trim_end().ends_with('{') || is_member
}

fn is_modifier(word: &str) -> bool {
    matches!(
        word,
        "def"
            | "defp"
            | "function"
            | "func"
            | "fn"
            | "fun"
            | "async"
            | "public"
            | "protected"
            | "private"
            | "override"
            | "virtual"
            | "void"
            | "Task"
            | "static"
            | "export"
            | "exports"
            | "module"
            | "const"
            | "let"
            | "pub"
            | "self"
            | "final"
            | "default"
            | "dir"
            | "suspend"
            | "direction"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_lead_back_and_calls_do_not() {
        let check = |row: &str, expected: bool| assert_eq!(leads_back(row), expected, "{row}");
        for row in [
            "def down",
            "  def self.down",
            "def downgrade():",
            "public function down(): void",
            "exports.down = async function (knex) {",
            "export async function down(db: Kysely<any>) {",
            "async down(queryInterface) {",
            "down: async (queryInterface, Sequelize) => {",
            "down: (q) => q.dropTable('x'),",
            "protected override void Down(MigrationBuilder b)",
            "async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {",
            "func Down2024(tx *sql.Tx) error {",
            "dir.down do",
            "dir.down { remove_column :a, :b }",
            "exports.down = (pgm) => {",
        ] {
            check(row, true);
        }
        for row in ["this.down();", "down();", "def up", "def countdown", "x = down", "", "drop_table :down", "t.down"]
        {
            check(row, false);
        }
    }
}
