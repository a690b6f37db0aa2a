//! What is not known: why, and what would connect it.

use super::{
    Sentence,
    figures::{count, counted},
    list, name, prose, say,
};
use crate::{
    report::Subject,
    risk::facts::{Absence, Reason, Source, Unknown},
};

/// One thing that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// What would be known.
    pub(crate) what: Sentence,
    /// Why it is not.
    pub(crate) why: Sentence,
    /// What would connect it; empty where nothing would.
    pub(crate) way: Sentence,
}

/// All that is missing, one row for each source and reason.
pub(crate) fn missing(subject: &Subject<'_>, items: usize) -> Vec<Missing> {
    let mut groups: Vec<(&Unknown, Vec<&'static str>)> = Vec::new();
    let readings = subject.assessment.contributions.iter();
    let of_signals = readings.filter_map(|one| Some((one.reading.as_ref().err()?, Some(one.signal.label))));
    let of_sources = subject.assessment.sources.iter().filter_map(|one| Some((one.state.as_ref().err()?, None)));
    for (unknown, label) in of_signals.chain(of_sources) {
        match groups.iter_mut().find(|(known, _)| *known == unknown) {
            Some((_, labels)) => labels.extend(label),
            None => groups.push((unknown, label.into_iter().collect())),
        }
    }
    let mut rows: Vec<_> = groups.into_iter().map(|(unknown, labels)| row(unknown, &labels)).collect();
    rows.extend(withheld_lines(subject, items));
    rows
}

fn row(unknown: &Unknown, labels: &[&'static str]) -> Missing {
    let what = if labels.is_empty() {
        say![source(unknown.source)]
    } else {
        Sentence::joined(labels.iter().map(|label| say![*label]), ", ")
    };
    Missing { what, why: why(unknown), way: way(unknown) }
}

/// Files whose changed lines the source withheld.
fn withheld_lines(subject: &Subject<'_>, items: usize) -> Option<Missing> {
    let files: Vec<_> =
        subject.facts.change.files.iter().filter(|file| file.patch.is_err()).map(|file| &file.path).collect();
    if files.is_empty() {
        return None;
    }
    let total = counted(files.len() as u64, "file", "files");
    let what = say!["changed lines of ", total];
    let what = if items == 0 { what } else { what.then(": ").with(list(files.into_iter(), items, "files")) };
    Some(Missing {
        what,
        why: say!["not given, as for large diffs: these files count by their number of lines only"],
        way: say!["a smaller change"],
    })
}

/// A source by the name that people know.
pub(crate) fn source(source: Source) -> &'static str {
    match source {
        Source::Diff => "changed files",
        Source::Reviews => "reviews",
        Source::Codeowners => "CODEOWNERS",
        Source::Checks => "checks of the head commit",
        Source::Policy => "policy file",
        Source::MergeQueue => "merge queue",
        Source::History => "git history",
        Source::Coverage => "test coverage",
        Source::Datadog => "Datadog",
    }
}

/// Why something is not known.
pub(crate) fn why(unknown: &Unknown) -> Sentence {
    told(source(unknown.source), unknown)
}

/// The same of a source that is called `source`.
pub(crate) fn told(source: &'static str, unknown: &Unknown) -> Sentence {
    match &unknown.reason {
        Reason::NotConnected => say![source, ": not connected"],
        Reason::NotApplicable if unknown.source == Source::History => say!["does not apply to this change"],
        Reason::NotApplicable => say!["only a pull request has this"],
        Reason::Forbidden(None) => say![source, ": access refused"],
        Reason::Forbidden(Some(permission)) => say![source, ": access refused for want of ", name(permission)],
        Reason::Unavailable(what) => say![source, ": no answer (", prose(what), ")"],
        Reason::Unusable(what) => say![source, ": ", prose(what)],
        // The only source that takes so long.
        Reason::Loading { percent } => say!["history still loading (", count(u64::from(*percent)), " %)"],
        Reason::Awaited { newest: None } => say![source, ": nothing for this commit yet"],
        Reason::Awaited { newest: Some(commit) } => {
            say![source, ": nothing for this commit yet; the newest, of ", name(short(commit)), ", is not used"]
        }
        Reason::Nothing(absence) => say![absent(*absence)],
        Reason::Partial { seen, total } if unknown.source == Source::Datadog => {
            say!["only ", count(*seen), " of the ", count(*total), " services of this change are asked about"]
        }
        Reason::Partial { seen, total } => say![source, ": only ", count(*seen), " of ", count(*total), " given"],
    }
}

/// As much of a commit's id as people write.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// What would connect it.
pub(crate) fn way(unknown: &Unknown) -> Sentence {
    match &unknown.reason {
        Reason::NotConnected => connect(unknown.source),
        Reason::NotApplicable | Reason::Unusable(_) => Sentence::default(),
        Reason::Forbidden(Some(permission)) if unknown.source == Source::Datadog => {
            say!["grant the Datadog application key ", name(permission)]
        }
        Reason::Forbidden(None) if unknown.source == Source::Datadog => say!["Datadog keys that are good"],
        Reason::Forbidden(Some(permission)) => say!["grant the App ", name(permission)],
        Reason::Forbidden(None) => say!["grant the App read access"],
        Reason::Unavailable(_) if unknown.source == Source::Datadog => {
            say!["the score is made again by itself once it answers, if that changes its level"]
        }
        Reason::Unavailable(_) => say!["Re-score once it answers"],
        Reason::Loading { .. } => say!["the score is made again by itself once it is loaded"],
        Reason::Awaited { .. } => say!["the score is made again by itself when it comes"],
        Reason::Nothing(Absence::Service) => say![
            "a line such as ",
            name("services: { payments-api: { paths: [\"apps/payments/**\"] } }"),
            " in ",
            name(".github/mergecast.yml"),
            ", or the service's source patterns or code locations in Datadog's catalogue"
        ],
        Reason::Nothing(Absence::Slo) => {
            say![
                "an SLO tagged ",
                name("service:NAME"),
                " in Datadog, or its id under ",
                name("slos"),
                " in the policy"
            ]
        }
        Reason::Nothing(Absence::Deployments) => say!["deployments told to Datadog's DORA Metrics"],
        Reason::Nothing(Absence::TestRuns) => say!["test runs told to Datadog's Test Optimization"],
        Reason::Nothing(Absence::Data | Absence::Traffic | Absence::NotThere) => Sentence::default(),
        Reason::Partial { .. } => say!["a smaller change"],
    }
}

/// What a source that has answered has nothing of.
fn absent(absence: Absence) -> &'static str {
    match absence {
        Absence::Service => "no service mapped",
        Absence::Slo => "Datadog knows no SLO of the service",
        Absence::Data => "the service's SLOs have no data",
        Absence::Traffic => "so little traffic that one bad event would decide",
        Absence::Deployments => "Datadog knows no deployment of the service",
        Absence::TestRuns => "Datadog knows no test run of this repository",
        Absence::NotThere => "Datadog does not have it on this site",
    }
}

fn connect(source: Source) -> Sentence {
    match source {
        Source::History => say!["a mirror of the repository, which the server keeps under its data directory"],
        Source::Coverage => say!["coverage reports uploaded by CI, Codecov or SonarQube"],
        Source::Datadog => say![name("DD_API_KEY"), " and ", name("DD_APP_KEY"), " in the server's settings"],
        Source::Reviews | Source::Checks | Source::Diff => say!["the pull request on GitHub"],
        Source::Codeowners => say!["a CODEOWNERS file on the base branch"],
        Source::MergeQueue => say!["a merge queue on the base branch"],
        Source::Policy => say![".github/mergecast.yml on the base branch"],
    }
}
