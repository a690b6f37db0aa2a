//! A bare mirror of one remote repository without file contents: commits and trees of the branches asked for.
//!
//! It runs git with an environment of its own, lets it speak to one remote by one protocol, and ends it when told to or
//! when it takes too long. It never follows a redirect and never writes an address or a token to disk.

mod failure;
mod progress;
mod remote;
mod run;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

pub use failure::MirrorError;
pub use progress::{Phase, Progress};
pub use remote::{BranchName, Remote};

use super::{Error, Repository, mailmap, process::Git};

/// The oldest git that takes its settings from the environment, which keeps tokens out of files and process lists.
pub const GIT_LEAST: (u32, u32) = (2, 31);

/// All of a mirror's configuration. The remote's address is given to each command: names change, and tokens with them.
const CONFIG: &str = "\
[core]
\trepositoryformatversion = 1
\tfilemode = true
\tbare = true
[extensions]
\tpartialClone = origin
[remote \"origin\"]
\tpromisor = true
\tpartialclonefilter = blob:none
";
/// Packs beyond which they are made one: each fetch adds one, and git looks through all of them for every object.
const PACKS_MAX: usize = 50;
/// A new mirror is not begun with less room on the disk than this, in bytes.
const ROOM_LEAST: u64 = 512 << 20;

/// Looks after git while it works.
pub struct Watch<'a> {
    /// Whether the work is to end now.
    pub stopped: &'a (dyn Fn() -> bool + Sync),
    /// Is told how far the work is.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// The longest time for one command.
    pub deadline: Duration,
}

/// A mirror on disk, or the place for one.
#[derive(Clone, Debug)]
pub struct Mirror {
    directory: PathBuf,
}

/// What a fetch found at the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The branch that the remote's HEAD names, unless its name cannot be a branch's.
    pub default_branch: Option<BranchName>,
    /// The mirrored branches with their tips (object ids).
    pub tips: Vec<(BranchName, String)>,
    /// Whether anything was downloaded or dropped.
    pub changed: bool,
}

/// What the remote has of what is asked for.
struct Offered {
    default_branch: Option<BranchName>,
    tips: Vec<(BranchName, String)>,
}

impl Mirror {
    /// The mirror in this directory, whether there is one yet or not. The directory is the mirror's own: what else is in
    /// it goes.
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where it lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Brings the default branch and `branches` to where the remote has them, making the mirror where there is none;
    /// branches that the remote does not have, or that are not asked for any more, go. One call at a time for a mirror.
    ///
    /// # Errors
    /// [`MirrorError`] says what is to be done. What was fetched before stays readable, except after
    /// [`MirrorError::Corrupt`].
    pub fn fetch(
        &self,
        remote: &Remote,
        branches: &BTreeSet<BranchName>,
        watch: &Watch<'_>,
    ) -> Result<Fetched, MirrorError> {
        self.prepare()?;
        let offered = self.offered(remote, branches, watch)?;
        let here = self.tips()?;
        let changed = here.iter().collect::<BTreeSet<_>>() != offered.tips.iter().collect();
        if changed {
            let gone = here.iter().filter(|(name, _)| !offered.tips.iter().any(|(kept, _)| kept == name));
            for (name, _) in gone {
                self.git().run(&["update-ref", "-d", &name.reference()])?;
            }
            self.download(remote, &offered, watch)?;
        }
        if let Some(default) = &offered.default_branch {
            // So that whoever reads the mirror without a branch in mind finds the default one.
            self.git().run(&["symbolic-ref", "HEAD", &default.reference()])?;
        }
        let tips = if changed { self.tips()? } else { here };
        Ok(Fetched { default_branch: offered.default_branch, tips, changed })
    }

