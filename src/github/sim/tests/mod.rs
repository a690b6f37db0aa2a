//! The simulator seen from outside: over HTTP, as the product sees it.

mod conversation;
mod faults;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;

/// A client with a valid installation token, and the simulator's clock in its hand.
pub(super) struct Client {
    pub(super) sim: Sim,
    pub(super) http: reqwest::Client,
    pub(super) token: String,
    pub(super) seconds: Arc<AtomicI64>,
}

const START: i64 = 1_790_000_000;

async fn client_with(change: impl FnOnce(&mut SimOptions)) -> Client {
    let seconds = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&seconds);
    let start = DateTime::<Utc>::from_timestamp(START, 0).unwrap();
    let mut options = SimOptions::new(move || start + TimeDelta::seconds(clock.load(Ordering::SeqCst)));
    change(&mut options);
    let sim = Sim::start(options).await.unwrap();
    sim.repository("acme/shop").base_file("src/main.rs", "fn main() {}\n");
    let http = reqwest::Client::builder().user_agent("test").no_proxy().build().unwrap();
    let mut client = Client { sim, http, token: String::new(), seconds };
    client.token = client.new_token(json!({})).await["token"].as_str().unwrap().to_owned();
    client
}

pub(super) async fn client() -> Client {
    client_with(|_| {}).await
}

impl Client {
    fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(super) fn jwt(&self) -> String {
        let (app, now) = (self.sim.app(), START + self.seconds.load(Ordering::SeqCst));
        let key = EncodingKey::from_rsa_pem(app.private_key_pem.expose_secret().as_bytes()).unwrap();
        let claims = json!({"iss": app.client_id, "iat": now - 60, "exp": now + 540});
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
    }

    pub(super) async fn new_token(&self, body: Value) -> Value {
        let id = self.sim.installation_id("acme").unwrap();
        let url = format!("{}/app/installations/{id}/access_tokens", self.sim.api_url());
        let sent = self.http.post(url).bearer_auth(self.jwt()).json(&body).send().await.unwrap();
        sent.json().await.unwrap()
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.sim.api_url());
        self.http.request(method.parse().unwrap(), url).bearer_auth(&self.token)
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.request(method, path);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(super) async fn graphql(&self, query: &str, variables: Value) -> Value {
        self.send("POST", "/graphql", json!({"query": query, "variables": variables})).await.1
    }
}

type Received = Arc<Mutex<Vec<(axum::http::HeaderMap, Vec<u8>)>>>;

