//! The command line: what may be typed, what is set up for it, and how it ends.
//!
//! Standard output carries data, standard error talk. Each subcommand is a file.

mod backtest;
mod backup;
mod calibrate;
mod completions;
mod datadog;
mod demo;
mod deploy;
mod doctor;
mod dora;
mod fixes;
mod health;
mod local_coverage;
mod local_history;
mod log;
mod man;
mod model_file;
#[cfg(feature = "otel")]
mod otlp;
mod output;
mod owners;
mod progress;
mod redeliver;
mod replay;
mod score;
mod serve;
mod setup;
mod token;

use std::{io, path::PathBuf, sync::Arc};

use clap::{ArgAction, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::{
    clock::Clock,
    config::{Config, ConfigError, ConfigSources},
};
use output::Terminal;

/// Read when it is there and no other file is named.
const SETTINGS_FILE: &str = "mergecast.toml";

/// Options of every subcommand stand below its own in the help.
const GENERAL: usize = 100;

/// Forecasts, before a pull request merges, how likely it is to break production.
#[derive(Debug, Parser)]
#[command(name = "mergecast", version, max_term_width = 100, propagate_version = true)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// Settings file [default: mergecast.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE", env = "MERGECAST_CONFIG", display_order = GENERAL)]
    config: Option<PathBuf>,
    /// Form of the log on standard error [default: pretty on a terminal, else json]
    #[arg(long, global = true, value_name = "FORM", display_order = GENERAL)]
    log_format: Option<LogFormat>,
    /// Log more; twice logs everything
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = GENERAL)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the GitHub App: webhooks, workers, pages
    Serve(ServeArgs),
    /// Create the GitHub App and write its credentials
    Setup(setup::SetupArgs),
    /// Check everything that the App depends on, and say how to mend what is wrong
    Doctor(doctor::DoctorArgs),
    /// Show everything with nothing to set up: a simulated GitHub and a story of pull requests
    Demo(DemoArgs),
    /// Score a range of commits in a local repository
    Score(score::ScoreArgs),
    /// Say which CODEOWNERS rule is in force for paths, and whom it gives them to
    Owners(owners::OwnersArgs),
    /// Score every change of a history, and judge the scores by what was rolled back later
    Backtest(backtest::BacktestArgs),
    /// Fit a model to outcomes
    Calibrate(calibrate::CalibrateArgs),
    /// Score stored facts again and say whether the same comes out
    Replay(ReplayArgs),
    /// Ask the server on this machine how it is; exits with 1 if not well
    Health(HealthArgs),
    /// Print a script that completes commands and options in a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write the pages of all commands
    Man(ManArgs),
    /// Ask GitHub to send again the webhooks that it could not deliver
    Redeliver(redeliver::RedeliverArgs),
    /// Tell the server of a deployment, from CI
    Deploy(Box<deploy::DeployArgs>),
    /// Make, list and revoke the tokens that CI tells of coverage and deployments with
    Token(token::TokenArgs),
    /// Print the DORA metrics: deployment frequency, lead time, change fail rate, recovery time
    Dora(dora::DoraArgs),
    /// Copy the database to a file, also while the App runs, and check the copy
    Backup(BackupArgs),
    /// Put a copy in the place of the database; the one before is kept
    Restore(RestoreArgs),
}

#[derive(Debug, clap::Args)]
struct ServeArgs {
    /// Address and port of the HTTP server
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Database URL, such as sqlite://mergecast.db
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Directory for mirrors of repositories
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Where people reach this server
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Changes assessed at the same time
    #[arg(long, value_name = "N")]
    workers: Option<String>,
}

#[derive(Debug, clap::Args)]
struct DemoArgs {
    /// Exit when the story is over
    #[arg(long)]
    once: bool,
}

