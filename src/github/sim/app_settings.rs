//! What the app's owner sees and changes on GitHub's pages: permissions, events, the hook.

use std::sync::Arc;

use secrecy::SecretString;

use super::Sim;
use super::state::{Permissions, State};

/// The settings of the app, as its page shows them.
#[derive(Clone, Debug)]
pub struct SimAppSettings {
    /// What it asks for. Installations keep what they granted until an owner accepts.
    pub permissions: Permissions,
    /// What it is subscribed to.
    pub events: Vec<String>,
    /// Where webhooks go.
    pub hook_url: Option<String>,
    /// The certificate of that address is checked.
    pub hook_verified: bool,
    /// Secret that signs webhooks; empty for none.
    pub webhook_secret: SecretString,
}

impl Sim {
    /// The settings of the app.
    pub fn app_settings(&self) -> SimAppSettings {
        let state = self.shared.state();
        SimAppSettings {
            permissions: state.app.permissions.clone(),
            events: state.app.events.clone(),
            hook_url: state.hook_url.clone(),
            hook_verified: state.hook_verified,
            webhook_secret: state.login.app.webhook_secret.clone(),
        }
    }

    /// Changes the settings of the app.
    pub fn change_app(&self, change: impl FnOnce(&mut SimAppSettings)) {
        let mut settings = self.app_settings();
        change(&mut settings);
        self.act(|state| {
            let SimAppSettings { permissions, events, hook_url, hook_verified, webhook_secret } = settings;
            (state.app.permissions, state.app.events) = (permissions, events);
            (state.hook_url, state.hook_verified) = (hook_url, hook_verified);
            Arc::make_mut(&mut state.login).app.webhook_secret = webhook_secret;
        });
    }

    /// Lets a public address lead to another one, as name servers and proxies do.
    pub fn resolve(&self, public: &str, real: &str) {
        self.act(|state| state.resolved = Some((public.to_owned(), real.to_owned())));
    }
}

impl State {
    /// Where webhooks really go.
    pub(super) fn hook_address(&self) -> Option<String> {
        let url = self.hook_url.as_ref()?;
        let resolved = self
            .resolved
            .as_ref()
            .and_then(|(public, real)| Some(format!("{real}{}", url.strip_prefix(public.as_str())?)));
        Some(resolved.unwrap_or_else(|| url.clone()))
    }
}
