//! The client reads what Datadog was recorded to say.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Response},
};
use chrono::{TimeDelta, Utc};
use mergecast::{
    clock::Clock,
    datadog::{Age, Datadog, Error, IncidentState, Keys, Options, Severity, Site},
    slo::{Kind, Parts, Slo},
};
use url::Url;

use super::noon;
use crate::contracts::{
    Contracts,
    datadog::{Recorded, RecordedResponse},
};

type Played = State<Arc<Mutex<(VecDeque<Recorded>, Vec<HeaderMap>)>>>;

/// Answers with recorded exchanges, one after the other, and with an empty list after that.
struct Player {
    datadog: Datadog,
    clock: Clock,
    state: Played,
    server: tokio::task::JoinHandle<()>,
}

impl Player {
    async fn of(recorded: Vec<Recorded>, tries: u32) -> Self {
        let state: Played = State(Arc::new(Mutex::new((recorded.into(), Vec::new()))));
        let router = Router::new().fallback(answer).with_state(state.0.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let clock = Clock::manual(noon());
        let keys = Keys { api: "api-key".to_owned().into(), app: "app-key".to_owned().into() };
        let options = Options { tries, ..Options::default() };
        let datadog = Datadog::new(&url, Site::new("datadoghq.com"), keys, clock.clone(), options).unwrap();
        Self { datadog, clock, state, server }
    }

    fn asked(&self) -> usize {
        self.state.lock().unwrap().1.len()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(state): Played, request: Request) -> Response<Body> {
    let mut state = state.lock().unwrap();
    state.1.push(request.headers().clone());
    let Some(Recorded { response: RecordedResponse { status, headers, body }, .. }) = state.0.pop_front() else {
        return Response::new(Body::from("{\"data\": []}"));
    };
    let mut response = Response::builder().status(status);
    for (name, value) in &headers {
        response = response.header(name, value.as_str().unwrap());
    }
    response.body(Body::from(body)).unwrap()
}

/// Runs a test on one recording; does nothing without recordings.
async fn on<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Player) -> F) {
    let Some(contracts) = Contracts::datadog() else { return };
    test(Player::of(contracts.recording(name), 1).await).await;
}

/// An SLO to ask about; the recordings answer whatever its id is.
fn unnamed() -> Slo {
    Slo {
        id: "x".to_owned(),
        name: String::new(),
        kind: Kind::Metric,
        objectives: Vec::new(),
        tags: Vec::new(),
        groups: Vec::new(),
    }
}

#[tokio::test]
async fn slos_and_a_history_without_traffic() {
    on("get_all_slos_returns_ok_response_with_pagination", async |player| {
        let slos = player.datadog.slos(Age::NOW).await.unwrap().value;
        assert_eq!((slos.len(), slos[0].kind), (2, Kind::Metric));
        let goals: Vec<_> =
            slos[1].objectives.iter().map(|goal| (goal.timeframe.days, goal.target.percent())).collect();
        assert_eq!(goals, [(7, 99.5), (30, 98.0), (90, 99.9)]);
        let sent = player.state.lock().unwrap().1[0].clone();
        assert_eq!(
            (&sent["dd-api-key"], &sent["dd-application-key"]),
            (&"api-key".parse().unwrap(), &"app-key".parse().unwrap())
        );
    })
    .await;
    on("get_an_slos_history_returns_ok_response", async |player| {
        let history = player.datadog.slo_history("x", 86_400, None, Age::NOW).await.unwrap().value;
        assert_eq!((history.sli, history.budget_left), (None, None), "a zero denominator is no data");
        let Parts::Events(series) = &history.parts else { panic!("{history:?}") };
        assert_eq!((series.bucket_s, series.buckets.len(), series.buckets[0].from_s), (7_200, 13, 1_704_235_800));
    })
    .await;
}

#[tokio::test]
async fn services_of_every_schema() {
    on("get_all_service_definitions_returns_ok_response", async |player| {
        let services = player.datadog.service_definitions(Age::NOW).await.unwrap().value;
        assert_eq!((services.len(), player.asked()), (100, 2), "a full page has another one after it");
        assert!(services.iter().all(|service| service.schema == "v2.1"));
        let with_repository = services.iter().filter(|service| service.links.iter().any(|link| link.kind == "repo"));
        assert!(with_repository.count() > 50);
    })
    .await;
    on("get_all_service_definitions_returns_ok_response_with_pagination", async |player| {
        let services = player.datadog.service_definitions(Age::NOW).await.unwrap().value;
        let older = services.iter().find(|service| service.schema == "v2").unwrap();
        assert!(older.links.iter().any(|link| link.kind == "repo" && link.url == "https://github.com/DataDog/schema"));
        // A text in the older schema, an object in the newer.
        assert_eq!(services.len(), 2);
        assert!(services.iter().all(|service| service.owner.as_deref() == Some("my-team")));
        assert!(
            services
                .iter()
                .all(|service| service.pagerduty_url.as_deref().is_some_and(|url| url.starts_with("https://")))
        );
    })
    .await;
    on("get_a_list_of_entities_returns_ok_response", async |player| {
        let services = player.datadog.service_entities(false, Age::NOW).await.unwrap().value;
        assert_eq!(services.len(), 100);
        // Its link to the next page has no host, and the page after is empty.
        assert_eq!(player.asked(), 2);
    })
    .await;
}

