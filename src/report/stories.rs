//! Stories for tests: each file of `fixtures/facts` is one change, told as the check run would tell it.

use super::{Report, Subject, check_run, json, page, sarif, sentences::Detail, terminal};
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
            model_fitted_at: Model::baseline().fitted_at,
            facts_digest: "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
            previous_score: self.previous_score,
            policy: &self.policy,
            public_url: Some("https://mergecast.example/"),
            repository_url: Some("https://github.example/acme/shop"),
            commands: true,
        }
    }
}

fn mistakes(message: &str) -> Vec<PolicyError> {
    let unknown_key = "unknown key `treshold`, did you mean `threshold`?".to_owned();
    let hostile = |line| PolicyError { line: Some(line), message: message.to_owned() };
    let first = PolicyError { line: Some(2), message: unknown_key };
    std::iter::once(first).chain((3..12).map(hostile)).collect()
}

macro_rules! facts {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../fixtures/facts/", $name, ".json")))),*]
    };
}

/// All stories, by name.
pub(super) fn all() -> Vec<Story> {
    let stories = facts![
        "binary-only",
        "burning-service",
        "changes-requested",
        "dependency-major",
        "dependency-patch",
        "docs-only",
        "draft",
        "empty",
        "everything-unknown",
        "files-unreadable",
        "friday-migration",
        "hostile-text",
        "large-and-entropic",
        "open-incident",
        "owners-not-asked",
        "proven-revert",
        "small-and-safe",
    ];
    stories.map(|(name, facts)| Story::new(name, serde_json::from_str(facts).unwrap())).into()
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

pub(super) fn keep(folder: &str, name: &str, text: &str) {
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
fn the_table_adds_up() {
    for story in all() {
        let rows = Report::of(&story.subject(), Detail::FULL).rows;
        let (total, summands) = rows.split_last().unwrap();
        let sum: i32 = summands.iter().map(|row| row.amount).sum();
        let floors =
            story.assessment.floors.iter().filter(|floor| floor.applied).map(|floor| i32::from(floor.at_least));
        assert_eq!(floors.fold(sum, i32::max), total.amount, "{}", story.name);
        let points = |row: &super::Row| row.points.to_string().replace('−', "-").parse::<i32>().ok();
        assert!(summands.iter().all(|row| row.amount == 0 || points(row) == Some(row.amount)), "{}", story.name);
    }
}

#[test]
fn what_is_said_without_a_score() {
    let text = |run: check_run::CheckRunText| format!("{}\n\n{}", run.title, run.summary);
    insta::assert_snapshot!(text(check_run::in_progress()), @r"
    Reading the change

    The change is being read; the score follows within seconds.
    ");
    insta::assert_snapshot!(text(check_run::failure("01J`@x", "no answer from https://x.example #1")), @r"
    No score: Mergecast failed, not the change

    **No score.** Something went wrong inside Mergecast: no answer from `https://x.example #1`

    This says nothing about the change, and nothing is held against it. **Re-score** tries again; the server's log has the details under ``01J`@x``.
    ");
}

#[test]
fn the_list_leads_to_the_pages() {
    let rows: Vec<_> = all().iter().map(index_row).collect();
    let html = page::index(&rows);
    assert_eq!(html.matches(&format!("href=\"{}\"", page::path(rows[0].id.as_str()))).count(), rows.len());
    assert!(html.contains("Revert &#34;@acme/everyone") && !html.contains("<img"));
    assert!(page::index(&[]).contains("No change has been assessed yet"));
    assert_eq!(page::path("../x?y\"z"), "/assessments/xyz");
}

fn index_row(story: &Story) -> page::Row {
    page::Row {
        id: story.subject().id.to_owned(),
        repository: story.facts.repository.clone(),
        pull_request: story.facts.change.pull_request,
        title: story.facts.change.title.clone(),
        score: story.assessment.score,
        level: story.assessment.level,
        conclusion: story.assessment.verdict.conclusion,
        at: story.facts.at,
    }
}
