//! The rules about the code, as tests: layers, sizes, forbidden calls and words, names, reachability, migrations.
//!
//! A rule is a function from a file, or from all files, to findings. To add one, write it in `code.rs` (it reads tokens)
//! or `tree.rs` (it reads text and paths), name it in `findings` below, and prove in `bites.rs` that it bites.

mod bites;
mod code;
mod tokens;
mod tree;

use std::fmt;
use std::path::Path;
use std::process::Command;

/// One place where a rule is broken.
#[derive(Debug)]
struct Finding {
    file: String,
    /// 1 for the first line; 0 where the whole file is meant.
    line: usize,
    what: String,
    hint: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = if self.line == 0 { String::new() } else { format!(":{}", self.line) };
        write!(f, "{}{line}: {}\n    hint: {}", self.file, self.what, self.hint)
    }
}

/// A tracked text file: its path from the repository's root, with forward slashes, and what it says.
struct File {
    path: String,
    text: String,
}

impl File {
    fn finding(&self, line: usize, what: impl Into<String>, hint: &'static str) -> Finding {
        Finding { file: self.path.clone(), line, what: what.into(), hint }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The module below `src/` that this file belongs to, such as `risk`; none for `lib.rs`, `main.rs` and other folders.
    fn module(&self) -> Option<&str> {
        let first = self.path.strip_prefix("src/")?.split('/').next()?;
        let name = first.strip_suffix(".rs").unwrap_or(first);
        (!matches!(name, "lib" | "main")).then_some(name)
    }
}

#[test]
fn the_code_keeps_its_rules() {
    let found = findings(&tracked_files());
    let lines: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert!(found.is_empty(), "{} broken rules\n{}", found.len(), lines.join("\n"));
}

fn findings(files: &[File]) -> Vec<Finding> {
    let only_for_tests = tree::test_modules(files);
    let mut found = Vec::new();
    for file in files {
        found.extend(tree::words(file));
        if file.is_rust() {
            found.extend(tree::size(file));
            found.extend(tree::opening(file));
            found.extend(code::findings(file, only_for_tests.iter().any(|module| module.holds(&file.path))));
        }
    }
    found.extend(tree::names(files));
    found.extend(tree::reachable(files));
    found.extend(tree::migrations(files));
    found
}

/// All text files that git knows or would take in.
fn tracked_files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("tidy asks git which files there are");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let paths = String::from_utf8(listed.stdout).expect("paths here are UTF-8");
    let read = |path: &str| {
        // Listed but deleted, or not text: nothing to read.
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        Some(File { path: path.to_owned(), text })
    };
    paths.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect()
}
