//! What decides what a kept history holds and means, as a hash: the reading of git, the engine, and what scores a change. An
//! edit there makes histories be mined anew.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

pub(super) const BYTES: usize = 32;

macro_rules! sources {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!(concat!("../../", $path)))),*] };
}

/// Paths below `src`, with what stands there.
const SOURCES: &[(&str, &str)] = sources![
    "git/diff.rs",
    "git/log/missing.rs",
    "git/log/mod.rs",
    "git/log/output.rs",
    "git/log/undone.rs",
    "git/log/worker.rs",
    "history/about.rs",
    "history/file.rs",
    "history/group.rs",
    "history/landed.rs",
    "history/message.rs",
    "history/mod.rs",
    "history/names.rs",
    "history/past.rs",
    "history/people.rs",
    "history/record.rs",
    "history/standing.rs",
    "history/time.rs",
    "history/together.rs",
    "history/words.rs",
    "risk/diff.rs",
    "risk/facts.rs",
    "risk/facts/history.rs",
    "risk/forecast.rs",
    "risk/model.rs",
    "risk/patch.rs",
    "risk/paths.rs",
    "risk/paths/names.rs",
    "risk/patterns.rs",
    "risk/policy.rs",
    "risk/revert.rs",
    "risk/score.rs",
    "risk/series.rs",
    "risk/signal/age.rs",
    "risk/signal/burn_rate.rs",
    "risk/signal/change_fail_rate.rs",
    "risk/signal/change_kind.rs",
    "risk/signal/change_window.rs",
    "risk/signal/checks.rs",
    "risk/signal/churn.rs",
    "risk/signal/co_change.rs",
    "risk/signal/dependency_update.rs",
    "risk/signal/dependency_update/manifest.rs",
    "risk/signal/dependency_update/title.rs",
    "risk/signal/dependency_update/version.rs",
    "risk/signal/developers.rs",
    "risk/signal/diffusion.rs",
    "risk/signal/directory_defects.rs",
    "risk/signal/entropy.rs",
    "risk/signal/error_budget.rs",
    "risk/signal/experience.rs",
    "risk/signal/file_type_defects.rs",
    "risk/signal/flaky_tests.rs",
    "risk/signal/health.rs",
    "risk/signal/mod.rs",
    "risk/signal/open_incidents.rs",
    "risk/signal/owner_review.rs",
    "risk/signal/patch_coverage.rs",
    "risk/signal/prior_defects.rs",
    "risk/signal/pull_request_age.rs",
    "risk/signal/recent_deploys.rs",
    "risk/signal/reland.rs",
    "risk/signal/repository_defects.rs",
    "risk/signal/revert.rs",
    "risk/signal/review.rs",
    "risk/signal/schema_change.rs",
    "risk/signal/schema_change/calls.rs",
    "risk/signal/schema_change/calls/undo.rs",
    "risk/signal/schema_change/found.rs",
    "risk/signal/schema_change/lexer.rs",
    "risk/signal/schema_change/markup.rs",
    "risk/signal/schema_change/segment.rs",
    "risk/signal/schema_change/sql.rs",
    "risk/signal/schema_change/sql/syntax.rs",
    "risk/signal/schema_change/sql/words.rs",
    "risk/signal/sensitive_paths.rs",
    "risk/signal/series.rs",
    "risk/signal/test_churn.rs",
    "risk/signal/topic_defects.rs",
];

/// Version of the program and of that code: what they write, they can read.
pub(super) static FINGERPRINT: LazyLock<[u8; BYTES]> = LazyLock::new(|| {
    let mut digest = Sha256::new_with_prefix(env!("CARGO_PKG_VERSION"));
    for (path, text) in SOURCES {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(path);
        digest.update(text);
    }
    digest.finalize().into()
});

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn it_covers_all_that_makes_a_history() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = BTreeSet::new();
        let mut folders: Vec<_> =
            ["git/log", "history", "risk/paths", "risk/signal"].map(|name| source.join(name)).into();
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.extend(Some(path).filter(|path| path.file_name().is_some_and(|name| name != "tests")));
                } else if path.file_name().is_some_and(|name| name != "tests.rs") {
                    found.insert(path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let listed: BTreeSet<String> = SOURCES.iter().map(|(path, _)| (*path).to_owned()).collect();
        let missing: Vec<&String> = found.difference(&listed).collect();
        assert!(missing.is_empty(), "list them in SOURCES, so that a change there is noticed: {missing:?}");
        // What those read besides, file by file.
        for path in
            ["risk/revert.rs", "risk/paths.rs", "risk/forecast.rs", "risk/score.rs", "risk/diff.rs", "risk/model.rs"]
        {
            assert!(listed.contains(path), "{path}");
        }
    }
}
