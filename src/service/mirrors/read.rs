//! The seam to the reading of histories: one function from a mirrored branch to its history.

use std::path::Path;

use super::histories::Loaded;
use crate::{
    git::{
        Error, Lines, Wanted,
        mirror::{BranchName, Mirror, MirrorError},
    },
    history::History,
};

/// Reads the history of a branch up to its tip, going on from `known` or from what `file` holds of it, if the branch still
/// does. `told` hears of the share that is done, 0-100.
pub(super) fn history(
    mirror: &Mirror,
    branch: &BranchName,
    known: Option<&Loaded>,
    file: &Path,
    told: &dyn Fn(u8),
    stopped: &dyn Fn() -> bool,
) -> Result<Loaded, MirrorError> {
    let _ = file;
    let tip = mirror.tip(branch).ok_or_else(|| MirrorError::Corrupt("a branch is gone".to_owned()))?;
    if let Some(known) = known {
        match further(mirror, &tip, known.history.clone(), Some(&known.tip), told, stopped) {
            // The branch was pushed anew from elsewhere.
            Err(Step::Git(Error::NotOnMainLine(_))) => {}
            other => return other.map_err(MirrorError::from),
        }
    }
    further(mirror, &tip, History::default(), None, told, stopped).map_err(MirrorError::from)
}

/// What ended the reading.
enum Step {
    Stopped,
    Git(Error),
}

impl From<Error> for Step {
    fn from(error: Error) -> Self {
        Self::Git(error)
    }
}

impl From<Step> for MirrorError {
    fn from(step: Step) -> Self {
        match step {
            Step::Stopped => Self::Stopped,
            Step::Git(error) => error.into(),
        }
    }
}

/// Takes in what came after a commit, or everything.
fn further(
    mirror: &Mirror,
    tip: &str,
    mut history: History,
    after: Option<&str>,
    told: &dyn Fn(u8),
    stopped: &dyn Fn() -> bool,
) -> Result<Loaded, Step> {
    // Contents are not there to be counted.
    let wanted = Wanted { tip: tip.to_owned(), after: after.map(str::to_owned), lines: Lines::Skipped };
    let log = mirror.repository()?.landed(&wanted)?;
    let total = log.total().max(1);
    for (at, landed) in (0_u64..).zip(log) {
        if stopped() {
            return Err(Step::Stopped);
        }
        history.observe(&landed?);
        told(u8::try_from(at * 100 / total).unwrap_or(100));
    }
    Ok(Loaded { history, tip: tip.to_owned(), bytes: 0 })
}
