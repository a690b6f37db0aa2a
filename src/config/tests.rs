//! Settings end to end: sources, precedence, secrets, mistakes.

use std::{collections::BTreeMap, path::PathBuf};

use secrecy::ExposeSecret;

use super::{Config, ConfigError, ConfigSources, Retention, SETTINGS};

const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\\nAAAA\\n-----END RSA PRIVATE KEY-----\\n";

fn load(env: &[(&str, &str)], file: Option<PathBuf>) -> Result<Config, ConfigError> {
    let env: BTreeMap<String, String> = env.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Config::load(ConfigSources { file, flags: Vec::new(), env: &|name| env.get(name).cloned() })
}

fn load_file(text: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mergecast.toml");
    std::fs::write(&path, text).unwrap();
    load(env, Some(path.clone())).map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = load(&[("MERGECAST_PUBLIC_URL", "")], None).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.database, "sqlite://mergecast.db");
    assert_eq!(config.public_url, None);
    assert_eq!(config.github.graphql_url.as_str(), "https://api.github.com/graphql");
    assert_eq!(config.datadog.api_url.as_str(), "https://api.datadoghq.com/");
    assert!(
        config.github_app().unwrap_err().message.contains("GITHUB_APP_ID, GITHUB_PRIVATE_KEY, GITHUB_WEBHOOK_SECRET")
    );
}

#[test]
fn flag_wins_over_environment_over_file_over_default() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mergecast.toml");
    std::fs::write(&path, "listen = \"127.0.0.1:1\"\nworkers = 7\ndatabase = \"sqlite://file.db\"\n").unwrap();
    let env = |name: &str| match name {
        "MERGECAST_LISTEN" => Some("127.0.0.1:2".to_owned()),
        "MERGECAST_DATABASE" => Some("sqlite://env.db".to_owned()),
        _ => None,
    };
    let flags = vec![("MERGECAST_LISTEN", "127.0.0.1:3".to_owned())];
    let config = Config::load(ConfigSources { file: Some(path), flags, env: &env }).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.database, "sqlite://env.db");
    assert_eq!(config.workers, 7);
}

#[test]
fn every_setting_can_stand_in_the_file() {
    let config = load_file(
        &format!(
            "public_url = 'https://risk.example'\ndata_dir = '/d'\nmirrors = 'off'\n[github]\napp_id = 12\nclient_id = 'Iv1'\n\
             client_secret = 'a'\nprivate_key = '{KEY}'\nwebhook_secret = 'b,c'\nwebhook_secret_previous = 'd'\n\
             api_url = 'https://ghe.example/api/v3/'\ngit_url = 'file:///srv/git'\n[datadog]\napi_key = 'e'\n\
             app_key = 'f'\nsite = 'datadoghq.eu'\n[codecov]\ntoken = 'g'\n[sonar]\ntoken = 'h'\nurl = 'http://[::1]:9000'\n\
             [pagerduty]\nwebhook_secret = 'i'\n"
        ),
        &[],
    )
    .unwrap();
    assert!(!config.mirrors);
    let app = config.github_app().unwrap();
    assert_eq!(app.app_id, 12);
    let secrets: Vec<&str> = app.webhook_secrets.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(secrets, ["b,c", "d"]);
    assert!(app.private_key.expose_secret().starts_with("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n"));
    assert_eq!(config.github.graphql_url.as_str(), "https://ghe.example/api/graphql");
    assert_eq!(config.datadog.api_url.as_str(), "https://api.datadoghq.eu/");
}

#[test]
fn a_secret_is_read_from_its_file_and_shown_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, "hunter2\r\n").unwrap();
    let name = path.to_str().unwrap();
    let config = load(&[("GITHUB_WEBHOOK_SECRET_FILE", name), ("DD_API_KEY", "hunter2")], None).unwrap();
    assert_eq!(config.github.webhook_secret.as_ref().unwrap().expose_secret(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));

    let both = load(&[("DD_API_KEY", "hunter2"), ("DD_API_KEY_FILE", name)], None).unwrap_err();
    assert_eq!(both.to_string(), "Both DD_API_KEY and DD_API_KEY_FILE are set\nhint: remove one of them");
    let key = load(&[("GITHUB_PRIVATE_KEY", "hunter2")], None).unwrap_err();
    assert!(!key.to_string().contains("hunter2"));
    let missing = load(&[("DD_API_KEY_FILE", "/nonexistent/key")], None).unwrap_err();
    assert!(missing.message.starts_with("Cannot read /nonexistent/key (DD_API_KEY_FILE): "), "{missing}");
    // The environment outranks the file, in whichever way each gives the secret.
    let config = load_file("[datadog]\napi_key_file = '/nonexistent'", &[("DD_API_KEY", "x")]).unwrap();
    assert_eq!(config.datadog.api_key.unwrap().expose_secret(), "x");
}

