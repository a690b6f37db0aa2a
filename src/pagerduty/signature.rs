//! The signature of a webhook, over its raw bytes.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Signatures in a header that are looked at. PagerDuty sends one for each secret in use, which is two while one is
/// replaced.
const SIGNATURES_MAX: usize = 8;

/// Whether `header` (`X-PagerDuty-Signature`) holds a signature of `body` by one of `secrets`. It is a list such as
/// `v1=…,v1=…`; versions other than `v1` are passed over. Takes the same time whichever of them fits; an empty secret fits
/// nothing.
pub fn verify(secrets: &[SecretString], header: &str, body: &[u8]) -> bool {
    let signatures: Vec<[u8; 32]> = header.split(',').filter_map(signature).take(SIGNATURES_MAX).collect();
    let mut fits = false;
    for secret in secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| !secret.is_empty()) {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
        mac.update(body);
        for signature in &signatures {
            fits |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    fits
}

fn signature(part: &str) -> Option<[u8; 32]> {
    let mut signature = [0; 32];
    let hex = part.trim().strip_prefix("v1=")?;
    hex::decode_to_slice(hex, &mut signature).ok().map(|()| signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"event":{"event_type":"incident.triggered","data":{"title":"Störung – 支付"}}}"#;
    const BY_FIRST: &str = "1e58e5348c8e149449c92ff80b0a6c4ddffc5c89484dd98c519e29668a71b776";

    fn fits(secrets: &[&str], header: &str, body: &str) -> bool {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        verify(&secrets, header, body.as_bytes())
    }

    #[test]
    fn one_signature_of_one_secret_is_enough() {
        let (first, second) = (format!("v1={BY_FIRST}"), format!("v1={BY_SECOND}"));
        let check = |secrets: &[&str], header: &str, expected: bool| {
            assert_eq!(fits(secrets, header, BODY), expected, "{header}");
        };
        check(&["first-secret"], &first, true);
        check(&["second-secret"], &second, true);
        check(&["second-secret"], &first, false);
        // PagerDuty signs with both while one is replaced; so may we hold both.
        check(&["first-secret"], &format!("{second},{first}"), true);
        check(&["first-secret"], &format!("{second}, {first}"), true);
        check(&["second-secret", "first-secret"], &first, true);
        // Other versions say nothing, for or against.
        check(&["first-secret"], &format!("v0=00,v2={BY_FIRST},{first}"), true);
        check(&["first-secret"], &format!("v2={BY_FIRST}"), false);
        check(&["first-secret"], BY_FIRST, false);
        check(&["first-secret"], &first[..first.len() - 1], false);
        check(&["first-secret"], &format!("{first}00"), false);
        check(&["first-secret"], "", false);
        check(&["first-secret"], ",,v1=,v1", false);
        check(&[], &first, false);
        // Past the number that is looked at.
        check(&["first-secret"], &format!("{}{first}", format!("{second},").repeat(SIGNATURES_MAX)), false);
    }

    #[test]
    fn an_empty_secret_fits_nothing() {
        assert!(!fits(&[""], &format!("v1={BY_NONE}"), BODY));
    }

    #[test]
    fn every_byte_counts() {
        let header = format!("v1={BY_FIRST}");
        for at in [0, 9, BODY.len() - 1] {
            let mut body = BODY.as_bytes().to_vec();
            body[at] ^= 1;
            assert!(!verify(&[SecretString::from("first-secret")], &header, &body));
        }
    }

    /// By Python's `hmac`, as the one above.
    const BY_SECOND: &str = "89fd704e70498bb7da68cb906842df1c0288cae94488484cab44b0c0b1707b56";
    const BY_NONE: &str = "9ebfcbface9d5024f20e65ecaae3aa8cec8dd1db9e64ee40c8591ac0c2a9b651";
}
