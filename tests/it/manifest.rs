//! `app-manifest.yml`: written from the tables of permissions and events, so that a review of it is a review of the code.
//!
//! `MERGECAST_WRITE_README=1 cargo test --test it manifest` writes a stale one anew.

use std::fs;

use mergecast::github::{EVENTS, Manifest, PERMISSIONS};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/app-manifest.yml");
const WRITE: &str = "MERGECAST_WRITE_README";
const PUBLIC: &str = "https://mergecast.example.com";

/// The file as it should be.
fn text(manifest: &Manifest) -> String {
    let line = |name: &str, value: &str, purpose: &str| format!("{:36}# {purpose}\n", format!("{name}{value}"));
    let permissions = PERMISSIONS.iter().map(|one| line(&format!("  {}: ", one.name), one.access, one.purpose));
    let subscribed = EVENTS.iter().filter(|event| event.subscribed);
    let events = subscribed.map(|event| line("  - ", event.name, event.purpose));
    format!(
        "# What `mergecast setup` asks GitHub to create, with the address of the server in place of the example's.\n\
         # Written by a test from src/github/mod.rs: {WRITE}=1 cargo test --test it manifest\n\
         name: {}\nurl: {}\nhook_attributes:\n  url: {}\n  active: {}\ndescription: {}\npublic: {}\n\
         default_permissions:\n{}default_events:\n{}",
        manifest.name,
        manifest.url,
        manifest.hook_attributes.url,
        manifest.hook_attributes.active,
        manifest.description,
        manifest.public,
        permissions.collect::<String>(),
        events.collect::<String>(),
    )
}

#[test]
fn the_file_is_what_setup_asks_for() {
    let manifest = Manifest::new("Mergecast", &PUBLIC.parse().unwrap());
    let expected = text(&manifest);
    if std::env::var_os(WRITE).is_some() {
        fs::write(FILE, &expected).unwrap();
    }
    let found = fs::read_to_string(FILE).unwrap_or_default();
    assert_eq!(found, expected, "app-manifest.yml is stale\n  hint: {WRITE}=1 cargo test --test it manifest");
    // The file says to a parser what it says to people.
    let parsed: serde_json::Value = serde_saphyr::from_str(&found).unwrap();
    assert_eq!(parsed, serde_json::to_value(&manifest).unwrap());
}
