//! Queries over HTTP, the product's own among them.

use serde_json::{Value, json};

use super::super::tests::{Client, client};
use super::super::{Permission, Permissions, PullHandle, PullSpec};

const OWN: &str = include_str!("../../queries/pull_request.graphql");

async fn opened() -> (Client, PullHandle) {
    let client = client().await;
    let repo = client.sim.repository("acme/shop");
    repo.base_file("CODEOWNERS", "/src/ @acme/payments\n");
    repo.member("rita", Permission::Read).team("payments", &["grace"]);
    let commits = (0..3).map(|i| [("src/a.rs", format!("{i}\n"))].into()).collect();
    let pull = repo.open(PullSpec { commits, ..PullSpec::new("Pay", "renovate[bot]", [("src/b.rs", "b\n")]) });
    (client, pull)
}

fn variables(pull: &PullHandle, with_teams: bool) -> Value {
    json!({"owner": "acme", "name": "shop", "number": pull.number(), "appId": 424_242,
        "checkName": "mergecast/risk", "withTeams": with_teams})
}

#[tokio::test]
async fn the_products_query_is_answered_whole() {
    let (client, pull) = opened().await;
    pull.ask_team("payments", true);
    pull.approve("grace");
    pull.request_changes("rita");
    pull.dismiss("rita");
    pull.review_comment("rita", "Hm");
    pull.check("build", "failure");
    pull.status("legacy/ci", "pending");
    let run = json!({"name": "mergecast/risk", "head_sha": pull.head_sha(), "external_id": "e1"});
    assert_eq!(client.send("POST", "/repos/acme/shop/check-runs", run).await.0, 201);
    let answer = client.graphql(OWN, variables(&pull, true)).await;
    assert_eq!(answer["errors"], Value::Null);
    let found = &answer["data"]["repository"]["pullRequest"];
    assert_eq!(found["author"], json!({"__typename": "Bot", "login": "renovate"}));
    assert_eq!(found["commits"]["totalCount"], json!(4));
    let head = &found["headCommit"]["nodes"][0]["commit"];
    assert_eq!(head["oid"], json!(pull.head_sha()));
    let contexts = head["statusCheckRollup"]["contexts"]["nodes"].as_array().unwrap();
    let shown: Vec<&str> = contexts.iter().filter_map(|c| c["name"].as_str().or(c["context"].as_str())).collect();
    assert_eq!(shown, ["build", "mergecast/risk", "legacy/ci"]);
    let own = &head["checkSuites"]["nodes"][0]["checkRuns"]["nodes"];
    assert_eq!((own.as_array().unwrap().len(), &own[0]["externalId"]), (1, &json!("e1")));
    let opinions = found["opinions"]["nodes"].as_array().unwrap();
    let said: Vec<_> =
        opinions.iter().map(|o| (o["state"].as_str().unwrap(), &o["authorCanPushToRepository"])).collect();
    assert_eq!(said, [("APPROVED", &json!(true)), ("DISMISSED", &json!(false))]);
    assert_eq!(opinions[0]["onBehalfOf"]["nodes"][0]["combinedSlug"], json!("acme/payments"));
    assert_eq!(found["comments"]["totalCount"], json!(1));
    assert_eq!(found["reviewRequests"]["nodes"], json!([]), "the approval met the request");
    let target = &found["baseRef"]["target"];
    assert_eq!(target["codeowners2"]["object"]["text"], json!("/src/ @acme/payments\n"));
    assert_eq!((&target["codeowners1"], &target["codeowners2"]["mode"]), (&Value::Null, &json!(0o100_644)));
}

