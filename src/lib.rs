//! Mergecast: facts about a change go in, an explained score comes out.
//!
//! This page is the architecture. The README says how to use the program, CONTRIBUTING how a change to it gets in.
//!
//! # Layers
//!
//! From pure to shell. A module may use those above it in this list, never those below; a test holds that.
//!
//! Pure: plain data in, plain data out; no waiting, no clock, no chance, no failure.
//!
//! - [`slo`] is the arithmetic of service levels: SLI, target, error budget, burn rate and what becomes of it.
//! - [`codeowners`] finds the rule of a CODEOWNERS file that is in force for a path, and what such a file no longer says as
//!   it is meant.
//! - [`command`] reads slash-commands: one enum is grammar, validation and help.
//! - [`catalog`] says which services a changed file belongs to.
//! - [`coverage`] reads coverage reports, and says which changed lines ran.
//! - [`risk`] makes an assessment of facts, model and policy. `risk::facts` is all that can be known of a change,
//!   `risk::signal` holds one file for each thing that is measured, `risk::assess` is the one door; `risk::owners` says which
//!   owner has approved what a file holds now.
//! - [`history`] is told of each change of a main line and answers what came before a change.
//! - [`outcome`] says how right scores have been, and fits models to outcomes.
//! - [`report`] puts an assessment into words: check run, page, terminal, JSON, SARIF. Text from outside is made
//!   harmless there and nowhere else.
//!
//! Edges: one adapter for each outside system. They return the product's types and, the clock apart, know nothing of
//! one another.
//!
//! - [`clock`] is the only caller of the system's clock and of chance.
//! - [`github`] logs the App in, reads pull requests, writes check runs and reads webhooks; `github::sim` is the same
//!   GitHub in memory, over real HTTP, for tests and the demo.
//! - [`datadog`] reads SLOs, services, incidents, deployments and test runs; it caches, waits its turn and says how old
//!   an answer is.
//! - [`codecov`] and [`sonar`] read what Codecov and SonarQube know of coverage, by [`remote`], which is how another
//!   system's JSON is asked for; each has its simulator beside it.
//! - [`git`] reads a change from a local repository through the git program.
//! - [`stream`] reads the history of a main line from a file.
//! - [`store`] is the database: the only place with SQL, one writer that groups what has queued up into one commit.
//!
//! Shell: wires the above and decides nothing.
//!
//! - [`config`] reads the program's settings and a repository's policy file.
//! - [`service`] is the running App: web server, workers, from a delivery to a completed check run. What all layers
//!   count goes through the `metrics` facade to its `/metrics`.
//! - [`cli`] is the command line.
//!
//! # From a webhook to a check run
//!
//! 1. `service::webhook` verifies the signature over the raw bytes, stores the delivery and answers. Nothing else
//!    happens while GitHub waits.
//! 2. `service::worker` claims stored deliveries with a lease; `service::route` turns each into a request for a job.
//!    Most deliveries ask for none.
//! 3. A job is one row for each pull request. Requests that come while it waits or runs are added to the row, so a
//!    burst of events is one score and the newest head wins.
//! 4. `service::assess` asks [`github`] for the pull request and has the check run stand as in progress;
//!    `service::gather` turns the answers into facts. What was not answered is unknown, with the reason.
//! 5. [`risk`] measures, scores and judges. The assessment is stored with facts, policy and model version.
//! 6. [`report`] writes the words, and `service::check_run` completes the run on the head commit. Where the policy asks for
//!    it, `service::owners` has a second run say which owners' approvals are missing.
//!
//! A merge group is a job of its own, keyed by the commit that its queue waits on and claimed ahead of all others:
//! `service::merge_group` reads which pull requests are in it and scores what they bring together.
//!
//! A comment that begins with `/risk` goes the same way: `service::route` takes it within limits, a job of its own asks
//! what its author may do, `service::commands` stores what follows together with the answer, and then GitHub is told.
//!
//! What no webhook told of is looked for by rounds of work, each in a task of its own (`service::turns`): deliveries that
//! GitHub could not hand over (`recover`), installations as GitHub lists them (`installations`), heads of open pull
//! requests without a check run, or scored under other rules than their branch has by now (`heads`), data of those who
//! removed the App (`erase`), and services whose health has changed since pull requests were scored (`watch`).
//!
//! `mergecast score` is [`git`], [`risk`] and [`report`] without the rest. Pages, API and `mergecast replay` compute a
//! stored assessment again from its facts.
//!
//! # What always holds
//!
//! - **Accepted is durable.** A delivery is answered with 2xx only after it is on disk. Its id is the primary key, so a
//!   duplicate is one delivery. A full disk is answered with 503.
//! - **One job row for each pull request.** The lease on the row is what keeps two workers from one pull request. Every
//!   step may run twice: what is done already is found before it is done again.
//! - **Intent before effect.** That a check run is about to be created is stored before GitHub is asked. When the
//!   answer was lost, GitHub is searched for our run before another is made, so a head commit has one.
//! - **An override is for what was seen.** One commit, one base branch, a while. It is a fact of the assessment; its
//!   ledger is only added to.
//! - **No run is left pending.** Work that is given up completes its run as neutral, with a reference into the log,
//!   unless it is GitHub that does not answer.
//! - **A queue is answered.** A merge group's run concludes within a bounded time, with the whole change where it can be
//!   read, else with what is known of its pull requests. The first conclusion is final, as it is for the queue.
//! - **Nobody waits for what nobody asked for.** Rounds leave at most a few jobs in the queue and half of each rate limit
//!   alone, so that people's events go first.
//! - **Ids, not names.** Rows are keyed by GitHub's numbers; a name is only what a repository is called today.
//! - **Facts stand beside the score.** The same facts, model and policy give the same bytes. Models are never
//!   overwritten.
//! - **Points add up.** Base, points and the cut at the ends of the scale are the score before floors, exactly.
//! - **Unknown is never zero.** It adds no points and widens the range, and the report names it.
//! - **The seam is the base URL.** No trait stands between service and adapter: production, tests and demo run the same
//!   client against another address.

pub mod catalog;
pub mod codeowners;
pub mod command;
pub mod coverage;
pub mod history;
pub mod outcome;
pub mod report;
pub mod risk;
pub mod slo;

pub mod clock;
pub mod codecov;
pub mod datadog;
pub mod git;
pub mod github;
pub mod remote;
pub mod sonar;
pub mod store;
pub mod stream;

pub mod cli;
pub mod config;
pub mod service;
