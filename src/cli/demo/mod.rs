//! `mergecast demo`: the whole App against a simulated GitHub and other systems in this process, with nothing to set up.
//!
//! Only those, and the time, are simulated. Webhooks are signed and arrive over HTTP, the database is a file, and nothing is shown
//! before its check run stands on the simulated GitHub, once and completed.

mod outcome;
mod past;
mod people;
mod runtime;
mod story;

use std::{io::Write, net::Ipv4Addr, path::Path, time::Duration};

use anyhow::{Context, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use super::{output::Terminal, token::made};
use crate::{
    clock::Clock,
    datadog::{Datadog, Options as DatadogOptions, Site, sim::SimDatadog},
    github::{
        AppCredentials, GitHub, Options, RepoName, Urls,
        sim::{PullHandle, Sim, SimCheckRun, SimOptions},
    },
    report::{check_run::NAME, owners, terminal},
    service::{Links, MirrorSettings, Operations, Service, Settings, Stored, Telling, Timing},
    store::{Store, StoreOptions, StorePath},
};

/// Between two looks at whether everything is done.
const SETTLE: Duration = Duration::from_millis(10);

/// Between two steps of the clock after the story.
const TICK: Duration = Duration::from_millis(100);

/// The App with its simulated GitHub, for as long as the demo lasts.
struct Stage {
    /// Stands still but for what the story lets pass, so that days of it take no time.
    clock: Clock,
    sim: Sim,
    datadog: SimDatadog,
    coverage: people::Coverage,
    service: Service,
    store: Store,
    links: Links,
    terminal: Terminal,
    /// Heading of the chapter that is being told.
    chapter: &'static str,
    /// What came out so far, for the end.
    shown: Vec<Shown>,
    /// What was before the story; `None` without git, and without history then.
    past: Option<past::Past>,
    /// The commit that runs when it begins.
    running: Option<String>,
    /// Holds the database, the mirror and what it mirrors; deleted at the end.
    _directory: tempfile::TempDir,
}

/// One check run of the story.
struct Shown {
    chapter: &'static str,
    number: u64,
    score: u8,
    level: &'static str,
    conclusion: &'static str,
}

/// Plays the story; stays up afterwards so that people can look, unless `once`.
///
/// # Errors
/// When no port or temporary directory can be had, or a pull request of the story ends without its check run.
pub(super) async fn run(once: bool, terminal: Terminal) -> anyhow::Result<()> {
    let mut stage = Stage::set(terminal).await?;
    story::play(&mut stage).await?;
    stage.in_short()?;
    if !once {
        stage.closing();
    }
    if !once {
        let clock = stage.clock.clone();
        // From now on time passes as it does.
        let ticking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                clock.advance(TICK);
            }
        });
        super::serve::interrupted().await?;
        ticking.abort();
    }
    stage.service.stop().await;
    stage.sim.stop();
    Ok(())
}

impl Stage {
    async fn set(terminal: Terminal) -> anyhow::Result<Self> {
        let clock = Clock::manual(Clock::system().now());
        let (sim_clock, datadog_clock) = (clock.clone(), clock.clone());
        let datadog = SimDatadog::start(move || datadog_clock.now()).await.context("the simulated Datadog")?;
        let client = Datadog::new(
            datadog.url(),
            Site::new("datadoghq.com"),
            datadog.keys(),
            clock.clone(),
            DatadogOptions::default(),
        )?;
        let coverage = people::Coverage::start().await?;
        let sim = Sim::start(SimOptions::new(move || sim_clock.now())).await.context("the simulated GitHub")?;
        let directory = tempfile::tempdir().context("no temporary directory can be made")?;
        let path = StorePath::File(directory.path().join("mergecast.db"));
        let store = Store::open(StoreOptions::new(path)).await?;
        let app = sim.app();
        let credentials =
            AppCredentials { app_id: app.app_id, client_id: Some(app.client_id), private_key_pem: app.private_key_pem };
        let urls = Urls::new(sim.api_url().parse()?)?;
        let listen = super::serve::free_port(Ipv4Addr::LOCALHOST.into()).await?;
        let (mirrors, past) = history(directory.path(), clock.now())?.unzip();
        let running = past.as_ref().map(|past| outcome::until_now(&datadog, &sim, past)).transpose()?;
        let links = Links { public_url: Some(format!("http://{listen}")), github_url: Some(sim.api_url()) };
        let service = Service::start(Settings {
            listen,
            store: store.clone(),
            // The story is told as fast as it can be; nobody's real limits are at stake.
            github: GitHub::new(
                credentials,
                urls,
                clock.clone(),
                Options { writes_per_minute: None, ..Options::default() },
            )?,
            app_id: app.app_id,
            webhook_secrets: vec![app.webhook_secret],
            links: links.clone(),
            workers: 4,
            clock: clock.clone(),
            timing: Timing { burst: Duration::from_millis(300), ..Timing::default() },
            operations: Operations {
                mirrors,
                datadog: Some(client),
                coverage: coverage.settings(),
                reads_deployments: true,
                telling: Telling { incident_links: true, comments: true, ..Telling::default() },
                ..Operations::default()
            },
        })
        .await?;
        sim.deliver_to(&format!("http://{}/webhooks/github", service.address()));
        let shown = Vec::new();
        Ok(Self {
            clock,
            sim,
            datadog,
            coverage,
            service,
            store,
            links,
            terminal,
            chapter: "",
            shown,
            past,
            running,
            _directory: directory,
        })
    }

