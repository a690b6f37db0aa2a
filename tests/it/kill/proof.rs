//! What must hold when the work has ended, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};

use mergecast::{
    github::{EVENTS, sim::SimCheckRun},
    report::check_run::NAME,
    risk::{Model, assess, facts::Facts, policy::Policy},
    store::{AssessmentRow, Store, StoreOptions, StorePath},
};

use super::Run;
use crate::program::{DUE, database, read};

/// Fewer commands than this meet no limit.
const FEWEST_BEFORE_A_LIMIT: usize = 10;

/// The newest assessment of each open pull request, by repository and number.
pub(super) type Assessments = BTreeMap<(String, u64), AssessmentRow>;

/// Nothing is lost, doubled or stuck. Gives what the check runs show.
pub(super) async fn check(run: &Run) -> Assessments {
    let mut wrong = stored(run);
    wrong.extend(run.load.waiting().into_iter().map(|group| format!("a queue still waits: {group}")));
    for (repository, sha) in run.load.heads().chain(run.load.groups()) {
        let runs = ours(run, repository, sha);
        if runs.len() > 1 {
            let writes: Vec<_> =
                runs.iter().flat_map(|run| &run.writes).map(|write| (write.at, write.method)).collect();
            wrong.push(format!("{repository} {sha}: {} check runs: {writes:?}", runs.len()));
        }
        for each in runs {
            if each.status != "completed" {
                wrong.push(format!("{repository} {sha}: left as {}", each.status));
            }
            let different: BTreeSet<String> = each.annotations.iter().map(ToString::to_string).collect();
            if different.len() < each.annotations.len() {
                let count = each.annotations.len();
                wrong.push(format!("{repository} {sha}: {count} annotations, {} different", different.len()));
            }
        }
    }
    wrong.extend(commands(run));
    let path = StorePath::File(database(run.directory.path()));
    let store = Store::open(StoreOptions::new(path)).await.unwrap();
    let mut shown = Assessments::new();
    for pull in run.load.open() {
        let name = format!("{} #{}", pull.repository(), pull.number());
        let repository_id = run.sim.repository(pull.repository()).id() as i64;
        let (runs, head) = (ours(run, pull.repository(), &pull.head_sha()), pull.head_sha());
        let (Some(own), Some(row)) = (runs.first(), store.latest_for_head(repository_id, &head).await.unwrap()) else {
            wrong.push(format!("{name}: {} check runs on its head {head}", runs.len()));
            continue;
        };
        let newest = store.latest_assessment(repository_id, pull.number() as i64).await.unwrap();
        if own.external_id != row.id || newest.is_none_or(|newest| newest.id != row.id) {
            wrong.push(format!("{name}: the check run shows {}, the newest assessment is {}", own.external_id, row.id));
        }
        if own.conclusion.as_deref() != Some(row.conclusion.as_str()) {
            wrong.push(format!("{name}: concluded as {:?}, assessed as {}", own.conclusion, row.conclusion));
        }
        shown.insert((pull.repository().to_owned(), pull.number()), row);
    }
    store.close().await;
    assert!(wrong.is_empty(), "{:?}, {} findings:\n{}", run.mode, wrong.len(), wrong.join("\n"));
    shown
}

