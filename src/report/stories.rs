//! Stories for tests: each file of `fixtures/facts` is one change, told as the check run would tell it.

use super::{Subject, check_run, json, sarif, terminal};
use crate::risk::{
    self, Model,
    assessment::{Assessment, Mode},
    facts::Facts,
    policy::{Policy, PolicyError, Threshold},
};

/// A change, the policy it is held against, and what was made of it.
pub(super) struct Story {
    pub(super) name: String,
    pub(super) facts: Facts,
    pub(super) policy: Policy,
    pub(super) previous_score: Option<u8>,
    pub(super) assessment: Assessment,
}

impl Story {
    pub(super) fn new(name: &str, facts: Facts) -> Self {
        let mut policy = Policy::default();
        let mut previous_score = None;
        match name {
            "changes-requested" => {
                (policy.mode, policy.threshold) = (Mode::Enforce, Threshold::Score(60));
                policy.origin.file = Some(".github/mergecast.yml".to_owned());
            }
            "large-and-entropic" => previous_score = Some(49),
            "owners-not-asked" => previous_score = Some(66),
            "hostile-text" => policy.origin.errors = mistakes(&facts.change.title),
            _ => {}
        }
        let assessment = risk::assess(&facts, Model::baseline(), &policy);
        Self { name: name.to_owned(), facts, policy, previous_score, assessment }
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            id: "019a90d2-7c1e-7b5a-9d3e-52f1c3a4b5d6",
            facts: &self.facts,
            assessment: &self.assessment,
            model_version: "baseline",
            model_fitted_at: None,
            facts_digest: "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
            previous_score: self.previous_score,
            policy: &self.policy,
            public_url: Some("https://mergecast.example/"),
            repository_url: Some("https://github.example/acme/shop"),
        }
    }
}

fn mistakes(message: &str) -> Vec<PolicyError> {
    let unknown_key = "unknown key `treshold`, did you mean `threshold`?".to_owned();
    let hostile = |line| PolicyError { line: Some(line), message: message.to_owned() };
    let first = PolicyError { line: Some(2), message: unknown_key };
    std::iter::once(first).chain((3..12).map(hostile)).collect()
}

/// All stories, by name.
pub(super) fn all() -> Vec<Story> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/facts");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let story = |path: &std::path::PathBuf| {
        let facts = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Story::new(path.file_stem().unwrap().to_str().unwrap(), facts)
    };
    files.iter().map(story).collect()
}

fn one(name: &str) -> Story {
    all().into_iter().find(|story| story.name == name).unwrap()
}

fn check_run_as_text(subject: &Subject<'_>) -> String {
    let run = check_run::render(subject);
    let mut shown = format!("{}\n\n{}", run.title, run.summary);
    for one in &run.annotations {
        let place = format!("{}:{}-{}", super::outside::visible(&one.path), one.start_line, one.end_line);
        shown.push_str(&format!("\n[{}] {place}\n{}: {}\n", one.level.word(), one.title, one.message));
    }
    shown
}

fn keep(folder: &str, name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => format!("../../fixtures/{folder}"), prepend_module_to_snapshot => false, omit_expression => true,
    }, { insta::assert_snapshot!(name, text) });
}

#[test]
fn each_story_has_its_check_run() {
    for story in all() {
        keep("check_runs", &story.name, &check_run_as_text(&story.subject()));
    }
}

#[test]
fn some_stories_have_their_terminal_and_data() {
    let plain = terminal::Style { color: false, width: 100, unicode: true };
    for name in ["friday-migration", "hostile-text", "small-and-safe"] {
        keep("terminal", name, &terminal::render(&one(name).subject(), plain));
    }
    let ascii = terminal::Style { color: false, width: 60, unicode: false };
    keep("terminal", "open-incident-ascii", &terminal::render(&one("open-incident").subject(), ascii));
    let friday = one("friday-migration");
    keep("json", "friday-migration", &serde_json::to_string_pretty(&json::render(&friday.subject())).unwrap());
    keep("sarif", "friday-migration", &serde_json::to_string_pretty(&sarif::render(&friday.subject())).unwrap());
}

#[test]
fn what_is_said_without_a_score() {
    insta::assert_debug_snapshot!(check_run::in_progress());
    insta::assert_snapshot!(check_run::failure("01J`@x", "no answer from https://x.example #1").summary);
}

/// Pages for eyes: `PAGES=/some/folder cargo test --lib report::stories::pages`.
#[test]
fn pages_hold_the_score() {
    for story in all() {
        let html = super::page::assessment(&story.subject());
        assert!(html.contains("<h1"), "{}", story.name);
        if let Ok(folder) = std::env::var("PAGES") {
            let html = html.replace(super::page::CSS_PATH, "mergecast.css");
            std::fs::write(format!("{folder}/{}.html", story.name), html).unwrap();
            std::fs::write(format!("{folder}/mergecast.css"), super::page::CSS).unwrap();
        }
    }
}
