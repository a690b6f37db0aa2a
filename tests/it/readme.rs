//! The README: its tables are written from the code, its examples are read, and the routes that it names exist.
//!
//! `MERGECAST_WRITE_README=1 cargo test --test it readme` writes stale tables anew.

use std::{collections::BTreeSet, fmt::Display, fs, path::Path};

use clap::{Arg, ArgAction, Command, CommandFactory};
use mergecast::{
    cli::Args,
    config::{Config, ConfigSources, SETTINGS, repository::parse_policy},
    github::{EVENTS, PERMISSIONS},
    risk::{Model, signal::SIGNALS},
};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const WRITE: &str = "MERGECAST_WRITE_README";

fn readme() -> String {
    fs::read_to_string(README).expect("README.md is text")
}

/// The text between `begin` and the next `end`.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("README.md has no {begin:?}"));
    let (inside, _) = rest.split_once(end).unwrap_or_else(|| panic!("README.md has no {end:?} after {begin:?}"));
    inside
}

#[test]
fn its_tables_are_those_of_the_code() {
    let tables = [
        ("commands", commands()),
        ("options", options()),
        ("settings", settings()),
        ("permissions", permissions()),
        ("events", events()),
        ("signals", signals()),
        ("slash-commands", slash_commands()),
    ];
    let before = readme();
    let after = tables.iter().fold(before.clone(), |text, (name, table)| {
        let (begin, end) = (format!("<!-- table: {name} -->\n"), "<!-- end of table -->");
        let old = between(&text, &begin, end);
        text.replacen(&format!("{begin}{old}{end}"), &format!("{begin}{table}{end}"), 1)
    });
    if before == after {
        return;
    }
    if std::env::var_os(WRITE).is_some() {
        return fs::write(README, after).expect("README.md can be written");
    }
    let differs = |(old, new): &(&str, &str)| old != new;
    let (old, new) = before.lines().zip(after.lines()).find(differs).unwrap_or_default();
    panic!(
        "README.md has stale tables\n  it says: {old}\n  it is:   {new}\n  hint: {WRITE}=1 cargo test --test it readme"
    );
}

/// A table in Markdown.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    let rule = format!("|{}\n", " --- |".repeat(N));
    let rows: String = rows.into_iter().map(line).collect();
    line(head.map(str::to_owned)) + &rule + &rows
}

fn code(text: impl Display) -> String {
    format!("`{text}`")
}

fn subcommands() -> Vec<Command> {
    Args::command().get_subcommands().filter(|command| command.get_name() != "help").cloned().collect()
}

fn commands() -> String {
    let about = |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();
    table(["Command", "Does"], subcommands().iter().map(|command| [code(command.get_name()), about(command)]))
}

fn options() -> String {
    let own = subcommands().into_iter().flat_map(|command| {
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        let below = below.map(|below| (format!("{} {}", command.get_name(), below.get_name()), below));
        let all = [(command.get_name().to_owned(), &command)].into_iter().chain(below);
        let options = all.flat_map(|(name, of)| of.get_arguments().map(move |arg| option(&code(&name), arg)));
        options.collect::<Vec<_>>()
    });
    let general: Vec<_> = Args::command().get_arguments().map(|arg| option("all", arg)).collect();
    table(["Command", "Option", "Meaning"], own.chain(general))
}

fn option(of: &str, arg: &Arg) -> [String; 3] {
    let value = arg.get_value_names().and_then(|names| names.first()).filter(|_| arg.get_action().takes_values());
    let value = value.map(|name| format!(" {name}")).unwrap_or_default();
    let name = match (arg.get_long(), arg.get_short()) {
        (Some(long), Some(short)) => format!("`-{short}`, `--{long}{value}`"),
        (Some(long), None) => format!("`--{long}{value}`"),
        _ => code(value.trim()),
    };
    let mut meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if matches!(arg.get_action(), ArgAction::Set) {
        let possible: Vec<_> = arg.get_possible_values().iter().map(|value| code(value.get_name())).collect();
        if !possible.is_empty() {
            meaning.push_str(&format!(" ({})", possible.join(", ")));
        }
        if let Some(default) = arg.get_default_values().first() {
            meaning.push_str(&format!(" [default: {}]", default.display()));
        }
    }
    [of.to_owned(), name, meaning]
}

fn settings() -> String {
    let row = |setting: &mergecast::config::Setting| {
        let default = match (setting.secret, setting.default) {
            (true, _) => "secret".to_owned(),
            (false, Some(default)) => code(default),
            (false, None) => String::new(),
        };
        [code(setting.env), code(setting.key), default, setting.about.to_owned()]
    };
    table(["Environment", "Key in `mergecast.toml`", "Default", "For"], SETTINGS.iter().map(row))
}

