//! Signals: each measures one thing about a change. `SIGNALS` is the one table; score, report, documentation and
//! model weights are read off it. A signal never fetches, never fails and never guesses: what it cannot read is unknown.

use std::sync::Arc;

use super::{
    diff::View,
    facts::{
        CarriedCoverage, CoChange, CoverageReport, CoverageTotal, Facts, Failures, FlagCoverage, Known, OtherCoverage,
        OwnCount, OwnerRule, PassedOver, PullCoverage, Rates, Reason, Series, SeriesPart, Source, Unknown,
    },
};

mod age;
mod burn_rate;
mod change_fail_rate;
mod change_kind;
mod change_window;
mod checks;
mod churn;
mod co_change;
mod dependency_update;
mod developers;
mod diffusion;
mod directory_defects;
mod entropy;
mod error_budget;
mod experience;
mod file_type_defects;
mod flaky_tests;
mod health;
mod open_incidents;
mod owner_review;
mod patch_coverage;
mod prior_defects;
mod pull_request_age;
mod recent_deploys;
mod reland;
mod repository_defects;
mod revert;
pub(super) mod review;
mod schema_change;
mod sensitive_paths;
mod series;
mod test_churn;
mod topic_defects;

pub use health::Health;
pub use prior_defects::Thing;
pub(super) use recent_deploys::BAKING_HOURS;

/// All signals, in the order in which they are shown.
pub static SIGNALS: [&Signal; 32] = [
    &churn::SIGNAL,
    &diffusion::SIGNAL,
    &entropy::SIGNAL,
    &test_churn::SIGNAL,
    &change_kind::SIGNAL,
    &schema_change::SIGNAL,
    &sensitive_paths::SIGNAL,
    &review::SIGNAL,
    &owner_review::SIGNAL,
    &checks::SIGNAL,
    &pull_request_age::SIGNAL,
    &change_window::SIGNAL,
    &dependency_update::SIGNAL,
    &revert::SIGNAL,
    &reland::SIGNAL,
    &prior_defects::SIGNAL,
    &directory_defects::SIGNAL,
    &file_type_defects::SIGNAL,
    &topic_defects::SIGNAL,
    &repository_defects::SIGNAL,
    &experience::SIGNAL,
    &developers::SIGNAL,
    &age::SIGNAL,
    &co_change::SIGNAL,
    &series::SIGNAL,
    &patch_coverage::SIGNAL,
    &burn_rate::SIGNAL,
    &error_budget::SIGNAL,
    &open_incidents::SIGNAL,
    &flaky_tests::SIGNAL,
    &recent_deploys::SIGNAL,
    &change_fail_rate::SIGNAL,
];

/// Reads all signals, in the order of [`SIGNALS`].
pub fn read_all(facts: &Facts) -> Vec<Reading> {
    let view = View::of(facts);
    SIGNALS.iter().map(|signal| (signal.measure)(&view)).collect()
}

/// One measured property of a change.
pub struct Signal {
    /// Name in the model, in the JSON and on the command line: lower snake case.
    pub id: &'static str,
    /// Short name for people, lower case.
    pub label: &'static str,
    /// Unit of [`Measure::value`].
    pub unit: Unit,
    /// Why it matters, in one sentence.
    pub why: &'static str,
    /// The terms that it gives to the model, in the order of [`Measure::terms`].
    pub terms: &'static [Term],
    /// Reads it.
    pub measure: fn(&View<'_>) -> Reading,
}

/// A number that the model weighs.
pub struct Term {
    /// Name in the model: `signal.term`.
    pub id: &'static str,
    /// How it is computed from what was measured, for the documentation.
    pub transform: &'static str,
}

/// Unit of a measured value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Lines of code.
    Lines,
    /// A number of things.
    Count,
    /// A share between 0 and 1.
    Ratio,
    /// Days.
    Days,
    /// Hours.
    Hours,
    /// A multiple, such as a burn rate.
    Times,
    /// Yes (1) or no (0).
    Flag,
}

/// What one signal says: a measure, or why there is none.
pub type Reading = Known<Measure>;

/// A measured value with the terms for the model and the facts that show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// The value that people see, in the signal's unit.
    pub value: f64,
    /// One number for each of the signal's terms, in their order.
    pub terms: Vec<f64>,
    /// What the value rests on.
    pub evidence: Vec<Evidence>,
}

impl Measure {
    /// A measure with one term.
    fn single(value: f64, term: f64, evidence: Vec<Evidence>) -> Reading {
        Ok(Self { value, terms: vec![term], evidence })
    }
}

