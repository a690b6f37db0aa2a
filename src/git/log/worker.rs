//! One git process and the thread that reads it: a share of the commits becomes changes.

use std::{
    borrow::Cow,
    sync::mpsc::{self, Receiver, SyncSender},
};

use super::{
    Lines, Step, TURN, missing,
    output::{Entry, FORMAT, Record, Records},
};
use crate::{
    git::{Error, process::Git},
    history::{
        Author, Claim, Landed, LandedFile,
        message::{self, Said},
    },
};

/// Turns that are read ahead.
const AHEAD: usize = 2;
/// Commits that are looked at together where contents turned out to be missing.
const CAREFUL: usize = 256;

pub(super) struct Worker {
    asked: Asked,
    /// Turn after turn, each with its newest commit first.
    steps: Vec<Step>,
    name: Option<String>,
    turn: Vec<Landed>,
    turns: SyncSender<Result<Vec<Landed>, Error>>,
}

/// How git is asked.
pub(super) struct Asked {
    pub(super) git: Git,
    pub(super) lines: Lines,
    /// Stands in for the parent of a root, and for a tree without attributes.
    pub(super) empty_tree: String,
}

/// A commit with the tip of the branch that it merged.
pub(super) struct Pair {
    pub(super) commit: Record,
    pub(super) merged: Option<Record>,
}

