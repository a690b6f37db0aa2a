//! What people see of a scored pull request, and the promises that hold for every one of them: one completed run, a sum
//! that adds up in the JSON and in the table, limits, and nothing from outside that is alive.

use comrak::{
    Arena, Options,
    nodes::{Node, NodeValue},
    parse_document,
};
use mergecast::{
    github::sim::{PullHandle, SimCheckRun},
    report::check_run::NAME,
};
use regex::Regex;
use serde_json::Value;

use crate::support::Ctx;

/// A completed check run and the assessment behind it.
pub(crate) struct Seen {
    pub(crate) run: SimCheckRun,
    pub(crate) json: Value,
}

/// Settles, and gives what is seen of the head of a pull request.
pub(crate) async fn see(ctx: &Ctx, pull: &PullHandle) -> Seen {
    let run = ctx.check_run(pull).await;
    let seen = Seen { json: ctx.assessment(pull).await, run };
    seen.check();
    seen
}

/// As [`see`], while the clock stands still: what is for later has not come yet.
pub(crate) async fn glance(ctx: &Ctx, pull: &PullHandle) -> Seen {
    ctx.rest().await;
    let mut ours = ctx.sim.check_runs(pull.repository(), &pull.head_sha());
    ours.retain(|run| run.name == NAME);
    assert_eq!(ours.len(), 1, "check runs of ours on the head of #{}", pull.number());
    let seen = Seen { json: ctx.assessment(pull).await, run: ours.remove(0) };
    seen.check();
    seen
}

impl Seen {
    pub(crate) fn score(&self) -> i64 {
        self.json["score"].as_i64().expect("a score")
    }

    pub(crate) fn conclusion(&self) -> &str {
        self.run.conclusion.as_deref().unwrap_or_default()
    }

    pub(crate) fn because(&self) -> &str {
        self.json["verdict"]["because"].as_str().unwrap_or_default()
    }

    pub(crate) fn title(&self) -> &str {
        self.run.title.as_deref().unwrap_or_default()
    }

    pub(crate) fn summary(&self) -> &str {
        self.run.summary.as_deref().unwrap_or_default()
    }

    fn entry(&self, signal: &str) -> &Value {
        let entries = self.json["contributions"].as_array().expect("contributions");
        entries.iter().find(|entry| entry["signal"] == signal).expect("a signal of that name")
    }

    pub(crate) fn points(&self, signal: &str) -> i64 {
        self.entry(signal)["points"].as_i64().expect("points")
    }

    /// The value that was read; `None` while it is unknown.
    pub(crate) fn value(&self, signal: &str) -> Option<f64> {
        let entry = self.entry(signal);
        let known = entry["status"] == "known";
        assert_eq!(known, entry["reason"].is_null(), "{entry}");
        known.then(|| entry["value"].as_f64().expect("a known value"))
    }

    /// What was read, or why nothing was, in words.
    pub(crate) fn words(&self, signal: &str) -> String {
        let entry = self.entry(signal);
        let evidence = entry["evidence"].as_array().into_iter().flatten().filter_map(Value::as_str);
        evidence.chain(entry["reason"].as_str()).collect::<Vec<_>>().join("; ")
    }

    /// Points and target of the first way down whose action starts so.
    pub(crate) fn way(&self, action: &str) -> Option<(i64, i64)> {
        let ways = self.json["ways_down"].as_array().expect("ways down");
        let way = ways.iter().find(|way| way["action"].as_str().is_some_and(|text| text.starts_with(action)))?;
        Some((way["points"].as_i64()?, way["target_score"].as_i64()?))
    }

