//! Runs the git binary: always with the same closed-in environment, always with its exit status looked at.

use std::{
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread::{self, JoinHandle},
};

use super::Error;

/// Settings that a repository or a user may have made, and that would run programs or change what git prints.
const SETTINGS: &[&str] = &[
    "core.quotePath=false",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    // A copied worktree has other inodes and change times; sizes and modification times tell what differs.
    "core.checkStat=minimal",
    "core.trustctime=false",
    "diff.external=",
    "diff.renameLimit=1000",
    "diff.suppressBlankEmpty=false",
    "log.showSignature=false",
    "i18n.logOutputEncoding=UTF-8",
    // No transport is allowed, so nothing can be fetched, whatever asks for it.
    "protocol.allow=never",
];

/// Complaints are kept for the message; git may repeat one for every file.
const COMPLAINT_BYTES_MAX: u64 = 4_096;

/// The git binary, at work in one directory.
#[derive(Clone, Debug)]
pub(super) struct Git {
    directory: PathBuf,
    /// The directory is the git directory itself: none is looked for above it.
    bare: bool,
}

/// A git process whose output is read while it runs. Dropping it ends the process.
pub(super) struct Running {
    command: String,
    child: Child,
    complaints: Option<JoinHandle<Vec<u8>>>,
}

impl Git {
    pub(super) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), bare: false }
    }

    /// At work in a git directory, whatever it lies in.
    pub(super) fn bare(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), bare: true }
    }

    /// Where it is at work.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// All that a command prints.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, Error> {
        let (mut output, running) = self.start(arguments)?;
        let mut printed = Vec::new();
        output.read_to_end(&mut printed).map_err(Error::Io)?;
        running.finish()?;
        Ok(printed)
    }

    /// Starts a command. What it printed holds only if [`Running::finish`] says so.
    pub(super) fn start(&self, arguments: &[&str]) -> Result<(BufReader<ChildStdout>, Running), Error> {
        self.spawn(self.command(arguments).stdin(Stdio::null()), arguments)
    }

    /// Starts a command that reads `input` while it prints.
    pub(super) fn feed(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        input: Vec<u8>,
    ) -> Result<(BufReader<ChildStdout>, Running), Error> {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied()).stdin(Stdio::piped());
        let (output, mut running) = self.spawn(&mut command, arguments)?;
        let mut stdin = running.child.stdin.take().expect("standard input is piped");
        // A process that ends early closes its end; its exit status says why.
        thread::spawn(move || stdin.write_all(&input));
        Ok((output, running))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        if self.bare {
            command.env("GIT_DIR", ".");
        }
        command
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            .current_dir(&self.directory)
            .args(["--no-pager", "--no-replace-objects", "--literal-pathspecs"])
            .args(SETTINGS.iter().flat_map(|setting| ["-c", setting]))
            .args(arguments);
        command
    }

    fn spawn(&self, command: &mut Command, arguments: &[&str]) -> Result<(BufReader<ChildStdout>, Running), Error> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| self.spawn_error(error))?;
        let stdout = child.stdout.take().expect("standard output is piped");
        let mut stderr = child.stderr.take().expect("standard error is piped");
        // Read beside the output, lest git waits for somebody to take its complaints.
        let complaints = thread::spawn(move || {
            let mut kept = Vec::new();
            let _ = stderr.by_ref().take(COMPLAINT_BYTES_MAX).read_to_end(&mut kept);
            let _ = io::copy(&mut stderr, &mut io::sink());
            kept
        });
        let name = arguments.first().copied().unwrap_or_default().to_owned();
        Ok((BufReader::new(stdout), Running { command: name, child, complaints: Some(complaints) }))
    }

    /// A value of git's configuration.
    pub(super) fn config(&self, key: &str) -> Option<String> {
        let output = self.run(&["config", "--get", key]).ok()?;
        let value = String::from_utf8_lossy(&output).trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    fn spawn_error(&self, error: io::Error) -> Error {
        match error.kind() {
            // The same error stands for a missing program and a missing directory.
            io::ErrorKind::NotFound if self.directory.is_dir() => Error::GitMissing,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::NotARepository(self.directory.clone()),
            _ => Error::Io(error),
        }
    }
}

impl Running {
    /// Waits for the end of the process; its output must have been read.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        let status = self.child.wait().map_err(Error::Io)?;
        let complaints = self.complaints.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let complaints = String::from_utf8_lossy(&complaints);
        if complaints.contains("lazy fetching disabled") || complaints.contains("promisor remote") {
            return Err(Error::MissingObjects);
        }
        let complaint = complaints.lines().find(|line| !line.starts_with("hint:")).unwrap_or_default();
        let complaint = complaint.trim_start_matches("fatal: ").chars().take(300).collect();
        Err(Error::Failed { command: self.command.clone(), complaint })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already after `finish`; else nobody reads on, and the process must not outlive its reader.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
