//! What has to hold for every webhook. Input: the event's name, a line feed, the body.

use hmac::{Hmac, KeyInit, Mac};
use mergecast::github::webhook::{Event, Malformed, form_payload, verify};
use secrecy::SecretString;
use sha2::Sha256;

const SECRET: &str = "a secret of the fuzzer";
/// Longest part of an event's name that an error repeats, in characters.
const EVENT_CHARS: usize = 64;
/// Bytes of debug output for each byte of payload: DEL, one byte in JSON, is written in six; short list items come near.
const GROWTH: usize = 8;
/// Names of types and fields.
const FRAME: usize = 4_096;

pub(crate) fn check(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, rest) = data.split_at(split);
    let name = String::from_utf8_lossy(name);
    let body = rest.get(1..).unwrap_or_default();
    payload(&name, body);
    signature(&name, body);
    form(body);
}

/// Every body is read or refused, the same way each time, into no more than it holds; an error tells none of it.
fn payload(event: &str, body: &[u8]) {
    let read = Event::parse(event, body);
    assert_eq!(read, Event::parse(event, body), "the same body is the same event");
    match read {
        Ok(read) => {
            let size = format!("{read:?}").len();
            assert!(size <= GROWTH * body.len() + FRAME, "{} bytes became {size}", body.len());
            if let Some(origin) = read.origin() {
                let name = origin.repository.name.to_string();
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
                assert!(name.chars().all(plain), "{name:?} would go into a URL");
                assert!(!name.ends_with("/..") && !name.ends_with("/."), "{name:?} would climb out of a URL");
            }
            if let Event::Push(push) = &read {
                assert!(push.paths.is_sorted() && push.paths.windows(2).all(|pair| pair[0] != pair[1]));
            }
        }
        Err(Malformed { event: named, what }) => {
            assert!(named.chars().count() <= EVENT_CHARS && event.starts_with(&named));
            let field = what.strip_prefix("missing field `").and_then(|field| field.strip_suffix('`'));
            let ours = |c: char| c.is_ascii_lowercase() || c == '_';
            let words = what.chars().all(|c| c.is_ascii_alphabetic() || c == ' ');
            assert!(words || field.is_some_and(|field| field.chars().all(ours)), "{what:?} may quote the payload");
        }
    }
}

/// No header but the right one fits, and the right one fits nothing else.
fn signature(header: &str, body: &[u8]) {
    let secrets = [SecretString::from(SECRET)];
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(body);
    let good = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    assert!(verify(&secrets, &good, body));
    assert!(header.eq_ignore_ascii_case(&good) || !verify(&secrets, header, body), "{header:?} was guessed");
    assert!(!verify(&[SecretString::from("another")], &good, body));
    assert!(!verify(&[SecretString::from("")], &good, body));
    let mut other = body.to_vec();
    match other.first_mut() {
        Some(byte) => *byte ^= 1,
        None => other.push(b' '),
    }
    assert!(!verify(&secrets, &good, &other));
}

/// A form gives back the payload that was put into it, and no form gives more than it holds.
fn form(body: &[u8]) {
    if let Some(found) = form_payload(body) {
        // A byte that is not UTF-8 becomes U+FFFD, which has three.
        assert!(found.len() <= 3 * body.len());
    }
    if let Ok(text) = std::str::from_utf8(body) {
        let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", text).finish();
        assert_eq!(form_payload(form.as_bytes()).as_deref(), Some(body));
    }
}