    /// Waits until every webhook is delivered and everything that followed from it is done.
    async fn settle(&self) -> anyhow::Result<()> {
        loop {
            self.sim.settle().await;
            // Our own check runs come back as webhooks; they lead to nothing, but they have to arrive.
            if self.service.is_idle().await? && self.sim.is_settled() {
                return Ok(());
            }
            let (fetch, job) = (self.service.next_fetch().await?, self.store.next_due().await?);
            let due = fetch.into_iter().chain(job).min().and_then(DateTime::from_timestamp_millis);
            if let Some(due) = due.filter(|due| *due > self.clock.now())
                && self.service.is_waiting().await?
            {
                self.clock.set(due);
                self.service.wake();
            }
            tokio::time::sleep(SETTLE).await;
        }
    }

    /// Lets time pass, and whatever is due then happen.
    async fn pass(&self, time: TimeDelta) -> anyhow::Result<()> {
        self.settle().await?;
        self.clock.set(self.clock.now() + time);
        self.service.wake();
        self.settle().await
    }

    /// Uploads a coverage report of a pull request's head, as CI would: with a token, over HTTP.
    async fn upload(&self, pull: &PullHandle, report: String) -> anyhow::Result<()> {
        let token = self.token(pull.repository()).await?;
        let url =
            format!("http://{}/api/v1/coverage/{}/{}", self.service.address(), pull.repository(), pull.head_sha());
        let answer = client()?.put(url).bearer_auth(token).body(report).send().await?;
        anyhow::ensure!(answer.status() == 201, "the upload was answered with {}", answer.status());
        Ok(())
    }

    /// A token of the story's CI.
    async fn token(&self, repository: &str) -> anyhow::Result<String> {
        let repository = self.store.repository_named(repository).await?;
        let repository = repository.context("the App covers the story's repository")?;
        let about = (repository.repository, "the story's CI".to_owned());
        let (token, row) = made(&self.clock, Some(repository.repository_id), repository.installation_id, about);
        self.store.save_token(&row).await?;
        Ok(token)
    }

    /// Begins a chapter: its heading and what happens, in a sentence or two.
    fn tell(&mut self, heading: &'static str, what: &str) -> anyhow::Result<()> {
        self.chapter = heading;
        let style = self.terminal.style();
        writeln!(self.terminal.out(), "\n{}", terminal::chapter(heading, what, style))?;
        Ok(())
    }

    /// Shows the check run that stands on the head of a pull request, as GitHub has it.
    async fn show(&mut self, pull: &PullHandle) -> anyhow::Result<u8> {
        self.settle().await?;
        self.show_on(pull, &pull.head_sha(), &format!("#{}", pull.number())).await
    }

    /// Shows the check run that stands on the commit of the merge group that ends with a pull request.
    async fn show_group(&mut self, last: &PullHandle, head: &str) -> anyhow::Result<u8> {
        self.settle().await?;
        self.show_on(last, head, &format!("the merge group that ends with #{}", last.number())).await
    }

