//! Ways down: what the author or the reviewers can do, each kept to the point by scoring the facts with it applied.

mod split;

use std::{borrow::Cow, cmp::Reverse, collections::BTreeSet, mem};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    assessment::{Action, WayDown},
    diff::View,
    facts::{AuthorKind, Change, ChangeState, Facts, FileChange, FileStatus, Opinion, Review, ReviewVerdict, SloBurn},
    floors::{self, is_set},
    model::Model,
    owners::{self, OwnedFile, Standing},
    patch::Patch,
    paths::{PathKind, kind_of},
    policy::Policy,
    score,
    signal::{BAKING_HOURS, Evidence, Reading, SIGNALS, Signal, review},
};
use crate::slo::{Clearing, FAST};

/// Lines of the test file that is imagined: half as many as source lines were added, within these bounds.
const TEST_LINES: (u64, u64) = (10, 400);

/// What lowers the score, most effective first. `readings` are those of `facts`, `score` is what they came to.
pub(super) fn ways_down(
    view: &View<'_>,
    model: &Model,
    policy: &Policy,
    readings: &[Reading],
    score: u8,
) -> Vec<WayDown> {
    let exempt = floors::exemptions(view, readings);
    // One copy for all actions: to make it takes longer than to score.
    let mut scratch = view.facts.clone();
    let mut ways: Vec<WayDown> = candidates(view, readings)
        .into_iter()
        .filter_map(|action| {
            let readings = read_again(&action, view, &mut scratch, readings)?;
            let target_score = score::score(model, policy, &readings, exempt).score;
            let points = score.checked_sub(target_score).filter(|points| *points > 0)?;
            Some(WayDown { action, points, target_score })
        })
        .collect();
    ways.extend(split::way(view, model, policy, score));
    // The sort is stable: among equals the order of `candidates` stands.
    ways.sort_by_key(|way| Reverse(way.points));
    ways
}

/// What could be tried, in the order in which a team would.
fn candidates(view: &View<'_>, readings: &[Reading]) -> Vec<Action> {
    let facts = view.facts;
    if facts.change.state != ChangeState::Open {
        return Vec::new();
    }
    [
        owner_approval(facts, readings),
        approval(facts),
        knower_approval(facts),
        resolve_changes_requested(facts),
        pass_checks(facts),
        add_tests(view, readings),
        cover_lines(facts),
        split_off_migration(view, readings),
        wait_for_freeze_end(facts),
        is_set(readings, "burn_rate.above_2x").then(|| Action::WaitForBurn { until: burn_gone(facts) }),
        wait_for_bake(facts, readings),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Makes the facts of `view` what they would be after `action`, all else equal.
fn apply(action: &Action, facts: &mut Facts, view: &View<'_>) {
    let files = facts.change.files.len() as u64;
    match action {
        Action::OwnerApproval { owners, .. } => owners.iter().for_each(|owner| approve_as(facts, owner)),
        Action::Approval => approve(facts, "", Vec::new()),
        Action::KnowerApproval { name, .. } => approve_as(facts, name),
        Action::ResolveChangesRequested { .. } => satisfy_reviewers(facts),
        Action::PassChecks { .. } => pass_all_checks(facts),
        Action::AddTests => facts.change.files.extend(imagined_test(view)),
        Action::CoverLines { .. } => {
            if let Ok(coverage) = &mut facts.coverage {
                coverage.covered = coverage.executable;
                coverage.files.iter_mut().for_each(|file| file.uncovered.clear());
            }
        }
        Action::SplitOffMigration { files } => leave_out(facts, files),
        // It makes several changes of one, which are scored one by one.
        Action::Split { .. } => {}
        Action::WaitForFreezeEnd { until } => facts.declared.freezes.retain(|freeze| freeze.from >= *until),
        Action::WaitForBurn { .. } => {
            if let Ok(runtime) = &mut facts.runtime {
                // The pace that spends the budget exactly in its period.
                runtime.burn_rate = Ok(1.0);
            }
        }
        Action::WaitForBake { .. } => {
            if let Ok(runtime) = &mut facts.runtime {
                runtime.hours_since_deployment = Ok(BAKING_HOURS);
            }
        }
    }
    let now = facts.change.files.len() as u64;
    let total = facts.change.files_total;
    facts.change.files_total =
        total.saturating_add(now.saturating_sub(files)).saturating_sub(files.saturating_sub(now));
}

/// Takes back what [`apply`] does.
fn restore(action: &Action, facts: &mut Facts, original: &Facts) {
    match action {
        Action::OwnerApproval { .. }
        | Action::Approval
        | Action::KnowerApproval { .. }
        | Action::ResolveChangesRequested { .. } => facts.review.clone_from(&original.review),
        Action::PassChecks { .. } => facts.checks.clone_from(&original.checks),
        Action::CoverLines { .. } => facts.coverage.clone_from(&original.coverage),
        Action::WaitForFreezeEnd { .. } => facts.declared.freezes.clone_from(&original.declared.freezes),
        Action::WaitForBurn { .. } | Action::WaitForBake { .. } => facts.runtime.clone_from(&original.runtime),
        Action::Split { .. } => {}
        Action::AddTests | Action::SplitOffMigration { .. } => restore_files(&mut facts.change, &original.change),
    }
}

/// The files that are left are kept, in their order, and what was put behind them goes.
fn restore_files(change: &mut Change, original: &Change) {
    let mut kept = mem::take(&mut change.files).into_iter().peekable();
    let same = |file: &FileChange| kept.next_if(|kept| kept.path == file.path).unwrap_or_else(|| file.clone());
    change.files = original.files.iter().map(same).collect();
    change.files_total = original.files_total;
}

/// The readings after `action`; those that it cannot change are not measured again. Nothing when the action would make
/// unknown what is known: to know less is no way down. `scratch` is a copy of the view's facts and is one again afterwards.
fn read_again<'a>(
    action: &Action,
    view: &View<'_>,
    scratch: &mut Facts,
    readings: &'a [Reading],
) -> Option<Vec<Cow<'a, Reading>>> {
    apply(action, scratch, view);
    let after = if changes_files(action) { view.with_files_of(scratch) } else { view.with(scratch) };
    let readings = measured(action, &after, readings);
    drop(after);
    restore(action, scratch, view.facts);
    readings
}

