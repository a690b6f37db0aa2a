//! `mergecast token`: makes, lists and revokes the tokens that CI uploads with, and those that may put models in force. A token is shown once, when it is made.

use std::io::Write;

use anyhow::{Context, bail};
use chrono::DateTime;
use clap::{Subcommand, ValueEnum};

use super::{ExitCode, output::Terminal, printable};
use crate::{
    clock::Clock,
    config::Config,
    service::{
        MODELS_TOKEN_PREFIX,
        coverage::{TOKEN_PREFIX, token_digest},
    },
    store::{Store, StoreOptions, TokenRow, WHOLE_APP},
};

/// Longest label, in characters.
const LABEL_MAX: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    action: Action,
    /// Database URL, such as sqlite://mergecast.db
    #[arg(long, value_name = "URL", global = true)]
    pub(super) database: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token; it is printed once and kept nowhere
    Create(CreateArgs),
    /// List the tokens, without what makes them tokens
    List {
        /// What is printed
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Revoke a token: it holds no more from now on
    Revoke {
        /// Id of the token, as the list has it
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// Repository that it may upload to
    #[arg(long, value_name = "OWNER/NAME", required_unless_present_any = ["org", "models"], conflicts_with = "org")]
    repo: Option<String>,
    /// Account of which it may upload to every repository that the App covers
    #[arg(long, value_name = "ACCOUNT")]
    org: Option<String>,
    /// It may put models in force and take them back, and upload nowhere
    #[arg(long, conflicts_with_all = ["repo", "org"])]
    models: bool,
    /// What it is for, for the list
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) async fn run(config: &Config, args: &TokenArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let store = Store::open(StoreOptions::existing(config.database.parse()?)).await?;
    let clock = Clock::system();
    let done = match &args.action {
        Action::Create(create) => self::create(&store, create, &clock, terminal).await,
        Action::List { format } => list(&store, *format, terminal).await,
        Action::Revoke { id } => revoke(&store, id, &clock).await,
    };
    store.close().await;
    done.map(|()| ExitCode::Done)
}

async fn create(store: &Store, args: &CreateArgs, clock: &Clock, terminal: &mut Terminal) -> anyhow::Result<()> {
    if args.label.chars().count() > LABEL_MAX || args.label.chars().any(char::is_control) {
        bail!("The label must have at most {LABEL_MAX} printable characters");
    }
    let (repository_id, installation_id, scope) = match (&args.repo, &args.org) {
        (Some(name), _) => {
            let found = store.repository_named(name).await?;
            let found = found.with_context(|| unheard("repository", name))?;
            (Some(found.repository_id), found.installation_id, found.repository)
        }
        (None, Some(account)) => {
            let found = store.installation_named(account).await?;
            let found = found.with_context(|| unheard("account", account))?;
            (None, found.installation_id, found.account)
        }
        (None, None) if args.models => (None, WHOLE_APP, "models".to_owned()),
        (None, None) => bail!("Name a repository with --repo or an account with --org"),
    };
    let (token, row) = made(clock, repository_id, installation_id, (scope, args.label.clone()));
    store.save_token(&row).await?;
    writeln!(terminal.out(), "{token}")?;
    if args.models {
        anstream::eprintln!("Token {} may put models in force and take them back", row.token_id);
        anstream::eprintln!("hint: the ledger of models names it by its label; it is not shown again");
    } else {
        anstream::eprintln!("Token {} may upload to {}", row.token_id, printable(&row.scope));
        anstream::eprintln!("hint: keep it as a secret of your CI; it is not shown again");
    }
    Ok(())
}

/// A new token, and what is kept of it.
pub(super) fn made(
    clock: &Clock,
    repository_id: Option<i64>,
    installation_id: i64,
    (scope, label): (String, String),
) -> (String, TokenRow) {
    let prefix = if installation_id == WHOLE_APP { MODELS_TOKEN_PREFIX } else { TOKEN_PREFIX };
    let token = format!("{prefix}{}", clock.new_secret());
    let row = TokenRow {
        token_id: clock.new_id(),
        digest: token_digest(&token),
        repository_id,
        installation_id,
        scope,
        label,
        created_at: clock.now_ms(),
        used_at: None,
        revoked_at: None,
    };
    (token, row)
}

fn unheard(what: &str, name: &str) -> String {
    format!(
        "The App covers no {what} named {:?}\nhint: install the App there and let `mergecast serve` hear of it first",
        printable(name)
    )
}

async fn list(store: &Store, format: Format, terminal: &mut Terminal) -> anyhow::Result<()> {
    let rows = store.tokens().await?;
    let at = |ms: Option<i64>| ms.and_then(DateTime::from_timestamp_millis);
    if format == Format::Json {
        let entry = |row: &TokenRow| {
            serde_json::json!({
                "id": row.token_id, "scope": row.scope, "label": row.label, "created_at": at(Some(row.created_at)),
                "used_at": at(row.used_at), "revoked_at": at(row.revoked_at),
            })
        };
        let entries: Vec<_> = rows.iter().map(entry).collect();
        writeln!(terminal.out(), "{}", serde_json::to_string_pretty(&entries)?)?;
        return Ok(());
    }
    let day = |ms: Option<i64>| at(ms).map_or("never".to_owned(), |at| at.format("%Y-%m-%d").to_string());
    for row in &rows {
        let state = match row.revoked_at {
            Some(_) => format!("revoked {}", day(row.revoked_at)),
            None => format!("used {}", day(row.used_at)),
        };
        let (scope, label) = (printable(&row.scope), printable(&row.label));
        writeln!(terminal.out(), "{}  {scope}  made {}  {state}  {label}", row.token_id, day(Some(row.created_at)))?;
    }
    if rows.is_empty() {
        anstream::eprintln!("There is no token");
        anstream::eprintln!("hint: `mergecast token create --repo OWNER/NAME` makes one");
    }
    Ok(())
}

async fn revoke(store: &Store, id: &str, clock: &Clock) -> anyhow::Result<()> {
    if !store.revoke_token(id, clock.now_ms()).await? {
        bail!("No token that holds has the id {:?}\nhint: `mergecast token list` has the ids", printable(id));
    }
    anstream::eprintln!("Token {} holds no more", printable(id));
    Ok(())
}
