//! Registering an app from a manifest: the form that takes it, the button that makes the app, and the exchange of the
//! code for the credentials. The app that was registered last is the one that this GitHub knows as ours.

mod rules;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::{Url, form_urlencoded};

use super::Shared;
use super::answer::{self, Answer, Outcome, Request};
use super::app_key::{AppKey, AppLogin};
use super::page::{document, escape};
use super::state::{AppRecord, State, UserKind};
use rules::Manifest;

/// How long a code can be exchanged.
const CODE_LIFE: TimeDelta = TimeDelta::hours(1);
/// Who uses the pages of the simulated GitHub.
const PERSON: &str = "octocat";

/// An app that was made on the page, and the code for its credentials.
pub(super) struct Registration {
    owner: String,
    manifest: Manifest,
    made_at: DateTime<Utc>,
    exchanged: bool,
}

/// The code of a request to exchange it.
pub(super) fn code(request: &Request) -> Option<&str> {
    match request.segments.as_slice() {
        [first, code, last] if first == "app-manifests" && last == "conversions" && request.method == "POST" => {
            Some(code)
        }
        _ => None,
    }
}

/// Exchanges a code, once and within an hour: the app comes to life, and its owner gets its secrets.
pub(super) fn convert(shared: &Shared, code: &str) -> Outcome {
    // Takes a tenth of a second, in which others go on.
    let key = AppKey::generate().map_err(|why| Answer::error(500, why))?;
    let mut state = shared.state();
    let now = state.now();
    let registration = state.registrations.get_mut(code).filter(|r| !r.exchanged && now - r.made_at < CODE_LIFE);
    let registration = registration.ok_or_else(Answer::not_found)?;
    registration.exchanged = true;
    let (manifest, owner) = (registration.manifest.clone(), registration.owner.clone());
    let (id, serial) = (state.new_id(), hex::encode(state.rng.u64(..).to_be_bytes()));
    let record = AppRecord {
        id,
        slug: slug(&manifest.name),
        name: manifest.name,
        owner,
        client_id: format!("Iv23li{}", &serial[..14]),
        permissions: manifest.permissions,
        events: manifest.events,
        created_at: now,
    };
    let secret = |rng: &mut fastrand::Rng| hex::encode(rng.u128(..).to_be_bytes());
    let (client_secret, webhook_secret) = (secret(&mut state.rng), SecretString::from(secret(&mut state.rng)));
    let login = AppLogin::new(&record, key, webhook_secret);
    let mut body = state.app_shape(&record);
    body["events"] = json!(record.events);
    body["client_secret"] = json!(client_secret);
    // GitHub makes a secret only for a hook that it is told of.
    let secret = manifest.hook_url.as_ref().map(|_| login.app.webhook_secret.expose_secret());
    body["webhook_secret"] = json!(secret);
    body["pem"] = json!(login.app.private_key_pem.expose_secret());
    (state.app, state.login) = (record, Arc::new(login));
    (state.hook_url, state.hook_verified) = (manifest.hook_url, true);
    state.installations.clear();
    state.tokens.clear();
    Ok(Answer::new(201, body))
}

/// Answers a request for one of these pages; `None` if it is another one.
pub(super) fn serve(
    shared: &Shared,
    method: &Method,
    segments: &[String],
    query: &str,
    body: &[u8],
) -> Option<Response<Body>> {
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).unwrap_or_default();
    let mut state = shared.state();
    let (owner, rest) = match path.as_slice() {
        ["settings", "apps", rest @ ..] => (PERSON, rest),
        ["organizations", org, "settings", "apps", rest @ ..] => (*org, rest),
        ["apps", slug, rest @ ..] if *slug == state.app.slug => return app_page(&mut state, method, rest, field),
        _ => return None,
    };
    let organization = state.users.get(&owner.to_lowercase()).is_some_and(|u| u.kind == UserKind::Organization);
    if *method != Method::POST || (owner != PERSON && !organization) {
        return None;
    }
    let page = match rest {
        ["new"] => {
            let given = answer::query(query).into_iter().find(|(name, _)| name == "state").map(|(_, value)| value);
            ask(segments, field("manifest"), given.as_deref())
        }
        [] => make(&mut state, owner, field),
        _ => return None,
    };
    Some(page)
}

