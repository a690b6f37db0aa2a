//! What `mergecast doctor` says of Datadog, source by source.

use mergecast::{
    clock::Clock,
    datadog::sim::{Fault, FaultKind, SimDatadog, Times},
};

use super::*;
use crate::contracts::datadog::check as check_datadog;

#[test]
fn datadog_is_tried_source_by_source() {
    with_ward(TimeDelta::zero(), |ward| async move {
        let sim = SimDatadog::start(|| Clock::system().now()).await.unwrap();
        let (url, keys) = (sim.url().to_string(), sim.keys());
        let (api, app) = (keys.api.expose_secret(), keys.app.expose_secret());
        let env = [("DD_API_URL", url.as_str()), ("DD_API_KEY", api), ("DD_APP_KEY", app)];
        // The lines of Datadog, with what mends them.
        let lines = |env: &[(&str, &str)]| {
            let (code, list) = ward.list(env);
            assert!(code == 0 && !list.contains(api) && !list.contains(app), "{list}");
            let from =
                list.lines().skip_while(|line| !line.contains("  Datadog  ")).take_while(|line| !line.is_empty());
            let found: Vec<String> = from.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
            found.join("\n")
        };
        insta::assert_snapshot!(lines(&env), @r"
        ok Datadog datadoghq.com takes both keys
        ok Datadog SLOs: available
        ok Datadog catalogue: available
        ok Datadog incidents: available
        ok Datadog events: available
        ok Datadog DORA: available
        ok Datadog CI Visibility: available
        ok Datadog metrics query: available
        ok Datadog code coverage: available
        ");
        sim.permit("incident_read", false);
        sim.permit("test_optimization_read", false);
        sim.fault(Fault { path: "/api/v1/events".to_owned(), kind: FaultKind::Cut, times: Times::Always });
        let government = [&env[..], &[("DD_SITE", "ddog-gov.com")]].concat();
        insta::assert_snapshot!(lines(&government), @r"
        ok Datadog ddog-gov.com takes both keys
        ok Datadog SLOs: available
        ok Datadog catalogue: available
        warn Datadog incidents: forbidden, so an open incident lifts no score
        fix: give the application key the scope incident_read, and its owner a role with that permission
        ok Datadog events: Datadog is not available: it cannot be reached; nothing is missing: this version does not use it
        ok Datadog DORA: not enabled on ddog-gov.com, so deployments that only DORA Metrics tells of are not known
        warn Datadog CI Visibility: forbidden, so flaky tests do not count
        fix: give the application key the scope test_optimization_read, and its owner a role with that permission
        ok Datadog metrics query: available
        ok Datadog code coverage: available
        ");
        sim.heal();
        insta::assert_snapshot!(lines(&[env[0], env[1], ("DD_APP_KEY", "stale")]), @r"
        warn Datadog datadoghq.com takes the API key and refuses the application key
        fix: compare DD_APP_KEY with the organisation's application keys
        ");
        insta::assert_snapshot!(lines(&[env[0], ("DD_API_KEY", "stale"), env[2]]), @r"
        warn Datadog datadoghq.com refuses the API key
        fix: compare DD_API_KEY with the organisation's API keys, and DD_SITE with the address of its pages
        ");
        insta::assert_snapshot!(lines(&env[..2]), @r"
        warn Datadog off: DD_APP_KEY is not set, and one key alone reads nothing
        fix: set DD_APP_KEY as well
        ");
        insta::assert_snapshot!(lines(&[("DD_API_URL", "http://127.0.0.1:9"), env[1], env[2]]), @r"
        warn Datadog Datadog is not available: it cannot be reached
        fix: see that this machine reaches 127.0.0.1; until then its facts are unknown
        ");
        let json: Value = serde_json::from_str(&run(ward.command(&["--json"], &env)).out).unwrap();
        let rows = json["checks"].as_array().unwrap().iter().filter(|check| check["check"] == "Datadog");
        assert_eq!(rows.filter(|check| check["state"] == "warn" && check["fix"].is_string()).count(), 2);
        check_datadog(&sim);
        ward
    });
}
