//! What GitHub accepts as a manifest.

use serde_json::{Map, Value};
use url::{Host, Url};

use super::super::state::Permissions;
use super::super::webhooks::permission;

/// Longest name of an app, in characters.
pub(super) const NAME_MAX: usize = 34;
/// Addresses that people may be sent back to after they have signed in.
const CALLBACKS_MAX: usize = 10;

const KEYS: [&str; 12] = [
    "name",
    "url",
    "hook_attributes",
    "redirect_url",
    "callback_urls",
    "setup_url",
    "description",
    "public",
    "default_events",
    "default_permissions",
    "request_oauth_on_install",
    "setup_on_update",
];
/// Permissions that an app of this simulator can ask for.
const PERMISSIONS: [&str; 13] = [
    "actions",
    "administration",
    "checks",
    "contents",
    "deployments",
    "issues",
    "members",
    "merge_queues",
    "metadata",
    "pull_requests",
    "security_events",
    "statuses",
    "workflows",
];

/// A manifest that was accepted.
#[derive(Clone)]
pub(super) struct Manifest {
    pub(super) name: String,
    pub(super) hook_url: Option<String>,
    pub(super) redirect_url: Option<String>,
    pub(super) permissions: Permissions,
    pub(super) events: Vec<String>,
}

/// Reads a manifest. Errors say what GitHub does not take.
pub(super) fn read(text: &str) -> Result<Manifest, String> {
    let manifest: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| "The manifest is not a JSON object".to_owned())?;
    if let Some(unknown) = manifest.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("\"{unknown}\" is not a permitted key"));
    }
    for key in ["public", "request_oauth_on_install", "setup_on_update"] {
        if manifest.get(key).is_some_and(|value| !value.is_boolean()) {
            return Err(format!("{key} is neither true nor false"));
        }
    }
    let callbacks = manifest.get("callback_urls").map(|urls| urls.as_array().map_or(usize::MAX, Vec::len));
    if callbacks.is_some_and(|count| count > CALLBACKS_MAX) {
        return Err(format!("callback_urls is no list of at most {CALLBACKS_MAX} addresses"));
    }
    address(&manifest, "url")?.ok_or("url wasn't supplied")?;
    address(&manifest, "setup_url")?;
    let name = manifest.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    self::name(&name)?;
    let permissions = permissions(&manifest)?;
    let events = events(&manifest, &permissions)?;
    let (hook_url, redirect_url) = (hook(&manifest)?, address(&manifest, "redirect_url")?.map(String::from));
    Ok(Manifest { name, hook_url, redirect_url, permissions, events })
}

/// What GitHub takes as the name of an app.
pub(super) fn name(name: &str) -> Result<(), String> {
    match name.chars().count() {
        0 => Err("Name can't be blank".to_owned()),
        1..=NAME_MAX => Ok(()),
        _ => Err(format!("Name is too long (maximum is {NAME_MAX} characters)")),
    }
}

fn address(object: &Map<String, Value>, key: &str) -> Result<Option<Url>, String> {
    let Some(value) = object.get(key) else { return Ok(None) };
    let url = value.as_str().and_then(|text| Url::parse(text).ok());
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(Some).ok_or_else(|| format!("{key} must be a valid URL"))
}

/// The hook's address, which GitHub must be able to reach.
fn hook(manifest: &Map<String, Value>) -> Result<Option<String>, String> {
    let Some(hook) = manifest.get("hook_attributes") else { return Ok(None) };
    let hook = hook.as_object().ok_or("hook_attributes is not an object")?;
    if let Some(unknown) = hook.keys().find(|key| !matches!(key.as_str(), "url" | "active")) {
        return Err(format!("hook_attributes: \"{unknown}\" is not a permitted key"));
    }
    if hook.get("active").is_some_and(|active| !active.is_boolean()) {
        return Err("hook_attributes: active is neither true nor false".to_owned());
    }
    let url = address(hook, "url")?.ok_or("hook_attributes: url wasn't supplied")?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
        None => true,
    };
    if local {
        return Err("Hook url is not supported because it isn't reachable over the public Internet".to_owned());
    }
    if url.scheme() != "https" {
        return Err("Hook url must use https".to_owned());
    }
    Ok(Some(url.into()))
}

