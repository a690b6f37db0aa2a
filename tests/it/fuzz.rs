//! The fuzzer's corpora and the inputs that it once failed on, held to the same invariants without the fuzzer.
//!
//! `make fuzz` looks for new inputs. One that fails is left in `fuzz/artifacts`; committed there, it is a test here.

use std::{
    fs, panic,
    path::{Path, PathBuf},
};

#[path = "../../fuzz/src/codeowners.rs"]
mod codeowners;
#[path = "../../fuzz/src/diff.rs"]
mod diff;
#[path = "../../fuzz/src/policy.rs"]
mod policy;
#[path = "../../fuzz/src/webhook.rs"]
mod webhook;

/// Every target and what it calls; `fuzz/Cargo.toml` and `fuzz/fuzz_targets` have the same.
const TARGETS: &[(&str, fn(&[u8]))] =
    &[("codeowners", codeowners::check), ("diff", diff::check), ("policy", policy::check), ("webhook", webhook::check)];

/// A corpus of fewer inputs would not reach most of its target.
const CORPUS_MIN: usize = 8;

fn folder(kind: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    files.sort();
    files
}

#[test]
fn corpora_and_old_failures_keep_the_invariants() {
    for (target, check) in TARGETS {
        let corpus = folder("corpus", target);
        assert!(corpus.len() >= CORPUS_MIN, "fuzz/corpus/{target} holds {} inputs", corpus.len());
        for file in corpus.into_iter().chain(folder("artifacts", target)) {
            let data = fs::read(&file).expect("an input can be read");
            let kept = panic::catch_unwind(|| check(&data)).is_ok();
            assert!(kept, "{target} breaks on {}", file.display());
        }
    }
}

/// Cheap neighbours of the corpora, the same each time: every input cut short and with a byte changed in turn.
#[test]
fn neighbours_of_the_corpora_keep_the_invariants() {
    const NEIGHBOURS: usize = 24;
    for (target, check) in TARGETS {
        for file in folder("corpus", target) {
            let data = fs::read(&file).expect("an input can be read");
            for turn in 0..NEIGHBOURS.min(data.len()) {
                let at = turn * data.len() / NEIGHBOURS.min(data.len());
                check(&data[..at]);
                let mut changed = data.clone();
                changed[at] = b"\0\n\"'{}[]:*/\\@-+ \xff0"[turn % 18];
                check(&changed);
            }
        }
    }
}

#[test]
fn every_target_is_replayed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("fuzz/Cargo.toml is text");
    let manifest: toml::Value = toml::from_str(&manifest).expect("fuzz/Cargo.toml is TOML");
    let bins = manifest["bin"].as_array().expect("fuzz/Cargo.toml lists its targets");
    let mut named: Vec<&str> = bins.iter().filter_map(|bin| bin["name"].as_str()).collect();
    named.sort_unstable();
    let replayed: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, replayed, "targets of the fuzzer (left) and those replayed here (right)");
    for name in named {
        assert!(root.join("fuzz_targets").join(format!("{name}.rs")).is_file(), "no target {name}");
    }
}
