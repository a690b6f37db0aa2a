//! Changes for the tests of this module.

use crate::history::{Author, Landed, LandedFile};

/// A change by author 1 that landed at `at` (unix seconds): path, added and deleted lines of each file.
pub(super) fn landed(at: i64, files: &[(&str, u64, u64)]) -> Landed {
    let file = |&(path, added, deleted): &(&str, u64, u64)| LandedFile {
        removed: false,
        path: path.to_owned(),
        previous_path: None,
        added,
        deleted,
    };
    Landed {
        contact: None,
        written: None,
        lines: true,
        sha: format!("{at:040x}"),
        at,
        author: Author(1),
        pull_request: None,
        revision: None,
        title: "Change".to_owned(),
        bot: false,
        revert: false,
        reland: false,
        merge: false,
        undoes: Vec::new(),
        files: files.iter().map(file).collect(),
        files_total: files.len() as u64,
        added: files.iter().map(|file| file.1).sum(),
        deleted: files.iter().map(|file| file.2).sum(),
    }
}
