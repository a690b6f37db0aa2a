//! `mergecast calibrate model`: the model in force, or one from a file, as a table to be checked by hand.

use std::{io::Write, path::PathBuf};

use super::super::{ExitCode, model_file, output::Terminal};
use crate::{report::recalibration::model::render, risk::Model, service, store::Store};

#[derive(Debug, clap::Args)]
pub(super) struct ModelArgs {
    /// The model of this file [default: the one in force]
    #[arg(long, value_name = "FILE")]
    pub(super) model: Option<PathBuf>,
    /// Database URL, such as sqlite://mergecast.db
    #[arg(long, value_name = "URL", conflicts_with = "model")]
    pub(super) database: Option<String>,
}

/// Prints the model of a file.
pub(super) fn of_file(file: &std::path::Path, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    print(&model_file::read(file)?, terminal).map(|()| ExitCode::Done)
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
