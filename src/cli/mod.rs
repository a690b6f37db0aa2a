//! The command line: what may be typed, what is set up for it, and how it ends.
//!
//! Standard output carries data, standard error talk. Each subcommand is a file.

mod demo;
mod doctor;
mod output;
mod replay;
mod score;
mod serve;
mod setup;

use std::{io, path::PathBuf};

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

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
    /// Score stored facts again and say whether the same comes out
    Replay(ReplayArgs),
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
    start_log(&args);
    match dispatch(&args) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::Done,
        Err(error) => {
            anstream::eprintln!("error: {}", printable(&format!("{error:#}")));
            ExitCode::Failed
        }
    }
}

fn dispatch(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Score(score) => score::run(score, Clock::system().now(), &mut Terminal::stdout()),
        Command::Serve(serve) => {
            let config = args.settings(serve.flags())?;
            runtime()?.block_on(serve::run(&config)).map(|()| ExitCode::Done)
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
            let database = replay.database.clone().map(|url| ("MERGECAST_DATABASE", url));
            let config = args.settings(database.into_iter().collect())?;
            runtime()?.block_on(replay::run(&config, replay.id.as_deref()))
        }
    }
}

impl Args {
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

/// The log goes to standard error. `RUST_LOG` outranks the flags.
fn start_log(args: &Args) {
    let level = match (&args.command, args.verbose) {
        (Command::Serve(_), 0) => "info",
        (_, 0) => "warn",
        (_, 1) => "mergecast=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let terminal = io::IsTerminal::is_terminal(&io::stderr());
    let colors = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(terminal && colors)
        .with_span_events(FmtSpan::NONE);
    let started = match args.log_format {
        Some(LogFormat::Json) => log.json().try_init(),
        None if !terminal => log.json().try_init(),
        _ => log.try_init(),
    };
    // A second start in one process keeps the first log.
    drop(started);
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
