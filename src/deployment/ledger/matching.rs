//! Which witnesses saw the same deployment. Witnesses of one service come in; everything is put in an order of its own
//! first and ties are broken by ids, so that the order in which they came decides nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::super::build::Build;
use super::super::sighting::{Rollout, Source, WitnessId};
use super::super::witness::{Skew, Witness};
use super::{Environment, PRODUCTION, Settings};

/// Witnesses that name the same build saw the same deployment if so much lies between what they saw, at most. A pipeline
/// reports when it ends, a tracker when the first request meets the new version.
const SAME_BUILD_WITHIN: TimeDelta = TimeDelta::hours(1);
/// The same for witnesses that share no name of the build, and contradict each other in nothing.
const SAME_TIME_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// A rollout has reached its last cluster by then.
const ROLLED_OUT_WITHIN: TimeDelta = TimeDelta::hours(1);
/// A release is of a deployment of the same build within this time, before or after it.
const RELEASED_WITHIN: TimeDelta = TimeDelta::days(7);

/// A deployment in the making.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) environment: Option<Environment>,
    pub(super) build: Build,
    /// Those believed most first.
    pub(super) witnesses: Vec<Witness>,
    /// Releases of the same build; they tell no time.
    pub(super) releases: Vec<Witness>,
    /// Records that say again what another record of the same source says.
    pub(super) again: Vec<WitnessId>,
    span: (DateTime<Utc>, DateTime<Utc>),
}

impl Draft {
    fn of(witness: Witness, settings: &Settings) -> Self {
        let span = witness.span();
        let environment = environment(&witness, settings);
        let build = witness.build.clone();
        Self { environment, build, witnesses: vec![witness], releases: Vec::new(), again: Vec::new(), span }
    }

    /// When it took effect, by the witness that is believed most of those whose times are in order; else by a beginning.
    pub(super) fn at(&self) -> Option<DateTime<Utc>> {
        let without = |skew: Option<Skew>| self.witnesses.iter().find(move |witness| witness.skew() == skew);
        without(None).or_else(|| without(Some(Skew::Backwards))).map(Witness::at)
    }

    fn id(&self) -> &WitnessId {
        &self.witnesses[0].id
    }

    fn name(&self) -> Option<&str> {
        self.environment.as_ref().map(|environment| environment.name.as_str())
    }

    fn is_production(&self) -> bool {
        self.environment.as_ref().is_some_and(|environment| environment.production)
    }

    /// The rollout that got furthest is the one that happened: a source that saw it fail may have given up too early.
    pub(super) fn rollout(&self) -> Rollout {
        self.witnesses.iter().map(|witness| witness.rollout).max().unwrap_or(Rollout::InProgress)
    }

    fn is_over(&self) -> bool {
        self.rollout() != Rollout::InProgress
    }

    fn join(&mut self, other: Self) {
        match (&mut self.environment, other.environment) {
            (Some(own), Some(told)) => own.production |= told.production,
            (own @ None, told) => *own = told,
            (Some(_), None) => {}
        }
        self.build.learn(&other.build);
        self.span = (self.span.0.min(other.span.0), self.span.1.max(other.span.1));
        self.witnesses.extend(other.witnesses);
        self.again.extend(other.again);
    }
}

fn environment(witness: &Witness, settings: &Settings) -> Option<Environment> {
    match &witness.env {
        Some(name) => {
            let known = settings.environment(name);
            Some(Environment { production: known.production || witness.production, ..known })
        }
        None => witness.production.then(|| Environment { name: PRODUCTION.to_owned(), production: true }),
    }
}

/// One draft for each deployment of a service. Source by source, in the order in which they are believed, each record is
/// given to the deployment it fits best; what fits none is a deployment of its own.
pub(super) fn drafts(witnesses: Vec<Witness>, settings: &Settings) -> Vec<Draft> {
    let mut of_sources: BTreeMap<Source, Vec<Witness>> = BTreeMap::new();
    for witness in witnesses {
        of_sources.entry(witness.id.source).or_default().push(witness);
    }
    let mut drafts: Vec<Draft> = Vec::new();
    for (_, witnesses) in of_sources {
        let told = of_one_source(witnesses, settings);
        drafts = if drafts.is_empty() { told } else { matched(drafts, told) };
    }
    drafts
}

/// Records of one source are of different deployments, but for two cases: the same record sent twice under two ids, and the
/// parts of a rollout over several clusters.
fn of_one_source(mut witnesses: Vec<Witness>, settings: &Settings) -> Vec<Draft> {
    witnesses.sort_by(|a, b| (a.at(), &a.id).cmp(&(b.at(), &b.id)));
    let mut open: BTreeMap<Option<String>, Vec<Draft>> = BTreeMap::new();
    for witness in witnesses {
        let draft = Draft::of(witness, settings);
        let drafts = open.entry(draft.name().map(str::to_owned)).or_default();
        let near = |one: &&mut Draft| draft.witnesses[0].at() - one.witnesses[0].at() <= ROLLED_OUT_WITHIN;
        let fits = |one: &mut Draft| {
            one.build.is(&draft.build) == Some(true) && (repeats(one, &draft) || extends(one, &draft))
        };
        match drafts.iter_mut().rev().take_while(near).find_map(|one| fits(one).then_some(one)) {
            Some(one) => {
                if repeats(one, &draft) {
                    one.again.push(draft.id().clone());
                }
                one.join(draft);
            }
            None => drafts.push(draft),
        }
    }
    open.into_values().flatten().collect()
}