fn permissions() -> String {
    let row = |one: &mergecast::github::Permission| [code(one.name), one.access.to_owned(), one.purpose.to_owned()];
    table(["Permission", "Access", "For"], PERMISSIONS.iter().map(row))
}

fn events() -> String {
    let rows = EVENTS
        .iter()
        .filter(|event| event.subscribed)
        .map(|event| [code(event.name), event.permission.map(code).unwrap_or_default(), event.purpose.to_owned()]);
    table(["Event", "Needs", "For"], rows)
}

fn slash_commands() -> String {
    let row = |one: mergecast::command::Described| [code(one.usage), one.about, one.needs.words().to_owned()];
    table(["Command", "What it does", "Who may"], mergecast::command::commands().into_iter().map(row))
}

fn signals() -> String {
    let model = serde_json::to_value(Model::baseline()).expect("a model is plain data");
    let weights = model["terms"].as_array().expect("a model lists its terms");
    let rows = SIGNALS.iter().flat_map(|signal| {
        signal.terms.iter().enumerate().map(move |(position, term)| {
            let weight = weights.iter().find(|weight| weight["id"] == term.id).expect("every term has its weight");
            let number = |field: &str| weight[field].as_f64().expect("weights are numbers");
            let source = weight["source"].as_str().expect("every weight has its source");
            let kinds = ["Logistic regression", "The weight of", "Documented prior"];
            let from = kinds.iter().position(|kind| source.starts_with(kind));
            [
                if position == 0 { signal.label.to_owned() } else { String::new() },
                code(term.id),
                term.transform.to_owned(),
                signed(15.0 * number("weight") / std::f64::consts::LN_2),
                rounded(number("mean")),
                from.map_or("policy", |kind| ["fitted", "tied", "prior"][kind]).to_owned(),
            ]
        })
    });
    table(["Signal", "Term", "x", "Points for each 1 of x", "Typical x", "Weight"], rows)
}

/// With at most one decimal.
fn signed(number: f64) -> String {
    let text = format!("{number:+.1}").replace('-', "−");
    let text = text.strip_suffix(".0").map(str::to_owned).unwrap_or(text);
    if text == "+0" || text == "−0" { "0".to_owned() } else { text }
}

/// With at most two decimals.
fn rounded(number: f64) -> String {
    let text = format!("{number:.2}").replace('-', "−");
    if text == "0.00" { "0".to_owned() } else { text }
}

#[test]
fn its_policy_and_settings_can_be_read() {
    let readme = readme();
    let policy = between(&readme, "```yaml\n", "```");
    let read = parse_policy(policy).expect("the README's policy has no mistake");
    assert_eq!(read.policy.origin.errors, Vec::new());
    for key in ["mode", "threshold", "floors", "ignore", "sensitive_paths", "freezes"] {
        assert!(policy.contains(&format!("{key}:")), "the README's policy shows {key}");
    }

    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("the file can be written");
        path
    };
    file("private-key.pem", "-----BEGIN RSA PRIVATE KEY-----\n");
    file("webhook-secret", "hunter2\n");
    let text = between(&readme, "```toml\n", "```").replace("/etc/mergecast", &directory.path().display().to_string());
    let sources = ConfigSources { file: Some(file("mergecast.toml", &text)), flags: Vec::new(), env: &|_| None };
    let config = Config::load(sources).expect("the README's settings can be used");
    config.github_app().expect("the README's settings are all that serve needs");
}

/// The routes as `src/service/server.rs` writes them: the router itself does not tell.
#[test]
fn its_routes_are_those_of_the_server() {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/service/server.rs");
    let server = fs::read_to_string(server).expect("the server's source is text");
    let pattern = |pattern| regex::Regex::new(pattern).expect("the pattern is a constant");
    let found = |pattern: regex::Regex, text: &str| -> BTreeSet<String> {
        pattern.captures_iter(text).map(|found| format!("{} {}", found[2].to_uppercase(), &found[1])).collect()
    };
    let served = found(pattern(r#"\.route\("([^"]+)", (\w+)\("#), &server);
    let readme = readme();
    let named = pattern(r"`(GET|POST|PUT) (/[^`]*)`");
    let named: BTreeSet<String> =
        named.captures_iter(&readme).map(|found| format!("{} {}", &found[1], &found[2])).collect();
    assert!(served.len() > 5, "the pattern finds the routes: {served:?}");
    assert_eq!(named, served, "routes that README.md names (left) and that are served (right)");
}