fn measured<'a>(action: &Action, after: &View<'_>, readings: &'a [Reading]) -> Option<Vec<Cow<'a, Reading>>> {
    let again = |(signal, before): (&&Signal, &'a Reading)| {
        if !changes(action, signal.id) {
            return Some(Cow::Borrowed(before));
        }
        let reading = (signal.measure)(after);
        (before.is_err() || reading.is_ok()).then_some(Cow::Owned(reading))
    };
    SIGNALS.iter().zip(readings).map(again).collect()
}

fn changes_files(action: &Action) -> bool {
    matches!(action, Action::AddTests | Action::SplitOffMigration { .. })
}

/// Whether an action can change what a signal reads.
fn changes(action: &Action, signal: &str) -> bool {
    match action {
        Action::OwnerApproval { .. }
        | Action::Approval
        | Action::KnowerApproval { .. }
        | Action::ResolveChangesRequested { .. } => matches!(signal, "review" | "owner_review" | "experience"),
        Action::PassChecks { .. } => signal == "checks",
        Action::CoverLines { .. } => signal == "patch_coverage",
        Action::WaitForFreezeEnd { .. } => signal == "change_window",
        Action::WaitForBurn { .. } => signal == "burn_rate",
        Action::WaitForBake { .. } => signal == "recent_deploys",
        Action::Split { .. } => true,
        Action::AddTests | Action::SplitOffMigration { .. } => !matches!(
            signal,
            "checks"
                | "change_window"
                | "prior_defects"
                | "experience"
                | "patch_coverage"
                | "burn_rate"
                | "error_budget"
                | "open_incidents"
                | "flaky_tests"
                | "recent_deploys"
                | "change_fail_rate"
                | "pull_request_age"
        ),
    }
}

/// Owners who would settle every file that lacks an approval: each time the one with most of the files that are left.
/// No promise is made while somebody wants changes.
fn owner_approval(facts: &Facts, readings: &[Reading]) -> Option<Action> {
    if facts.review.as_ref().is_ok_and(|review| wants_changes(review, &facts.change)) {
        return None;
    }
    let missing = |evidence: &Evidence| match evidence {
        Evidence::OwnerMissing { path, .. } => Some(path.clone()),
        _ => None,
    };
    // The reading says whether there is anything to take off.
    evidence_of("owner_review", readings).find_map(missing)?;
    let settled =
        |file: &OwnedFile<'_>| matches!(&file.standing, Standing::Missing(missing) if !missing.able.is_empty());
    let open: Vec<OwnedFile<'_>> = owners::files(facts).ok()?.into_iter().filter(settled).collect();
    let asked: Vec<String> = owners::to_ask(&open).into_iter().map(str::to_owned).collect();
    let mut files: Vec<String> = open.iter().map(|file| file.path.to_owned()).collect();
    files.sort_unstable();
    (!asked.is_empty()).then_some(Action::OwnerApproval { files, owners: asked })
}

