//! Where a mirror comes from: an address that Mergecast made itself, and the token that opens it.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::MirrorError;

/// Longest name of a branch, in bytes; file systems take no longer file name.
const BRANCH_MAX: usize = 255;
/// GitHub takes a token of an installation as the password of this user.
const USER: &str = "x-access-token";

/// The name of a branch as git allows it, without `refs/heads/`: safe in a refspec and behind a space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchName(String);

impl BranchName {
    /// `None` for what git refuses as a branch's name.
    pub fn new(name: &str) -> Option<Self> {
        let part_fits = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        let fits = name.len() <= BRANCH_MAX
            && !name.starts_with('-')
            && !name.ends_with('.')
            && name != "@"
            && !name.contains("..")
            && !name.contains("@{")
            && !name.chars().any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c))
            && name.split('/').all(part_fits);
        fits.then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With `refs/heads/` before it.
    pub fn reference(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

/// A remote repository.
pub struct Remote {
    url: Url,
    token: Option<SecretString>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({})", self.url)
    }
}

impl Remote {
    /// `{base}/{owner}/{name}.git`, read with `token`. `base` is https, a directory (`file`), or http on this machine.
    /// `owner` and `name` are names that GitHub allows; the caller has seen to that.
    ///
    /// # Errors
    /// [`MirrorError::Address`] for any other base: a token would cross the network in clear.
    pub fn new(base: &Url, owner: &str, name: &str, token: Option<SecretString>) -> Result<Self, MirrorError> {
        let near = match base.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(domain)) => domain == "localhost",
            None => false,
        };
        let fits = match base.scheme() {
            "https" => base.has_host(),
            "http" => near,
            "file" => base.host().is_none(),
            _ => false,
        };
        let plain = base.username().is_empty() && base.password().is_none() && base.query().is_none();
        if !fits || !plain {
            return Err(MirrorError::Address);
        }
        let mut url = base.clone();
        url.set_fragment(None);
        let segments = url.path_segments_mut();
        segments.map_err(|()| MirrorError::Address)?.pop_if_empty().push(owner).push(&format!("{name}.git"));
        Ok(Self { url, token })
    }

    /// Whether a base is read with a token at all: directories have no use for one.
    pub fn takes_token(base: &Url) -> bool {
        base.scheme() != "file"
    }

    /// The one protocol that git may speak.
    pub(super) fn protocol(&self) -> &str {
        self.url.scheme()
    }

    /// Settings for git that nobody but the user who runs it may see: they go through the environment, which other users
    /// cannot read, unlike arguments.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![("remote.origin.url".to_owned(), self.url.as_str().to_owned())];
        if let Some(token) = self.token.as_ref().filter(|_| self.url.has_host()) {
            let login = STANDARD.encode(format!("{USER}:{}", token.expose_secret()));
            // Bound to scheme, host and port: git sends it nowhere else.
            let origin = self.url.origin().ascii_serialization();
            settings.push((format!("http.{origin}/.extraHeader"), format!("Authorization: Basic {login}")));
        }
        settings
    }

    /// `text` without the token, should git ever say it.
    pub(super) fn without_token(&self, text: &str) -> String {
        self.token.as_ref().map_or_else(|| text.to_owned(), |token| text.replace(token.expose_secret(), "***"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_git_takes_for_a_branch_is_one() {
        for good in ["main", "release/1.x", "ünïcode", "a@b", "feature/#12", "$(id)", "a;b", "x'y\"z", "HEAD"] {
            let name = BranchName::new(good).unwrap_or_else(|| panic!("{good:?}"));
            assert_eq!(name.reference(), format!("refs/heads/{good}"));
        }
        let long = "x".repeat(256);
        let bad = [
            "",
            "-x",
            "--upload-pack=touch x",
            "a..b",
            "a b",
            "a\nb",
            "a\0b",
            "a:b",
            "+a:b",
            "a*",
            "a?",
            "a[b",
            "a\\b",
            "a~1",
            "a^",
            "@",
            "a@{1}",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "a\u{a0}b",
            &long,
        ];
        for bad in bad {
            assert_eq!(BranchName::new(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_token_goes_to_its_host_alone_and_never_in_clear() {
        let remote = |base: &str| {
            Remote::new(&Url::parse(base).unwrap(), "acme", "shop", Some(SecretString::from("ghs_SENTINEL")))
        };
        let settings = remote("https://github.example:8443/base/").unwrap().settings();
        let expected = [
            ("remote.origin.url", "https://github.example:8443/base/acme/shop.git"),
            (
                "http.https://github.example:8443/.extraHeader",
                "Authorization: Basic eC1hY2Nlc3MtdG9rZW46Z2hzX1NFTlRJTkVM",
            ),
        ];
        assert_eq!(settings, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert!(!format!("{:?}", remote("https://github.example").unwrap()).contains("SENTINEL"));
        assert_eq!(remote("file:///srv/git").unwrap().settings().len(), 1, "a directory takes no token");
        assert!(remote("http://127.0.0.1:4000").is_ok() && remote("http://[::1]:4000").is_ok());
        for bad in
            ["http://github.example", "ssh://git@github.example", "git://github.example", "https://u:p@h", "ext:x"]
        {
            assert!(matches!(remote(bad), Err(MirrorError::Address)), "{bad}");
        }
    }
}
