//! Chapters about what people and their tools say of a change: how a review was given, and what Codecov, SonarQube Cloud and a
//! merge queue make of coverage. Both systems are simulated.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::TimeDelta;

use super::{
    Stage,
    story::{module_text, test_text},
};
use crate::{
    codecov::sim::{SimCodecov, SimCommit, SimUpload, TOKEN as CODECOV},
    github::sim::{Edits, PullHandle, PullSpec, SimRepository},
    report::check_run::NAME,
    service::{CoverageSettings, RemoteSettings},
    sonar::sim::{SimAnalysis, SimSonar, TOKEN as SONAR},
};

/// A check of the merge queue beside ours, which the story completes.
const BUILD: &str = "build";

/// The systems that know coverage.
pub(super) struct Coverage {
    codecov: SimCodecov,
    sonar: SimSonar,
}

impl Coverage {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let codecov = SimCodecov::start().await.context("the simulated Codecov")?;
        let sonar = SimSonar::start().await.context("the simulated SonarQube")?;
        Ok(Self { codecov, sonar })
    }

    pub(super) fn settings(&self) -> CoverageSettings {
        CoverageSettings {
            oidc: None,
            codecov: Some(RemoteSettings { url: self.codecov.url().clone(), token: CODECOV.into() }),
            sonar: Some(RemoteSettings { url: self.sonar.url().clone(), token: SONAR.into() }),
        }
    }
}

pub(super) async fn play(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    brief_review(stage, shop).await?;
    other_systems(stage, shop).await?;
    merge_queue(stage, shop).await
}

async fn brief_review(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell(
        "15. A brief review",
        "900 new lines, approved two minutes after they were pushed, without a remark. That is said of the review and of \
         nobody …",
    )?;
    let edits = Edits::new()
        .write("apps/mail/src/digest.ts", module_text("mail", "digest", 898))
        .message("Send a digest of the week");
    let pull = shop.open(PullSpec::new("Send a digest of the week", "ada", edits));
    stage.pass(TimeDelta::minutes(2)).await?;
    pull.approve("nora");
    let brief = stage.show(&pull).await?;
    stage.tell(
        "15. A brief review, continued",
        "… and a question about one of the lines makes it a review like others.",
    )?;
    pull.review_comment("nora", "Who reads this on a Sunday?");
    let careful = stage.show(&pull).await?;
    anyhow::ensure!(careful < brief, "a remark must lower the score ({brief} to {careful})");
    Ok(())
}

async fn other_systems(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell(
        "16. Codecov",
        "Codecov has the report of this commit. One of its parts was carried forward from an earlier commit: that is named, \
         and its lines are not used.",
    )?;
    let pull = shop.open(adds("catalog", "wishlist", "lin"));
    stage.settle().await?;
    let part = |flag, carried_from, covered| SimUpload {
        flags: vec![flag],
        carried_from,
        files: BTreeMap::from([(path_of("catalog", "wishlist"), lines(covered))]),
        ..SimUpload::default()
    };
    let old = Some("5f0c9a17d2b34e66".to_owned());
    let uploads = vec![part("unit", None, 10), part("browser", old, 40)];
    stage.coverage.codecov.commit(pull.repository(), &pull.head_sha(), SimCommit { state: "complete", uploads });
    pull.status("codecov/patch", "success");
    let by_codecov = stage.show(&pull).await?;
    stage.tell(
        "17. SonarQube Cloud disagrees",
        "SonarQube Cloud has analysed the same commit and finds twice as many lines that ran. The first source of the policy \
         counts, and both are shown.",
    )?;
    let analysis = SimAnalysis { commit: Some(pull.head_sha()), new: Some((40, 20)), all: (4_000, 900), gate: "ERROR" };
    stage.coverage.sonar.analysis("acme_shop", pull.number(), analysis);
    pull.check_by("sonarqubecloud", "SonarCloud Code Analysis", Some("success"));
    let by_both = stage.show(&pull).await?;
    anyhow::ensure!(by_both == by_codecov, "the second source must not move the score ({by_codecov} to {by_both})");
    Ok(())
}

async fn merge_queue(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell(
        "18. In the merge queue",
        "Two pull requests are queued. The group is scored as one change, and its coverage is that of both heads, since \
         they change different files. The queue is answered at once and merges them when its build has passed.",
    )?;
    shop.merge_queue(&[NAME, BUILD]);
    let pulls = [("web", "gifts", "ada"), ("catalog", "labels", "lin")];
    let pulls = pulls.map(|(app, module, author)| (shop.open(adds(app, module, author)), path_of(app, module)));
    stage.settle().await?;
    for (pull, path) in &pulls {
        let ran: String = lines(40).iter().map(|(line, miss)| format!("DA:{line},{}\n", 1 - miss)).collect();
        stage.upload(pull, format!("TN:\nSF:{path}\n{ran}end_of_record\n")).await?;
        stage.settle().await?;
    }
    let pulls: Vec<PullHandle> = pulls.into_iter().map(|(pull, _)| pull).collect();
    let groups: Vec<String> = pulls.iter().map(PullHandle::enqueue).collect();
    let (last, group) = pulls.last().zip(groups.last()).context("the queue has groups")?;
    stage.show_group(last, group).await?;
    for group in &groups {
        shop.check_on(group, BUILD, "success");
    }
    stage.settle().await?;
    anyhow::ensure!(pulls.iter().all(PullHandle::is_merged), "the queue must merge what was answered");
    Ok(())
}

/// A pull request with a new module of forty lines that can run, and a test of it.
fn adds(app: &str, module: &str, author: &str) -> PullSpec {
    let title = format!("Add {module} to {app}");
    let edits = Edits::new()
        .write(path_of(app, module), module_text(app, module, 39))
        .write(format!("apps/{app}/test/{module}.test.ts"), test_text(module, 20))
        .message(title.clone());
    PullSpec::new(title, author, edits)
}

fn path_of(app: &str, module: &str) -> String {
    format!("apps/{app}/src/{module}.ts")
}

/// The lines that can run of a module of [`adds`], the first `covered` of them hit (0) and the others missed (1): the import
/// and the functions, which begin after an empty line and a comment.
fn lines(covered: usize) -> Vec<(u32, u8)> {
    std::iter::once(1).chain(4..43).zip(0..).map(|(line, place)| (line, u8::from(place >= covered))).collect()
}
