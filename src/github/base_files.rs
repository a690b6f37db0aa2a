//! The two files that are read from the base branch: CODEOWNERS and the policy. Never from the head: whoever opens a
//! pull request must not choose the rules that it is judged by.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::auth::Permissions;
use super::error::{Error, Retry};
use super::fold::unknown;
use super::graphql::Refusals;
use super::installation::Installation;
use super::name::RepoName;
use super::pull_request::TextFile;
use super::wire::{BaseCommit, TreeEntry};
use crate::risk::facts::{Known, Reason, Source};

/// GitHub does not load a CODEOWNERS file of this size or more.
const MAX_CODEOWNERS_BYTES: u64 = 3 * 1024 * 1024;
/// A policy is a page; what is longer is no policy.
const MAX_POLICY_BYTES: u64 = 256 * 1024;
/// Git's mode of a symbolic link.
const SYMLINK: u32 = 0o120_000;

/// What reading them needs to know.
pub(super) struct BaseFiles<'a> {
    pub(super) repo: &'a RepoName,
    pub(super) granted: &'a Permissions,
    pub(super) refusals: &'a Refusals,
}

/// Which file, and why it may be missing.
struct Wanted {
    source: Source,
    /// Response keys of the places where it may stand, in the order in which GitHub looks.
    keys: &'static [&'static str],
    max_bytes: u64,
}

const CODEOWNERS: Wanted = Wanted {
    source: Source::Codeowners,
    keys: &["baseRef", "codeowners1", "codeowners2", "codeowners3"],
    max_bytes: MAX_CODEOWNERS_BYTES - 1,
};
const POLICY: Wanted = Wanted { source: Source::Policy, keys: &["baseRef", "policy"], max_bytes: MAX_POLICY_BYTES };

/// CODEOWNERS and policy.
pub(super) type Both = (Known<Option<TextFile>>, Known<Option<TextFile>>);

impl Installation {
    /// Picks both files out of `base`, and fetches a text that GraphQL cut. Fails only on a rate limit.
    pub(super) async fn base_files(&self, ask: &BaseFiles<'_>, base: Option<BaseCommit>) -> Result<Both, Error> {
        let Some(base) = base else {
            let gone = |wanted: &Wanted| {
                let reason = ask.refusals.under("baseRef");
                let reason = reason.unwrap_or_else(|| Reason::Unavailable("the base branch is gone".to_owned()));
                Err(unknown(wanted.source, reason, ask.granted, &["contents"]))
            };
            return Ok((gone(&CODEOWNERS), gone(&POLICY)));
        };
        let places = [base.codeowners1, base.codeowners2, base.codeowners3].into_iter().flatten().collect();
        let codeowners = self.base_file(ask, &CODEOWNERS, places).await?;
        let policy = self.base_file(ask, &POLICY, base.policy.into_iter().collect()).await?;
        Ok((codeowners, policy))
    }

    async fn base_file(
        &self,
        ask: &BaseFiles<'_>,
        wanted: &Wanted,
        places: Vec<TreeEntry>,
    ) -> Result<Known<Option<TextFile>>, Error> {
        let refused = |reason| Ok(Err(unknown(wanted.source, reason, ask.granted, &["contents"])));
        if let Some(reason) = wanted.keys.iter().find_map(|key| ask.refusals.under(key)) {
            return refused(reason);
        }
        // A directory of that name is no such file.
        let is_file = |e: &TreeEntry| e.object.as_ref().is_some_and(|o| o.is_binary.is_some() || o.text.is_some());
        let Some(entry) = places.into_iter().find(is_file) else { return Ok(Ok(None)) };
        let TreeEntry { path, mode, size, oid, object } = entry;
        let (path, blob) = (path.unwrap_or_default(), object.expect("it was picked for having one"));
        let unreadable = |what: &str| refused(Reason::Unusable(format!("{path} {what}")));
        if mode & 0o170_000 == SYMLINK {
            return unreadable("is a symbolic link, not a file");
        }
        if size > wanted.max_bytes {
            return unreadable(if wanted.source == Source::Policy {
                "is over 256 KB: make it shorter"
            } else {
                "is 3 MB or more, which GitHub does not load either: make it smaller"
            });
        }
        let text = match (blob.is_binary, blob.text) {
            (Some(true), _) | (_, None) => return unreadable("is no text"),
            (_, Some(text)) if !blob.is_truncated => text,
            _ => match self.blob_text(ask.repo, &oid).await {
                Ok(text) => text,
                Err(error) if matches!(error.retry(), Retry::At(_)) => return Err(error),
                Err(error) => return refused(error.reason()),
            },
        };
        Ok(Ok(Some(TextFile { path, oid, text })))
    }

    /// The whole content of a file by its object id; what is no UTF-8 is replaced.
    async fn blob_text(&self, repo: &RepoName, oid: &str) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Blob {
            content: String,
            encoding: String,
        }
        let url = self.transport().url(["repos", repo.owner(), repo.name(), "git", "blobs", oid], &[]);
        let Blob { content, encoding } = self.get(url).await?.json()?;
        if encoding != "base64" {
            return Ok(content);
        }
        let packed: String = content.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(packed).map_err(|_| Error::contract("a blob that is no base64"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
