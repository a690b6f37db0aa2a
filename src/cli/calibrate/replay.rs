//! `mergecast calibrate replay`: what learning from outcomes would have done to histories that are known to their end.

use std::{
    io::Write,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Result, anyhow};

use super::super::{ExitCode, fixes::fixes_beside, model_file, output::Terminal};
use crate::{
    history::History,
    outcome::recalibrate::replay::{MONTH_DAYS, Replay, Report},
    report::recalibration::replay,
    risk::Model,
    stream,
};

#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// Histories to live through (*.changes.jsonl.gz)
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    stream: Vec<PathBuf>,
    /// Model to start from [default: the one that is shipped]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Days after which weights are fitted anew
    #[arg(long, value_name = "DAYS", default_value_t = MONTH_DAYS, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
}

pub(super) fn run(args: &ReplayArgs, terminal: &mut Terminal) -> Result<ExitCode> {
    let model = args.model.as_deref().map_or_else(|| Ok(Model::baseline().clone()), model_file::read)?;
    let mut reports = Vec::new();
    for pair in args.stream.chunks(2) {
        let done: Vec<Result<Report>> = thread::scope(|scope| {
            let replays: Vec<_> = pair.iter().map(|file| scope.spawn(|| replayed(file, &model, args.every))).collect();
            replays.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(anyhow!("a replay broke off")))).collect()
        });
        for report in done {
            reports.push(report?);
        }
    }
    let said = replay::render(&reports, &model.version, terminal.style());
    terminal.out().write_all(said.as_bytes())?;
    terminal.out().flush()?;
    Ok(ExitCode::Done)
}

fn replayed(file: &Path, model: &Model, weights_every_days: u32) -> Result<Report> {
    let fixes = fixes_beside(file)?;
    let (mut history, mut replay) = (History::default(), Replay::new(model));
    for landed in stream::open(file)? {
        let landed = landed?;
        let step = history.step(&landed, model);
        replay.take(&landed, &step, fixes.as_ref().and_then(|fixes| fixes.get(&landed.sha)).copied());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.split('.').find(|part| !part.is_empty()).unwrap_or("stream");
    Ok(replay.nights(name, weights_every_days))
}
