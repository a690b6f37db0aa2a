//! Texts of settings into values. An error says what would be right; who asks adds which setting it was.

use std::net::{IpAddr, SocketAddr};

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::{ConfigError, Learning, nearest, settings::DATADOG_SITES};

/// What a value should have been: completes "… is not ".
pub(super) type Expected = String;

const WORKERS_MAX: usize = 64;

pub(super) fn address(text: &str) -> Result<SocketAddr, Expected> {
    let text = text.replacen("localhost:", "127.0.0.1:", 1);
    text.parse().map_err(|_| "an address with a port, such as 127.0.0.1:8080 or [::]:8080".to_owned())
}

pub(super) fn database(text: &str) -> Result<String, Expected> {
    match text.strip_prefix("sqlite:") {
        Some(path) if !path.trim_start_matches('/').is_empty() => Ok(text.to_owned()),
        _ => Err("a database URL such as sqlite://mergecast.db or sqlite:///var/lib/mergecast/mergecast.db".to_owned()),
    }
}

pub(super) fn workers(text: &str) -> Result<usize, Expected> {
    match text.parse() {
        Ok(count @ 1..=WORKERS_MAX) => Ok(count),
        _ => Err(format!("a whole number from 1 to {WORKERS_MAX}")),
    }
}

pub(super) fn switch(text: &str) -> Result<bool, Expected> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".to_owned()),
    }
}

pub(super) fn learning(text: &str) -> Result<Learning, Expected> {
    match text {
        "off" => Ok(Learning::Off),
        "propose" => Ok(Learning::Propose),
        "activate" => Ok(Learning::Activate),
        _ => Err("propose, activate or off".to_owned()),
    }
}

/// A number of days, weeks or years, such as `90d`, `12w` or `2y`.
pub(super) fn age(text: &str, least_days: i64) -> Result<TimeDelta, Expected> {
    let expected = || format!("a number of days, weeks or years such as 90d, 12w or 2y, at least {least_days}d");
    let (unit, number) = text.char_indices().last().map(|(at, unit)| (unit, &text[..at])).ok_or_else(expected)?;
    let days = match unit {
        'd' => 1,
        'w' => 7,
        'y' => 365,
        _ => return Err(expected()),
    };
    let number: u16 = number.parse().map_err(|_| expected())?;
    let days = i64::from(number) * days;
    if days < least_days { Err(expected()) } else { Ok(TimeDelta::days(days)) }
}

pub(super) fn app_id(text: &str) -> Result<u64, Expected> {
    match text.parse() {
        Ok(0) | Err(_) => Err("the number of a GitHub App, as its settings page shows it".to_owned()),
        Ok(id) => Ok(id),
    }
}

/// `https` anywhere, `http` to this machine only; without credentials, query or fragment; without a trailing slash
/// (but for the one that an empty path keeps).
pub(super) fn web_url(text: &str) -> Result<Url, Expected> {
    let expected = || "a URL that starts with https:// (http:// only for this machine), without ? or # or a password";
    let url = plain_url(text).ok_or_else(expected)?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    };
    let secure = url.scheme() == "https" && url.has_host();
    if secure || (url.scheme() == "http" && loopback) { Ok(url) } else { Err(expected().to_owned()) }
}

/// As [`web_url`], or a directory on this machine.
pub(super) fn git_url(text: &str) -> Result<Url, Expected> {
    match plain_url(text) {
        Some(url) if url.scheme() == "file" => Ok(url),
        _ => web_url(text).map_err(|expected| format!("{expected}, nor a file:// URL")),
    }
}

fn plain_url(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && !url.cannot_be_a_base();
    if !plain {
        return None;
    }
    let trimmed = url.path().trim_end_matches('/').to_owned();
    url.set_path(&trimmed);
    Some(url)
}

/// Where the GraphQL API of a REST base lives.
pub(super) fn graphql_of(api: &Url) -> Url {
    let mut url = api.clone();
    let path = api.path().trim_end_matches('/');
    // GitHub Enterprise Server serves REST below /api/v3 and GraphQL beside it.
    let path = match path.strip_suffix("/api/v3") {
        Some(prefix) => format!("{prefix}/api/graphql"),
        None => format!("{path}/graphql"),
    };
    url.set_path(&path);
    url
}

pub(super) fn datadog_site(text: &str) -> Result<String, Expected> {
    if DATADOG_SITES.contains(&text) {
        return Ok(text.to_owned());
    }
    let meant = nearest(text, DATADOG_SITES.iter().copied());
    let meant = meant.map(|site| format!("; did you mean {site}?")).unwrap_or_default();
    Err(format!("one of Datadog's sites ({}){meant}", DATADOG_SITES.join(", ")))
}

/// A private key whose line breaks may be written as `\n`, as one-line environment files need.
pub(super) fn private_key(secret: &SecretString) -> Result<SecretString, ConfigError> {
    let text = secret.expose_secret().replace("\\r", "").replace("\\n", "\n");
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----") {
        return Ok(text.into());
    }
    Err(ConfigError::new(
        "GITHUB_PRIVATE_KEY is not a private key in PEM",
        "give the whole text of the .pem file that GitHub made, or its path as GITHUB_PRIVATE_KEY_FILE",
    ))
}
