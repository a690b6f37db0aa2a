//! The judges judged: what GitHub would accept passes, and each kind of mistake is found.

use serde_json::{Value, json};

use super::Contracts;
use super::graphql::Cost;

const RUNS: &str = "/repos/acme/shop/check-runs";

/// The first violation has to speak of `needle`.
#[track_caller]
fn refused<T: std::fmt::Debug>(verdict: Result<T, Vec<String>>, needle: &str) {
    let found = verdict.expect_err("this is a mistake that has to be found");
    assert!(found.iter().any(|line| line.contains(needle)), "expected {needle:?} in {found:#?}");
}

fn draft() -> Value {
    json!({ "name": "mergecast/risk", "head_sha": "0123456789012345678901234567890123456789" })
}

fn with(mut value: Value, key: &str, inner: Value) -> Value {
    value[key] = inner;
    value
}

/// Holds the request alone: an answer of 503 without a body is always in order.
fn request(contracts: &Contracts, body: &Value) -> Result<(), Vec<String>> {
    contracts.check_exchange("POST", RUNS, "", Some(body), 503, None)
}

#[test]
fn check_run_requests_are_held_to_their_limits() {
    let Some(contracts) = Contracts::load() else { return };
    let note = json!({ "path": "a.rs", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m" });
    let output = |notes: usize| json!({ "title": "t", "summary": "s", "annotations": vec![note.clone(); notes] });
    let button = |label: usize| json!([{ "label": "x".repeat(label), "description": "d", "identifier": "i" }]);

    assert_eq!(request(&contracts, &draft()), Ok(()));
    assert_eq!(request(&contracts, &with(draft(), "output", output(50))), Ok(()));
    assert_eq!(request(&contracts, &with(draft(), "actions", button(20))), Ok(()));
    refused(request(&contracts, &with(draft(), "output", output(51))), "annotations");
    refused(request(&contracts, &with(draft(), "actions", button(21))), "/actions/0/label");
    refused(request(&contracts, &with(draft(), "conclusion", json!("passed"))), "/conclusion");
    refused(request(&contracts, &json!({ "name": "n" })), "head_sha");
    refused(request(&contracts, &with(draft(), "started_at", json!("yesterday"))), "/started_at");
    let update = |body: Value| contracts.check_exchange("PATCH", &format!("{RUNS}/1"), "", Some(&body), 503, None);
    assert_eq!(update(json!({ "status": "completed", "conclusion": "neutral" })), Ok(()));
    refused(update(json!({ "status": "completed" })), "request");
}

#[test]
fn paths_statuses_and_parameters_are_known_or_wrong() {
    let Some(contracts) = Contracts::load() else { return };
    let get = |path: &str, query: &str, status: u16, body: Option<&Value>| {
        contracts.check_exchange("GET", path, query, None, status, body)
    };
    let files = "/repos/acme/shop/pulls/7/files";
    let ok = json!([]);
    assert_eq!(get(files, "per_page=100&page=2", 200, Some(&ok)), Ok(()));
    assert_eq!(get(&format!("/api/v3{files}"), "", 200, Some(&ok)), Ok(()));
    assert_eq!(get(files, "", 304, None), Ok(()));
    assert_eq!(get(files, "", 403, Some(&json!({ "message": "Resource not accessible" }))), Ok(()));
    assert_eq!(get(files, "", 429, Some(&json!({ "message": "slow down" }))), Ok(()));
    assert_eq!(
        get("/repos/acme/shop/contents/src/deep/er/main.rs", "ref=main", 404, Some(&json!({ "message": "no" }))),
        Ok(())
    );

    refused(get("/repos/acme/shop/pulls/7/file", "", 200, Some(&ok)), "not an operation");
    refused(get("/repos/acme/shop/contents/", "", 200, Some(&ok)), "not an operation");
    refused(contracts.check_exchange("DELETE", files, "", None, 204, None), "not an operation");
    refused(get(files, "per_page=101", 200, Some(&ok)), "per_page");
    refused(get(files, "per_page=many", 200, Some(&ok)), "per_page");
    refused(get(files, "pages=2", 200, Some(&ok)), "no parameter pages");
    refused(get(files, "", 418, None), "no status 418");
    refused(get(files, "", 200, None), "body is missing");
    refused(get(files, "", 200, Some(&json!([{ "filename": "a.rs" }]))), "required");
    refused(get(files, "", 502, Some(&json!({ "error": "no message" }))), "without a message");
    refused(contracts.check_exchange("POST", RUNS, "", None, 201, None), "JSON body is required");
}

/// The places where GitHub's document says `nullable` in ways that validators pass over in silence.
#[test]
fn null_is_accepted_where_github_sends_it_and_nowhere_else() {
    let Some(contracts) = Contracts::load() else { return };
    let user = json!({
        "login": "o", "id": 1, "node_id": "n", "avatar_url": "https://h/a", "gravatar_id": null, "url": "https://h/u",
        "html_url": "https://h/h", "followers_url": "https://h/f", "following_url": "u", "gists_url": "u", "starred_url": "u",
        "subscriptions_url": "https://h/s", "organizations_url": "https://h/o", "repos_url": "https://h/r", "events_url": "u",
        "received_events_url": "https://h/e", "type": "User", "site_admin": false
    });
    let commit = |author: Value| {
        json!([{
            "url": "https://h/c", "sha": "a", "node_id": "n", "html_url": "https://h/c", "comments_url": "https://h/c",
            "author": author, "committer": null, "parents": [],
            "commit": { "url": "https://h/c", "author": null, "committer": null, "message": "m", "comment_count": 0,
                        "tree": { "sha": "a", "url": "https://h/t" } }
        }])
    };
    let commits =
        |author| contracts.check_exchange("GET", "/repos/a/b/pulls/1/commits", "", None, 200, Some(&commit(author)));
    assert_eq!(commits(Value::Null), Ok(()));
    assert_eq!(commits(user.clone()), Ok(()));
    refused(commits(json!("someone")), "author");

    let installation = |account: Value| {
        let answer = json!([{
            "id": 1, "account": account, "repository_selection": "all", "access_tokens_url": "https://h/a", "repositories_url": "https://h/r",
            "html_url": "https://h/h", "app_id": 1, "target_id": 1, "target_type": "User", "permissions": {}, "events": [],
            "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z", "single_file_name": null,
            "app_slug": "mergecast", "suspended_by": null, "suspended_at": null
        }]);
        contracts.check_exchange("GET", "/app/installations", "", None, 200, Some(&answer))
    };
    assert_eq!(installation(user), Ok(()), "a user's installation need not be an enterprise's too");
    assert_eq!(installation(Value::Null), Ok(()));
    refused(installation(json!({ "login": 1 })), "account");
}

/// GitHub's captured examples are older than its schemas: fields came since, and two instants were numbers then.
#[test]
fn captured_webhooks_fit_but_for_their_age() {
    let Some(contracts) = Contracts::load() else { return };
    let age = |line: &String| line.contains("is a required property") || line.contains("ed_at: ");
    let verdicts: Vec<_> = contracts.examples().iter().map(|(event, e)| contracts.check_webhook(event, e)).collect();
    let fitting = verdicts.iter().filter(|verdict| verdict.is_ok()).count();
    let odd: Vec<_> = verdicts.into_iter().filter_map(Result::err).flatten().filter(|line| !age(line)).collect();
    assert!(odd.is_empty(), "{odd:#?}");
    assert!(fitting >= 75, "only {fitting} fit");
}

#[test]
fn webhooks_are_held_to_their_event_and_action() {
    let Some(contracts) = Contracts::load() else { return };
    let examples = contracts.examples();
    let (event, requested) =
        examples.iter().find(|(_, e)| e["action"] == "requested_action").expect("GitHub shows one");
    assert_eq!(contracts.check_webhook(event, requested), Ok(()));
    let with_id = |id: Value| {
        let mut payload = requested.clone();
        payload["check_run"]["id"] = id;
        payload
    };
    refused(contracts.check_webhook(event, &with_id(json!("7"))), "/check_run/id");
    refused(contracts.check_webhook(event, &with(requested.clone(), "repository", Value::Null)), "/repository");
    refused(contracts.check_webhook(event, &with(requested.clone(), "action", json!("pressed"))), "no webhook");
    refused(contracts.check_webhook("pull_request", &json!({ "action": "opened" })), "required");
    refused(contracts.check_webhook("no_such_event", &json!({})), "no webhook");
}

#[test]
fn queries_are_valid_current_and_affordable() {
    let Some(contracts) = Contracts::load() else { return };
    let query =
        |inner: &str| contracts.check_query(&format!("{{ repository(owner: \"a\", name: \"b\") {{ {inner} }} }}"));
    let nested = "pullRequests(first: 50) { nodes { commits(last: 100) { nodes { id } } } }";
    assert_eq!(query(nested), Ok(Cost { connections: 51, points: 1, nodes: 5_050 }));
    let variable = "query($n: Int = 7) { viewer { repositories(first: $n) { nodes { id } } } }";
    assert_eq!(contracts.check_query(variable), Ok(Cost { connections: 1, points: 1, nodes: 7 }));

    refused(query("pullRequest(number: 1) { patch }"), "patch");
    refused(query("pullRequests { nodes { id } }"), "first or last");
    refused(query("pullRequests(first: 101) { nodes { id } }"), "first or last");
    refused(query("projects(first: 1) { nodes { id } }"), "deprecated");
    let deep = "pullRequests(first: 100) { nodes { commits(first: 100) { nodes { commit { history(first: 51) { nodes { id } } } } } } }";
    refused(query(deep), "nodes, more than");
    refused(contracts.check_query("{ repository(owner: \"a\", name: "), "syntax");
}

#[test]
fn graphql_answers_have_the_shape_that_was_asked_for() {
    let Some(contracts) = Contracts::load() else { return };
    let text = "query($n: Int!) { repository(owner: \"a\", name: \"b\") { pullRequest(number: $n) {
        number state createdAt author { __typename login ... on User { name } } } } }";
    let request = json!({ "query": text, "variables": { "n": 1 } });
    let pull = json!({ "number": 1, "state": "OPEN", "createdAt": "2024-01-01T00:00:00Z",
                       "author": { "__typename": "User", "login": "o", "name": null } });
    let answer = |pull: Value| json!({ "data": { "repository": { "pullRequest": pull } } });
    let check = |body: &Value| contracts.check_exchange("POST", "/graphql", "", Some(&request), 200, Some(body));

    assert_eq!(check(&answer(pull.clone())), Ok(()));
    assert_eq!(check(&answer(with(pull.clone(), "author", json!({ "__typename": "Bot", "login": "b" })))), Ok(()));
    assert_eq!(check(&json!({ "data": { "repository": null }, "errors": [{ "message": "no" }] })), Ok(()));
    refused(check(&answer(with(pull.clone(), "state", json!("open")))), "PullRequestState");
    refused(check(&answer(with(pull.clone(), "number", Value::Null))), "number is null");
    refused(check(&answer(with(pull.clone(), "title", json!("t")))), "not asked for");
    refused(check(&answer(json!({ "number": 1 }))), "state is missing");
    refused(check(&json!({ "data": null })), "without data");
    let undeclared = json!({ "query": text, "variables": { "n": 1, "m": 2 } });
    refused(contracts.check_exchange("POST", "/api/graphql", "", Some(&undeclared), 200, None), "$m is not declared");
}
