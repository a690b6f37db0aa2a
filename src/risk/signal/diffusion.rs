//! Diffusion: over how many files, directories and parts of the system a change is spread.

use std::collections::HashSet;

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::{diff::View, paths};

pub(super) static SIGNAL: Signal = Signal {
    id: "diffusion",
    label: "spread",
    unit: Unit::Count,
    why: "A change in many places needs knowledge of all of them.",
    terms: &[
        Term { id: "diffusion.files", transform: "ln(1 + effective files)" },
        Term { id: "diffusion.directories", transform: "ln(1 + directories of these files)" },
        Term { id: "diffusion.subsystems", transform: "ln(1 + top-level directories, two levels in monorepos)" },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    if let Some(unknown) = view.unread() {
        return Err(unknown);
    }
    let [files, directories, subsystems] = spread(view.counted().map(|(file, _)| file.path.as_str()));
    let mut evidence = vec![Evidence::Spread { files, directories, subsystems }];
    evidence.extend(view.partly());
    Ok(Measure { value: files as f64, terms: vec![ln1p(files), ln1p(directories), ln1p(subsystems)], evidence })
}

/// How many files these are, in how many directories and subsystems.
pub(super) fn spread<'a>(paths: impl Iterator<Item = &'a str>) -> [u64; 3] {
    let (mut files, mut last) = (0, None);
    let (mut directories, mut subsystems) = (HashSet::new(), HashSet::new());
    for path in paths {
        files += 1;
        let directory = paths::directory_of(path);
        // Files of a directory mostly stand together.
        if last != Some(directory) {
            directories.insert(directory);
            subsystems.insert(paths::subsystem_of(path));
            last = Some(directory);
        }
    }
    [files, directories.len() as u64, subsystems.len() as u64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::stories::{file, pull_request};

    #[test]
    fn counts_files_directories_and_subsystems() {
        let check = |paths: &[&str], expected: [u64; 3]| {
            let files = paths.iter().map(|path| file(path, 1, 0)).collect();
            let facts = pull_request("x", files);
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert_eq!(measure.terms, expected.map(ln1p), "{paths:?}");
        };
        check(&[], [0, 0, 0]);
        check(&["a.rs", "b.rs"], [2, 1, 1]);
        check(&["src/x/a.rs", "src/y/b.rs", "src/y/c.rs"], [3, 2, 1]);
        check(&["packages/a/x.ts", "packages/b/y.ts"], [2, 2, 2]);
        check(&["src/a.rs", "Cargo.lock", "vendor/x.go"], [1, 1, 1]);
    }
}
