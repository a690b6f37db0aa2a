//! Which service, team and environment an incident of PagerDuty's is on: six rules, of which the first that matches
//! decides. They are those that Datadog states for its own import of PagerDuty's incidents.

use std::collections::BTreeSet;

use super::payload::PagedIncident;
use crate::deployment::incident::Mapped;

/// What is known of services and teams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Services.
    pub services: Vec<CataloguedService>,
    /// Names of teams.
    pub teams: BTreeSet<String>,
}

/// A service in the catalogue. All text is untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CataloguedService {
    /// Its name.
    pub name: String,
    /// Team that owns it.
    pub team: Option<String>,
    /// Address of the service of PagerDuty's that belongs to it.
    pub pagerduty_url: Option<String>,
}

/// The alert of a Datadog monitor that an incident began with. A resolve by hand carries none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// Tags of the group that alerted, of a monitor that alerts by group, such as `service:web`.
    pub group: Vec<String>,
    /// Tags of the monitor itself.
    pub tags: Vec<String>,
}

/// What an incident is on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Services.
    pub services: BTreeSet<String>,
    /// Teams.
    pub teams: BTreeSet<String>,
    /// Environment.
    pub env: Option<String>,
    /// Which rule says so.
    pub by: Mapped,
}

/// Says what an incident is on, if it matches.
type Rule = fn(&PagedIncident, Option<&Alert>, &Catalogue) -> Option<Mapping>;

/// The rules before the last, which always matches, in their order.
const RULES: [Rule; 5] = [by_monitor, by_address, by_service_name, by_team_name, by_service_named_as_team];

/// Maps an incident. `env` is the environment that the webhook was set up for, which goes before what tags say.
pub fn map(incident: &PagedIncident, alert: Option<&Alert>, catalogue: &Catalogue, env: Option<&str>) -> Mapping {
    let mut mapping =
        RULES.iter().find_map(|rule| rule(incident, alert, catalogue)).unwrap_or_else(|| by_own_name(incident));
    if let Some(env) = env.map(str::trim).filter(|env| !env.is_empty()) {
        mapping.env = Some(env.to_owned());
    }
    mapping
}

/// Rule 1: what alerted says it itself. The group's tags, and of the monitor's all services, and environment and team where
/// there is exactly one.
fn by_monitor(_: &PagedIncident, alert: Option<&Alert>, _: &Catalogue) -> Option<Mapping> {
    let alert = alert?;
    let group = |key: &str| values(&alert.group, key);
    let only = |key: &str| Some(values(&alert.tags, key)).filter(|values| values.len() == 1).unwrap_or_default();
    let told = |key: &str| Some(group(key)).filter(|values| !values.is_empty()).unwrap_or_else(|| only(key));
    let services: BTreeSet<String> = group("service").into_iter().chain(values(&alert.tags, "service")).collect();
    let (teams, env) = (told("team"), told("env").pop_first());
    let says = !services.is_empty() || !teams.is_empty() || env.is_some();
    says.then_some(Mapping { services, teams, env, by: Mapped::ByMonitor })
}

/// Rule 2: the catalogue has the address of PagerDuty's service; of several services that have it, what they share is the
/// team.
fn by_address(incident: &PagedIncident, _: Option<&Alert>, catalogue: &Catalogue) -> Option<Mapping> {
    let address = address(incident.service_url.as_deref()?)?;
    let has = |service: &&CataloguedService| {
        service.pagerduty_url.as_deref().and_then(self::address) == Some(address.clone())
    };
    let found: Vec<&CataloguedService> = catalogue.services.iter().filter(has).collect();
    let teams: BTreeSet<String> = found.iter().filter_map(|service| service.team.clone()).collect();
    match found.as_slice() {
        [] => None,
        [one] => Some(of_service(one, Mapped::ByAddress)),
        _ if teams.is_empty() => None,
        _ => Some(Mapping { teams, by: Mapped::ByAddress, ..Mapping::default() }),
    }
}

/// Rule 3: a service in the catalogue has the same name.
fn by_service_name(incident: &PagedIncident, _: Option<&Alert>, catalogue: &Catalogue) -> Option<Mapping> {
    let found = catalogue.services.iter().find(|service| same(&service.name, &incident.service))?;
    Some(of_service(found, Mapped::ByServiceName))
}

/// Rule 4: teams in the catalogue have the same names as the incident's.
fn by_team_name(incident: &PagedIncident, _: Option<&Alert>, catalogue: &Catalogue) -> Option<Mapping> {
    let teams: BTreeSet<String> = incident.teams.iter().filter_map(|team| known_team(team, catalogue)).collect();
    (!teams.is_empty()).then_some(Mapping { teams, by: Mapped::ByTeamName, ..Mapping::default() })
}

