//! The last chapters: a service burns its error budget, and then has an incident. Nobody pushes and nobody asks; Datadog
//! is simulated, and the days pass in no time.

use chrono::TimeDelta;

use super::{
    Stage,
    story::{REPOSITORY, module_text, test_text},
};
use crate::{
    datadog::{IncidentState, sim::SimSlo},
    github::sim::{Edits, PullSpec, SimRepository},
};

const SLO: &str = "payments-answers";
/// Times the pace at which the budget lasts its 30 days.
const USUAL: f64 = 0.4;
const FAST: f64 = 4.2;

pub(super) async fn play(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    let host = stage.links.github_url.as_deref().and_then(|url| url.split("://").nth(1)).unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default().to_owned();
    stage.datadog.service("payments-api", &format!("{host}/{REPOSITORY}"), &["apps/payments/**", "apps/mail/**"]);
    stage.datadog.slo(SimSlo::metric(SLO, "payments-api", 99.9));
    stage.datadog.burn(SLO, stage.clock.now() - TimeDelta::days(40), USUAL);
    // The catalogue is asked anew after an hour.
    stage.pass(TimeDelta::hours(2)).await?;
    let merged = shop.open(PullSpec::new(
        "Round refunds down",
        "lin",
        Edits::new().write("apps/payments/src/refund.ts", refund("Math.floor")).message("Round refunds down"),
    ));
    stage.settle().await?;
    let commit = merged.merge();
    stage
        .tell("12. The service burns", "A feature for payments-api, which mails receipts too, while that is well …")?;
    let edits = Edits::new()
        .write("apps/mail/src/voucher.ts", module_text("mail", "voucher", 20))
        .write("apps/mail/test/voucher.test.ts", test_text("voucher", 20))
        .message("Mail vouchers");
    let feature = shop.open(PullSpec::new("Mail vouchers", "noah", edits));
    feature.approve("nora");
    feature.check("build", "success");
    let before = stage.show(&feature).await?;
    stage.datadog.burn(SLO, stage.clock.now(), FAST);
    stage.pass(TimeDelta::hours(6)).await?;
    stage.tell(
        "12. The service burns, continued",
        "… and six hours later, when its error budget burns at 4.2 times its pace. Nobody pushed and nobody asked: 15 points more are twice the odds, and another level.",
    )?;
    let burning = stage.show(&feature).await?;
    // A point more may come of being open for longer.
    anyhow::ensure!(
        (15..=16).contains(&burning.saturating_sub(before)),
        "a burn must add 15 points ({before} to {burning})"
    );
    let number = stage.datadog.open_incident("Vouchers are charged twice", "SEV-1", &["payments-api"]);
    let edits = Edits::new()
        .write("apps/payments/src/refund.ts", module_text("payments", "refund", 40))
        .message("Revert \"Round refunds down\"");
    let mut spec = PullSpec::new("Revert \"Round refunds down\"", "nora", edits);
    spec.body = Some(format!("This reverts commit {commit}."));
    let revert = shop.open(spec);
    stage.pass(TimeDelta::minutes(10)).await?;
    stage.tell("13. An incident", "A SEV-1 incident opens on the service. The feature is lifted to 80 …")?;
    let lifted = stage.show(&feature).await?;
    stage.tell("13. An incident, continued", "… and a proven revert, the way back, is not.")?;
    let let_through = stage.show(&revert).await?;
    anyhow::ensure!(lifted == 80 && let_through < 80, "lifted to {lifted}, the revert to {let_through}");
    stage.datadog.move_incident(number, IncidentState::Resolved);
    stage.datadog.burn(SLO, stage.clock.now(), USUAL);
    stage.pass(TimeDelta::hours(52)).await?;
    stage.tell("14. It is over", "Two days after the burn ended. The score has come down by itself.")?;
    let after = stage.show(&feature).await?;
    anyhow::ensure!(after < burning, "the end of a burn must lower the score ({burning} to {after})");
    Ok(())
}

/// The module of refunds with one function that rounds by other means.
fn refund(by: &str) -> String {
    module_text("payments", "refund", 40).replacen("=> log(", &format!("=> {by}("), 1)
}
