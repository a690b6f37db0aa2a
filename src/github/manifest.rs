//! The App's manifest: what GitHub is asked to create, from the tables of permissions and events.

use std::collections::BTreeMap;

use serde::Serialize;
use url::Url;

use super::{EVENTS, PERMISSIONS};

/// Longest name of an App that GitHub takes, in characters.
pub const APP_NAME_MAX: usize = 34;

/// Where GitHub's webhooks arrive, below the public address.
const WEBHOOK_PATH: &str = "/webhooks/github";

/// What GitHub is asked to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Name, which nobody else's App may have.
    pub name: String,
    /// Homepage.
    pub url: String,
    /// Where webhooks go.
    pub hook_attributes: HookAttributes,
    /// Where the person is sent back to with the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    /// What the person who installs it reads.
    pub description: &'static str,
    /// Whether others than its owner can install it.
    pub public: bool,
    /// Permissions that it asks for.
    pub default_permissions: BTreeMap<&'static str, &'static str>,
    /// Events that it is subscribed to.
    pub default_events: Vec<&'static str>,
}

/// The App's webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HookAttributes {
    /// Its address.
    pub url: String,
    /// Whether webhooks are sent at all.
    pub active: bool,
}

impl Manifest {
    /// The App of a server that GitHub reaches at `public_url`.
    pub fn new(name: &str, public_url: &Url) -> Self {
        Self {
            name: name.to_owned(),
            url: public_url.as_str().trim_end_matches('/').to_owned(),
            hook_attributes: HookAttributes { url: webhook_url(public_url).into(), active: true },
            redirect_url: None,
            description: "Scores how likely a pull request is to break production, and says why.",
            // Whoever installs a public App has its server read their code.
            public: false,
            default_permissions: PERMISSIONS.iter().map(|one| (one.name, one.access)).collect(),
            default_events: EVENTS.iter().filter(|event| event.subscribed).map(|event| event.name).collect(),
        }
    }
}

/// Where the webhooks of a server at `public_url` arrive.
pub fn webhook_url(public_url: &Url) -> Url {
    let mut url = public_url.clone();
    url.set_path(&format!("{}{WEBHOOK_PATH}", public_url.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_arrive_below_the_public_address() {
        let check = |public: &str, expected: &str| assert_eq!(webhook_url(&public.parse().unwrap()).as_str(), expected);
        check("https://risk.example", "https://risk.example/webhooks/github");
        check("https://risk.example/", "https://risk.example/webhooks/github");
        check("https://tools.example:8443/risk", "https://tools.example:8443/risk/webhooks/github");
    }

    #[test]
    fn it_asks_for_no_more_than_is_used() {
        for event in EVENTS {
            let has = |needed: &str| PERMISSIONS.iter().any(|one| one.name == needed);
            assert!(event.permission.is_none_or(has), "{} needs a permission that is not asked for", event.name);
            assert_eq!(event.subscribed, event.permission.is_some(), "{}", event.name);
        }
        for one in PERMISSIONS {
            let unwanted = ["administration", "secrets", "workflows", "security_events"].contains(&one.name);
            assert!(!unwanted && matches!(one.access, "read" | "write"), "{one:?}");
            assert!((one.name, one.access) != ("contents", "write"), "nothing is ever written into a repository");
        }
    }
}