/// The same is said of the same cluster, to the second.
fn repeats(one: &Draft, other: &Draft) -> bool {
    let other = &other.witnesses[0];
    let says = |witness: &Witness| (witness.at().timestamp(), witness.cluster.clone());
    one.witnesses.iter().any(|witness| says(witness) == says(other))
}

/// The rollout goes on in another cluster.
fn extends(one: &Draft, other: &Draft) -> bool {
    let cluster = &other.witnesses[0].cluster;
    cluster.is_some() && one.witnesses.iter().all(|witness| witness.cluster.is_some() && witness.cluster != *cluster)
}

/// How well two fit: same build and environment, same build alone, same environment and time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Same,
    EnvironmentUntold,
    BuildUntold,
}

fn fit(one: &Draft, other: &Draft, apart: TimeDelta) -> Option<Fit> {
    let environment = match (one.name(), other.name()) {
        (Some(one), Some(other)) if one != other => return None,
        (Some(_), Some(_)) => true,
        _ => false,
    };
    match (one.build.is(&other.build), environment) {
        (Some(false), _) => None,
        (Some(true), _) if apart > SAME_BUILD_WITHIN => None,
        (Some(true), true) => Some(Fit::Same),
        (Some(true), false) => Some(Fit::EnvironmentUntold),
        (None, true) if apart <= SAME_TIME_WITHIN => Some(Fit::BuildUntold),
        (None, _) => None,
    }
}

/// Gives what a further source tells to the drafts of the earlier ones, best pairs first; each side is given away once.
fn matched(mut drafts: Vec<Draft>, told: Vec<Draft>) -> Vec<Draft> {
    drafts.sort_by(|a, b| (a.span.1, a.id()).cmp(&(b.span.1, b.id())));
    let longest = drafts.iter().map(|draft| draft.span.1 - draft.span.0).max().unwrap_or_default();
    let mut pairs = Vec::new();
    for (there, other) in told.iter().enumerate() {
        let first = drafts.partition_point(|draft| draft.span.1 < other.span.0 - SAME_BUILD_WITHIN);
        let ended = other.span.1 + SAME_BUILD_WITHIN + longest;
        for (here, draft) in drafts.iter().enumerate().skip(first).take_while(|(_, draft)| draft.span.1 <= ended) {
            let apart = (draft.span.0.max(other.span.0) - draft.span.1.min(other.span.1)).max(TimeDelta::zero());
            let ends_apart = (draft.span.1 - other.span.1).abs();
            // A rollout that failed and one that went well are the same one only if nothing fits better.
            let disputed = draft.is_over() && other.is_over() && draft.rollout() != other.rollout();
            // Sources tell the end alike, and the beginning each in its own way.
            let rank = |fit: Fit| (fit, disputed, ends_apart, apart, draft.id(), other.id(), here, there);
            pairs.extend(fit(draft, other, apart).map(rank));
        }
    }
    pairs.sort_unstable();
    let (mut given, mut taken) = (BTreeMap::new(), HashSet::new());
    for (.., here, there) in pairs {
        if !given.contains_key(&there) && taken.insert(here) {
            given.insert(there, here);
        }
    }
    let mut alone = Vec::new();
    for (there, other) in told.into_iter().enumerate() {
        match given.get(&there) {
            Some(here) => drafts[*here].join(other),
            None => alone.push(other),
        }
    }
    drafts.extend(alone);
    drafts
}

/// Gives each release to the deployment to production that is nearest to it and of the same build, and gives back those
/// for which there is none.
pub(super) fn attach(releases: Vec<Witness>, drafts: &mut [Draft]) -> Vec<Witness> {
    drafts.sort_by(|a, b| (a.span.1, a.id()).cmp(&(b.span.1, b.id())));
    let mut alone = Vec::new();
    for release in releases {
        let at = release.at();
        let first = drafts.partition_point(|draft| draft.span.1 < at - RELEASED_WITHIN);
        let near = drafts.iter_mut().skip(first).take_while(|draft| draft.span.1 <= at + RELEASED_WITHIN);
        let of_it = near.filter(|draft| draft.is_production() && draft.build.is(&release.build) == Some(true));
        match of_it.min_by_key(|draft| ((draft.span.1 - at).abs(), Reverse(draft.span.1))) {
            Some(draft) => draft.releases.push(release),
            None => alone.push(release),
        }
    }
    for draft in drafts {
        for release in &draft.releases {
            draft.build.learn(&release.build);
        }
    }
    alone
}
