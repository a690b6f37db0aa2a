//! A repository's history, as far as it was kept and from there on.

use std::{io, ops::ControlFlow, path::Path};

use super::{
    Error, Repository, Wanted,
    kept::{self, Kept},
};
use crate::{
    history::{History, Landed},
    risk::Model,
};

/// How much of a history had to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// Nothing landed since it was kept.
    Unchanged,
    /// This many changes landed since it was kept.
    Continued(u64),
    /// It was read from the beginning: this many changes.
    Anew(u64),
}

/// A history up to a tip.
#[derive(Debug)]
pub struct Mined {
    /// What is known of the main line.
    pub history: History,
    /// How much had to be read for it.
    pub fresh: Fresh,
    /// Why it could not be kept. It is whole nonetheless; next time it takes as long.
    pub unkept: Option<io::Error>,
}

/// The history up to the wanted tip, from its beginning: loaded from `file`, continued from there, and kept there again. What is in the file and does
/// not fit (another version, another model, damage, a branch that was pushed anew) costs time only. `progress` is told how many changes
/// were read and how many there are, and may end it.
///
/// # Errors
/// The tip is unknown, git fails, or `progress` ended it ([`Error::Stopped`]).
pub fn mine(
    repository: &Repository,
    wanted: &Wanted,
    model: &Model,
    file: Option<&Path>,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Mined, Error> {
    let (tip, lines) = (repository.commit(&wanted.tip)?, wanted.lines);
    let (shallow, mailmap) = (repository.shallow, repository.mailmap());
    let kept = file.and_then(kept::load).filter(|kept| kept.fits(lines, model, shallow, mailmap.as_deref()));
    let mut wanted = Wanted { tip: tip.clone(), after: None, ..wanted.clone() };
    let mut visit = |history: &mut History, landed: &Landed, done: u64, total: u64| {
        history.step(landed, model);
        progress(done, total)
    };
    let continued = match kept {
        Some(kept) if kept.tip == tip => {
            return Ok(Mined { history: kept.history, fresh: Fresh::Unchanged, unkept: None });
        }
        Some(kept) => {
            wanted.after = Some(kept.tip);
            match walk(repository, &wanted, kept.history, &mut visit) {
                Ok((history, read)) => Some((history, Fresh::Continued(read))),
                Err(Error::NotOnMainLine(_)) => None,
                Err(error) => return Err(error),
            }
        }
        None => None,
    };
    let (history, fresh) = match continued {
        Some(continued) => continued,
        None => {
            wanted.after = None;
            let (history, read) = walk(repository, &wanted, History::default(), &mut visit)?;
            (history, Fresh::Anew(read))
        }
    };
    let kept = Kept { tip, lines, model: model.version.clone(), shallow, mailmap, history };
    let unkept = file.and_then(|file| kept::save(file, &kept).err());
    Ok(Mined { history: kept.history, fresh, unkept })
}

type Visit<'a> = dyn FnMut(&mut History, &Landed, u64, u64) -> ControlFlow<()> + 'a;

fn walk(
    repository: &Repository,
    wanted: &Wanted,
    mut history: History,
    visit: &mut Visit<'_>,
) -> Result<(History, u64), Error> {
    let log = repository.landed(wanted)?;
    let total = log.total();
    let mut done = 0;
    for landed in log {
        done += 1;
        if visit(&mut history, &landed?, done, total).is_break() {
            return Err(Error::Stopped);
        }
    }
    // A share that ended too soon would look like a shorter history.
    if done == total { Ok((history, done)) } else { Err(Error::Answer("diff-tree")) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::git::{Lines, tests::Fixture};

    fn wanted(tip: &str, lines: Lines) -> Wanted {
        Wanted { tip: tip.to_owned(), after: None, lines }
    }

    fn mined(fixture: &Fixture, lines: Lines, file: &Path) -> (Fresh, u32, String) {
        let repository = Repository::open(fixture.path()).unwrap();
        let mut told = Vec::new();
        let mined = mine(&repository, &wanted("main", lines), Model::baseline(), Some(file), &mut |done, total| {
            told.push((done, total));
            ControlFlow::Continue(())
        });
        let mined = mined.unwrap();
        assert!(mined.unkept.is_none());
        let read = match mined.fresh {
            Fresh::Unchanged => 0,
            Fresh::Continued(read) | Fresh::Anew(read) => read,
        };
        assert_eq!(told, (1..=read).map(|done| (done, read)).collect::<Vec<_>>());
        (mined.fresh, mined.history.changes(), mined.history.tip().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_history_is_kept_and_continued() {
        let fixture = Fixture::new();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/history");
        fixture.write("a", "1\n").commit("Start");
        let second = fixture.write("a", "2\n").commit("Count");
        let mined = || mined(&fixture, Lines::Counted, &file);
        assert_eq!(mined(), (Fresh::Anew(2), 2, second.clone()));
        assert_eq!(mined(), (Fresh::Unchanged, 2, second.clone()));
        let third = fixture.write("a", "3\n").commit("Count on");
        assert_eq!(mined(), (Fresh::Continued(1), 3, third.clone()));
        // Pushed anew.
        fixture.git(&["reset", "-q", "--hard", &second]);
        let other = fixture.write("a", "4\n").commit("Count otherwise");
        assert_eq!(mined(), (Fresh::Anew(3), 3, other.clone()));
        // Damaged, cut off, or written by another program.
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let mut versioned = whole.clone();
        versioned[20] ^= 1;
        for bytes in [&flipped[..], &versioned, &whole[..whole.len() - 1], b"", b"mergecast"] {
            fs::write(&file, bytes).unwrap();
            assert_eq!(mined(), (Fresh::Anew(3), 3, other.clone()));
            assert_eq!(fs::read(&file).unwrap(), whole, "the same history is the same bytes");
        }
        // Without lines it is another history.
        assert_eq!(super::tests::mined(&fixture, Lines::Skipped, &file).0, Fresh::Anew(3));
        // With other names for its authors too.
        assert_eq!(mined(), (Fresh::Anew(3), 3, other.clone()));
        fixture.write(".mailmap", "Ada <ada@example.com> <old@example.com>\n");
        assert_eq!(mined(), (Fresh::Anew(3), 3, other.clone()));
        assert_eq!(mined(), (Fresh::Unchanged, 3, other.clone()));
        let left: Vec<_> =
            fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["history"]);
    }

    #[test]
    fn who_watches_can_stop() {
        let fixture = Fixture::new();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history");
        for n in 0..3 {
            fixture.write("a", format!("{n}\n")).commit("Count");
        }
        let repository = Repository::open(fixture.path()).unwrap();
        let stopped =
            mine(&repository, &wanted("main", Lines::Counted), Model::baseline(), Some(&file), &mut |_, _| {
                ControlFlow::Break(())
            });
        assert!(matches!(stopped, Err(Error::Stopped)) && !file.exists());
        // A place where nothing can be written costs time only.
        fs::write(&file, "").unwrap();
        let mined = mine(
            &repository,
            &wanted("main", Lines::Counted),
            Model::baseline(),
            Some(&file.join("x")),
            &mut |_, _| ControlFlow::Continue(()),
        );
        let mined = mined.unwrap();
        assert!(mined.unkept.is_some() && mined.history.changes() == 3);
    }
}
