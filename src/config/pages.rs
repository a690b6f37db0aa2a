//! Where people open GitHub's pages: beside the git remotes, or told by the address of the API.

use url::{Host, Url};

use super::{ConfigError, GitHubConfig, SETTINGS};

impl GitHubConfig {
    /// Base of GitHub's pages, without a slash at the end of its path.
    ///
    /// # Errors
    /// The API is none whose pages are known, and no address of git remotes is set that would tell.
    pub fn pages_url(&self) -> Result<Url, ConfigError> {
        let default =
            SETTINGS.iter().find(|setting| setting.env == "GITHUB_GIT_URL").and_then(|setting| setting.default);
        let is_default = default.is_some_and(|text| Url::parse(text).is_ok_and(|url| url == self.git_url));
        let remotes = Some(&self.git_url).filter(|url| url.scheme().starts_with("http") && !is_default);
        remotes.cloned().or_else(|| pages_of(&self.api_url)).ok_or_else(|| {
            ConfigError::new(
                format!("GITHUB_API_URL is {}, which does not tell where GitHub's pages are", self.api_url),
                "set GITHUB_GIT_URL to the address that people open in the browser",
            )
        })
    }
}

/// The pages of github.com, of a GitHub Enterprise Server, or of an enterprise with data residency.
fn pages_of(api: &Url) -> Option<Url> {
    let mut pages = api.clone();
    let path = api.path().trim_end_matches('/');
    if let Some(prefix) = path.strip_suffix("/api/v3") {
        pages.set_path(prefix);
        return Some(pages);
    }
    let Some(Host::Domain(host)) = api.host() else { return None };
    let bare = host.strip_prefix("api.").filter(|bare| *bare == "github.com" || bare.ends_with(".ghe.com"))?;
    pages.set_host(Some(bare)).ok()?;
    path.is_empty().then_some(pages)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigSources};

    #[test]
    fn the_pages_follow_from_the_settings() {
        let check = |env: &[(&str, &str)], expected: Option<&str>| {
            let look = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            let config = Config::load(ConfigSources { file: None, flags: Vec::new(), env: &look }).unwrap();
            let pages = config.github.pages_url().ok();
            assert_eq!(pages.as_ref().map(|url| url.as_str().trim_end_matches('/')), expected, "{env:?}");
        };
        check(&[], Some("https://github.com"));
        check(&[("GITHUB_API_URL", "https://ghe.example/api/v3")], Some("https://ghe.example"));
        check(&[("GITHUB_API_URL", "https://tools.example/gh/api/v3/")], Some("https://tools.example/gh"));
        check(&[("GITHUB_API_URL", "https://api.octo.ghe.com")], Some("https://octo.ghe.com"));
        check(&[("GITHUB_API_URL", "https://proxy.example")], None);
        check(&[("GITHUB_API_URL", "https://proxy.example"), ("GITHUB_GIT_URL", "file:///srv/git")], None);
        let both = [("GITHUB_API_URL", "https://ghe.example/api/v3"), ("GITHUB_GIT_URL", "https://git.example/x")];
        check(&both, Some("https://git.example/x"));
    }
}
