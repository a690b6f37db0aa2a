//! What counts as production, as a failure and as a remedy, from the settings.

use chrono::TimeDelta;
use globset::GlobBuilder;

use super::value::Expected;
use crate::deployment::{attribution, failures::RollforwardRules, ledger, reckoning::Rules};

/// Longest window in which an incident is put down to a deployment, in hours.
const WINDOW_HOURS_MAX: i64 = 72;

/// Names of environments that are production, with commas between them. Those that end with `*` are environments of their own,
/// the others are one.
pub(super) fn production(text: &str) -> Result<ledger::Settings, Expected> {
    let expected = || "names of environments with commas between them, such as production, prod, prod-*".to_owned();
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_lowercase()).collect();
    let is_name = |name: &String| {
        let bare = name.strip_suffix('*').unwrap_or(name);
        !bare.is_empty() && !bare.contains('*')
    };
    if !names.iter().all(is_name) {
        return Err(expected());
    }
    let (also, same) = names.into_iter().partition(|name| name.ends_with('*'));
    Ok(ledger::Settings { production: same, also_production: also, ..ledger::Settings::default() })
}

/// What makes a pull request a hotfix: `label:`, `title:` and `branch:`, each with a glob, with commas between them; or `off`.
pub(super) fn hotfixes(text: &str) -> Result<RollforwardRules, Expected> {
    let mut rules = RollforwardRules {
        labels: Vec::new(),
        titles: Vec::new(),
        branches: Vec::new(),
        ..RollforwardRules::default()
    };
    if text == "off" {
        return Ok(rules);
    }
    for rule in text.split(',').map(str::trim) {
        let expected = || format!("off, or label:, title: and branch: with a glob each, which {rule:?} is not");
        let (what, glob) = rule.split_once(':').ok_or_else(expected)?;
        if glob.is_empty() || GlobBuilder::new(glob).build().is_err() {
            return Err(expected());
        }
        match what {
            "label" => rules.labels.push(glob.to_owned()),
            "title" => rules.titles.push(glob.to_owned()),
            "branch" => rules.branches.push(glob.to_owned()),
            _ => return Err(expected()),
        }
    }
    Ok(rules)
}

/// Which reverts remedy: all that say so, those that the patches prove, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reverts {
    Said,
    Proven,
    Off,
}

pub(super) fn reverts(text: &str) -> Result<Reverts, Expected> {
    match text {
        "on" => Ok(Reverts::Said),
        "proven" => Ok(Reverts::Proven),
        "off" => Ok(Reverts::Off),
        _ => Err("on, proven or off".to_owned()),
    }
}

/// A number of hours, such as `4h`.
pub(super) fn window(text: &str) -> Result<TimeDelta, Expected> {
    let hours = text.strip_suffix('h').and_then(|hours| hours.parse::<i64>().ok());
    let hours = hours.filter(|hours| (1..=WINDOW_HOURS_MAX).contains(hours));
    hours.map(TimeDelta::hours).ok_or_else(|| format!("a number of hours such as 4h, 1h to {WINDOW_HOURS_MAX}h"))
}

/// The rules that the settings make together.
pub(super) fn rules(
    ledger: ledger::Settings,
    hotfixes: RollforwardRules,
    reverts: Reverts,
    window: TimeDelta,
    burn_fails: bool,
) -> Rules {
    let mut rules = Rules { ledger, rollforward: hotfixes, ..Rules::default() };
    rules.rollforward.reverts = reverts != Reverts::Off;
    rules.rollforward.reverts_proven_only = reverts == Reverts::Proven;
    rules.attribution = attribution::Settings { window };
    rules.watch.incidents = window;
    rules.watch.burn_fails = burn_fails;
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_make_the_rules() {
        let ledger = production("Production, live, eu-*").unwrap();
        assert!(ledger.environment("LIVE").production && ledger.environment("eu-west").production);
        assert!(!ledger.environment("prod").production);
        for wrong in ["", "prod,,live", "*", "p*d"] {
            assert!(production(wrong).is_err(), "{wrong}");
        }
        let given = hotfixes("label:urgent, branch:fix/*").unwrap();
        assert_eq!((given.labels, given.branches), (vec!["urgent".to_owned()], vec!["fix/*".to_owned()]));
        assert!(given.titles.is_empty() && hotfixes("off").unwrap().labels.is_empty());
        for wrong in ["urgent", "label:", "commit:x", "label:{"] {
            assert!(hotfixes(wrong).is_err(), "{wrong}");
        }
        assert_eq!((window("4h"), window("4").is_err(), window("73h").is_err()), (Ok(TimeDelta::hours(4)), true, true));
        let strict = rules(ledger, hotfixes("off").unwrap(), reverts("proven").unwrap(), TimeDelta::hours(6), false);
        assert!(strict.rollforward.reverts && strict.rollforward.reverts_proven_only && !strict.watch.burn_fails);
        assert_eq!((strict.attribution.window, strict.watch.incidents), (TimeDelta::hours(6), TimeDelta::hours(6)));
    }
}
