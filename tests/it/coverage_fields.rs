//! Codecov and SonarQube publish no document that a registry carries. `tests/contracts/coverage.json` holds what their pages
//! and sources say, field by field: the simulators may say nothing else, the clients may use nothing but what is marked as
//! used, and everything that is marked is needed. `docs/coverage.md` tells the same.

use std::{collections::BTreeMap, fmt::Debug, fs, path::Path};

use mergecast::{
    codecov::{
        Codecov,
        sim::{SimCodecov, SimCommit, SimPull, SimUpload, TOKEN as CODECOV},
    },
    remote::sim::{Exchange, Sim},
    sonar::{
        Sonar,
        sim::{SimAnalysis, SimSonar, TOKEN as SONAR},
    },
};
use serde::Deserialize;
use serde_json::Value;

const TABLE: &str = include_str!("../contracts/coverage.json");
const PAGE: &str = "docs/coverage.md";
const WRITE: &str = "MERGECAST_WRITE_README";

/// What one system documents.
#[derive(Deserialize)]
struct System {
    /// When its documents were read.
    read: String,
    /// Where they are.
    documents: String,
    /// By method and address.
    operations: BTreeMap<String, Operation>,
}

#[derive(Deserialize)]
struct Operation {
    page: String,
    query: Vec<String>,
    /// Type of each field, by its path; `?` where it may be null. What is below `any` is not looked at.
    fields: BTreeMap<String, String>,
    /// What the client takes each field for that it uses.
    used: BTreeMap<String, String>,
}

fn systems() -> BTreeMap<String, System> {
    serde_json::from_str(TABLE).expect("the table has this shape")
}

impl System {
    fn operation(&self, path: &str) -> Option<&Operation> {
        self.operations.iter().find(|(address, _)| fits(address, path)).map(|(_, operation)| operation)
    }
}

impl Operation {
    /// What of an answer is not as it is documented.
    fn wrong(&self, at: &str, value: &Value, found: &mut Vec<String>) {
        let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let at = below(name);
                    match self.fields.get(&at) {
                        None => found.push(format!("{at} is not documented")),
                        Some(kind) if !is(kind, value) => found.push(format!("{at} is no {kind}: {value}")),
                        Some(kind) if kind == "any" => {}
                        Some(_) => self.wrong(&at, value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.wrong(&format!("{at}[]"), item, found)),
            _ => {}
        }
    }
}

/// Whether a path fits an address such as `GET /repos/{owner}/`.
fn fits(address: &str, path: &str) -> bool {
    let address: Vec<&str> = address.trim_start_matches("GET ").split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    address.len() == path.len() && address.iter().zip(path).all(|(a, p)| a.starts_with('{') && !p.is_empty() || *a == p)
}

fn is(kind: &str, value: &Value) -> bool {
    let (kind, nullable) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
    match kind {
        "any" => true,
        _ if value.is_null() => nullable,
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("{kind} is no type of this table"),
    }
}

/// An answer with those fields alone for which `keep` says yes, or which lead to one.
fn kept(at: &str, value: Value, keep: &dyn Fn(&str) -> bool) -> Value {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(name, _)| keep(&below(name)));
            fields.map(|(name, value)| (name.clone(), kept(&below(&name), value, keep))).collect()
        }
        Value::Array(items) => items.into_iter().map(|item| kept(&format!("{at}[]"), item, keep)).collect(),
        plain => plain,
    }
}

/// Holds simulator and client to the table: `told` is all that the client makes of the simulator's answers.
async fn hold<S, T: Debug + PartialEq>(name: &'static str, sim: &Sim<S>, told: impl AsyncFn() -> T) {
    let system = systems().remove(name).unwrap();
    let whole = told().await;
    let mut seen: Vec<(String, String)> = Vec::new();
    for Exchange { method, path, query, status, response, .. } in sim.exchanges() {
        let operation = system.operation(&path).unwrap_or_else(|| panic!("{method} {path} is not in the table"));
        for (parameter, _) in url::form_urlencoded::parse(query.as_bytes()) {
            assert!(operation.query.contains(&parameter.clone().into_owned()), "{path}: {parameter} is not documented");
        }
        let mut wrong = Vec::new();
        if status == 200 {
            operation.wrong("", &response, &mut wrong);
        }
        assert!(wrong.is_empty(), "{path}: {wrong:#?}");
        seen.push((method, path));
    }
    let asked = |address: &String| seen.iter().any(|(method, path)| method == "GET" && fits(address, path));
    let silent: Vec<&String> = system.operations.keys().filter(|address| !asked(address)).collect();
    assert!(silent.is_empty(), "nothing asks for {silent:?}");

    let used: Vec<(String, String)> = system
        .operations
        .iter()
        .flat_map(|(address, operation)| operation.used.keys().map(|field| (address.clone(), field.clone())))
        .collect();
    let only = used.clone();
    sim.rewrite(move |path, answer| {
        let mine = || only.iter().filter(|(address, _)| fits(address, path)).map(|(_, field)| field);
        kept("", answer, &|at| mine().any(|field| leads(at, field)))
    });
    assert_eq!(told().await, whole, "{name}: the client uses fields that are not marked as used");
    for (address, field) in used {
        let without = (address.clone(), field.clone());
        sim.rewrite(
            move |path, answer| {
                if fits(&without.0, path) { kept("", answer, &|at| at != without.1) } else { answer }
            },
        );
        assert_ne!(told().await, whole, "{name}: {address} without {field} is the same to the client");
    }
}