fn approval(facts: &Facts) -> Option<Action> {
    facts.review.as_ref().is_ok_and(|review| !wants_changes(review, &facts.change)).then_some(Action::Approval)
}

/// Of those who know files that the author does not, the one who knows most of them and has not approved yet.
fn knower_approval(facts: &Facts) -> Option<Action> {
    let review = facts.review.as_ref().ok().filter(|review| !wants_changes(review, &facts.change))?;
    let approved = |login: &str| {
        review.opinions.iter().any(|opinion| {
            opinion.reviewer.eq_ignore_ascii_case(login)
                && opinion.verdict == ReviewVerdict::Approved
                && opinion.commit.as_ref() == Some(&facts.change.head_sha)
        })
    };
    let mut knowers = facts.history.as_ref().ok()?.knowers.iter();
    let knower = knowers.find(|knower| knower.name.strip_prefix('@').is_some_and(|login| !approved(login)))?;
    Some(Action::KnowerApproval { name: knower.name.clone(), files: knower.files.clone() })
}

fn resolve_changes_requested(facts: &Facts) -> Option<Action> {
    let opinions = facts.review.as_ref().ok()?.opinions.iter();
    let reviewers: Vec<String> =
        opinions.filter(|opinion| is_against(opinion, &facts.change)).map(|opinion| opinion.reviewer.clone()).collect();
    (!reviewers.is_empty()).then_some(Action::ResolveChangesRequested { reviewers })
}

fn pass_checks(facts: &Facts) -> Option<Action> {
    let checks = facts.checks.as_ref().ok()?;
    let open: Vec<String> = checks.failed.iter().chain(&checks.pending).cloned().collect();
    (!open.is_empty()).then_some(Action::PassChecks { checks: open })
}

/// Not for what undoes an earlier change: with a test added it would no longer be its exact inverse.
fn add_tests(view: &View<'_>, readings: &[Reading]) -> Option<Action> {
    let undoes = matches!(view.facts.change.revert, Ok(Some(_)));
    let possible = !undoes && is_set(readings, "test_churn.untested") && imagined_place(view).is_some();
    possible.then_some(Action::AddTests)
}

/// Facts from before it was kept which lines did not run cannot say which to test.
fn cover_lines(facts: &Facts) -> Option<Action> {
    let coverage = facts.coverage.as_ref().ok().filter(|coverage| coverage.report.is_some())?;
    let lines = coverage.executable.saturating_sub(coverage.covered);
    let files = coverage.files.iter().filter(|file| file.covered < file.executable).map(|file| file.path.clone());
    (lines > 0).then(|| Action::CoverLines { lines, files: files.collect() })
}

/// Only when something is left of the change without its migration.
fn split_off_migration(view: &View<'_>, readings: &[Reading]) -> Option<Action> {
    let change = &view.facts.change;
    let undoes = matches!(change.revert, Ok(Some(_)));
    if undoes || !is_set(readings, "schema_change.any") {
        return None;
    }
    let statements: BTreeSet<&str> = evidence_of("schema_change", readings)
        .filter_map(|evidence| match evidence {
            Evidence::Schema { path, .. } => Some(path.as_str()),
            _ => None,
        })
        .collect();
    let files: Vec<String> = view
        .files()
        .filter(|(file, scan)| scan.kind == PathKind::Migration || statements.contains(file.path.as_str()))
        .map(|(file, _)| file.path.clone())
        .collect();
    (!files.is_empty() && files.len() < change.files.len()).then_some(Action::SplitOffMigration { files })
}

fn wait_for_freeze_end(facts: &Facts) -> Option<Action> {
    let until = freeze_end(facts);
    (until > facts.at).then_some(Action::WaitForFreezeEnd { until })
}