/// A receiver that keeps headers and bodies and answers 202.
async fn receiver() -> (String, Received) {
    let received = Received::default();
    let keep = Arc::clone(&received);
    let app = axum::Router::new().fallback(move |headers: axum::http::HeaderMap, body: axum::body::Bytes| async move {
        keep.lock().unwrap().push((headers, body.to_vec()));
        axum::http::StatusCode::ACCEPTED
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, received)
}

fn lines(n: usize) -> String {
    (0..n).map(|i| format!("line {i}\n")).collect()
}

fn opened(client: &Client) -> PullHandle {
    client.sim.repository("acme/shop").open(PullSpec::new("Add a thing", "ada", [("src/thing.rs", lines(5))]))
}

fn check_run(sha: &str) -> Value {
    json!({"name": "mergecast/risk", "head_sha": sha, "status": "in_progress"})
}

#[tokio::test]
async fn every_kind_of_changed_file() {
    let client = client().await;
    let repo = client.sim.repository("acme/shop");
    repo.base_files(
        Edits::new()
            .write("keep.rs", "a\nb\nc\n")
            .write("gone.rs", "x\n")
            .write("moved.rs", lines(20))
            .write("changed_and_moved.rs", lines(20))
            .write("logo.png", b"\x89PNG\0\x01".to_vec())
            .write("run.sh", "#!/bin/sh\n")
            .submodule("vendor/lib", "1".repeat(40)),
    );
    let edits = Edits::new()
        .write("keep.rs", "a\nB\nc\n")
        .remove("gone.rs")
        .rename("moved.rs", "deep/moved.rs")
        .remove("changed_and_moved.rs")
        .write("renamed.rs", lines(20).replace("line 3\n", "line three\n"))
        .write("logo.png", b"\x89PNG\0\x02".to_vec())
        .executable("run.sh")
        .write("empty.txt", "")
        .write("huge.sql", lines(2_001))
        .submodule("vendor/lib", "2".repeat(40));
    let pull = repo.open(PullSpec::new("Everything", "ada", edits));
    let files = client.get(&format!("/repos/acme/shop/pulls/{}/files", pull.number())).await;
    let seen: Vec<String> = files
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            let text = |field: &str| f[field].as_str().unwrap_or("-").replace('\n', "|");
            format!("{} {} +{} -{} {}", text("status"), text("filename"), f["additions"], f["deletions"], text("patch"))
        })
        .collect();
    insta::assert_snapshot!(seen.join("\n"), @r"
    renamed deep/moved.rs +0 -0 -
    added empty.txt +0 -0 -
    removed gone.rs +0 -1 @@ -1 +0,0 @@|-x
    added huge.sql +2001 -0 -
    modified keep.rs +1 -1 @@ -1,3 +1,3 @@| a|-b|+B| c
    modified logo.png +0 -0 -
    renamed renamed.rs +1 -1 @@ -1,7 +1,7 @@| line 0| line 1| line 2|-line 3|+line three| line 4| line 5| line 6
    changed run.sh +0 -0 -
    modified vendor/lib +1 -1 @@ -1 +1 @@|-Subproject commit 1111111111111111111111111111111111111111|+Subproject commit 2222222222222222222222222222222222222222
    ");
    let whole = client.get(&format!("/repos/acme/shop/pulls/{}", pull.number())).await;
    assert_eq!((&whole["changed_files"], &whole["mergeable"]), (&json!(9), &Value::Null));
    let again = client.get(&format!("/repos/acme/shop/pulls/{}", pull.number())).await;
    assert_eq!(again["mergeable"], json!(true));
}

#[tokio::test]
async fn three_thousand_files_are_paged_and_the_rest_left_out() {
    let client = client().await;
    let files: Vec<(String, String)> = (0..3_050).map(|i| (format!("f/{i:04}.txt"), format!("{i}\n"))).collect();
    let pull = client.sim.repository("acme/shop").open(PullSpec::new("Many", "ada", files));
    let path = format!("/repos/acme/shop/pulls/{}/files?per_page=100", pull.number());
    let first = client.request("GET", &path).send().await.unwrap();
    let link = first.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.contains("page=2>; rel=\"next\"") && link.contains("page=30>; rel=\"last\""), "{link}");
    let last = client.get(&format!("{path}&page=30")).await;
    assert_eq!(last.as_array().unwrap().len(), 100);
    assert_eq!(client.get(&format!("{path}&page=31")).await, json!([]));
    assert_eq!(client.send("GET", &path.replace("100", "101"), Value::Null).await.0, 422);
    assert_eq!(client.get(&format!("/repos/acme/shop/pulls/{}", pull.number())).await["changed_files"], json!(3_050));
}

#[tokio::test]
async fn the_base_branch_moves_under_a_pull_request() {
    let client = client().await;
    let repo = client.sim.repository("acme/shop");
    repo.base_file("a.txt", "one\n");
    let pull = repo.open(PullSpec::new("Edit a", "ada", [("a.txt", "two\n")]));
    repo.push_base([("b.txt", "b\n")]);
    let path = format!("/repos/acme/shop/pulls/{}", pull.number());
    assert_eq!(client.get(&format!("{path}/files")).await.as_array().unwrap().len(), 1);
    repo.push_base([("a.txt", "three\n")]);
    client.get(&path).await;
    assert_eq!(client.get(&path).await["mergeable"], json!(false));
    pull.force_push([("a.txt", "four\n")]);
    client.get(&path).await;
    let rebased = client.get(&path).await;
    assert_eq!((&rebased["mergeable"], &rebased["commits"]), (&json!(true), &json!(1)));
    let merged = pull.merge();
    let after = client.get(&path).await;
    assert_eq!((&after["merged"], &after["merge_commit_sha"]), (&json!(true), &json!(merged)));
    assert_eq!((&after["state"], &after["changed_files"]), (&json!("closed"), &json!(1)));
    let found = client.get(&format!("/repos/acme/shop/commits/{merged}/pulls")).await;
    assert_eq!(found[0]["number"], json!(pull.number()));
    assert_eq!(client.get("/repos/acme/shop/contents/a.txt").await["content"], json!("Zm91cgo=\n"));
}

