//! The real program as a process, with what it says, on a simulated GitHub that runs on the machine's clock.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use mergecast::{
    clock::Clock,
    github::sim::{Sim, SimOptions},
};

/// Longest wait for a line; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, running. It dies with this.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program in `directory`, with an environment of its own.
pub(crate) fn mergecast(directory: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mergecast"));
    command.current_dir(directory).args(arguments).env_clear();
    command
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory)
        .env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"))
        .env("LANG", "C.UTF-8");
    command.envs(env.iter().copied());
    command
}

/// Runs it to its end.
pub(crate) fn run(mut command: Command) -> Ended {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// A simulated GitHub that is what time it is.
pub(crate) async fn github() -> Sim {
    let clock = Clock::system();
    Sim::start(SimOptions::new(move || clock.now())).await.unwrap()
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (said, lines) = channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || err.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Self { child, lines, heard: Vec::new() }
    }

    /// Waits for a line on standard error in which `find` finds something.
    pub(crate) fn hear<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else { panic!("it said only: {:#?}", self.heard) };
            let found = find(&line);
            self.heard.push(line);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.heard.extend(self.lines.iter());
        let code = self.child.wait().unwrap().code().unwrap();
        Ended { code, out, err: self.heard.join("\n") }
    }

    /// Asks it to end, as an operator does.
    pub(crate) fn stop(self) -> Ended {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        self.end()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
