//! What is made of a report once it is taken: each format in the same way, and what is shown of the lines that did not run.

use mergecast::github::sim::{Edits, Permission};
use serde_json::{Value, json};

use super::{Put, lcov, lines_of, reading, token};
use crate::support::run_test;

/// Reports of `src/steps.rs` with twelve lines, of which the first six ran, by the name of the format.
fn reports() -> [(&'static str, String); 6] {
    let each = |line: &dyn Fn(u32, u32) -> String| (1..=12).map(|n| line(n, u32::from(n <= 6))).collect::<String>();
    let cobertura = each(&|n, hits| format!("<line number=\"{n}\" hits=\"{hits}\"/>"));
    let jacoco = each(&|n, hits| format!("<line nr=\"{n}\" mi=\"{}\" ci=\"{hits}\"/>", 1 - hits));
    let clover = each(&|n, hits| format!("<line num=\"{n}\" type=\"stmt\" count=\"{hits}\"/>"));
    [
        ("LCOV", lcov(12, 6)),
        (
            "Cobertura",
            format!(
                "<coverage line-rate=\"0.5\"><sources><source>/home/ci/shop</source></sources><packages><package><classes>\
                 <class filename=\"src/steps.rs\"><lines>{cobertura}</lines></class></classes></package></packages></coverage>"
            ),
        ),
        (
            "JaCoCo",
            format!("<report name=\"shop\"><package name=\"src\"><sourcefile name=\"steps.rs\">{jacoco}</sourcefile></package></report>"),
        ),
        (
            "Clover",
            format!(
                "<coverage generated=\"1\"><project timestamp=\"1\"><file name=\"steps.rs\" path=\"/home/ci/shop/src/steps.rs\">\
                 {clover}</file></project></coverage>"
            ),
        ),
        (
            "Go",
            "mode: set\ngithub.com/acme/shop/src/steps.rs:1.1,6.20 6 1\ngithub.com/acme/shop/src/steps.rs:7.1,12.20 6 0\n"
                .to_owned(),
        ),
        (
            "llvm-cov",
            json!({"data": [{"files": [{"filename": "/home/ci/shop/src/steps.rs", "summary": {}, "segments": [
                [1, 1, 1, true, true, false], [6, 20, 0, false, false, false],
                [7, 1, 0, true, true, false], [12, 20, 0, false, false, false]]}],
                "totals": {}}], "type": "llvm.coverage.json.export", "version": "2.0.1"})
            .to_string(),
        ),
    ]
}

#[test]
fn every_format_says_the_same_of_the_changed_lines() {
    run_test(async |ctx| {
        let pull = ctx.repository().open(lines_of(12));
        ctx.settle().await;
        token(&ctx).await;
        for (name, report) in reports() {
            // A head of its own for each: reports of one commit are put together.
            pull.push(Edits::new().write("README.md", format!("{name}\n")));
            ctx.settle().await;
            let (status, told) = Put::of(&pull, report).send(&ctx).await;
            assert_eq!(status.as_u16(), 201, "{name}: {told}");
            assert!(told["format"].as_str().unwrap().starts_with(name), "{name}: {told}");
            let (_, row) = reading(&ctx, &pull).await;
            assert_eq!((&row["status"], &row["value"]), (&json!("known"), &json!(0.5)), "{name}: {row}");
        }
        ctx
    });
}

#[test]
fn the_largest_blocks_that_no_test_ran_are_shown_and_the_touched_files_as_a_whole() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.base_file("src/old.rs", "old(1);\nold(2);\nold(3);\nold(4);\n");
        let pull = shop.open(lines_of(60));
        pull.push(Edits::new().write("src/old.rs", "old(1);\nold(2);\nold(3);\nnew(4);\n"));
        ctx.settle().await;
        token(&ctx).await;
        // Blocks of three to nine lines, each behind a line that ran.
        let (mut report, mut line, mut blocks) = (String::from("SF:src/steps.rs\n"), 1, Vec::new());
        for length in [4, 9, 3, 7, 5, 8, 6] {
            report.push_str(&format!("DA:{line},1\n"));
            blocks.push((length, line + 1));
            for uncovered in line + 1..=line + length {
                report.push_str(&format!("DA:{uncovered},0\n"));
            }
            line += length + 1;
        }
        report.push_str("end_of_record\nSF:src/old.rs\nDA:1,1\nDA:2,1\nDA:3,0\nDA:4,1\nend_of_record\n");
        let (status, told) = Put::of(&pull, report).send(&ctx).await;
        assert_eq!(status.as_u16(), 201, "{told}");
        let (_, row) = reading(&ctx, &pull).await;
        let said: Vec<&str> = row["evidence"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let said = said.join("\n");
        assert!(said.contains("8 of 50 changed executable lines ran in tests"), "{said}");
        assert!(said.contains("2 touched files (53 lines)"), "{said}");
        blocks.sort_unstable();
        let largest: Vec<(u64, u64)> =
            blocks.iter().rev().take(5).map(|(length, from)| (*from, from + length - 1)).collect();
        let run = ctx.check_run(&pull).await;
        let mut shown: Vec<(u64, u64)> = run
            .annotations
            .iter()
            .map(|one| (one["start_line"].as_u64().unwrap(), one["end_line"].as_u64().unwrap()))
            .collect();
        let mut expected = largest.clone();
        shown.sort_unstable();
        expected.sort_unstable();
        assert_eq!(shown, expected, "few, and the largest");
        assert!(run.annotations.iter().all(|one| one["path"] == "src/steps.rs"));
        ctx
    });
}

#[test]
fn a_later_score_adds_its_annotations_and_repeats_none() {
    run_test(async |ctx| {
        let shop = ctx.repository();
        shop.member("nora", Permission::Write);
        shop.base_file(".github/CODEOWNERS", "* @nora\n");
        let pull = shop.open(lines_of(40));
        let first = ctx.check_run(&pull).await.annotations;
        assert_eq!(first.len(), 1, "whose file it is: {first:?}");
        token(&ctx).await;
        let (status, told) = Put::of(&pull, lcov(40, 10)).send(&ctx).await;
        assert_eq!(status.as_u16(), 201, "{told}");
        // The lines that no test ran stand first in the list; GitHub has it the other way round.
        let both = ctx.check_run(&pull).await.annotations;
        let place = |one: &Value| (one["start_line"].as_u64(), one["end_line"].as_u64());
        assert_eq!(both.iter().map(place).collect::<Vec<_>>(), [place(&first[0]), (Some(11), Some(40))], "{both:?}");
        pull.comment("nora", "/risk rescore");
        ctx.settle().await;
        assert_eq!(ctx.check_run(&pull).await.annotations, both);
        ctx
    });
}
