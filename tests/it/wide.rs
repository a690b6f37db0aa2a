//! Changes of hundreds and of ten thousand files with owners and coverage: what GitHub lists of them is judged, and the rest
//! is said to be unknown.

use mergecast::{
    github::sim::{Edits, Permission, PullSpec},
    report::owners::NAME,
};

use crate::{
    coverage::{Put, token},
    seen::see,
    support::{Ctx, run_test},
};

const FILES: usize = 10_000;

/// Title and conclusion of the run that tells of owners.
fn owners(ctx: &Ctx, sha: &str) -> (String, String, String) {
    let run = ctx.sim.check_runs("acme/shop", sha).into_iter().find(|run| run.name == NAME).unwrap();
    (run.title.unwrap_or_default(), run.conclusion.unwrap_or_default(), run.summary.unwrap_or_default())
}

#[test]
fn of_ten_thousand_files_the_first_three_thousand_are_judged() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        shop.base_file(".github/CODEOWNERS", "/src/ @nora\n").base_file(".github/mergecast.yml", "owners_check: on\n");
        let name = |n: usize| format!("src/part{:02}/file{n:05}.rs", n / 250);
        let edits = (0..FILES).fold(Edits::new(), |edits, n| edits.write(name(n), "let value = 1;\n"));
        let pull = shop.open(PullSpec::new("Move everything", "ada", edits));
        ctx.settle().await;
        let (title, conclusion, summary) = owners(&ctx, &pull.head_sha());
        let expected = ("Owners have not approved 3,000 of 3,000 owned files", "failure");
        assert_eq!((title.as_str(), conclusion.as_str()), expected);
        assert!(summary.contains("GitHub lists 3,000 of its 10,000 changed files"), "{summary}");
        assert!(!summary.contains("passes as soon as"), "{summary}");

        token(&ctx).await;
        let report: String =
            (0..FILES).map(|n| format!("SF:{}\nDA:1,{}\nend_of_record\n", name(n), usize::from(n % 2 == 0))).collect();
        assert_eq!(Put::new("acme/shop", &pull.head_sha(), report).send(&ctx).await.0.as_u16(), 201);
        pull.approve("nora");
        let seen = see(&ctx, &pull).await;
        assert_eq!(seen.value("patch_coverage"), Some(0.5));
        let said = seen.words("patch_coverage");
        assert!(said.contains("1,500 of 3,000 changed executable lines ran in tests"), "{said}");
        assert!(said.contains("nothing counted of 7,000 changed files"), "{said}");
        // All that is listed is approved, and what is not listed may be owned by anybody.
        let (title, conclusion, summary) = owners(&ctx, &pull.head_sha());
        assert_eq!(conclusion, "neutral", "{title}: {summary}");
        assert!(summary.contains("only 3,000 of 10,000 given"), "{summary}");
        assert!(summary.len() < 65_536 && seen.summary().len() < 65_536);
        ctx
    });
}

#[test]
fn of_many_owned_files_only_those_are_stale_that_changed() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write).member("omar", Permission::Write);
        shop.base_file(".github/CODEOWNERS", "/src/ @nora\n/src/zz.rs @omar\n");
        shop.base_file(".github/mergecast.yml", "owners_check: on\n");
        let names: Vec<String> = (0..250).map(|n| format!("src/f{n:03}.rs")).collect();
        let paths = names.iter().map(String::as_str).chain(["src/zz.rs"]);
        let edits = paths.fold(Edits::new(), |edits, path| edits.write(path, "let cart = 1;\n"));
        let pull = shop.open(PullSpec::new("Count the cart", "ada", edits));
        pull.approve("nora");
        pull.approve("omar");
        ctx.settle().await;
        assert_eq!(owners(&ctx, &pull.head_sha()).1, "success");
        let before = pull.head_sha();
        let mark = ctx.sim.requests();
        pull.push(Edits::new().write("src/f120.rs", "let cart = 2;\n"));
        ctx.settle().await;
        let (title, conclusion, summary) = owners(&ctx, &pull.head_sha());
        assert_eq!((title.as_str(), conclusion.as_str()), ("Owners have not approved 1 of 251 owned files", "failure"));
        let stale = format!("**missing**: by `nora` at `{}`, and the file changed since", &before[..7]);
        assert_eq!((summary.matches("file changed since").count(), summary.contains(&stale)), (1, true), "{summary}");
        let calls = |since| {
            let exchanges = ctx.sim.exchanges_since(since);
            exchanges.iter().filter(|each| each.path.ends_with("/graphql")).count()
        };
        assert_eq!(calls(mark), 4, "the pull request, and three times a hundred files at most");
        // What was compared is not compared again.
        let mark = ctx.sim.requests();
        pull.approve("nora");
        ctx.settle().await;
        assert_eq!((owners(&ctx, &pull.head_sha()).1.as_str(), calls(mark)), ("success", 1));
        ctx
    });
}
