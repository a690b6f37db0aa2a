//! Which deployment an incident is put down to, and how sure that is.

use proptest::prelude::*;

use super::*;
use crate::deployment::failures::{RollforwardRules, remedies};
use crate::deployment::incident::{Keeper, Span, Telling, fold};
use crate::deployment::ledger::reconcile;
use crate::deployment::sighting::{Rollout, Sighting, Source};
use crate::deployment::stories::{api, change, deployed, incident, minute, telling};

/// What there is besides the incident.
#[derive(Default)]
struct Story {
    deployed: Vec<Sighting>,
    shipped: Shipped,
    corrections: Vec<Correction>,
}

impl Story {
    /// Deployments of `pay` at these minutes, called by them, each of a build of its own.
    fn at(minutes: &[i64]) -> Self {
        let deployed = minutes.iter().map(|at| deployed(&at.to_string(), *at, &format!("{:08x}", 0xaaa_0000 + at)));
        Self { deployed: deployed.collect(), ..Self::default() }
    }

    fn deploy(mut self, id: &str, at: i64, edit: impl FnOnce(&mut Sighting)) -> Self {
        let mut one = deployed(id, at, &format!("{:08x}", 0xbbb_0000 + at));
        edit(&mut one);
        self.deployed.push(one);
        self
    }

    fn brought(mut self, id: &str, number: u64, file: &str) -> Self {
        let mut one = change(number, &[0], |_| ());
        one.files = [file.to_owned()].into();
        self.shipped.entry(api(id)).or_default().push(one);
        self
    }

    fn said(mut self, at: i64, verdict: Verdict) -> Self {
        let incident = IncidentId { keeper: Keeper::Datadog, id: "i".into() };
        self.corrections.push(Correction { at: minute(at), id: at.to_string(), incident, verdict });
        self
    }

    fn attribution(&self, incident: &Incident) -> Option<Attribution> {
        let environments = ledger::Settings::default();
        let ledger = reconcile(&self.deployed, &environments);
        let remedies = remedies(&ledger, &self.shipped, &RollforwardRules::default());
        let known = Known {
            ledger: &ledger,
            shipped: &self.shipped,
            remedies: &remedies,
            corrections: &self.corrections,
            environments: &environments,
        };
        attribute(std::slice::from_ref(incident), known, Settings::default()).pop()
    }

    /// The cause and how sure it is.
    fn cause(&self, incident: &Incident) -> Option<(String, Sure)> {
        let found = self.attribution(incident)?;
        found.cause.zip(found.sure).map(|(cause, sure)| (cause.id, sure))
    }
}

fn is(id: &str, sure: Sure) -> Option<(String, Sure)> {
    Some((id.to_owned(), sure))
}

#[test]
fn the_most_recent_deployment_before_it_is_the_cause() {
    let began = |at: i64| Story::at(&[0, 100, 200]).cause(&incident("i", at, None));
    assert_eq!(began(210), is("200", Sure::Possible));
    assert_eq!(began(150), is("100", Sure::Possible));
    // Never one that began after it, however close.
    assert_eq!(began(197), is("100", Sure::Possible));
    assert_eq!(began(-3), None);
    // While its rollout was going on (from 198 to 200).
    assert_eq!(began(198), is("200", Sure::Possible));
    // Four hours, and not a minute more.
    assert_eq!((began(440), began(441)), (is("200", Sure::Possible), None));
}

#[test]
fn alone_and_soon_is_likely() {
    let cause = |at: i64| Story::at(&[0]).cause(&incident("i", at, None));
    assert_eq!((cause(60), cause(61)), (is("0", Sure::Likely), is("0", Sure::Possible)));
    let found = Story::at(&[0]).attribution(&incident("i", 60, None)).unwrap();
    let since = Evidence::Since { seconds: 3_600, share_of_window: 25 };
    assert_eq!(found.candidates[0].evidence, [Evidence::SameService, since].into());
}

