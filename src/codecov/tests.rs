//! The client against the simulated Codecov: lines, parts that were carried forward, refusals.

use std::collections::BTreeMap;

use super::{
    sim::{SimCodecov, SimCommit, SimPull, SimUpload, TOKEN},
    *,
};

const REPO: (&str, &str) = ("acme", "shop");

fn upload(flag: &'static str, carried_from: Option<&str>, files: &[(&str, &[(u32, u8)])]) -> SimUpload {
    let files: BTreeMap<String, Vec<(u32, u8)>> =
        files.iter().map(|(path, lines)| ((*path).to_owned(), lines.to_vec())).collect();
    SimUpload { flags: vec![flag], carried_from: carried_from.map(str::to_owned), files, ..SimUpload::default() }
}

async fn started() -> (SimCodecov, Codecov) {
    let sim = SimCodecov::start().await.unwrap();
    let codecov = Codecov::new(sim.url(), TOKEN.into()).unwrap();
    (sim, codecov)
}

fn line(report: &Report, path: &str) -> Vec<(u32, u32)> {
    report.lines(path).unwrap_or_default().iter().map(|line| (line.number, line.hits)).collect()
}

#[tokio::test]
async fn lines_of_the_wanted_files_are_read() {
    let (sim, codecov) = started().await;
    let uploads = vec![
        upload("unit", None, &[("src/a.rs", &[(1, 0), (2, 1), (3, 2)]), ("src/a.rs.in", &[(1, 1)])]),
        upload("e2e", None, &[("src/a.rs", &[(2, 0), (4, 1)]), ("src/b.rs", &[(7, 1)])]),
    ];
    sim.commit("acme/shop", "c1", SimCommit { state: "complete", uploads });
    let found = codecov.commit(REPO, "c1", &["src/a.rs", "src/none.rs"], None).await.unwrap().unwrap();
    assert_eq!(line(&found.report, "src/a.rs"), [(1, 1), (2, 1), (3, 1), (4, 0)]);
    assert_eq!((found.report.files(), found.uploads, found.carried.len()), (1, 2, 0));
    assert_eq!(found.totals, Some(Totals { lines: 6, covered: 2 }), "partial lines are no hits in Codecov's sums");
    // Many files are asked for at once.
    let names: Vec<String> = (0..ONE_BY_ONE + 1).map(|i| format!("src/{i}.rs")).collect();
    let many: Vec<&str> = names.iter().map(String::as_str).chain(["src/b.rs"]).collect();
    let before = sim.asked();
    let found = codecov.commit(REPO, "c1", &many, None).await.unwrap().unwrap();
    assert_eq!((line(&found.report, "src/b.rs"), sim.asked() - before), (vec![(7, 0)], 5), "two of them for the flags");
}

#[tokio::test]
async fn what_was_carried_forward_is_told_and_not_used() {
    let (sim, codecov) = started().await;
    let uploads = vec![
        upload("unit", None, &[("src/a.rs", &[(1, 1)])]),
        upload("e2e", Some("0ld"), &[("src/a.rs", &[(1, 0), (9, 0)])]),
    ];
    sim.commit("acme/shop", "c1", SimCommit { state: "complete", uploads });
    let found = codecov.commit(REPO, "c1", &["src/a.rs"], None).await.unwrap().unwrap();
    assert_eq!(line(&found.report, "src/a.rs"), [(1, 0)]);
    assert_eq!(found.carried, [CarriedCoverage { name: "e2e".to_owned(), commit: Some("0ld".to_owned()) }]);
    assert_eq!((found.totals, codecov.totals(REPO, "c1").await), (None, Ok(None)));
    let all = vec![upload("e2e", Some("0ld"), &[("src/a.rs", &[(1, 0)])])];
    sim.commit("acme/shop", "c2", SimCommit { state: "complete", uploads: all });
    assert_eq!(codecov.commit(REPO, "c2", &["src/a.rs"], None).await, Ok(None));
}

#[tokio::test]
async fn flags_are_told_and_those_of_earlier_commits_as_such() {
    let (sim, codecov) = started().await;
    let uploads = vec![
        upload("unit", None, &[("src/a.rs", &[(1, 0), (2, 1)])]),
        upload("unit", None, &[("src/b.rs", &[(1, 0), (2, 2)])]),
        upload("e2e", Some("0ld"), &[("src/a.rs", &[(2, 0)])]),
        upload("lint", Some("0ld"), &[("src/c.rs", &[(2, 0)])]),
        // Uploaded anew, it is no longer carried forward.
        upload("lint", None, &[("src/c.rs", &[(2, 1)])]),
    ];
    sim.commit("acme/shop", "c1", SimCommit { state: "complete", uploads });
    let found = codecov.commit(REPO, "c1", &["src/a.rs"], None).await.unwrap().unwrap();
    let told: Vec<_> =
        found.flags.iter().map(|flag| (flag.name.as_str(), flag.lines, flag.covered, flag.carried)).collect();
    assert_eq!(told, [("e2e", 1, 1, true), ("lint", 1, 1, false), ("unit", 4, 2, false)]);
}

#[tokio::test]
async fn its_own_count_is_told_while_it_is_of_this_commit() {
    let (sim, codecov) = started().await;
    let complete = |lines: &[(u32, u8)]| SimCommit {
        state: "complete",
        uploads: vec![upload("unit", None, &[("src/a.rs", lines)])],
    };
    sim.commit("acme/shop", "c0", complete(&[(1, 0)]));
    sim.commit("acme/shop", "c1", complete(&[(1, 0), (2, 1), (3, 2)]));
    sim.commit("acme/shop", "c2", complete(&[(1, 0), (2, 1), (3, 0)]));
    let told = async |sha: &str| codecov.commit(REPO, sha, &["src/a.rs"], Some(7)).await.unwrap().unwrap().own_count;
    assert_eq!(told("c1").await, None, "it knows no such pull request");
    let pull = SimPull { head: "c1".to_owned(), base: Some("c0".to_owned()), patch: Some((3, 1, 1)) };
    sim.pull("acme/shop", 7, pull);
    let expected = OwnCount { patch: Some((5, 3)), head: (3, 1), base: Some((1, 1)) };
    assert_eq!(told("c1").await, Some(expected));
    assert_eq!(told("c2").await, None, "its head is another commit");
    sim.pull("acme/shop", 7, SimPull { head: "c1".to_owned(), ..SimPull::default() });
    assert_eq!(told("c1").await, Some(OwnCount { patch: None, head: (3, 1), base: None }));
}

#[tokio::test]
async fn what_is_not_there_or_not_to_be_had_is_told_apart() {
    let (sim, codecov) = started().await;
    assert_eq!(codecov.commit(REPO, "c1", &["a"], None).await, Ok(None));
    sim.commit("acme/shop", "c1", SimCommit { state: "pending", uploads: Vec::new() });
    assert_eq!(codecov.commit(REPO, "c1", &["a"], None).await, Ok(None));
    let cases = [
        (403, RemoteError::Forbidden),
        (429, RemoteError::RateLimited),
        (502, RemoteError::Unavailable("it answered with status 502".to_owned())),
        (301, RemoteError::Unavailable("it answered with status 301".to_owned())),
    ];
    for (status, expected) in cases {
        sim.fail(Some(status));
        assert_eq!(codecov.commit(REPO, "c1", &["a"], None).await, Err(expected));
    }
    sim.fail(None);
    let other = Codecov::new(sim.url(), "wrong".into()).unwrap();
    assert_eq!(other.check().await, Err(RemoteError::Unauthorized));
    assert_eq!(codecov.check().await, Ok(()));
    drop(sim);
}