/// The first instant from now on that lies in no freeze; one may follow upon another.
fn freeze_end(facts: &Facts) -> DateTime<Utc> {
    let mut freezes: Vec<_> = facts.declared.freezes.iter().collect();
    freezes.sort_by_key(|freeze| (freeze.from, freeze.until));
    freezes.into_iter().fold(facts.at, |free, freeze| if freeze.from <= free { free.max(freeze.until) } else { free })
}

fn evidence_of<'a>(signal: &str, readings: &'a [Reading]) -> impl Iterator<Item = &'a Evidence> {
    let at = SIGNALS.iter().position(|row| row.id == signal);
    let measure = at.and_then(|at| readings.get(at)).and_then(|reading| reading.as_ref().ok());
    measure.into_iter().flat_map(|measure| &measure.evidence)
}

/// When the last of the fast burns will have left the window, at the latest; `None` where that of one cannot be told.
fn burn_gone(facts: &Facts) -> Option<DateTime<Utc>> {
    let slos = &facts.runtime.as_ref().ok()?.slos;
    let burns = slos.iter().filter_map(|slo| slo.burn.as_ref().ok()).filter(|burn| burn.highest.rate > FAST);
    let latest_s = |burn: &SloBurn| match burn.clearing {
        Clearing::Over { latest_s, .. } | Clearing::Falling { latest_s, .. } => Some(latest_s),
        Clearing::Clear | Clearing::Untold(_) => None,
    };
    let latest: Option<Vec<i64>> = burns.map(latest_s).collect();
    DateTime::from_timestamp(latest?.into_iter().max()?, 0)
}

fn wait_for_bake(facts: &Facts, readings: &[Reading]) -> Option<Action> {
    let baking = is_set(readings, "recent_deploys.baking");
    let hours = facts.runtime.as_ref().ok()?.hours_since_deployment.as_ref().ok().filter(|_| baking)?;
    let left = TimeDelta::seconds(((BAKING_HOURS - hours.max(0.0)) * 3_600.0).ceil() as i64);
    Some(Action::WaitForBake { until: facts.at + left })
}

fn wants_changes(review: &Review, change: &Change) -> bool {
    review.opinions.iter().any(|opinion| is_against(opinion, change))
}

/// By the rule of the signal: what bears no weight there need not be resolved here.
fn is_against(opinion: &Opinion, change: &Change) -> bool {
    opinion.verdict == ReviewVerdict::ChangesRequested && review::counts(opinion, change)
}

/// An owner, as written in CODEOWNERS, approves the current head.
fn approve_as(facts: &mut Facts, owner: &str) {
    let name = owner.trim_start_matches('@');
    // No login holds a slash, so that a team's member cannot be taken for anybody.
    let teams = if name.contains('/') { vec![name.to_owned()] } else { Vec::new() };
    approve(facts, name, teams);
}

/// A person with write access approves the current head; it takes the place of that person's earlier opinion.
fn approve(facts: &mut Facts, reviewer: &str, teams: Vec<String>) {
    let Ok(review) = &mut facts.review else { return };
    review.opinions.retain(|opinion| !opinion.reviewer.eq_ignore_ascii_case(reviewer));
    review.opinions.push(Opinion {
        reviewer: reviewer.to_owned(),
        kind: AuthorKind::Human,
        verdict: ReviewVerdict::Approved,
        commit: Some(facts.change.head_sha.clone()),
        at: facts.at,
        can_write: true,
        on_behalf_of: Ok(teams),
        teams_unknown: Vec::new(),
        changed_since: None,
        compared_until: None,
    });
}

fn satisfy_reviewers(facts: &mut Facts) {
    let Ok(review) = &mut facts.review else { return };
    for opinion in review.opinions.iter_mut().filter(|opinion| is_against(opinion, &facts.change)) {
        opinion.verdict = ReviewVerdict::Approved;
        opinion.commit = Some(facts.change.head_sha.clone());
        opinion.at = facts.at;
    }
}

fn pass_all_checks(facts: &mut Facts) {
    let Ok(checks) = &mut facts.checks else { return };
    let settled = checks.failed.len() + checks.pending.len();
    checks.passed = checks.passed.saturating_add(settled as u64);
    checks.failed.clear();
    checks.pending.clear();
}

fn leave_out(facts: &mut Facts, files: &[String]) {
    let files: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    facts.change.files.retain(|file| !files.contains(file.path.as_str()));
}

