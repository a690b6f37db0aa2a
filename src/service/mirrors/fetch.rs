//! The work on one mirror, on a thread that may block: fetch it, read the histories of its branches, look into it.

use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;
use sha2::{Digest, Sha256};
use url::Url;

use super::{Place, histories::Loaded, read};
use crate::{
    git::mirror::{BranchName, Mirror, MirrorError, Remote, Watch},
    risk::Model,
    store::ReadBranch,
};

/// The longest time for one git command. Transfers that crawl are ended much sooner; this is for large repositories.
const DEADLINE: Duration = Duration::from_secs(2 * 3_600);
/// The share of the work that is over when git has fetched, in percent.
const FETCHED: u32 = 70;

/// What is to be fetched.
pub(super) struct Work {
    pub(super) place: Place,
    pub(super) base: Url,
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) token: Option<SecretString>,
    /// The model in force, which scores the changes of histories.
    pub(super) model: Arc<Model>,
    /// Branches besides the default branch. Untrusted.
    pub(super) branches: Vec<String>,
    /// Histories in memory, by branch.
    pub(super) known: HashMap<String, Arc<Loaded>>,
}

/// What came of it.
pub(super) struct Done {
    pub(super) histories: Vec<(String, Arc<Loaded>)>,
    pub(super) bytes: u64,
}

impl Done {
    /// What was read, as the store keeps it.
    pub(super) fn rows(&self) -> Vec<ReadBranch> {
        let row = |(branch, loaded): &(String, Arc<Loaded>)| ReadBranch {
            branch: branch.clone(),
            tip: loaded.tip.clone(),
            changes: i64::from(loaded.history.changes()),
        };
        self.histories.iter().map(row).collect()
    }
}

/// What went wrong, as far as it matters to what is done then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The service stops.
    Stopped,
    /// The token is refused: another may do.
    Token,
    /// The mirror is to be made anew.
    Corrupt,
    /// The repository has another name, or is gone.
    Elsewhere,
    /// Trying again later may help.
    Other,
}

/// Why a mirror could not be brought up to date.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    /// For metrics.
    pub(super) word: &'static str,
    /// For people. Untrusted.
    pub(super) why: String,
}

impl From<MirrorError> for Trouble {
    fn from(error: MirrorError) -> Self {
        let kind = match &error {
            MirrorError::Stopped => Kind::Stopped,
            MirrorError::Unauthorized => Kind::Token,
            MirrorError::Corrupt(_) => Kind::Corrupt,
            MirrorError::NotFound | MirrorError::Moved => Kind::Elsewhere,
            _ => Kind::Other,
        };
        Self { kind, word: error.word(), why: error.to_string() }
    }
}

/// Whether a base is read with a token at all.
pub(super) fn takes_token(base: &Url) -> bool {
    Remote::takes_token(base)
}