/// Rule 5: PagerDuty's service is called as a team is.
fn by_service_named_as_team(incident: &PagedIncident, _: Option<&Alert>, catalogue: &Catalogue) -> Option<Mapping> {
    let team = known_team(&incident.service, catalogue)?;
    Some(Mapping { teams: [team].into(), by: Mapped::ByServiceNamedAsTeam, ..Mapping::default() })
}

/// Rule 6: nobody knows these names but PagerDuty.
fn by_own_name(incident: &PagedIncident) -> Mapping {
    let named = |name: &&String| !name.trim().is_empty();
    Mapping {
        services: Some(&incident.service).into_iter().filter(named).cloned().collect(),
        teams: incident.teams.iter().filter(named).cloned().collect(),
        env: None,
        by: Mapped::ByOwnName,
    }
}

fn of_service(service: &CataloguedService, by: Mapped) -> Mapping {
    let teams = service.team.iter().cloned().collect();
    Mapping { services: [service.name.clone()].into(), teams, env: None, by }
}

fn known_team(name: &str, catalogue: &Catalogue) -> Option<String> {
    let owners = catalogue.services.iter().filter_map(|service| service.team.as_ref());
    catalogue.teams.iter().chain(owners).find(|team| same(team, name)).cloned()
}

/// Names are the same without case and without blanks around them; an empty one is none.
fn same(one: &str, other: &str) -> bool {
    !one.trim().is_empty() && one.trim().to_lowercase() == other.trim().to_lowercase()
}

fn values(tags: &[String], key: &str) -> BTreeSet<String> {
    let value = |tag: &String| Some(tag.strip_prefix(key)?.strip_prefix(':')?.trim().to_owned());
    tags.iter().filter_map(value).filter(|value| !value.is_empty()).collect()
}