#[tokio::test]
async fn tokens_are_long_narrowed_and_expire() {
    let client = client().await;
    assert!((500..560).contains(&client.token.len()), "{}", client.token.len());
    assert_eq!(client.token.matches('.').count(), 2);
    client.get("/repos/acme/shop").await;
    client.pass(3_600);
    assert_eq!(client.send("GET", "/repos/acme/shop", Value::Null).await.0, 401);

    let mut narrowed = self::client().await;
    let given = narrowed.new_token(json!({"permissions": {"contents": "read"}, "repositories": ["shop"]})).await;
    narrowed.token = given["token"].as_str().unwrap().to_owned();
    let sha = opened(&narrowed).head_sha();
    let refused = narrowed.request("POST", "/repos/acme/shop/check-runs").json(&check_run(&sha)).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["x-accepted-github-permissions"], "checks=write");
    narrowed.sim.repository("acme/other");
    assert_eq!(narrowed.send("GET", "/repos/acme/other", Value::Null).await.0, 404);
    assert!(narrowed.new_token(json!({"permissions": {"contents": "write"}})).await["token"].is_null());
    narrowed.sim.suspend("acme", true);
    assert_eq!(narrowed.send("GET", "/repos/acme/shop", Value::Null).await.0, 401);
    assert!(narrowed.new_token(json!({})).await["message"].as_str().unwrap().contains("suspended"));
    let exchanges =
        serde_json::to_string(&narrowed.sim.exchanges().iter().map(|e| &e.response_body).collect::<Vec<_>>());
    assert!(!exchanges.unwrap().contains("ghs_"));
}

#[tokio::test]
async fn etags_and_budgets() {
    let client = client_with(|o| o.core_limit = 4).await;
    let remaining = |r: &reqwest::Response| r.headers()["x-ratelimit-remaining"].to_str().unwrap().to_owned();
    let path = "/repos/acme/shop/contents/src/main.rs";
    let first = client.request("GET", path).send().await.unwrap();
    assert_eq!(remaining(&first), "3");
    let etag = first.headers()["etag"].clone();
    let second = client.request("GET", path).header("if-none-match", etag).send().await.unwrap();
    assert_eq!((second.status().as_u16(), remaining(&second).as_str()), (304, "3"));
    assert_eq!(second.bytes().await.unwrap().len(), 0);
    for _ in 0..3 {
        client.get(path).await;
    }
    let spent = client.request("GET", path).send().await.unwrap();
    assert_eq!((spent.status().as_u16(), remaining(&spent).as_str()), (403, "0"));
    let reset: i64 = spent.headers()["x-ratelimit-reset"].to_str().unwrap().parse().unwrap();
    client.get("/rate_limit").await;
    assert!(client.graphql("{ rateLimit { cost } }", json!({})).await["data"].is_object());
    client.pass(reset - START);
    assert_eq!(client.send("GET", path, Value::Null).await.0, 401, "the token's hour is over as well");
}

