//! Which change of the main line a commit belongs to, so that a revert that names a commit of a merged branch, or one by
//! the beginning of its id, undoes the change that brought it in.

use std::collections::HashMap;

use crate::{
    git::{Error, process::Git},
    history::{Claim, Landed},
};

/// Bytes of the longest object id; shorter ones are filled up with zeros.
const ID_BYTES: usize = 32;
const NOWHERE: u32 = u32::MAX;

type Id = [u8; ID_BYTES];

/// Finds what is undone. The graph of commits is read once, at the first claim that names a commit.
pub(super) struct Undone {
    git: Git,
    tip: String,
    graph: Option<Graph>,
}

impl Undone {
    pub(super) fn new(git: Git, tip: String) -> Self {
        Self { git, tip, graph: None }
    }

    /// Has each claim to undo a commit name a change of the main line, as far as there is one before this change. Where
    /// one is found, ways to name it that are less sure are dropped.
    pub(super) fn resolve(&mut self, landed: &mut Landed) -> Result<(), Error> {
        if !landed.undoes.iter().any(|claim| matches!(claim, Claim::Commit(_))) {
            return Ok(());
        }
        let graph = match &mut self.graph {
            Some(graph) => graph,
            none => none.insert(Graph::read(&self.git, &self.tip)?),
        };
        let own = graph.change_before(NOWHERE, &landed.sha).unwrap_or(NOWHERE);
        let mut found: Vec<Claim> = Vec::new();
        for claim in &landed.undoes {
            let Claim::Commit(named) = claim else { continue };
            // A commit that came and went in one merge undoes nothing that was there before.
            let Some(place) = graph.change_before(own, named) else { continue };
            let change = Claim::Commit(graph.main_line(place));
            if !found.contains(&change) {
                found.push(change);
            }
        }
        if !found.is_empty() {
            landed.undoes = found;
        }
        Ok(())
    }
}

/// All commits that lead to the tip.
struct Graph {
    ids: Vec<Id>,
    /// Positions in `ids`, by id.
    sorted: Vec<u32>,
    /// For each commit the place on the main line of the change that brought it in.
    brought_by: Vec<u32>,
    /// Positions in `ids` of the main line, oldest first.
    line: Vec<u32>,
    /// Digits of an object id of this repository.
    digits: usize,
}

impl Graph {
    fn read(git: &Git, tip: &str) -> Result<Self, Error> {
        const UNREADABLE: Error = Error::Answer("rev-list");
        let listed = git.run(&["rev-list", "--parents", tip])?;
        let listed = std::str::from_utf8(&listed).map_err(|_| UNREADABLE)?;
        let mut ids: Vec<Id> = Vec::new();
        let mut positions: HashMap<Id, u32> = HashMap::new();
        // Of each commit: where its parents begin in `parents`, and how many there are.
        let mut spans: Vec<(u32, u32)> = Vec::new();
        let mut parents: Vec<u32> = Vec::new();
        for line in listed.lines() {
            let mut first = None;
            let begin = parents.len() as u32;
            for word in line.split(' ') {
                let id = id(word).ok_or(UNREADABLE)?;
                let position = *positions.entry(id).or_insert_with(|| {
                    ids.push(id);
                    spans.push((0, 0));
                    ids.len() as u32 - 1
                });
                match first {
                    None => first = Some(position),
                    Some(_) => parents.push(position),
                }
            }
            let commit = first.ok_or(UNREADABLE)? as usize;
            spans[commit] = (begin, parents.len() as u32 - begin);
        }
        drop(positions);
        let parents_of = |position: u32| {
            let (begin, count) = spans[position as usize];
            &parents[begin as usize..(begin + count) as usize]
        };
        let mut line = Vec::new();
        let mut next = (!ids.is_empty()).then_some(0);
        while let Some(position) = next {
            line.push(position);
            next = parents_of(position).first().copied();
        }
        line.reverse();
        let brought_by = brought_by(ids.len(), &line, parents_of);
        let mut sorted: Vec<u32> = (0..ids.len() as u32).collect();
        sorted.sort_unstable_by_key(|position| ids[*position as usize]);
        Ok(Self { ids, sorted, brought_by, line, digits: tip.len() })
    }

    /// Place on the main line of the change that brought in the commit of this id, or with this beginning if only one that
    /// came before the change at `own` has it. What came later could not be meant.
    fn change_before(&self, own: u32, named: &str) -> Option<u32> {
        if named.len() > self.digits {
            return None;
        }
        let lowest = id(named)?;
        let begins = |position: &&u32| {
            let id = &self.ids[**position as usize];
            let (bytes, odd) = (named.len() / 2, named.len() % 2 == 1);
            id[..bytes] == lowest[..bytes] && (!odd || id[bytes] >> 4 == lowest[bytes] >> 4)
        };
        let at = self.sorted.partition_point(|position| self.ids[*position as usize] < lowest);
        let alike = self.sorted[at..].iter().take_while(begins);
        let mut before = alike.map(|position| self.brought_by[*position as usize]).filter(|place| *place < own);
        let found = before.next()?;
        before.next().is_none().then_some(found)
    }

    /// Object id of the change at a place of the main line.
    fn main_line(&self, place: u32) -> String {
        let mut text = hex::encode(self.ids[self.line[place as usize] as usize]);
        text.truncate(self.digits);
        text
    }
}

/// Walks the main line from its beginning: what leads to a change and to none before it came with it.
fn brought_by<'a>(commits: usize, line: &[u32], parents_of: impl Fn(u32) -> &'a [u32]) -> Vec<u32> {
    let mut brought_by = vec![NOWHERE; commits];
    for (place, position) in line.iter().enumerate() {
        brought_by[*position as usize] = place as u32;
    }
    let mut waiting = Vec::new();
    for (place, position) in line.iter().enumerate() {
        waiting.extend(parents_of(*position).iter().skip(1).copied());
        while let Some(position) = waiting.pop() {
            if brought_by[position as usize] == NOWHERE {
                brought_by[position as usize] = place as u32;
                waiting.extend(parents_of(position));
            }
        }
    }
    brought_by
}

/// An object id, or the beginning of one, as bytes.
fn id(digits: &str) -> Option<Id> {
    if digits.len() > ID_BYTES * 2 {
        return None;
    }
    let mut id = [0; ID_BYTES];
    for (at, digit) in digits.chars().enumerate() {
        let digit = u8::try_from(digit.to_digit(16)?).ok()?;
        id[at / 2] |= if at % 2 == 0 { digit << 4 } else { digit };
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_means_what_had_it_then() {
        // On the main line 0, 1, 2, 3; what begins alike came with 0 and with 2.
        let ids: Vec<Id> = ["aaaaaaa1", "bbbbbbb0", "aaaaaaa2", "cccccccc"].map(|digits| id(digits).unwrap()).into();
        let mut sorted: Vec<u32> = (0..4).collect();
        sorted.sort_unstable_by_key(|position| ids[*position as usize]);
        let graph = Graph { ids, sorted, brought_by: vec![0, 1, 2, 3], line: vec![0, 1, 2, 3], digits: 40 };
        let check = |own: u32, named: &str, expected: Option<u32>| {
            assert_eq!(graph.change_before(own, named), expected, "{named} before {own}");
        };
        check(1, "aaaaaaa", Some(0));
        check(2, "aaaaaaa", Some(0));
        check(3, "aaaaaaa", None);
        check(3, "aaaaaaa2", Some(2));
        check(2, "aaaaaaa2", None);
        check(3, "bbbbbbb", Some(1));
        check(NOWHERE, "ccccccc", Some(3));
        check(NOWHERE, "ddddddd", None);
    }
}
