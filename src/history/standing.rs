//! How scores of this repository's changes are spread, and how those changes came out.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{RIPE_AFTER, past::Past};
use crate::risk::facts::Outcomes;

/// Changes that a score is compared with.
const LATEST: usize = 500;

/// Scores that history and diff alone gave to people's changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Standing {
    /// Of the latest changes, oldest first.
    latest: VecDeque<u8>,
    /// How many of them have each score.
    counts: Vec<u16>,
    /// Of ripe changes: changes and failures by score.
    ripe: Vec<(u32, u32)>,
    /// How many changes have been looked at for ripeness.
    looked_at: usize,
}

impl Standing {
    /// Counts the changes that are ripe at an instant. A change that landed later is never counted before an earlier one.
    pub(super) fn ripen(&mut self, at: i64, pasts: &[Past]) {
        while let Some(past) = pasts.get(self.looked_at).filter(|past| past.at + RIPE_AFTER <= at) {
            self.looked_at += 1;
            let Some(score) = past.score.filter(|_| past.counted).map(usize::from) else { continue };
            if self.ripe.len() <= score {
                self.ripe.resize(score + 1, (0, 0));
            }
            let failed = past.undone_at.is_some_and(|undone| undone - past.at <= RIPE_AFTER);
            self.ripe[score].0 += 1;
            self.ripe[score].1 += u32::from(failed);
        }
    }

    /// A change with this score has landed.
    pub(super) fn landed(&mut self, score: Option<u8>) {
        let Some(score) = score else { return };
        if self.latest.len() == LATEST
            && let Some(oldest) = self.latest.pop_front()
        {
            self.counts[usize::from(oldest)] -= 1;
        }
        self.latest.push_back(score);
        if self.counts.len() <= usize::from(score) {
            self.counts.resize(usize::from(score) + 1, 0);
        }
        self.counts[usize::from(score)] += 1;
    }

    pub(super) fn outcomes(&self) -> Vec<Outcomes> {
        let scored = (0_u8..).zip(&self.ripe).filter(|(_, (changes, _))| *changes > 0);
        scored
            .map(|(score, (changes, failed))| Outcomes { score, changes: (*changes).into(), failed: (*failed).into() })
            .collect()
    }

    pub(super) fn recent(&self) -> Vec<(u8, u64)> {
        (0_u8..)
            .zip(self.counts.iter().map(|changes| u64::from(*changes)))
            .filter(|(_, changes)| *changes > 0)
            .collect()
    }
}
