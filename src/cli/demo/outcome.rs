//! The last chapters: what became of a change after its merge. Deployments are told by a pipeline, by GitHub and by Datadog;
//! what they brought is read from the repository; an incident is put down to one of them, which is then rolled back.

use std::io::Write;

use anyhow::Context;
use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use super::{
    super::printable,
    Stage, past,
    runtime::{FAST, SLO, USUAL},
    story::{REPOSITORY, module_text},
};
use crate::{
    datadog::{
        IncidentState,
        sim::{SimDatadog, SimDeployment},
    },
    deployment::{dora::Scope, overview::overview, reckoning::Rules, sighting::Source},
    github::sim::{Edits, PullHandle, PullSpec, Sim, SimDeployment as AtGitHub, SimRepository},
    report::dora,
    service::{outcome_rules, reckoned},
};

const SERVICE: &str = "payments-api";
const FILE: &str = "apps/payments/src/refund.ts";
/// A deployment to production for so many changes.
const EVERY: usize = 3;
/// Changes that went out before the story: two months.
const LATELY: usize = 120;
/// One in so many of those deployments was rolled back.
const FAILING: usize = 9;

pub(super) async fn play(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    let Some((past, before)) = stage.past.clone().zip(stage.running.clone()) else { return Ok(()) };
    stage.pass(TimeDelta::minutes(10)).await?;
    stage.tell(
        "19. Deployments",
        "Datadog knows what went to production in the last two months, with a roll-back here and there. Mergecast reads it \
         back, and what each deployment brought from the repository: `mergecast dora --service payments-api`",
    )?;
    let known = stage.dora().await?;
    anyhow::ensure!(known > LATELY as u64 / EVERY as u64 / 2, "{known} deployments were read back");

    let risky = goes_out(stage, shop, &past).await?;
    let number = stage.datadog.open_incident("Refunds fail: TypeError in refund.ts:31", "SEV-1", &[SERVICE]);
    stage.pass(TimeDelta::minutes(85)).await?;
    stage.tell(
        "21. An incident, and what it is put down to",
        "The error budget burns at 4.2 times its pace, and a SEV-1 incident opens. The deployment before it is named, with \
         the evidence, and the score that its pull request had before the merge. This stands on the incident at Datadog, and \
         in a comment on the pull request.",
    )?;
    stage.incident(number, &risky).await?;

    stage.deploy(&before, "1.40.0").await?;
    stage.datadog.move_incident(number, IncidentState::Resolved);
    stage.datadog.burn(SLO, stage.clock.now(), USUAL);
    stage.pass(TimeDelta::hours(7)).await?;
    stage.tell(
        "22. Rolled back",
        "The build of before is deployed again, which proves the cause, and the incident ends. Seven hours later the outcome is \
         known. The last bar of each metric has it: two deployments and a commit more, one of them failed by roll-back, \
         incident and SLO burn, and how long it took to recover.",
    )?;
    stage.incident(number, &risky).await?;
    let now = stage.dora().await?;
    anyhow::ensure!(now == known + 2, "{known} deployments, and {now} after two more");
    Ok(())
}

/// What went to production before the story, as Datadog knows it; gives the commit that runs.
pub(super) fn until_now(datadog: &SimDatadog, sim: &Sim, past: &past::Past) -> anyhow::Result<String> {
    let commits = past.commits()?;
    let lately = &commits[commits.len().saturating_sub(LATELY)..];
    let place = format!("{}/{REPOSITORY}", super::host(sim));
    let deploy = |sha: &str, number: usize, at: i64| {
        let deployment = SimDeployment {
            service: SERVICE.to_owned(),
            env: "prod".to_owned(),
            version: Some(format!("1.{number}.0")),
            git: Some((place.clone(), sha.to_owned())),
        };
        if let Some(at) = DateTime::from_timestamp(at, 0) {
            datadog.deploy(deployment, at);
        }
    };
    let mut running: Option<(usize, String)> = None;
    for (number, some) in lately.chunks(EVERY).enumerate() {
        let Some((sha, at)) = some.last() else { continue };
        let at = at + 5_400;
        deploy(sha, number, at);
        match &running {
            Some((number, earlier)) if number % FAILING == FAILING - 1 => deploy(earlier, *number, at + 2_700),
            _ => {}
        }
        running = Some((number, sha.clone()));
    }
    running.map(|(_, sha)| sha).context("the repository has commits")
}

/// The risky change is scored, merged and deployed; what runs burns its error budget from then on.
async fn goes_out(stage: &mut Stage, shop: &SimRepository, past: &past::Past) -> anyhow::Result<PullHandle> {
    stage.tell(
        "20. A risky change goes out",
        "Refunds move to a table of their own, and a column is dropped on the way. It is merged all the same, and deployed.",
    )?;
    let title = "Keep refunds in their own table";
    let text = module_text("payments", "refund", 62);
    let edits = Edits::new()
        .write(FILE, text.clone())
        .write("db/migrations/0003_refunds.sql", "ALTER TABLE orders DROP COLUMN total;\n")
        .message(title);
    let pull = shop.open(PullSpec::new(title, "lin", edits));
    stage.show(&pull).await?;
    let message = format!("{title} (#{})", pull.number());
    pull.merge();
    let sha = past.land("lin", &message, stage.clock.now(), FILE, &text)?;
    shop.push_base(Edits::new().write(FILE, text).message(message).by("lin").id(&sha));
    stage.pass(TimeDelta::minutes(10)).await?;
    stage.deploy(&sha, "1.41.0").await?;
    let id = shop.deploy(AtGitHub { payload: json!({"service": SERVICE}), ..AtGitHub::new(&sha, "production") });
    shop.deployment_status(id, "success");
    stage.datadog.burn(SLO, stage.clock.now(), FAST);
    stage.pass(TimeDelta::minutes(11)).await?;
    let now = stage.clock.now();
    let reckoning =
        reckoned(&stage.store, &outcome_rules(&stage.store, &Rules::default()).await?, now - TimeDelta::days(1), now)
            .await?;
    let newest = reckoning.ledger.live().filter(|one| one.build.commit_sha.as_deref() == Some(&sha));
    let sources: Vec<Vec<Source>> =
        newest.map(|one| one.witnesses.iter().map(|witness| witness.source).collect()).collect();
    let once = sources == [[Source::Api, Source::GithubDeployment]];
    anyhow::ensure!(once, "told by a pipeline and by GitHub it is one deployment, not {sources:?}");
    Ok(pull)
}