    /// Fetches the `.mailmap` of the default branch, the one content that a mirror holds, unless it is here.
    ///
    /// # Errors
    /// The remote does not give it; the mirror is as it was.
    pub fn fetch_mailmap(&self, remote: &Remote, watch: &Watch<'_>) -> Result<(), MirrorError> {
        let Some(id) = mailmap::named(&self.git()) else { return Ok(()) };
        if mailmap::holds(&self.git(), &id) {
            return Ok(());
        }
        // As git itself fetches what a partial clone lacks: nothing is told of what is here, since it leads to it.
        let arguments = [
            "-c",
            "fetch.negotiationAlgorithm=noop",
            "fetch",
            "--filter=blob:none",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--no-recurse-submodules",
            "--refmap=",
            "--stdin",
            "origin",
        ];
        run::remote(&self.directory, remote, &arguments.map(str::to_owned), &format!("{id}\n"), watch).map(drop)
    }

    /// Object id of the `.mailmap` of the default branch, if it is here: git then names authors by it.
    pub fn mailmap(&self) -> Option<String> {
        mailmap::named(&self.git()).filter(|id| mailmap::holds(&self.git(), id))
    }

    /// The name that the mirror's `.mailmap` gives an author; `None` if git cannot be asked.
    pub fn mapped(&self, name: &str, email: &str) -> Option<String> {
        let plain = |text: &str| text.replace(|c: char| c.is_control() || "<>".contains(c), "");
        let contact = format!("{} <{}>", plain(name), plain(email));
        let answer = self.git().run(&["check-mailmap", "--", &contact]).ok()?;
        let answer = String::from_utf8_lossy(&answer);
        answer.rsplit_once('<').map(|(name, _)| name.trim().to_owned()).filter(|name| !name.is_empty())
    }

    /// Tip of a mirrored branch; `None` if it is not mirrored.
    pub fn tip(&self, branch: &BranchName) -> Option<String> {
        let tips = self.tips().ok()?;
        tips.into_iter().find(|(name, _)| name == branch).map(|(_, tip)| tip)
    }

    /// Whether a commit (a whole object id) is here.
    pub fn contains(&self, commit: &str) -> bool {
        let whole = matches!(commit.len(), 40 | 64) && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        whole && self.git().run(&["cat-file", "-e", &format!("{commit}^{{commit}}")]).is_ok()
    }

