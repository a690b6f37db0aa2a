//! `mergecast deploy`: tells the server of a deployment, from CI. Options and defaults are those of
//! `datadog-ci dora deployment`.

use std::{fmt, io::Write, path::Path, time::Duration};

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::{ExitCode, output::Terminal, printable};
use crate::{catalog, git};

/// Longest time of one exchange.
const DEADLINE: Duration = Duration::from_secs(30);
/// Pauses before the server is asked again where it did not answer, or says that it cannot now.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(10)];
/// What of an answer is read.
const ANSWER_MAX: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
#[command(disable_version_flag = true)]
pub(super) struct DeployArgs {
    /// Service that was deployed
    #[arg(long, value_name = "SERVICE", env = "DD_SERVICE")]
    service: String,
    /// Environment that it was deployed to
    #[arg(long, value_name = "ENV", env = "DD_ENV")]
    env: Option<String>,
    /// Version that was deployed
    #[arg(long, value_name = "VERSION", env = "DD_VERSION")]
    version: Option<String>,
    /// Team that owns the service
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// Cluster, region or cell, where one deployment has several
    #[arg(long, value_name = "CLUSTER")]
    cluster: Option<String>,
    /// When it began: seconds since 1970 or ISO 8601
    #[arg(long, value_name = "TIME")]
    started_at: Time,
    /// When it was over, in the same form [default: now]
    #[arg(long, value_name = "TIME")]
    finished_at: Option<Time>,
    /// How far it is
    #[arg(long, value_name = "STATUS", default_value = "succeeded")]
    status: Status,
    /// Repository that was deployed [default: origin of the one here]
    #[arg(long, value_name = "URL")]
    git_repository_url: Option<String>,
    /// Commit that was deployed [default: HEAD of the repository here]
    #[arg(long, value_name = "SHA")]
    git_commit_sha: Option<String>,
    /// Tell neither repository nor commit; then nothing is known of the changes
    #[arg(long)]
    skip_git: bool,
    /// Taken for those who come from datadog-ci, and not kept
    #[arg(long, value_name = "KEY:VALUE")]
    custom_tags: Vec<String>,
    /// What the pipeline calls the deployment, so that it can be told again [default: made of what does not change]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Address of the Mergecast server
    #[arg(long, value_name = "URL", env = "MERGECAST_PUBLIC_URL")]
    server: Option<String>,
    /// Print what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
}

