//! The story: a shop's repository and its pull requests, each with something that a score must get right.

use super::{Stage, people, runtime};
use crate::{
    github::sim::{Edits, Permission, PullSpec, SimRepository},
    report::check_run::{NAME, RESCORE},
};

/// Where the story plays.
pub(super) const REPOSITORY: &str = "acme/shop";

const CODEOWNERS: &str = "\
# Who is asked before what changes
*                 @nora
/apps/payments/   @mia @noah
/db/              @omar
/infra/           @omar
";

const POLICY: &str = "\
mode: advisory
threshold: 70
owners_check: on
sensitive_paths:
  \"infra/**\": 6
ignore: [\"**/*.snap\"]
";

pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    let shop = stage.sim.repository(REPOSITORY);
    for person in ["nora", "mia", "noah", "omar", "ada", "lin"] {
        shop.member(person, Permission::Write);
    }
    let base = base();
    shop.base_files(match &stage.tip {
        Some(tip) => base.id(tip),
        None => base,
    });
    small_and_safe(stage, &shop).await?;
    large_and_entropic(stage, &shop).await?;
    destructive_migration(stage, &shop).await?;
    dependency_bump(stage, &shop).await?;
    proven_revert(stage, &shop).await?;
    owner_approval(stage, &shop).await?;
    pushed_twice(stage, &shop).await?;
    fork(stage, &shop).await?;
    hostile_title(stage, &shop).await?;
    re_score(stage, &shop).await?;
    coverage_arrives(stage, &shop).await?;
    runtime::play(stage, &shop).await?;
    people::play(stage, &shop).await
}

/// The repository before the story begins.
fn base() -> Edits {
    let mut edits = Edits::new()
        .write(".github/CODEOWNERS", CODEOWNERS)
        .write(".github/mergecast.yml", POLICY)
        .write("package.json", manifest("4.17.20"))
        .write(
            "db/migrations/0001_orders.sql",
            "CREATE TABLE orders (id BIGINT PRIMARY KEY, coupon TEXT, total BIGINT);\n",
        )
        .message("Import the shop");
    for (app, modules) in APPS {
        for module in *modules {
            edits = edits
                .write(format!("apps/{app}/src/{module}.ts"), module_text(app, module, 40))
                .write(format!("apps/{app}/test/{module}.test.ts"), test_text(module, 12));
        }
    }
    edits
}

pub(super) const APPS: &[(&str, &[&str])] = &[
    ("payments", &["charge", "refund", "ledger", "webhooks"]),
    ("catalog", &["search", "prices", "stock"]),
    ("web", &["cart", "checkout", "session", "layout"]),
    ("mail", &["receipt", "queue"]),
];

fn manifest(lodash: &str) -> String {
    format!(
        "{{\n  \"name\": \"shop\",\n  \"dependencies\": {{\n    \"lodash\": \"^{lodash}\",\n    \"pg\": \"^8.11.3\"\n  }}\n}}\n"
    )
}

/// A module that looks like one: functions whose lines differ, so that diffs of it are real diffs.
pub(super) fn module_text(app: &str, module: &str, lines: usize) -> String {
    let mut text = format!("import {{ log }} from \"../../log\";\n\n// {app}: {module}\n");
    for line in 0..lines {
        let step = (line * 7 + module.len() * 3) % 23;
        text.push_str(&format!("export const {module}{line} = (value: number) => log(value * {step} + {line});\n"));
    }
    text
}

pub(super) fn test_text(module: &str, cases: usize) -> String {
    let mut text = format!("import * as subject from \"../src/{module}\";\n\n");
    for case in 0..cases {
        text.push_str(&format!(
            "test(\"{module} {case}\", () => expect(subject.{module}{case}({case})).toBeDefined());\n"
        ));
    }
    text
}

async fn small_and_safe(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell("1. Small and safe", "A wording fix in one module, with its test, approved by its owner.")?;
    let text = module_text("mail", "receipt", 40).replace("value * 21 + 0", "value * 21 + 1");
    let edits = Edits::new()
        .write("apps/mail/src/receipt.ts", text)
        .write("apps/mail/test/receipt.test.ts", test_text("receipt", 13));
    let pull = shop.open(PullSpec::new("Fix rounding in the receipt", "ada", edits));
    pull.approve("nora");
    pull.check("build", "success");
    stage.show(&pull).await?;
    Ok(())
}

