//! Webhooks: where GitHub sends them, whether they are signed, and whether they arrived lately.

use std::collections::BTreeMap;

use super::{app::KnownApp, checklist::Finding};
use crate::{
    config::Config,
    github::{GitHub, HookConfig, HookDelivery, webhook_url},
};

/// That many of the latest deliveries lost, one after the other, are no accident.
const IN_A_ROW: usize = 3;

pub(super) async fn check(github: &GitHub, config: &Config, app: &KnownApp) -> Vec<Finding> {
    let (hook, log) = tokio::join!(github.hook_config(), github.hook_deliveries(None));
    let again = "run doctor again; if it stays, see the App's page";
    let arriving = log.as_ref().is_ok_and(|page| page.deliveries.first().is_some_and(|latest| latest.delivered));
    let mut findings = match hook {
        Ok(hook) => settings(&hook, config, app, arriving),
        Err(error) => vec![Finding::broken("webhook", error, again)],
    };
    findings.push(match log {
        Ok(page) => deliveries(&page.deliveries, app),
        Err(error) => Finding::warn("deliveries", format!("the log of deliveries cannot be read: {error}"), again),
    });
    findings
}

fn settings(hook: &HookConfig, config: &Config, app: &KnownApp, arriving: bool) -> Vec<Finding> {
    let page = app.settings("");
    let mut findings = vec![address(hook, config, &page, arriving)];
    if !hook.signed {
        let fix = format!("set the value of GITHUB_WEBHOOK_SECRET as the webhook secret at {page}");
        findings.push(Finding::broken(
            "webhook",
            "GitHub has no secret to sign with, so every delivery is refused",
            fix,
        ));
    }
    if !hook.verified {
        let fix = format!("enable SSL verification at {page}");
        findings.push(Finding::warn("webhook", "GitHub does not check this server's certificate", fix));
    }
    findings
}

/// Webhooks may well come in under another name than people do; that they arrive is the proof.
fn address(hook: &HookConfig, config: &Config, page: &str, arriving: bool) -> Finding {
    let Some(expected) = config.public_url.as_ref().map(webhook_url) else {
        let says =
            format!("GitHub sends to {}; without MERGECAST_PUBLIC_URL nobody can say whether that is right", hook.url);
        return Finding::warn("webhook", says, "set MERGECAST_PUBLIC_URL to the address of this server");
    };
    if hook.url.trim_end_matches('/') == expected.as_str() {
        return Finding::ok("webhook", format!("GitHub sends to {expected}"));
    }
    let sends = if hook.url.is_empty() { "nowhere" } else { &hook.url };
    let says = format!("GitHub sends to {sends}, but this server is at {expected}");
    let fix = format!("set the webhook URL at {page}, or correct MERGECAST_PUBLIC_URL");
    match arriving {
        true => Finding::warn("webhook", format!("{says}; the latest delivery did arrive"), fix),
        false => Finding::broken("webhook", says, fix),
    }
}

/// What the latest page of GitHub's log says: a delivery counts as lost if no attempt at it was answered well.
fn deliveries(log: &[HookDelivery], app: &KnownApp) -> Finding {
    let mut newest_first: Vec<&str> = Vec::new();
    let mut arrived: BTreeMap<&str, bool> = BTreeMap::new();
    for attempt in log {
        let known = arrived.entry(&attempt.guid).or_insert_with(|| {
            newest_first.push(&attempt.guid);
            false
        });
        *known |= attempt.delivered;
    }
    let lost: Vec<&&str> = newest_first.iter().filter(|guid| !arrived[**guid]).collect();
    let Some(latest) = lost.first().and_then(|guid| log.iter().find(|attempt| attempt.guid == ***guid)) else {
        return Finding::ok(
            "deliveries",
            match newest_first.len() {
                0 => "none in the last days".to_owned(),
                1 => "the only one arrived".to_owned(),
                count => format!("the latest {count} arrived"),
            },
        );
    };
    let says = format!(
        "{} of the latest {} did not arrive; the newest of them: {}",
        lost.len(),
        newest_first.len(),
        latest.status
    );
    let in_a_row = newest_first.iter().take_while(|guid| !arrived[**guid]).count();
    let stopped = in_a_row == newest_first.len() || in_a_row >= IN_A_ROW;
    let fix = if latest.status.contains("401") {
        format!("the webhook secret differs: set the same one as GITHUB_WEBHOOK_SECRET and at {}", app.settings(""))
    } else if stopped {
        "see that serve runs and that GitHub reaches it; then have them sent again: mergecast redeliver".to_owned()
    } else {
        "serve asks for them again by itself within minutes of its start".to_owned()
    };
    if stopped { Finding::broken("deliveries", says, fix) } else { Finding::warn("deliveries", says, fix) }
}

#[cfg(test)]
mod tests {
    use super::super::checklist::State;
    use super::*;
    use crate::github::{AppProfile, Permissions};

    #[test]
    fn one_loss_is_a_warning_and_a_row_of_them_is_not() {
        let profile = AppProfile {
            id: 7,
            slug: "risk".to_owned(),
            owner: "acme".to_owned(),
            organization: true,
            html_url: String::new(),
            permissions: Permissions::default(),
            events: Vec::new(),
        };
        let app = KnownApp::new(profile, None);
        let check = |log: &[(&str, bool)], expected: State| {
            let log: Vec<HookDelivery> = log
                .iter()
                .map(|(guid, delivered)| HookDelivery {
                    id: 1,
                    guid: (*guid).to_owned(),
                    delivered_at: chrono::DateTime::UNIX_EPOCH,
                    delivered: *delivered,
                    status: "timed out".to_owned(),
                    event: "push".to_owned(),
                    action: None,
                })
                .collect();
            let found = deliveries(&log, &app);
            assert_eq!(found.state, expected, "{found:?}");
        };
        check(&[], State::Ok);
        check(&[("a", true), ("b", true)], State::Ok);
        // Sent again, and arrived.
        check(&[("a", true), ("b", false), ("a", false), ("b", true)], State::Ok);
        check(&[("a", true), ("b", false)], State::Warn);
        check(&[("a", false), ("b", false), ("c", true)], State::Warn);
        check(&[("a", false), ("b", false), ("c", false), ("d", true)], State::Broken);
        check(&[("a", false)], State::Broken);
    }
}