#[derive(Debug, clap::Args)]
struct ReplayArgs {
    /// Id of the assessment
    #[arg(value_name = "ASSESSMENT_ID", required_unless_present = "all")]
    id: Option<String>,
    /// Replay every stored assessment
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// Database URL, such as sqlite://mergecast.db
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

#[derive(Debug, clap::Args)]
struct HealthArgs {
    /// Ask whether it can do its work, not only whether it answers
    #[arg(long)]
    ready: bool,
    /// Address and port of the HTTP server
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

#[derive(Debug, clap::Args)]
struct CompletionsArgs {
    /// Shell
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
struct ManArgs {
    /// Write a page for each command into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct BackupArgs {
    /// File to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long)]
    force: bool,
    /// Database URL, such as sqlite://mergecast.db
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

#[derive(Debug, clap::Args)]
struct RestoreArgs {
    /// Copy that `mergecast backup` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Database URL, such as sqlite://mergecast.db
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Json,
    Pretty,
}

/// How the program ends. Wrong usage is found and told by the argument parser, which exits with 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// All is done.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// The score is at or above `--fail-at`.
    FailAt = 3,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// Does what the arguments ask for. What goes wrong is told on standard error.
pub fn run(args: Args) -> ExitCode {
    let args = Arc::new(args);
    let log = log::start(&args);
    let done = dispatch(&args);
    log.end();
    match done {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::Done,
        Err(error) => {
            anstream::eprintln!("error: {}", printable(&format!("{error:#}")));
            ExitCode::Failed
        }
    }
}

fn scored(args: &Args, score: &score::ScoreArgs) -> anyhow::Result<ExitCode> {
    let (clock, settings) = (Clock::system(), args.settings(Vec::new()));
    // Settings are for the App; a range needs none, and only asks Datadog where they name its keys.
    let datadog = match &settings {
        Ok(config) => datadog::client(config, &clock)?,
        Err(_) => None,
    };
    score::run(score, clock.now(), datadog.as_ref(), &mut Terminal::stdout())
}

fn calibrated(args: &Args, calibrate: &calibrate::CalibrateArgs) -> anyhow::Result<ExitCode> {
    let mut terminal = Terminal::stdout();
    if let Some(done) = calibrate::without_database(calibrate, &mut terminal) {
        return done;
    }
    let config = args.settings(database(calibrate.database()))?;
    runtime()?.block_on(calibrate::run(&config, calibrate, &mut terminal))
}

fn dispatch(args: &Arc<Args>) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Score(score) => scored(args, score),
        Command::Owners(owners) => owners::run(owners, Clock::system().now(), &mut Terminal::stdout()),
        Command::Backtest(backtest) => backtest::run(backtest, &mut Terminal::stdout()),
        Command::Calibrate(calibrate) => calibrated(args, calibrate),
        Command::Serve(serve) => {
            let config = args.settings(serve.flags())?;
            let reread = Args::rereading(args, serve.flags());
            runtime()?.block_on(serve::run(&config, reread)).map(|()| ExitCode::Done)
        }
        Command::Demo(demo) => runtime()?.block_on(demo::run(demo.once, Terminal::stdout())).map(|()| ExitCode::Done),
        Command::Doctor(doctor) => {
            let runtime = runtime()?;
            let code = runtime.block_on(doctor::run(doctor, &args.sources(), &mut Terminal::stdout()));
            // What does not answer (a disk, a program) is not waited for.
            runtime.shutdown_background();
            code
        }
        Command::Setup(setup) => {
            let config = args.settings(setup.flags())?;
            runtime()?.block_on(setup::run(setup, &config, &Clock::system()))
        }
        Command::Replay(replay) => {
            let config = args.settings(database(&replay.database))?;
            runtime()?.block_on(replay::run(&config, replay.id.as_deref()))
        }
        Command::Health(health) => {
            let listen = health.listen.clone().map(|address| ("MERGECAST_LISTEN", address));
            let config = args.settings(listen.into_iter().collect())?;
            runtime()?.block_on(health::run(config.listen, health.ready, Terminal::stdout().out()))
        }
        Command::Completions(completions) => {
            completions::run(completions.shell, Args::command(), Terminal::stdout().out()).map(|()| ExitCode::Done)
        }
        Command::Man(man) => {
            man::run(Args::command(), man.dir.as_deref(), Terminal::stdout().out()).map(|()| ExitCode::Done)
        }
        Command::Redeliver(redeliver) => {
            let config = args.settings(redeliver.flags())?;
            runtime()?.block_on(redeliver::run(&config, redeliver, &mut Terminal::stdout()))
        }
        Command::Deploy(deploy) => {
            // Not an option, which others on the machine could read.
            let token = environment("MERGECAST_TOKEN").map(|token| token.trim().to_owned().into());
            let known = (token, args.settings(Vec::new()).ok().and_then(|config| config.public_url));
            runtime()?.block_on(deploy::run(deploy, known, Clock::system().now(), &mut Terminal::stdout()))
        }
        Command::Token(token) => {
            let config = args.settings(database(&token.database))?;
            runtime()?.block_on(token::run(&config, token, &mut Terminal::stdout()))
        }
        Command::Dora(dora) => {
            let config = args.settings(database(&dora.database))?;
            runtime()?.block_on(dora::run(&config, dora, Clock::system().now(), &mut Terminal::stdout()))
        }
        Command::Backup(backup) => {
            let config = args.settings(database(&backup.database))?;
            backup::backup(&config, &backup.file, backup.force).map(|()| ExitCode::Done)
        }
        Command::Restore(restore) => {
            let config = args.settings(database(&restore.database))?;
            backup::restore(&config, &restore.file, Clock::system().now()).map(|()| ExitCode::Done)
        }
    }
}

/// The database that a flag names.
fn database(flag: &Option<String>) -> Vec<(&'static str, String)> {
    flag.clone().map(|url| ("MERGECAST_DATABASE", url)).into_iter().collect()
}

impl Args {
    /// Reads the settings once more whenever it is called.
    fn rereading(args: &Arc<Self>, flags: Vec<(&'static str, String)>) -> serve::Reread {
        let args = Arc::clone(args);
        Arc::new(move || args.settings(flags.clone()))
    }

    fn settings(&self, flags: Vec<(&'static str, String)>) -> Result<Config, ConfigError> {
        Config::load(ConfigSources { file: self.settings_file(), flags, env: &environment })
    }

    fn settings_file(&self) -> Option<PathBuf> {
        let found = || Some(PathBuf::from(SETTINGS_FILE)).filter(|path| path.exists());
        self.config.clone().or_else(found)
    }

    fn sources(&self) -> doctor::Sources {
        let read = || ConfigSources { file: self.settings_file(), flags: Vec::new(), env: &environment };
        // A file that cannot be read is told of once, by the settings.
        let secrets = Config::secret_places(read()).unwrap_or_default();
        doctor::Sources { file: self.settings_file(), config: Config::load(read()), secrets }
    }
}

impl ServeArgs {
    fn flags(&self) -> Vec<(&'static str, String)> {
        let flags = [
            ("MERGECAST_LISTEN", &self.listen),
            ("MERGECAST_DATABASE", &self.database),
            ("MERGECAST_DATA_DIR", &self.data_dir),
            ("MERGECAST_PUBLIC_URL", &self.public_url),
            ("MERGECAST_WORKERS", &self.workers),
        ];
        flags.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// Text for a terminal: without the control characters that outside names may hold.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
