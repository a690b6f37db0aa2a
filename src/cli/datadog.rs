//! Datadog as the settings name it.

use anyhow::Context;

use crate::{
    clock::Clock,
    config::Config,
    datadog::{Datadog, Keys, Options, Site},
};

/// The client, if both keys are set.
pub(super) fn client(config: &Config, clock: &Clock) -> anyhow::Result<Option<Datadog>> {
    let datadog = &config.datadog;
    let (Some(api), Some(app)) = (datadog.api_key.clone(), datadog.app_key.clone()) else {
        if datadog.api_key.is_some() || datadog.app_key.is_some() {
            tracing::warn!("Datadog is not connected: of DD_API_KEY and DD_APP_KEY only one is set");
        }
        return Ok(None);
    };
    let (keys, site) = (Keys { api, app }, Site::new(&datadog.site));
    let client = Datadog::new(&datadog.api_url, site, keys, clock.clone(), Options::default());
    client.context("the settings for Datadog cannot be used").map(Some)
}