/// What is told; pipelines set a variable to nothing where they have no value.
fn told(value: Option<&String>) -> Option<String> {
    value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Status {
    InProgress,
    Failed,
    Succeeded,
}

/// An instant as CI tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Time(DateTime<Utc>);

impl std::str::FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "neither seconds since 1970 nor ISO 8601 such as 2026-03-03T10:00:00Z";
        if let Ok(seconds) = text.parse::<i64>() {
            return DateTime::from_timestamp(seconds, 0).map(Self).ok_or(wrong);
        }
        DateTime::parse_from_rfc3339(text).map(|at| Self(at.to_utc())).map_err(|_| wrong)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

/// Tells the server, with the token of `MERGECAST_TOKEN`, and prints what the record is called.
///
/// # Errors
/// When something that is needed is missing, and when the server cannot be asked or refuses.
pub(super) async fn run(
    args: &DeployArgs,
    (token, public_url): (Option<SecretString>, Option<Url>),
    now: DateTime<Utc>,
    terminal: &mut Terminal,
) -> anyhow::Result<ExitCode> {
    let deployment = args.deployment(Path::new("."), now)?;
    if args.dry_run {
        writeln!(terminal.out(), "{}", serde_json::to_string_pretty(&deployment)?)?;
        return Ok(ExitCode::Done);
    }
    let server = match told(args.server.as_ref()) {
        Some(text) => {
            Some(text.parse().context("The server's address is none\nhint: https://mergecast.example is one")?)
        }
        None => public_url,
    };
    let server = server.context("No server is named\nhint: --server says where Mergecast is")?;
    let Some(token) = token.filter(|token| !token.expose_secret().is_empty()) else {
        bail!("MERGECAST_TOKEN is not set\nhint: `mergecast token create --repo OWNER/NAME` makes a token");
    };
    let record = send(&server, &token, &deployment).await?;
    writeln!(terminal.out(), "{}", printable(&record))?;
    let to = told(args.env.as_ref()).map(|env| format!(" to {env}")).unwrap_or_default();
    anstream::eprintln!("The deployment of {}{} is kept", printable(&args.service), printable(&to));
    Ok(ExitCode::Done)
}

impl DeployArgs {
    /// What is sent.
    fn deployment(&self, here: &Path, now: DateTime<Utc>) -> anyhow::Result<Value> {
        let over = self.status != Status::InProgress;
        let finished_at = self.finished_at.or(over.then_some(Time(now)));
        if finished_at.is_some_and(|finished| self.started_at.0 > finished.0) {
            bail!("--started-at lies after --finished-at\nhint: without --finished-at it is now");
        }
        let service = told(Some(&self.service)).context("--service names no service")?;
        let git = self.git(here)?;
        let mut deployment = Map::new();
        let mut say = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                deployment.insert(name.to_owned(), json!(value));
            }
        };
        say("env", told(self.env.as_ref()));
        say("version", told(self.version.as_ref()));
        say("team", told(self.team.as_ref()));
        say("cluster", told(self.cluster.as_ref()));
        say("started_at", Some(self.started_at.to_string()));
        say("finished_at", finished_at.map(|at| at.to_string()));
        say("status", self.status.to_possible_value().map(|value| value.get_name().to_owned()));
        let id = told(self.id.as_ref()).unwrap_or_else(|| self.own_id(&service, git.as_ref().map(|(_, sha)| sha)));
        say("id", Some(id));
        say("updated_at", Some(Time(now).to_string()));
        say("service", Some(service));
        if let Some((repository_url, commit_sha)) = git {
            deployment.insert("git".to_owned(), json!({ "repository_url": repository_url, "commit_sha": commit_sha }));
        }
        Ok(Value::Object(deployment))
    }

    /// The same for a step that is run again: made of what it tells but for the end.
    fn own_id(&self, service: &str, sha: Option<&String>) -> String {
        let (env, version, cluster) = (&self.env, &self.version, &self.cluster);
        let words = json!([service, env, version, cluster, sha, self.started_at.to_string()]);
        format!("deploy-{}", &hex::encode(Sha256::digest(words.to_string()))[..32])
    }

    /// Repository and commit: as they are told, else those of the repository here.
    fn git(&self, here: &Path) -> anyhow::Result<Option<(String, String)>> {
        if self.skip_git {
            return Ok(None);
        }
        let (url, sha) = (told(self.git_repository_url.as_ref()), told(self.git_commit_sha.as_ref()));
        if let (Some(url), Some(sha)) = (&url, &sha) {
            return Ok(Some((plain(url)?, sha.clone())));
        }
        let hint = "--git-repository-url and --git-commit-sha tell both, --skip-git neither";
        let unread = || format!("The repository here cannot be read\nhint: {hint}");
        let repository = git::Repository::open(here).with_context(unread)?;
        let url = match &url {
            Some(url) => plain(url)?,
            None => {
                let origin =
                    repository.origin().with_context(|| format!("The repository has no origin\nhint: {hint}"))?;
                plain(&origin)?
            }
        };
        let sha = match sha {
            Some(sha) => sha,
            None => repository.checked_out().with_context(unread)?,
        };
        anstream::eprintln!("Taken from the repository here: {} at {}", printable(&url), printable(&sha));
        Ok(Some((url, sha)))
    }
}

/// The address of a repository without what it may hold of a password.
fn plain(address: &str) -> anyhow::Result<String> {
    let (host, name) = catalog::repository_of(address)
        .context("The address of the repository is none\nhint: write https://github.com/OWNER/NAME")?;
    Ok(format!("https://{host}/{name}"))
}

/// What the server calls the record.
async fn send(server: &Url, token: &SecretString, deployment: &Value) -> anyhow::Result<String> {
    let mut url = server.clone();
    let parts = url.path_segments_mut();
    parts.ok().context("The server's address is none")?.pop_if_empty().extend(["api", "v1", "deployments"]);
    // Whoever is sent elsewhere would hand the token over.
    let client = reqwest::Client::builder().timeout(DEADLINE).redirect(reqwest::redirect::Policy::none()).build()?;
    let mut pauses = PAUSES.iter();
    loop {
        let request = client.post(url.clone()).bearer_auth(token.expose_secret()).json(deployment);
        let failed = match request.send().await {
            Ok(answer) => match read(answer).await? {
                Answer::Kept(record) => return Ok(record),
                Answer::Later(why) => why,
            },
            Err(error) if error.is_builder() => return Err(error).context("the request cannot be made"),
            Err(error) => format!("the server does not answer: {}", error.without_url()),
        };
        let Some(pause) = pauses.next() else {
            bail!("The deployment is not kept: {failed}\nhint: tell it again with the same options; twice is once")
        };
        anstream::eprintln!("{}; trying again in {} s", printable(&failed), pause.as_secs());
        tokio::time::sleep(*pause).await;
    }
}

