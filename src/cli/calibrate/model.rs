//! `mergecast calibrate model`: the model in force, the shipped one, or one from a file, as a table to be checked by hand.

use std::{io::Write, path::PathBuf};

use super::super::{ExitCode, model_file, output::Terminal};
use crate::{report::recalibration::model::render, risk::Model, service, store::Store};

#[derive(Debug, clap::Args)]
pub(super) struct ModelArgs {
    /// The model of this file [default: the one in force]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// The model that the program ships; no database is needed
    #[arg(long, conflicts_with_all = ["model", "database"])]
    shipped: bool,
    /// Database URL, such as sqlite://mergecast.db
    #[arg(long, value_name = "URL", conflicts_with = "model")]
    pub(super) database: Option<String>,
}

/// Prints the model that needs no database; `None` where the one in force is asked for.
pub(super) fn without_database(args: &ModelArgs, terminal: &mut Terminal) -> Option<anyhow::Result<ExitCode>> {
    let printed = match &args.model {
        Some(file) => model_file::read(file).and_then(|model| print(&model, terminal)),
        None if args.shipped => print(Model::baseline(), terminal),
        None => return None,
    };
    Some(printed.map(|()| ExitCode::Done))
}

/// Prints the model in force.
pub(super) async fn in_force(store: &Store, terminal: &mut Terminal) -> anyhow::Result<()> {
    print(&service::in_force(store).await?, terminal)
}

fn print(model: &Model, terminal: &mut Terminal) -> anyhow::Result<()> {
    let text = render(model, terminal.style());
    terminal.out().write_all(text.as_bytes())?;
    Ok(terminal.out().flush()?)
}