#[test]
fn only_what_reached_the_service_in_production_is_a_candidate() {
    let cause = |edit: fn(&mut Sighting)| Story::at(&[0]).deploy("x", 10, edit).cause(&incident("i", 20, None));
    assert_eq!(cause(|_| ()), is("x", Sure::Possible));
    assert_eq!(cause(|one| one.service = Some("cart".into())), is("0", Sure::Likely));
    assert_eq!(cause(|one| one.env = Some("staging".into())), is("0", Sure::Likely));
    assert_eq!(cause(|one| one.rollout = Rollout::Failed), is("0", Sure::Likely));
    let elsewhere = fold(&[Telling { env: Some("staging".into()), ..telling("i", 20, None) }]).remove(0);
    assert_eq!(Story::at(&[0]).cause(&elsewhere), None);
    let here = fold(&[Telling { env: Some("Prod".into()), ..telling("i", 20, None) }]).remove(0);
    assert_eq!(Story::at(&[0]).cause(&here), is("0", Sure::Likely));
    let exercise = fold(&[Telling { test: true, ..telling("i", 20, None) }]).remove(0);
    assert_eq!(Story::at(&[0]).attribution(&exercise), None);
}

#[test]
fn a_rollback_proves_which_one_it_was() {
    // 100 runs on top of 50, and what is brought back is what ran before 50.
    let story = |back: i64| {
        let first = format!("{:08x}", 0xaaa_0000);
        Story::at(&[0, 50, 100]).deploy("back", back, move |one| one.commit_sha = Some(first))
    };
    assert_eq!(story(130).cause(&incident("i", 110, Some(140))), is("50", Sure::Proven));
    // Long after the incident it proves nothing about it, and before it neither.
    assert_eq!(story(500).cause(&incident("i", 110, Some(140))), is("100", Sure::Possible));
    assert_eq!(story(105).cause(&incident("i", 115, Some(140))), is("back", Sure::Possible));
}

#[test]
fn a_file_that_the_incident_names_points_at_who_changed_it() {
    let story = Story::at(&[0, 50]).brought("0", 1, "src/pay/refund.rs").brought("50", 2, "src/pay/mod.rs").brought(
        "0",
        1,
        "src/cart/mod.rs",
    );
    let cause = |title: &str, note: &str| {
        let told = Telling { title: title.into(), note: note.into(), ..telling("i", 60, None) };
        story.cause(&fold(&[told]).remove(0))
    };
    let likely = is("0", Sure::Likely);
    assert_eq!(cause("Panic in refund.rs", ""), likely);
    assert_eq!(cause("Panic", "  at pay::refund (/srv/app/src/pay/refund.rs:41:7)\n"), likely);
    assert_eq!(cause("Panic in `pay/refund.rs`.", ""), likely);
    let newest = is("50", Sure::Possible);
    assert_eq!(cause("Panic in xrefund.rs", ""), newest);
    assert_eq!(cause("Panic in fund.rs, v1.2.3, e.g. at 10.0.0.1", ""), newest);
    // Both changed a file of that name; with its directory it is one of them.
    assert_eq!(cause("Panic in mod.rs", ""), newest);
    assert_eq!(cause("Panic in cart/mod.rs:1", ""), likely);
    // What lies beyond what is read.
    assert_eq!(cause(&format!("{} refund.rs", "é".repeat(40_000)), ""), newest);
}

#[test]
fn an_incident_of_no_service_is_not_put_down_to_whatever_came_last() {
    let of = |teams: &[&str], title: &str| {
        let teams = teams.iter().map(|team| (*team).to_owned()).collect();
        let told = Telling { services: BTreeSet::new(), teams, title: title.into(), ..telling("i", 20, None) };
        let story = Story::at(&[0]).brought("0", 1, "src/refund.rs");
        let story = story.deploy("team", 5, |one| (one.team, one.service) = (Some("core".into()), Some("cart".into())));
        story.cause(&fold(&[told]).remove(0))
    };
    assert_eq!(of(&[], "It is slow"), None);
    assert_eq!(of(&[], "Panic in refund.rs"), is("0", Sure::Likely));
    assert_eq!(of(&["core"], "It is slow"), is("team", Sure::Likely));
    assert_eq!(of(&["web"], "It is slow"), None);
}