enum Answer {
    Kept(String),
    /// It may be otherwise in a moment.
    Later(String),
}

async fn read(mut answer: reqwest::Response) -> anyhow::Result<Answer> {
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.context("the server's answer breaks off")? {
        body.extend_from_slice(&part);
        if body.len() > ANSWER_MAX {
            bail!("The server's answer is too long\nhint: see that --server is a Mergecast");
        }
    }
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| told[name].as_str().map(str::to_owned);
    match (status.as_u16(), text("deployment")) {
        (200 | 201, Some(record)) => Ok(Answer::Kept(record)),
        (408 | 429 | 500.., _) => Ok(Answer::Later(text("error").unwrap_or_else(|| format!("status {status}")))),
        _ => {
            let why = text("error").unwrap_or_else(|| format!("its answer, with status {status}, is not Mergecast's"));
            let hint = text("hint").unwrap_or_else(|| "see that --server is a Mergecast".to_owned());
            bail!("The server refused the deployment: {why}\nhint: {hint}")
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        args: DeployArgs,
    }

    fn deployment(arguments: &str) -> Result<Value, String> {
        let usual = ["deploy", "--service", "pay", "--started-at", "1780272000", "--dry-run"];
        let args = Only::try_parse_from(usual.into_iter().chain(arguments.split_whitespace()));
        let args = args.map_err(|error| error.kind().to_string())?.args;
        let now = DateTime::from_timestamp(1_780_272_300, 0).unwrap();
        args.deployment(Path::new("/"), now).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn it_is_over_now_unless_something_else_is_said() {
        let told = deployment("--skip-git").unwrap();
        let expected = json!({"service": "pay", "started_at": "2026-06-01T00:00:00Z",
            "finished_at": "2026-06-01T00:05:00Z", "status": "succeeded", "id": told["id"], "updated_at": "2026-06-01T00:05:00Z"});
        assert_eq!(told, expected);
        // A step that is run again tells of the same deployment, and so does one that tells of its beginning and its end.
        for again in ["--skip-git --finished-at 2026-06-01T00:04:00Z", "--skip-git --status in_progress"] {
            assert_eq!(deployment(again).unwrap()["id"], told["id"], "{again}");
        }
        assert_ne!(deployment("--skip-git --cluster eu").unwrap()["id"], told["id"]);
        assert!(deployment("--skip-git --custom-tags a:b --env=").unwrap()["env"].is_null());
        let told = deployment("--skip-git --finished-at 2026-06-01T02:01:00+02:00 --status failed").unwrap();
        assert_eq!(
            (told["finished_at"].as_str(), told["status"].as_str()),
            (Some("2026-06-01T00:01:00Z"), Some("failed"))
        );
        assert!(deployment("--skip-git --status in_progress").unwrap()["finished_at"].is_null());
        assert!(deployment("--skip-git --finished-at 1780271999").unwrap_err().contains("lies after"));
        assert!(deployment("--skip-git --finished-at soon").is_err());
    }

    #[test]
    fn no_password_is_told() {
        let told =
            deployment("--git-repository-url https://me:secret@github.com/Acme/pay.git --git-commit-sha 1a2b3c4");
        let git = json!({"repository_url": "https://github.com/acme/pay", "commit_sha": "1a2b3c4"});
        assert_eq!(told.unwrap()["git"], git);
        assert!(deployment("--git-repository-url pay --git-commit-sha 1a2b3c4").unwrap_err().contains("is none"));
        // Both are taken from the repository here, where one is missing.
        assert!(deployment("--git-commit-sha 1a2b3c4").unwrap_err().contains("cannot be read"));
        assert!(deployment("--skip-git --git-commit-sha 1a2b3c4").unwrap()["git"].is_null());
    }
}
