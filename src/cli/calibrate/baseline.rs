//! `mergecast calibrate --fit`: a baseline model from the histories of repositories.

use std::{
    io::Write,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, anyhow, bail};

use super::{
    super::{ExitCode, fixes::fixes_beside, model_file},
    CalibrateArgs,
};
use crate::{
    history::History,
    outcome::training::{Lesson, Training},
    risk::Model,
    stream,
};

/// Fits a model to histories; it goes to standard output.
pub(super) fn run(args: &CalibrateArgs) -> Result<ExitCode> {
    let before = args.model.as_deref().map_or_else(|| Ok(Model::baseline().clone()), model_file::read)?;
    let training = Training::of(lessons(&args.fit, &before)?);
    let (changes, failed) = training.counts();
    if failed == 0 {
        bail!(
            "none of the {changes} changes was rolled back, so there is nothing to learn from\nhint: are these whole histories?"
        );
    }
    let (known, fixed) = training.fix_counts();
    eprintln!(
        "{changes} changes, {failed} rolled back within 30 days; {known} with known fixes, {fixed} fixed or rolled back"
    );
    let model = training.model(&before, args.name.clone()).context("the fit gave a model that cannot be")?;
    std::io::stdout().write_all(written(&model)?.as_bytes())?;
    Ok(ExitCode::Done)
}

/// Replays the histories, two at a time.
fn lessons(files: &[PathBuf], model: &Model) -> Result<Vec<Lesson>> {
    let mut lessons = Vec::new();
    for pair in files.chunks(2) {
        let done: Vec<Result<Lesson>> = thread::scope(|scope| {
            let replays: Vec<_> = pair.iter().map(|file| scope.spawn(|| lesson(file, model))).collect();
            replays.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(anyhow!("a replay broke off")))).collect()
        });
        for lesson in done {
            lessons.push(lesson?);
        }
    }
    Ok(lessons)
}

fn lesson(file: &Path, model: &Model) -> Result<Lesson> {
    let fixes = fixes_beside(file)?;
    let (mut history, mut lesson) = (History::default(), Lesson::default());
    for landed in stream::open(file)? {
        let landed = landed?;
        let step = history.step(&landed, model);
        lesson.take(&landed, &step, fixes.as_ref().and_then(|fixes| fixes.get(&landed.sha)).copied());
    }
    Ok(lesson)
}

/// A model as a file that people read: one term a line.
fn written(model: &Model) -> Result<String> {
    let mut head = serde_json::to_value(model)?;
    let fields = head.as_object_mut().ok_or_else(|| anyhow!("a model is an object"))?;
    fields.remove("terms");
    let mut text = String::from("{\n");
    for name in ["version", "fitted_at", "intercept", "base", "base_rate", "fix"] {
        text.push_str(&format!("  {:?}: {},\n", name, fields[name]));
    }
    text.push_str("  \"terms\": [\n");
    let terms: Result<Vec<String>, _> = model.terms().iter().map(serde_json::to_string).collect();
    let terms = terms?;
    for (index, term) in terms.iter().enumerate() {
        text.push_str(&format!("    {term}{}\n", if index + 1 < terms.len() { "," } else { "" }));
    }
    text.push_str("  ]\n}\n");
    Ok(text)
}
