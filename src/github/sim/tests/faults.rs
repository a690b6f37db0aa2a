//! Webhooks and what can go wrong, seen from outside.

use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::*;
use super::{check_run, client, client_with, opened, receiver};

#[tokio::test]
async fn webhooks_are_signed_over_the_bytes_sent() {
    for content_type in [HookContentType::Json, HookContentType::Form] {
        let client = client_with(|o| o.content_type = content_type).await;
        let (url, received) = receiver().await;
        client.sim.deliver_to(&url);
        opened(&client).approve("grace");
        client.sim.settle().await;
        let received = received.lock().unwrap();
        let events: Vec<&str> = received.iter().map(|(h, _)| h["x-github-event"].to_str().unwrap()).collect();
        assert_eq!(events, ["push", "check_suite", "pull_request", "pull_request_review"]);
        for (headers, body) in received.iter() {
            let expected = delivery::signature(&client.sim.app().webhook_secret, body);
            assert_eq!(headers["x-hub-signature-256"].to_str().unwrap(), expected);
            assert!(headers["user-agent"].to_str().unwrap().starts_with("GitHub-Hookshot/"));
            assert_eq!(headers["x-github-delivery"].len(), 36);
            assert_eq!(body.starts_with(b"payload=%7B"), content_type == HookContentType::Form);
        }
    }
    let secret = SecretString::from("It's a Secret to Everybody".to_owned());
    let published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(delivery::signature(&secret, b"Hello, World!"), published);
}

#[tokio::test]
async fn webhook_faults_and_redelivery() {
    let check = async |kind: WebhookFaultKind, expected: &[&str]| {
        let client = client().await;
        let (url, received) = receiver().await;
        client.sim.deliver_to(&url);
        let event = Some("check_suite".to_owned());
        client.sim.webhook_fault(WebhookFault { event, kind: kind.clone(), times: Times::Next(1) });
        opened(&client);
        client.sim.settle().await;
        let events: Vec<String> =
            received.lock().unwrap().iter().map(|(h, _)| h["x-github-event"].to_str().unwrap().to_owned()).collect();
        assert_eq!(events, expected, "{kind:?}");
        client
    };
    check(WebhookFaultKind::Duplicated, &["push", "check_suite", "check_suite", "pull_request"]).await;
    check(WebhookFaultKind::Reordered, &["push", "pull_request", "check_suite"]).await;
    let client = check(WebhookFaultKind::Lost, &["push", "pull_request"]).await;
    let lost = client.sim.deliveries().into_iter().find(|d| d.outcome == DeliveryOutcome::NotSent).unwrap();
    let list = client.http.get(format!("{}/app/hook/deliveries?per_page=2", client.sim.api_url()));
    let list = list.bearer_auth(client.jwt()).send().await.unwrap();
    assert!(list.headers().contains_key("link"));
    let attempt = format!("{}/app/hook/deliveries/{}/attempts", client.sim.api_url(), lost.id);
    assert_eq!(client.http.post(attempt).bearer_auth(client.jwt()).send().await.unwrap().status(), 202);
    client.sim.settle().await;
    let again = client.sim.deliveries().pop().unwrap();
    assert_eq!((again.guid, again.redelivery, again.outcome), (lost.guid, true, DeliveryOutcome::Answered(202)));
}

#[tokio::test]
async fn faults_hit_as_told() {
    let client = client().await;
    let path = "/repos/acme/shop";
    let arm = |kind: FaultKind| {
        client.sim.fault(Fault { on: FaultOn::new("GET", "/repos/*/*"), kind, times: Times::Next(1) });
    };
    arm(FaultKind::Status(502));
    assert_eq!(client.send("GET", path, Value::Null).await.0, 502);
    client.get(path).await;
    arm(FaultKind::SecondaryLimit { retry_after: Some(7) });
    let limited = client.request("GET", path).send().await.unwrap();
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (403, "7"));
    arm(FaultKind::Garbage);
    assert_eq!(client.send("GET", path, Value::Null).await, (200, Value::Null));
    arm(FaultKind::Reset);
    assert!(client.request("GET", path).send().await.is_err());
    let on = FaultOn::graphql();
    client.sim.fault(Fault { on, kind: FaultKind::PrimaryLimit { reset_in: 60 }, times: Times::Next(1) });
    for _ in 0..2 {
        let spent = client.graphql("{ rateLimit { cost } }", json!({})).await;
        assert_eq!(spent["errors"][0]["type"], json!("RATE_LIMITED"));
    }
    client.pass(60);
    assert!(client.graphql("{ rateLimit { cost } }", json!({})).await["errors"].is_null());
}

#[tokio::test]
async fn a_lost_answer_resets_the_connection_after_the_write() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let client = client().await;
    let sha = opened(&client).head_sha();
    let on = FaultOn::new("POST", "/repos/*/*/check-runs");
    client.sim.fault(Fault { on, kind: FaultKind::AnswerLostAfterWrite, times: Times::Next(1) });
    let body = check_run(&sha).to_string();
    let address = client.sim.api_url().replace("http://", "");
    let mut raw = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /repos/acme/shop/check-runs HTTP/1.1\r\nhost: {address}\r\nuser-agent: raw\r\nauthorization: Bearer {}\r\n\
         content-length: {}\r\n\r\n{body}",
        client.token,
        body.len()
    );
    raw.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let end = raw.read_to_end(&mut answer).await;
    assert_eq!(end.map_err(|e| e.kind()), Err(std::io::ErrorKind::ConnectionReset));
    assert_eq!(answer, b"");
    assert_eq!(client.sim.check_runs("acme/shop", &sha).len(), 1);
    assert_eq!(client.sim.exchanges().last().unwrap().status, None);
}

#[tokio::test]
async fn stopping_frees_the_port() {
    let client = client().await;
    let address = client.sim.api_url().replace("http://", "");
    client.sim.settle().await;
    drop(client);
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