/// Whether a field is another, is above it or below it.
fn leads(at: &str, field: &str) -> bool {
    let above = |one: &str, other: &str| {
        other.strip_prefix(one).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
    };
    above(at, field) || above(field, at)
}

fn upload(flag: &'static str, carried_from: Option<&str>, lines: &[(u32, u8)]) -> SimUpload {
    let files = BTreeMap::from([("src/a.rs".to_owned(), lines.to_vec())]);
    SimUpload { flags: vec![flag], carried_from: carried_from.map(str::to_owned), files, ..SimUpload::default() }
}

#[tokio::test]
async fn codecov_is_what_it_documents() {
    let sim = SimCodecov::start().await.unwrap();
    let codecov = Codecov::new(sim.url(), CODECOV.into()).unwrap();
    let complete = |uploads| SimCommit { state: "complete", uploads };
    let failed = SimUpload { failed: true, ..upload("lint", None, &[]) };
    let parts = vec![upload("unit", None, &[(1, 0), (2, 1), (3, 2)]), upload("e2e", Some("0ld"), &[(9, 0)]), failed];
    sim.commit("acme/shop", "c1", complete(parts));
    let many = (0..101).map(|_| upload("unit", None, &[(1, 0), (2, 1)])).collect();
    sim.commit("acme/shop", "c0", complete(many));
    let pull = SimPull { head: "c1".to_owned(), base: Some("c0".to_owned()), patch: Some((3, 2, 1)) };
    sim.pull("acme/shop", 7, pull);
    let repo = ("acme", "shop");
    hold("Codecov", &sim, async || {
        (
            codecov.commit(repo, "c1", &["src/a.rs"], Some(7)).await,
            codecov.commit(repo, "c0", &["src/a.rs"], None).await,
            codecov.totals(repo, "c0").await,
            codecov.check().await,
        )
    })
    .await;
}

#[tokio::test]
async fn sonarqube_is_what_it_documents() {
    let sim = SimSonar::start().await.unwrap();
    let sonar = Sonar::new(sim.url(), SONAR.into()).unwrap();
    let analysis = SimAnalysis { commit: Some("c1".to_owned()), new: Some((20, 5)), all: (1_000, 200), gate: "OK" };
    sim.analysis("acme_shop", 7, analysis);
    hold("SonarQube", &sim, async || {
        let mut told = Vec::new();
        for older in [false, true] {
            sim.older(older);
            told.push(sonar.pull_request("acme_shop", 7, "c1").await);
        }
        (told, sonar.check().await)
    })
    .await;
}

#[test]
fn the_page_tells_what_is_relied_on() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let before = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- table: fields -->\n", "<!-- end of table -->");
    let (head, rest) = before.split_once(begin).unwrap();
    let (_, tail) = rest.split_once(end).unwrap();
    let mut table = String::new();
    for (name, System { read, documents, operations }) in systems() {
        table += &format!("{name}, read on {read}: {documents}.\n\n| field | taken for |\n| --- | --- |\n");
        for (address, Operation { page, used, .. }) in operations.iter().filter(|(_, each)| !each.used.is_empty()) {
            table += &format!("| **`{address}`** | {page} |\n");
            table.extend(used.iter().map(|(field, meaning)| format!("| `{field}` | {meaning} |\n")));
        }
        table.push('\n');
    }
    let after = format!("{head}{begin}{table}{end}{tail}");
    if before != after && std::env::var_os(WRITE).is_some() {
        return fs::write(&path, after).unwrap();
    }
    assert_eq!(before, after, "{PAGE} is stale\n  hint: {WRITE}=1 cargo test --test it coverage_fields");
}