#[tokio::test]
async fn what_a_token_may_not_see_is_null_with_an_error_beside_it() {
    let (mut client, pull) = opened().await;
    pull.approve("grace");
    let granted = [("contents", "read"), ("pull_requests", "read"), ("checks", "read"), ("metadata", "read")];
    let granted: Permissions = granted.map(|(n, l)| (n.to_owned(), l.to_owned())).into();
    let token = client.new_token(json!({"permissions": granted})).await;
    client.token = token["token"].as_str().unwrap().to_owned();
    let answer = client.graphql(OWN, variables(&pull, true)).await;
    assert_eq!(answer["errors"][0]["type"], json!("FORBIDDEN"));
    let path = json!(["repository", "pullRequest", "opinions", "nodes", 0, "onBehalfOf"]);
    assert_eq!(answer["errors"][0]["path"], path);
    let opinion = &answer["data"]["repository"]["pullRequest"]["opinions"]["nodes"][0];
    assert_eq!((&opinion["state"], &opinion["onBehalfOf"]), (&json!("APPROVED"), &Value::Null));
    assert_eq!(client.graphql(OWN, variables(&pull, false)).await["errors"], Value::Null);
}

#[tokio::test]
async fn mistakes_are_answered_in_githubs_shape() {
    let (client, pull) = opened().await;
    let check = async |query: &str, pointer: &str, expected: Value| {
        let answer = client.graphql(query, variables(&pull, false)).await;
        assert_eq!(answer.pointer(pointer), Some(&expected), "{query}: {answer}");
    };
    let repo = r#"repository(owner: "acme", name: "shop")"#;
    let unknown = &format!("query Q {{ {repo} {{ colour }} }}");
    check(unknown, "/errors/0/message", json!("Field 'colour' doesn't exist on type 'Repository'")).await;
    check(unknown, "/errors/0/extensions/code", json!("undefinedField")).await;
    check(unknown, "/errors/0/path", json!(["query Q", "repository", "colour"])).await;
    check("query { repository(owner: \"acme\", name: \"none\") { id } }", "/errors/0/type", json!("NOT_FOUND")).await;
    check("query { repository(owner: \"acme\", name: \"none\") { id } }", "/data", json!({"repository": null})).await;
    let unbounded = &format!("query {{ {repo} {{ pullRequests {{ totalCount }} }} }}");
    check(unbounded, "/errors/0/extensions/code", json!("MISSING_PAGINATION_BOUNDARIES")).await;
    let wide = &format!("query {{ {repo} {{ pullRequests(first: 101) {{ totalCount }} }} }}");
    check(wide, "/errors/0/type", json!("EXCESSIVE_PAGINATION")).await;
    check(
        "query ($x: Int!) { rateLimit { cost } }",
        "/errors/0/extensions/problems/0/explanation",
        json!("Expected value to not be null"),
    )
    .await;
    let circle = "query { ...A } fragment A on Query { ...A }";
    check(circle, "/errors/0/message", json!("Fragments form a circle")).await;
}

#[tokio::test]
async fn cursors_lead_through_a_list_and_cost_is_charged() {
    let (client, pull) = opened().await;
    let query = "query Q($n: Int!, $after: String, $all: Boolean = false) {
        repository(owner: \"acme\", name: \"shop\") { pullRequest(number: $n) {
            commits(first: 3, after: $after) {
                pageInfo { hasNextPage endCursor }
                nodes { commit { messageHeadline authors(first: 50) @include(if: $all) { totalCount } } }
            }
        } }
        rateLimit { cost nodeCount used }
    }";
    let mut after = Value::Null;
    let mut sizes = Vec::new();
    loop {
        let answer = client.graphql(query, json!({"n": pull.number(), "after": after})).await;
        let commits = &answer["data"]["repository"]["pullRequest"]["commits"];
        sizes.push(commits["nodes"].as_array().unwrap().len());
        if commits["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
        after = commits["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(sizes, [3, 1]);
    let priced = client.graphql(query, json!({"n": pull.number(), "all": true})).await;
    assert_eq!(priced["data"]["rateLimit"], json!({"cost": 1, "nodeCount": 153, "used": 3}));
}
