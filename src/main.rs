//! The `mergecast` program: arguments in, exit code out. Everything else is in the library.

use clap::Parser as _;
use mergecast::cli::{Args, run};

fn main() -> std::process::ExitCode {
    run(Args::parse()).into()
}
