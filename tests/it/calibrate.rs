//! `mergecast calibrate` from outside: the real binary on a generated stream.

use std::{fs, io::Write, path::Path};

use assert_cmd::Command;
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

use crate::backtest::{sha, stream, with_stream};

/// Exit code, standard output and standard error.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mergecast"));
    command.current_dir(directory).env_clear().env("LANG", "C.UTF-8").arg("calibrate").args(arguments);
    let output = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    (output.status.code().expect("the program ends by itself"), text(output.stdout), text(output.stderr))
}

fn weight(model: &Value, term: &str) -> f64 {
    let mut terms = model["terms"].as_array().unwrap().iter();
    terms.find(|each| each["id"] == term).unwrap()["weight"].as_f64().unwrap()
}

#[test]
fn a_fit_teaches_what_the_history_holds_and_can_be_used() {
    let directory = with_stream(400);
    let path = directory.path();
    let fit = ["--fit", "shop.changes.jsonl", "--name", "shop-1"];
    let (code, out, err) = run(path, &fit);
    assert_eq!(code, 0, "{err}");
    // Each tenth of the first 370 was rolled back; reverts and bots are not counted.
    assert!(err.contains(" 37 rolled back within 30 days; 0 with known fixes"), "{err}");
    assert_eq!(run(path, &fit).1, out, "the same history gives the same bytes");
    let model: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(model["version"], "shop-1");
    // What fails there is large.
    let baseline: Value = serde_json::from_str(include_str!("../../src/risk/baseline.json")).unwrap();
    assert!(weight(&model, "churn.added") > weight(&baseline, "churn.added"));
    // What histories do not tell stays as it was, or as another model has it.
    assert_eq!(weight(&model, "burn_rate.above_2x"), weight(&baseline, "burn_rate.above_2x"));
    let other = out.replace("\"shop-1\"", "\"other\"").replace("0.693147", "0.5");
    fs::write(path.join("other.json"), other).unwrap();
    let (code, out, err) = run(path, &[&fit[..], &["--model", "other.json"]].concat());
    assert_eq!(code, 0, "{err}");
    assert_eq!(weight(&serde_json::from_str(&out).unwrap(), "burn_rate.above_2x"), 0.5);
    fs::write(path.join("model.json"), out).unwrap();
    let backtest = ["--stream", "shop.changes.jsonl", "--model", "model.json", "--format", "json"];
    let (code, _, err) = crate::backtest::run(path, &backtest);
    assert_eq!((code, err.as_str()), (0, ""));
}

#[test]
fn fixes_are_read_beside_the_stream() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let gzipped = |name: &str, text: &str| {
        let mut file = GzEncoder::new(fs::File::create(path.join(name)).unwrap(), Compression::fast());
        file.write_all(text.as_bytes()).unwrap();
        file.finish().unwrap();
    };
    gzipped("shop.changes.jsonl.gz", &stream(230));
    let table: String = (0..230).map(|place| format!("{},{}\n", sha(place), u8::from(place % 7 == 0))).collect();
    gzipped("shop.features.csv.gz", &format!("sha,fail30\n{table}"));
    let (code, _, err) = run(path, &["--fit", "shop.changes.jsonl.gz"]);
    assert_eq!(code, 0, "{err}");
    assert!(!err.contains("; 0 with known fixes") && !err.contains(" 0 fixed"), "{err}");
    gzipped("shop.features.csv.gz", "sha,label\n");
    let (code, out, err) = run(path, &["--fit", "shop.changes.jsonl.gz"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("has no columns sha and fail30"), "{err}");
}

#[test]
fn what_nothing_can_be_learned_from_is_said() {
    let directory = with_stream(2);
    let check = |arguments: &[&str], expected: (i32, &str)| {
        let (code, out, err) = run(directory.path(), arguments);
        assert_eq!((code, out.as_str()), (expected.0, ""), "{arguments:?}");
        assert!(err.contains(expected.1), "{arguments:?}: {err}");
    };
    check(&["--fit", "shop.changes.jsonl"], (1, "nothing to learn from\nhint: "));
    check(&["--fit", "missing.jsonl"], (1, "missing.jsonl"));
    check(&["--fit"], (2, "--fit"));
    fs::write(directory.path().join("model.json"), "{}").unwrap();
    check(&["--fit", "shop.changes.jsonl", "--model", "model.json"], (1, "model.json"));
}
