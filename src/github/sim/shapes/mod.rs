//! The JSON shapes that REST answers and webhooks share, with every field that GitHub's schemas require.

mod account;
mod check;
mod commit;
mod pull;
mod repository;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
pub(super) use pull::REACTIONS;

use chrono::{DateTime, SecondsFormat, Utc};

/// A time as GitHub writes it: whole seconds, `Z`.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A GraphQL global id: opaque to clients, read back by [`node_number`].
pub(super) fn node_id(prefix: &str, id: u64) -> String {
    format!("{prefix}_kwDO{}", URL_SAFE_NO_PAD.encode(id.to_be_bytes()))
}

/// Prefix and number of a global id.
pub(super) fn node_number(node_id: &str) -> Option<(&str, u64)> {
    let (prefix, rest) = node_id.split_once("_kwDO")?;
    let bytes: [u8; 8] = URL_SAFE_NO_PAD.decode(rest).ok()?.try_into().ok()?;
    Some((prefix, u64::from_be_bytes(bytes)))
}

/// Percent-encodes what may not stand in a URL's path; slashes stay.
pub(super) fn encode_path(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'@' | b'+' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
