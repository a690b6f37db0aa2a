//! The simulated issuer of workflow tokens: its key, over HTTP, and the tokens that it signs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::app_key::AppKey;

/// Id of its one key.
const KEY_ID: &str = "sim-1";

/// GitHub's issuer of workflow tokens in memory, served over HTTP until it is dropped.
pub struct SimIssuer {
    url: Url,
    key: EncodingKey,
    state: Arc<Served>,
    server: tokio::task::JoinHandle<()>,
}

struct Served {
    keys: Value,
    reads: AtomicU64,
    fails: AtomicBool,
}

impl SimIssuer {
    /// Starts to serve on a free port of this machine.
    ///
    /// # Errors
    /// No port can be had, or no key be made.
    pub async fn start() -> std::io::Result<Self> {
        let made = AppKey::generate().map_err(std::io::Error::other)?;
        let pem = made.private_pem.expose_secret().as_bytes();
        let key = EncodingKey::from_rsa_pem(pem).map_err(std::io::Error::other)?;
        let mut public = Jwk::from_encoding_key(&key, Algorithm::RS256).map_err(std::io::Error::other)?;
        public.common.key_id = Some(KEY_ID.to_owned());
        let keys = json!({ "keys": [public] });
        let state = Arc::new(Served { keys, reads: AtomicU64::new(0), fails: AtomicBool::new(false) });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = Url::parse(&format!("http://{}", listener.local_addr()?)).map_err(std::io::Error::other)?;
        let router = Router::new().route("/.well-known/jwks", get(jwks)).with_state(state.clone());
        let server = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, key, state, server })
    }

    /// Its address, which is the issuer that tokens name.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// A token with these claims. One that is null is left out.
    pub fn sign(&self, claims: &Value) -> String {
        encode(&Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::RS256) }, claims, &self.key)
    }

    /// The same, signed with a secret that anybody can read: the public key's text.
    pub fn sign_symmetric(&self, claims: &Value) -> String {
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::HS256) };
        encode(&header, claims, &EncodingKey::from_secret(self.state.keys.to_string().as_bytes()))
    }

    /// How often its keys were read.
    pub fn reads(&self) -> u64 {
        self.state.reads.load(Ordering::SeqCst)
    }

    /// Whether it answers with errors from now on.
    pub fn fail(&self, fails: bool) {
        self.state.fails.store(fails, Ordering::SeqCst);
    }
}

impl Drop for SimIssuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn encode(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    let mut claims = claims.clone();
    if let Some(claims) = claims.as_object_mut() {
        claims.retain(|_, value| !value.is_null());
    }
    jsonwebtoken::encode(header, &claims, key).expect("claims are plain data and the key is good")
}

async fn jwks(State(state): State<Arc<Served>>) -> axum::response::Response {
    state.reads.fetch_add(1, Ordering::SeqCst);
    if state.fails.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Json(state.keys.clone()).into_response()
}
