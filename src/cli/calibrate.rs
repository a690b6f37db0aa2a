//! `mergecast calibrate`: a challenger from what became of this installation's changes; with `--fit` a baseline model from
//! the histories of repositories.

mod baseline;
mod challenger;
mod model;
mod moves;
mod record;
mod replay;

use std::path::PathBuf;

use anyhow::Context;

use super::{ExitCode, output::Terminal};
use crate::{
    clock::Clock,
    config::Config,
    store::{Store, StoreOptions},
};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(group(clap::ArgGroup::new("act").args(["fit", "activate", "rollback", "dry_run", "proposals"])))]
pub(super) struct CalibrateArgs {
    #[command(subcommand)]
    command: Option<Calibrate>,
    /// Say what would be proposed and keep nothing
    #[arg(long)]
    dry_run: bool,
    /// Say what the outcomes of this repository alone would propose; nothing is kept
    #[arg(long, value_name = "OWNER/NAME", conflicts_with_all = ["fit", "activate", "rollback", "proposals"])]
    repo: Option<String>,
    /// List what was proposed and what was in force
    #[arg(long)]
    proposals: bool,
    /// Put the model of this version in force
    #[arg(long, value_name = "VERSION")]
    activate: Option<String>,
    /// Put the model in force again that was before the last activation
    #[arg(long)]
    rollback: bool,
    /// Who does it, for the ledger
    #[arg(long, value_name = "NAME", default_value = "command line")]
    by: String,
    /// Fit a baseline model on these histories (*.changes.jsonl.gz); it is written to standard output
    #[arg(long, value_name = "STREAM", num_args = 1..)]
    fit: Vec<PathBuf>,
    /// Name of the new model's version
    #[arg(long, value_name = "NAME", default_value = "fitted", requires = "fit")]
    name: String,
    /// Model whose weights stand where histories tell nothing [default: the built-in one]
    #[arg(long, value_name = "FILE", requires = "fit")]
    model: Option<PathBuf>,
    /// Database URL, such as sqlite://mergecast.db
    #[arg(long, value_name = "URL", conflicts_with = "fit")]
    database: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Calibrate {
    /// Print the model in force as a table that can be checked by hand
    Model(model::ModelArgs),
    /// Say how right scores have been
    Report(record::RecordArgs),
    /// Live through histories night by night, learning from outcomes, and say what it did to scores and rates
    Replay(replay::ReplayArgs),
}

impl CalibrateArgs {
    /// The database that is named.
    pub(super) fn database(&self) -> &Option<String> {
        match &self.command {
            Some(Calibrate::Report(report)) => &report.database,
            Some(Calibrate::Model(model)) => &model.database,
            Some(Calibrate::Replay(_)) | None => &self.database,
        }
    }
}

/// Does what needs no database; `None` where one is needed.
pub(super) fn without_database(args: &CalibrateArgs, terminal: &mut Terminal) -> Option<anyhow::Result<ExitCode>> {
    match &args.command {
        Some(Calibrate::Replay(args)) => Some(replay::run(args, terminal)),
        Some(Calibrate::Model(args)) => model::without_database(args, terminal),
        None if !args.fit.is_empty() => Some(baseline::run(args)),
        Some(Calibrate::Report(_)) | None => None,
    }
}

/// Does what needs the database.
///
/// # Errors
/// When it cannot be read or written, or holds no repository or model of the name that was given.
pub(super) async fn run(config: &Config, args: &CalibrateArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let store = Store::open(StoreOptions::existing(config.database.parse()?)).await?;
    let clock = Clock::system();
    let done = match (&args.command, &args.activate) {
        (Some(Calibrate::Model(_)), _) => model::in_force(&store, terminal).await,
        (Some(Calibrate::Report(report)), _) => record::run(&store, &clock, report, terminal).await,
        (_, Some(version)) => moves::activate(&store, &clock, version, &args.by).await,
        (_, None) if args.rollback => moves::roll_back(&store, &clock, &args.by).await,
        (_, None) if args.proposals => moves::list(&store, terminal).await,
        (_, None) => challenger::run(&store, &clock, args, terminal).await,
    };
    store.close().await;
    done.map(|()| ExitCode::Done)
}

/// GitHub's number of a repository that the App knows.
async fn repository(store: &Store, name: Option<&str>) -> anyhow::Result<Option<i64>> {
    let Some(name) = name else { return Ok(None) };
    let found = store.repository_named(name).await?;
    let shown = super::printable(name);
    let found = found.with_context(|| format!("the App covers no repository named {shown:?}"))?;
    Ok(Some(found.repository_id))
}
