//! Into which parts a change could be taken apart so that no part lies where another does. It says which files belong
//! together; what that would be worth is found by scoring the parts.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    facts::{Change, ChangeState, Declared, FileChange},
    paths::{self, PathKind, kind_of},
    series::{FILES_MAX, Place, Places},
};

/// Parts at most: who takes a change apart wants a few that can be told from one another.
const PARTS_MAX: usize = 4;

/// Paths of the changed files, part by part, largest first, each part in the order of the change. Files of one service, or of
/// one part of the system, stay together; tests, documentation and what machines write go with the source that they
/// are about. Empty where there are no two parts.
pub fn parts(change: &Change, declared: &Declared) -> Vec<Vec<String>> {
    let whole = change.files.len() as u64 == change.files_total && change.files_total <= FILES_MAX;
    let undoes = matches!(change.revert, Ok(Some(_)));
    if !whole || undoes || change.merge_group.is_some() || change.state != ChangeState::Open {
        return Vec::new();
    }
    let mut parts = by_place(&change.files, declared);
    if parts.len() < 2 {
        return Vec::new();
    }
    // The largest first; the sort keeps the order of the change among equals.
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    for file in change.files.iter().filter(|file| !leads(file)) {
        let part = belongs_with(file, &parts);
        parts[part].push(file);
    }
    let rest = parts.split_off(parts.len().min(PARTS_MAX));
    if let Some(last) = parts.last_mut() {
        last.extend(rest.into_iter().flatten());
    }
    let place: BTreeMap<&str, usize> = (0..).zip(&change.files).map(|(at, file)| (file.path.as_str(), at)).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    let in_order = |mut part: Vec<&FileChange>| {
        part.sort_by_key(|file| place[file.path.as_str()]);
        part.into_iter().map(|file| file.path.clone()).collect()
    };
    parts.into_iter().map(in_order).collect()
}

/// Whether a file makes a part; the others go with one that does.
fn leads(file: &FileChange) -> bool {
    use PathKind::{Ci, Infrastructure, Migration, Source};
    matches!(kind_of(&file.path), Source | Migration | Infrastructure | Ci)
}

/// Files that lead, put together wherever two of them share a place.
fn by_place<'a>(files: &'a [FileChange], declared: &Declared) -> Vec<Vec<&'a FileChange>> {
    let services = Places::of(declared);
    let mut groups: Vec<(BTreeSet<Place>, Vec<&FileChange>)> = Vec::new();
    for file in files.iter().filter(|file| leads(file)) {
        let mut places: BTreeSet<Place> = services.of_file(&file.path).into_iter().collect();
        let mut together = Vec::new();
        groups.retain_mut(|(theirs, group)| {
            let apart = theirs.is_disjoint(&places);
            if !apart {
                places.append(theirs);
                together.append(group);
            }
            apart
        });
        together.push(file);
        groups.push((places, together));
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The part that a file goes with: that of a file which is named like it, then that which lies nearest, then the largest.
fn belongs_with(file: &FileChange, parts: &[Vec<&FileChange>]) -> usize {
    let stem = stem_of(&file.path);
    let named = |part: &Vec<&FileChange>| part.iter().any(|other| leads(other) && stem_of(&other.path) == stem);
    let near = |part: &Vec<&FileChange>| {
        part.iter().filter(|other| leads(other)).map(|other| shared(&file.path, &other.path)).max().unwrap_or(0)
    };
    let best = |(at, part): (usize, &Vec<&FileChange>)| (named(part), near(part), std::cmp::Reverse(at));
    parts.iter().enumerate().max_by_key(|each| best(*each)).map_or(0, |(at, _)| at)
}

/// How many directories two paths have in common.
fn shared(one: &str, other: &str) -> usize {
    let directories = |path| paths::directory_of(path).split('/').filter(|part| !part.is_empty());
    directories(one).zip(directories(other)).take_while(|(one, other)| one == other).count()
}

/// `cart` of `src/cart.rs`, `tests/cart_test.rs`, `web/cart.spec.ts` and `docs/Cart.md`.
fn stem_of(path: &str) -> String {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name).to_lowercase();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or_default();
    let stem = stem.strip_prefix("test_").unwrap_or(stem);
    ["_test", "-test", "_tests", "_spec", "-spec"]
        .iter()
        .find_map(|ending| stem.strip_suffix(ending))
        .unwrap_or(stem)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::stories::{file, pull_request};

    fn of(files: &[&str]) -> Vec<Vec<String>> {
        let mut facts = pull_request("x", files.iter().map(|path| file(path, 10, 2)).collect());
        facts.declared.services.insert("pay".into(), vec!["apps/pay/**".into(), "db/pay/*.sql".into()]);
        parts(&facts.change, &facts.declared)
    }

    #[test]
    fn parts_lie_apart_and_take_along_what_is_about_them() {
        let check = |files: &[&str], expected: &[&[&str]]| assert_eq!(of(files), expected, "{files:?}");
        check(&[], &[]);
        check(&["src/a.rs", "src/deep/b.rs"], &[]);
        check(&["src/a.rs", "tests/a.rs", "docs/a.md", "Cargo.lock"], &[]);
        check(&["api/a.rs", "web/b.ts", "web/c.ts"], &[&["web/b.ts", "web/c.ts"], &["api/a.rs"]]);
        // One service in two places, another beside it.
        check(
            &["db/pay/1.sql", "apps/web/a.ts", "apps/pay/a.ts"],
            &[&["db/pay/1.sql", "apps/pay/a.ts"], &["apps/web/a.ts"]],
        );
        // By name, by nearness, and what is of everything with the largest.
        check(
            &["tests/cart_test.rs", "README.md", "api/cart.rs", "web/page.ts", "web/docs/page.md", "web/b.ts"],
            &[&["README.md", "web/page.ts", "web/docs/page.md", "web/b.ts"], &["tests/cart_test.rs", "api/cart.rs"]],
        );
        check(
            &["a/x.rs", "b/x.rs", "c/x.rs", "d/x.rs", "e/x.rs", "a/y.rs", "a/z.rs"],
            &[&["a/x.rs", "a/y.rs", "a/z.rs"], &["d/x.rs", "e/x.rs"], &["b/x.rs"], &["c/x.rs"]],
        );
    }

    #[test]
    fn some_changes_are_not_taken_apart() {
        let mut facts = pull_request("x", vec![file("api/a.rs", 1, 0), file("web/b.ts", 1, 0)]);
        assert_eq!(parts(&facts.change, &facts.declared).len(), 2);
        facts.change.files_total = 3;
        assert_eq!(parts(&facts.change, &facts.declared), Vec::<Vec<String>>::new(), "not all files are known");
        facts.change.files_total = 2;
        facts.change.state = ChangeState::Merged;
        assert_eq!(parts(&facts.change, &facts.declared), Vec::<Vec<String>>::new());
    }
}
