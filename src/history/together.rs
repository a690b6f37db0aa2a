//! Files that usually change with the touched ones and are not touched.

use std::collections::{BTreeMap, BTreeSet};

use super::{History, Place};
use crate::risk::facts::{self, CoChange};

/// Changes of a file that are looked at.
const LATEST: usize = 20;
/// A file that changed less often has no habits yet.
const LATEST_MIN: usize = 5;
/// In this share of a file's latest changes, and at least in so many, another must have changed along.
const SHARE: f64 = 0.6;
const TOGETHER_MIN: u64 = 4;
/// A change of more files says nothing of which belong together.
const FILES_MAX: usize = 30;
/// Touched files that are looked at.
const TOUCHED_MAX: usize = 40;

impl History {
    /// Files that changed in most of the latest changes to a touched file and are not among `touched`, surest first.
    pub(super) fn missing(&self, touched: &[usize]) -> Vec<CoChange> {
        let among: BTreeSet<u32> = touched.iter().map(|number| super::narrow(*number)).collect();
        let mut missing: BTreeMap<u32, (u64, u64, usize)> = BTreeMap::new();
        for &number in touched.iter().take(TOUCHED_MAX) {
            let latest = &self.files[number].latest;
            if latest.len() < LATEST_MIN {
                continue;
            }
            let of = latest.len().min(LATEST) as u64;
            for times in self.along(latest.iter().rev().take(LATEST).copied()).chunk_by(|a, b| a == b) {
                let (other, together) = (times[0], times.len() as u64);
                let usual = together >= TOGETHER_MIN && together as f64 >= SHARE * of as f64;
                if usual && !among.contains(&other) {
                    let found = missing.entry(other).or_insert((together, of, number));
                    // The surer habit stands for the file: more often along, then seen more often.
                    if (together * found.1, together) > (found.0 * of, found.0) {
                        *found = (together, of, number);
                    }
                }
            }
        }
        let mut found: Vec<CoChange> = missing
            .into_iter()
            // A file that was deleted, or that another was put in place of, is not missed.
            .filter(|(other, _)| {
                let file = &self.files[*other as usize];
                !file.removed && self.here[file.path as usize] == Some(*other)
            })
            .map(|(other, (together, of, with))| CoChange {
                path: self.path(other as usize).to_owned(),
                with: self.path(with).to_owned(),
                together,
                of,
            })
            .collect();
        found.sort_by(|a, b| (b.together * a.of).cmp(&(a.together * b.of)).then_with(|| a.path.cmp(&b.path)));
        found.truncate(facts::History::LISTED);
        found
    }

    /// Files that changed in these changes, each as often as it did, in order.
    fn along(&self, places: impl Iterator<Item = Place>) -> Vec<u32> {
        let small = places.map(|place| &self.pasts.get(place).files).filter(|files| files.len() <= FILES_MAX);
        let mut files: Vec<u32> = small.flat_map(|files| files.iter().map(|each| each.file)).collect();
        files.sort_unstable();
        files
    }
}