#[tokio::test]
async fn incidents_with_their_spans() {
    on("search_for_incidents_returns_ok_response_with_pagination", async |player| {
        let recorded = player.datadog.incidents_since(noon() - TimeDelta::days(9_000), Age::NOW).await;
        // 1,703 are told of and four were recorded: what comes after is another answer than a search gives.
        assert!(matches!(recorded, Err(Error::Contract { .. })), "{recorded:?}");
        assert_eq!(player.asked(), 3);
    })
    .await;
    on("search_for_incidents_returns_ok_response", async |player| {
        let answer = player.datadog.open_incidents(Age::NOW).await;
        let incidents = match answer {
            Ok(incidents) => incidents.value,
            Err(error) => panic!("{error}"),
        };
        let first = &incidents[0];
        assert_eq!((first.state, first.severity), (IncidentState::Resolved, Severity::Unknown));
        assert_eq!((first.resolved, first.active.len()), (None, 0), "it was resolved when it was entered");
        assert!(first.began(Utc::now()).is_some() && first.services.is_empty());
    })
    .await;
}

#[tokio::test]
async fn deployments_and_refusals() {
    let ask = async |player: &Player| {
        player.datadog.deployments(None, noon() - TimeDelta::days(1), noon(), Age::NOW).await.map(|cached| cached.value)
    };
    on("get_a_list_of_deployment_events_returns_deployments_with_datetime_timestamps", async |player| {
        let deployments = ask(&player).await.unwrap();
        assert_eq!((deployments.len(), deployments[0].service.as_str()), (1, "shopist"));
        assert_eq!(deployments[0].finished_at, Some("2023-08-31T14:26:24Z".parse().unwrap()));
    })
    .await;
    on("get_a_list_of_deployment_events_returns_bad_request_response", async |player| {
        let Err(Error::Invalid { message }) = ask(&player).await else { panic!() };
        assert!(message.starts_with("Bad Request: got type"), "{message}");
    })
    .await;
    on("timeseries_cross_product_query_returns_bad_request_response", async |player| {
        let slo = unnamed();
        let answer = player.datadog.burn_rates(&slo, 3_600, TimeDelta::minutes(1), Age::NOW).await;
        assert!(matches!(answer, Err(Error::Invalid { .. })), "{answer:?}");
    })
    .await;
    on("timeseries_cross_product_query_with_slo_data_source_returns_ok_response", async |player| {
        let slo = unnamed();
        let answer = player.datadog.burn_rates(&slo, 3_600, TimeDelta::minutes(1), Age::NOW).await.unwrap();
        assert!(answer.value.is_empty(), "an SLO that Datadog does not know");
    })
    .await;
    on("aggregate_tests_events_returns_ok_response", async |player| {
        // Buckets of another group than was asked for are none of a suite.
        assert!(player.datadog.flakiest_suites("github.com/a/b", 5, Age::NOW).await.unwrap().value.is_empty());
    })
    .await;
    on("get_a_list_of_deployment_events_returns_ok_response", async |player| {
        assert!(ask(&player).await.unwrap().is_empty());
    })
    .await;
    on("validate_api_key_returns_forbidden_response", async |player| {
        assert_eq!(player.datadog.slos(Age::NOW).await, Err(Error::Unauthorized));
    })
    .await;
}

/// Of whatever source a series is recorded, it is of the shape that a burn rate comes in.
#[tokio::test]
async fn every_recorded_series_is_read() {
    let Some(contracts) = Contracts::datadog() else { return };
    let mut points = 0;
    for (name, recorded) in contracts.recordings() {
        let [Recorded { request, response }] = recorded.as_slice() else { continue };
        if request.path != "/api/v2/query/timeseries" || response.status != 200 {
            continue;
        }
        let player = Player::of(recorded.clone(), 1).await;
        let slo = unnamed();
        let answer = player.datadog.burn_rates(&slo, 3_600, TimeDelta::minutes(1), Age::NOW).await;
        points += answer.unwrap_or_else(|error| panic!("{name}: {error}")).value.len();
    }
    assert!(points > 20, "{points}");
}

#[tokio::test]
async fn answers_over_limits_and_in_trouble_are_waited_out() {
    for name in ["retry_rate_limit", "retry_errors"] {
        let Some(contracts) = Contracts::datadog() else { return };
        let player = Player::of(contracts.recording(name), 4).await;
        let clock = player.clock.clone();
        let answer = tokio::select! {
            answer = player.datadog.slos(Age::NOW) => answer,
            () = async { loop { clock.advance(Duration::from_millis(100)); tokio::task::yield_now().await; } } => unreachable!(),
        };
        // What was recorded after that are logs, of which none is an SLO.
        assert_eq!(answer.map(|slos| slos.value.len()), Ok(0), "{name}");
        assert_eq!(player.asked(), 4, "{name}");
        assert!(clock.now() - noon() >= TimeDelta::seconds(6), "{name}: it waited {}", clock.now() - noon());
    }
}