/// 1 for yes, 0 for no.
fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// ln(1 + count).
fn ln1p(count: u64) -> f64 {
    (count as f64).ln_1p()
}

/// A ratio of rates from its logarithm, within what can be shown.
fn times(log_rate: f64) -> f64 {
    log_rate.clamp(-10.0, 10.0).exp()
}

/// A mean rate of rollbacks, with the thing that has the highest.
fn rolled_back(rates: Rates, worst: Option<&Failures>, thing: Thing) -> Measure {
    let evidence = worst.cloned().map(|failures| Evidence::RolledBack { thing, failures });
    Measure { value: times(rates.mean), terms: vec![rates.mean], evidence: evidence.into_iter().collect() }
}

/// `part` of `whole`, 0 of nothing.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part.min(whole) as f64 / whole as f64 }
}

/// A number from outside, which is unknown when it is none.
fn finite(number: f64, source: Source) -> Known<f64> {
    let reason = || Reason::Unavailable("not a number".into());
    if number.is_finite() { Ok(number) } else { Err(Unknown { source, reason: reason() }) }
}

/// A fact that shows why a signal reads as it does. Data; the sentences live in `report`.
/// Paths, names and text in it come from outside and are untrusted.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// Lines that count: added and deleted, and how many lines were left out as generated, vendored, lock files or white space.
    Lines {
        /// Added lines that count.
        added: u64,
        /// Deleted lines that count.
        deleted: u64,
        /// Lines of tests and documentation, which are not weighed here.
        beside: u64,
        /// Lines left out.
        discounted: u64,
    },
    /// How far the change is spread.
    Spread {
        /// Changed files.
        files: u64,
        /// Directories that hold them.
        directories: u64,
        /// Top-level directories that hold them.
        subsystems: u64,
    },
    /// Share of the changed lines that lies in the file with most of them.
    LargestFile {
        /// Its path.
        path: String,
        /// 0-1.
        share: f64,
    },
    /// Source lines and test lines that were added or deleted.
    TestsAlong {
        /// Changed lines in source files.
        source: u64,
        /// Changed lines in test files.
        test: u64,
    },
    /// What kind of change the title and the paths say this is.
    Kind {
        /// One of the names of `change_kind`.
        kind: &'static str,
        /// What says so.
        from: &'static str,
    },
    /// A schema statement found in added lines.
    Schema {
        /// File that holds it.
        path: String,
        /// 1-based line on the new side.
        line: u64,
        /// What it does.
        effect: SchemaEffect,
        /// Which statement, in our own words ("DROP TABLE orders").
        statement: String,
    },
    /// A changed file below a sensitive path.
    Sensitive {
        /// Its path.
        path: String,
        /// Which area: infrastructure, auth, payments, ci, dependencies, or the policy's pattern.
        area: String,
    },
    /// Standing reviews.
    Reviews {
        /// Approvals of the current head by people with write access.
        approvals_current: u64,
        /// Approvals of an earlier commit.
        approvals_stale: u64,
        /// Reviewers who want changes.
        changes_requested: u64,
        /// Review threads that are not resolved.
        unresolved_threads: u64,
    },
    /// Reviews that are not counted, and what the branch asks for.
    ReviewsAside {
        /// By bots and Apps.
        by_bots: u64,
        /// Dismissed.
        dismissed: u64,
        /// Approvals of the current head by whose account is behind it.
        by_pusher: u64,
        /// Approvals that the branch asks for; 0 where it asks for none or that is not known.
        needed: u64,
    },
    /// A large change was approved soon after its newest commit was made. About the review, not about who gave it.
    ReviewPace {
        /// Minutes between them, at most: the commit may have been pushed later.
        minutes: u64,
        /// Lines that count.
        lines: u64,
    },
    /// A changed file whose owners have not approved what it holds now.
    OwnerMissing {
        /// Its path.
        path: String,
        /// The rule in force.
        rule: Arc<OwnerRule>,
    },
    /// A changed file of which it is not known whether one of its owners has approved.
    OwnerUnknown {
        /// Its path.
        path: String,
        /// The rule in force.
        rule: Arc<OwnerRule>,
    },
    /// Checks that failed, by name.
    ChecksFailed(Vec<String>),
    /// Checks that are not finished, by name.
    ChecksPending(Vec<String>),
    /// How long it has been open.
    OpenFor {
        /// Days.
        days: f64,
    },
    /// Only a part could be looked at; the value is what that part amounts to.
    Partly {
        /// How many were looked at.
        seen: u64,
        /// How many there are.
        total: u64,
        /// Of what: "files" or "bytes"; of "statements" all were looked at and so many are named.
        of: &'static str,
    },
    /// The draft state, which has no points.
    Draft,
    /// Hour and weekday (UTC) in words; shown as a note without points, since they predict nothing.
    MergeTime {
        /// Such as "Friday 16:40 UTC".
        at: String,
    },
    /// A freeze is in force.
    Frozen {
        /// Its name.
        name: String,
        /// First instant after it.
        until: chrono::DateTime<chrono::Utc>,
    },
    /// A dependency that moves.
    Dependency {
        /// Package name.
        package: String,
        /// Version before.
        from: Option<String>,
        /// Version after.
        to: Option<String>,
        /// How far, in semver words: major, minor, patch, lock-only, unknown.
        step: &'static str,
        /// Only needed for development.
        development: bool,
    },
    /// The change undoes an earlier one.
    Undoes {
        /// Commit or pull request, as written.
        of: String,
        /// Its patch is the exact inverse.
        proven: bool,
    },
    /// The change brings back what was taken out, by its title.
    Relands,
    /// How earlier changes to the thing with most rollbacks ended.
    RolledBack {
        /// What kind of thing.
        thing: Thing,
        /// Which, and how often.
        failures: Failures,
    },
    /// No change to the touched files was rolled back.
    NeverRolledBack {
        /// Touched files that existed before.
        files: u64,
    },
    /// Rollbacks in the repository in the last 7 days.
    RollbacksOfLate {
        /// How many.
        rollbacks: u64,
        /// How many are usual for as many changes as landed in that time.
        usual: f64,
    },
    /// Who has changed the touched files.
    Developers {
        /// How many people.
        people: u64,
        /// How many besides the author in the last 14 days.
        others_14d: u64,
    },
    /// When the touched files were last changed.
    LastChanged {
        /// Days ago; `None` where none existed.
        days: Option<f64>,
        /// Changes to the one with most of them, older ones counting less.
        churn: f64,
    },
    /// A file that usually changes along and is not touched.
    CoChange(CoChange),
    /// The author's changes in the same places in the last 24 hours.
    Series(Series),
    /// The author's other pull requests in the same places within a day.
    SeriesParts(Vec<SeriesPart>),
    /// How well the author knows the touched files.
    Familiarity {
        /// Touched files that existed before.
        files: u64,
        /// Those that the author has changed before.
        own: u64,
        /// Those that the author has changed before, or somebody who has and has approved.
        known: u64,
    },
    /// Somebody who has changed files that the author has not.
    Knows {
        /// Login with `@`, or name.
        name: String,
        /// How many of them.
        files: u64,
    },
    /// Changed executable lines that tests ran.
    CoveredLines {
        /// Executable changed lines.
        executable: u64,
        /// Those that ran.
        covered: u64,
    },
    /// Too few changed executable lines for their share to be weighed.
    FewLines,
    /// Changed lines that no test ran, one after the other.
    Uncovered {
        /// File that holds them.
        path: String,
        /// First line on the new side, 1-based.
        first: u64,
        /// Last line.
        last: u64,
        /// Changed executable lines in it.
        lines: u64,
    },
    /// What else is known of coverage; it has no points.
    Coverage(CoverageNote),
    /// A burn rate.
    Burn {
        /// Multiple of the pace that spends the budget exactly in its period.
        rate: f64,
    },
    /// Open incidents, by name.
    Incidents(Vec<String>),
    /// Something else that was read of a service.
    Health(Health),
}

