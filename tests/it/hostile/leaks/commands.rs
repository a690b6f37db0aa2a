//! What the program says of secrets when it is set up, serves, looks at itself and asks for deliveries, all at trace level.

use std::{fs, process::Command};

use mergecast::{
    codecov::sim::TOKEN as CODECOV,
    datadog::sim::{API_KEY, APP_KEY},
    github::sim::{Edits, Fault, FaultKind, FaultOn, PullSpec, Times},
    sonar::sim::TOKEN as SONAR,
};
use serde_json::Value;

use super::{Secrets, database};
use crate::{
    binary::{Program, mergecast, run},
    program::database as file,
    setup::{self, PUBLIC, browser::Browser, completed},
};

#[test]
fn the_program_says_no_secret_whatever_it_does() {
    setup::with_github(|sim, directory| async move {
        let (shop, path) = (sim.repository("acme/shop"), directory.path());
        let program = |arguments: &[&str]| -> Command {
            let env = [("RUST_LOG", "trace"), ("MERGECAST_LISTEN", "127.0.0.1:0"), ("NO_COLOR", "1")];
            let mut command = mergecast(path, arguments, &env);
            // Nothing listens there: both fail.
            let nowhere = "http://127.0.0.1:9";
            command.envs([("CODECOV_TOKEN", CODECOV), ("CODECOV_API_URL", nowhere)]);
            command.envs([("SONAR_TOKEN", SONAR), ("SONAR_URL", nowhere)]);
            command.envs([("DD_API_KEY", API_KEY), ("DD_APP_KEY", APP_KEY), ("DD_API_URL", nowhere)]);
            command
        };
        let mut set_up = setup::command(&sim, path, &["--org", "acme"]);
        set_up.env("RUST_LOG", "trace");
        let (program_of_setup, url) = setup::start(set_up);
        let browser = Browser::default();
        assert_eq!(browser.consent(&url).await.status, 200);
        let ended = program_of_setup.end();
        assert_eq!(ended.code, 0, "{}", ended.err);
        let mut said = vec![("setup", ended.out + &ended.err)];

        let mut serve = Program::start(program(&["serve", "--log-format", "json"]));
        let address = serve.hear(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let listening = line["fields"]["message"] == "listening";
            listening.then(|| line["fields"]["address"].as_str().map(str::to_owned)).flatten()
        });
        sim.resolve(PUBLIC, &format!("http://{address}"));
        let page = browser.get(&format!("{}/apps/mergecast-acme/installations/new", sim.api_url())).await;
        browser.submit(&page, &[("account", "acme")]).await;
        for kind in [FaultKind::Status(500), FaultKind::Status(401)] {
            sim.fault(Fault { on: FaultOn::any(), kind, times: Times::Next(1) });
        }
        let pull = shop.open(PullSpec::new("Count", "ada", Edits::new().write("src/cart.rs", "let cart = 1;\n")));
        completed(&sim, &pull.head_sha()).await;
        sim.heal();
        for arguments in [&["doctor"] as &[&str], &["doctor", "--json"], &["redeliver"], &["token", "list"]] {
            let ended = run(program(arguments));
            said.push((arguments[0], ended.out + &ended.err));
        }
        let made = run(program(&["token", "create", "--repo", "acme/shop"]));
        assert_eq!(made.code, 0, "{}", made.err);
        said.push(("token create", made.err));
        let served = serve.stop();
        assert_eq!(served.code, 0);
        said.push(("serve", served.out + &served.err));

        let kept = |name: &str| fs::read_to_string(path.join(name)).unwrap().trim().to_owned();
        let mut secrets = Secrets::of(&sim);
        secrets.0.extend([kept("client-secret"), kept("webhook-secret"), made.out.trim().to_owned()]);
        for (name, text) in &said {
            assert!(!text.is_empty(), "{name} says nothing");
            secrets.check(name, text);
        }
        let traced = |name: &str| said.iter().any(|(known, text)| *known == name && text.contains("TRACE"));
        for name in ["serve", "doctor", "redeliver"] {
            assert!(traced(name), "{name} says all that it does");
        }
        assert!(file(path).exists());
        // The files that set-up wrote are there to hold secrets.
        for name in ["private-key.pem", "client-secret", "webhook-secret", "mergecast.toml"] {
            fs::remove_file(path.join(name)).unwrap();
        }
        secrets.check("the database", &database(path));
    });
}
