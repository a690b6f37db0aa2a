//! A challenger from stored outcomes, judged against the model in force, and proposed where it is better beyond noise.

use std::io::Write;

use super::{
    super::{output::Terminal, printable},
    CalibrateArgs,
};
use crate::{
    clock::Clock,
    outcome::recalibrate::{NoChallenger, Verdict},
    report::recalibration::judgement,
    service::Lesson,
    store::Store,
};

pub(super) async fn run(
    store: &Store,
    clock: &Clock,
    args: &CalibrateArgs,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let repository = super::repository(store, args.repo.as_deref()).await?;
    let lesson = Lesson::read(store, repository, clock.now()).await?;
    if lesson.unreadable > 0 {
        anstream::eprintln!("{} outcomes are left out: the facts behind them were forgotten", lesson.unreadable);
    }
    let champion = &lesson.champion.version;
    let judged = match lesson.judged() {
        Ok(judged) => judged,
        Err(NoChallenger::TooFew(few)) => {
            writeln!(terminal.out(), "Nothing is claimed from so little: {few}.\n{champion} stays in force.")?;
            return Ok(());
        }
        Err(error @ NoChallenger::Model(_)) => return Err(error.into()),
    };
    let said = judgement::render(&judged, lesson.lineage(), terminal.style());
    terminal.out().write_all(said.as_bytes())?;
    if args.dry_run || repository.is_some() {
        return Ok(());
    }
    if judged.verdict == Verdict::Back {
        let prior = printable(&lesson.prior.version);
        anstream::eprintln!("hint: `mergecast calibrate --activate {prior}` puts that one in force");
    }
    if let Some(version) = lesson.propose(store, &judged).await? {
        anstream::eprintln!("{version} is proposed; {champion} stays in force");
        anstream::eprintln!("hint: `mergecast calibrate --activate {version}` puts it in force");
    }
    Ok(())
}