/// Host and id of a service's page. The catalogue has the address of its directory (`/service-directory/ID`), webhooks that
/// of its settings (`/services/ID`).
fn address(url: &str) -> Option<(String, String)> {
    let rest = url.trim().split_once("://").map_or(url.trim(), |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next()?.trim_end_matches('/');
    let mut parts = rest.split('/');
    let (host, kind, id) = (parts.next()?, parts.next()?, parts.next()?);
    let is_service = matches!(kind, "services" | "service-directory") && parts.next().is_none();
    (is_service && !id.is_empty()).then(|| (host.to_lowercase(), id.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    fn incident() -> PagedIncident {
        PagedIncident {
            id: "PINC001".into(),
            title: "Refunds fail".into(),
            active: true,
            created_at: None,
            reopened_at: None,
            service: "Payments".into(),
            service_url: Some("https://shop.pagerduty.com/services/PSVC001".into()),
            teams: vec!["Checkout".into()],
            severity: None,
        }
    }

    fn service(name: &str, team: &str, url: &str) -> CataloguedService {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        CataloguedService { name: name.into(), team: some(team), pagerduty_url: some(url) }
    }

    fn tags(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|tag| (*tag).to_owned()).collect()
    }

    /// Every rule matches this one, each with another answer.
    fn rich() -> Catalogue {
        Catalogue {
            services: vec![
                service("by-address", "address-team", "https://shop.pagerduty.com/service-directory/PSVC001"),
                service("payments", "name-team", ""),
            ],
            teams: ["checkout", "Payments"].map(str::to_owned).into(),
        }
    }

    fn check(alert: Option<&Alert>, catalogue: &Catalogue, expected: (&[&str], &[&str], Option<&str>, Mapped)) {
        let found = map(&incident(), alert, catalogue, None);
        let (services, teams, env, by) = expected;
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        assert_eq!(found, Mapping { services: set(services), teams: set(teams), env: env.map(str::to_owned), by });
    }

    /// No other rule matches: without this one nothing but PagerDuty's own names would be left.
    #[test]
    fn each_rule_has_a_case_that_only_it_decides() {
        let alert = Alert { group: tags(&["service:web", "env:eu", "team:core"]), tags: Vec::new() };
        let known = |services: &[CataloguedService], teams: &[&str]| Catalogue {
            services: services.to_vec(),
            teams: teams.iter().map(|team| (*team).to_owned()).collect(),
        };
        let addressed = service("refunds", "money", "https://shop.pagerduty.com/service-directory/PSVC001");
        let stranger = service("mail", "letters", "https://shop.pagerduty.com/services/PSVC002");
        let none = known(slice::from_ref(&stranger), &["letters"]);
        type Expected<'a> = (&'a [&'a str], &'a [&'a str], Option<&'a str>, Mapped);
        let cases: [(Option<&Alert>, Catalogue, Expected<'_>); 6] = [
            (Some(&alert), none.clone(), (&["web"], &["core"], Some("eu"), Mapped::ByMonitor)),
            (None, known(&[stranger, addressed], &[]), (&["refunds"], &["money"], None, Mapped::ByAddress)),
            (
                None,
                known(&[service(" PAYMENTS", "money", "")], &[]),
                (&[" PAYMENTS"], &["money"], None, Mapped::ByServiceName),
            ),
            (None, known(&[], &["checkout"]), (&[], &["checkout"], None, Mapped::ByTeamName)),
            (
                None,
                known(&[service("x", "payments", "")], &[]),
                (&[], &["payments"], None, Mapped::ByServiceNamedAsTeam),
            ),
            (None, none, (&["Payments"], &["Checkout"], None, Mapped::ByOwnName)),
        ];
        for (at, (alert, catalogue, expected)) in cases.iter().enumerate() {
            let matches = |rule: &Rule| rule(&incident(), *alert, catalogue).is_some();
            let matching: Vec<usize> = (0..RULES.len()).filter(|rule| matches(&RULES[*rule])).collect();
            let only = Some(at).filter(|at| *at < RULES.len());
            assert_eq!(matching, only.into_iter().collect::<Vec<_>>(), "the case of rule {}", at + 1);
            check(*alert, catalogue, *expected);
        }
    }

    /// The catalogue loses what each rule goes by, one after the other, so that the next one alone decides.
    #[test]
    fn the_first_rule_that_matches_decides() {
        let mut catalogue = rich();
        let alert = Alert { group: tags(&["service:web", "env:eu", "team:core"]), tags: Vec::new() };
        check(Some(&alert), &catalogue, (&["web"], &["core"], Some("eu"), Mapped::ByMonitor));
        let silent = Alert { group: tags(&["host:a"]), tags: tags(&["service:", "severity:1"]) };
        for alert in [None, Some(&silent)] {
            check(alert, &catalogue, (&["by-address"], &["address-team"], None, Mapped::ByAddress));
        }
        catalogue.services[0].pagerduty_url = Some("https://shop.pagerduty.com/services/PSVC002".into());
        check(None, &catalogue, (&["payments"], &["name-team"], None, Mapped::ByServiceName));
        catalogue.services.clear();
        check(None, &catalogue, (&[], &["checkout"], None, Mapped::ByTeamName));
        catalogue.teams.remove("checkout");
        check(None, &catalogue, (&[], &["Payments"], None, Mapped::ByServiceNamedAsTeam));
        catalogue.teams.clear();
        check(None, &catalogue, (&["Payments"], &["Checkout"], None, Mapped::ByOwnName));
    }

    #[test]
    fn a_monitor_says_it_by_group_and_by_tags() {
        let check = |group: &[&str], own: &[&str], expected: (&[&str], &[&str], Option<&str>, Mapped)| {
            let alert = Alert { group: tags(group), tags: tags(own) };
            check(Some(&alert), &Catalogue::default(), expected);
        };
        let by = Mapped::ByMonitor;
        check(&[], &["service:a", "service:b", "env:eu", "team:x"], (&["a", "b"], &["x"], Some("eu"), by));
        // Of two environments or teams it is not told which one is meant.
        check(&[], &["service:a", "env:eu", "env:us", "team:x", "team:y"], (&["a"], &[], None, by));
        check(&["service:a", "env:eu"], &["service:b", "env:us"], (&["a", "b"], &[], Some("eu"), by));
    }

    #[test]
    fn several_services_of_one_address_share_a_team() {
        let url = "http://SHOP.pagerduty.com/services/PSVC001/?tab=x";
        let of = |one: &str, other: &str| Catalogue {
            services: vec![service("a", one, url), service("b", other, url)],
            teams: BTreeSet::new(),
        };
        check(None, &of("x", "x"), (&[], &["x"], None, Mapped::ByAddress));
        check(None, &of("", ""), (&["Payments"], &["Checkout"], None, Mapped::ByOwnName));
        let other =
            ["https://shop.pagerduty.com/incidents/PSVC001", "https://other.pagerduty.com/services/PSVC001", "PSVC001"];
        for url in other {
            let catalogue = Catalogue { services: vec![service("a", "x", url)], teams: BTreeSet::new() };
            check(None, &catalogue, (&["Payments"], &["Checkout"], None, Mapped::ByOwnName));
        }
    }

    #[test]
    fn the_environment_of_the_webhook_goes_first() {
        let alert = Alert { group: tags(&["service:web", "env:eu"]), tags: Vec::new() };
        let env = |env: Option<&str>| map(&incident(), Some(&alert), &rich(), env).env;
        assert_eq!(
            (env(Some("prod")), env(Some(" ")), env(None)),
            (Some("prod".into()), Some("eu".into()), Some("eu".into()))
        );
    }
}