async fn large_and_entropic(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell("2. Large and spread out", "Every module of every app at once, no test touched, the build is red.")?;
    let mut edits = Edits::new().message("Switch every module to the new logger");
    for (app, modules) in APPS {
        for module in *modules {
            edits = edits
                .write(format!("apps/{app}/src/{module}.ts"), module_text(app, module, 75).replace("log(", "trace("));
        }
    }
    let pull = shop.open(PullSpec::new("Switch every module to the new logger", "lin", edits));
    pull.check("build", "failure");
    stage.show(&pull).await?;
    Ok(())
}

async fn destructive_migration(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell(
        "3. A migration that destroys data",
        "A column is dropped in the same change that stops using it. A floor lifts the score to 70; what would lower \
         it is a change of its own for the migration.",
    )?;
    let cart = module_text("web", "cart", 52);
    let edits = Edits::new()
        .write("apps/web/src/cart.ts", cart)
        .write("db/migrations/0002_coupons.sql", "-- coupons moved to their own service\nALTER TABLE orders DROP COLUMN coupon;\nCREATE INDEX orders_total ON orders (total);\n")
        .message("Drop the coupon column");
    let pull = shop.open(PullSpec::new("Stop taking coupons in the cart", "ada", edits));
    pull.check("build", "success");
    stage.show(&pull).await?;
    Ok(())
}

async fn dependency_bump(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell(
        "4. A dependency bump",
        "A bot moves a patch version; it is judged by the step, not by who knows the files.",
    )?;
    let edits = Edits::new().write("package.json", manifest("4.17.21")).message("Bump lodash from 4.17.20 to 4.17.21");
    let mut spec = PullSpec::new("Bump lodash from 4.17.20 to 4.17.21", "dependabot[bot]", edits);
    spec.branch = Some("dependabot/npm_and_yarn/lodash-4.17.21".to_owned());
    let pull = shop.open(spec);
    pull.check("build", "success");
    stage.show(&pull).await?;
    Ok(())
}

async fn proven_revert(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell(
        "5. A proven revert",
        "A merged change is undone. Its patch is compared, not its title: the exact inverse lowers the risk.",
    )?;
    let before = module_text("catalog", "prices", 40);
    let after = before.replace("prices3 = (value: number) => log(", "prices3 = (value: number) => cached(");
    let edits = Edits::new().write("apps/catalog/src/prices.ts", after).message("Cache prices");
    let merged = shop.open(PullSpec::new("Cache prices", "lin", edits));
    merged.approve("nora");
    stage.settle().await?;
    let commit = merged.merge();
    stage.settle().await?;
    let edits = Edits::new().write("apps/catalog/src/prices.ts", before).message("Revert \"Cache prices\"");
    let mut spec = PullSpec::new("Revert \"Cache prices\"", "nora", edits);
    spec.body = Some(format!("This reverts commit {commit}."));
    let pull = shop.open(spec);
    stage.show(&pull).await?;
    Ok(())
}

async fn owner_approval(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell("6. Owners are asked", "A change to payments that nobody with a say has seen …")?;
    let text = module_text("payments", "charge", 55);
    let edits = Edits::new().write("apps/payments/src/charge.ts", text).message("Charge in instalments");
    let pull = shop.open(PullSpec::new("Charge in instalments", "ada", edits));
    let before = stage.show(&pull).await?;
    stage.show_owners(&pull, "failure").await?;
    stage.tell(
        "6. Owners are asked, continued",
        "… and the same change after @mia, an owner of /apps/payments/, approved it. mergecast/owners passes at once.",
    )?;
    pull.approve("mia");
    let after = stage.show(&pull).await?;
    stage.show_owners(&pull, "success").await?;
    anyhow::ensure!(after < before, "an owner's approval must lower the score ({before} to {after})");
    stage.tell(
        "6. Owners are asked, concluded",
        "A push to a file that @nora owns asks for her as well; what @mia approved has not changed, so she is not asked twice.",
    )?;
    pull.push(Edits::new().write("apps/mail/src/queue.ts", module_text("mail", "queue", 41)).message("Tell by mail"));
    stage.show_owners(&pull, "failure").await?;
    pull.approve("nora");
    stage.show_owners(&pull, "success").await?;
    Ok(())
}

