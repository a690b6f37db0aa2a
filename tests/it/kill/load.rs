//! What people do meanwhile: they open pull requests, push, review, and let checks run.

use std::collections::BTreeSet;

use mergecast::{
    github::sim::{Edits, Permission, PullHandle, PullSpec, Sim, SimRepository},
    report::check_run::NAME,
};

/// Several accounts are several installations, each with limits of its own.
const REPOSITORIES: [&str; 4] = ["acme/shop", "blue/billing", "coral/search", "delta/mobile"];
/// Pull requests that things happen to; older ones rest.
const BUSY: usize = 12;
/// A pull request is opened about once in so many actions.
const OPENS: u32 = 4;
/// People who give commands, so that none of them meets a limit soon.
const CREW: u32 = 24;

/// One action in so many is about the merge queue, where the pull request can be queued.
const QUEUES: u32 = 6;

/// People at work.
pub(super) struct Load {
    rng: fastrand::Rng,
    repositories: Vec<SimRepository>,
    pulls: Vec<PullHandle>,
    closed: BTreeSet<usize>,
    heads: BTreeSet<(String, String)>,
    groups: BTreeSet<(String, String)>,
    commands: Vec<(PullHandle, u64)>,
    actions: u32,
}

impl Load {
    pub(super) fn new(sim: &Sim, seed: u64) -> Self {
        let repositories: Vec<SimRepository> = REPOSITORIES.iter().map(|name| sim.repository(name)).collect();
        for repository in &repositories {
            repository.member("nora", Permission::Write).member("omar", Permission::Write);
            for n in 0..CREW {
                repository.member(&format!("crew{n}"), Permission::Write);
            }
            repository.base_file("CODEOWNERS", "/migrations/ @nora\n");
            repository.merge_queue(&[NAME]);
        }
        let rng = fastrand::Rng::with_seed(seed ^ 0x5eed);
        Self {
            rng,
            repositories,
            pulls: Vec::new(),
            closed: BTreeSet::new(),
            heads: BTreeSet::new(),
            groups: BTreeSet::new(),
            commands: Vec::new(),
            actions: 0,
        }
    }

    /// How many pull requests there are.
    pub(super) fn pulls(&self) -> usize {
        self.pulls.len()
    }

    /// The open ones.
    pub(super) fn open(&self) -> impl Iterator<Item = &PullHandle> {
        self.pulls.iter().enumerate().filter(|(at, _)| !self.closed.contains(at)).map(|(_, pull)| pull)
    }

    /// Repository and commit of every head that there ever was.
    pub(super) fn heads(&self) -> impl Iterator<Item = &(String, String)> {
        self.heads.iter()
    }

    /// The comments that hold a command, with their pull requests.
    pub(super) fn commands(&self) -> impl Iterator<Item = &(PullHandle, u64)> {
        self.commands.iter()
    }

    /// The next thing that happens.
    pub(super) fn act(&mut self) {
        self.actions += 1;
        if self.pulls.is_empty() || self.rng.u32(0..OPENS) == 0 {
            self.open_one();
            return;
        }
        let at = self.rng.usize(self.pulls.len().saturating_sub(BUSY)..self.pulls.len());
        let pull = self.pulls[at].clone();
        self.note_groups();
        if pull.is_merged() {
            return;
        }
        if self.rng.u32(0..QUEUES) == 0 && self.queue(at, &pull) {
            return;
        }
        let who = if self.rng.bool() { "nora" } else { "omar" };
        match self.rng.u32(0..24) {
            0..=4 => {
                let edits = self.edits();
                self.note(&pull, pull.push(edits));
                if self.rng.u32(0..3) == 0 {
                    // Twice in a second.
                    let edits = self.edits();
                    self.note(&pull, pull.push(edits));
                }
            }
            5 => {
                let edits = self.edits();
                self.note(&pull, pull.force_push(edits));
            }
            6..=8 => drop(pull.approve(who)),
            9 => drop(pull.request_changes(who)),
            10..=13 => {
                let conclusion = if self.rng.bool() { "success" } else { "failure" };
                pull.check("build", conclusion);
            }
            14 => pull.status("lint", if self.rng.bool() { "success" } else { "failure" }),
            15 => pull.retitle(&format!("Another title, number {}", self.actions)),
            16 => pull.label("urgent"),
            17 => drop(pull.rerequest()),
            18 => drop(pull.press("rescore")),
            19..=21 => self.command(&pull, "/risk rescore"),
            22 => self.command(&pull, "/risk override The fix cannot wait for 1h"),
            _ if self.closed.remove(&at) => pull.reopen(),
            _ => {
                self.closed.insert(at);
                pull.close();
            }
        }
    }