/// Where a test would go: beside the source file that grows most, so that the change spreads no further than it has to.
fn imagined_place(view: &View<'_>) -> Option<String> {
    let largest = sources(view).max_by_key(|file| (file.added, Reverse(&file.path)))?;
    test_path(&largest.path).filter(|path| view.facts.change.files.iter().all(|file| file.path != *path))
}

fn sources<'a>(view: &'a View<'_>) -> impl Iterator<Item = &'a FileChange> {
    view.files().filter(|(_, scan)| scan.kind == PathKind::Source).map(|(file, _)| file)
}

fn imagined_test(view: &View<'_>) -> Option<FileChange> {
    let path = imagined_place(view)?;
    let added = sources(view).fold(0u64, |sum, file| sum.saturating_add(file.added));
    let lines = (added / 2).clamp(TEST_LINES.0, TEST_LINES.1);
    let body: String = (1..=lines).map(|line| format!("+check({line});\n")).collect();
    Some(FileChange {
        path,
        previous_path: None,
        status: FileStatus::Added,
        added: lines,
        deleted: 0,
        patch: Ok(Patch(format!("@@ -0,0 +1,{lines} @@\n{body}").into())),
        binary: false,
        submodule: false,
    })
}

/// `src/cart.rs` -> `src/cart_test.rs`, or below `tests` where that does not read as a test.
fn test_path(source: &str) -> Option<String> {
    let (directory, name) = source.rsplit_once('/').map_or(("", source), |(directory, name)| (directory, name));
    let (stem, extension) = name.rsplit_once('.')?;
    let beside = |name: String| if directory.is_empty() { name } else { format!("{directory}/{name}") };
    let names = [format!("{stem}_test.{extension}"), format!("{stem}.test.{extension}"), format!("tests/{name}")];
    names.into_iter().map(beside).find(|path| kind_of(path) == PathKind::Test)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::risk::{
        assess,
        assessment::Assessment,
        signal::read_all,
        stories::{any_facts, file, freeze, opinion, owned, pull_request, stories, text_file},
    };

    fn assessed(facts: &Facts) -> Assessment {
        assess(facts, Model::baseline(), &Policy::default())
    }

    fn after(action: &Action, facts: &Facts) -> Facts {
        let mut after = facts.clone();
        apply(action, &mut after, &View::of(facts));
        after
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn keeps_its_word(facts in any_facts()) {
            let before = assessed(&facts);
            for way in before.ways_down.iter().filter(|way| !matches!(way.action, Action::Split { .. })) {
                let after = assessed(&after(&way.action, &facts));
                prop_assert_eq!(after.score, way.target_score, "{:?}", way.action);
                prop_assert_eq!(before.score - way.target_score, way.points);
                prop_assert!(way.points > 0);
            }
            prop_assert!(before.ways_down.is_sorted_by_key(|way| Reverse(way.points)));
        }

        #[test]
        fn nothing_is_left_out_of_the_new_readings(facts in any_facts()) {
            let (view, readings) = (View::of(&facts), read_all(&facts));
            let mut scratch = facts.clone();
            for action in candidates(&view, &readings) {
                let whole = read_all(&after(&action, &facts));
                if let Some(again) = read_again(&action, &view, &mut scratch, &readings) {
                    let again: Vec<Reading> = again.into_iter().map(Cow::into_owned).collect();
                    prop_assert_eq!(again, whole, "{:?}", action);
                }
                prop_assert_eq!(&scratch, &facts);
            }
        }

        #[test]
        fn an_approval_never_raises_the_score(facts in any_facts()) {
            let mut approved = facts.clone();
            approve(&mut approved, "somebody else", Vec::new());
            prop_assert!(assessed(&approved).score <= assessed(&facts).score);
        }
    }

    #[test]
    fn somebody_who_knows_the_files_is_worth_asking() {
        let (_, mut facts) = stories().into_iter().find(|story| story.0 == "hot files, new author").unwrap();
        facts.history.as_mut().unwrap().knowers[0].name = "@lin".to_owned();
        let asked = |facts: &Facts| {
            assessed(facts).ways_down.into_iter().find_map(|way| match way.action {
                Action::KnowerApproval { name, files } => Some((name, files.len(), way.points)),
                _ => None,
            })
        };
        assert_eq!(asked(&facts), Some(("@lin".to_owned(), 2, 4)));
        approve_as(&mut facts, "@lin");
        assert_eq!(asked(&facts), None);
    }

    #[test]
    fn names_each_action_once_it_helps() {
        let mut facts = pull_request(
            "Gift cards",
            vec![
                file("src/gift.rs", 400, 0),
                file("src/cart.rs", 20, 9),
                text_file("migrations/0043.sql", "DROP TABLE gift;"),
            ],
        );
        facts.review.as_mut().unwrap().opinions.clear();
        facts.ownership = owned(&[
            ("src/gift.rs", &["@ADA", "@acme/gift"]),
            ("src/cart.rs", &["@lin", "@acme/gift"]),
            ("migrations/0043.sql", &["@dba"]),
        ]);
        facts.checks.as_mut().unwrap().pending.push("build".into());
        facts.declared.freezes = vec![freeze(-1, 2), freeze(2, 4), freeze(5, 6)];
        let off = Policy {
            floors: crate::risk::policy::Floors { destructive_migration: None, ..Default::default() },
            ..Policy::default()
        };
        let ways = assess(&facts, Model::baseline(), &off).ways_down;
        let actions: Vec<String> = ways.iter().map(|way| format!("-{} {:?}", way.points, way.action)).collect();
        insta::assert_snapshot!(actions.join("\n"), @r#"
        -22 SplitOffMigration { files: ["migrations/0043.sql"] }
        -15 OwnerApproval { files: ["migrations/0043.sql", "src/cart.rs", "src/gift.rs"], owners: ["@acme/gift", "@dba"] }
        -10 WaitForFreezeEnd { until: 2026-03-10T14:00:00Z }
        -6 Approval
        -5 AddTests
        -2 PassChecks { checks: ["build"] }
        "#);
    }

    #[test]
    fn a_floor_is_lowered_by_what_removes_it_alone() {
        let (_, facts) = stories().into_iter().find(|(name, _)| *name == "destructive migration").unwrap();
        let ways = assessed(&facts).ways_down;
        assert_eq!(ways.len(), 1, "{ways:?}");
        assert!(
            matches!(&ways[0].action, Action::SplitOffMigration { files } if files == &["migrations/0042_orders.sql"])
        );
    }

    #[test]
    fn promises_nothing_by_approvals_while_changes_are_wanted() {
        let mut facts = pull_request("Gift cards", vec![file("src/gift.rs", 4, 0)]);
        facts.review.as_mut().unwrap().opinions = vec![opinion("lin", ReviewVerdict::ChangesRequested)];
        facts.ownership = owned(&[("src/gift.rs", &["@grace"])]);
        let actions: Vec<Action> = assessed(&facts).ways_down.into_iter().map(|way| way.action).collect();
        assert_eq!(actions, [Action::ResolveChangesRequested { reviewers: vec!["lin".into()] }]);
        // Whoever may not push holds nothing up.
        facts.review.as_mut().unwrap().opinions[0].can_write = false;
        let actions: Vec<Action> = assessed(&facts).ways_down.into_iter().map(|way| way.action).collect();
        assert!(
            matches!(actions[..], [Action::OwnerApproval { .. }, Action::Approval, ..]) && actions.len() == 2,
            "{actions:?}"
        );
    }

    #[test]
    fn a_freeze_ends_where_no_other_begins() {
        let mut facts = pull_request("Gift cards", vec![file("src/gift.rs", 40, 0)]);
        facts.declared.freezes = vec![freeze(9, 12), freeze(3, 4), freeze(-3, 3), freeze(5, -5)];
        let until = freeze_end(&facts);
        assert_eq!(until, facts.declared.freezes[1].until);
        let mut then = facts.clone();
        then.at = until;
        let (now, then, applied) =
            (assessed(&facts), assessed(&then), assessed(&after(&Action::WaitForFreezeEnd { until }, &facts)));
        let window = |assessment: &Assessment| {
            let row = assessment.contributions.iter().find(|row| row.signal.id == "change_window").unwrap();
            row.reading.as_ref().unwrap().value
        };
        assert_eq!((window(&now), window(&then), window(&applied)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn the_imagined_test_reads_as_a_test() {
        let check = |source: &str| {
            let facts = pull_request("Gift cards", vec![file(source, 90, 0)]);
            let test = imagined_test(&View::of(&facts)).unwrap();
            assert_eq!((kind_of(&test.path), test.added), (PathKind::Test, 45), "{}", test.path);
        };
        for source in ["src/gift.rs", "gift.py", "web/gift.ts", "a/b/Gift.java", "cmd/gift.go", "lib/gift.rb"] {
            check(source);
        }
    }
}