fn permissions(manifest: &Map<String, Value>) -> Result<Permissions, String> {
    let mut permissions = Permissions::from([("metadata".to_owned(), "read".to_owned())]);
    let asked =
        manifest.get("default_permissions").map(|p| p.as_object().ok_or("default_permissions is not an object"));
    for (name, level) in asked.transpose()?.into_iter().flatten() {
        if !PERMISSIONS.contains(&name.as_str()) {
            return Err(format!("default_permissions: {name} is no permission"));
        }
        let level = level.as_str().filter(|level| matches!(*level, "read" | "write"));
        let level = level.ok_or_else(|| format!("default_permissions: {name} is neither read nor write"))?;
        permissions.insert(name.clone(), level.to_owned());
    }
    Ok(permissions)
}

fn events(manifest: &Map<String, Value>, permissions: &Permissions) -> Result<Vec<String>, String> {
    let asked =
        manifest.get("default_events").map(|e| e.as_array().ok_or("default_events is not a list")).transpose()?;
    let mut events = Vec::new();
    for event in asked.into_iter().flatten() {
        let event = event.as_str().ok_or("default_events holds something that is no text")?;
        let needed = permission(event).ok_or_else(|| format!("Default events unsupported: {event}"))?;
        if !permissions.contains_key(needed) {
            return Err(format!("Default events are not supported by permissions: {event} needs {needed}"));
        }
        events.push(event.to_owned());
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(change: impl FnOnce(&mut Value), expected: Result<(), &str>) {
        let mut manifest = json!({
            "name": "Risk",
            "url": "https://risk.example",
            "hook_attributes": {"url": "https://risk.example/hook", "active": true},
            "redirect_url": "http://127.0.0.1:4000/created",
            "default_permissions": {"checks": "write", "pull_requests": "read"},
            "default_events": ["check_run", "pull_request"],
        });
        change(&mut manifest);
        let found = read(&manifest.to_string()).map(|_| ());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn manifests_are_refused_for_the_reasons_github_has() {
        check(|_| {}, Ok(()));
        check(|m| m["colour"] = json!("red"), Err("\"colour\" is not a permitted key"));
        check(|m| m["url"] = json!("risk"), Err("url must be a valid URL"));
        check(|m| m["name"] = json!(""), Err("Name can't be blank"));
        check(|m| m["name"] = json!("é".repeat(34)), Ok(()));
        check(|m| m["name"] = json!("é".repeat(35)), Err("Name is too long (maximum is 34 characters)"));
        check(|m| m["public"] = json!("no"), Err("public is neither true nor false"));
        check(|m| m["hook_attributes"]["url"] = json!("http://risk.example"), Err("Hook url must use https"));
        for local in ["https://localhost/hook", "https://127.0.0.1/hook", "https://[::1]/hook", "https://a.localhost"] {
            let expected = "Hook url is not supported because it isn't reachable over the public Internet";
            check(|m| m["hook_attributes"]["url"] = json!(local), Err(expected));
        }
        check(
            |m| m["default_permissions"]["cheks"] = json!("read"),
            Err("default_permissions: cheks is no permission"),
        );
        check(
            |m| m["default_permissions"]["checks"] = json!("all"),
            Err("default_permissions: checks is neither read nor write"),
        );
        check(|m| m["default_events"] = json!(["installation"]), Err("Default events unsupported: installation"));
        check(
            |m| m["default_events"] = json!(["push"]),
            Err("Default events are not supported by permissions: push needs contents"),
        );
        assert!(read("[]").is_err());
    }
}
