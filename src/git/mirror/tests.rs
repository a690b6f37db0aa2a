//! Real bare repositories in temporary directories, fetched through `file://`.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use url::Url;

use super::{BranchName, Fetched, Mirror, MirrorError, Phase, Remote, Watch};

struct Place {
    directory: tempfile::TempDir,
    count: RefCell<usize>,
}

impl Place {
    /// A remote `acme/shop` with three commits on `main`.
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap(), count: RefCell::new(0) };
        fs::create_dir_all(place.remote()).unwrap();
        place.git(&["init", "-q", "--bare", "-b", "main", "."]);
        place.git(&["config", "uploadpack.allowFilter", "true"]);
        for _ in 0..3 {
            place.commit("main");
        }
        place
    }

    fn remote(&self) -> PathBuf {
        self.directory.path().join("remote/acme/shop.git")
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.remote(), arguments)
    }

    /// A commit on top of a branch, with a file that no commit before it had.
    fn commit(&self, branch: &str) -> String {
        let count = self.count.replace_with(|count| *count + 1);
        let tree = self.directory.path().join("index");
        let parent = git_try(&self.remote(), &["rev-parse", "--verify", "--quiet", branch]);
        let file = self.directory.path().join("file");
        fs::write(&file, format!("text {count}\n").repeat(200)).unwrap();
        let blob = self.git(&["hash-object", "-w", file.to_str().unwrap()]);
        let listing = format!("100644 blob {blob}\tfile{count}\n");
        fs::write(&tree, listing).unwrap();
        let script = format!("git mktree < '{}'", tree.display());
        let output = Command::new("sh").args(["-c", &script]).current_dir(self.remote()).output().unwrap();
        let tree = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let mut arguments = vec!["commit-tree", "-m", "Change it", &tree];
        if let Some(parent) = &parent {
            arguments.extend(["-p", parent]);
        }
        let commit = self.git(&arguments);
        self.git(&["update-ref", &format!("refs/heads/{branch}"), &commit]);
        commit
    }

    fn mirror(&self) -> Mirror {
        Mirror::at(self.directory.path().join("data/mirrors/7.git"))
    }

    fn fetch(&self, branches: &[&str]) -> Result<Fetched, MirrorError> {
        self.fetch_from("shop", branches)
    }

    fn fetch_from(&self, name: &str, branches: &[&str]) -> Result<Fetched, MirrorError> {
        let base = Url::from_directory_path(self.directory.path().join("remote")).unwrap();
        let remote = Remote::new(&base, "acme", name, None)?;
        self.mirror().fetch(&remote, &names(branches), &watch())
    }
}

fn watch() -> Watch<'static> {
    Watch { stopped: &|| false, progress: &|_| {}, deadline: Duration::from_secs(60) }
}

fn names(branches: &[&str]) -> BTreeSet<BranchName> {
    branches.iter().map(|name| BranchName::new(name).unwrap()).collect()
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    git_try(directory, arguments).unwrap_or_else(|| panic!("git {arguments:?}"))
}

