//! `mergecast doctor`: tries everything that the App depends on and says, line by line, what is wrong and how to mend it.
//!
//! It changes nothing, shows no secret, and ends in bounded time whatever does not answer.

mod app;
mod checklist;
mod coverage;
mod database;
mod datadog;
mod hook;
mod installed;
mod machine;
mod mirrors;
mod pagerduty;
mod settings;

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;

use super::{ExitCode, output::Terminal};
use crate::{
    clock::Clock,
    config::{Config, ConfigError, SecretPlace},
    github::{AppCredentials, GitHub, Options, Urls},
};
use checklist::Finding;

/// Longest time for one exchange with GitHub or with ourselves.
const EXCHANGE: Duration = Duration::from_secs(8);
/// Longest time for one group of checks; groups run side by side.
const GROUP: Duration = Duration::from_secs(40);

#[derive(Debug, clap::Args)]
pub(super) struct DoctorArgs {
    /// What is printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Where the settings came from, and what became of them.
pub(super) struct Sources {
    /// The settings file, if one is read.
    pub(super) file: Option<PathBuf>,
    /// All settings.
    pub(super) config: Result<Config, ConfigError>,
    /// The secrets that are set, by variable, and where each was found.
    pub(super) secrets: Vec<(&'static str, SecretPlace)>,
}

/// Runs every check and prints the list. Fails when something is broken.
///
/// # Errors
/// When the list cannot be printed.
pub(super) async fn run(args: &DoctorArgs, sources: &Sources, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let findings = examine(sources, &Clock::system()).await;
    let format = if args.json { Format::Json } else { args.format };
    match format {
        Format::Text => checklist::text(&findings, terminal)?,
        Format::Json => checklist::json(&findings, terminal)?,
    }
    let broken = findings.iter().any(|finding| finding.state == checklist::State::Broken);
    Ok(if broken { ExitCode::Failed } else { ExitCode::Done })
}

/// All findings, in the order in which people set things up.
async fn examine(sources: &Sources, clock: &Clock) -> Vec<Finding> {
    let mut findings = settings::check(sources);
    let Ok(config) = &sources.config else {
        findings.extend(within("git", machine::git()).await);
        return findings;
    };
    let (github, public, database, disk, git, mirrors, coverage, datadog) = tokio::join!(
        within("GitHub", github(config, clock)),
        within("public URL", machine::public_url(config.public_url.as_ref())),
        within("database", database::check(config)),
        within("disk", machine::disk(config)),
        within("git", machine::git()),
        within("mirrors", mirrors::check(config)),
        within("coverage", coverage::check(config)),
        within("Datadog", datadog::check(config, clock)),
    );
    findings.extend([github, public, database, disk, git, mirrors, coverage, datadog].into_iter().flatten());
    findings.extend(pagerduty::check(config));
    findings
}

/// Everything that GitHub has to be asked for.
async fn github(config: &Config, clock: &Clock) -> Vec<Finding> {
    let Ok(credentials) = config.github_app() else { return Vec::new() };
    let login = AppCredentials {
        app_id: credentials.app_id,
        client_id: credentials.client_id,
        private_key_pem: credentials.private_key,
    };
    let urls = Urls { api: config.github.api_url.clone(), graphql: config.github.graphql_url.clone() };
    let options = Options { deadline: EXCHANGE, ..Options::default() };
    let github = match GitHub::new(login, urls, clock.clone(), options) {
        Ok(github) => github,
        Err(error) => {
            let fix = "generate a private key on the App's page and set GITHUB_PRIVATE_KEY_FILE to the .pem file";
            return vec![Finding::broken("credentials", error, fix)];
        }
    };
    let (mut findings, known) = app::check(&github, config, credentials.app_id).await;
    let Some(app) = known else { return findings };
    let (hook, installed) = tokio::join!(hook::check(&github, config, &app), installed::check(&github, &app));
    findings.extend(hook);
    findings.extend(installed);
    findings
}

/// Ends a group of checks that does not end.
async fn within(check: &'static str, group: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    tokio::time::timeout(GROUP, group).await.unwrap_or_else(|_| {
        let says = format!("not done after {} s", GROUP.as_secs());
        vec![Finding::broken(check, says, "see what does not answer: mergecast doctor -v")]
    })
}
