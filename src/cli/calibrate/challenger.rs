//! A challenger from stored outcomes, judged against the model in force, and proposed where it is better beyond noise.

use std::io::Write;

use anyhow::bail;

use super::{super::output::Terminal, CalibrateArgs};
use crate::{
    clock::Clock,
    outcome::recalibrate::{Judgement, Lineage, NoChallenger, Verdict, judge},
    report::{recalibration::judgement, terminal::Style},
    risk::Model,
    service::{self, Whose},
    store::{ModelProposal, Store},
};

/// Width of what is kept of a judgement, which nobody's terminal cuts.
const KEPT: Style = Style { color: false, width: 100, unicode: true };

pub(super) async fn run(
    store: &Store,
    clock: &Clock,
    args: &CalibrateArgs,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let repository = super::repository(store, args.repo.as_deref()).await?;
    let now = clock.now();
    let champion = service::in_force(store).await?;
    let prior = prior(store, &champion).await?;
    let found = service::outcomes(store, repository, Whose::Teaching, now.timestamp()).await?;
    if found.unreadable > 0 {
        anstream::eprintln!("{} outcomes are left out: the facts behind them were forgotten", found.unreadable);
    }
    let lineage = Lineage { prior: &prior, champion: &champion };
    let version = format!("learned-{}", now.format("%Y%m%d-%H%M%S"));
    let judged = match judge(&found.assessed, lineage, now.timestamp(), &version) {
        Ok(judged) => judged,
        Err(NoChallenger::TooFew(few)) => {
            writeln!(
                terminal.out(),
                "Nothing is claimed from so little: {few}.\n{} stays in force.",
                champion.version
            )?;
            return Ok(());
        }
        Err(error @ NoChallenger::Model(_)) => return Err(error.into()),
    };
    let said = judgement::render(&judged, &champion.version, terminal.style());
    terminal.out().write_all(said.as_bytes())?;
    if judged.verdict != Verdict::Proposed || args.dry_run || repository.is_some() {
        return Ok(());
    }
    propose(store, &judged, &champion, &prior, now.timestamp_millis()).await?;
    anstream::eprintln!("{version} is proposed; {} stays in force", champion.version);
    anstream::eprintln!("hint: `mergecast calibrate --activate {version}` puts it in force");
    Ok(())
}

/// The model that no outcome had moved, from which the one in force descends.
async fn prior(store: &Store, champion: &Model) -> anyhow::Result<Model> {
    match store.model_proposal(&champion.version).await? {
        Some(proposal) => service::stored_model(store, &proposal.prior).await,
        None => Ok(champion.clone()),
    }
}

async fn propose(
    store: &Store,
    judged: &Judgement,
    champion: &Model,
    prior: &Model,
    made_at: i64,
) -> anyhow::Result<()> {
    let challenger = &judged.challenger;
    for model in [champion, prior] {
        // What was scored by it, and what comes after it, can be computed again without this program.
        store.save_model(&model.version, &serde_json::to_string(model)?, made_at).await?;
    }
    let proposal = ModelProposal {
        version: challenger.model.version.clone(),
        prior: prior.version.clone(),
        champion: champion.version.clone(),
        made_at,
        changes: i64::try_from(challenger.changes).unwrap_or(i64::MAX),
        failed: challenger.failed.round() as i64,
        said: judgement::render(judged, &champion.version, KEPT),
    };
    if !store.propose_model(&serde_json::to_string(&challenger.model)?, &proposal).await? {
        bail!("another model has the version {} already\nhint: try again in a second", proposal.version);
    }
    Ok(())
}
