//! The patterns of a file that can match some given paths, in one automaton over path segments: a path is walked once,
//! however many rules there are. Literal segments are hash look-ups; wildcards are indexed by the text that they begin
//! or end with. What remains is counted against a budget, so that no file can make matching slow.

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

use super::{
    TooComplex,
    pattern::{Extent, Pattern, Piece, Segment, plain},
};

/// Steps that matching all paths of one change may take: about a tenth of a second.
const STEPS_MAX: u64 = 20_000_000;

const ROOT: StateId = 0;

type StateId = u32;
type SegmentId = u32;
/// Number of a rule plus one; 0 is none. Later rules are greater.
type Rank = u32;

/// The automaton.
pub(super) struct Index<'p> {
    states: Vec<State>,
    edges: HashMap<(StateId, SegmentId), StateId>,
    /// Every segment of the paths.
    literals: HashMap<&'p str, SegmentId>,
    wilds: Wilds,
    segments: SegmentId,
    rules: Rank,
}

#[derive(Debug, Default)]
struct State {
    /// Best rule for a path that ends here.
    exact: Rank,
    /// Best rule for a path that goes on from here.
    below: Rank,
    /// The state that stays active at any depth below this one (`**`).
    any_depth: Option<StateId>,
    /// Stays active whatever follows.
    stays: bool,
}

/// Wildcard segments, by what finds them.
#[derive(Debug, Default)]
struct Wilds {
    ids: HashMap<Vec<Piece>, SegmentId>,
    /// `*`
    all: Option<SegmentId>,
    /// `*text`
    suffixes: HashMap<String, SegmentId>,
    suffix_lengths: BTreeSet<usize>,
    /// `text*`
    prefixes: HashMap<String, SegmentId>,
    prefix_lengths: BTreeSet<usize>,
    others: Vec<(Vec<Piece>, SegmentId)>,
}

impl<'p> Index<'p> {
    /// An index without rules that can answer for these paths and no others.
    pub(super) fn for_paths(paths: impl Iterator<Item = &'p str>) -> Self {
        let mut literals = HashMap::new();
        for segment in paths.flat_map(|path| path.split('/')) {
            let next = literals.len() as SegmentId;
            literals.entry(segment).or_insert(next);
        }
        Self {
            states: vec![State::default()],
            edges: HashMap::new(),
            segments: literals.len() as SegmentId,
            literals,
            wilds: Wilds::default(),
            rules: 0,
        }
    }

    /// Adds the next rule by its pattern, which must be valid.
    pub(super) fn add(&mut self, source: &str) {
        self.rules += 1;
        let Some(pattern) = Pattern::parse(source, |segment| self.literals.contains_key(segment)) else { return };
        let mut state = ROOT;
        for segment in &pattern.segments {
            state = match segment {
                Segment::AnyDepth => self.any_depth(state),
                Segment::Literal(text) => self.edge(state, self.literals[text.as_ref()]),
                Segment::Wild(pieces) => {
                    let id = self.wilds.id(pieces, &mut self.segments);
                    self.edge(state, id)
                }
            };
        }
        let rank = self.rules;
        let end = &mut self.states[state as usize];
        if matches!(pattern.extent, Extent::Exact | Extent::ExactAndBelow) {
            end.exact = rank;
        }
        if matches!(pattern.extent, Extent::Below | Extent::ExactAndBelow) {
            end.below = rank;
        }
    }

    pub(super) fn matcher(&self) -> Matcher<'_, 'p> {
        Matcher { index: self, directories: HashMap::new(), wilds: HashMap::new(), steps_left: STEPS_MAX }
    }

    fn any_depth(&mut self, state: StateId) -> StateId {
        if self.states[state as usize].stays {
            return state;
        }
        if let Some(existing) = self.states[state as usize].any_depth {
            return existing;
        }
        let id = self.new_state(State { stays: true, ..State::default() });
        self.states[state as usize].any_depth = Some(id);
        id
    }

    fn edge(&mut self, from: StateId, segment: SegmentId) -> StateId {
        if let Some(&to) = self.edges.get(&(from, segment)) {
            return to;
        }
        let to = self.new_state(State::default());
        self.edges.insert((from, segment), to);
        to
    }

