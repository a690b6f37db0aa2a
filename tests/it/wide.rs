//! A change of ten thousand files with owners and coverage: what GitHub lists of it is judged, and the rest is said to be
//! unknown.

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