    /// What holds of every completed run.
    fn check(&self) {
        let (run, json) = (&self.run, &self.json);
        assert_eq!(run.status, "completed");
        let posts = run.writes.iter().filter(|write| write.method == "POST").count();
        assert_eq!((posts, run.writes[0].body["status"].as_str()), (1, Some("in_progress")));
        assert_eq!(json["verdict"]["conclusion"].as_str(), run.conclusion.as_deref());
        assert_eq!(json["id"].as_str(), Some(run.external_id.as_str()));
        let details = run.details_url.as_deref().expect("a page");
        assert_eq!(details, format!("https://mergecast.example/assessments/{}", run.external_id));
        self.check_sum();
        self.check_limits();
        self.check_unknowns();
        let ours = [Some(details).filter(|_| self.summary().contains("The whole assessment"))];
        // Names of SLOs and incidents lead to their pages at Datadog, and nowhere else.
        let mut links = inert(self.summary());
        links.retain(|link| !link.starts_with("https://app.datadoghq.com/"));
        assert_eq!(links, ours.into_iter().flatten().collect::<Vec<_>>(), "{}", self.summary());
        assert!(inert(run.text.as_deref().unwrap_or_default()).is_empty());
        assert_plain(self.title());
        for annotation in &run.annotations {
            assert!(inert(annotation["message"].as_str().expect("a message")).is_empty());
            assert_plain(annotation["title"].as_str().expect("a title"));
        }
    }

    fn check_sum(&self) {
        let json = &self.json;
        let points: i64 =
            json["contributions"].as_array().expect("them").iter().filter_map(|c| c["points"].as_i64()).sum();
        let sum = json["base"].as_i64().expect("a base") + points + json["clamped"].as_i64().expect("a clamp");
        let floors = json["floors"].as_array().expect("floors").iter();
        let lift = floors.filter(|floor| floor["applied"] == true).filter_map(|floor| floor["at_least"].as_i64()).max();
        let score = self.score();
        assert_eq!(sum.max(lift.unwrap_or(0)), score, "{json}");
        assert!((0..=100).contains(&sum));
        let (low, high) = (json["range"]["low"].as_i64().expect("it"), json["range"]["high"].as_i64().expect("it"));
        assert!(low <= score && score <= high && high <= 100, "{score} in {low} to {high}");
        let level = match score {
            0..40 => "low",
            40..70 => "medium",
            70..90 => "high",
            _ => "critical",
        };
        assert_eq!(json["level"], level);
        if matches!(self.because(), "empty" | "too_little_data") && !self.title().starts_with(char::is_numeric) {
            return;
        }
        assert!(self.title().starts_with(&format!("{score} {level}")), "{}", self.title());
        let table = Table::of(self.summary(), "What was read");
        let steps: i64 = table.numbers_until(&["Sum", "Score"]).iter().sum();
        assert_eq!(steps, sum, "the table adds up\n{}", self.summary());
        assert_eq!(table.number("Score"), Some(score));
        for way in json["ways_down"].as_array().expect("ways down") {
            let (points, target) = (way["points"].as_i64().expect("it"), way["target_score"].as_i64().expect("it"));
            assert!(points > 0 && score - points == target, "{way}");
        }
    }

    fn check_limits(&self) {
        let run = &self.run;
        assert!(self.title().chars().count() <= 255 && !self.title().is_empty());
        assert!(!self.summary().is_empty());
        for text in [&run.summary, &run.text].into_iter().flatten() {
            assert!(text.chars().count() <= 65_535, "{} characters", text.chars().count());
        }
        assert!(run.actions.len() <= 3);
        let long = |action: &Value, key: &str, most: usize| action[key].as_str().expect("text").chars().count() > most;
        for action in &run.actions {
            assert!(!long(action, "label", 20) && !long(action, "description", 40) && !long(action, "identifier", 20));
        }
        for write in &run.writes {
            assert!(write.body["output"]["annotations"].as_array().is_none_or(|list| list.len() <= 50));
        }
        for annotation in &run.annotations {
            assert!(!long(annotation, "title", 255) && annotation["message"].as_str().expect("text").len() <= 65_536);
        }
        let distinct: std::collections::BTreeSet<String> = run.annotations.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), run.annotations.len(), "an annotation stands twice");
    }

    /// What is unknown adds nothing, widens the range, and is named.
    fn check_unknowns(&self) {
        if self.because() == "empty" {
            return;
        }
        let entries = self.json["contributions"].as_array().expect("contributions");
        let unknown: Vec<&Value> = entries.iter().filter(|entry| entry["status"] == "unknown").collect();
        let said = plain(self.summary());
        for entry in &unknown {
            assert_eq!((entry["points"].as_i64(), entry["value"].is_null()), (Some(0), true), "{entry}");
            let reason = plain(entry["reason"].as_str().expect("a reason"));
            assert!(said.contains(&reason), "{reason:?} is not named in\n{said}");
        }
        for source in self.json["sources"].as_array().expect("sources") {
            let missing = source["status"] != "ok";
            let detail = source["detail"].as_str().map(plain).unwrap_or_default();
            assert!(!missing || said.contains(&detail), "{source} is not named in\n{said}");
        }
    }
}