impl Stage {
    /// Tells of a deployment that took two minutes, as a pipeline does.
    async fn deploy(&self, sha: &str, version: &str) -> anyhow::Result<()> {
        let now = self.clock.now();
        let told = json!({
            "service": SERVICE, "env": "prod", "version": version,
            "started_at": now - TimeDelta::minutes(2), "finished_at": now,
            "git": {"repository_url": format!("https://{}/{REPOSITORY}", super::host(&self.sim)), "commit_sha": sha},
        });
        let token = self.token(REPOSITORY).await?;
        let url = format!("http://{}/api/v1/deployments", self.service.address());
        let answer = super::client()?.post(url).bearer_auth(token).json(&told).send().await?;
        anyhow::ensure!(answer.status() == 201, "the deployment was answered with {}", answer.status());
        Ok(())
    }

    /// Shows what an incident is put down to, as the API has it, and what stands on it at Datadog.
    async fn incident(&mut self, number: u64, risky: &PullHandle) -> anyhow::Result<()> {
        let url = format!("http://{}/api/v1/incidents", self.service.address());
        let document: Value = super::client()?.get(url).send().await?.json().await?;
        let incident = &document["incidents"][0];
        let candidate = &incident["candidates"][0];
        let pull = &candidate["pull_requests"][0];
        let named = pull["number"] == risky.number() && candidate["deployment"] == incident["cause"];
        anyhow::ensure!(named, "the incident is put down to {candidate}");
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), printable);
        let links = self.datadog.incident_links(number);
        let said = risky
            .conversation()
            .into_iter()
            .find(|comment| comment.by_app && comment.body.contains("mergecast:outcome"));
        let said = said.context("the pull request says what was put down to it")?;
        let [(link, _)] = links.as_slice() else { anyhow::bail!("{} links stand on the incident", links.len()) };
        let out = self.terminal.out();
        writeln!(out, "incident    {}", word(&incident["title"]))?;
        writeln!(out, "put down to {}, {}", word(&incident["cause"]), word(&incident["sure"]))?;
        let at = word(&candidate["at"]);
        writeln!(out, "            {} to {} at {at}", word(&candidate["service"]), word(&candidate["environment"]))?;
        for evidence in candidate["evidence"].as_array().into_iter().flatten() {
            writeln!(out, "            {}", reason(evidence))?;
        }
        let before = &pull["before_merge"];
        writeln!(out, "it brought  #{} {}", pull["number"], word(&pull["title"]))?;
        writeln!(out, "            scored {} ({}) before its merge", before["score"], word(&before["level"]))?;
        if let Some(seconds) = incident["time_to_restore_s"].as_i64() {
            writeln!(out, "restored    after {} minutes", seconds / 60)?;
        }
        writeln!(out, "at Datadog  {}", printable(link))?;
        let lines = said.body.lines().filter(|line| !line.starts_with("<!--") && !line.is_empty());
        for (place, line) in lines.enumerate() {
            writeln!(out, "{:<12}{}", if place == 0 { "on the PR" } else { "" }, printable(line))?;
        }
        writeln!(out)?;
        Ok(())
    }

    /// Shows the metrics of the last nine weeks; gives how many deployments there were.
    async fn dora(&mut self) -> anyhow::Result<u64> {
        let (now, rules) = (self.clock.now(), outcome_rules(&self.store, &Rules::default()).await?);
        let from = now - TimeDelta::days(63);
        let reckoning = reckoned(&self.store, &rules, from, now).await?;
        let scope = Scope { service: Some(SERVICE.to_owned()), ..Scope::all(from, now) };
        let overview = overview(&reckoning, &scope);
        let style = self.terminal.style();
        write!(self.terminal.out(), "{}", dora::text(&overview, now, style))?;
        Ok(overview.whole.frequency.deployments)
    }
}

/// A piece of evidence in words.
fn reason(evidence: &Value) -> String {
    let text = |name: &str| printable(evidence[name].as_str().unwrap_or_default());
    match evidence["kind"].as_str().unwrap_or_default() {
        "remedied" => format!("taken back by {}", text("by")),
        "file" => format!("the incident names {}, which it changed", text("path")),
        "same_service" => "of the service that the incident is on".to_owned(),
        "since" => {
            let (seconds, share) = (evidence["seconds"].as_i64().unwrap_or_default(), &evidence["share_of_window"]);
            format!("{} minutes before the incident began: {share} % of the window", seconds / 60)
        }
        other => other.replace('_', " "),
    }
}
