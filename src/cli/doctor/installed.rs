//! Where the App is installed: what each installation grants, and what is left of its hourly budget.

use futures_util::{StreamExt, stream};

use super::{
    app::{KnownApp, lacks},
    checklist::Finding,
};
use crate::github::{Budgets, Error, GitHub, InstallationInfo, events_lacking};

/// Installations whose budget is asked for; each costs a token.
const BUDGETS_MAX: usize = 25;
/// Asked at a time.
const AT_ONCE: usize = 8;
/// Lines about what is wrong with installations; the same thing is wrong with the rest as a rule.
const LINES_MAX: usize = 20;
/// A budget with less than one in ten left will not last the hour.
const LOW: u64 = 10;

pub(super) async fn check(github: &GitHub, app: &KnownApp) -> Vec<Finding> {
    let all = match github.installations().await {
        Ok(all) => all,
        Err(error) => {
            let says = format!("they cannot be listed: {error}");
            return vec![Finding::broken("installations", says, "run doctor again in a while")];
        }
    };
    if all.is_empty() {
        let fix = format!("install it at {}", app.install());
        return vec![Finding::warn("installations", "the App is installed nowhere, so there is nothing to score", fix)];
    }
    let mut findings: Vec<Finding> = all.iter().flat_map(|one| faults(one, app)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok("installations", granted(&all)));
    }
    let more = findings.len().saturating_sub(LINES_MAX);
    if more > 0 {
        findings.truncate(LINES_MAX);
        findings.push(Finding::warn(
            "installations",
            format!("{more} more like these"),
            "mend those above and look again",
        ));
    }
    findings.push(budgets(github, &all).await);
    findings
}

fn granted(all: &[InstallationInfo]) -> String {
    match all {
        [one] => format!("{} grants all that the App needs", one.account),
        more => format!("all {} grant what the App needs", more.len()),
    }
}

/// What is wrong with one.
fn faults(one: &InstallationInfo, app: &KnownApp) -> Vec<Finding> {
    let page = app.installation(&one.account, one.organization, one.id);
    if one.suspended_at.is_some() {
        let says = format!("{} has suspended the App: nothing is scored there", one.account);
        return vec![Finding::warn("installations", says, format!("an owner of {} lifts that at {page}", one.account))];
    }
    let accept = format!("an owner of {} accepts what the App asks for at {page}", one.account);
    let who = format!("{} does not grant", one.account);
    // What the App does not ask for at all is told once, of the App.
    let asked = app.profile.permissions.lacking();
    let missing = one.permissions.lacking().into_iter().filter(|permission| !asked.contains(permission));
    let unasked = events_lacking(&app.profile.events);
    let events = events_lacking(&one.events).into_iter().filter(|event| !unasked.contains(event));
    let events: Vec<&str> = events.collect();
    let mut findings: Vec<Finding> =
        missing.map(|permission| lacks("installations", &who, permission, accept.clone())).collect();
    if !events.is_empty() {
        let says = format!("{} does not send {}", one.account, events.join(", "));
        findings.push(Finding::warn("installations", says, accept));
    }
    findings
}

/// The tightest budget.
async fn budgets(github: &GitHub, all: &[InstallationInfo]) -> Finding {
    let active: Vec<&InstallationInfo> = all.iter().filter(|one| one.suspended_at.is_none()).collect();
    let asked = active.iter().take(BUDGETS_MAX).map(|one| async {
        let installation = github.installation(one.id);
        (one.account.clone(), installation.budgets().await)
    });
    let answers: Vec<(String, Result<Budgets, Error>)> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    let mut tightest: Option<(u64, u64, &str, &'static str)> = None;
    for (account, answer) in &answers {
        let budgets = match answer {
            Ok(budgets) => budgets,
            Err(error) => {
                let says = format!("{account} cannot be asked for its budget: {error}");
                return Finding::broken("rate budget", says, "see that the installation is there and run doctor again");
            }
        };
        let each = [(Some(budgets.core), "requests"), (budgets.graphql, "GraphQL points")];
        for (budget, unit) in each.into_iter().filter_map(|(budget, unit)| Some((budget?, unit))) {
            let tighter = tightest.is_none_or(|(left, of, ..)| budget.remaining * of < left * budget.limit);
            if tighter {
                tightest = Some((budget.remaining, budget.limit, account, unit));
            }
        }
    }
    let Some((left, of, account, unit)) = tightest else {
        return Finding::ok("rate budget", "no installation is active");
    };
    let others = if active.len() > answers.len() {
        format!(" ({} installations looked at)", answers.len())
    } else {
        String::new()
    };
    let says = format!("the tightest is {account} with {left} of {of} {unit} left this hour{others}");
    if left * LOW < of {
        let fix = "scoring goes on when the hour is over; if this happens often, see what else uses this App's tokens";
        return Finding::warn("rate budget", says, fix);
    }
    Finding::ok("rate budget", says)
}
