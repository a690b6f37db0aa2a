//! The simulated app's RSA key, made at the start, and the check of the JWTs that it signs.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::SimApp;
use super::state::AppRecord;

/// How an app is known to be itself: what its owner holds, and the keys that its signatures are checked with.
#[derive(Clone)]
pub(super) struct AppLogin {
    /// With the newest key.
    pub(super) app: SimApp,
    /// Several may be good at a time; the newest is the last.
    pub(super) keys: Vec<AppKey>,
}

impl AppLogin {
    pub(super) fn new(record: &AppRecord, key: AppKey, webhook_secret: SecretString) -> Self {
        let app = SimApp {
            app_id: record.id,
            client_id: record.client_id.clone(),
            private_key_pem: key.private_pem.clone(),
            webhook_secret,
        };
        Self { app, keys: vec![key] }
    }

    /// Checks a JWT against each key; the newest says what is wrong.
    pub(super) fn verify(&self, jwt: &str, issuers: &[String], now: i64) -> Result<(), String> {
        let mut verdicts = self.keys.iter().rev().map(|key| key.verify(jwt, issuers, now));
        let newest = verdicts.next().unwrap_or_else(|| Err("The app has no key".to_owned()));
        newest.or_else(|error| verdicts.find(Result::is_ok).unwrap_or(Err(error)))
    }
}

#[derive(Clone)]
pub(super) struct AppKey {
    pub(super) private_pem: SecretString,
    public: DecodingKey,
}

/// What stands before the PKCS#1 key in the PKCS#8 form of a 2,048-bit RSA key, in bytes.
const PKCS8_PREFIX: usize = 26;

impl AppKey {
    pub(super) fn generate() -> Result<Self, &'static str> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| "cannot make an RSA key")?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| "cannot write an RSA key")?;
        let pkcs1 = der.as_ref().get(PKCS8_PREFIX..).ok_or("an RSA key is too short")?;
        let mut pem = String::from("-----BEGIN RSA PRIVATE KEY-----\n");
        for line in STANDARD.encode(pkcs1).as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END RSA PRIVATE KEY-----\n");
        let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        Ok(Self { private_pem: SecretString::from(pem), public })
    }

    /// Checks a JWT as GitHub does, at `now` in epoch seconds. Errors hold the message GitHub answers with.
    pub(super) fn verify(&self, jwt: &str, issuers: &[String], now: i64) -> Result<(), String> {
        let mut rules = Validation::new(Algorithm::RS256);
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(jwt, &self.public, &rules);
        let claims = claims.map_err(|_| "A JSON web token could not be decoded".to_owned())?.claims;
        let issuer = match &claims.iss {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if !issuers.contains(&issuer) {
            return Err("'Issuer' claim ('iss') must be an Integer or the client ID of the app".to_owned());
        }
        let (Some(issued), Some(expires)) = (claims.iat, claims.exp) else {
            return Err("Missing 'issued at' claim ('iat') or 'expiration time' claim ('exp')".to_owned());
        };
        if issued > now + CLOCK_SKEW_S {
            return Err("'Issued at' claim ('iat') must be an Integer representing a time in the past".to_owned());
        }
        if expires <= now {
            return Err("'Expiration time' claim ('exp') must be a numeric value in the future".to_owned());
        }
        if expires > now + JWT_LIFE_MAX_S {
            return Err("'Expiration time' claim ('exp') is too far in the future".to_owned());
        }
        Ok(())
    }
}

/// How far the two clocks may differ.
const CLOCK_SKEW_S: i64 = 5;
/// GitHub refuses JWTs that live longer.
const JWT_LIFE_MAX_S: i64 = 600;

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    iss: Value,
    iat: Option<i64>,
    exp: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header};
    use secrecy::ExposeSecret;
    use serde_json::json;

    #[test]
    fn jwts_are_refused_for_the_reasons_github_has() {
        let (key, other) = (AppKey::generate().unwrap(), AppKey::generate().unwrap());
        let now = 1_800_000_000;
        let check = |signer: &AppKey, claims: Value, algorithm: Algorithm, expected: Result<(), &str>| {
            let secret = match algorithm {
                Algorithm::HS256 => EncodingKey::from_secret(b"x"),
                _ => EncodingKey::from_rsa_pem(signer.private_pem.expose_secret().as_bytes()).unwrap(),
            };
            let jwt = jsonwebtoken::encode(&Header::new(algorithm), &claims, &secret).unwrap();
            let found = key.verify(&jwt, &["7".into(), "Iv1.x".into()], now);
            match expected {
                Ok(()) => assert_eq!(found, Ok(())),
                Err(part) => assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{found:?} lacks {part}"),
            }
        };
        let good = json!({"iss": "Iv1.x", "iat": now - 60, "exp": now + 540});
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            claims
        };
        check(&key, good.clone(), Algorithm::RS256, Ok(()));
        check(&key, with("iss", json!(7)), Algorithm::RS256, Ok(()));
        check(&key, with("iss", json!("7")), Algorithm::RS256, Ok(()));
        check(&key, with("iss", json!("8")), Algorithm::RS256, Err("'iss'"));
        check(&key, with("exp", json!(now)), Algorithm::RS256, Err("in the future"));
        check(&key, with("exp", json!(now + 601)), Algorithm::RS256, Err("too far"));
        check(&key, with("iat", json!(now + 60)), Algorithm::RS256, Err("'iat'"));
        check(&key, with("exp", Value::Null), Algorithm::RS256, Err("Missing"));
        check(&other, good.clone(), Algorithm::RS256, Err("could not be decoded"));
        check(&key, good, Algorithm::HS256, Err("could not be decoded"));
        assert!(key.verify("not a jwt", &[], now).is_err());
    }
}