/// What is known of coverage besides the changed lines.
#[derive(Clone, Debug, PartialEq)]
pub enum CoverageNote {
    /// Coverage of the touched files, as a whole.
    Files {
        /// Touched files that the report tells of.
        files: u64,
        /// Their executable lines.
        lines: u64,
        /// Those that ran.
        covered: u64,
    },
    /// Changed source files that the report does not know.
    Absent(Vec<String>),
    /// Coverage of everything, against the merge base.
    Total(CoverageTotal),
    /// Which report this is.
    From(CoverageReport),
    /// Files of the report that fit several of the repository's.
    Ambiguous(u64),
    /// Another source says something else.
    Elsewhere(OtherCoverage),
    /// A source could not be asked, or knows nothing of the commit.
    PassedOver(PassedOver),
    /// A part that is of an earlier commit and was not used.
    Carried(CarriedCoverage),
    /// What the source concluded by its own rules.
    Gate(String),
    /// Coverage of everything, by the parts of the report.
    Flags(Vec<FlagCoverage>),
    /// What Codecov itself counts for the pull request.
    OwnCount(OwnCount),
    /// The reports of a merge group's pull requests.
    PullRequests(Vec<PullCoverage>),
    /// Changed files of which nothing is counted, for want of their changed lines.
    Unread(u64),
}

