//! `/api/v1/sources`: what of Datadog can be read, through the running service.

use mergecast::datadog::{
    Datadog, DatadogSource, Options, Site,
    sim::{Fault, FaultKind, SimDatadog, Times},
};
use serde_json::Value;

use crate::{
    contracts::datadog::check,
    services::documented,
    support::{Ctx, run_test},
};

/// The answer, as the API describes it.
async fn sources(ctx: &Ctx) -> Value {
    let get = async |path: &str| {
        let answer = ctx.http.get(ctx.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json::<Value>().await.unwrap()
    };
    let (sources, described) = (get("/api/v1/sources").await, get("/api/v1/openapi.json").await);
    let validator = jsonschema::validator_for(&described["components"]["schemas"]["Sources"]).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&sources).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    sources["datadog"].clone()
}

/// The state of each source, by its name.
fn states(datadog: &Value) -> Vec<(&str, &str)> {
    let rows = datadog["sources"].as_array().unwrap().iter();
    rows.map(|one| (one["source"].as_str().unwrap(), one["state"].as_str().unwrap())).collect()
}

/// Connects the service to a simulated Datadog on its clock.
pub(crate) async fn connect(ctx: &mut Ctx, site: &str) -> SimDatadog {
    let clock = ctx.clock.clone();
    let sim = SimDatadog::start(move || clock.now()).await.unwrap();
    let options = Options { tries: 1, ..Options::default() };
    let datadog = Datadog::new(sim.url(), Site::new(site), sim.keys(), ctx.clock.clone(), options).unwrap();
    ctx.stop_service().await;
    ctx.setup.operations.datadog = Some(datadog);
    ctx.start_service().await;
    sim
}

#[test]
fn each_source_says_whether_it_can_be_read() {
    run_test(async |mut ctx| {
        let off = sources(&ctx).await;
        assert_eq!((&off["state"], states(&off).len()), (&"off".into(), 8));
        assert!(states(&off).iter().all(|(_, state)| *state == "off"));

        let sim = connect(&mut ctx, "us2.ddog-gov.com").await;
        sim.permit(DatadogSource::Incidents.permission(), false);
        sim.fault(Fault { path: "/api/v1/events".to_owned(), kind: FaultKind::Cut, times: Times::Next(1) });
        let found = sources(&ctx).await;
        let expected = [
            ("slos", "available"),
            ("catalogue", "available"),
            ("incidents", "forbidden"),
            ("events", "unknown"),
            ("dora", "not_on_this_site"),
            ("ci_visibility", "available"),
            ("metrics", "available"),
            ("code_coverage", "available"),
        ];
        assert_eq!(states(&found), expected);
        assert_eq!(found["keys"], serde_json::json!({"api": "good", "app": "good"}));
        assert_eq!(found["sources"][2]["permission"], "incident_read");
        // Whoever asks again costs nothing, and the age is told.
        let asked = sim.asked();
        assert_eq!((sources(&ctx).await, sim.asked()), (found.clone(), asked));
        ctx.clock.advance(std::time::Duration::from_secs(301));
        let later = sources(&ctx).await;
        assert_eq!(states(&later)[3], ("events", "available"));
        assert_ne!(later["as_of"], found["as_of"]);
        let text = later.to_string();
        assert!(!text.contains("sim-api-key") && !text.contains("sim-app-key"));
        check(&sim);
        documented(&sim);
        ctx
    });
}
