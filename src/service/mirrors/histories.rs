//! Histories in memory, those used last, within a bound; the others are read from their files when they are needed.

use std::sync::Arc;

use crate::history::History;

/// Bytes of history files whose histories are held in memory. In memory they are a few times as large.
const BYTES_MAX: u64 = 64 << 20;

/// A history with what it was read up to.
pub(super) struct Loaded {
    pub(super) history: History,
    /// Version of the model that scored its changes.
    pub(super) model: String,
    /// Object id of the newest commit in it.
    pub(super) tip: String,
    /// Object id of the `.mailmap` that its authors are named by.
    pub(super) mailmap: Option<String>,
    /// Bytes of its file.
    pub(super) bytes: u64,
}

/// The histories used last.
#[derive(Default)]
pub(super) struct Histories {
    /// The one that was used last is at the end.
    kept: Vec<Kept>,
}

struct Kept {
    repository_id: i64,
    branch: String,
    loaded: Arc<Loaded>,
}

impl Histories {
    pub(super) fn get(&mut self, repository_id: i64, branch: &str) -> Option<Arc<Loaded>> {
        let kept = self.take(repository_id, branch)?;
        let loaded = kept.loaded.clone();
        self.kept.push(kept);
        Some(loaded)
    }

    /// Keeps one, and drops those that were not used for longest where all are too large. The newest always stays.
    pub(super) fn keep(&mut self, repository_id: i64, branch: &str, loaded: Arc<Loaded>) {
        self.take(repository_id, branch);
        self.kept.push(Kept { repository_id, branch: branch.to_owned(), loaded });
        let mut bytes: u64 = self.kept.iter().map(|kept| kept.loaded.bytes).sum();
        while bytes > BYTES_MAX && self.kept.len() > 1 {
            bytes -= self.kept.remove(0).loaded.bytes;
        }
    }

    pub(super) fn forget(&mut self, repository_id: i64) {
        self.kept.retain(|kept| kept.repository_id != repository_id);
    }

    /// Drops those of branches that are not among `branches`.
    pub(super) fn retain(&mut self, repository_id: i64, branches: &[&str]) {
        self.kept.retain(|kept| kept.repository_id != repository_id || branches.contains(&kept.branch.as_str()));
    }

    fn take(&mut self, repository_id: i64, branch: &str) -> Option<Kept> {
        let at = self.kept.iter().position(|kept| kept.repository_id == repository_id && kept.branch == branch)?;
        Some(self.kept.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_and_the_newest_stays() {
        let loaded = |tip: &str, bytes| {
            let (history, model) = (History::default(), String::new());
            Arc::new(Loaded { history, model, tip: tip.to_owned(), mailmap: None, bytes })
        };
        let mut histories = Histories::default();
        let tips =
            |histories: &Histories| histories.kept.iter().map(|kept| kept.loaded.tip.clone()).collect::<Vec<_>>();
        histories.keep(1, "main", loaded("a", BYTES_MAX / 2));
        histories.keep(2, "main", loaded("b", BYTES_MAX / 2));
        assert_eq!(histories.get(1, "main").map(|loaded| loaded.tip.clone()), Some("a".to_owned()));
        histories.keep(1, "next", loaded("c", 1));
        assert_eq!(tips(&histories), ["a", "c"]);
        histories.keep(1, "main", loaded("d", 1));
        assert_eq!(tips(&histories), ["c", "d"], "in place of the one before");
        histories.keep(3, "main", loaded("e", BYTES_MAX * 2));
        assert_eq!(tips(&histories), ["e"]);
        histories.keep(3, "next", loaded("f", 1));
        assert_eq!(tips(&histories), ["f"]);
        histories.keep(3, "main", loaded("g", 1));
        histories.retain(3, &["main"]);
        assert_eq!(tips(&histories), ["g"]);
        histories.forget(3);
        assert!(histories.get(3, "main").is_none());
    }
}