async fn pushed_twice(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell(
        "7. Pushed twice in a second",
        "The newest head wins; each head that was looked at has exactly one completed check run.",
    )?;
    let first = Edits::new().write("apps/web/src/cart.ts", module_text("web", "cart", 44)).message("Remember the cart");
    let pull = shop.open(PullSpec::new("Remember the cart", "lin", first));
    let mut earlier = vec![pull.head_sha()];
    pull.push(Edits::new().write("apps/web/src/cart.ts", module_text("web", "cart", 46)).message("Fix a typo"));
    earlier.push(pull.head_sha());
    pull.push(Edits::new().write("apps/web/test/cart.test.ts", test_text("cart", 16)).message("Test it"));
    stage.show(&pull).await?;
    for head in earlier {
        let runs = stage.sim.check_runs(pull.repository(), &head);
        let ours: Vec<_> = runs.iter().filter(|run| run.name == NAME).collect();
        let sound = ours.len() <= 1 && ours.iter().all(|run| run.status == "completed");
        anyhow::ensure!(sound, "a head that was pushed over has {} check runs, or an open one", ours.len());
    }
    Ok(())
}

async fn fork(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell("8. From a fork", "The head lives in somebody else's repository; the check run stands in this one. Nothing of the fork is run or cloned.")?;
    let edits = Edits::new()
        .write("apps/catalog/src/search.ts", module_text("catalog", "search", 48))
        .write(".github/workflows/build.yml", "on: push\njobs: {}\n")
        .message("Faster search");
    let mut spec = PullSpec::new("Faster search", "visitor", edits);
    spec.fork = Some("visitor".to_owned());
    let pull = shop.open(spec);
    stage.show(&pull).await?;
    Ok(())
}

async fn hostile_title(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell("9. A hostile title", "Markdown, HTML, mentions and escape codes in a title and a path stay text.")?;
    let edits = Edits::new()
        .write("docs/`@acme|all` <img src=x>.md", "# Notes\n")
        .write("apps/web/src/layout.ts", module_text("web", "layout", 41))
        .message("x");
    let title = "</td><img src=x onerror=alert(1)> [free](https://evil.example) @acme/all | `#1` \u{1b}[31mred\u{202e}";
    let pull = shop.open(PullSpec::new(title, "visitor", edits));
    stage.show(&pull).await?;
    Ok(())
}

async fn re_score(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell("10. Re-score", "Somebody presses the button on a draft: a draft is scored and never held back.")?;
    let edits = Edits::new()
        .write("infra/network.tf", "resource \"aws_security_group\" \"shop\" {}\n")
        .message("Open the network");
    let mut spec = PullSpec::new("Open the network", "omar", edits);
    spec.draft = true;
    let pull = shop.open(spec);
    stage.settle().await?;
    anyhow::ensure!(pull.press(RESCORE), "the completed run has its button");
    stage.show(&pull).await?;
    Ok(())
}

async fn coverage_arrives(stage: &mut Stage, shop: &SimRepository) -> anyhow::Result<()> {
    stage.tell(
        "11. Coverage arrives",
        "A new module; whether tests run its lines is not known yet, which is a range …",
    )?;
    let lines = 30;
    let edits = Edits::new()
        .write("apps/catalog/src/bundles.ts", module_text("catalog", "bundles", lines))
        .write("apps/catalog/test/bundles.test.ts", test_text("bundles", lines))
        .message("Sell bundles");
    let pull = shop.open(PullSpec::new("Sell bundles", "lin", edits));
    let before = stage.show(&pull).await?;
    stage.tell(
        "11. Coverage arrives, continued",
        "… until CI uploads what its tests ran. Nothing waited for it: the score is made again, lower and narrower.",
    )?;
    // The import and the lines of the module; the comment between them cannot run.
    let ran: String = std::iter::once(1).chain(4..lines + 4).map(|line| format!("DA:{line},1\n")).collect();
    stage
        .upload(&pull, format!("TN:\nSF:/home/ci/build/shop/apps/catalog/src/bundles.ts\n{ran}end_of_record\n"))
        .await?;
    let after = stage.show(&pull).await?;
    anyhow::ensure!(after < before, "lines that tests ran must lower the score ({before} to {after})");
    Ok(())
}