    /// Puts a pull request into its merge queue, or takes it out; `false` if it is closed.
    fn queue(&mut self, at: usize, pull: &PullHandle) -> bool {
        if self.closed.contains(&at) || pull.is_merged() {
            return false;
        }
        if pull.is_queued() {
            pull.dequeue();
        } else {
            pull.enqueue();
        }
        self.note_groups();
        true
    }

    /// The commits of groups are heads too, and those that were merged are closed.
    pub(super) fn note_groups(&mut self) {
        for repository in &self.repositories {
            for group in repository.groups() {
                self.groups.insert((repository.full_name().to_owned(), group.head_sha));
            }
        }
        for (at, pull) in self.pulls.iter().enumerate() {
            if pull.is_merged() {
                self.closed.insert(at);
            }
        }
    }

    /// Repository and commit of every merge group that was seen.
    pub(super) fn groups(&self) -> impl Iterator<Item = &(String, String)> {
        self.groups.iter()
    }

    /// The groups that a queue still waits for.
    pub(super) fn waiting(&self) -> Vec<String> {
        let all = self.repositories.iter().flat_map(|repository| {
            repository.groups().into_iter().map(move |group| (repository.full_name().to_owned(), group))
        });
        let waiting = all.filter(|(_, group)| group.waiting);
        waiting.map(|(name, group)| format!("{name} {} of #{}", group.head_sha, group.number)).collect()
    }

    /// Somebody presses Re-score on every open pull request.
    pub(super) fn press_all(&self) {
        for pull in self.open() {
            assert!(pull.press("rescore"), "{} #{} has no button", pull.repository(), pull.number());
        }
    }

    fn command(&mut self, pull: &PullHandle, text: &str) {
        let who = format!("crew{}", self.rng.u32(0..CREW));
        self.commands.push((pull.clone(), pull.comment(&who, text)));
    }

    fn open_one(&mut self) {
        let files = self.edits();
        let mut spec = PullSpec::new(format!("Change number {}", self.actions), "ada", files);
        if self.rng.u32(0..5) == 0 {
            spec.fork = Some("ada".to_owned());
        }
        let repository = &self.repositories[self.rng.usize(0..self.repositories.len())];
        let pull = repository.open(spec);
        self.note(&pull, pull.head_sha());
        self.pulls.push(pull);
    }

    fn note(&mut self, pull: &PullHandle, sha: String) {
        self.heads.insert((pull.repository().to_owned(), sha));
    }

    /// A commit that differs from every other; some hold migrations, which are annotated.
    fn edits(&mut self) -> Edits {
        let n = self.actions * 100 + self.rng.u32(0..100);
        let lines = self.rng.usize(1..60);
        let code: String = (0..lines).map(|line| format!("let value_{line} = compute({n});\n")).collect();
        let edits = Edits::new().write(format!("src/part{}.rs", n % 7), code);
        if self.rng.bool() {
            return edits;
        }
        let tables = self.rng.usize(1..70);
        let sql: String = (0..tables).map(|table| format!("DROP TABLE old_{n}_{table};\n")).collect();
        edits.write(format!("migrations/{n}_drop.sql"), sql)
    }
}
