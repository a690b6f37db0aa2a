//! Which file of the repository a report means. A path and a file fit if one is the end of the other, whole directories
//! only. A path that fits exactly one file is that file, unless nine in ten of the others went another way (the same
//! beginning taken away, the same put before) and more is taken away of this one. One that fits several goes their way;
//! where that does not tell, it is left out and counted.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Share of the paths that fit one file only which must agree before the others follow them: nine in ten.
const AGREE: (usize, usize) = (9, 10);
/// Names that are told of each kind.
pub(super) const TOLD: usize = 5;

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
        let (mut sole, mut open) = (Vec::new(), Vec::new());
        for path in paths {
            match self.candidates(path) {
                Candidates::None => fitted.strange += 1,
                Candidates::One(file) => {
                    let way = way(path, &file);
                    *ways.entry(way.clone()).or_default() += 1;
                    sole.push((path, file, way));
                }
                Candidates::Several => open.push(path),
            }
        }
        let voters: usize = ways.values().sum();
        let agreed = ways.iter().find(|(_, votes)| *votes * AGREE.1 >= voters * AGREE.0).map(|(way, _)| way);
        let mut by_file: BTreeMap<String, Vec<(&str, &Way)>> = BTreeMap::new();
        for (path, file, way) in &sole {
            // Of another place than the others, somebody else's file may end like one of these.
            let strays = !way.0.is_empty() && agreed.is_some_and(|agreed| agreed != way);
            if strays { fitted.leave_out(path) } else { by_file.entry(file.clone()).or_default().push((path, way)) }
        }
        for path in open {
            match agreed.and_then(|way| Some((self.along(path, way)?, way))) {
                Some((file, way)) => by_file.entry(file).or_default().push((path, way)),
                None => fitted.leave_out(path),
            }
        }
        for (file, paths) in by_file {
            fitted.settle(file, paths, &ways);
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
    fn along(&self, path: &str, (from, to): &Way) -> Option<String> {
        let rest = if from.is_empty() { path } else { path.strip_prefix(from)?.strip_prefix('/')? };
        let file = if to.is_empty() { rest.to_owned() } else { format!("{to}/{rest}") };
        self.files.contains(&file).then_some(file)
    }
}

impl Fitted {
    fn leave_out(&mut self, path: &str) {
        self.ambiguous += 1;
        if self.ambiguous_paths.len() < TOLD {
            self.ambiguous_paths.push(path.to_owned());
        }
    }

    /// Where paths come to one file by several ways, those that most files went are right; a way of a single file is no
    /// better than another.
    fn settle(&mut self, file: String, paths: Vec<(&str, &Way)>, ways: &BTreeMap<Way, usize>) {
        let votes = |way: &Way| ways.get(way).copied().unwrap_or(0);
        let most = paths.iter().map(|(_, way)| votes(way)).max().unwrap_or(0);
        let is_one_way = paths.iter().all(|(_, way)| *way == paths[0].1);
        let mut kept = Vec::new();
        for (path, way) in paths {
            if is_one_way || votes(way) == most && most > 1 {
                kept.push(path.to_owned());
            } else {
                self.leave_out(path);
            }
        }
        if !kept.is_empty() {
            self.by_file.insert(file, kept);
        }
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
    fn foreign_code_that_ends_like_a_file_is_not_that_file() {
        let tree = ["main.go", "cart.go"];
        let foreign = "github.com/dep/tool/cmd/main.go";
        // Beside the own one, and alone where the others agree.
        check(&tree, &["example.com/shop/main.go", foreign], &[], 2, 0);
        let own = ("example.com/shop/cart.go", "cart.go");
        let main = ("example.com/shop/main.go", "main.go");
        check(&tree, &["example.com/shop/cart.go", "example.com/shop/main.go", foreign], &[own, main], 1, 0);
        let many: Vec<String> = (0..9).map(|n| format!("a{n}.go")).collect();
        let files: Vec<&str> = many.iter().map(String::as_str).chain(tree).collect();
        let paths: Vec<&str> = many.iter().map(String::as_str).chain([foreign]).collect();
        let expected: Vec<(&str, &str)> = many.iter().map(|file| (file.as_str(), file.as_str())).collect();
        check(&files, &paths, &expected, 1, 0);
        // One report may have its files by two names.
        let twice = ["cart.go", "main.go", "w/cart.go", "w/main.go"];
        let expected =
            [("cart.go", "cart.go"), ("main.go", "main.go"), ("w/cart.go", "cart.go"), ("w/main.go", "main.go")];
        check(&tree, &twice, &expected, 0, 0);
    }

    #[test]
    fn many_files_of_one_name_cost_little() {
        let tree = Tree::of((0..20_000).map(|i| format!("packages/p{i}/index.js")));
        let paths: Vec<String> = (0..20_000).map(|i| format!("w/packages/p{i}/index.js")).collect();
        let fitted = tree.fit(paths.iter().map(String::as_str).chain(["index.js"]));
        assert_eq!((fitted.by_file.len(), fitted.ambiguous, fitted.strange), (20_000, 1, 0));
    }
}