#[test]
fn a_mistake_says_where_it_is_and_what_would_be_right() {
    let check = |text: &str, expected: &str| assert_eq!(load_file(text, &[]).unwrap_err(), expected);
    check("\nlistn = 'x'", "FILE line 2 has the unknown key \"listn\"\nhint: did you mean listen?");
    check("[gihub]\napp_id = 1", "FILE line 1 has the unknown key \"gihub\"\nhint: did you mean github?");
    check(
        "[github]\nwebhok_secret = 'x'",
        "FILE line 2 has the unknown key \"github.webhok_secret\"\nhint: did you mean github.webhook_secret?",
    );
    check("DD_SITE = 'x'", "FILE line 1 has the unknown key \"DD_SITE\"\nhint: did you mean datadog.site?");
    check(
        "workers = 65",
        "workers (FILE line 1) is \"65\", which is not usable\nhint: MERGECAST_WORKERS must be a whole number from 1 to 64",
    );
    check(
        "workers = true",
        "workers (FILE line 1) is of type boolean\nhint: write it as a text in quotes or as a whole number",
    );
    check("listen = ''", "listen (FILE line 1) is empty\nhint: give it a value or remove it");
    let syntax = load_file("[github]\nprivate_key = hunter2\n", &[]).unwrap_err();
    assert!(syntax.starts_with("FILE line 2 is not valid TOML: ") && !syntax.contains("hunter2"), "{syntax}");
}

#[test]
fn ages_are_days_weeks_or_years() {
    let days = |text: &str| {
        load(&[("MERGECAST_RETENTION_DELIVERIES", text)], None).map(|it| it.retention.deliveries.num_days())
    };
    for (text, expected) in [("7d", 7), ("90d", 90), ("12w", 84), ("2y", 730)] {
        assert_eq!(days(text), Ok(expected), "{text}");
    }
    for bad in ["6d", "0d", "-1d", "90", "d", "1.5y", "90 d", "3h", "9d9", "99999999d", "1é"] {
        let error = days(bad).unwrap_err().to_string();
        assert!(error.ends_with("such as 90d, 12w or 2y, at least 7d"), "{error}");
    }
    let facts = load(&[("MERGECAST_RETENTION_FACTS", "29d")], None).unwrap_err();
    assert!(facts.to_string().contains("at least 30d"), "{facts}");
    let config = load(&[], None).unwrap();
    assert_eq!(config.retention, Retention::default(), "the table's defaults are the type's");
}

#[test]
fn urls_are_https_or_this_machine() {
    let check = |url: &str, good: bool| assert_eq!(load(&[("GITHUB_API_URL", url)], None).is_ok(), good, "{url}");
    check("https://ghe.example", true);
    check("http://127.0.0.1:4000/api/v3", true);
    check("http://localhost:4000", true);
    check("http://ghe.example", false);
    check("http://127.0.0.1.example", false);
    check("https://user:password@ghe.example", false);
    check("https://ghe.example/?x=1", false);
    check("file:///etc/passwd", false);
    check("ghe.example", false);
}

#[test]
fn datadog_is_at_one_of_its_nine_sites() {
    let sites = [
        "datadoghq.com",
        "us3.datadoghq.com",
        "us5.datadoghq.com",
        "datadoghq.eu",
        "ap1.datadoghq.com",
        "ap2.datadoghq.com",
        "uk1.datadoghq.com",
        "ddog-gov.com",
        "us2.ddog-gov.com",
    ];
    for site in sites {
        let config = load(&[("DD_SITE", site)], None).unwrap();
        assert_eq!(config.datadog.api_url.as_str(), format!("https://api.{site}/"));
    }
    assert!(load(&[("DD_SITE", "evil.example")], None).is_err());
}

#[test]
fn names_in_the_table_are_unique() {
    for (index, one) in SETTINGS.iter().enumerate() {
        assert!(SETTINGS[..index].iter().all(|other| other.env != one.env && other.key != one.key), "{}", one.env);
    }
}