    /// The mirror as a repository to read.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn repository(&self) -> Result<Repository, Error> {
        // A damaged one must not be taken for a part of whatever repository it lies in.
        self.git().run(&["rev-parse", "--git-dir"])?;
        Repository::open(&self.directory)
    }

    /// Makes many packs one, if there are many.
    ///
    /// # Errors
    /// git fails; the mirror is as it was.
    pub fn tidy(&self, watch: &Watch<'_>) -> Result<(), MirrorError> {
        let packs = fs::read_dir(self.directory.join("objects/pack"))?.filter_map(Result::ok);
        let packs = packs.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "pack")).count();
        if packs <= PACKS_MAX {
            return Ok(());
        }
        run::local(&self.directory, &["repack", "-a", "-d", "-q"], watch).map(drop)
    }

    /// Bytes on disk; 0 if there is none.
    pub fn bytes(&self) -> u64 {
        bytes(&self.directory)
    }

    /// Deletes it, if it is there.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn delete(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes the mirror where there is none that is ours, and clears away what a git that was killed has left.
    fn prepare(&self) -> Result<(), MirrorError> {
        let config = self.directory.join("config");
        if fs::read_to_string(&config).is_ok_and(|text| text == CONFIG) {
            self.clear_leftovers();
            return Ok(());
        }
        self.delete()?;
        let parent = self.directory.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        if room(parent).is_some_and(|bytes| bytes < ROOM_LEAST) {
            return Err(MirrorError::DiskFull);
        }
        fs::create_dir(&self.directory)?;
        // The environment's default is not asked for: object ids of 40 digits are what GitHub has.
        self.git().run(&["init", "--quiet", "--bare", "--template=", "--object-format=sha1"])?;
        fs::write(config, CONFIG)?;
        Ok(())
    }

    /// Locks and half packs stand in the way or fill the disk; nobody else works on the mirror, so they are nobody's.
    fn clear_leftovers(&self) {
        let packs = fs::read_dir(self.directory.join("objects/pack")).into_iter().flatten().filter_map(Result::ok);
        let half = packs.filter(|entry| entry.file_name().to_string_lossy().starts_with("tmp_"));
        let mut stale: Vec<PathBuf> = half.map(|entry| entry.path()).collect();
        locks(&self.directory, false, &mut stale);
        locks(&self.directory.join("refs"), true, &mut stale);
        for path in stale {
            // What cannot be removed is git's to complain about.
            let _ = fs::remove_file(path);
        }
    }

    fn offered(
        &self,
        remote: &Remote,
        branches: &BTreeSet<BranchName>,
        watch: &Watch<'_>,
    ) -> Result<Offered, MirrorError> {
        let mut arguments = vec!["ls-remote".to_owned(), "--symref".to_owned(), "origin".to_owned(), "HEAD".to_owned()];
        arguments.extend(branches.iter().map(BranchName::reference));
        let answer = run::remote(&self.directory, remote, &arguments, "", watch)?;
        let mut offered = Offered::read(&String::from_utf8_lossy(&answer), branches);
        if let Some(default) = offered.default_branch.clone()
            && !branches.contains(&default)
        {
            let arguments = ["ls-remote".to_owned(), "origin".to_owned(), default.reference()];
            let answer = run::remote(&self.directory, remote, &arguments, "", watch)?;
            let only = BTreeSet::from([default]);
            offered.tips.extend(Offered::read(&String::from_utf8_lossy(&answer), &only).tips);
        }
        Ok(offered)
    }

    fn download(&self, remote: &Remote, offered: &Offered, watch: &Watch<'_>) -> Result<(), MirrorError> {
        if offered.tips.is_empty() {
            return Ok(());
        }
        let arguments = [
            "fetch",
            "--progress",
            "--filter=blob:none",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--no-recurse-submodules",
            "--refmap=",
            "--stdin",
            "origin",
        ];
        // The plus sign: a branch may have been pushed anew from somewhere else.
        let wanted = offered.tips.iter().map(|(name, _)| format!("+{0}:{0}\n", name.reference()));
        run::remote(&self.directory, remote, &arguments.map(str::to_owned), &wanted.collect::<String>(), watch)?;
        Ok(())
    }

    fn tips(&self) -> Result<Vec<(BranchName, String)>, Error> {
        let listed = self.git().run(&["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/"])?;
        let listed = String::from_utf8_lossy(&listed);
        Ok(listed.lines().filter_map(|line| reference(line, ' ')).collect())
    }

    fn git(&self) -> Git {
        Git::bare(&self.directory)
    }
}

impl Offered {
    /// Reads what `ls-remote --symref` says; names that only end like a wanted one are left out.
    fn read(answer: &str, branches: &BTreeSet<BranchName>) -> Self {
        let mut offered = Self { default_branch: None, tips: Vec::new() };
        for line in answer.lines() {
            match line.strip_prefix("ref: ").and_then(|line| line.strip_suffix("\tHEAD")) {
                Some(target) => {
                    offered.default_branch = target.strip_prefix("refs/heads/").and_then(BranchName::new);
                }
                None => offered.tips.extend(reference(line, '\t').filter(|(name, _)| branches.contains(name))),
            }
        }
        offered
    }
}

/// Reads `{object id}{between}refs/heads/{name}`.
fn reference(line: &str, between: char) -> Option<(BranchName, String)> {
    let (id, name) = line.split_once(between)?;
    Some((BranchName::new(name.strip_prefix("refs/heads/")?)?, id.to_owned()))
}

/// Free bytes on a directory's disk, where that can be told.
fn room(directory: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Lock files in a directory; below it as well if it is `deep`.
fn locks(directory: &Path, deep: bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "lock") {
            found.push(path);
        } else if deep && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            locks(&path, true, found);
        }
    }
}

fn bytes(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(file) if file.is_dir() => bytes(&entry.path()),
            Ok(file) => file.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests;
