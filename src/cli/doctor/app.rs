//! The App itself: its login, the clocks, and whether it asks for all that is needed.

use url::Url;

use super::checklist::Finding;
use crate::{
    config::Config,
    github::{AppProfile, EVENTS, Error, GitHub, Introduction, Permission, events_lacking},
};

/// A difference between the clocks that is worth a warning; GitHub refuses logins from 60 s in its future on.
const SKEW_MAX_S: i64 = 30;
/// Without these no pull request can be scored.
const ESSENTIAL: [&str; 4] = ["metadata", "checks", "contents", "pull_requests"];

/// The App as GitHub knows it, and where its settings are found.
pub(super) struct KnownApp {
    pub(super) profile: AppProfile,
    /// Base of GitHub's pages, if it is known.
    pages: Option<Url>,
}

/// Logs in; gives the App if that worked.
pub(super) async fn check(github: &GitHub, config: &Config, app_id: u64) -> (Vec<Finding>, Option<KnownApp>) {
    let Introduction { app, skew_s } = github.introduce().await;
    let refused = matches!(app, Err(Error::Unauthorized));
    let mut findings = Vec::new();
    let known = match app {
        Ok(profile) => {
            let app = KnownApp::new(profile, config.github.pages_url().ok());
            findings.push(identity(&app, app_id));
            Some(app)
        }
        Err(error) => {
            findings.push(Finding::broken("GitHub", &error, way_out(&error, config)));
            None
        }
    };
    findings.extend(skew_s.map(|skew_s| clocks(skew_s, refused)));
    if let Some(app) = &known {
        findings.extend(permissions(app));
        findings.extend(events(app));
    }
    (findings, known)
}

fn identity(app: &KnownApp, app_id: u64) -> Finding {
    let AppProfile { id, slug, owner, .. } = &app.profile;
    if *id == app_id {
        return Finding::ok("GitHub", format!("takes the credentials: App {slug} ({id}) of {owner}"));
    }
    let says = format!("the credentials are those of App {slug} ({id}), but GITHUB_APP_ID is {app_id}");
    Finding::broken(
        "GitHub",
        says,
        format!("set GITHUB_APP_ID to {id}, or GITHUB_CLIENT_ID and the key to those of {app_id}"),
    )
}

fn way_out(error: &Error, config: &Config) -> String {
    match error {
        Error::Unauthorized => {
            "compare GITHUB_APP_ID and GITHUB_CLIENT_ID with the App's page, and generate a new private key there"
                .to_owned()
        }
        Error::NotFound => "compare GITHUB_APP_ID with the App's page, and GITHUB_API_URL with the server".to_owned(),
        Error::RateLimited { .. } => "wait until then; see which process uses this App".to_owned(),
        _ => format!("see whether {} can be reached from here (HTTPS_PROXY is obeyed)", config.github.api_url),
    }
}

fn clocks(skew_s: i64, refused: bool) -> Finding {
    let side = if skew_s < 0 { "ahead of" } else { "behind" };
    let says = format!("this machine's clock is {} s {side} GitHub's", skew_s.abs());
    let fix = "let the machine keep time: timedatectl set-ntp true";
    match skew_s.abs() {
        0..=SKEW_MAX_S => Finding::ok("clock", "agrees with GitHub's"),
        _ if refused => Finding::broken("clock", format!("{says}, for which it refuses the login"), fix),
        _ => Finding::warn("clock", says, fix),
    }
}

/// One line for each permission that is missing.
fn permissions(app: &KnownApp) -> Vec<Finding> {
    let lacking = app.profile.permissions.lacking();
    if lacking.is_empty() {
        return vec![Finding::ok("permissions", "the App asks for all that it needs")];
    }
    let page = app.settings("permissions");
    let fix = |one: &Permission| {
        format!("set {} to {} at {page}, then accept it where the App is installed", one.name, one.access)
    };
    lacking.into_iter().map(|one| lacks("permissions", "the App does not ask for", one, fix(one))).collect()
}

/// A permission that is missing: without some the App does not work, without others it knows less.
pub(super) fn lacks(check: &'static str, who: &str, one: &Permission, fix: String) -> Finding {
    let says = format!("{who} {}: {} ({})", one.name, one.access, one.purpose);
    if ESSENTIAL.contains(&one.name) { Finding::broken(check, says, fix) } else { Finding::warn(check, says, fix) }
}

/// One line for each event that is missing.
fn events(app: &KnownApp) -> Vec<Finding> {
    let lacking = events_lacking(&app.profile.events);
    if lacking.is_empty() {
        return vec![Finding::ok("events", "the App is subscribed to all that it reads")];
    }
    let page = app.settings("permissions");
    let line = |name: &'static str| {
        let purpose = EVENTS.iter().find(|row| row.name == name).map(|row| row.purpose).unwrap_or_default();
        let says = format!("the App is not subscribed to {name} ({purpose})");
        let fix = format!("subscribe it at {page}");
        if name == "pull_request" { Finding::broken("events", says, fix) } else { Finding::warn("events", says, fix) }
    };
    lacking.into_iter().map(line).collect()
}

impl KnownApp {
    pub(super) fn new(profile: AppProfile, pages: Option<Url>) -> Self {
        Self { profile, pages }
    }

    /// Where the App's settings stand.
    pub(super) fn settings(&self, part: &str) -> String {
        let AppProfile { slug, owner, organization, .. } = &self.profile;
        let whose: &[&str] = if *organization { &["organizations", owner] } else { &[] };
        self.address([whose, &["settings", "apps", slug, part]].concat())
            .unwrap_or_else(|| "the App's settings".to_owned())
    }

    /// Where the App is installed.
    pub(super) fn install(&self) -> String {
        let page = Url::parse(&self.profile.html_url).ok().filter(|url| url.scheme().starts_with("http"));
        page.map_or_else(
            || "the App's page".to_owned(),
            |page| format!("{}/installations/new", page.as_str().trim_end_matches('/')),
        )
    }

    /// Where an owner decides about an installation.
    pub(super) fn installation(&self, account: &str, organization: bool, id: u64) -> String {
        let whose: &[&str] = if organization { &["organizations", account] } else { &[] };
        let id = id.to_string();
        self.address([whose, &["settings", "installations", &id]].concat())
            .unwrap_or_else(|| format!("the installation settings of {account}"))
    }

    fn address(&self, segments: Vec<&str>) -> Option<String> {
        let mut url = self.pages.clone()?;
        url.path_segments_mut().ok()?.pop_if_empty().extend(segments.iter().filter(|part| !part.is_empty()));
        Some(url.into())
    }
}
