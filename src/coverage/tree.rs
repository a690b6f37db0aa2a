//! Which file of the repository a report means. A path and a file fit if one is the end of the other, whole directories
//! only. A path that fits exactly one file is that file. One that fits several goes the way that nine in ten of the others
//! went (the same beginning taken away, the same put before); where that does not tell, it is left out and counted.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Share of the paths that fit one file only which must agree before the others follow them: nine in ten.
const AGREE: (usize, usize) = (9, 10);
/// Names that are told of each kind.
const TOLD: usize = 5;

/// The files of a repository at one commit.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: HashSet<String>,
    /// Each file with the order of its parts turned round, sorted: what ends alike stands together.
    turned: Vec<(String, String)>,
}

/// Which file each path of a report is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// Paths of the report, by the file that they are.
    pub by_file: HashMap<String, Vec<String>>,
    /// Paths that fit several files.
    pub ambiguous: u64,
    /// The first of those, in order.
    pub ambiguous_paths: Vec<String>,
    /// Paths that fit no file: generated, or of somebody else's code.
    pub strange: u64,
}

/// How a path becomes a file's: what is taken away in front, and what is put there.
type Way = (String, String);

impl Tree {
    /// A tree of these files.
    pub fn of(files: impl IntoIterator<Item = String>) -> Self {
        let files: HashSet<String> = files.into_iter().collect();
        let mut turned: Vec<(String, String)> = files.iter().map(|file| (turned(file), file.clone())).collect();
        turned.sort();
        Self { files, turned }
    }

    /// How many files it has.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Finds the file of each path.
    pub fn fit<'a>(&self, paths: impl Iterator<Item = &'a str>) -> Fitted {
        let mut fitted = Fitted::default();
        let mut ways: BTreeMap<Way, usize> = BTreeMap::new();
        let mut open = Vec::new();
        for path in paths {
            match self.candidates(path) {
                Candidates::None => fitted.strange += 1,
                Candidates::One(file) => {
                    *ways.entry(way(path, &file)).or_default() += 1;
                    fitted.by_file.entry(file).or_default().push(path.to_owned());
                }
                Candidates::Several => open.push(path),
            }
        }
        let voters: usize = ways.values().sum();
        let agreed = ways.into_iter().find(|(_, votes)| votes * AGREE.1 >= voters * AGREE.0);
        for path in open {
            match agreed.as_ref().and_then(|((from, to), _)| self.along(path, from, to)) {
                Some(file) => fitted.by_file.entry(file).or_default().push(path.to_owned()),
                None => {
                    fitted.ambiguous += 1;
                    if fitted.ambiguous_paths.len() < TOLD {
                        fitted.ambiguous_paths.push(path.to_owned());
                    }
                }
            }
        }
        fitted
    }

    fn candidates(&self, path: &str) -> Candidates {
        // The path itself, and what is left of it without each of its first parts.
        let ends = std::iter::once(path).chain(path.match_indices('/').map(|(at, _)| &path[at + 1..]));
        let mut found = ends.filter(|end| self.files.contains(*end)).map(str::to_owned);
        let (first, second) = (found.next(), found.next());
        if second.is_some() {
            return Candidates::Several;
        }
        // Files that end in the path.
        let head = turned(path) + "/";
        let from = self.turned.partition_point(|(turned, _)| *turned < head);
        let mut longer = self.turned[from..].iter().take_while(|(turned, _)| turned.starts_with(&head));
        match (first, longer.next(), longer.next()) {
            (None, None, _) => Candidates::None,
            (Some(file), None, _) => Candidates::One(file),
            (None, Some((_, file)), None) => Candidates::One(file.clone()),
            _ => Candidates::Several,
        }
    }

    /// The file that a path is if it goes this way.
    fn along(&self, path: &str, from: &str, to: &str) -> Option<String> {
        let rest = if from.is_empty() { path } else { path.strip_prefix(from)?.strip_prefix('/')? };
        let file = if to.is_empty() { rest.to_owned() } else { format!("{to}/{rest}") };
        self.files.contains(&file).then_some(file)
    }
}

