//! What ships the program says the truth about it: completions, manual pages, the health check, and the settings, paths
//! and ports in image, unit file and manifests.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use clap::CommandFactory;
use mergecast::{
    cli::Args,
    config::SETTINGS,
    github::sim::{Fault, FaultKind, FaultOn, Times},
};

use crate::support::run_test;

fn mergecast(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mergecast"));
    command.env_clear().current_dir(std::env::temp_dir()).args(arguments).output().expect("the program runs")
}

fn printed(arguments: &[&str]) -> String {
    let output = mergecast(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the program prints UTF-8")
}

fn names() -> Vec<String> {
    let command = Args::command();
    command.get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        for word in names().iter().map(String::as_str).chain(["fail-at", "log-format"]) {
            assert!(script.contains(word), "the script for {shell} does not know {word}");
        }
    }
    assert_eq!(mergecast(&["completions", "csh"]).status.code(), Some(2));
    // The shell itself takes it and completes by it.
    let script = printed(&["completions", "bash"]);
    let complete =
        "COMP_WORDS=(mergecast sc); COMP_CWORD=1; _mergecast mergecast sc mergecast; echo \"${COMPREPLY[*]}\"";
    let bash = Command::new("bash").args(["-c", &format!("{script}\n{complete}")]).output().expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&bash.stdout), "score\n", "{}", String::from_utf8_lossy(&bash.stderr));
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let pages = directory.path().join("man");
    assert_eq!(printed(&["man", "--dir", pages.to_str().expect("temporary names are plain")]), "");
    for name in names().iter().filter(|name| *name != "help") {
        let page = fs::read_to_string(pages.join(format!("mergecast-{name}.1"))).expect("the command has a page");
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH OPTIONS"), "{name}: {page}");
    }
    let whole = fs::read_to_string(pages.join("mergecast.1")).expect("the program has a page");
    assert_eq!(printed(&["man"]), whole);
    assert!(whole.contains(".TH mergecast 1"), "{whole}");
    let taken = directory.path().join("taken");
    fs::write(&taken, "").expect("the file can be written");
    assert_eq!(mergecast(&["man", "--dir", taken.to_str().expect("temporary names are plain")]).status.code(), Some(1));
}

#[test]
fn health_is_what_the_server_says() {
    run_test(|mut ctx| async move {
        let address = ctx.service().address().to_string();
        let ask = async |arguments: Vec<String>| {
            let ask = move || mergecast(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            let output = tokio::task::spawn_blocking(ask).await.expect("the program is waited for");
            let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("UTF-8 is printed"));
            (output.status.code(), told.concat())
        };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(ask(words(&["health", "--listen", &address])).await, (Some(0), "alive\n".to_owned()));
        let (code, told) = ask(words(&["health", "--ready", "--listen", &address])).await;
        assert_eq!((code, told.contains("\"database\":\"ok\"")), (Some(0), true), "{told}");
        let on = FaultOn::new("GET", "/app");
        ctx.sim.fault(Fault { on, kind: FaultKind::Status(401), times: Times::Always });
        ctx.clock.advance(Duration::from_secs(61));
        let (code, told) = ask(words(&["health", "--ready", "--listen", &address])).await;
        assert_eq!((code, told.contains("credentials")), (Some(1), true), "{told}");
        ctx.sim.heal();
        ctx.stop_service().await;
        let (code, told) = ask(words(&["health", "--listen", &address])).await;
        assert_eq!(code, Some(1));
        assert!(told.starts_with(&format!("error: nobody answers at http://{address}/healthz")), "{told}");
        ctx.start_service().await;
        ctx
    });
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the file is text")
}

/// Everything in the text that is named like a setting.
fn settings_in(text: &str) -> BTreeSet<String> {
    let pattern =
        regex::Regex::new(r"\b(?:MERGECAST|GITHUB|DD|CODECOV|SONAR|PAGERDUTY)_[A-Z_]+\b").expect("a constant");
    pattern.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}

#[test]
fn image_unit_and_manifests_name_settings_that_exist() {
    let known = |name: &str| {
        let secret = |setting: &&mergecast::config::Setting| setting.secret;
        SETTINGS.iter().any(|setting| setting.env == name)
            || SETTINGS.iter().filter(secret).any(|setting| format!("{}_FILE", setting.env) == name)
    };
    // Of compose itself: which image to run.
    let others = ["MERGECAST_IMAGE"];
    for path in ["Dockerfile", "compose.yaml", "deploy/systemd/mergecast.service", "deploy/kubernetes/mergecast.yaml"] {
        let named = settings_in(&read(path));
        assert!(named.len() > 1, "{path} names settings: {named:?}");
        let unknown: Vec<_> = named.iter().filter(|name| !known(name) && !others.contains(&name.as_str())).collect();
        assert!(unknown.is_empty(), "{path} names {unknown:?}, which are no settings");
    }
    // Every way to run it gives what `serve` cannot do without.
    for path in ["compose.yaml", "deploy/kubernetes/mergecast.yaml"] {
        let named = settings_in(&read(path));
        for needed in ["GITHUB_APP_ID", "GITHUB_PRIVATE_KEY_FILE", "GITHUB_WEBHOOK_SECRET_FILE"] {
            assert!(named.contains(needed), "{path} leaves out {needed}");
        }
    }
}

/// One user, one directory, one port, wherever they are written down.
#[test]
fn image_and_manifests_agree() {
    let check = |path: &str, texts: &[&str]| {
        let file = read(path);
        for text in texts {
            assert!(file.contains(text), "{path} does not say {text}");
        }
    };
    check("Dockerfile", &["USER 10001:10001", "VOLUME /var/lib/mergecast", "EXPOSE 8080", "LISTEN=0.0.0.0:8080"]);
    check("compose.yaml", &["127.0.0.1:8080:8080", "data:/var/lib/mergecast", "(10001)"]);
    check(
        "deploy/kubernetes/mergecast.yaml",
        &["containerPort: 8080", "mountPath: /var/lib/mergecast", "runAsUser: 10001", "fsGroup: 10001"],
    );
    check(
        "deploy/systemd/mergecast.service",
        &["StateDirectory=mergecast", "sqlite:///var/lib/mergecast/mergecast.db"],
    );
    let rust = regex::Regex::new(r#"rust-version = "([0-9.]+)""#).expect("a constant");
    let manifest = read("Cargo.toml");
    let version = &rust.captures(&manifest).expect("Cargo.toml says which Rust it needs")[1];
    check("Dockerfile", &[&format!("rust:{version}-")]);
    check(".github/workflows/ci.yml", &[&format!("toolchain install {version}.")]);
    check(".github/workflows/release.yml", &[&format!("RUST: \"{version}.")]);
}
