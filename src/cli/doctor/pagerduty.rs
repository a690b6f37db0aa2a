//! PagerDuty: whether its webhooks are taken, and where it has to send them. Nothing is asked of PagerDuty.

use super::checklist::Finding;
use crate::config::Config;

const CHECK: &str = "PagerDuty";

pub(super) fn check(config: &Config) -> Option<Finding> {
    let settings = &config.pagerduty;
    if settings.webhook_secret.is_none() {
        // An environment alone takes no webhook.
        return settings.env.is_some().then(|| {
            let fix = "set PAGERDUTY_WEBHOOK_SECRET to the secret that PagerDuty showed for the webhook subscription";
            Finding::warn(CHECK, "PAGERDUTY_ENV is set, but no webhook is taken without its secret", fix)
        });
    }
    let env = settings.env.as_deref().unwrap_or("production");
    let Some(url) = &config.public_url else {
        let says = "the secret of its webhooks is set, but PagerDuty cannot reach a server without a public address";
        return Some(Finding::warn(CHECK, says, "set MERGECAST_PUBLIC_URL"));
    };
    let address = url.as_str().trim_end_matches('/');
    Some(Finding::ok(CHECK, format!("webhooks are taken at {address}/webhooks/pagerduty, as incidents in {env}")))
}