/// What a schema statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaEffect {
    /// Destroys data or breaks code that runs against the old schema: DROP, TRUNCATE, RENAME.
    Destructive,
    /// Holds a lock that blocks writers while it runs.
    Locking,
    /// Changes the schema without either.
    Additive,
}

impl PartialEq for Signal {
    /// Signals are rows of one table: the id says which.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl std::fmt::Debug for Signal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::risk::{
        facts::{Declared, FileChange, FileStatus},
        patch::Patch,
        stories::{any_facts, pull_request},
    };

    #[test]
    fn names_are_unique_and_well_formed() {
        let snake = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let mut seen = HashSet::new();
        for signal in SIGNALS {
            assert!(snake(signal.id) && seen.insert(signal.id), "{}", signal.id);
            assert!(!signal.label.is_empty() && !signal.terms.is_empty() && signal.why.ends_with('.'), "{}", signal.id);
            for term in signal.terms {
                let (owner, name) = term.id.split_once('.').unwrap();
                assert!(owner == signal.id && snake(name) && seen.insert(term.id), "{}", term.id);
                assert!(!term.transform.is_empty(), "{}", term.id);
            }
        }
    }

    fn sane(facts: &Facts) -> Result<(), TestCaseError> {
        let readings = read_all(facts);
        prop_assert_eq!(readings.len(), SIGNALS.len());
        for (signal, reading) in SIGNALS.iter().zip(&readings) {
            let Ok(measure) = reading else { continue };
            prop_assert_eq!(measure.terms.len(), signal.terms.len(), "{}", signal.id);
            prop_assert!(measure.value.is_finite() && measure.terms.iter().all(|x| x.is_finite()), "{:?}", reading);
        }
        prop_assert_eq!(readings, read_all(facts));
        Ok(())
    }

    fn hostile_path() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "(src|db|migrations|vendor|\\.github|a\u{301}|\u{202e}|\\.\\.|/|//|\\.|\\.sql|\\.rb|\\.py|Cargo\\.toml|package\\.json|go\\.mod|pom\\.xml|Test|\u{1F600}){0,8}",
        ]
    }

    fn hostile_file() -> impl Strategy<Value = FileChange> {
        let count = || prop_oneof![0..50_u64, Just(u64::MAX), any::<u64>()];
        let patch = "(@@ -[0-9]{1,21},[0-9]{1,3} \\+[0-9]{1,21},[0-9]{1,3} @@ ?|\n[-+ ]|\n\\\\|DROP TABLE a;|\"b\": \"\\^1.2\"|\t|\r|'|\\PC{0,5}){0,30}";
        let status = prop::sample::select(vec![
            FileStatus::Added,
            FileStatus::Modified,
            FileStatus::Removed,
            FileStatus::Renamed,
            FileStatus::Copied,
            FileStatus::Changed,
            FileStatus::Unchanged,
        ]);
        let flags = (any::<bool>(), any::<bool>(), any::<bool>());
        (hostile_path(), prop::option::of(hostile_path()), status, count(), count(), patch, flags).prop_map(
            |(path, previous_path, status, added, deleted, patch, (given, binary, submodule))| FileChange {
                path,
                previous_path,
                status,
                added,
                deleted,
                patch: if given { Ok(Patch(patch.into())) } else { Err(Unknown::not_connected(Source::Diff)) },
                binary,
                submodule,
            },
        )
    }

    proptest! {
        #[test]
        fn any_facts_give_finite_readings(facts in any_facts()) {
            sane(&facts)?;
        }

        #[test]
        fn hostile_files_give_finite_readings(
            title in any::<String>(),
            files in proptest::collection::vec(hostile_file(), 0..6),
            globs in proptest::collection::vec("[*?\\[\\]{}a/!,\\\\]{0,12}|\\PC{0,6}", 0..4),
            points in any::<f64>(),
            total in any::<u64>(),
        ) {
            let mut facts = pull_request(&title, files);
            facts.change.files_total = total;
            let sensitive_paths = globs.iter().map(|glob| (glob.clone(), points)).collect();
            facts.declared = Declared { ignore: globs, sensitive_paths, ..Declared::default() };
            facts.change.created_at = Some(chrono::DateTime::<chrono::Utc>::MIN_UTC);
            sane(&facts)?;
            facts.at = chrono::DateTime::<chrono::Utc>::MAX_UTC;
            sane(&facts)?;
        }
    }
}
