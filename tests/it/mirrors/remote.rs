//! Real repositories for the simulated GitHub: bare ones below a directory that serves as the base of git remotes.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use mergecast::github::sim::{Edits, SimRepository};

/// A bare repository.
pub(crate) struct Remote {
    base: PathBuf,
    path: PathBuf,
    count: AtomicUsize,
}

impl Remote {
    /// `acme/shop.git` below `base`, without a commit.
    pub(crate) fn new(base: &Path) -> Self {
        let path = base.join("acme/shop.git");
        fs::create_dir_all(&path).unwrap();
        let remote = Self { base: base.to_owned(), path, count: AtomicUsize::new(0) };
        remote.git(&["init", "-q", "--bare", "-b", "main"]);
        remote.git(&["config", "uploadpack.allowFilter", "true"]);
        remote
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.path, arguments)
    }

    /// A commit by `author` that writes `path`, on top of a branch.
    pub(crate) fn commit(&self, branch: &str, author: &str, path: &str) -> String {
        let text = format!("text {}\n", self.count.load(Ordering::SeqCst)).repeat(50);
        self.land(branch, author, &format!("Change {path}"), path, &text)
    }

    /// The same with a message and a text of its own.
    pub(crate) fn land(&self, branch: &str, author: &str, message: &str, path: &str, text: &str) -> String {
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        let parent = format!("refs/heads/{branch}");
        let on_top = git_try(&self.path, &["rev-parse", "--verify", "--quiet", &parent]);
        let from = on_top.map_or_else(String::new, |parent| format!("from {parent}\n"));
        // Before the instant at which every test begins.
        let time = 1_770_000_000 + count * 60;
        let stream = format!(
            "commit {parent}\nauthor {author} <{author}@example.com> {time} +0000\n\
             committer {author} <{author}@example.com> {time} +0000\ndata {}\n{message}\n{from}\
             M 100644 inline {path}\ndata {}\n{text}\n",
            message.len(),
            text.len()
        );
        let mut import = Command::new("git")
            .current_dir(&self.path)
            .args(["fast-import", "--quiet", "--force"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
        assert!(import.wait().unwrap().success());
        self.git(&["rev-parse", &parent])
    }

    /// The same, pushed to the simulated GitHub as well, which sends its webhook.
    pub(crate) fn push(&self, shop: &SimRepository, author: &str, path: &str) -> String {
        let sha = self.commit("main", author, path);
        shop.push_base(Edits::new().write(path, format!("text of {sha}\n")).message("Change it").by(author).id(&sha));
        sha
    }

    /// Gives the repository another name.
    pub(super) fn rename(&mut self, full_name: &str) {
        let path = self.base.join(format!("{full_name}.git"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::rename(&self.path, &path).unwrap();
        self.path = path;
    }
}

pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    git_try(directory, arguments).unwrap_or_else(|| panic!("git {arguments:?}"))
}

fn git_try(directory: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(directory)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