    fn new_state(&mut self, state: State) -> StateId {
        self.states.push(state);
        (self.states.len() - 1) as StateId
    }
}

impl Wilds {
    fn id(&mut self, pieces: &[Piece], segments: &mut SegmentId) -> SegmentId {
        if let Some(&id) = self.ids.get(pieces) {
            return id;
        }
        let id = *segments;
        *segments += 1;
        self.ids.insert(pieces.to_vec(), id);
        match pieces {
            [Piece::Many] => self.all = Some(id),
            [Piece::Many, rest @ ..] if let Some(text) = plain(rest) => {
                self.suffix_lengths.insert(text.len());
                self.suffixes.insert(text, id);
            }
            [rest @ .., Piece::Many] if let Some(text) = plain(rest) => {
                self.prefix_lengths.insert(text.len());
                self.prefixes.insert(text, id);
            }
            _ => self.others.push((pieces.to_vec(), id)),
        }
        id
    }

    /// Every wildcard that matches the segment, and the steps it took to find them; wrong if it took more than `most`.
    fn matching(&self, segment: &str, most: u64) -> (Vec<SegmentId>, u64) {
        let mut found: Vec<SegmentId> = self.all.into_iter().collect();
        let mut steps = 1;
        for &length in self.suffix_lengths.range(..=segment.len()) {
            steps += 1;
            let suffix = segment.get(segment.len() - length..);
            found.extend(suffix.and_then(|suffix| self.suffixes.get(suffix)));
        }
        for &length in self.prefix_lengths.range(..=segment.len()) {
            steps += 1;
            let prefix = segment.get(..length);
            found.extend(prefix.and_then(|prefix| self.prefixes.get(prefix)));
        }
        if !self.others.is_empty() {
            let chars: Vec<char> = segment.chars().collect();
            for (pieces, id) in &self.others {
                if matches(pieces, &chars, &mut steps, most) {
                    found.push(*id);
                }
                if steps > most {
                    break;
                }
            }
        }
        (found, steps)
    }
}