/// Letters and digits alone, so that escaping does not matter.
fn plain(text: &str) -> String {
    text.chars().filter(|one| one.is_alphanumeric()).collect()
}

/// A table of the summary, by its header.
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn of(markdown: &str, header: &str) -> Self {
        let arena = Arena::new();
        let root = parse_document(&arena, markdown, &gfm());
        for table in root.descendants() {
            if !matches!(table.data.borrow().value, NodeValue::Table(_)) {
                continue;
            }
            let rows: Vec<Vec<String>> =
                table.children().map(|row| row.children().map(|cell| words_of(cell)).collect()).collect();
            if rows.first().is_some_and(|row| row.iter().any(|cell| cell == header)) {
                return Self(rows);
            }
        }
        panic!("no table with {header:?} in\n{markdown}");
    }

    pub(crate) fn rows(&self) -> &[Vec<String>] {
        &self.0[1..]
    }

    fn number(&self, label: &str) -> Option<i64> {
        self.rows().iter().find(|row| row[0] == label).and_then(|row| number(&row[1]))
    }

    fn numbers_until(&self, ends: &[&str]) -> Vec<i64> {
        let steps = self.rows().iter().take_while(|row| !ends.contains(&row[0].as_str()));
        steps.map(|row| number(&row[1]).unwrap_or_else(|| panic!("no number in {row:?}"))).collect()
    }
}

fn number(text: &str) -> Option<i64> {
    text.replace('−', "-").trim_start_matches('+').parse().ok()
}

fn words_of<'a>(node: Node<'a>) -> String {
    let mut words = String::new();
    for node in node.descendants() {
        match &node.data.borrow().value {
            NodeValue::Text(text) => words.push_str(&text.replace('\u{a0}', " ")),
            NodeValue::Code(code) => words.push_str(&code.literal),
            _ => {}
        }
    }
    words
}

fn gfm() -> Options<'static> {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    options.extension.math_dollars = true;
    options.parse.relaxed_autolinks = true;
    options
}

/// Holds Markdown to be inert: no image, no HTML, no mention, no reference; gives the links in it.
pub(crate) fn inert(markdown: &str) -> Vec<String> {
    let arena = Arena::new();
    let (mut words, mut links) = (String::new(), Vec::new());
    for node in parse_document(&arena, markdown, &gfm()).descendants() {
        match &node.data.borrow().value {
            NodeValue::Text(text) => words.push_str(text),
            NodeValue::Link(link) => links.push(link.url.clone()),
            NodeValue::Code(_) => words.push('\u{1}'),
            NodeValue::SoftBreak => words.push(' '),
            NodeValue::Document
            | NodeValue::Paragraph
            | NodeValue::Heading(_)
            | NodeValue::List(_)
            | NodeValue::Item(_)
            | NodeValue::Strong
            | NodeValue::Table(_)
            | NodeValue::TableRow(_)
            | NodeValue::TableCell => {}
            other => panic!("{other:?} in\n{markdown}"),
        }
    }
    assert_plain(&words);
    links
}

/// Holds text outside of code to be without anything that GitHub would act on.
fn assert_plain(words: &str) {
    let alive = r"@|#\d|\bGH-\d|://|www\.|<|`|:[a-z0-9_+-]+:|\b[0-9a-f]{7,40}\b";
    let found = Regex::new(alive).expect("a pattern").find(words).map(|found| found.as_str().to_owned());
    assert_eq!(found, None, "{words}");
    assert!(words.chars().all(|one| one == '\u{1}' || !hides(one)), "{words:?}");
}

/// Control characters and those that reorder or hide text.
pub(crate) fn hides(one: char) -> bool {
    one.is_control()
        || matches!(one, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
