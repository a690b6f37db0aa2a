//! What sources tell of the year: each in its own way, some late, some twice, some wrong, some not at all; and what is
//! told besides of staging, of rollouts that failed, and of releases that nobody deployed.

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use mergecast::deployment::change::Shipped;
use mergecast::deployment::failures::BurnWindow;
use mergecast::deployment::incident::{Activity, IncidentId, Keeper, Telling};
use mergecast::deployment::ledger::Settings;
use mergecast::deployment::sighting::{Rollout, Sighting, Source, WitnessId};

use super::world::{Deployed, Happened, SERVICES, World};

/// Everything that reaches Mergecast of a year.
#[derive(Default)]
pub(super) struct Told {
    pub(super) sightings: Vec<Sighting>,
    pub(super) tellings: Vec<Telling>,
    pub(super) shipped: Shipped,
    pub(super) burns: Vec<BurnWindow>,
    /// Records that repeat another one under their own id, and releases without a deployment: what has to be found odd.
    pub(super) repeated: usize,
    pub(super) released_alone: usize,
    pub(super) backwards: usize,
    pub(super) partial: usize,
    /// Rollouts that failed: of which service, and when.
    pub(super) broken: Vec<(usize, DateTime<Utc>)>,
}

pub(super) fn told(world: &World, seed: u64) -> Told {
    let (mut told, mut rng) = (Told::default(), Rng::with_seed(seed ^ 0x5eed));
    for (number, deployed) in world.deployed.iter().enumerate() {
        let witness = first(world, number);
        told.shipped.extend(deployed.changes.clone().map(|changes| (witness.clone(), changes)));
        told.burns.extend(deployed.burn.map(|(before, after)| BurnWindow {
            deployment: witness,
            slo: format!("{} latency", SERVICES[deployed.service].name),
            before,
            after,
        }));
        for source in SERVICES[deployed.service].sources {
            told.production(*source, number, deployed, &mut rng);
        }
        told.elsewhere(number, deployed, &mut rng);
    }
    for (number, happened) in world.happened.iter().enumerate() {
        told.tellings.extend(incident(number, happened));
    }
    told
}

/// The settings of the organisation.
pub(super) fn settings() -> Settings {
    let services = SERVICES.iter().map(|one| (format!("github.com/acme/{}", one.name), [one.name.to_owned()].into()));
    let teams = SERVICES.iter().map(|one| (one.name.to_owned(), one.team.to_owned()));
    Settings { services: services.collect(), teams: teams.collect(), ..Settings::default() }
}

/// What a deployment is called by the source that is believed most.
pub(super) fn first(world: &World, number: usize) -> WitnessId {
    let source = SERVICES[world.deployed[number].service].sources[0];
    WitnessId { source, id: id(source, number) }
}

/// Which deployment a record is of, by its id.
pub(super) fn number_of(witness: &WitnessId) -> usize {
    witness.id.split('-').nth(1).unwrap().parse().unwrap()
}