/// Whether the pieces match the whole text; on a mismatch only the last `*` is tried again, so the work is at most
/// pieces times characters. Gives up after `most` steps.
fn matches(pieces: &[Piece], text: &[char], steps: &mut u64, most: u64) -> bool {
    let (mut piece, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() && *steps <= most {
        *steps += 1;
        match pieces.get(piece) {
            Some(Piece::Many) => {
                retry = Some((piece, at));
                piece += 1;
            }
            Some(Piece::One) => (piece, at) = (piece + 1, at + 1),
            Some(Piece::Char(c)) if *c == text[at] => (piece, at) = (piece + 1, at + 1),
            _ => match &mut retry {
                Some((many, start)) => {
                    *start += 1;
                    (piece, at) = (*many + 1, *start);
                }
                None => return false,
            },
        }
    }
    *steps += 1;
    pieces[piece..].iter().all(|piece| *piece == Piece::Many)
}

/// Matches paths against an index, remembering directories and names seen before.
pub(super) struct Matcher<'i, 'p> {
    index: &'i Index<'p>,
    directories: HashMap<String, Rc<Position>>,
    wilds: HashMap<String, Rc<[SegmentId]>>,
    steps_left: u64,
}

/// Where the automaton stands after some segments.
struct Position {
    active: Vec<StateId>,
    /// Best rule that covers everything below a directory passed so far, this one included.
    below: Rank,
}

impl Matcher<'_, '_> {
    /// Number of the last rule that matches the path.
    pub(super) fn last_match(&mut self, path: &str) -> Result<Option<usize>, TooComplex> {
        if path.is_empty() {
            return Ok(None);
        }
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.directory(directory)?;
        let position = self.step(&parent, name)?;
        let exact = position.active.iter().map(|state| self.index.states[*state as usize].exact).max();
        let best = exact.unwrap_or(0).max(parent.below);
        Ok(best.checked_sub(1).map(|number| number as usize))
    }

    fn directory(&mut self, directory: &str) -> Result<Rc<Position>, TooComplex> {
        if let Some(position) = self.directories.get(directory) {
            return Ok(Rc::clone(position));
        }
        let mut position = self.entered(Vec::from([ROOT]), 0);
        if !directory.is_empty() {
            for segment in directory.split('/') {
                position = self.step(&position, segment)?;
            }
        }
        let position = Rc::new(position);
        self.directories.insert(directory.to_owned(), Rc::clone(&position));
        Ok(position)
    }

    fn step(&mut self, from: &Position, segment: &str) -> Result<Position, TooComplex> {
        let wilds = self.wilds(segment)?;
        let literal = self.index.literals.get(segment).copied();
        self.spend(from.active.len() as u64 * (wilds.len() as u64 + 1))?;
        let mut active = Vec::new();
        for &state in &from.active {
            if self.index.states[state as usize].stays {
                active.push(state);
            }
            let segments = literal.iter().chain(wilds.iter());
            active.extend(segments.filter_map(|segment| self.index.edges.get(&(state, *segment))));
        }
        Ok(self.entered(active, from.below))
    }

    /// Completes the active states with those that stay at any depth, and notes the rules that cover what lies below.
    fn entered(&self, mut active: Vec<StateId>, below: Rank) -> Position {
        let states = &self.index.states;
        for at in 0..active.len() {
            active.extend(states[active[at] as usize].any_depth);
        }
        active.sort_unstable();
        active.dedup();
        let best = active.iter().map(|state| states[*state as usize].below).max();
        Position { below: best.unwrap_or(0).max(below), active }
    }

    fn wilds(&mut self, segment: &str) -> Result<Rc<[SegmentId]>, TooComplex> {
        if let Some(found) = self.wilds.get(segment) {
            return Ok(Rc::clone(found));
        }
        let (found, steps) = self.index.wilds.matching(segment, self.steps_left);
        self.spend(steps)?;
        let found: Rc<[SegmentId]> = found.into();
        self.wilds.insert(segment.to_owned(), Rc::clone(&found));
        Ok(found)
    }

    fn spend(&mut self, steps: u64) -> Result<(), TooComplex> {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(TooComplex)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much is kept of the rules: states, ways between them, wildcards and what finds those.
    fn kept(index: &Index<'_>) -> usize {
        let Wilds { ids, suffixes, prefixes, others, .. } = &index.wilds;
        index.states.len() + index.edges.len() + ids.len() + suffixes.len() + prefixes.len() + others.len()
    }

    #[test]
    fn what_is_kept_is_linear_in_the_rules() {
        let shapes: [fn(usize) -> String; 6] = [
            |n| format!("/a{n}/b{n}/"),
            |n| format!("/area/**/b{n}/**/*_x{n}.rs"),
            |n| format!("**/a{n}/**/b{n}/**"),
            |n| format!("*.ext{n}"),
            |n| format!("/area/pre{n}*/*/t*st?{n}"),
            |n| format!("/area/b{n}/*"),
        ];
        for shape in shapes {
            let of = |rules: usize| {
                // Only rules of which every literal segment is in some path are kept whole.
                let paths: Vec<String> = (0..rules).map(|n| format!("area/a{n}/b{n}/x.rs")).collect();
                let mut index = Index::for_paths(paths.iter().map(String::as_str));
                (0..rules).for_each(|n| index.add(&shape(n)));
                let segments: usize = (0..rules).map(|n| shape(n).split('/').count() + 1).sum();
                // A segment is a state, a way to it, a wildcard, and an entry that finds that.
                assert!(kept(&index) <= 1 + 4 * segments, "{} for {segments} segments", kept(&index));
                let mut matcher = index.matcher();
                for path in paths.iter().take(50) {
                    matcher.last_match(path).unwrap();
                }
                let active: usize = matcher.directories.values().map(|position| position.active.len()).sum();
                assert!(active <= index.states.len() * matcher.directories.len());
                kept(&index)
            };
            let (some, twice) = (of(1_000), of(2_000));
            assert!(twice > some && twice <= 2 * some, "{}: {some}, and {twice} for twice the rules", shape(0));
        }
    }
}
