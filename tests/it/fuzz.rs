//! The fuzzer's corpora and the inputs that it once failed on, held to the same invariants without the fuzzer.
//!
//! `make fuzz` looks for new inputs. One that fails is left in `fuzz/artifacts`; committed there, it is a test here.

use std::{
    fs, panic,
    path::{Path, PathBuf},
};

#[path = "../../fuzz/src/codeowners.rs"]
mod codeowners;
#[path = "../../fuzz/src/command.rs"]
mod command;
#[path = "../../fuzz/src/coverage.rs"]
mod coverage;
#[path = "../../fuzz/src/datadog.rs"]
mod datadog;
#[path = "../../fuzz/src/diff.rs"]
mod diff;
#[path = "../../fuzz/src/policy.rs"]
mod policy;
#[path = "../../fuzz/src/webhook.rs"]
mod webhook;

/// What has to hold for an input.
type Check = fn(&[u8]);

/// Every target and what it calls; `fuzz/Cargo.toml` and `fuzz/fuzz_targets` have the same.
const TARGETS: &[(&str, Check)] = &[
    ("codeowners", codeowners::check),
    ("command", command::check),
    ("coverage", coverage::check),
    ("datadog", datadog::check),
    ("diff", diff::check),
    ("policy", policy::check),
    ("webhook", webhook::check),
];

/// A corpus of fewer inputs would not reach most of its target.
const CORPUS_MIN: usize = 8;
/// Neighbours of each input that the gate tries.
const ROUNDS: usize = 24;

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

/// Neighbours of the corpora, the same in every run. `MERGECAST_FUZZ_ROUNDS` asks for more of each input than the gate
/// has time for: a fuzzer without coverage, which needs no further build.
#[test]
fn neighbours_of_the_corpora_keep_the_invariants() {
    let rounds = std::env::var("MERGECAST_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    for (target, check) in TARGETS {
        let read = |file: PathBuf| fs::read(file).expect("an input can be read");
        let corpus: Vec<Vec<u8>> = folder("corpus", target).into_iter().map(read).collect();
        let mut chance = fastrand::Rng::with_seed(1);
        for data in &corpus {
            for _ in 0..rounds.unwrap_or(ROUNDS) {
                let input = neighbour(&mut chance, data, &corpus);
                let kept = panic::catch_unwind(|| check(&input)).is_ok();
                assert!(kept, "{target} breaks on {:?}", String::from_utf8_lossy(&input));
            }
        }
    }
}

/// An input like this one: one to four times cut, doubled, changed in a byte, or crossed with another input.
fn neighbour(chance: &mut fastrand::Rng, data: &[u8], corpus: &[Vec<u8>]) -> Vec<u8> {
    /// What parsers trip over.
    const BYTES: &[u8] = b"\0\n\r\t\"\'`{}[]()<>:;,*/\\@#-+~!?$%&|= \x7f\xff09aZ";
    let mut input = data.to_vec();
    for _ in 0..chance.usize(1..=4) {
        let (mut from, mut to) = (chance.usize(0..=input.len()), chance.usize(0..=input.len()));
        (from, to) = (from.min(to), from.max(to));
        match chance.u8(0..6) {
            0 => drop(input.drain(from..to)),
            1 => input.truncate(from),
            2 => {
                let part = input[from..to].to_vec();
                input.splice(to..to, part);
            }
            3 => input.insert(from, BYTES[chance.usize(0..BYTES.len())]),
            4 if from < input.len() => input[from] = BYTES[chance.usize(0..BYTES.len())],
            _ => {
                let other = &corpus[chance.usize(0..corpus.len())];
                let start = chance.usize(0..=other.len());
                let part = other[start..chance.usize(start..=other.len())].to_vec();
                input.splice(from..from, part);
            }
        }
    }
    input
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