/// The form that shows what the manifest asks for.
fn ask(segments: &[String], manifest: &str, state: Option<&str>) -> Response<Body> {
    let read = match rules::read(manifest) {
        Ok(read) => read,
        Err(why) => return refused(&why),
    };
    let list = |items: Vec<String>| items.iter().map(|i| format!("<li>{}</li>", escape(i))).collect::<String>();
    let permissions = list(read.permissions.iter().map(|(name, level)| format!("{name}: {level}")).collect());
    let action = format!("/{}", segments[..segments.len() - 1].join("/"));
    let state = state.map(|s| format!("<input type=\"hidden\" name=\"state\" value=\"{}\">", escape(s)));
    shown(
        StatusCode::OK,
        "Create GitHub App",
        &format!(
            "<h1>Create GitHub App</h1><form method=\"post\" action=\"{}\">\
             <p><label>Name <input name=\"name\" value=\"{}\" maxlength=\"{}\"></label></p>\
             <p>Webhooks go to <code>{}</code></p><h2>Permissions</h2><ul>{permissions}</ul><h2>Events</h2><ul>{}</ul>\
             <input type=\"hidden\" name=\"manifest\" value=\"{}\">{}<button>Create GitHub App</button></form>",
            escape(&action),
            escape(&read.name),
            rules::NAME_MAX,
            escape(read.hook_url.as_deref().unwrap_or("nowhere")),
            list(read.events),
            escape(manifest),
            state.unwrap_or_default(),
        ),
    )
}

/// Makes the app and sends its maker back with the code.
fn make<'a>(state: &mut State, owner: &str, field: impl Fn(&str) -> &'a str) -> Response<Body> {
    let mut manifest = match rules::read(field("manifest")) {
        Ok(manifest) => manifest,
        Err(why) => return refused(&why),
    };
    manifest.name = field("name").trim().to_owned();
    let taken = |slug: &str| {
        state.app.slug == slug
            || state.other_apps.contains_key(slug)
            || state.registrations.values().any(|r| self::slug(&r.manifest.name) == slug)
    };
    if let Err(why) = rules::name(&manifest.name) {
        return refused(&why);
    }
    if taken(&slug(&manifest.name)) {
        return refused("Name is already in use");
    }
    let Some(mut back) = manifest.redirect_url.as_deref().and_then(|url| Url::parse(url).ok()) else {
        return refused("redirect_url is missing");
    };
    let code = hex::encode(state.rng.u128(..).to_be_bytes());
    back.query_pairs_mut().append_pair("code", &code);
    if !field("state").is_empty() {
        back.query_pairs_mut().append_pair("state", field("state"));
    }
    let made_at = state.now();
    let registration = Registration { owner: owner.to_owned(), manifest, made_at, exchanged: false };
    state.registrations.insert(code, registration);
    let mut response = shown(StatusCode::FOUND, "Redirecting", "<p>You are being sent back</p>");
    if let Ok(to) = HeaderValue::from_str(back.as_str()) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

/// The app's public page and the page that installs it.
fn app_page<'a>(
    state: &mut State,
    method: &Method,
    rest: &[&str],
    field: impl Fn(&str) -> &'a str,
) -> Option<Response<Body>> {
    let name = escape(&state.app.name);
    let install = format!("/apps/{}/installations/new", state.app.slug);
    match (method, rest) {
        (&Method::GET, []) => {
            let body = format!("<h1>{name}</h1><p><a href=\"{install}\">Install</a></p>");
            Some(shown(StatusCode::OK, &state.app.name, &body))
        }
        (&Method::GET, ["installations", "new"]) => {
            let owners = state.repos.values().filter(|r| r.fork_of.is_none()).map(|r| escape(&r.owner));
            let owners: std::collections::BTreeSet<String> = owners.collect();
            let buttons: String = owners
                .iter()
                .map(|owner| format!("<p><button name=\"account\" value=\"{owner}\">Install on {owner}</button></p>"))
                .collect();
            let body = format!("<h1>Install {name}</h1><form method=\"post\" action=\"{install}\">{buttons}</form>");
            Some(shown(StatusCode::OK, "Install", &body))
        }
        (&Method::POST, ["installations", "new"]) => {
            let account = field("account").to_owned();
            let known = state.repos.values().any(|r| r.owner.eq_ignore_ascii_case(&account));
            known.then(|| {
                let id = state.installation_for(&account);
                state.send_installation("created", id);
                shown(StatusCode::OK, "Installed", &format!("<h1>{name} is installed on {}</h1>", escape(&account)))
            })
        }
        _ => None,
    }
}

/// Name in addresses.
fn slug(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn refused(why: &str) -> Response<Body> {
    let body = format!("<h1>The app was not created</h1><p class=\"bad\">{}</p>", escape(why));
    shown(StatusCode::UNPROCESSABLE_ENTITY, "Not created", &body)
}

fn shown(status: StatusCode, title: &str, body: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(document(title, &format!("<main>{body}</main>"))));
    *response.status_mut() = status;
    // No form-action: the form leads to the address that the manifest names.
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