/// Why a worker stops before its end.
enum Stop {
    Failed(Error),
    /// Nobody reads on.
    Unread,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Worker {
    pub(super) fn new(
        git: Git,
        steps: Vec<Step>,
        lines: Lines,
        empty_tree: String,
        name: Option<String>,
    ) -> (Self, Receiver<Result<Vec<Landed>, Error>>) {
        let (turns, receiver) = mpsc::sync_channel(AHEAD);
        let worker =
            Self { asked: Asked { git, lines, empty_tree }, steps, name, turn: Vec::with_capacity(TURN), turns };
        (worker, receiver)
    }

    pub(super) fn run(mut self) {
        if let Err(Stop::Failed(error)) = self.read() {
            // The turn that was begun is lost with the error; the reader stops there.
            let _ = self.turns.send(Err(error));
        }
    }

    fn read(&mut self) -> Result<(), Stop> {
        let steps = std::mem::take(&mut self.steps);
        let mut done = 0;
        while done < steps.len() {
            done += self.straight(&steps[done..])?;
            let block = &steps[done..steps.len().min(done + CAREFUL)];
            for (pair, step) in missing::read(&self.asked, block)?.into_iter().zip(block) {
                self.push(pair, step)?;
            }
            done += block.len();
        }
        if self.turn.is_empty() { Ok(()) } else { self.hand_over() }
    }

    /// Reads until the end, or until a content is missing. Gives how many commits were read.
    fn straight(&mut self, steps: &[Step]) -> Result<usize, Stop> {
        let (output, running) = self.asked.start(steps, self.asked.format(), "-M50%")?;
        let mut records = Records::new(output);
        for (done, step) in steps.iter().enumerate() {
            let Some((pair, last)) = pair(&mut records, step)? else {
                return missed(running.finish(), done);
            };
            if last {
                // Where git died, the commit at the end may lack files.
                if done + 1 < steps.len() {
                    return missed(running.finish(), done);
                }
                return match running.finish() {
                    Ok(()) => self.push(pair, step).map(|()| done + 1),
                    Err(error) => missed(Err(error), done),
                };
            }
            self.push(pair, step)?;
        }
        Ok(steps.len())
    }

    fn push(&mut self, pair: Pair, step: &Step) -> Result<(), Stop> {
        self.turn.push(landed(pair, step, self.asked.lines == Lines::Counted, self.name.as_deref()));
        if self.turn.len() == TURN { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), Stop> {
        let mut turn = std::mem::replace(&mut self.turn, Vec::with_capacity(TURN));
        turn.reverse();
        self.turns.send(Ok(turn)).map_err(|_| Stop::Unread)
    }
}

/// What the end of a process before the end of its commits means.
fn missed(ended: Result<(), Error>, done: usize) -> Result<usize, Stop> {
    match ended {
        Err(error) if is_missing(&error) => Ok(done),
        Err(error) => Err(Stop::Failed(error)),
        Ok(()) => Err(Stop::Failed(Error::Answer("diff-tree"))),
    }
}

/// git died because a content is not in this clone.
pub(super) fn is_missing(error: &Error) -> bool {
    match error {
        Error::MissingObjects => true,
        Error::Failed { complaint, .. } => complaint.contains("unable to read"),
        _ => false,
    }
}

impl Asked {
    pub(super) fn format(&self) -> &'static str {
        match self.lines {
            Lines::Counted => "--numstat",
            Lines::Skipped => "--raw",
        }
    }

    /// Starts a process that compares each commit with its first parent.
    pub(super) fn start(
        &self,
        steps: &[Step],
        format: &str,
        renames: &str,
    ) -> Result<(std::io::BufReader<std::process::ChildStdout>, crate::git::process::Running), Error> {
        let mut input = Vec::with_capacity(steps.len() * 100);
        for Step { sha, parent, merged, .. } in steps {
            if let Some(merged) = merged {
                // A commit compared with itself: its message and no files.
                input.extend_from_slice(format!("{merged} {merged}\n").as_bytes());
            }
            let parent = parent.as_deref().unwrap_or_default();
            input.extend_from_slice(format!("{sha} {parent}").trim_end().as_bytes());
            input.push(b'\n');
        }
        let arguments = [
            "-c",
            "core.attributesFile=/dev/null",
            "diff-tree",
            "--stdin",
            "-r",
            "-z",
            "--root",
            "--always",
            "--no-abbrev",
            // What became of a file is told by this alone.
            "--raw",
            format,
            renames,
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "--submodule=short",
            "--ignore-submodules=none",
            "--diff-algorithm=myers",
            FORMAT,
        ];
        // What is binary shall not depend on what happens to be checked out.
        self.git.feed(&arguments, &[("GIT_ATTR_SOURCE", &self.empty_tree)], input)
    }
}

/// The next commit with the tip that it merged, and whether the output ended with it.
pub(super) fn pair<R: std::io::BufRead>(records: &mut Records<R>, step: &Step) -> Result<Option<(Pair, bool)>, Error> {
    let merged = match &step.merged {
        Some(merged) => match records.next()? {
            Some((record, false)) if record.sha == *merged => Some(record),
            Some((_, true)) | None => return Ok(None),
            Some(_) => return Err(Error::Answer("diff-tree")),
        },
        None => None,
    };
    match records.next()? {
        Some((commit, last)) if commit.sha == step.sha => Ok(Some((Pair { commit, merged }, last))),
        Some((_, true)) | None => Ok(None),
        Some(_) => Err(Error::Answer("diff-tree")),
    }
}

fn landed(pair: Pair, step: &Step, lines: bool, name: Option<&str>) -> Landed {
    let Pair { commit, merged } = pair;
    let message = titled(&commit, merged.as_ref());
    let Said { pull_request, revision, title, revert, reland, mut undoes } = message::read(&message, name);
    let author = merged.as_ref().unwrap_or(&commit);
    let written = merged.as_ref().map(|merged| merged.sha.clone());
    if let Some(merged) = &merged
        && revert
        && !undoes.iter().any(|claim| matches!(claim, Claim::Commit(_)))
    {
        // The merge says that it takes back, the commit that it merged says what.
        let said = message::read(&merged.message, name).undoes;
        undoes.splice(0..0, said.into_iter().filter(|claim| matches!(claim, Claim::Commit(_))));
    }
    let bot = message::is_bot(&author.name, &author.email);
    let contact = Some(message::contact(&author.name, &author.email));
    let author = Author::named(&author.name);
    Landed {
        contact,
        written,
        lines,
        sha: commit.sha,
        at: commit.at,
        author,
        pull_request,
        revision,
        title,
        bot,
        revert,
        reland,
        merge: step.merge,
        undoes,
        files: commit.files.into_iter().map(file).collect(),
        files_total: commit.files_total,
        added: commit.added,
        deleted: commit.deleted,
    }
}

/// The message of a commit; a merged pull request whose title nobody wrote down has that of its newest commit.
fn titled<'a>(commit: &'a Record, merged: Option<&Record>) -> Cow<'a, str> {
    let headline = commit.message.trim_end();
    match merged.and_then(|merged| merged.message.trim_start().lines().next()) {
        Some(title) if headline.starts_with("Merge pull request #") && !headline.contains('\n') => {
            Cow::Owned(format!("{headline}\n\n{title}"))
        }
        _ => Cow::Borrowed(&commit.message),
    }
}

fn file(entry: Entry) -> LandedFile {
    let Entry { path, previous_path, removed, added, deleted, .. } = entry;
    LandedFile { path, previous_path, removed, added, deleted }
}