pub(super) fn commit(build: usize) -> String {
    format!("{:040x}", (build as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn id(source: Source, number: usize) -> String {
    let kind = match source {
        Source::Api => "run",
        Source::GithubDeployment => "deployment",
        Source::DatadogDora => "dora",
        Source::DatadogEvent => "event",
        Source::GithubRelease => "release",
    };
    format!("{kind}-{number}")
}

impl Told {
    fn production(&mut self, source: Source, number: usize, deployed: &Deployed, rng: &mut Rng) {
        let service = &SERVICES[deployed.service];
        let is_first = source == service.sources[0];
        if !is_first && rng.u8(0..100) < 5 {
            return;
        }
        // Others see it some time after it took effect.
        let at = if is_first { deployed.at } else { deployed.at + TimeDelta::seconds(rng.i64(0..180)) };
        let mut one = sighting(source, id(source, number), deployed, at, rng);
        match source {
            Source::Api => return self.by_clusters(one, number, deployed.service, rng),
            Source::GithubDeployment => {
                let (mut begun, mut done) = (one.clone(), one);
                (begun.said_at, begun.finished_at, begun.rollout) = (deployed.started, None, Rollout::InProgress);
                (done.started_at, done.said_at) = (None, at);
                return self.sightings.extend([begun, done]);
            }
            Source::DatadogDora if !is_first && rng.u8(0..100) < 2 => {
                one.finished_at = one.started_at.map(|started| started - TimeDelta::minutes(10));
                one.started_at = Some(at);
                self.backwards += 1;
            }
            Source::DatadogEvent => (one.started_at, one.finished_at, one.said_at) = (None, None, at),
            // Brought back, it is no new release.
            Source::GithubRelease if deployed.build != number => return,
            _ => {}
        }
        self.sightings.push(one);
    }

    /// The pipeline tells of each cluster, one after the other, and sometimes tells twice.
    fn by_clusters(&mut self, one: Sighting, number: usize, service: usize, rng: &mut Rng) {
        let clusters = SERVICES[service].clusters;
        if clusters.is_empty() {
            if rng.u8(0..100) < 2 {
                let mut again = one.clone();
                again.witness.id = format!("{}-again", one.witness.id);
                self.sightings.push(again);
                self.repeated += 1;
            }
            return self.sightings.push(one);
        }
        let stopped = rng.u8(0..100) < 3 && number % 2 == 1;
        self.partial += usize::from(stopped);
        for (place, cluster) in clusters.iter().enumerate().take(clusters.len() - usize::from(stopped)) {
            let mut part = one.clone();
            part.cluster = Some((*cluster).to_owned());
            let later = TimeDelta::minutes(3 * place as i64);
            part.finished_at = part.finished_at.map(|at| at + later);
            part.received_at = part.received_at.map(|at| at + later);
            part.said_at += later;
            if place > 0 {
                part.witness.id = format!("{}-{cluster}", one.witness.id);
            }
            self.sightings.push(part);
        }
    }

    /// Staging, a rollout that failed, a release that nobody deployed.
    fn elsewhere(&mut self, number: usize, deployed: &Deployed, rng: &mut Rng) {
        let service = &SERVICES[deployed.service];
        for source in service.sources.iter().filter(|source| **source != Source::GithubRelease) {
            let at = deployed.at - TimeDelta::minutes(40);
            let mut one = sighting(*source, format!("staging-{number}-{source:?}"), deployed, at, rng);
            (one.env, one.production) = (Some("staging".to_owned()), false);
            self.sightings.push(one);
        }
        if rng.u8(0..100) < 3 {
            let at = deployed.at - TimeDelta::minutes(9);
            let mut one = sighting(service.sources[0], format!("broken-{number}"), deployed, at, rng);
            one.commit_sha = one.commit_sha.map(|_| commit(1_000_000 + number));
            one.version = one.version.map(|_| format!("0.0.{number}-broken"));
            one.rollout = Rollout::Failed;
            self.broken.push((deployed.service, at));
            self.sightings.push(one);
        }
        if service.sources.contains(&Source::GithubRelease) && rng.u8(0..100) < 4 {
            let mut one = sighting(Source::GithubRelease, format!("alone-{number}"), deployed, deployed.at, rng);
            (one.commit_sha, one.version) = (None, Some(format!("v9.9.{number}")));
            self.sightings.push(one);
            self.released_alone += 1;
        }
    }
}

/// What a source says of a deployment in its own words.
fn sighting(source: Source, id: String, deployed: &Deployed, at: DateTime<Utc>, rng: &mut Rng) -> Sighting {
    let service = &SERVICES[deployed.service];
    let version = format!("1.{}.0", deployed.build);
    let names_service = !matches!(source, Source::GithubDeployment | Source::GithubRelease);
    let by_github = matches!(source, Source::GithubDeployment | Source::GithubRelease);
    let by_datadog = matches!(source, Source::DatadogDora | Source::DatadogEvent);
    let env = ["prod", "production", "Production "][rng.usize(0..3)];
    Sighting {
        received_at: Some(at + TimeDelta::seconds(rng.i64(1..600))),
        service: names_service.then(|| service.name.to_owned()),
        env: (source != Source::GithubRelease).then(|| env.to_owned()),
        version: (!by_github || source == Source::GithubRelease)
            .then(|| if source == Source::GithubRelease { format!("v{version}") } else { version }),
        commit_sha: (source == Source::GithubDeployment || !(by_datadog && service.by_version) && names_service)
            .then(|| commit(deployed.build)),
        repository: (by_github || source == Source::Api).then(|| format!("https://github.com/acme/{}", service.name)),
        started_at: Some(deployed.started + (at - deployed.at)),
        finished_at: Some(at),
        automated: (source == service.sources[0]).then_some(deployed.automated),
        ..Sighting::new(source, id, at + TimeDelta::seconds(5))
    }
}

/// What its keeper tells of an incident, from its beginning to its end.
fn incident(number: usize, happened: &Happened) -> Vec<Telling> {
    let id = IncidentId { keeper: happened.keeper, id: format!("incident-{number}") };
    let began = happened.active[0].from;
    let telling = |said_at: DateTime<Utc>, activity: Activity| Telling {
        title: happened.title.clone(),
        services: happened.service.map(|service| SERVICES[service].name.to_owned()).into_iter().collect(),
        env: Some(happened.env.to_owned()),
        began_at: Some(began),
        detected_at: Some(began),
        test: happened.exercise,
        activity,
        ..Telling::new(id.clone(), said_at)
    };
    let over = happened.active[happened.active.len() - 1].to.unwrap();
    if happened.keeper != Keeper::Pagerduty {
        let mut open = happened.active[0];
        open.to = None;
        let spans = [vec![open], happened.active.clone()].map(Activity::Spans);
        return [began, over].into_iter().zip(spans).map(|(at, spans)| telling(at, spans)).collect();
    }
    let turns = happened.active.iter().flat_map(|span| [(span.from, true), (span.to.unwrap(), false)]);
    turns.map(|(at, active)| telling(at, Activity::Turns(vec![(began, true), (at, active)]))).collect()
}