fn git_try(directory: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(directory)
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn tips(fetched: &Fetched) -> Vec<(&str, &str)> {
    fetched.tips.iter().map(|(name, tip)| (name.as_str(), tip.as_str())).collect()
}

#[test]
fn a_mirror_holds_the_branches_asked_for_without_any_file() {
    let place = Place::new();
    let main = place.git(&["rev-parse", "main"]);
    let release = place.commit("release/1");
    place.commit("topic");
    place.git(&["tag", "v1", "main"]);
    let fetched = place.fetch(&["release/1", "not-there"]).unwrap();
    assert_eq!(tips(&fetched), [("main", main.as_str()), ("release/1", release.as_str())]);
    assert_eq!(fetched.default_branch.as_ref().map(BranchName::as_str), Some("main"));
    assert!(fetched.changed);
    let mirror = place.mirror();
    let references = git(mirror.directory(), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(references.lines().collect::<Vec<_>>(), ["refs/heads/main", "refs/heads/release/1"]);
    let kinds = git(mirror.directory(), &["cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"]);
    assert!(!kinds.contains("blob"), "{kinds}");
    assert_eq!(git(mirror.directory(), &["rev-list", "--first-parent", "--count", "main"]), "3");
    assert!(mirror.contains(&main) && !mirror.contains(&"0".repeat(40)) && !mirror.contains("main"));
    assert!(mirror.repository().is_ok() && mirror.bytes() > 0);
    // Nothing is said on disk of where it came from.
    let text = fs::read_to_string(mirror.directory().join("config")).unwrap();
    assert!(!text.contains("url") && !text.contains("acme"), "{text}");
    // Again: nothing has changed, and a branch that is not asked for any more goes.
    assert!(!place.fetch(&["release/1"]).unwrap().changed);
    assert_eq!(tips(&place.fetch(&[]).unwrap()), [("main", main.as_str())]);
}

#[test]
fn it_follows_pushes_force_pushes_names_and_default_branches() {
    let place = Place::new();
    place.fetch(&[]).unwrap();
    let pushed = place.commit("main");
    assert_eq!(tips(&place.fetch(&[]).unwrap()), [("main", pushed.as_str())]);
    place.git(&["update-ref", "refs/heads/main", "main~2"]);
    let forced = place.commit("main");
    assert_eq!(tips(&place.fetch(&[]).unwrap()), [("main", forced.as_str())]);
    // A branch of the name of a folder of branches, and back.
    place.git(&["update-ref", "refs/heads/a", "main"]);
    place.fetch(&["a", "a/b"]).unwrap();
    place.git(&["update-ref", "-d", "refs/heads/a"]);
    place.git(&["update-ref", "refs/heads/a/b", "main"]);
    assert_eq!(tips(&place.fetch(&["a", "a/b"]).unwrap()), [("a/b", forced.as_str()), ("main", forced.as_str())]);
    // Another default branch.
    place.git(&["update-ref", "refs/heads/trunk", "main"]);
    place.git(&["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    assert_eq!(tips(&place.fetch(&[]).unwrap()), [("trunk", forced.as_str())]);
    assert_eq!(git(place.mirror().directory(), &["rev-parse", "HEAD"]), forced);
    // The repository is called something else by now; the mirror does not care.
    fs::rename(place.remote(), place.remote().with_file_name("store.git")).unwrap();
    assert!(matches!(place.fetch(&[]), Err(MirrorError::NotFound)));
    assert!(!place.fetch_from("store", &[]).unwrap().changed);
}

#[test]
fn a_damaged_mirror_says_so_and_what_is_not_ours_is_made_anew() {
    let place = Place::new();
    let tip = place.git(&["rev-parse", "main"]);
    place.fetch(&[]).unwrap();
    let mirror = place.mirror();
    // Leftovers of a git that was killed.
    fs::write(mirror.directory().join("refs/heads/main.lock"), "").unwrap();
    fs::write(mirror.directory().join("HEAD.lock"), "").unwrap();
    fs::write(mirror.directory().join("objects/pack/tmp_pack_x"), "half").unwrap();
    place.commit("main");
    place.fetch(&[]).unwrap();
    assert!(!mirror.directory().join("objects/pack/tmp_pack_x").exists());
    // No repository to speak of.
    fs::write(mirror.directory().join("HEAD"), "").unwrap();
    let error = place.fetch(&[]).unwrap_err();
    assert!(matches!(error, MirrorError::Corrupt(_)), "{error}");
    mirror.delete().unwrap();
    place.fetch(&[]).unwrap();
    // Rubbish where the objects were.
    for pack in fs::read_dir(mirror.directory().join("objects/pack")).unwrap().map(|entry| entry.unwrap().path()) {
        fs::remove_file(&pack).unwrap();
        fs::write(&pack, "rubbish".repeat(100)).unwrap();
    }
    assert!(!mirror.contains(&tip));
    mirror.delete().unwrap();
    assert!(place.fetch(&[]).unwrap().changed);
    // Settings that somebody else made would name programs to run.
    let config = mirror.directory().join("config");
    fs::write(&config, "[core]\n\tsshCommand = touch x\n").unwrap();
    assert!(place.fetch(&[]).unwrap().changed);
    assert!(!fs::read_to_string(config).unwrap().contains("sshCommand") && mirror.contains(&tip));
    mirror.delete().unwrap();
    mirror.delete().unwrap();
    assert!(!mirror.contains(&tip) && mirror.tip(&BranchName::new("main").unwrap()).is_none());
}

#[test]
fn an_empty_remote_has_no_branch_and_is_no_failure() {
    let place = Place::new();
    place.git(&["update-ref", "-d", "refs/heads/main"]);
    assert_eq!(tips(&place.fetch(&["main"]).unwrap()), []);
    let tip = place.commit("main");
    assert_eq!(tips(&place.fetch(&["main"]).unwrap()), [("main", tip.as_str())]);
}

#[test]
fn progress_is_told_and_a_stop_ends_it() {
    let place = Place::new();
    let base = Url::from_directory_path(place.directory.path().join("remote")).unwrap();
    let remote = Remote::new(&base, "acme", "shop", None).unwrap();
    let stop = AtomicBool::new(false);
    let told = Mutex::new(Vec::new());
    let stopped = || stop.load(Ordering::SeqCst);
    let progress = |progress| told.lock().unwrap().push(progress);
    let watch = Watch { stopped: &stopped, progress: &progress, deadline: Duration::from_secs(60) };
    place.mirror().fetch(&remote, &names(&[]), &watch).unwrap();
    let told = told.lock().unwrap().clone();
    assert!(told.iter().any(|each| each.phase == Phase::Receiving && each.percent == 100), "{told:?}");
    place.commit("main");
    stop.store(true, Ordering::SeqCst);
    assert!(matches!(place.mirror().fetch(&remote, &names(&[]), &watch), Err(MirrorError::Stopped)));
    let late = Watch { deadline: Duration::ZERO, ..self::watch() };
    assert!(matches!(place.mirror().fetch(&remote, &names(&[]), &late), Err(MirrorError::Deadline)));
}

#[test]
fn many_packs_become_one() {
    let place = Place::new();
    place.fetch(&[]).unwrap();
    let mirror = place.mirror();
    let pack = mirror.directory().join("objects/pack");
    let packs = || {
        fs::read_dir(&pack).unwrap().filter(|e| e.as_ref().unwrap().path().extension() == Some("pack".as_ref())).count()
    };
    for _ in 0..super::PACKS_MAX {
        place.commit("main");
        place.fetch(&[]).unwrap();
    }
    assert_eq!(packs(), super::PACKS_MAX + 1);
    mirror.tidy(&watch()).unwrap();
    assert_eq!(packs(), 1);
    assert_eq!(git(mirror.directory(), &["rev-list", "--count", "main"]), "53");
    place.commit("main");
    assert!(place.fetch(&[]).unwrap().changed);
}