enum Candidates {
    None,
    One(String),
    Several,
}

fn turned(path: &str) -> String {
    let parts: Vec<&str> = path.rsplit('/').collect();
    parts.join("/")
}

/// What was taken away from a path, or put before it, to be the file; one of them is the end of the other.
fn way(path: &str, file: &str) -> Way {
    let front = |whole: &str, end: &str| whole.strip_suffix(end).unwrap_or("").trim_end_matches('/').to_owned();
    if path.len() >= file.len() { (front(path, file), String::new()) } else { (String::new(), front(file, path)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tree: &[&str], paths: &[&str], expected: &[(&str, &str)], ambiguous: u64, strange: u64) {
        let tree = Tree::of(tree.iter().map(|file| (*file).to_owned()));
        let fitted = tree.fit(paths.iter().copied());
        let mut pairs: Vec<(&str, &str)> = fitted
            .by_file
            .iter()
            .flat_map(|(file, paths)| paths.iter().map(move |path| (path.as_str(), file.as_str())))
            .collect();
        pairs.sort_unstable();
        assert_eq!((pairs.as_slice(), fitted.ambiguous, fitted.strange), (expected, ambiguous, strange), "{paths:?}");
    }

    #[test]
    fn the_tree_says_which_file_is_meant() {
        let tree = ["src/a.rs", "src/b.rs", "shop/src/main.rs", "src/main.rs", "README.md"];
        // As it stands, below the runner's directory, and below a package's root.
        check(&tree, &["src/a.rs"], &[("src/a.rs", "src/a.rs")], 0, 0);
        check(&tree, &["home/ci/shop/shop/src/a.rs"], &[("home/ci/shop/shop/src/a.rs", "src/a.rs")], 0, 0);
        check(&tree, &["a.rs"], &[("a.rs", "src/a.rs")], 0, 0);
        // Only whole directories count.
        check(&tree, &["xsrc/a.rs", "rc/a.rs"], &[], 0, 2);
        check(&["src/a.rs"], &["src/ba.rs", "usr/include/stdio.h"], &[], 0, 2);
    }

    #[test]
    fn what_fits_several_files_follows_the_others_or_is_left_out() {
        let tree = ["src/a.rs", "src/b.rs", "src/main.rs", "shop/src/main.rs"];
        check(&tree, &["src/main.rs"], &[], 1, 0);
        check(&tree, &["w/shop/src/main.rs"], &[], 1, 0);
        check(&tree, &["src/a.rs", "src/main.rs"], &[("src/a.rs", "src/a.rs"), ("src/main.rs", "src/main.rs")], 0, 0);
        check(
            &tree,
            &["w/shop/src/a.rs", "w/shop/src/main.rs", "w/shop/shop/src/main.rs"],
            &[
                ("w/shop/shop/src/main.rs", "shop/src/main.rs"),
                ("w/shop/src/a.rs", "src/a.rs"),
                ("w/shop/src/main.rs", "src/main.rs"),
            ],
            0,
            0,
        );
        // Two ways are no agreement.
        let modules = ["one/src/A.java", "one/src/M.java", "two/src/B.java", "two/src/M.java"];
        check(
            &modules,
            &["A.java", "B.java", "M.java"],
            &[("A.java", "one/src/A.java"), ("B.java", "two/src/B.java")],
            1,
            0,
        );
    }

    #[test]
    fn many_files_of_one_name_cost_little() {
        let tree = Tree::of((0..20_000).map(|i| format!("packages/p{i}/index.js")));
        let paths: Vec<String> = (0..20_000).map(|i| format!("w/packages/p{i}/index.js")).collect();
        let fitted = tree.fit(paths.iter().map(String::as_str).chain(["index.js"]));
        assert_eq!((fitted.by_file.len(), fitted.ambiguous, fitted.strange), (20_000, 1, 0));
    }
}