#[test]
fn what_a_person_says_wins() {
    use Verdict::{Attribute, NoDeployment, Unattribute};
    let this = |id: &str| Target::Deployment(api(id));
    let pull = |number: u64| Target::PullRequest { repository: "github.com/Acme/pay".into(), number };
    let began = incident("i", 210, Some(220));
    let check = |said: &[Verdict], expected: Option<(String, Sure)>| {
        let story = Story::at(&[0, 100, 200, 300]).brought("100", 7, "a.rs");
        let story = said.iter().cloned().enumerate().fold(story, |story, (at, one)| story.said(at as i64, one));
        assert_eq!(story.cause(&began), expected, "{said:?}");
        // In whatever order they are told, the later one stands.
        let mut turned = story;
        turned.corrections.reverse();
        turned.corrections.extend(turned.corrections.clone());
        assert_eq!(turned.cause(&began), expected);
    };
    let corrected = |id: &str| is(id, Sure::Corrected);
    check(&[Attribute(this("0"))], corrected("0"));
    check(&[Attribute(pull(7))], corrected("100"));
    // Even one that came after: then the beginning of the incident was told wrong.
    check(&[Attribute(this("300"))], corrected("300"));
    check(&[Attribute(this("0")), Attribute(pull(7))], corrected("100"));
    check(&[Unattribute(this("200"))], is("100", Sure::Possible));
    check(&[Unattribute(this("200")), Unattribute(pull(7))], is("0", Sure::Possible));
    check(&[Attribute(this("0")), Unattribute(this("0"))], is("200", Sure::Possible));
    check(&[Unattribute(this("200")), Attribute(this("200"))], corrected("200"));
    check(&[NoDeployment], None);
    check(&[NoDeployment, Attribute(this("0"))], corrected("0"));
    // The last word stands, whatever it names the deployment by.
    check(&[Attribute(pull(7)), Unattribute(this("100"))], is("200", Sure::Possible));
    check(&[Attribute(this("100")), Unattribute(pull(7))], is("200", Sure::Possible));
    // Nothing is known of it yet: until then what was found stays.
    check(&[Attribute(pull(8))], is("200", Sure::Possible));
}

proptest! {
    /// One cause at most, among the candidates, none of which began after the incident; whatever the order of the incidents.
    #[test]
    fn causes_come_before_what_they_cause(
        deployments in prop::collection::vec((0..600_i64, 0..3_u8), 0..25),
        incidents in prop::collection::vec(0..900_i64, 1..10),
    ) {
        let mut story = Story::default();
        for (place, (at, build)) in deployments.iter().enumerate() {
            let commit = format!("{build}aaaaaaa");
            story = story.deploy(&place.to_string(), *at, move |one| one.commit_sha = Some(commit));
        }
        let environments = ledger::Settings::default();
        let ledger = reconcile(&story.deployed, &environments);
        for (place, at) in incidents.iter().enumerate() {
            let incident = incident(&place.to_string(), *at, Some(at + 30));
            let found = story.attribution(&incident).unwrap();
            prop_assert_eq!(found.cause.as_ref(), found.candidates.first().map(|first| &first.deployment));
            for candidate in &found.candidates {
                let deployment = ledger.find(&candidate.deployment).unwrap();
                prop_assert!(deployment.began_at().unwrap() <= incident.began_at);
                prop_assert!(incident.began_at - deployment.at.unwrap() <= WINDOW);
            }
        }
    }
}

#[test]
fn an_unfinished_incident_has_a_cause_too() {
    let open = Incident { active: vec![Span { from: minute(20), to: None }], ..incident("i", 20, None) };
    assert_eq!(Story::at(&[0]).cause(&open), is("0", Sure::Likely));
    assert_eq!(open.time_to_restore(), None);
    let by_tag = WitnessId { source: Source::GithubRelease, id: "none".into() };
    let story = Story::at(&[0]).said(1, Verdict::Attribute(Target::Deployment(by_tag)));
    assert_eq!(story.cause(&open), is("0", Sure::Likely));
}
