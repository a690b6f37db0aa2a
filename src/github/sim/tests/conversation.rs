//! Comments, reactions and permissions: what the simulated GitHub takes and what it refuses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{client, client_with, opened};
use crate::github::sim::Permission;

#[tokio::test]
async fn comments_are_listed_since_and_refused_when_too_long_or_foreign() {
    let client = client().await;
    let pull = opened(&client);
    let at = |path: &str| format!("/repos/acme/shop/issues/{path}");
    let old = pull.comment("nora", "old");
    client.pass(60);
    let (status, own) = client.send("POST", &at("1/comments"), json!({"body": "é".repeat(65_536)})).await;
    assert_eq!((status, own["performed_via_github_app"]["slug"].as_str()), (201, Some("mergecast")));
    let (status, _) = client.send("POST", &at("1/comments"), json!({"body": "é".repeat(65_537)})).await;
    assert_eq!(status, 422);
    assert_eq!(client.send("POST", &at("1/comments"), json!({"body": " "})).await.0, 422);
    assert_eq!(client.send("POST", &at("9/comments"), json!({"body": "x"})).await.0, 404);
    let ids = |list: Value| list.as_array().unwrap().iter().map(|c| c["id"].as_u64().unwrap()).collect::<Vec<_>>();
    let own = own["id"].as_u64().unwrap();
    assert_eq!(ids(client.get(&at("1/comments")).await), [old, own]);
    assert_eq!(ids(client.get(&at("1/comments?since=2026-09-21T14:14:00Z")).await), [own]);
    assert_eq!(client.send("PATCH", &at(&format!("comments/{own}")), json!({"body": "new"})).await.1["body"], "new");
    assert_eq!(client.send("PATCH", &at(&format!("comments/{old}")), json!({"body": "new"})).await.0, 403);
    assert_eq!(client.send("PATCH", &at("comments/1"), json!({"body": "new"})).await.0, 404);
    pull.delete_comment(old, "nora");
    assert_eq!(client.send("GET", &at(&format!("comments/{old}")), Value::Null).await.0, 404);
    pull.lock();
    assert_eq!(client.send("POST", &at("1/comments"), json!({"body": "x"})).await.0, 403);
    assert_eq!(client.get("/repos/acme/shop/pulls/1").await["locked"], true);
}

#[tokio::test]
async fn a_reaction_is_one_of_eight_and_is_there_once() {
    let client = client().await;
    let pull = opened(&client);
    let path = format!("/repos/acme/shop/issues/comments/{}/reactions", pull.comment("nora", "hm"));
    let react = async |content: &str| client.send("POST", &path, json!({ "content": content })).await.0;
    assert_eq!((react("eyes").await, react("eyes").await, react("+1").await), (201, 200, 201));
    assert_eq!(react("thumbsup").await, 422);
    let shown = pull.conversation().remove(0);
    assert_eq!((shown.reactions, shown.by_app), (vec!["eyes".to_owned(), "+1".to_owned()], false));
}

#[tokio::test]
async fn talking_takes_one_of_two_permissions() {
    for (issues, pulls, expected) in [("read", "read", 403), ("write", "read", 201), ("read", "write", 201)] {
        let client = client_with(|options| {
            options.permissions.insert("issues".to_owned(), issues.to_owned());
            options.permissions.insert("pull_requests".to_owned(), pulls.to_owned());
        })
        .await;
        opened(&client);
        let (status, _) = client.send("POST", "/repos/acme/shop/issues/1/comments", json!({"body": "x"})).await;
        assert_eq!(status, expected, "issues: {issues}, pull_requests: {pulls}");
    }
}

#[tokio::test]
async fn permissions_are_told_in_two_words() {
    let client = client().await;
    let shop = client.sim.repository("acme/shop");
    let all = [Permission::Read, Permission::Triage, Permission::Write, Permission::Maintain, Permission::Admin];
    for permission in all {
        shop.member(&format!("{permission:?}"), permission);
    }
    client.sim.repository("acme/other").member("stranger", Permission::Admin);
    let told = async |login: &str| {
        let path = format!("/repos/acme/shop/collaborators/{login}/permission");
        let (status, body) = client.send("GET", &path, Value::Null).await;
        let word = |name: &str| body[name].as_str().unwrap_or("-").to_owned();
        format!("{login} {status} {} {}", word("permission"), word("role_name"))
    };
    let mut lines = BTreeSet::new();
    for login in ["Read", "Triage", "Write", "Maintain", "Admin", "stranger", "nobody"] {
        lines.insert(told(login).await);
    }
    shop.private();
    lines.insert(format!("private: {}", told("stranger").await));
    insta::assert_snapshot!(lines.into_iter().collect::<Vec<_>>().join("\n"), @r"
    Admin 200 admin admin
    Maintain 200 write maintain
    Read 200 read read
    Triage 200 read triage
    Write 200 write write
    nobody 404 - -
    private: stranger 200 none none
    stranger 200 read read
    ");
}