    async fn show_on(&mut self, pull: &PullHandle, head: &str, place: &str) -> anyhow::Result<u8> {
        let runs = self.sim.check_runs(pull.repository(), head);
        let ours: Vec<&SimCheckRun> = runs.iter().filter(|run| run.name == NAME).collect();
        let [run] = ours.as_slice() else {
            anyhow::bail!("{} check runs named {NAME} stand on {place} instead of one", ours.len());
        };
        anyhow::ensure!(run.status == "completed", "the check run on {place} is {}", run.status);
        let repo = RepoName::parse(pull.repository()).context("the story's repository has a name")?;
        let row = self.store.by_repository_sha(&repo.to_string(), head).await?;
        let row = row.context("the check run stands, but no assessment is stored")?;
        let stored = Stored::load(&self.store, row, self.links.clone()).await?;
        let text = terminal::render(&stored.subject(), self.terminal.style());
        let assessment = stored.assessment();
        self.shown.push(Shown {
            chapter: self.chapter,
            number: pull.number(),
            score: assessment.score,
            level: assessment.level.word(),
            conclusion: assessment.verdict.conclusion.word(),
        });
        let out = self.terminal.out();
        writeln!(out, "{NAME} on {place} at {}: {}", &head[..7], state(run))?;
        writeln!(out, "{text}")?;
        Ok(assessment.score)
    }

    /// Shows the check run of the owners' approvals, which must have ended so.
    async fn show_owners(&mut self, pull: &PullHandle, conclusion: &str) -> anyhow::Result<()> {
        self.settle().await?;
        let head = pull.head_sha();
        let runs = self.sim.check_runs(pull.repository(), &head);
        let ours: Vec<&SimCheckRun> = runs.iter().filter(|run| run.name == owners::NAME).collect();
        let [run] = ours.as_slice() else {
            anyhow::bail!("{} check runs named {} stand on #{}", ours.len(), owners::NAME, pull.number());
        };
        let ended = run.conclusion.as_deref() == Some(conclusion);
        anyhow::ensure!(ended, "{} on #{} ended as {:?}", owners::NAME, pull.number(), run.conclusion);
        let title = run.title.as_deref().unwrap_or_default();
        let (name, number) = (owners::NAME, pull.number());
        writeln!(self.terminal.out(), "{name} on #{number} at {}: {}\n  {title}\n", &head[..7], state(run))?;
        Ok(())
    }

    /// All check runs of the story, a line each.
    fn in_short(&mut self) -> anyhow::Result<()> {
        let style = self.terminal.style();
        let about =
            "Score, level, what the check run concludes, and the pull request. Advisory mode: nothing is blocked.";
        let out = self.terminal.out();
        writeln!(out, "\n{}", terminal::chapter("The story in short", about, style))?;
        for Shown { chapter, number, score, level, conclusion } in &self.shown {
            let name = chapter.split_once(". ").map_or(*chapter, |(_, name)| name);
            writeln!(out, "{score:>3}  {level:<8}  {conclusion:<8}  #{number:<3} {name}")?;
        }
        out.flush()?;
        Ok(())
    }

    fn closing(&self) {
        anstream::eprintln!("\nThe story is over; everything stays up until you press Ctrl-C");
        anstream::eprintln!("GitHub's side of it: {}/{}/pulls", self.sim.api_url(), story::REPOSITORY);
        anstream::eprintln!("pages: http://{}/", self.service.address());
    }
}

/// Host of the simulated GitHub, as repositories are addressed.
fn host(sim: &Sim) -> String {
    let address = sim.api_url();
    let host = address.split("://").nth(1).unwrap_or_default();
    host.split(':').next().unwrap_or_default().to_owned()
}

fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().tls_certs_only([]).no_proxy().build()?)
}

/// What was before the story; `None` without git.
fn history(directory: &Path, now: DateTime<Utc>) -> anyhow::Result<Option<(MirrorSettings, past::Past)>> {
    match past::make(directory, now) {
        Ok(past) => {
            let url =
                Url::from_file_path(&past.base).map_err(|()| anyhow!("the temporary directory has no address"))?;
            Ok(Some((MirrorSettings::new(directory.join("data"), url), past)))
        }
        Err(error) => {
            anstream::eprintln!("The story has no history behind it: {error:#}");
            Ok(None)
        }
    }
}

fn state(run: &SimCheckRun) -> String {
    let conclusion = run.conclusion.as_deref().unwrap_or("no conclusion");
    match run.annotations.len() {
        0 => conclusion.to_owned(),
        1 => format!("{conclusion}, 1 annotation"),
        more => format!("{conclusion}, {more} annotations"),
    }
}