#[tokio::test]
async fn check_runs_append_annotations_and_come_back_as_webhooks() {
    let client = client().await;
    let (url, _) = receiver().await;
    client.sim.deliver_to(&url);
    let pull = opened(&client);
    let sha = pull.head_sha();
    assert_eq!(client.send("POST", "/repos/acme/shop/check-runs", check_run(&"0".repeat(40))).await.0, 422);
    let (status, run) = client.send("POST", "/repos/acme/shop/check-runs", check_run(&sha)).await;
    assert_eq!(status, 201, "{run}");
    let path = format!("/repos/acme/shop/check-runs/{}", run["id"]);
    assert!(!pull.press("rescore"), "buttons show after completion only");
    let note = json!({"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"});
    let done = json!({"conclusion": "neutral", "external_id": "x",
        "output": {"title": "t", "summary": "s", "annotations": [note, note]},
        "actions": [{"label": "Re-score", "description": "d", "identifier": "rescore"}]});
    assert_eq!(client.send("PATCH", &path, done.clone()).await.0, 200);
    client.send("PATCH", &path, done).await;
    assert_eq!(client.get(&format!("{path}/annotations")).await.as_array().unwrap().len(), 4);
    assert!(pull.press("rescore") && pull.rerequest() && pull.rerequest_suite());
    client.sim.settle().await;
    let seen = |d: Delivery| {
        let app = d.payload.pointer(&format!("/{}/app/slug", d.event)).and_then(Value::as_str);
        (app == Some("mergecast")).then(|| format!("{}.{}", d.event, d.action.unwrap_or_default()))
    };
    let seen: Vec<String> = client.sim.deliveries().into_iter().filter_map(seen).collect();
    assert_eq!(
        seen,
        [
            "check_suite.requested",
            "check_run.created",
            "check_run.completed",
            "check_suite.completed",
            "check_run.requested_action",
            "check_run.rerequested",
            "check_suite.rerequested"
        ]
    );
    let kept = &client.sim.check_runs("acme/shop", &sha)[0];
    assert_eq!((kept.writes.len(), kept.conclusion.as_deref()), (3, Some("neutral")));
    let listed =
        client.get(&format!("/repos/acme/shop/commits/{sha}/check-runs?check_name=mergecast%2Frisk&filter=all")).await;
    assert_eq!(listed["check_runs"][0]["pull_requests"][0]["number"], json!(pull.number()));
}

#[tokio::test]
async fn a_forks_pull_request_has_no_suite_and_no_branch() {
    let client = client().await;
    let repo = client.sim.repository("acme/shop");
    let spec = PullSpec { fork: Some("mallory".into()), ..PullSpec::new("Hi", "mallory", [("x.rs", "x\n")]) };
    let pull = repo.open(spec);
    let (_, run) = client.send("POST", "/repos/acme/shop/check-runs", check_run(&pull.head_sha())).await;
    assert_eq!(run["pull_requests"], json!([]));
    client.sim.settle().await;
    let events: Vec<String> = client.sim.deliveries().into_iter().map(|d| d.event).collect();
    assert_eq!(events, ["pull_request", "check_run"]);
    assert_eq!(client.sim.deliveries()[1].payload["check_run"]["check_suite"]["head_branch"], Value::Null);
    assert_eq!(client.sim.deliveries()[0].payload["pull_request"]["head"]["repo"]["fork"], json!(true));
    pull.delete_fork();
    let whole = client.get(&format!("/repos/acme/shop/pulls/{}", pull.number())).await;
    assert_eq!(whole["head"]["repo"], Value::Null);
}

#[tokio::test]
async fn pages_render_markdown_and_nothing_else() {
    let client = client().await;
    let hostile = "<script>alert(1)</script> \"quoted\"";
    let pull = client.sim.repository("acme/shop").open(PullSpec::new(hostile, "ada", [("a", "a\n")]));
    let output = json!({"title": hostile, "summary": "| a | b |\n|---|---|\n| **1** | <img src=x onerror=y> |",
        "annotations": [{"path": "<b>", "start_line": 3, "end_line": 3, "annotation_level": "warning", "message": "</pre>"}]});
    let body = json!({"name": "mergecast/risk", "head_sha": pull.head_sha(), "conclusion": "neutral", "output": output,
        "actions": [{"label": "Re-score", "description": "d", "identifier": "rescore"}]});
    assert_eq!(client.send("POST", "/repos/acme/shop/check-runs", body).await.0, 201);
    for path in ["", "/acme/shop/pull/1/checks", "/acme/shop/pulls"] {
        let page = client.http.get(format!("{}{path}", client.sim.api_url())).send().await.unwrap();
        assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        let html = page.text().await.unwrap();
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
        if path.ends_with("checks") {
            assert!(html.contains("<td><strong>1</strong></td>") && html.contains("Re-score</button>"), "{html}");
            assert!(!html.contains("<img") && !html.contains("<b></small>") && html.contains("&lt;/pre&gt;"), "{html}");
        }
    }
    let missing = client.http.get(format!("{}/acme/shop/pull/9", client.sim.api_url())).send().await.unwrap();
    assert_eq!(missing.status(), 404);
}