/// Had an event been lost, scoring anew would have found what it told.
pub(super) fn same(before: &Assessments, after: &Assessments) {
    let mut wrong = Vec::new();
    for (pull, before) in before {
        let (mut was, is) = (facts(before), facts(&after[pull]));
        // Time passes, and other pull requests are scored and merged.
        was.at = is.at;
        was.recent_scores.clone_from(&is.recent_scores);
        was.in_production.clone_from(&is.in_production);
        was.series.clone_from(&is.series);
        let assess = |facts| assess(facts, Model::baseline(), &Policy::default());
        let same_change = was.change.head_sha == is.change.head_sha && was.change.title == is.change.title;
        if !same_change || assess(&was) != assess(&is) {
            let (was, is) = (format!("{was:#?}"), format!("{is:#?}"));
            let different = was.lines().zip(is.lines()).filter(|(was, is)| was != is).take(9);
            let different: Vec<String> = different.map(|(was, is)| format!("  was {was}\n  is  {is}")).collect();
            wrong.push(format!("{} #{}:\n{}", pull.0, pull.1, different.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{} scores missed something:\n{}", wrong.len(), wrong.join("\n"));
}

fn facts(row: &AssessmentRow) -> Facts {
    serde_json::from_str(&row.facts).unwrap()
}

fn ours(run: &Run, repository: &str, sha: &str) -> Vec<SimCheckRun> {
    let runs = run.sim.check_runs(repository, sha);
    runs.into_iter().filter(|each| each.name == NAME && each.app == "mergecast").collect()
}

/// Each command that was delivered has one reply, and a reaction at either end. One that was dropped met a limit, and
/// nothing was said of it.
fn commands(run: &Run) -> Vec<String> {
    let taken: BTreeMap<String, String> = read(run.directory.path(), |database| {
        let mut statement = database.prepare("SELECT command_key, state FROM commands").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    });
    let mut wrong = Vec::new();
    for (pull, comment) in run.load.commands() {
        let (name, key) = (format!("{} #{}", pull.repository(), pull.number()), format!("comment:{comment}"));
        let marker = format!("<!-- mergecast:{key} -->");
        let conversation = pull.conversation();
        let replies = conversation.iter().filter(|one| one.by_app && one.body.starts_with(&marker)).count();
        let own = conversation.iter().find(|one| one.id == *comment).unwrap();
        let mut reactions = own.reactions.clone();
        reactions.sort();
        let ended = reactions == ["+1", "eyes"] || reactions == ["-1", "eyes"];
        match taken.get(&key).map(String::as_str) {
            Some("done") if replies == 1 && ended => {}
            None if replies == 0 && reactions.is_empty() && taken.len() >= FEWEST_BEFORE_A_LIMIT => {}
            state => wrong.push(format!("{name}: {key} is {state:?} with {replies} replies and {reactions:?}")),
        }
    }
    wrong
}

/// What the database says.
fn stored(run: &Run) -> Vec<String> {
    let rows = |sql: &str| -> Vec<(String, String)> {
        read(run.directory.path(), |database| {
            let mut statement = database.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            rows.map(Result::unwrap).collect()
        })
    };
    let mut wrong = Vec::new();
    let inbox: BTreeMap<String, String> = rows("SELECT delivery_id, state FROM inbox").into_iter().collect();
    for (id, event) in run.acknowledged().filter(|(_, event)| EVENTS.iter().any(|known| known.name == *event)) {
        match inbox.get(id).map(String::as_str) {
            Some("done" | "ignored") => {}
            other => wrong.push(format!("delivery {id} ({event}) was acknowledged and is {other:?}")),
        }
    }
    for (id, state) in inbox.iter().filter(|(_, state)| !matches!(state.as_str(), "done" | "ignored")) {
        wrong.push(format!("delivery {id} is {state}"));
    }
    let jobs = format!(
        "SELECT job_key, state || ': ' || COALESCE(last_error, '') FROM jobs WHERE {DUE} OR state = 'buried' \
         OR (state = 'idle' AND wanted <> done)"
    );
    wrong.extend(rows(&jobs).into_iter().map(|(key, state)| format!("job {key} is {state}")));
    let runs = "SELECT head_sha, state FROM check_runs WHERE state <> 'completed'";
    wrong.extend(rows(runs).into_iter().map(|(sha, state)| format!("the check run on {sha} is stored as {state}")));
    let sound = rows("SELECT integrity_check, '' FROM pragma_integrity_check");
    if sound[0].0 != "ok" {
        wrong.push(format!("the database is damaged: {sound:?}"));
    }
    wrong
}
