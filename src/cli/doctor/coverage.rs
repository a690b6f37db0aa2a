//! Where coverage comes from: whether the other systems take their tokens, and who may upload without one of ours.

use secrecy::SecretString;
use url::Url;

use super::checklist::Finding;
use crate::{codecov::Codecov, config::Config, remote::RemoteError, sonar::Sonar};

const CHECK: &str = "coverage";

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let codecov = async {
        let token = config.codecov.token.clone()?;
        Some(remote("Codecov", &config.codecov.api_url, codecov(&config.codecov.api_url, token).await))
    };
    let sonar = async {
        let token = config.sonar.token.clone()?;
        Some(remote("SonarQube", &config.sonar.url, sonar(&config.sonar.url, token).await))
    };
    let (codecov, sonar) = tokio::join!(codecov, sonar);
    [codecov, sonar, workflows(config)].into_iter().flatten().collect()
}

/// Only where somebody uses coverage: without a public address a workflow's token opens every server without one.
fn workflows(config: &Config) -> Option<Finding> {
    (config.public_url.is_none() && (config.codecov.token.is_some() || config.sonar.token.is_some())).then(|| {
        let says = "workflows may upload with a token for the audience \"mergecast\", which is not this server's alone";
        Finding::warn(CHECK, says, "set MERGECAST_PUBLIC_URL, and ask for tokens with it as the audience")
    })
}

async fn codecov(url: &Url, token: SecretString) -> Result<(), RemoteError> {
    Codecov::new(url, token)?.check().await
}

async fn sonar(url: &Url, token: SecretString) -> Result<(), RemoteError> {
    Sonar::new(url, token)?.check().await
}

fn remote(name: &str, url: &Url, answer: Result<(), RemoteError>) -> Finding {
    let host = url.host_str().unwrap_or("an address without host");
    let fix = match &answer {
        Ok(()) => return Finding::ok(CHECK, format!("{name} at {host} takes the token")),
        Err(RemoteError::Unauthorized | RemoteError::Forbidden) => "make a new token there that may read the projects",
        Err(RemoteError::Address) => "give the base of its API, such as the default",
        Err(_) => {
            "see that this machine reaches it; until then coverage from there is unknown, and nothing waits for it"
        }
    };
    Finding::warn(CHECK, format!("{name} at {host}: {}", answer.err().map(|e| e.to_string()).unwrap_or_default()), fix)
}
