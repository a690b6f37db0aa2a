//! Settings: readable, complete, and their secrets readable to nobody else.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt, path::Path};

use super::{Sources, checklist::Finding};
use crate::config::{Config, SecretPlace};

/// Settings that are read and checked, but that nothing in this version uses: beginning of the variable, and its name.
const UNUSED: [(&str, &str); 1] = [("PAGERDUTY_", "PagerDuty")];

pub(super) fn check(sources: &Sources) -> Vec<Finding> {
    let config = match &sources.config {
        Ok(config) => config,
        Err(error) => return vec![Finding::broken("settings", &error.message, &error.hint)],
    };
    let from = match &sources.file {
        Some(file) => format!("read from {} and the environment", file.display()),
        None => "read from the environment; there is no mergecast.toml here".to_owned(),
    };
    let mut findings = vec![Finding::ok("settings", from)];
    findings.push(credentials(config));
    findings.extend(secrets(sources));
    findings
}

fn credentials(config: &Config) -> Finding {
    let github = &config.github;
    let nothing = github.app_id.is_none() && github.private_key.is_none() && github.webhook_secret.is_none();
    match config.github_app() {
        Ok(app) => Finding::ok("credentials", format!("App {}, private key and webhook secret are set", app.app_id)),
        Err(_) if nothing => Finding::broken(
            "credentials",
            "no GitHub App is set up yet",
            "create one: mergecast setup --public-url https://HOST (with --org ORG for an organisation's)",
        ),
        Err(error) => Finding::broken("credentials", error.message, error.hint),
    }
}

/// Whether files with secrets are readable to their owner only.
fn secrets(sources: &Sources) -> Vec<Finding> {
    let files: BTreeSet<&Path> = sources
        .secrets
        .iter()
        .filter_map(|(_, place)| match place {
            SecretPlace::File(path) => Some(path.as_path()),
            SecretPlace::SettingsFile => sources.file.as_deref(),
            SecretPlace::Environment => None,
        })
        .collect();
    let open: Vec<Finding> = files.iter().filter_map(|file| exposed(file)).collect();
    match (files.len(), open.is_empty()) {
        (0, _) => Vec::new(),
        (_, false) => open,
        (1, true) => vec![Finding::ok("secrets", "their file is readable to its owner only")],
        (count, true) => vec![Finding::ok("secrets", format!("their {count} files are readable to their owner only"))],
    }
}

fn exposed(file: &Path) -> Option<Finding> {
    let metadata = fs::metadata(file).ok()?;
    let mode = metadata.mode() & 0o777;
    // A file of somebody else's is read by its group or not at all: so an orchestrator hands secrets over.
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    let others = if is_ours { 0o077 } else { 0o027 };
    (mode & others != 0).then(|| {
        let says =
            format!("{} holds a secret and has mode {mode:04o}: others on this machine can use it", file.display());
        Finding::warn("secrets", says, format!("chmod 600 {}", file.display()))
    })
}

/// Keys that are set and lead to nothing yet.
pub(super) fn unused(sources: &Sources) -> Vec<Finding> {
    let is_set = |prefix: &str| sources.secrets.iter().any(|(env, _)| env.starts_with(prefix));
    let names: Vec<&str> = UNUSED.iter().filter(|(prefix, _)| is_set(prefix)).map(|(_, name)| *name).collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![Finding::ok("integrations", format!("{}: set, but not used in this version", names.join(", ")))]
}
