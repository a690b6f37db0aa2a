//! Requests and answers of the simulated GitHub's API, in GitHub's words where a client may read them.

use axum::http::HeaderMap;
use serde_json::{Value, json};
use url::form_urlencoded;

/// A request with its parts taken apart.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: String,
    /// As sent, percent-encoded.
    pub(super) path: String,
    /// Decoded, without the prefix of an Enterprise Server.
    pub(super) segments: Vec<String>,
    pub(super) query_text: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    /// Null without a body.
    pub(super) body: Value,
}

impl Request {
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// Whether it changes something.
    pub(super) fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS") && !self.is_graphql()
    }

    pub(super) fn is_graphql(&self) -> bool {
        self.segments == ["graphql"]
    }
}

/// The decoded segments of a path; an Enterprise Server's `/api/v3` and `/api/graphql` are taken as well.
pub(super) fn segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix("/api/v3").or(path.strip_prefix("/api").filter(|p| *p == "/graphql")).unwrap_or(path);
    path.split('/').filter(|s| !s.is_empty()).map(decode).collect()
}

pub(super) fn query(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn decode(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|h| std::str::from_utf8(h).ok());
        if let Some(byte) = hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// An answer before limits and caching had their say.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Null sends no body.
    pub(super) body: Value,
    pub(super) headers: Vec<(&'static str, String)>,
    /// Sent in place of `body`, with its content type.
    pub(super) raw: Option<(&'static str, Vec<u8>)>,
}

impl Answer {
    pub(super) fn new(status: u16, body: Value) -> Self {
        Self { status, body, headers: Vec::new(), raw: None }
    }

    pub(super) fn ok(body: Value) -> Self {
        Self::new(200, body)
    }

    pub(super) fn raw(content_type: &'static str, bytes: Vec<u8>) -> Self {
        Self { raw: Some((content_type, bytes)), ..Self::new(200, Value::Null) }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// An error as every part of the API words it.
    pub(super) fn error(status: u16, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self::new(status, json!({"message": message, "documentation_url": DOCS, "status": status.to_string()}))
    }

    pub(super) fn not_found() -> Self {
        Self::error(404, "Not Found")
    }

    /// 403 for a permission that the token lacks.
    pub(super) fn lacks(permission: &str, level: &str) -> Self {
        Self::error(403, "Resource not accessible by integration")
            .with("x-accepted-github-permissions", format!("{permission}={level}"))
    }

    /// 422 that names a field.
    pub(super) fn invalid(resource: &str, field: &str, code: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let error = json!({"resource": resource, "field": field, "code": code, "message": message});
        let mut answer = Self::error(422, "Validation Failed");
        answer.body["errors"] = json!([error]);
        answer
    }

    /// 422 for a body that does not fit the schema.
    pub(super) fn schema(problem: impl std::fmt::Display) -> Self {
        Self::error(422, format!("Invalid request.\n\n{problem}"))
    }
}

/// Where errors point to; no page is served there.
const DOCS: &str = "https://docs.github.com/rest";

/// What a handler gives: an answer, or an answer that refuses.
pub(super) type Outcome = Result<Answer, Answer>;

/// Pages of a list; GitHub's default and maximum.
const PER_PAGE: usize = 30;
const PER_PAGE_MAX: usize = 100;

/// A page that a request asks for.
pub(super) struct Paging {
    pub(super) page: usize,
    pub(super) per_page: usize,
}

impl Paging {
    /// GitHub quietly lowers a `per_page` over 100; here it is refused, since a client that asks for it counts wrong.
    pub(super) fn of(request: &Request) -> Result<Self, Answer> {
        let read = |name: &str, default: usize| -> Result<usize, Answer> {
            let Some(text) = request.param(name) else { return Ok(default) };
            let number = text.parse().ok().filter(|n| *n > 0);
            number
                .ok_or_else(|| Answer::invalid("Search", name, "invalid", format!("{name} must be a positive number")))
        };
        let (page, per_page) = (read("page", 1)?, read("per_page", PER_PAGE)?);
        if per_page > PER_PAGE_MAX {
            return Err(Answer::invalid("Search", "per_page", "invalid", "per_page is 100 at most"));
        }
        Ok(Self { page, per_page })
    }

    pub(super) fn slice<'a, T>(&self, items: &'a [T]) -> &'a [T] {
        let start = (self.page - 1).saturating_mul(self.per_page).min(items.len());
        &items[start..items.len().min(start + self.per_page)]
    }

    /// The `Link` header, where there is another page.
    pub(super) fn link(&self, base: &str, request: &Request, total: usize) -> Option<String> {
        let last = total.div_ceil(self.per_page).max(1);
        let mut links = Vec::new();
        let mut add = |page: usize, rel: &str| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (name, value) in request.query.iter().filter(|(n, _)| n != "page") {
                query.append_pair(name, value);
            }
            query.append_pair("page", &page.to_string());
            links.push(format!("<{base}{}?{}>; rel=\"{rel}\"", request.path, query.finish()));
        };
        if self.page > 1 {
            add(self.page - 1, "prev");
        }
        if self.page < last {
            add(self.page + 1, "next");
            add(last, "last");
        }
        if self.page > 1 {
            add(1, "first");
        }
        (!links.is_empty()).then(|| links.join(", "))
    }
}