/// Fetches and reads. `told` hears of the share that is done, 0-99.
pub(super) fn run(
    work: &Work,
    told: &(dyn Fn(u8) + Sync),
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Done, Trouble> {
    let remote = Remote::new(&work.base, &work.owner, &work.name, work.token.clone())?;
    let mirror = Mirror::at(work.place.mirror.clone());
    // What git refuses as a name is no branch of any remote.
    let branches: BTreeSet<BranchName> = work.branches.iter().filter_map(|name| BranchName::new(name)).collect();
    let fetching = |progress: crate::git::mirror::Progress| told(share(0, FETCHED, progress.of_fetch()));
    let watch = Watch { stopped, progress: &fetching, deadline: DEADLINE };
    let fetched = mirror.fetch(&remote, &branches, &watch)?;
    if let Err(error) = mirror.fetch_mailmap(&remote, &watch) {
        if matches!(error, MirrorError::Stopped) {
            return Err(error.into());
        }
        tracing::warn!(%error, "the repository's .mailmap could not be fetched; names count as they are written");
    }
    let mailmap = mirror.mailmap();
    fs::create_dir_all(&work.place.histories).map_err(MirrorError::from)?;
    let mut histories = Vec::new();
    let count = u32::try_from(fetched.tips.len()).unwrap_or(1).max(1);
    for (at, (branch, tip)) in (0_u32..).zip(&fetched.tips) {
        let known = work.known.get(branch.as_str());
        let loaded = match known {
            Some(known) if known.tip == *tip && known.mailmap == mailmap && known.model == work.model.version => {
                known.clone()
            }
            _ => {
                let each = (100 - FETCHED) / count;
                let from = FETCHED + at * (100 - FETCHED) / count;
                let reading = |percent: u8| told(share(from, from + each, percent));
                let file = file(&work.place, branch.as_str(), mailmap.as_deref());
                Arc::new(read::history(&mirror, &work.model, branch, &file, &work.name, &reading, stopped)?)
            }
        };
        histories.push((branch.as_str().to_owned(), loaded));
    }
    forget_others(&work.place, &histories);
    if fetched.changed {
        mirror.tidy(&watch)?;
    }
    Ok(Done { histories, bytes: mirror.bytes() })
}

/// Reads the history of a branch again that was read before; `None` if the mirror or the branch is gone.
pub(super) fn load(
    place: &Place,
    model: &Model,
    branch: &str,
    name: &str,
    stopped: &dyn Fn() -> bool,
) -> Option<Loaded> {
    let branch = BranchName::new(branch)?;
    let mirror = Mirror::at(place.mirror.clone());
    let file = file(place, branch.as_str(), mirror.mailmap().as_deref());
    read::history(&mirror, model, &branch, &file, name, &|_| {}, stopped).ok()
}

/// The name by which the `.mailmap` of a mirror knows an author; `None` if it cannot be asked.
pub(super) fn mapped(place: &Place, name: &str, email: &str) -> Option<String> {
    Mirror::at(place.mirror.clone()).mapped(name, email)
}

/// Whether the mirror holds a commit.
pub(super) fn contains(place: &Place, commit: &str) -> bool {
    Mirror::at(place.mirror.clone()).contains(commit)
}

/// Whether a name can be that of a branch.
pub(super) fn is_branch(name: &str) -> bool {
    BranchName::new(name).is_some()
}

/// Deletes all of a repository.
pub(super) fn delete(place: &Place) -> io::Result<()> {
    Mirror::at(place.histories.clone()).delete()?;
    Mirror::at(place.mirror.clone()).delete()
}

/// Ids of the repositories that something lies there of.
pub(super) fn on_disk(directory: &std::path::Path) -> Vec<i64> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let id = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_suffix(".git").or_else(|| name.strip_suffix(".history"))?.parse().ok()
    };
    let ids: BTreeSet<i64> = entries.filter_map(id).collect();
    ids.into_iter().collect()
}

/// The file of a branch's history. Its name is a hash: no name from outside becomes a path. With another `.mailmap` people
/// are others, and it is another history.
fn file(place: &Place, branch: &str, mailmap: Option<&str>) -> PathBuf {
    // No branch's name holds a zero.
    let digest = Sha256::digest(format!("{branch}\0{}", mailmap.unwrap_or_default()));
    place.histories.join(format!("{}.bin", hex::encode(&digest[..16])))
}

/// Files of branches that are not mirrored any more are of no use.
fn forget_others(place: &Place, histories: &[(String, Arc<Loaded>)]) {
    let kept: Vec<PathBuf> =
        histories.iter().map(|(branch, loaded)| file(place, branch, loaded.mailmap.as_deref())).collect();
    for entry in fs::read_dir(&place.histories).into_iter().flatten().filter_map(Result::ok) {
        if !kept.contains(&entry.path()) {
            // It only takes room; the next fetch tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn share(from: u32, to: u32, percent: u8) -> u8 {
    u8::try_from(from + (to - from) * u32::from(percent.min(100)) / 100).unwrap_or(99).min(99)
}
